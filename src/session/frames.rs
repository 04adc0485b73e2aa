//! What a frame does to the books: counted first, read next, applied whole, then published.

use std::time::Instant;

use smallvec::SmallVec;

use super::changes::ChangeLog;
use super::config::{Resync, SequenceScope};
use super::event::{Cause, Event, Status};
use super::machine::Machine;
use super::stats::Stats;
use super::subscription::{FrameOrigin, Stage, Subscription};
use crate::book::{BookError, Change, Snapshot};
use crate::sequence::Arrival;
use crate::wire::{self, Body, DecodeError, Frame, UnixNanos, Update, UpdateKind};

/// Frames seen hold one event, so a list of this many products never leaves the stack.
const USUAL_PRODUCTS_PER_FRAME: usize = 4;

/// A product that a frame has something for.
struct Touched<'f> {
    index: usize,
    /// The time of its newest level, unread.
    event_time: Option<&'f str>,
    /// Whether a level is other than before.
    is_changed: bool,
    /// Whether a snapshot replaced its book.
    is_replaced: bool,
    /// Whether its number was found to be a duplicate, where each product has its own numbers.
    is_duplicate: bool,
}

/// Why a product's part of a frame was not applied.
enum Fault {
    Decode(DecodeError),
    Book(BookError),
    /// An update came where the snapshot was due.
    Premature,
}

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl From<BookError> for Fault {
    fn from(error: BookError) -> Self {
        Self::Book(error)
    }
}

impl Machine {
    /// Takes a frame: its number before anything else, whatever its channel is.
    pub(super) fn frame(&mut self, now: Instant, frame: &Frame<'_>) {
        if let Some(sequence) = frame.sequence()
            && self.config.sequence_scope == SequenceScope::Connection
        {
            let arrival = self.tracker.observe(sequence);
            if self.count_arrival(arrival) {
                return;
            }
            if let Some(cause) = cause_of(arrival) {
                self.lose_connection_sync(now, cause);
                if !self.is_open() {
                    return;
                }
                // The frame itself is sound: a snapshot in it heals its product.
            }
        }
        match frame.body() {
            Body::Level2(updates) => {
                self.stats.general_frames += u64::from(!frame.is_expected_shape());
                // The parser takes no frame of levels without a number.
                self.level2(now, frame.sequence().unwrap_or_default(), updates);
            }
            Body::Subscriptions(subscriptions) => self.acknowledged(now, &subscriptions),
            Body::Heartbeat { .. } => self.stats.heartbeats += 1,
            Body::Error { message } => self.refused(now, message),
            Body::Other { .. } => self.stats.other_channels += 1,
        }
    }

    /// Takes a message that is no frame. Its number is unknown, and so is what it was for.
    #[cold]
    pub(super) fn undecodable_frame(&mut self, now: Instant, error: DecodeError) {
        self.tracker.skip_unreadable();
        self.lose_to_undecodable(now, error);
    }

    #[cold]
    fn lose_to_undecodable(&mut self, now: Instant, error: DecodeError) {
        self.stats.undecodable += 1;
        self.lose_connection_sync(now, Cause::Decode);
        self.push(Event::Undecodable { product: None, error });
    }

    fn level2(&mut self, now: Instant, sequence: u64, updates: wire::Updates<'_>) {
        let mut touched: SmallVec<[Touched<'_>; USUAL_PRODUCTS_PER_FRAME]> = SmallVec::new();
        for update in updates {
            let update = match update {
                Ok(update) => update,
                Err(error) => return self.lose_to_undecodable(now, error),
            };
            let Some(index) = self.index_of(now, &update) else {
                self.stats.unasked += 1;
                continue;
            };
            let position = touched.iter().position(|touched| touched.index == index);
            let position = position.unwrap_or_else(|| {
                let is_duplicate = self.is_duplicate_for_product(now, index, sequence);
                touched.push(Touched {
                    index,
                    event_time: None,
                    is_changed: false,
                    is_replaced: false,
                    is_duplicate,
                });
                touched.len() - 1
            });
            let touched = &mut touched[position];
            if touched.is_duplicate || !self.is_open() {
                continue;
            }
            let (subscription, stats) = (self.subscriptions.at_mut(index), &mut self.stats);
            let (log, max_levels) = (&mut self.changes, self.config.max_levels_per_side);
            if let Err(fault) = apply(subscription, stats, log, max_levels, &update, touched) {
                self.lose_to_fault(now, index, fault);
            }
        }
        for touched in touched {
            if self.is_open() && !touched.is_duplicate {
                self.finish(now, sequence, &touched);
            }
        }
    }

    /// Checks and publishes a book after the whole frame was applied to it.
    fn finish(&mut self, now: Instant, sequence: u64, touched: &Touched<'_>) {
        let index = touched.index;
        let subscription = self.subscriptions.at_mut(index);
        if !subscription.is_live() {
            return;
        }
        if subscription.book.is_crossed() {
            self.stats.crossed += 1;
            self.lose_product(now, index, Cause::Crossed);
            return;
        }
        let event_time = touched.event_time.and_then(UnixNanos::parse_rfc3339);
        let connection = self.connection;
        subscription.publish(FrameOrigin { sequence, connection, event_time, received: now });
        if touched.is_changed || touched.is_replaced {
            subscription.last_change = now;
            // While its quiet is reported a product has no timer, or a later one.
            if std::mem::take(&mut subscription.is_quiet_reported)
                && let Some(due) = self.product_due(index)
            {
                self.arm_product_timer(due);
            }
        }
        if touched.is_replaced {
            self.synced(now, index, sequence);
        } else if touched.is_changed {
            self.push_each(index, |product| Event::Updated { product, sequence });
        }
    }

    fn synced(&mut self, now: Instant, index: usize, sequence: u64) {
        let subscription = self.subscriptions.at_mut(index);
        if subscription.status != Status::Live {
            subscription.status = Status::Live;
            subscription.since = now;
        }
        if std::mem::take(&mut subscription.is_healing) {
            subscription.stats.resyncs += 1;
            self.stats.resyncs += 1;
        }
        self.stats.snapshots += 1;
        self.live_since.get_or_insert(now);
        if let Some(due) = self.product_due(index) {
            self.arm_product_timer(due);
        }
        self.push_each(index, |product| Event::Synced { product, sequence });
    }

    /// Counts how a number arrived, and says whether the frame is a duplicate.
    fn count_arrival(&mut self, arrival: Arrival) -> bool {
        match arrival {
            Arrival::InOrder => {}
            Arrival::Duplicate => self.stats.duplicates += 1,
            Arrival::Gap { .. } => self.stats.gaps += 1,
            Arrival::Reset => self.stats.resets += 1,
        }
        arrival == Arrival::Duplicate
    }

    /// Where each product has its own numbers, observes the frame's for this product.
    fn is_duplicate_for_product(&mut self, now: Instant, index: usize, sequence: u64) -> bool {
        if self.config.sequence_scope != SequenceScope::Product {
            return false;
        }
        let arrival = self.subscriptions.at_mut(index).tracker.observe(sequence);
        if let Some(cause) = cause_of(arrival) {
            match self.config.resync {
                // One product's numbers say nothing of the others, yet a new connection is what
                // the policy trusts to heal it.
                Resync::Reconnect => self.lose_connection_sync(now, cause),
                Resync::Passive | Resync::Resubscribe => self.lose_product(now, index, cause),
            }
        }
        self.count_arrival(arrival)
    }

    #[cold]
    fn lose_to_fault(&mut self, now: Instant, index: usize, fault: Fault) {
        let product = self.subscriptions.at(index).names.first().map(|name| name.id.clone());
        match fault {
            Fault::Decode(error) => {
                self.stats.undecodable += 1;
                self.lose_product(now, index, Cause::Decode);
                self.push(Event::Undecodable { product, error });
            }
            Fault::Book(error) => {
                self.stats.undecodable += 1;
                self.lose_product(now, index, Cause::Limit);
                if let Some(product) = product {
                    self.push(Event::Unholdable { product, error });
                }
            }
            Fault::Premature => self.lose_product(now, index, Cause::Premature),
        }
    }
}

/// Applies one event to its book. Nothing is published here.
fn apply<'f>(
    subscription: &mut Subscription,
    stats: &mut Stats,
    log: &mut ChangeLog,
    max_levels: usize,
    update: &Update<'f>,
    touched: &mut Touched<'f>,
) -> Result<(), Fault> {
    match (update.kind()?, subscription.stage) {
        // The venue was told to end the subscription, or was never asked for one: no updates
        // would follow this snapshot, and its book would grow stale while it looks live.
        (UpdateKind::Snapshot, Stage::Wanted { unsubscribes_first: false, .. } | Stage::Down) => {
            stats.awaiting += 1;
        }
        (UpdateKind::Snapshot, _) => {
            let mut snapshot = Snapshot::new(max_levels);
            update.levels()?.try_take_each(|level| {
                touched.event_time = level.event_time;
                snapshot.push(level.side, level.price, level.size).map_err(Fault::from)
            })?;
            subscription.book.replace(snapshot);
            subscription.stage = Stage::Live;
            touched.is_replaced = true;
            log.forget(touched.index);
        }
        (UpdateKind::Update, Stage::Live) => {
            let (mut level_count, mut absent_count, mut unchanged_count) = (0, 0, 0);
            let (book, is_logged) = (&mut subscription.book, log.is_on());
            let applied = update.levels()?.try_take_each(|level| {
                touched.event_time = level.event_time;
                let change = book.set(level.side, level.price, level.size)?;
                level_count += 1;
                absent_count += u64::from(change == Change::Absent);
                unchanged_count += u64::from(change == Change::Unchanged);
                if is_logged && !matches!(change, Change::Absent | Change::Unchanged) {
                    log.push(touched.index, level.side, level.price, level.size);
                }
                Ok::<(), Fault>(())
            });
            touched.is_changed |= level_count > absent_count + unchanged_count;
            stats.updates += level_count;
            stats.orphan_deletes += absent_count;
            subscription.stats.updates += level_count;
            subscription.stats.orphan_deletes += absent_count;
            applied?;
        }
        (UpdateKind::Update, Stage::Awaiting { is_first: true, .. }) => {
            return Err(Fault::Premature);
        }
        (UpdateKind::Update, Stage::Awaiting { .. } | Stage::Down | Stage::Wanted { .. }) => {
            stats.awaiting += 1;
        }
    }
    Ok(())
}

/// Returns why the books are lost when a number arrives so, if they are.
const fn cause_of(arrival: Arrival) -> Option<Cause> {
    match arrival {
        Arrival::InOrder | Arrival::Duplicate => None,
        Arrival::Gap { .. } => Some(Cause::Gap),
        Arrival::Reset => Some(Cause::Reset),
    }
}
