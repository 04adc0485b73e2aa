//! One product of a session: its names, its book, and whether the book may be trusted.

use std::time::Instant;

use smallvec::SmallVec;

use super::apply::{ApplyError, FrameMark, Touched, apply_changes, replace_book};
use super::asked::{Asked, Stage};
use super::healing::{Cooldown, Healing};
use crate::bbo::{BboPublisher, BboReader, FrameOrigin};
use crate::book::{Applied, Book, Tops};
use crate::sequence::Arrival;
use crate::session::changes::ChangeLog;
use crate::session::deadlines::ProductTimer;
use crate::session::policy::{Policy, Resync};
use crate::session::stats::{ProductStats, Stats};
use crate::session::status::{Cause, NotLive, Status};
use crate::wire::{ProductId, TimeReader, Update, UpdateKind};

/// A name that the caller knows a product by, with its own place to publish to.
#[derive(Debug)]
pub(crate) struct Name {
    id: ProductId,
    publisher: BboPublisher,
}

/// What a whole frame has made of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finished {
    /// The best bid is at or above the best ask: nothing was published.
    Crossed,
    /// There is no live book.
    NotLive,
    /// A snapshot was published.
    Synced,
    /// The book is as before. Its BBO was published as of this frame.
    Unchanged,
    /// A change was published.
    Updated,
}

/// A product: what the venue sends one stream of frames for.
#[derive(Debug)]
pub(crate) struct Subscription {
    /// The names requested, at least one; two when an alias and its product were both.
    names: SmallVec<[Name; 1]>,
    /// The name used in requests and found in frames.
    wire_name: ProductId,
    book: Book,
    /// What this connection was asked for it. Its stage changes with each event of a frame.
    asked: Asked,
    /// What was published and reported of the book, which changes with whole frames only.
    status: Status,
    /// Since when the status is what it is.
    since: Instant,
    cooldown: Cooldown,
    /// Whether a snapshot has come under its own name: then it is no alias of what else was
    /// requested.
    has_own_stream: bool,
    /// The frame that the BBO was last published for.
    origin: Option<FrameOrigin>,
    /// When the live book last changed.
    last_change: Instant,
    is_quiet_reported: bool,
    /// Whether the book was lost since it was last live.
    is_healing: bool,
    stats: ProductStats,
}

impl Name {
    pub(crate) const fn new(id: ProductId, publisher: BboPublisher) -> Self {
        Self { id, publisher }
    }

    pub(crate) const fn id(&self) -> &ProductId {
        &self.id
    }

    pub(crate) fn reader(&self) -> BboReader {
        self.publisher.reader()
    }

    /// Withdraws what was published under the name, and returns its publisher.
    pub(super) fn into_withdrawn(mut self) -> BboPublisher {
        self.publisher.withdraw();
        self.publisher
    }
}

impl Subscription {
    /// Returns a product whose snapshot is requested on the open connection, if there is one.
    pub(super) fn new(
        name: Name,
        wire_name: ProductId,
        max_levels: usize,
        connected: Option<Resync>,
        now: Instant,
    ) -> Self {
        Self {
            names: SmallVec::from_buf([name]),
            wire_name,
            book: Book::with_max_levels(max_levels),
            asked: connected.map_or_else(Asked::nowhere, |resync| Asked::joining(resync, now)),
            status: Status::Syncing,
            since: now,
            cooldown: Cooldown::default(),
            has_own_stream: false,
            origin: None,
            last_change: now,
            is_quiet_reported: false,
            is_healing: false,
            stats: ProductStats::default(),
        }
    }

    // Questions.

    /// Returns the name requested first.
    pub(crate) fn first_name(&self) -> &Name {
        self.names.first().expect("a subscription without names is removed")
    }

    pub(crate) fn names(&self) -> &[Name] {
        &self.names
    }

    pub(crate) const fn wire_name(&self) -> &ProductId {
        &self.wire_name
    }

    pub(crate) const fn status(&self) -> Status {
        self.status
    }

    /// Returns since when the status is what it is.
    pub(crate) const fn since(&self) -> Instant {
        self.since
    }

    /// Returns when the live book last changed.
    pub(crate) fn last_change(&self) -> Option<Instant> {
        self.is_live().then_some(self.last_change)
    }

    pub(crate) const fn stats(&self) -> &ProductStats {
        &self.stats
    }

    /// Returns the book, or says under this name why there is none to read.
    pub(crate) fn book(&self, name: &ProductId) -> Result<&Book, NotLive> {
        let (product, since) = (|| name.clone(), self.since);
        match self.status {
            Status::Live => Ok(&self.book),
            Status::Syncing => Err(NotLive::Syncing { product: product(), since }),
            Status::Lost(cause) => Err(NotLive::Lost { product: product(), cause, since }),
        }
    }

    #[inline]
    pub(crate) const fn is_live(&self) -> bool {
        self.asked.is_live()
    }

    pub(crate) const fn asked(&self) -> &Asked {
        &self.asked
    }

    /// Returns whether a snapshot has come under its own name.
    pub(super) const fn has_own_stream(&self) -> bool {
        self.has_own_stream
    }

    // Names.

    pub(super) fn add_name(&mut self, name: Name) {
        self.names.push(name);
    }

    /// Takes the name at a position. The last one stays with the subscription it ends with.
    pub(super) fn remove_name(&mut self, position: usize) -> Name {
        debug_assert!(self.names.len() > 1, "the last name leaves with its subscription");
        self.names.remove(position)
    }

    pub(super) fn rename(&mut self, wire_name: ProductId) -> ProductId {
        std::mem::replace(&mut self.wire_name, wire_name)
    }

    /// Takes the subscription apart, after its BBO was withdrawn.
    pub(super) fn into_names(mut self) -> (SmallVec<[Name; 1]>, ProductId) {
        self.withdraw();
        (self.names, self.wire_name)
    }

    // Frames.

    /// Observes the number of a frame, where each product has its own numbers.
    pub(super) const fn observe(&mut self, sequence: u64) -> Arrival {
        self.asked.observe(sequence)
    }

    /// Applies one event of a frame. Nothing is published here.
    #[inline]
    pub(super) fn apply<'f>(
        &mut self,
        update: &Update<'f>,
        touched: &mut Touched<'f>,
        max_levels: usize,
        log: &mut ChangeLog,
        stats: &mut Stats,
    ) -> Result<(), ApplyError> {
        match (update.kind()?, self.asked.stage()) {
            // The subscription was ended, or none was requested: no updates would follow this
            // snapshot, and its book would grow stale while it looks live.
            (
                UpdateKind::Snapshot,
                Stage::Wanted { unsubscribes_first: false, .. } | Stage::Down,
            ) => {
                stats.record_awaiting();
            }
            (UpdateKind::Snapshot, _) => {
                replace_book(&mut self.book, update, max_levels, touched)?;
                self.asked.synced();
                self.has_own_stream |= update.product_id() == self.wire_name.as_str();
                touched.is_replaced = true;
                log.forget(touched.index);
            }
            (UpdateKind::Update, Stage::Live) => {
                let mut applied = Applied::default();
                let result = apply_changes(&mut self.book, log, update, touched, &mut applied);
                touched.is_changed |= applied.made > 0;
                stats.record_applied(&applied);
                self.stats.record_applied(&applied);
                result?;
            }
            (UpdateKind::Update, Stage::Awaiting { is_first: true, .. }) => {
                return Err(ApplyError::Premature);
            }
            (UpdateKind::Update, Stage::Awaiting { .. } | Stage::Down | Stage::Wanted { .. }) => {
                stats.record_awaiting();
            }
        }
        Ok(())
    }

    /// Checks and publishes the book after a whole frame was applied to it.
    #[inline]
    pub(super) fn finish(
        &mut self,
        touched: &Touched<'_>,
        mark: FrameMark,
        times: &mut TimeReader,
    ) -> Finished {
        if !self.is_live() {
            return Finished::NotLive;
        }
        let tops = self.book.tops();
        if tops.are_crossed() {
            return Finished::Crossed;
        }
        let FrameMark { sequence, connection, received } = mark;
        let event_time = touched.event_time.and_then(|time| times.read(time));
        self.publish(&tops, FrameOrigin { sequence, connection, event_time, received });
        if touched.is_replaced {
            Finished::Synced
        } else if touched.is_changed {
            Finished::Updated
        } else {
            Finished::Unchanged
        }
    }

    /// Notes that the live book has changed. Returns whether it had been reported as quiet.
    #[inline]
    pub(super) const fn note_change(&mut self, now: Instant) -> bool {
        self.last_change = now;
        std::mem::replace(&mut self.is_quiet_reported, false)
    }

    /// Notes that the snapshot was published. Returns whether the book had been lost before.
    pub(super) fn synced(&mut self, now: Instant) -> bool {
        if self.status != Status::Live {
            self.status = Status::Live;
            self.since = now;
        }
        let was_lost = std::mem::take(&mut self.is_healing);
        self.stats.record_synced(was_lost);
        was_lost
    }

    /// Publishes the BBO under every name.
    #[inline]
    fn publish(&mut self, tops: &Tops, origin: FrameOrigin) {
        self.origin = Some(origin);
        for name in &mut self.names {
            name.publisher.publish(tops, origin);
        }
    }

    /// Publishes a live book under the names that came to it since its last frame.
    ///
    /// Returns the number of that frame, or `None` if the book is not live.
    pub(super) fn publish_again(&mut self) -> Option<u64> {
        let origin = self.origin.filter(|_| self.status == Status::Live)?;
        self.publish(&self.book.tops(), origin);
        Some(origin.sequence)
    }

    // Requests.

    /// Begins anew on a connection that has opened.
    pub(super) fn begin(&mut self, resync: Resync, now: Instant) {
        self.asked = Asked::afresh(resync, now);
    }

    /// Forgets what a connection was asked for that has ended.
    pub(super) fn disconnect(&mut self) {
        self.asked = Asked::nowhere();
    }

    pub(super) fn take_unsubscribe(&mut self, now: Instant) -> bool {
        self.asked.take_unsubscribe(now)
    }

    /// Notes that its snapshot is requested, if it is due. Returns whether it is.
    pub(super) fn request(&mut self, now: Instant, number: u64, deadline: Instant) -> bool {
        let is_due = self.asked.request(now, number, deadline);
        if is_due {
            self.status = Status::Syncing;
            self.since = now;
        }
        is_due
    }

    pub(super) fn extend_deadline(&mut self, number: u64, until: Instant) {
        self.asked.extend_deadline(number, until);
    }

    pub(super) fn repeat_request(&mut self, now: Instant) {
        self.asked.repeat(now);
    }

    // Losses.

    /// Withdraws the BBO from every reader.
    pub(super) fn withdraw(&mut self) {
        for name in &mut self.names {
            name.publisher.withdraw();
        }
    }

    /// Marks the book lost and empties it. Its BBO must have been withdrawn before.
    ///
    /// Returns `false` if it is lost already.
    pub(super) fn lose_unless_lost(&mut self, now: Instant, cause: Cause, policy: &Policy) -> bool {
        if !matches!(self.status, Status::Lost(_)) {
            self.lose(now, cause, policy);
            return true;
        }
        // A snapshot in the first half of a frame may have come since.
        if self.is_live() {
            self.drop_book();
        }
        false
    }

    /// Marks the book lost and empties it. Its BBO must have been withdrawn before.
    ///
    /// A loss after the book was live for [`healthy_after`](Policy::healthy_after) counts as the
    /// first.
    pub(super) fn lose(&mut self, now: Instant, cause: Cause, policy: &Policy) {
        if self.status == Status::Live {
            self.is_healing = true;
            if self.since + policy.healthy_after <= now {
                self.asked.forget_failures();
                self.cooldown = Cooldown::default();
            }
        }
        self.drop_book();
        self.status = Status::Lost(cause);
        self.since = now;
        self.stats.record_loss(cause);
    }

    fn drop_book(&mut self) {
        self.origin = None;
        self.book.clear();
        self.asked.lose();
    }

    /// Decides how the lost book comes back on the open connection.
    pub(super) fn heal(&mut self, now: Instant, cause: Cause, policy: &Policy) -> Healing {
        self.asked.heal(now, cause, policy, &mut self.cooldown)
    }

    /// Awaits the snapshot of the newer subscription, after an earlier one has ended.
    pub(super) const fn await_newer(&mut self, deadline: Instant) {
        self.asked.await_newer(deadline);
    }

    pub(super) const fn forget_tries(&mut self) {
        self.asked.forget_tries();
    }

    // Timers.

    /// Returns when the first of its timers expires.
    pub(super) fn deadline(&self, policy: &Policy) -> Option<Instant> {
        match self.asked.stage() {
            Stage::Awaiting { deadline, .. } => deadline,
            Stage::Live => {
                let quiet_after = (!self.is_quiet_reported).then_some(policy.quiet_after);
                let after = [quiet_after, policy.quiet_limit].into_iter().flatten().min()?;
                Some(self.last_change + after)
            }
            Stage::Down | Stage::Wanted { .. } => None,
        }
    }

    /// Returns the timer that has expired. A limit of quiet comes before the report of quiet.
    pub(super) fn expired(&self, now: Instant, policy: &Policy) -> Option<ProductTimer> {
        let is_over = |after| self.last_change + after <= now;
        match self.asked.stage() {
            Stage::Awaiting { deadline: Some(deadline), .. } if deadline <= now => {
                Some(ProductTimer::Snapshot)
            }
            Stage::Live if policy.quiet_limit.is_some_and(is_over) => {
                Some(ProductTimer::QuietLimit)
            }
            Stage::Live if !self.is_quiet_reported && is_over(policy.quiet_after) => {
                Some(ProductTimer::Quiet)
            }
            _ => None,
        }
    }

    /// Notes that its snapshot did not come in time. Returns the number of the request whose
    /// answer counts as lost.
    pub(super) const fn give_up_snapshot(&mut self, policy: &Policy) -> Option<u64> {
        self.asked.give_up_snapshot(policy)
    }

    /// Notes that its quiet was reported. Returns since when it has been quiet.
    pub(super) const fn report_quiet(&mut self) -> Instant {
        self.is_quiet_reported = true;
        self.last_change
    }
}
