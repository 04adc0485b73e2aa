//! Acts on what the parts of a session decide.
//!
//! The [`Uplink`] knows no product, the [`Products`] know no connection, and neither knows the
//! caller. Here a loss on the connection becomes losses of books, and a book that cannot be healed
//! otherwise becomes a new connection.

mod products;

use std::time::{Duration, Instant};

use super::config::SessionConfig;
use super::connection::Connection;
use super::deadlines::Deadlines;
use super::dialer::NextDial;
use super::disconnect::Disconnect;
use super::error::TooManyProducts;
use super::event::SessionEvent;
use super::io::Output;
use super::outbox::Outbox;
use super::policy::{Policy, Resync};
use super::products::{Expired, Healing, Products};
use super::stats::Stats;
use super::status::Cause;
use super::tokens::Step;
use super::uplink::{Ended, Uplink};
use crate::sequence::Arrival;
use crate::units::Epoch;
use crate::wire::{Action, ProductId, Request, RequestChannel};

/// The longest wait that a caller is given when nothing is planned.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// A session without what reads its frames.
#[derive(Debug)]
pub(super) struct Coordinator {
    config: SessionConfig,
    uplink: Uplink,
    products: Products,
    outbox: Outbox,
    stats: Stats,
    /// The moment from which receive times are counted.
    epoch: Epoch,
    /// The latest moment that the caller has named; kept where debug assertions are on.
    latest: Instant,
}

impl Coordinator {
    pub(super) fn new(mut config: SessionConfig, now: Instant) -> Self {
        config.policy = config.policy.clamped();
        let products = std::mem::take(&mut config.products);
        let mut coordinator = Self {
            uplink: Uplink::new(&config, now),
            products: Products::new(config.max_products, config.policy.max_levels_per_side),
            outbox: Outbox::default(),
            stats: Stats::default(),
            epoch: Epoch { instant: now, wall: config.started_at },
            latest: now,
            config,
        };
        for product in &products {
            if let Err(TooManyProducts { product, .. }) = coordinator.add(now, product.clone()) {
                coordinator.report(SessionEvent::LeftOut { product });
            }
        }
        coordinator.config.products = products;
        coordinator
    }

    // Questions.

    pub(super) const fn config(&self) -> &SessionConfig {
        &self.config
    }

    #[inline]
    pub(super) const fn policy(&self) -> &Policy {
        &self.config.policy
    }

    #[inline]
    pub(super) const fn uplink(&self) -> &Uplink {
        &self.uplink
    }

    #[inline]
    pub(super) const fn is_open(&self) -> bool {
        self.uplink.is_open()
    }

    /// Returns the number of the request that the venue answered last on the open connection.
    pub(super) fn answered(&self) -> Option<u64> {
        self.uplink.connection().map(Connection::answered)
    }

    /// Returns whether a frame under an unknown name can be for a product that is awaited: there
    /// is a connection, and no frames of products that have left are still on their way.
    pub(super) fn may_learn_names(&self) -> bool {
        self.uplink.connection().is_some_and(|connection| !connection.has_left_any())
    }

    pub(super) const fn products(&self) -> &Products {
        &self.products
    }

    pub(super) const fn stats(&self) -> &Stats {
        &self.stats
    }

    #[inline]
    pub(super) const fn stats_mut(&mut self) -> &mut Stats {
        &mut self.stats
    }

    /// Returns what a frame is applied to.
    #[inline]
    pub(super) const fn books(&mut self) -> (&mut Products, &mut Stats, &Policy) {
        (&mut self.products, &mut self.stats, &self.config.policy)
    }

    // Reports.

    /// Reports an event to the caller.
    pub(super) fn report(&mut self, event: SessionEvent) {
        report(&mut self.outbox, &mut self.stats, event);
    }

    /// Reports an event for each name of a product.
    pub(super) fn report_each(&mut self, index: usize, event: impl Fn(ProductId) -> SessionEvent) {
        for name in self.products.at(index).names() {
            report(&mut self.outbox, &mut self.stats, event(name.id().clone()));
        }
    }

    /// Reports a change of a book for each name of its product.
    #[inline]
    pub(super) fn report_updated(&mut self, index: usize, sequence: u64) {
        for name in self.products.at(index).names() {
            if !self.outbox.push_updated(name.id(), sequence) {
                self.stats.record_missed_event();
            }
        }
    }

    // What the caller has to do.

    /// Notes a moment that the caller has named.
    #[inline]
    pub(super) fn note_time(&mut self, now: Instant) {
        debug_assert!(now >= self.latest, "times must not go backwards");
        if cfg!(debug_assertions) {
            self.latest = now;
        }
    }

    /// Returns the next thing to do.
    pub(super) fn poll(&mut self, now: Instant) -> Output {
        self.run_timers(now);
        let has_act = match self.uplink.connection() {
            Some(connection) => self.has_request(connection),
            None => true,
        };
        if has_act && let Some(act) = self.next_act(now) {
            return act;
        }
        match self.outbox.pop() {
            Some(event) => Output::Event(event),
            None => Output::Wait(self.deadlines(now).earliest().unwrap_or(now + LONGEST_WAIT)),
        }
    }

    /// Returns what is to be done with the connection, if there is anything.
    #[cold]
    fn next_act(&mut self, now: Instant) -> Option<Output> {
        if self.uplink.take_disconnect() {
            return Some(Output::Disconnect);
        }
        if self.is_open() {
            return self.next_request(now).map(Output::Send);
        }
        if !self.wants_connection() {
            return None;
        }
        let is_first = self.uplink.dial(now, self.policy().connect_timeout)?;
        self.stats.record_dial(is_first);
        Some(Output::Connect)
    }

    fn wants_connection(&self) -> bool {
        !self.products.is_empty() || self.config.adopt_products
    }

    /// Returns whether a request may be pending. It may be wrong where it says so.
    #[inline]
    fn has_request(&self, connection: &Connection) -> bool {
        connection.has_requests_pending() | self.products.are_wanted()
    }

    /// Returns the next request that may be sent now. Subscriptions end before others begin.
    fn next_request(&mut self, now: Instant) -> Option<Request> {
        if self.uplink.ready_at(now) > now {
            return None;
        }
        let connection = self.uplink.connection_mut()?;
        let (outbox, stats) = (&mut self.outbox, &mut self.stats);
        let mut ended = connection.take_leaving();
        self.products.take_unsubscribes(now, &mut ended);
        let request = if ended.is_empty() {
            let number = connection.next_request();
            let requested = |product| report(outbox, stats, SessionEvent::Requested { product });
            let begun = self.products.take_subscribes(now, number, &self.config.policy, requested);
            if !begun.is_empty() {
                Request::new(Action::Subscribe, RequestChannel::Level2, begun)
            } else if connection.take_heartbeats() {
                Request::new(Action::Subscribe, RequestChannel::Heartbeats, Vec::new())
            } else {
                self.products.recount_wanted();
                return None;
            }
        } else {
            Request::new(Action::Unsubscribe, RequestChannel::Level2, ended)
        };
        self.stats.record_request();
        self.uplink.send(now, request)
    }

    // Time.

    /// Returns every deadline as it stands. Nearly every poll asks: inlined, those that do not
    /// apply cost nothing.
    #[inline(always)]
    fn deadlines(&self, now: Instant) -> Deadlines {
        let deadlines = self.uplink.deadlines(self.wants_connection());
        match self.uplink.connection() {
            Some(connection) => Deadlines {
                product: self.products.due(),
                request: self.request_due(connection, now),
                ..deadlines
            },
            None => deadlines,
        }
    }

    /// Returns when the next request can be sent, if there will be one.
    #[inline]
    fn request_due(&self, connection: &Connection, now: Instant) -> Option<Instant> {
        if !self.has_request(connection) {
            return None;
        }
        let own = connection.has_requests_pending().then_some(now);
        let earliest = own.into_iter().chain(self.products.wanted_at()).min()?;
        Some(earliest.max(self.uplink.ready_at(now)))
    }

    /// Does whatever was planned for a moment that has passed.
    #[inline]
    pub(super) fn run_timers(&mut self, now: Instant) {
        // All that most calls find.
        if let Some(connection) = self.uplink.connection()
            && now < connection.idle_at()
            && self.products.due().is_none_or(|due| now < due)
        {
            return;
        }
        self.run_due_timers(now);
    }

    /// Acts on the deadlines that have passed. Dials and requests wait to be polled.
    #[cold]
    fn run_due_timers(&mut self, now: Instant) {
        let Deadlines { dial_timeout, idle, product, dial: _, request: _ } = self.deadlines(now);
        let is_over = |deadline: Option<Instant>| deadline.is_some_and(|at| at <= now);
        let Policy { connect_timeout, idle_timeout, .. } = *self.policy();
        if is_over(dial_timeout) {
            self.disconnect(now, Disconnect::TimedOut(connect_timeout), Cause::Closed);
        } else if is_over(idle) {
            self.disconnect(now, Disconnect::Idle(idle_timeout), Cause::Idle);
        } else if is_over(product) {
            self.run_product_timers(now);
        }
    }

    fn run_product_timers(&mut self, now: Instant) {
        for index in 0..self.products.len() {
            match self.products.expire(index, now, &self.config.policy) {
                None => {}
                Some(Expired::Lost(cause)) => self.lose_product(now, index, cause),
                Some(Expired::NoSnapshot { request }) => {
                    self.uplink.settle_request(request);
                    self.lose_product(now, index, Cause::NoSnapshot);
                }
                Some(Expired::Quiet { since }) => {
                    self.report_each(index, |product| SessionEvent::Quiet { product, since });
                }
            }
            if !self.is_open() {
                return;
            }
        }
        self.products.rearm(&self.config.policy);
    }

    // The connection.

    /// Begins a connection, unless no dial was in progress.
    pub(super) fn open(&mut self, now: Instant) {
        if self.uplink.open(now, &self.config.policy) {
            self.products.begin(self.config.policy.resync, now);
            self.report(SessionEvent::Connected);
        }
    }

    /// Notes that what was requested last is done at a later moment.
    pub(super) fn hold(&mut self, now: Instant, until: Instant) {
        let Policy { connect_timeout, snapshot_timeout, .. } = *self.policy();
        if let Some((request, until)) = self.uplink.hold(now, until, connect_timeout) {
            self.products.extend_deadlines(request, until + snapshot_timeout);
        }
    }

    pub(super) const fn note_clock_offset(&mut self, seconds: i64) {
        self.uplink.note_clock_offset(seconds);
    }

    /// Acts on the venue's rejection of a request as not authenticated.
    pub(super) fn reject_token(&mut self, now: Instant) {
        let Step { failure, asks_again } = self.uplink.reject_token(now);
        if let Some(failure) = failure {
            self.report(SessionEvent::AuthenticationFailed(failure));
        }
        if asks_again {
            // The venue does not say which request it refused: all that were not served are
            // repeated.
            self.products.repeat_requests(now);
        }
    }

    /// Counts a message. Returns whether there is a connection that it can have come on.
    #[inline]
    pub(super) fn receive(&mut self, now: Instant) -> bool {
        let is_open = self.uplink.receive(now, self.config.policy.idle_timeout);
        self.stats.record_message(is_open);
        is_open
    }

    /// Observes the number of a frame, where all frames of the connection share a counter.
    #[inline]
    pub(super) const fn observe(&mut self, sequence: u64) -> Arrival {
        match self.uplink.connection_mut() {
            Some(connection) => connection.observe(sequence),
            None => {
                debug_assert!(false, "frames are taken on an open connection alone");
                Arrival::InOrder
            }
        }
    }

    /// Counts a frame whose number could not be read.
    pub(super) const fn skip_unreadable(&mut self) {
        if let Some(connection) = self.uplink.connection_mut() {
            connection.skip_unreadable();
        }
    }

    /// Counts an answer of the venue. Returns the number of the request that it answers.
    pub(super) const fn count_answer(&mut self) -> u64 {
        self.uplink.count_answer()
    }

    /// Ends the connection or the dial, which the caller has lost.
    pub(super) fn closed(&mut self, now: Instant, reason: Disconnect) {
        self.end_connection(now, reason, Cause::Closed, true);
    }

    /// Gives up the connection or the dial, which the caller then has to drop.
    fn disconnect(&mut self, now: Instant, reason: Disconnect, cause: Cause) {
        self.end_connection(now, reason, cause, false);
    }

    /// Ends the connection or the dial, if there is one, and plans the next.
    fn end_connection(&mut self, now: Instant, reason: Disconnect, cause: Cause, is_closed: bool) {
        if !self.uplink.is_in_use() {
            return;
        }
        self.lose_all(now, cause);
        self.products.disconnect();
        let Ended { failure, next } = self.uplink.end(now, &reason, is_closed);
        self.report(SessionEvent::Disconnected { reason });
        if let Some(failure) = failure {
            self.report(SessionEvent::AuthenticationFailed(failure));
        }
        match next {
            NextDial::At(_) => {}
            NextDial::GaveUp { failed_dials } => self.report(SessionEvent::GaveUp { failed_dials }),
            NextDial::Rejected { times } => self.report(SessionEvent::Rejected { times }),
        }
    }

    /// Ends the session.
    pub(super) fn close(&mut self, now: Instant) {
        if self.uplink.is_ended() {
            return;
        }
        self.lose_all(now, Cause::Closed);
        self.products.disconnect();
        self.uplink.close();
        self.report(SessionEvent::Disconnected { reason: Disconnect::ByCaller });
    }

    // Losses, and how they heal.

    /// Notes that the snapshot of a product was published.
    #[cold]
    pub(super) fn synced(&mut self, now: Instant, index: usize, sequence: u64) {
        let was_lost = self.products.synced(index, now, &self.config.policy);
        self.stats.record_synced(was_lost);
        if let Some(connection) = self.uplink.connection_mut() {
            connection.served(now);
        }
        self.report_each(index, |product| SessionEvent::Synced { product, sequence });
    }

    /// Withdraws every book, and reports those that were not lost already.
    fn lose_all(&mut self, now: Instant, cause: Cause) {
        let (outbox, stats) = (&mut self.outbox, &mut self.stats);
        self.products.lose_all(now, cause, &self.config.policy, |product| {
            report(outbox, stats, SessionEvent::Lost { product, cause });
        });
    }

    /// Withdraws every book, then heals them as the policy says.
    pub(super) fn lose_sync(&mut self, now: Instant, cause: Cause) {
        match self.policy().resync {
            Resync::Reconnect => self.disconnect(now, Disconnect::ForResync(cause), cause),
            Resync::Passive | Resync::Resubscribe => {
                self.lose_all(now, cause);
                for index in 0..self.products.len() {
                    self.heal(now, index, cause);
                }
            }
        }
    }

    /// Withdraws one book, then heals it.
    pub(super) fn lose_product(&mut self, now: Instant, index: usize, cause: Cause) {
        if self.products.lose(index, now, cause, &self.config.policy) {
            self.report_each(index, |product| SessionEvent::Lost { product, cause });
            self.heal(now, index, cause);
        }
    }

    /// Withdraws a book whose subscription has ended in favour of a newer one, which is awaited.
    pub(super) fn lose_to_earlier_end(&mut self, now: Instant, index: usize) {
        self.products.lose_to_earlier_end(index, now, &self.config.policy);
        let cause = Cause::Refused;
        self.report_each(index, |product| SessionEvent::Lost { product, cause });
    }

    /// Plans how a lost book comes back on the open connection, or gives the connection up for it.
    fn heal(&mut self, now: Instant, index: usize, cause: Cause) {
        if !self.is_open() {
            return;
        }
        match self.products.heal(index, now, cause, &self.config.policy) {
            Healing::AskAgain | Healing::AwaitSnapshot => {}
            Healing::NewConnection => {
                self.disconnect(now, Disconnect::ForResync(cause), cause);
            }
        }
    }
}

/// Reports an event to the caller, or counts it as missed.
fn report(outbox: &mut Outbox, stats: &mut Stats, event: SessionEvent) {
    if !outbox.push(event) {
        stats.record_missed_event();
    }
}
