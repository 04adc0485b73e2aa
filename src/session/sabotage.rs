//! Ways to break a session on purpose, so that a test can show that the simulation would notice.
//!
//! Built with `--cfg level2_sabotage` alone; no release has any of it.

use super::event::Status;
use super::machine::Machine;
use super::subscription::Stage;
use crate::book::Tops;
use crate::sequence::Arrival;
use crate::wire::{Body, Frame, Update, UpdateKind};

/// A way to break a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
#[expect(clippy::exhaustive_enums, missing_docs)]
pub enum Sabotage {
    /// Lost frames are not noticed.
    GapCheckOff,
    /// A snapshot sets the counter of the whole connection, as if it were its product's alone.
    SnapshotReanchors,
    /// The best bid and ask are published before the frame is applied.
    PublishesEarly,
    /// Updates are applied to a book that was lost, which makes it look live.
    AppliesWhileLost,
}

impl Sabotage {
    /// Every way.
    pub const ALL: [Self; 4] =
        [Self::GapCheckOff, Self::SnapshotReanchors, Self::PublishesEarly, Self::AppliesWhileLost];
}

/// What a sabotaged session remembers.
#[derive(Debug, Default)]
pub(super) struct Saboteur {
    pub(super) way: Option<Sabotage>,
    early: Option<Tops>,
}

impl Saboteur {
    /// Says what is to be published instead of the tops of a book.
    pub(super) fn tops(&mut self, tops: Tops) -> Tops {
        self.early.take().unwrap_or(tops)
    }
}

impl Machine {
    /// Says how the number of a frame is said to have arrived.
    pub(super) fn sabotage_arrival(&self, arrival: Arrival, holds_snapshot: bool) -> Arrival {
        let is_ignored = match self.saboteur.way {
            Some(Sabotage::GapCheckOff) => true,
            Some(Sabotage::SnapshotReanchors) => holds_snapshot,
            _ => false,
        };
        if is_ignored && matches!(arrival, Arrival::Gap { .. }) {
            Arrival::InOrder
        } else {
            arrival
        }
    }

    /// Does something to a product before an event of a frame is applied to it.
    pub(super) fn sabotage_product(&mut self, index: usize, update: &Update<'_>) {
        let subscription = self.subscriptions.at_mut(index);
        match self.saboteur.way {
            Some(Sabotage::PublishesEarly) => {
                let is_update = matches!(update.kind(), Ok(UpdateKind::Update));
                self.saboteur.early = is_update.then(|| subscription.book.tops());
            }
            Some(Sabotage::AppliesWhileLost) if matches!(subscription.status, Status::Lost(_)) => {
                subscription.stage = Stage::Live;
                subscription.status = Status::Live;
            }
            _ => {}
        }
    }
}

pub(super) fn holds_snapshot(frame: &Frame<'_>) -> bool {
    match frame.body() {
        Body::Level2 { mut updates, .. } => {
            updates.any(|update| update.is_ok_and(|update| is_snapshot(&update)))
        }
        _ => false,
    }
}

pub(super) fn is_snapshot(update: &Update<'_>) -> bool {
    matches!(update.kind(), Ok(UpdateKind::Snapshot))
}
