//! What dies with a connection, of one product: what it was asked for, and what came of that.

use std::time::{Duration, Instant};

use super::healing::{Cooldown, Healing};
use crate::sequence::{Arrival, SequenceTracker};
use crate::session::backoff::doubled;
use crate::session::policy::{Policy, Resync};
use crate::session::status::Cause;

/// Where a product stands between the wish for a book and the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its snapshot was requested.
    Awaiting {
        /// When to request it again, if ever.
        deadline: Option<Instant>,
        /// Whether nothing can come before the snapshot, so that an update is a fault. Not so
        /// while updates of an earlier subscription may still be on their way.
        is_first: bool,
    },
    /// There is no connection to ask on, or the book was lost a moment ago.
    Down,
    /// Its snapshot has come.
    Live,
    /// Its snapshot is to be requested.
    Wanted {
        /// Not before this moment.
        not_before: Instant,
        /// Whether the subscription that the venue has must be ended first.
        unsubscribes_first: bool,
    },
}

/// What one connection was asked for a product.
///
/// A new one is made for each connection, so that nothing of it has to be reset.
#[derive(Debug)]
pub(crate) struct Asked {
    stage: Stage,
    /// Follows the product's own sequence numbers, where each product has its own.
    tracker: SequenceTracker,
    /// The number of the connection's request that asked for it last; its answer has to list it.
    request: Option<u64>,
    /// When that was.
    requested_at: Option<Instant>,
    /// Requests for a book that did not come, or was lost again soon.
    tries: u32,
    /// Consecutive refusals, or failures after a reconnect was already spent on this product.
    refusals: u32,
    /// Whether the venue does not list it, and has sent no snapshot since.
    is_unlisted: bool,
    /// Whether its book was withdrawn because an earlier subscription had ended, and no snapshot
    /// has come since.
    is_ended_earlier: bool,
    /// Whether nothing was requested under its name on this connection before.
    is_first: bool,
}

/// What an acknowledgement that does not list a product means for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unlisted {
    /// An earlier subscription has ended, whose snapshot made the book live.
    EndedEarlier,
    /// Nothing: it is not due to be listed.
    NotDue,
    /// The venue does not serve it.
    Refused,
}

impl Asked {
    const fn new(stage: Stage, is_first: bool) -> Self {
        Self {
            stage,
            tracker: SequenceTracker::new(),
            request: None,
            requested_at: None,
            tries: 0,
            refusals: 0,
            is_unlisted: false,
            is_ended_earlier: false,
            is_first,
        }
    }

    /// There is no connection to ask on.
    pub(crate) const fn nowhere() -> Self {
        Self::new(Stage::Down, false)
    }

    /// Begins on a new connection.
    pub(crate) const fn afresh(resync: Resync, now: Instant) -> Self {
        Self::new(Stage::to_begin(resync, now), true)
    }

    /// Begins on a connection on which its name may have been requested before.
    pub(crate) const fn joining(resync: Resync, now: Instant) -> Self {
        Self::new(Stage::to_begin(resync, now), false)
    }

    #[inline]
    pub(crate) const fn stage(&self) -> Stage {
        self.stage
    }

    /// Returns whether a snapshot has come and the book was not lost since.
    ///
    /// Within a frame this may differ from [`Status`](crate::session::Status), which says
    /// what was published and reported after the last whole frame.
    #[inline]
    pub(crate) const fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Live)
    }

    #[inline]
    pub(crate) const fn is_awaiting(&self) -> bool {
        matches!(self.stage, Stage::Awaiting { .. })
    }

    pub(crate) const fn is_wanted(&self) -> bool {
        matches!(self.stage, Stage::Wanted { .. })
    }

    /// Observes the number of a frame, where each product has its own numbers.
    pub(crate) const fn observe(&mut self, sequence: u64) -> Arrival {
        self.tracker.observe(sequence)
    }

    // Requests.

    /// Returns when its snapshot is to be requested, if it is.
    pub(crate) const fn wanted_at(&self) -> Option<Instant> {
        match self.stage {
            Stage::Wanted { not_before, .. } => Some(not_before),
            Stage::Awaiting { .. } | Stage::Down | Stage::Live => None,
        }
    }

    /// Returns whether the venue was asked for it on this connection.
    pub(crate) const fn was_requested(&self) -> bool {
        self.request.is_some()
    }

    /// Takes the end of the venue's subscription off what is still to be requested, if it is due.
    pub(crate) fn take_unsubscribe(&mut self, now: Instant) -> bool {
        match &mut self.stage {
            Stage::Wanted { not_before, unsubscribes_first: unsubscribes @ true }
                if *not_before <= now =>
            {
                *unsubscribes = false;
                true
            }
            _ => false,
        }
    }

    /// Notes that its snapshot is requested by this request, if it is due. Returns whether it is.
    pub(crate) fn request(&mut self, now: Instant, number: u64, deadline: Instant) -> bool {
        match self.stage {
            Stage::Wanted { not_before, unsubscribes_first: false } if not_before <= now => {
                let is_first = std::mem::replace(&mut self.is_first, false);
                self.stage = Stage::Awaiting { deadline: Some(deadline), is_first };
                self.request = Some(number);
                self.requested_at = Some(now);
                true
            }
            _ => false,
        }
    }

    /// Moves the deadline of the snapshot that this request is for.
    pub(crate) fn extend_deadline(&mut self, number: u64, until: Instant) {
        if self.request == Some(number)
            && let Stage::Awaiting { deadline: Some(deadline), .. } = &mut self.stage
        {
            *deadline = until;
        }
    }

    /// Requests an awaited snapshot anew, at once.
    pub(crate) fn repeat(&mut self, now: Instant) {
        if self.is_awaiting() {
            self.stage = Stage::Wanted { not_before: now, unsubscribes_first: false };
        }
    }

    // Answers.

    /// Returns whether its snapshot is awaited of this request.
    pub(crate) fn is_awaited_of(&self, number: u64) -> bool {
        self.request == Some(number) && self.is_awaiting()
    }

    /// Judges an acknowledgement that does not list it, after this many answers.
    pub(crate) fn unlisted(&self, answered: u64) -> Unlisted {
        let is_answered = self.request.is_some_and(|number| number <= answered);
        match self.stage {
            Stage::Awaiting { .. } if !is_answered => Unlisted::NotDue,
            Stage::Down | Stage::Wanted { .. } => Unlisted::NotDue,
            Stage::Awaiting { .. } | Stage::Live if is_answered || self.request.is_none() => {
                Unlisted::Refused
            }
            Stage::Awaiting { .. } | Stage::Live => Unlisted::EndedEarlier,
        }
    }

    /// Notes that its snapshot has come.
    pub(crate) const fn synced(&mut self) {
        self.stage = Stage::Live;
        self.is_ended_earlier = false;
        self.is_unlisted = false;
    }

    /// Awaits the snapshot of the newer subscription, after an earlier one has ended.
    pub(crate) const fn await_newer(&mut self, deadline: Instant) {
        self.is_ended_earlier = true;
        self.stage = Stage::Awaiting { deadline: Some(deadline), is_first: false };
    }

    // Losses.

    /// Notes that the book is lost. How it comes back is [decided](Self::heal) next.
    pub(crate) const fn lose(&mut self) {
        self.stage = Stage::Down;
    }

    /// Forgets the tries before: what was asked for came, and held.
    pub(crate) const fn forget_tries(&mut self) {
        self.tries = 0;
    }

    /// Forgets what went wrong before the book was live for long.
    pub(crate) const fn forget_failures(&mut self) {
        self.tries = 0;
        self.refusals = 0;
    }

    /// Notes that the snapshot did not come in time. Returns the number of the request whose
    /// answer counts as lost.
    pub(crate) const fn give_up_snapshot(&mut self, policy: &Policy) -> Option<u64> {
        if std::mem::replace(&mut self.is_ended_earlier, false) {
            // Perhaps the snapshot had come and the answer to an earlier request was late. Asking
            // again would end the same way; a new connection has no earlier subscription.
            self.tries = policy.max_resubscribes;
        }
        self.request
    }

    /// Decides how a book that was lost on the open connection comes back.
    pub(crate) fn heal(
        &mut self,
        now: Instant,
        cause: Cause,
        policy: &Policy,
        cooldown: &mut Cooldown,
    ) -> Healing {
        if self.is_wanted() {
            // It was not requested since it was lost, so no try has failed.
            return Healing::AskAgain;
        }
        if policy.resync == Resync::Passive {
            self.stage = Stage::Awaiting { deadline: None, is_first: false };
            return Healing::AwaitSnapshot;
        }
        let is_refused = cause == Cause::Refused;
        let is_exhausted = !is_refused && self.tries >= policy.max_resubscribes;
        self.is_unlisted |= is_refused;
        // One that the venue does not list is not worth the others' connection.
        if is_exhausted && !self.is_unlisted && cooldown.is_over(now) {
            cooldown.begin(now);
            return Healing::NewConnection;
        }
        let interval = if is_refused || is_exhausted {
            self.growing_interval(policy)
        } else {
            policy.resubscribe_interval
        };
        if is_refused {
            // Refusals are counted apart, and such an answer settles the tries before it.
            self.tries = 0;
        } else if !is_exhausted {
            self.tries += 1;
        }
        let earliest = self.requested_at.map_or(now, |at| at + interval);
        self.stage = Stage::Wanted { not_before: earliest.max(now), unsubscribes_first: true };
        Healing::AskAgain
    }

    /// Returns the interval for a product that the venue does not know, or that not even a new
    /// connection has healed. It must not cost the others theirs for now.
    fn growing_interval(&mut self, policy: &Policy) -> Duration {
        let interval = doubled(policy.resubscribe_interval, self.refusals, policy.backoff_max);
        self.refusals = self.refusals.saturating_add(1);
        interval
    }
}

impl Stage {
    /// Where a product begins on an open connection.
    const fn to_begin(resync: Resync, now: Instant) -> Self {
        match resync {
            Resync::Passive => Self::Awaiting { deadline: None, is_first: false },
            Resync::Reconnect | Resync::Resubscribe => {
                Self::Wanted { not_before: now, unsubscribes_first: false }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn resubscribing() -> Policy {
        Policy { resync: Resync::Resubscribe, ..Policy::default() }
    }

    /// What a connection was asked for a product that lost its book again after each request.
    struct Patient {
        asked: Asked,
        cooldown: Cooldown,
        policy: Policy,
        now: Instant,
        requests: u64,
    }

    impl Patient {
        fn new() -> Self {
            let (policy, now) = (resubscribing(), Instant::now());
            let asked = Asked::afresh(policy.resync, now);
            Self { asked, cooldown: Cooldown::default(), policy, now, requests: 0 }
        }

        /// Requests its snapshot as soon as that may be, and returns how long that was.
        fn request(&mut self) -> Duration {
            let start = self.now;
            self.now = self.now.max(self.asked.wanted_at().expect("a wish"));
            self.asked.take_unsubscribe(self.now);
            self.requests += 1;
            assert!(self.asked.request(self.now, self.requests, self.now + 10 * SECOND));
            self.now - start
        }

        fn lose(&mut self, cause: Cause) -> Healing {
            self.asked.lose();
            self.asked.heal(self.now, cause, &self.policy, &mut self.cooldown)
        }
    }

    #[test]
    fn a_product_is_requested_when_it_is_due_and_after_its_subscription_was_ended() {
        let mut patient = Patient::new();
        let now = patient.now;
        assert!(patient.asked.is_wanted() && !patient.asked.was_requested());
        assert!(!patient.asked.take_unsubscribe(now), "a new connection has no subscription");
        patient.request();
        assert!(patient.asked.is_awaiting() && patient.asked.was_requested());
        assert!(!patient.asked.request(now, 2, now), "it is requested once");

        assert_eq!(patient.lose(Cause::Crossed), Healing::AskAgain);
        assert!(!patient.asked.take_unsubscribe(now + SECOND), "no sooner than after 2 s");
        assert!(!patient.asked.request(now + 2 * SECOND, 2, now), "the end comes first");
        assert!(patient.asked.take_unsubscribe(now + 2 * SECOND));
        assert!(!patient.asked.request(now + SECOND, 2, now));
        assert!(patient.asked.request(now + 2 * SECOND, 2, now + 12 * SECOND));
    }

    #[test]
    fn only_the_first_request_of_a_connection_makes_an_update_before_the_snapshot_a_fault() {
        let mut patient = Patient::new();
        patient.request();
        assert!(matches!(patient.asked.stage(), Stage::Awaiting { is_first: true, .. }));
        patient.lose(Cause::Premature);
        patient.request();
        assert!(matches!(patient.asked.stage(), Stage::Awaiting { is_first: false, .. }));
        let mut joining = Asked::joining(Resync::Reconnect, patient.now);
        assert!(joining.request(patient.now, 7, patient.now));
        assert!(matches!(joining.stage(), Stage::Awaiting { is_first: false, .. }));
    }

    #[test]
    fn after_three_tries_a_book_is_worth_a_new_connection_once_in_a_while() {
        let mut patient = Patient::new();
        patient.request();
        for _ in 0..3 {
            assert_eq!(patient.lose(Cause::Crossed), Healing::AskAgain);
            assert_eq!(patient.request(), 2 * SECOND);
        }
        assert_eq!(patient.lose(Cause::Crossed), Healing::NewConnection);

        // The new connection does not heal it either.
        patient.asked = Asked::afresh(Resync::Resubscribe, patient.now);
        patient.request();
        for _ in 0..3 {
            patient.lose(Cause::Crossed);
            patient.request();
        }
        let mut waits = Vec::new();
        for _ in 0..6 {
            assert_eq!(patient.lose(Cause::Crossed), Healing::AskAgain);
            waits.push(patient.request().as_secs());
        }
        assert_eq!(waits, [2, 4, 8, 16, 30, 30]);
        patient.now += 300 * SECOND;
        assert_eq!(patient.lose(Cause::Crossed), Healing::NewConnection);
    }

    #[test]
    fn a_product_that_the_venue_does_not_list_is_never_worth_a_connection() {
        let mut patient = Patient::new();
        patient.request();
        let mut waits = Vec::new();
        for _ in 0..6 {
            assert_eq!(patient.lose(Cause::Refused), Healing::AskAgain);
            waits.push(patient.request().as_secs());
        }
        assert_eq!(waits, [2, 4, 8, 16, 30, 30]);
        for _ in 0..9 {
            assert_eq!(patient.lose(Cause::NoSnapshot), Healing::AskAgain);
            patient.request();
        }
        patient.asked.synced();
        let mut tries = 0;
        while patient.lose(Cause::Crossed) == Healing::AskAgain {
            patient.request();
            tries += 1;
            assert!(tries <= 3, "served again, it is worth a connection again");
        }
    }

    #[test]
    fn a_loss_before_the_request_is_no_try() {
        let mut patient = Patient::new();
        patient.request();
        patient.lose(Cause::Gap);
        let wanted_at = patient.asked.wanted_at();
        for _ in 0..9 {
            let Patient { asked, cooldown, policy, now, .. } = &mut patient;
            assert_eq!(asked.heal(*now, Cause::Gap, policy, cooldown), Healing::AskAgain);
        }
        assert_eq!(patient.asked.wanted_at(), wanted_at);
    }

    #[test]
    fn failures_that_were_forgotten_do_not_count() {
        let mut patient = Patient::new();
        patient.request();
        for forget in [Asked::forget_tries, Asked::forget_failures] {
            for _ in 0..3 {
                assert_eq!(patient.lose(Cause::Quiet), Healing::AskAgain);
                patient.request();
            }
            forget(&mut patient.asked);
        }
        assert_eq!(patient.lose(Cause::Quiet), Healing::AskAgain);
        assert_eq!(patient.request(), 2 * SECOND);
    }

    #[test]
    fn a_passive_product_waits_for_what_comes() {
        let mut patient = Patient::new();
        patient.policy.resync = Resync::Passive;
        patient.asked = Asked::afresh(Resync::Passive, patient.now);
        assert!(patient.asked.is_awaiting());
        patient.asked.synced();
        assert_eq!(patient.lose(Cause::Gap), Healing::AwaitSnapshot);
        assert!(matches!(patient.asked.stage(), Stage::Awaiting { deadline: None, .. }));
        patient.asked.synced();
        assert_eq!(patient.asked.unlisted(0), Unlisted::Refused, "it was never requested here");
    }

    #[test]
    fn an_answer_that_does_not_list_a_product_is_judged_by_its_place() {
        let mut patient = Patient::new();
        assert_eq!(patient.asked.unlisted(9), Unlisted::NotDue, "it is not requested yet");
        patient.requests = 6;
        patient.request();
        assert_eq!(patient.asked.unlisted(6), Unlisted::NotDue, "an earlier request is answered");
        assert_eq!(patient.asked.unlisted(7), Unlisted::Refused);
        assert!(patient.asked.is_awaited_of(7) && !patient.asked.is_awaited_of(6));
        patient.asked.synced();
        assert!(!patient.asked.is_awaited_of(7));
        assert_eq!(patient.asked.unlisted(7), Unlisted::Refused);
        assert_eq!(patient.asked.unlisted(6), Unlisted::EndedEarlier);
        patient.asked.lose();
        assert_eq!(patient.asked.unlisted(7), Unlisted::NotDue);
    }

    #[test]
    fn a_snapshot_that_an_earlier_end_has_swallowed_is_worth_a_new_connection() {
        let mut patient = Patient::new();
        patient.request();
        patient.asked.await_newer(patient.now + 10 * SECOND);
        assert_eq!(patient.asked.give_up_snapshot(&patient.policy), Some(1));
        assert_eq!(patient.lose(Cause::NoSnapshot), Healing::NewConnection);

        let mut patient = Patient::new();
        patient.request();
        patient.asked.await_newer(patient.now + 10 * SECOND);
        patient.asked.synced();
        assert_eq!(patient.asked.give_up_snapshot(&patient.policy), Some(1));
        assert_eq!(patient.lose(Cause::NoSnapshot), Healing::AskAgain, "it came after all");
    }

    #[test]
    fn only_the_deadline_of_the_request_that_is_held_moves() {
        let mut patient = Patient::new();
        let now = patient.now;
        patient.request();
        let deadline = |asked: &Asked| match asked.stage() {
            Stage::Awaiting { deadline, .. } => deadline,
            stage => panic!("expected an awaited snapshot, got {stage:?}"),
        };
        patient.asked.extend_deadline(2, now + 70 * SECOND);
        assert_eq!(deadline(&patient.asked), Some(now + 10 * SECOND));
        patient.asked.extend_deadline(1, now + 70 * SECOND);
        assert_eq!(deadline(&patient.asked), Some(now + 70 * SECOND));
    }

    #[test]
    fn only_an_awaited_snapshot_is_requested_anew() {
        let mut patient = Patient::new();
        patient.request();
        patient.asked.repeat(patient.now);
        assert!(!patient.asked.take_unsubscribe(patient.now), "the venue took no subscription");
        assert_eq!(patient.request(), Duration::ZERO);
        patient.asked.synced();
        patient.asked.repeat(patient.now);
        assert!(patient.asked.is_live());
    }
}
