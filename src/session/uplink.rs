//! The connection to the venue from the dial to its end. It knows no product.

use std::time::{Duration, Instant};

use super::authentication::AuthenticationFailure;
use super::config::SessionConfig;
use super::connection::{Connection, Phase};
use super::deadlines::Deadlines;
use super::dialer::{Attempt, Dialer, NextDial};
use super::disconnect::Disconnect;
use super::policy::{MAX_DURATION, Policy, Resync};
use super::rate::RequestRate;
use super::requests::Requests;
use super::tokens::{Step, Tokens};
use crate::bbo::CONNECTION_MASK;
use crate::wire::Request;

/// The connection there is, or the next one.
#[derive(Debug)]
pub(super) struct Uplink {
    phase: Phase,
    /// Whether the caller has yet to drop the connection or the dial that was given up.
    must_disconnect: bool,
    dialer: Dialer,
    rate: RequestRate,
    tokens: Tokens,
    /// The number of the first connection, at most [`CONNECTION_MASK`].
    first_number: u64,
    /// The number of the newest connection.
    newest_number: Option<u64>,
    /// When the last message came, on whichever connection.
    last_message: Option<Instant>,
}

/// How a connection or a dial has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    /// What its end says of the tokens of its requests.
    pub(super) failure: Option<AuthenticationFailure>,
    pub(super) next: NextDial,
}

impl Uplink {
    /// Returns an uplink that is to be dialled now.
    pub(super) fn new(config: &SessionConfig, now: Instant) -> Self {
        let policy = &config.policy;
        Self {
            phase: Phase::Down { dial_at: now },
            must_disconnect: false,
            dialer: Dialer::new(policy, config.seed),
            rate: RequestRate::new(),
            tokens: Tokens::new(
                config.authenticate,
                policy.retry_without_token,
                policy.healthy_after,
            ),
            first_number: config.first_connection & CONNECTION_MASK,
            newest_number: None,
            last_message: None,
        }
    }

    // Questions.

    #[inline]
    pub(super) const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    pub(super) const fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// Returns whether there is a connection, or a dial in progress.
    pub(super) const fn is_in_use(&self) -> bool {
        matches!(self.phase, Phase::Dialing { .. } | Phase::Open(_))
    }

    #[inline]
    pub(super) const fn connection(&self) -> Option<&Connection> {
        match &self.phase {
            Phase::Open(connection) => Some(connection),
            Phase::Dialing { .. } | Phase::Down { .. } | Phase::Ended => None,
        }
    }

    #[inline]
    pub(super) const fn connection_mut(&mut self) -> Option<&mut Connection> {
        match &mut self.phase {
            Phase::Open(connection) => Some(connection),
            Phase::Dialing { .. } | Phase::Down { .. } | Phase::Ended => None,
        }
    }

    /// Returns the number of the newest connection, or of the first to be; see
    /// [`Bbo::connection`](crate::bbo::Bbo::connection).
    pub(super) const fn number(&self) -> u64 {
        match self.newest_number {
            Some(number) => number,
            None => self.first_number,
        }
    }

    pub(super) const fn last_message(&self) -> Option<Instant> {
        self.last_message
    }

    /// Returns its deadlines; those of products and requests are not its own.
    #[inline]
    pub(super) fn deadlines(&self, wants_connection: bool) -> Deadlines {
        let none = Deadlines::default();
        match &self.phase {
            Phase::Dialing { deadline } => Deadlines { dial_timeout: Some(*deadline), ..none },
            Phase::Down { dial_at } if wants_connection => {
                Deadlines { dial: Some(*dial_at), ..none }
            }
            Phase::Down { .. } | Phase::Ended => none,
            Phase::Open(connection) => Deadlines { idle: Some(connection.idle_at()), ..none },
        }
    }

    // The way to a connection and its end.

    /// Begins a dial if one is due. Returns whether it is the first of all.
    pub(super) fn dial(&mut self, now: Instant, connect_timeout: Duration) -> Option<bool> {
        match self.phase {
            Phase::Down { dial_at } if dial_at <= now => {
                self.phase = Phase::Dialing { deadline: now + connect_timeout };
                Some(self.dialer.dial(now))
            }
            _ => None,
        }
    }

    /// Begins a connection, unless no dial was in progress. All that dies with it is made anew
    /// here.
    pub(super) fn open(&mut self, now: Instant, policy: &Policy) -> bool {
        let is_dialing = matches!(self.phase, Phase::Dialing { .. });
        if is_dialing {
            let number = match self.newest_number {
                Some(newest) => (newest + 1) & CONNECTION_MASK,
                None => self.first_number,
            };
            let requests = Requests::new(policy.resync != Resync::Passive);
            let (idle_at, signing) = (now + policy.idle_timeout, self.tokens.open());
            self.phase = Phase::Open(Connection::new(idle_at, requests, signing));
            self.newest_number = Some(number);
            self.dialer.connected();
        }
        is_dialing
    }

    /// Notes that a message has arrived. Returns whether there is a connection that it can have
    /// come on.
    #[inline]
    pub(super) fn receive(&mut self, now: Instant, idle_timeout: Duration) -> bool {
        match &mut self.phase {
            Phase::Open(connection) => {
                connection.heard(now, idle_timeout);
                self.last_message = Some(now);
                true
            }
            Phase::Dialing { .. } | Phase::Down { .. } | Phase::Ended => false,
        }
    }

    /// Ends the connection or the dial, and plans the next. `is_closed` says whether the caller
    /// has lost it already; otherwise it has to drop it.
    pub(super) fn end(&mut self, now: Instant, reason: &Disconnect, is_closed: bool) -> Ended {
        debug_assert!(self.is_in_use(), "only a connection or a dial can end");
        let (attempt, failure) = match &self.phase {
            Phase::Open(connection) => {
                let live_since = connection.live_since();
                let failure = self.tokens.end(connection.signing(), live_since.is_some());
                (Attempt::Connection { live_since }, failure)
            }
            Phase::Dialing { .. } | Phase::Down { .. } | Phase::Ended => (Attempt::Dial, None),
        };
        let next = self.dialer.after(now, attempt, reason);
        self.phase = match next {
            NextDial::At(dial_at) => Phase::Down { dial_at },
            NextDial::GaveUp { .. } | NextDial::Rejected { .. } => Phase::Ended,
        };
        self.must_disconnect = !is_closed;
        Ended { failure, next }
    }

    /// Ends for good. A connection or a dial that was not dropped yet has to be.
    pub(super) fn close(&mut self) {
        self.must_disconnect |= self.is_in_use();
        self.phase = Phase::Ended;
    }

    /// Returns whether the caller has to drop a connection or a dial, once.
    pub(super) const fn take_disconnect(&mut self) -> bool {
        std::mem::replace(&mut self.must_disconnect, false)
    }

    // Requests.

    /// Notes that what was requested last is done at a later moment. Returns the number of the
    /// request that this holds for, and the moment, if it is a request.
    pub(super) fn hold(
        &mut self,
        now: Instant,
        until: Instant,
        connect_timeout: Duration,
    ) -> Option<(u64, Instant)> {
        let until = until.clamp(now, now + MAX_DURATION);
        match &mut self.phase {
            Phase::Dialing { deadline } => {
                *deadline = until + connect_timeout;
                None
            }
            Phase::Open(connection) => {
                let request = connection.hold(until);
                Some((request, until))
            }
            Phase::Down { .. } | Phase::Ended => None,
        }
    }

    /// Returns when the next request may be sent: `now`, or a later moment.
    pub(super) fn ready_at(&self, now: Instant) -> Instant {
        self.rate.ready_at(self.connection().map_or(now, |connection| connection.free_at(now)))
    }

    /// Counts a request that is sent now, and says in it whether it wants a token.
    pub(super) fn send(&mut self, now: Instant, mut request: Request) -> Option<Request> {
        self.connection_mut()?.send(&mut request);
        self.rate.count(now);
        Some(request)
    }

    /// Counts an answer of the venue. Returns the number of the request that it answers.
    pub(super) const fn count_answer(&mut self) -> u64 {
        match self.connection_mut() {
            Some(connection) => connection.count_answer(),
            None => {
                debug_assert!(false, "answers are taken on an open connection alone");
                0
            }
        }
    }

    /// Counts a request as answered, and all before it: its answer was lost.
    pub(super) fn settle_request(&mut self, number: Option<u64>) {
        if let (Some(number), Some(connection)) = (number, self.connection_mut()) {
            connection.settle(number);
        }
    }

    /// Decides what to do after the venue has rejected a request as not authenticated.
    pub(super) fn reject_token(&mut self, now: Instant) -> Step {
        match &mut self.phase {
            Phase::Open(connection) => connection.reject_token(now, &self.tokens),
            Phase::Dialing { .. } | Phase::Down { .. } | Phase::Ended => Step::default(),
        }
    }

    pub(super) const fn note_clock_offset(&mut self, seconds: i64) {
        self.tokens.note_clock_offset(seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::disconnect::DialStage;
    use crate::wire::{Action, RequestChannel};

    const SECOND: Duration = Duration::from_secs(1);

    fn uplink(change: impl FnOnce(&mut SessionConfig)) -> (Uplink, Policy, Instant) {
        let mut config = SessionConfig::new([]);
        change(&mut config);
        let now = Instant::now();
        (Uplink::new(&config, now), config.policy, now)
    }

    fn broken() -> Disconnect {
        Disconnect::Transport("reset".into())
    }

    fn dial_failed() -> Disconnect {
        Disconnect::NotConnected { stage: DialStage::Tcp, error: "refused".into() }
    }

    fn heartbeats() -> Request {
        Request::new(Action::Subscribe, RequestChannel::Heartbeats, Vec::new())
    }

    fn dial_at(uplink: &Uplink) -> Instant {
        uplink.deadlines(true).dial.expect("a dial is planned")
    }

    #[test]
    fn each_phase_has_its_own_deadline() {
        let (mut uplink, policy, now) = uplink(|_| {});
        let none = Deadlines::default();
        assert_eq!(uplink.deadlines(true), Deadlines { dial: Some(now), ..none });
        assert_eq!(uplink.deadlines(false), none, "no connection is wanted");
        assert_eq!(uplink.dial(now, policy.connect_timeout), Some(true));
        let dialing = Deadlines { dial_timeout: Some(now + 10 * SECOND), ..none };
        assert_eq!(uplink.deadlines(true), dialing);
        assert!(uplink.open(now, &policy));
        assert_eq!(uplink.deadlines(true), Deadlines { idle: Some(now + 5 * SECOND), ..none });
        assert!(uplink.receive(now + SECOND, policy.idle_timeout));
        assert_eq!(uplink.deadlines(true).idle, Some(now + 6 * SECOND));
        uplink.close();
        assert_eq!(uplink.deadlines(true), none);
    }

    #[test]
    fn nothing_of_a_connection_outlives_it() {
        let (mut uplink, policy, now) = uplink(|config| config.first_connection = 70);
        assert_eq!(uplink.number(), 70, "of the first to be");
        for number in [70, 71] {
            let due = dial_at(&uplink);
            assert!(uplink.dial(due, policy.connect_timeout).is_some());
            assert!(uplink.open(due, &policy));
            assert_eq!(uplink.number(), number);
            let connection = uplink.connection_mut().unwrap();
            assert_eq!((connection.next_request(), connection.live_since()), (1, None));
            assert_eq!(connection.observe(9), crate::sequence::Arrival::InOrder);
            connection.send(&mut heartbeats());
            connection.served(due);
            uplink.end(due, &broken(), true);
            assert!(uplink.connection().is_none() && !uplink.is_open());
        }
        assert_eq!(uplink.last_message(), None);
        assert!(!uplink.receive(now, policy.idle_timeout), "nothing can have come on none");
    }

    #[test]
    fn numbers_of_connections_stay_within_what_a_bbo_has_room_for() {
        for (first, numbers) in [(1 << 40, [0, 1]), (u64::MAX, [CONNECTION_MASK, 0])] {
            let (mut uplink, policy, _) = uplink(|config| config.first_connection = first);
            assert_eq!(uplink.number(), numbers[0]);
            for number in numbers {
                let due = dial_at(&uplink);
                uplink.dial(due, policy.connect_timeout);
                assert!(uplink.open(due, &policy));
                assert_eq!(uplink.number(), number);
                uplink.end(due, &broken(), true);
            }
        }
    }

    #[test]
    fn an_opening_counts_only_after_a_dial() {
        let (mut uplink, policy, now) = uplink(|_| {});
        assert!(!uplink.open(now, &policy));
        uplink.dial(now, policy.connect_timeout);
        uplink.end(now, &dial_failed(), true);
        assert!(!uplink.open(now, &policy), "it came after the dial was given up");
        assert_eq!(uplink.dial(now, policy.connect_timeout), None, "not due yet");
    }

    #[test]
    fn what_the_caller_still_has_is_dropped_once() {
        let (mut uplink, policy, now) = uplink(|_| {});
        uplink.dial(now, policy.connect_timeout);
        uplink.end(now, &dial_failed(), true);
        assert!(!uplink.take_disconnect(), "the caller has lost it already");
        let due = dial_at(&uplink);
        uplink.dial(due, policy.connect_timeout);
        uplink.end(due, &Disconnect::TimedOut(SECOND), false);
        uplink.close();
        assert!(uplink.take_disconnect(), "also when the session ends before");
        assert!(!uplink.take_disconnect());
    }

    #[test]
    fn an_end_that_is_the_last_ends_the_uplink() {
        let (mut uplink, policy, now) =
            uplink(|config| config.policy.max_failed_dials = std::num::NonZeroU32::new(1));
        uplink.dial(now, policy.connect_timeout);
        let ended = uplink.end(now, &dial_failed(), true);
        let next = NextDial::GaveUp { failed_dials: 1 };
        assert_eq!(ended, Ended { failure: None, next });
        assert!(uplink.is_ended());
    }

    #[test]
    fn what_is_held_back_moves_its_own_deadline() {
        let (mut uplink, policy, now) = uplink(|_| {});
        assert_eq!(uplink.hold(now, now + SECOND, policy.connect_timeout), None);
        uplink.dial(now, policy.connect_timeout);
        assert_eq!(uplink.hold(now, now + SECOND, policy.connect_timeout), None);
        assert_eq!(uplink.deadlines(true).dial_timeout, Some(now + 11 * SECOND));
        uplink.open(now, &policy);
        uplink.connection_mut().unwrap().send(&mut heartbeats());
        let held = uplink.hold(now, now + 3 * SECOND, policy.connect_timeout);
        assert_eq!(held, Some((1, now + 3 * SECOND)));
        assert_eq!(uplink.ready_at(now), now + 3 * SECOND);
        uplink.end(now, &broken(), true);
        let due = dial_at(&uplink);
        uplink.dial(due, policy.connect_timeout);
        uplink.open(due, &policy);
        assert_eq!(uplink.ready_at(due), due, "released with the connection");
    }
}
