//! The state of a session: the link, its timers, and how books are lost and healed.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::changes::ChangeLog;
use super::config::{MIN_DIAL_INTERVAL, SessionConfig};
use super::event::{Cause, Disconnect, SessionEvent, Status};
use super::policy::Resync;
use super::retry::{Backoff, Redial, RequestRate, doubled};
use super::stats::Stats;
use super::subscription::{Stage, Subscriptions};
use super::tokens::Tokens;
use super::{Output, TooManyProducts};
use crate::sequence::SequenceTracker;
use crate::units::Epoch;
use crate::wire::{ProductId, TimeReader};

/// The most events that wait for the caller. One that polls as it should never sees it reached;
/// beyond it the newest are thrown away and counted ([`SessionEvent::Missed`]).
pub const MAX_PENDING_EVENTS: usize = 16_384;

/// After so many messages in a row that are too large, dials wait long.
const MIN_TOO_LARGE_SLOW: u32 = 3;

/// The longest that a caller is told to wait when nothing is planned.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// The longest that a request may be held: longer would overflow the clock.
const LONGEST_HOLD: Duration = Duration::from_secs(100 * 366 * 86_400);

/// Where the connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// A dial is under way.
    Dialing { deadline: Instant },
    /// There is no connection; one is wanted at this moment.
    Down { dial_at: Instant },
    /// There will be no other connection.
    Ended,
    /// Messages flow.
    Open {
        /// When silence will have lasted too long.
        idle_at: Instant,
    },
}

/// Everything a session knows but the memory of its parser.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) config: SessionConfig,
    pub(super) subscriptions: Subscriptions,
    pub(super) stats: Stats,
    pub(super) link: Link,
    /// Counts the frames of the connection.
    pub(super) tracker: SequenceTracker,
    /// How many connections were opened before the one there is, or the next; see
    /// [`Bbo::connection`](crate::bbo::Bbo::connection).
    pub(super) connection: u64,
    /// Whether a connection was ever opened.
    has_opened: bool,
    /// When the last frame came, on whichever connection.
    pub(super) last_frame: Option<Instant>,
    /// Reads the times of the venue's engine.
    pub(super) times: TimeReader,
    /// From when receive times are counted.
    pub(super) epoch: Epoch,
    /// Since when the connection has had a live book.
    pub(super) live_since: Option<Instant>,

    // Requests: see `requests`.
    pub(super) rate: RequestRate,
    /// Whether a request is, or will be, to be sent.
    pub(super) has_requests: bool,
    pub(super) wants_heartbeats: bool,
    pub(super) tokens: Tokens,
    /// Names that the venue still has to be told to end.
    pub(super) leaving: Vec<ProductId>,
    /// Whether a product that this connection was asked for has been given up on it.
    pub(super) has_left_any: bool,
    /// How many requests were sent on this connection, and how many of them were answered.
    pub(super) requests_sent: u64,
    pub(super) requests_answered: u64,

    /// What the last message changed, if anybody asked.
    pub(super) changes: ChangeLog,

    #[cfg(level2_sabotage)]
    pub(super) saboteur: super::sabotage::Saboteur,

    events: VecDeque<SessionEvent>,
    /// The newest event if it is an [`SessionEvent::Updated`]. Nearly every frame makes one, and an event
    /// is large enough for its way through the queue to show.
    newest_update: Option<(ProductId, u64)>,
    /// Events thrown away since the caller was last told of any.
    missed_events: u64,
    /// Whether the caller has yet to be told to drop the connection.
    must_disconnect: bool,
    /// No product's timer is due before this moment. It may be early, never late.
    product_timer: Option<Instant>,
    backoff: Backoff,
    last_dial: Option<Instant>,
    failed_dials: u32,
    /// How often in a row the venue has turned this client away.
    rejections: u32,
    /// How many connections in a row ended with a message that is too large.
    too_large: u32,
    /// Whether a dial was made soon since the connection was last live for long.
    was_soon: bool,
}

impl Machine {
    pub(super) fn new(mut config: SessionConfig, now: Instant) -> Self {
        let products = std::mem::take(&mut config.products);
        config.policy = config.policy.clamped();
        let backoff =
            Backoff::new(config.policy.backoff_min, config.policy.backoff_max, config.seed);
        let mut machine = Self {
            subscriptions: Subscriptions::default(),
            stats: Stats::default(),
            link: Link::Down { dial_at: now },
            tracker: SequenceTracker::new(),
            connection: config.first_connection,
            has_opened: false,
            last_frame: None,
            times: TimeReader::default(),
            epoch: Epoch { instant: now, wall: config.started_at },
            live_since: None,
            rate: RequestRate::new(),
            has_requests: false,
            wants_heartbeats: false,
            tokens: Tokens::default(),
            leaving: Vec::new(),
            has_left_any: false,
            requests_sent: 0,
            requests_answered: 0,
            changes: ChangeLog::default(),
            #[cfg(level2_sabotage)]
            saboteur: super::sabotage::Saboteur::default(),
            events: VecDeque::new(),
            newest_update: None,
            missed_events: 0,
            must_disconnect: false,
            product_timer: None,
            backoff,
            last_dial: None,
            failed_dials: 0,
            rejections: 0,
            too_large: 0,
            was_soon: false,
            config,
        };
        for product in &products {
            if let Err(TooManyProducts { product, .. }) = machine.subscribe(now, product.clone()) {
                machine.push(SessionEvent::LeftOut { product });
            }
        }
        machine.config.products = products;
        machine
    }

    pub(super) fn poll(&mut self, now: Instant) -> Output {
        self.run_timers(now);
        // A connection to be dropped is not open any more.
        if (self.has_requests | !self.is_open())
            && let Some(act) = self.next_act(now)
        {
            return act;
        }
        if !self.events.is_empty()
            && let Some(event) = self.next_queued_event()
        {
            return Output::Event(event);
        }
        if let Some((product, sequence)) = self.newest_update.take() {
            return Output::Event(SessionEvent::Updated { product, sequence });
        }
        if self.missed_events > 0 {
            return Output::Event(SessionEvent::Missed {
                count: std::mem::take(&mut self.missed_events),
            });
        }
        Output::Wait(self.next_wake(now))
    }

    /// Returns what is to be done with the connection, if there is anything.
    #[cold]
    fn next_act(&mut self, now: Instant) -> Option<Output> {
        if std::mem::take(&mut self.must_disconnect) {
            return Some(Output::Disconnect);
        }
        match self.link {
            Link::Down { dial_at } if dial_at <= now && self.wants_connection() => {
                self.link = Link::Dialing { deadline: now + self.config.policy.connect_timeout };
                self.stats.reconnects += u64::from(self.last_dial.is_some());
                self.last_dial = Some(now);
                Some(Output::Connect)
            }
            Link::Open { .. } => self.next_request(now).map(Output::Send),
            Link::Dialing { .. } | Link::Down { .. } | Link::Ended => None,
        }
    }

    #[inline(never)]
    fn next_queued_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    pub(super) fn opened(&mut self, now: Instant) {
        if !matches!(self.link, Link::Dialing { .. }) {
            return;
        }
        self.link = Link::Open { idle_at: now + self.config.policy.idle_timeout };
        self.failed_dials = 0;
        self.rate.release();
        self.connection += u64::from(std::mem::replace(&mut self.has_opened, true));
        self.tracker = SequenceTracker::new();
        self.push(SessionEvent::Connected);
        let is_passive = self.config.policy.resync == Resync::Passive;
        for subscription in self.subscriptions.iter_mut() {
            subscription.tracker = SequenceTracker::new();
            subscription.tries = 0;
            subscription.refusals = 0;
            subscription.is_unlisted = false;
            subscription.asked_in = None;
            subscription.is_ended_earlier = false;
            subscription.is_fresh = true;
            subscription.stage = if is_passive {
                Stage::Awaiting { deadline: None, is_first: false }
            } else {
                Stage::Wanted { not_before: now, unsubscribes_first: false }
            };
        }
        self.leaving.clear();
        self.has_left_any = false;
        self.requests_sent = 0;
        self.requests_answered = 0;
        self.wants_heartbeats = !is_passive;
        self.has_requests = !is_passive;
        self.tokens.open(self.config.authenticate, self.config.policy.retry_without_token);
    }

    /// Takes note that what was asked for last is done later than now.
    pub(super) fn held(&mut self, now: Instant, until: Instant) {
        let until = until.clamp(now, now + LONGEST_HOLD);
        match &mut self.link {
            Link::Dialing { deadline } => *deadline = until + self.config.policy.connect_timeout,
            Link::Open { .. } => {
                self.rate.hold(until);
                self.extend_deadlines(until + self.config.policy.snapshot_timeout);
            }
            Link::Down { .. } | Link::Ended => {}
        }
    }

    pub(super) fn closed(&mut self, now: Instant, reason: Disconnect) {
        if matches!(self.link, Link::Dialing { .. } | Link::Open { .. }) {
            self.disconnect(now, reason, Cause::Closed);
            self.must_disconnect = false;
        }
    }

    pub(super) fn close(&mut self, now: Instant) {
        if self.is_ended() {
            return;
        }
        self.lose_all(now, Cause::Closed);
        // One that was given up and not yet left is to be left all the same.
        self.must_disconnect |= matches!(self.link, Link::Dialing { .. } | Link::Open { .. });
        self.link = Link::Ended;
        self.push(SessionEvent::Disconnected { reason: Disconnect::ByCaller });
    }

    pub(super) const fn is_ended(&self) -> bool {
        matches!(self.link, Link::Ended)
    }

    pub(super) const fn is_open(&self) -> bool {
        matches!(self.link, Link::Open { .. })
    }

    /// Counts a message, and says whether there is a connection that it can have come on.
    pub(super) fn count_message(&mut self, now: Instant) -> bool {
        match &mut self.link {
            Link::Open { idle_at } => {
                *idle_at = now + self.config.policy.idle_timeout;
                self.last_frame = Some(now);
                self.stats.frames += 1;
                true
            }
            Link::Dialing { .. } | Link::Down { .. } | Link::Ended => {
                self.stats.late += 1;
                false
            }
        }
    }

    /// Does whatever was planned for a moment that has passed.
    #[inline]
    pub(super) fn run_timers(&mut self, now: Instant) {
        // All that most calls find.
        if let Link::Open { idle_at } = self.link
            && now < idle_at
            && self.product_timer.is_none_or(|due| now < due)
        {
            return;
        }
        self.run_due_timers(now);
    }

    #[cold]
    fn run_due_timers(&mut self, now: Instant) {
        match self.link {
            Link::Dialing { deadline } if deadline <= now => {
                let reason = Disconnect::TimedOut(self.config.policy.connect_timeout);
                self.disconnect(now, reason, Cause::Closed);
            }
            Link::Open { idle_at } if idle_at <= now => {
                let reason = Disconnect::Idle(self.config.policy.idle_timeout);
                self.disconnect(now, reason, Cause::Idle);
            }
            Link::Open { .. } => self.run_product_timers(now),
            Link::Dialing { .. } | Link::Down { .. } | Link::Ended => {}
        }
    }

    /// Files an event for the caller, or counts it as missed.
    pub(super) fn push(&mut self, event: SessionEvent) {
        if self.has_room_for_event() {
            self.queue_newest_update();
            self.events.push_back(event);
        }
    }

    /// Files an [`SessionEvent::Updated`] for each name of a product.
    #[inline]
    pub(super) fn push_updated(&mut self, index: usize, sequence: u64) {
        for position in 0..self.subscriptions.at(index).names.len() {
            if self.has_room_for_event() {
                self.queue_newest_update();
                let name = &self.subscriptions.at(index).names[position];
                self.newest_update = Some((name.id.clone(), sequence));
            }
        }
    }

    /// Says whether the caller can be told of one more event, or counts it as missed.
    #[inline]
    fn has_room_for_event(&mut self) -> bool {
        let pending = self.events.len() + usize::from(self.newest_update.is_some());
        let has_room = pending < MAX_PENDING_EVENTS;
        if !has_room {
            self.missed_events += 1;
            self.stats.missed_events += 1;
        }
        has_room
    }

    /// Makes room for an event that is newer.
    #[inline]
    fn queue_newest_update(&mut self) {
        if let Some((product, sequence)) = self.newest_update.take() {
            self.events.push_back(SessionEvent::Updated { product, sequence });
        }
    }

    /// Files an event for each name of a product.
    pub(super) fn push_each(&mut self, index: usize, event: impl Fn(ProductId) -> SessionEvent) {
        for position in 0..self.subscriptions.at(index).names.len() {
            let name = self.subscriptions.at(index).names[position].id.clone();
            self.push(event(name));
        }
    }

    /// Remembers that a product's timer is due at a moment.
    pub(super) fn arm_product_timer(&mut self, at: Instant) {
        self.product_timer = Some(self.product_timer.map_or(at, |planned| planned.min(at)));
    }

    /// Withdraws every book of the connection, then heals them as the policy says.
    pub(super) fn lose_connection_sync(&mut self, now: Instant, cause: Cause) {
        match self.config.policy.resync {
            Resync::Reconnect => self.disconnect(now, Disconnect::ForResync(cause), cause),
            Resync::Passive | Resync::Resubscribe => {
                self.lose_all(now, cause);
                for index in 0..self.subscriptions.len() {
                    self.heal(now, index, cause);
                }
            }
        }
    }

    /// Withdraws one book, then asks for it again.
    pub(super) fn lose_product(&mut self, now: Instant, index: usize, cause: Cause) {
        let subscription = self.subscriptions.at_mut(index);
        if matches!(subscription.stage, Stage::Wanted { .. }) {
            return; // There is no book, and it is about to be asked for.
        }
        subscription.withdraw();
        subscription.lose(now, cause, self.config.policy.healthy_after);
        self.push_each(index, |product| SessionEvent::Lost { product, cause });
        self.heal(now, index, cause);
    }

    /// Plans how a lost book comes back on the open connection, or drops the connection.
    fn heal(&mut self, now: Instant, index: usize, cause: Cause) {
        if !self.is_open() {
            return;
        }
        let config = &self.config;
        let subscription = self.subscriptions.at_mut(index);
        if matches!(subscription.stage, Stage::Wanted { .. }) {
            // It was not asked for since it was lost, so no try was in vain.
            self.has_requests = true;
            return;
        }
        if config.policy.resync == Resync::Passive {
            subscription.stage = Stage::Awaiting { deadline: None, is_first: false };
            return;
        }
        let is_refused = cause == Cause::Refused;
        let is_exhausted = !is_refused && subscription.tries >= config.policy.max_resubscribes;
        subscription.is_unlisted |= is_refused;
        // One that the venue has said not to have is not worth the others' connection.
        if is_exhausted && subscription.may_cost_connection(now) {
            subscription.cost_connection(now);
            self.disconnect(now, Disconnect::ForResync(cause), cause);
            return;
        }
        let mut interval = config.policy.resubscribe_interval;
        if is_refused || is_exhausted {
            // A product that the venue does not know, or that not even a new connection has
            // healed, must not cost the others theirs for now: it is asked for ever more seldom.
            // Refusals are counted apart, and such an answer settles the tries before it.
            interval = doubled(interval, subscription.refusals, config.policy.backoff_max);
            subscription.refusals = subscription.refusals.saturating_add(1);
        }
        if is_refused {
            subscription.tries = 0;
        } else if !is_exhausted {
            subscription.tries += 1;
        }
        let earliest = subscription.last_request.map_or(now, |asked| asked + interval);
        subscription.stage =
            Stage::Wanted { not_before: earliest.max(now), unsubscribes_first: true };
        self.has_requests = true;
    }

    /// Gives up the connection or the dial, and plans the next.
    fn disconnect(&mut self, now: Instant, reason: Disconnect, cause: Cause) {
        let was_dialing = matches!(self.link, Link::Dialing { .. });
        let was_healthy =
            self.live_since.is_some_and(|since| since + self.config.policy.healthy_after <= now);
        let redial = self.redial_after(&reason, was_healthy);
        let is_turned_away = redial == Redial::Slow || Redial::finds_fault(&reason);
        self.lose_all(now, cause);
        self.must_disconnect = true;
        self.push(SessionEvent::Disconnected { reason });
        if was_dialing {
            self.failed_dials += 1;
            if self.config.policy.max_failed_dials.is_some_and(|max| self.failed_dials >= max.get())
            {
                self.link = Link::Ended;
                self.push(SessionEvent::GaveUp { failed_dials: self.failed_dials });
                return;
            }
        }
        let live_since = self.live_since.take();
        if !was_dialing {
            self.end_tokens(live_since.is_some());
        }
        if was_healthy {
            self.backoff.reset();
            self.rejections = 0;
            self.was_soon = false;
        }
        self.rejections = if is_turned_away { self.rejections + 1 } else { 0 };
        if self.config.policy.max_rejections.is_some_and(|max| self.rejections >= max.get()) {
            self.link = Link::Ended;
            self.push(SessionEvent::Rejected { times: self.rejections });
            return;
        }
        let wait = self.wait_before_dial(redial, live_since.is_some());
        let earliest = self.last_dial.map_or(now, |last| last + MIN_DIAL_INTERVAL);
        self.link = Link::Down { dial_at: earliest.max(now + wait) };
    }

    /// Returns how soon to dial again. A message that is too large is most likely a snapshot, and
    /// will come again.
    fn redial_after(&mut self, reason: &Disconnect, was_healthy: bool) -> Redial {
        let is_too_large = matches!(reason, Disconnect::MessageTooLarge { .. });
        let before = if was_healthy { 0 } else { self.too_large };
        self.too_large = if is_too_large { before.saturating_add(1) } else { 0 };
        if self.too_large >= MIN_TOO_LARGE_SLOW {
            return Redial::Slow;
        }
        Redial::after(reason)
    }

    /// Draws the wait before the next dial.
    fn wait_before_dial(&mut self, redial: Redial, had_book: bool) -> Duration {
        // A server that sends its clients away again and again gets no more than others do.
        let is_soon = redial == Redial::Soon && had_book && !self.was_soon;
        self.was_soon |= is_soon;
        match redial {
            _ if is_soon => self.backoff.first_wait(),
            // The growing part keeps clients apart that were all told the same.
            Redial::After(pause) => {
                pause.min(self.config.policy.max_retry_after) + self.backoff.next_wait()
            }
            Redial::Slow => self.backoff.slow_wait(),
            Redial::Normal | Redial::Soon => self.backoff.next_wait(),
        }
    }

    /// Withdraws every book from its readers first, and only then empties them.
    fn lose_all(&mut self, now: Instant, cause: Cause) {
        for subscription in self.subscriptions.iter_mut() {
            subscription.withdraw();
        }
        for index in 0..self.subscriptions.len() {
            let subscription = self.subscriptions.at_mut(index);
            if matches!(subscription.status, Status::Lost(_)) {
                // Told already. A snapshot in the first half of a frame may have come since.
                if subscription.is_live() {
                    subscription.drop_book();
                }
                continue;
            }
            subscription.lose(now, cause, self.config.policy.healthy_after);
            self.push_each(index, |product| SessionEvent::Lost { product, cause });
        }
        self.product_timer = None;
        self.has_requests = self.wants_heartbeats || !self.leaving.is_empty();
    }

    fn run_product_timers(&mut self, now: Instant) {
        if self.product_timer.is_none_or(|due| now < due) {
            return;
        }
        self.product_timer = None;
        for index in 0..self.subscriptions.len() {
            self.run_timer_of(now, index);
            if !self.is_open() {
                return;
            }
            if let Some(due) = self.product_due(index) {
                self.arm_product_timer(due);
            }
        }
    }

    fn run_timer_of(&mut self, now: Instant, index: usize) {
        let subscription = self.subscriptions.at_mut(index);
        match subscription.stage {
            Stage::Awaiting { deadline: Some(deadline), .. } if deadline <= now => {
                if std::mem::take(&mut subscription.is_ended_earlier) {
                    // Perhaps the snapshot had come and the answer to an earlier request was late.
                    // Asking again would end the same way; a new connection has nothing to end.
                    subscription.tries = self.config.policy.max_resubscribes;
                }
                if let Some(asked_in) = subscription.asked_in {
                    self.settle_requests(asked_in);
                }
                self.lose_product(now, index, Cause::NoSnapshot);
            }
            Stage::Live => {
                let since = subscription.last_change;
                if self.config.policy.quiet_limit.is_some_and(|limit| since + limit <= now) {
                    // What was asked for came, and held: no try was in vain.
                    subscription.tries = 0;
                    self.lose_product(now, index, Cause::Quiet);
                } else if !subscription.is_quiet_reported
                    && since + self.config.policy.quiet_after <= now
                {
                    subscription.is_quiet_reported = true;
                    self.push_each(index, |product| SessionEvent::Quiet { product, since });
                }
            }
            Stage::Awaiting { .. } | Stage::Down | Stage::Wanted { .. } => {}
        }
    }

    /// Returns when a product's own timer is due next.
    pub(super) fn product_due(&self, index: usize) -> Option<Instant> {
        let subscription = self.subscriptions.at(index);
        match subscription.stage {
            Stage::Awaiting { deadline, .. } => deadline,
            Stage::Live => {
                let quiet_after =
                    (!subscription.is_quiet_reported).then_some(self.config.policy.quiet_after);
                let after =
                    [quiet_after, self.config.policy.quiet_limit].into_iter().flatten().min()?;
                Some(subscription.last_change + after)
            }
            Stage::Down | Stage::Wanted { .. } => None,
        }
    }

    fn wants_connection(&self) -> bool {
        !self.subscriptions.is_empty() || self.config.adopt_products
    }

    fn next_wake(&self, now: Instant) -> Instant {
        match self.link {
            Link::Dialing { deadline } => deadline,
            Link::Down { dial_at } if self.wants_connection() => dial_at,
            Link::Down { .. } | Link::Ended => now + LONGEST_WAIT,
            Link::Open { idle_at } => [self.product_timer, self.requests_due(now)]
                .into_iter()
                .flatten()
                .fold(idle_at, Instant::min),
        }
    }
}
