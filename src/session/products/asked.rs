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
