//! What was shown to a reader, against what the exchange knows to have been true.

use std::collections::VecDeque;

use level2::Bbo;
use level2::book::Level;
use level2_sim::{ConnectionId, Exchange, TrueBbo};
use rust_decimal::Decimal;

/// How many of the books' connections are remembered: more than can be in use at a time.
const MAX_CONNECTIONS: usize = 64;

/// Below this number a counter that has just started again may already have used the number of
/// the frame in question, and the exchange then tells the truth of the later one.
const MAX_REUSED_SEQUENCE: u64 = 64;

/// A best bid and ask as somebody was shown it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    /// Whose books: connections are numbered anew in each group.
    pub(crate) group: usize,
    pub(crate) product: &'static str,
    pub(crate) bbo: Bbo,
}

/// What comes of looking it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    True,
    /// The exchange no longer knows.
    Forgotten,
    False,
}

/// Finds out which of the exchange's connections each of the books' is, by what it shows: all of
/// it has to be true on one and the same.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    /// The newest last.
    suspects: VecDeque<Suspects>,
}

/// The connections of the exchange that one of the books' may be.
#[derive(Debug)]
struct Suspects {
    group: usize,
    connection: u64,
    ids: Vec<ConnectionId>,
}

impl Oracle {
    /// Looks up what was shown. `has_reset` says whether a counter has just started again.
    pub(crate) fn judge(&mut self, exchange: &Exchange, shown: &Shown, has_reset: bool) -> Verdict {
        let Shown { group, product, bbo } = *shown;
        let pair = |level: Level| -> (Decimal, Decimal) { (level.price, level.size) };
        let best = TrueBbo { bid: bbo.bid.map(pair), ask: bbo.ask.map(pair) };
        let suspects = self.suspects_of(exchange, group, bbo.connection);
        let truths =
            suspects.ids.iter().map(|id| (*id, exchange.truth(*id, product, bbo.sequence)));
        let truths: Vec<(ConnectionId, Option<TrueBbo>)> = truths.collect();
        let matching = truths.iter().filter(|(_, truth)| *truth == Some(best)).map(|(id, _)| *id);
        let matching: Vec<ConnectionId> = matching.collect();
        if !matching.is_empty() {
            suspects.ids = matching;
            return Verdict::True;
        }
        let is_known = truths.iter().any(|(_, truth)| truth.is_some());
        if !is_known || has_reset && bbo.sequence < MAX_REUSED_SEQUENCE {
            return Verdict::Forgotten;
        }
        Verdict::False
    }

    fn suspects_of(&mut self, exchange: &Exchange, group: usize, connection: u64) -> &mut Suspects {
        let is_it = |one: &Suspects| (one.group, one.connection) == (group, connection);
        let place = self.suspects.iter().position(is_it).unwrap_or_else(|| {
            if self.suspects.len() == MAX_CONNECTIONS {
                self.suspects.pop_front();
            }
            let ids = exchange.remembered_connections().collect();
            self.suspects.push_back(Suspects { group, connection, ids });
            self.suspects.len() - 1
        });
        &mut self.suspects[place]
    }
}
