//! What a frame does to the books: counted first, read next, applied whole, then published.

use std::time::Instant;

use smallvec::SmallVec;

use super::changes::ChangeLog;
use super::event::{Cause, SessionEvent, Status};
use super::machine::Machine;
use super::policy::{Resync, SequenceScope};
use super::stats::Stats;
use super::subscription::{Stage, Subscription};
use crate::bbo::FrameOrigin;
use crate::book::{Applied, Book, BookError, Snapshot};
use crate::sequence::Arrival;
use crate::units::PackedLevel;
use crate::wire::{self, Body, DecodeError, Frame, Update, UpdateKind, WireTime};

/// Frames seen hold one event, so a list of this many products never leaves the stack.
const USUAL_PRODUCTS_PER_FRAME: usize = 4;

/// A product that a frame has something for.
struct Touched<'f> {
    index: usize,
    /// The time of its newest level, unread.
    event_time: Option<WireTime<'f>>,
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
    /// Takes an order-book frame of one event: its number before anything else.
    pub(super) fn update(&mut self, now: Instant, sequence: u64, update: &Update<'_>) {
        let arrival = self.arrival_of(Some(sequence));
        #[cfg(level2_sabotage)]
        let arrival = self.sabotage_arrival(arrival, super::sabotage::is_snapshot(update));
        if !self.has_use_for_frame(now, arrival) {
            return;
        }
        self.stats.book_frames += 1;
        if let Some(index) = self.index_of(now, update) {
            let mut touched = self.touch(now, sequence, index);
            self.apply(now, update, &mut touched);
            self.finish(now, sequence, &touched);
        }
    }

    /// Takes any other frame: its number before anything else, whatever its channel is.
    #[inline(never)]
    pub(super) fn frame(&mut self, now: Instant, frame: &Frame<'_>) {
        let arrival = self.arrival_of(frame.sequence());
        #[cfg(level2_sabotage)]
        let arrival = self.sabotage_arrival(arrival, super::sabotage::holds_snapshot(frame));
        if !self.has_use_for_frame(now, arrival) {
            return;
        }
        match frame.body() {
            Body::Level2 { sequence, updates } => {
                self.stats.book_frames += 1;
                self.stats.general_frames += u64::from(!frame.is_expected_shape());
                self.updates(now, sequence, updates);
            }
            Body::Subscriptions(subscriptions) => {
                self.stats.answers += 1;
                self.acknowledged(now, &subscriptions);
            }
            Body::Heartbeat { .. } => self.stats.heartbeats += 1,
            Body::Error { kind, message } => self.refused(now, kind, message),
            Body::Other { .. } => self.stats.other_channels += 1,
        }
    }

    /// Says how the number of a frame arrived, where all frames of the connection share a counter.
    #[inline]
    fn arrival_of(&mut self, sequence: Option<u64>) -> Arrival {
        match sequence {
            Some(sequence) if self.config.policy.sequence_scope == SequenceScope::Connection => {
                self.tracker.observe(sequence)
            }
            _ => Arrival::InOrder,
        }
    }

    /// Does what the number of a frame asks for, and says whether there is a use for the frame.
    #[inline]
    fn has_use_for_frame(&mut self, now: Instant, arrival: Arrival) -> bool {
        if self.count_arrival(arrival) {
            return false;
        }
        if let Some(cause) = cause_of(arrival) {
            self.lose_connection_sync(now, cause);
            // The frame itself is sound: on a connection that is kept a snapshot in it heals its
            // product.
            self.stats.discarded += u64::from(!self.is_open());
            return self.is_open();
        }
        true
    }

    /// Takes a message that is no frame. Its number is unknown, and so is what it was for.
    #[cold]
    pub(super) fn undecodable_frame(&mut self, now: Instant, error: DecodeError) {
        self.tracker.skip_unreadable();
        self.stats.unreadable += 1;
        self.lose_to_undecodable(now, error);
    }

    #[cold]
    fn lose_to_undecodable(&mut self, now: Instant, error: DecodeError) {
        self.stats.undecodable += 1;
        self.lose_connection_sync(now, Cause::Decode);
        self.push(SessionEvent::Undecodable { product: None, error });
    }

    fn updates(&mut self, now: Instant, sequence: u64, updates: wire::Updates<'_>) {
        let mut all_touched: SmallVec<[Touched<'_>; USUAL_PRODUCTS_PER_FRAME]> = SmallVec::new();
        for update in updates {
            let update = match update {
                Ok(update) => update,
                Err(error) => return self.lose_to_undecodable(now, error),
            };
            let Some(index) = self.index_of(now, &update) else { continue };
            let position = all_touched.iter().position(|touched| touched.index == index);
            let position = position.unwrap_or_else(|| {
                all_touched.push(self.touch(now, sequence, index));
                all_touched.len() - 1
            });
            self.apply(now, &update, &mut all_touched[position]);
        }
        for touched in all_touched {
            self.finish(now, sequence, &touched);
        }
    }

    /// Returns what the first event of a frame for a product begins.
    #[inline]
    fn touch<'f>(&mut self, now: Instant, sequence: u64, index: usize) -> Touched<'f> {
        Touched {
            index,
            event_time: None,
            is_changed: false,
            is_replaced: false,
            is_duplicate: self.is_duplicate_for_product(now, index, sequence),
        }
    }

    /// Applies one event to its book. Nothing is published here.
    #[inline]
    fn apply<'f>(&mut self, now: Instant, update: &Update<'f>, touched: &mut Touched<'f>) {
        if touched.is_duplicate || !self.is_open() {
            return;
        }
        let index = touched.index;
        #[cfg(level2_sabotage)]
        self.sabotage_product(index, update);
        let (subscription, stats) = (self.subscriptions.at_mut(index), &mut self.stats);
        let (log, max_levels) = (&mut self.changes, self.config.policy.max_levels_per_side);
        if let Err(fault) = apply(subscription, stats, log, max_levels, update, touched) {
            self.lose_to_fault(now, index, fault);
        }
    }

    /// Checks and publishes a book after the whole frame was applied to it.
    fn finish(&mut self, now: Instant, sequence: u64, touched: &Touched<'_>) {
        let index = touched.index;
        let is_open = self.is_open();
        let subscription = self.subscriptions.at_mut(index);
        if !is_open || touched.is_duplicate || !subscription.is_live() {
            return;
        }
        let tops = subscription.book.tops();
        #[cfg(level2_sabotage)]
        let tops = self.saboteur.tops(tops);
        if tops.are_crossed() {
            self.stats.crossed += 1;
            self.lose_product(now, index, Cause::Crossed);
            return;
        }
        let event_time = touched.event_time.and_then(|time| self.times.read(time));
        let connection = self.connection;
        let origin = FrameOrigin { sequence, connection, event_time, received: now };
        subscription.publish(&tops, origin);
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
            self.push_updated(index, sequence);
        }
    }

    #[cold]
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
        self.push_each(index, |product| SessionEvent::Synced { product, sequence });
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
    #[inline]
    fn is_duplicate_for_product(&mut self, now: Instant, index: usize, sequence: u64) -> bool {
        self.config.policy.sequence_scope == SequenceScope::Product
            && self.observe_for_product(now, index, sequence)
    }

    /// Observes the number of a frame for its product alone; says whether it is a duplicate.
    fn observe_for_product(&mut self, now: Instant, index: usize, sequence: u64) -> bool {
        let arrival = self.subscriptions.at_mut(index).tracker.observe(sequence);
        if let Some(cause) = cause_of(arrival) {
            match self.config.policy.resync {
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
                self.push(SessionEvent::Undecodable { product, error });
            }
            Fault::Book(error) => {
                self.stats.undecodable += 1;
                self.lose_product(now, index, Cause::Limit);
                if let Some(product) = product {
                    self.push(SessionEvent::LevelRejected { product, error });
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
            replace_book(&mut subscription.book, update, max_levels, touched)?;
            subscription.stage = Stage::Live;
            subscription.is_ended_earlier = false;
            subscription.is_unlisted = false;
            subscription.has_own_stream |= update.product_id() == subscription.wire_name.as_str();
            touched.is_replaced = true;
            log.forget(touched.index);
        }
        (UpdateKind::Update, Stage::Live) => {
            let mut applied = Applied::default();
            let result = apply_changes(&mut subscription.book, log, update, touched, &mut applied);
            touched.is_changed |= applied.made > 0;
            stats.updates += applied.total;
            stats.orphan_deletes += applied.absent;
            subscription.stats.updates += applied.total;
            subscription.stats.orphan_deletes += applied.absent;
            result?;
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

/// Replaces all levels of a book by those of a snapshot, or none.
#[inline(never)]
fn replace_book<'f>(
    book: &mut Book,
    update: &Update<'f>,
    max_levels: usize,
    touched: &mut Touched<'f>,
) -> Result<(), Fault> {
    let mut snapshot = Snapshot::new(max_levels);
    if let Some((levels, event_time)) = update.read_levels() {
        touched.event_time = Some(event_time);
        snapshot.extend(levels)?;
    } else {
        update.levels()?.try_take_each(|level| {
            touched.event_time = level.event_time;
            snapshot.push(level.side, level.price, level.size).map_err(Fault::from)
        })?;
    }
    book.replace(snapshot);
    Ok(())
}

/// Makes the changes of an update, and counts them. After an error, those before it were made.
#[inline]
fn apply_changes<'f>(
    book: &mut Book,
    log: &mut ChangeLog,
    update: &Update<'f>,
    touched: &mut Touched<'f>,
    applied: &mut Applied,
) -> Result<(), Fault> {
    match update.read_levels() {
        Some((changes, event_time)) if !log.is_on() => {
            touched.event_time = Some(event_time);
            Ok(book.apply(changes, applied)?)
        }
        _ => apply_one_by_one(book, log, update, touched, applied),
    }
}

#[inline(never)]
fn apply_one_by_one<'f>(
    book: &mut Book,
    log: &mut ChangeLog,
    update: &Update<'f>,
    touched: &mut Touched<'f>,
    applied: &mut Applied,
) -> Result<(), Fault> {
    update.levels()?.try_take_each(|level| {
        touched.event_time = level.event_time;
        let made_before = applied.made;
        book.apply(&[PackedLevel::new(level.side, level.price, level.size)], applied)?;
        if log.is_on() && applied.made > made_before {
            log.push(touched.index, level.side, level.price, level.size);
        }
        Ok(())
    })
}

/// Returns why the books are lost when a number arrives so, if they are.
const fn cause_of(arrival: Arrival) -> Option<Cause> {
    match arrival {
        Arrival::InOrder | Arrival::Duplicate => None,
        Arrival::Gap { .. } => Some(Cause::Gap),
        Arrival::Reset => Some(Cause::Reset),
    }
}
