//! Lanes that feed the same products, shared between their tasks and readers.

use tokio::sync::Notify;

use super::lane::Lane;
use super::lanes::Lanes;
use super::priority_mutex::PriorityMutex;
use crate::clock::now;

/// The lanes that feed the same products: one, or one and its standby.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) number: u64,
    pub(super) lanes: Lanes<SharedLane>,
}

/// A lane, shared between the task that drives it and those who read its books.
#[derive(Debug)]
pub(super) struct SharedLane {
    pub(super) lane: PriorityMutex<Lane>,
    /// Wakes the task to do what others have decided.
    pub(super) wake: Notify,
}

impl SharedLane {
    pub(super) fn new(lane: Lane) -> Self {
        Self { lane: PriorityMutex::new(lane), wake: Notify::new() }
    }

    /// Withdraws the lane's books and makes its task end.
    pub(super) fn close(&self) {
        let mut lane = self.lane.lock_queued();
        lane.close(now());
        drop(lane);
        self.wake.notify_one();
    }
}
