//! A view of a simulated exchange that checks every BBO before it shows it.

use std::ops::ControlFlow;
use std::time::Duration;

use level2::ProductId;
use level2::book::Level;
use level2::session::{Session, SessionEvent};
use level2_sim::{ConnectionId, Server, TrueBbo};
use rust_decimal::Decimal;

use super::View;
use crate::failure::Failure;

/// Compares every BBO with the exchange's true book, then hands the event to another view.
pub(crate) struct CheckedView<'a> {
    inner: Box<dyn View>,
    server: &'a Server,
    /// The exchange's id of the feed's connection.
    connection: Option<ConnectionId>,
    counts: CheckCounts,
}

/// What the checks found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CheckCounts {
    /// BBOs compared with the true book.
    pub(crate) checked: u64,
    /// BBOs that differ from it.
    pub(crate) wrong: u64,
}

impl<'a> CheckedView<'a> {
    pub(crate) fn new(inner: Box<dyn View>, server: &'a Server) -> Self {
        Self { inner, server, connection: None, counts: CheckCounts::default() }
    }

    pub(crate) const fn counts(&self) -> CheckCounts {
        self.counts
    }

    fn check(&mut self, session: &Session, product: &ProductId) {
        let bbo = session.bbo(product.as_str()).ok().and_then(|reader| reader.load());
        let (Some(bbo), Some(connection)) = (bbo, self.connection) else { return };
        let truth = self
            .server
            .with_exchange(|exchange| exchange.truth(connection, product.as_str(), bbo.sequence));
        let pair = |level: Level| -> (Decimal, Decimal) { (level.price, level.size) };
        let shown = TrueBbo { bid: bbo.bid.map(pair), ask: bbo.ask.map(pair) };
        self.counts.checked += 1;
        self.counts.wrong += u64::from(truth != Some(shown));
    }
}

impl View for CheckedView<'_> {
    fn period(&self) -> Duration {
        self.inner.period()
    }

    fn event(&mut self, session: &Session, event: &SessionEvent) -> Result<(), Failure> {
        match event {
            // The feed is the exchange's only client.
            SessionEvent::Connected => self.connection = self.server.newest_connection(),
            SessionEvent::Synced { product, .. } | SessionEvent::Updated { product, .. } => {
                self.check(session, product);
            }
            _ => {}
        }
        self.inner.event(session, event)
    }

    fn tick(&mut self, session: &Session) -> Result<ControlFlow<()>, Failure> {
        self.inner.tick(session)
    }

    fn finish(&mut self, session: &Session) -> Result<(), Failure> {
        self.inner.finish(session)
    }
}
