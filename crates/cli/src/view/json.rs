//! The view for programs: a line of JSON for each change of a status or a BBO.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use level2::ProductId;
use level2::book::Level;
use level2::session::{Session, SessionEvent, Status};

use super::View;
use crate::failure::Failure;
use crate::format::event::event_text;
use crate::format::json;
use crate::format::summary::summaries;
use crate::stdio::{print, warn};

/// The view prints at events only, so a tick has nothing to do.
const PERIOD: Duration = Duration::from_secs(60);

/// Prints lines of JSON. Problems go to the standard error.
#[derive(Debug, Default)]
pub(crate) struct JsonView {
    /// The last lines of each product.
    shown: BTreeMap<ProductId, Shown>,
}

#[derive(Debug)]
struct Shown {
    status: Status,
    /// The BBO; `None` if none was printed since the book became live.
    bbo: Option<(Option<Level>, Option<Level>)>,
}

impl JsonView {
    fn show_status(&mut self, product: &ProductId, status: Status) -> Result<(), Failure> {
        if self.shown.get(product).is_some_and(|shown| shown.status == status) {
            return Ok(());
        }
        self.shown.insert(product.clone(), Shown { status, bbo: None });
        print(&json::status_line(product, status))
    }

    fn show_bbo(&mut self, session: &Session, product: &ProductId) -> Result<(), Failure> {
        let shown = self.shown.get_mut(product).filter(|shown| shown.status == Status::Live);
        let bbo = session.bbo(product).ok().and_then(|reader| reader.load());
        let (Some(shown), Some(bbo)) = (shown, bbo) else { return Ok(()) };
        if shown.bbo == Some((bbo.bid, bbo.ask)) {
            return Ok(());
        }
        shown.bbo = Some((bbo.bid, bbo.ask));
        print(&json::bbo_line(product, &bbo))
    }

    /// Prints the present state after events were missed.
    fn catch_up(&mut self, session: &Session) -> Result<(), Failure> {
        for product in session.products() {
            self.show_status(product.name(), product.status())?;
            self.show_bbo(session, product.name())?;
        }
        Ok(())
    }
}

impl View for JsonView {
    fn period(&self) -> Duration {
        PERIOD
    }

    fn event(&mut self, session: &Session, event: &SessionEvent) -> Result<(), Failure> {
        if let Some(text) = event_text(event).filter(|_| is_problem(event)) {
            warn(&text);
        }
        match event {
            SessionEvent::Lost { product, cause } => {
                self.show_status(product, Status::Lost(*cause))
            }
            SessionEvent::Missed { .. } => self.catch_up(session),
            SessionEvent::Requested { product } => self.show_status(product, Status::Syncing),
            SessionEvent::Synced { product, .. } => {
                // A snapshot can also replace a live book.
                if let Some(shown) = self.shown.get_mut(product) {
                    shown.bbo = None;
                }
                self.show_status(product, Status::Live)?;
                self.show_bbo(session, product)
            }
            SessionEvent::Updated { product, .. } => self.show_bbo(session, product),
            _ => Ok(()),
        }
    }

    fn tick(&mut self, _: &Session) -> Result<ControlFlow<()>, Failure> {
        Ok(ControlFlow::Continue(()))
    }

    fn finish(&mut self, session: &Session) -> Result<(), Failure> {
        for summary in summaries(session) {
            print(&json::summary_line(&summary))?;
        }
        print(&json::stats_line(session.stats()))
    }
}

/// Returns whether an event is a problem that the lines of JSON do not show.
const fn is_problem(event: &SessionEvent) -> bool {
    matches!(
        event,
        SessionEvent::AuthenticationFailed(_)
            | SessionEvent::LeftOut { .. }
            | SessionEvent::LevelRejected { .. }
            | SessionEvent::Missed { .. }
            | SessionEvent::Refused { .. }
            | SessionEvent::Undecodable { .. }
            | SessionEvent::Unlisted { .. }
    )
}
