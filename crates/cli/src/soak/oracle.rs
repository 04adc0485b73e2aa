//! Compares BBOs with the exchange's true books.

use std::collections::VecDeque;

use level2::Bbo;
use level2::book::Level;
use level2_sim::{ConnectionId, Exchange, TrueBbo};
use rust_decimal::Decimal;

/// How many connections of the books are remembered: more than are in use at a time.
const MAX_CONNECTIONS: usize = 64;

/// Below this sequence number, a counter that was just reset may have reached the number of a BBO
/// from before the reset. The exchange then returns the truth of the later frame.
const MAX_REUSED_SEQUENCE: u64 = 64;

/// A BBO that was published or read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    /// The index of the group of books. Each group numbers its connections on its own.
    pub(super) group: usize,
    pub(super) product: &'static str,
    pub(super) bbo: Bbo,
}

/// The result of comparing a BBO with the truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    True,
    /// The exchange no longer knows the truth at this number.
    Forgotten,
    False,
}

/// Checks BBOs. The books and the exchange number connections differently, so the oracle narrows
/// down which connection of the exchange each connection of the books is: all BBOs of a connection
/// have to be true on the same one.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    /// The newest is last.
    connections: VecDeque<Candidates>,
}

/// A connection of the books, and the connections of the exchange that it may be.
#[derive(Debug)]
struct Candidates {
    group: usize,
    connection: u64,
    ids: Vec<ConnectionId>,
}

impl Oracle {
    /// Compares a BBO with the truth. `has_reset` says whether a counter was just reset.
    pub(super) fn judge(&mut self, exchange: &Exchange, shown: &Shown, has_reset: bool) -> Verdict {
        let Shown { group, product, bbo } = *shown;
        let pair = |level: Level| -> (Decimal, Decimal) { (level.price, level.size) };
        let best = TrueBbo { bid: bbo.bid.map(pair), ask: bbo.ask.map(pair) };
        let candidates = self.candidates_of(exchange, group, bbo.connection);
        let truths =
            candidates.ids.iter().map(|id| (*id, exchange.truth(*id, product, bbo.sequence)));
        let truths: Vec<(ConnectionId, Option<TrueBbo>)> = truths.collect();
        let matching = truths.iter().filter(|(_, truth)| *truth == Some(best)).map(|(id, _)| *id);
        let matching: Vec<ConnectionId> = matching.collect();
        if !matching.is_empty() {
            candidates.ids = matching;
            return Verdict::True;
        }
        let is_known = truths.iter().any(|(_, truth)| truth.is_some());
        if !is_known || has_reset && bbo.sequence < MAX_REUSED_SEQUENCE {
            return Verdict::Forgotten;
        }
        Verdict::False
    }

    fn candidates_of(
        &mut self,
        exchange: &Exchange,
        group: usize,
        connection: u64,
    ) -> &mut Candidates {
        let is_same = |one: &Candidates| (one.group, one.connection) == (group, connection);
        let index = self.connections.iter().position(is_same).unwrap_or_else(|| {
            if self.connections.len() == MAX_CONNECTIONS {
                self.connections.pop_front();
            }
            let ids = exchange.remembered_connections().collect();
            self.connections.push_back(Candidates { group, connection, ids });
            self.connections.len() - 1
        });
        &mut self.connections[index]
    }
}
