//! The view for programs: each change of a status and of a best bid or ask as a line of JSON.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use level2::ProductId;
use level2::book::Level;
use level2::session::{Session, SessionEvent, Status};

use crate::failure::{Failure, print, warn};
use crate::json;
use crate::live::View;
use crate::summary::summaries;
use crate::text::{event_text, is_complaint};

/// How often there is something to do without an event: never, so seldom suffices.
const PERIOD: Duration = Duration::from_secs(60);

/// Prints lines of JSON; complaints go to the standard error.
#[derive(Debug, Default)]
pub(crate) struct JsonView {
    /// What was last said of each product that something was said of.
    shown: BTreeMap<ProductId, Shown>,
}

#[derive(Debug)]
struct Shown {
    status: Status,
    /// The best bid and ask; `None` if none was said since the book became live.
    best: Option<(Option<Level>, Option<Level>)>,
}

impl JsonView {
    fn show_status(&mut self, product: &ProductId, status: Status) -> Result<(), Failure> {
        if self.shown.get(product).is_some_and(|shown| shown.status == status) {
            return Ok(());
        }
        self.shown.insert(product.clone(), Shown { status, best: None });
        print(&json::status_line(product, status))
    }

    fn show_bbo(&mut self, session: &Session, product: &ProductId) -> Result<(), Failure> {
        let shown = self.shown.get_mut(product).filter(|shown| shown.status == Status::Live);
        let bbo = session.bbo(product).ok().and_then(|reader| reader.load());
        let (Some(shown), Some(bbo)) = (shown, bbo) else { return Ok(()) };
        if shown.best == Some((bbo.bid, bbo.ask)) {
            return Ok(());
        }
        shown.best = Some((bbo.bid, bbo.ask));
        print(&json::bbo_line(product, &bbo))
    }

    /// Says how everything stands where events were missed.
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
        if let Some(text) = event_text(event).filter(|_| is_complaint(event)) {
            warn(&text);
        }
        match event {
            SessionEvent::Lost { product, cause } => {
                self.show_status(product, Status::Lost(*cause))
            }
            SessionEvent::Missed { .. } => self.catch_up(session),
            SessionEvent::Requested { product } => self.show_status(product, Status::Syncing),
            SessionEvent::Synced { product, .. } => {
                // A snapshot in the midst of a live book begins anew too.
                if let Some(shown) = self.shown.get_mut(product) {
                    shown.best = None;
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
