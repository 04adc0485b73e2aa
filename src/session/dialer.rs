//! When to dial again, and when to give up.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::backoff::Backoff;
use super::config::MIN_DIAL_INTERVAL;
use super::disconnect::{DialStage, Disconnect};
use super::policy::Policy;

/// Consecutive oversized messages after which reconnects use the slow backoff.
const MIN_TOO_LARGE_SLOW: u32 = 3;

/// Counts dials and what became of them, and decides about the next.
#[derive(Debug)]
pub(super) struct Dialer {
    backoff: Backoff,
    healthy_after: Duration,
    max_retry_after: Duration,
    max_failed_dials: Option<NonZeroU32>,
    max_rejections: Option<NonZeroU32>,
    last_dial: Option<Instant>,
    /// Consecutive dials that failed.
    failed_dials: u32,
    /// Consecutive rejections by the venue.
    rejections: u32,
    /// Consecutive connections that ended with a message that is too large.
    too_large: u32,
    /// Whether a dial was made soon since a connection was last healthy.
    was_soon: bool,
}

/// What has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// A dial.
    Dial,
    /// A connection.
    Connection {
        /// Since when it had a live book, if it ever had one.
        live_since: Option<Instant>,
    },
}

/// What comes after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextDial {
    /// A dial at this moment.
    At(Instant),
    /// Nothing: too many dials in a row have failed.
    GaveUp { failed_dials: u32 },
    /// Nothing: the venue has rejected this client too often in a row.
    Rejected { times: u32 },
}

impl Dialer {
    pub(super) fn new(policy: &Policy, seed: u64) -> Self {
        Self {
            backoff: Backoff::new(policy.backoff_min, policy.backoff_max, seed),
            healthy_after: policy.healthy_after,
            max_retry_after: policy.max_retry_after,
            max_failed_dials: policy.max_failed_dials,
            max_rejections: policy.max_rejections,
            last_dial: None,
            failed_dials: 0,
            rejections: 0,
            too_large: 0,
            was_soon: false,
        }
    }

    /// Notes that a dial begins. Returns whether it is the first of all.
    pub(super) fn dial(&mut self, now: Instant) -> bool {
        self.last_dial.replace(now).is_none()
    }

    /// Notes that the dial has succeeded.
    pub(super) const fn connected(&mut self) {
        self.failed_dials = 0;
    }

    /// Decides what comes after a dial that failed or a connection that ended.
    pub(super) fn after(
        &mut self,
        now: Instant,
        attempt: Attempt,
        reason: &Disconnect,
    ) -> NextDial {
        let live_since = match attempt {
            Attempt::Dial => None,
            Attempt::Connection { live_since } => live_since,
        };
        if live_since.is_some_and(|since| since + self.healthy_after <= now) {
            self.start_over();
        }
        let urgency = self.urgency_after(reason);
        if attempt == Attempt::Dial {
            self.failed_dials += 1;
            if self.max_failed_dials.is_some_and(|max| self.failed_dials >= max.get()) {
                return NextDial::GaveUp { failed_dials: self.failed_dials };
            }
        }
        let is_rejection = urgency == Urgency::Slow || faults_client(reason);
        self.rejections = if is_rejection { self.rejections + 1 } else { 0 };
        if self.max_rejections.is_some_and(|max| self.rejections >= max.get()) {
            return NextDial::Rejected { times: self.rejections };
        }
        let wait = self.wait(urgency, live_since.is_some());
        let earliest = self.last_dial.map_or(now, |last| last + MIN_DIAL_INTERVAL);
        NextDial::At(earliest.max(now + wait))
    }

    /// Forgets what went wrong before a connection that was healthy.
    const fn start_over(&mut self) {
        self.backoff.reset();
        self.rejections = 0;
        self.too_large = 0;
        self.was_soon = false;
    }

    /// Returns how soon to dial again. A message that is too large is most likely a snapshot, and
    /// will come again.
    fn urgency_after(&mut self, reason: &Disconnect) -> Urgency {
        let is_too_large = matches!(reason, Disconnect::MessageTooLarge { .. });
        self.too_large = if is_too_large { self.too_large.saturating_add(1) } else { 0 };
        if self.too_large >= MIN_TOO_LARGE_SLOW {
            return Urgency::Slow;
        }
        Urgency::after(reason)
    }

    /// Draws the wait before the next dial.
    fn wait(&mut self, urgency: Urgency, had_book: bool) -> Duration {
        // A server that restarts again and again is dialled soon only once.
        let is_soon = urgency == Urgency::Soon && had_book && !self.was_soon;
        self.was_soon |= is_soon;
        match urgency {
            _ if is_soon => self.backoff.first_wait(),
            // The random part keeps apart clients that were all sent away for the same time.
            Urgency::After(pause) => pause.min(self.max_retry_after) + self.backoff.next_wait(),
            Urgency::Slow => self.backoff.slow_wait(),
            Urgency::Normal | Urgency::Soon => self.backoff.next_wait(),
        }
    }
}

/// How soon to dial again, by what ended the connection or the dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Urgency {
    /// After the time that the venue asked for.
    After(Duration),
    /// After a wait that grows from one attempt to the next.
    Normal,
    /// After a long wait: the fault will not mend itself in a second.
    Slow,
    /// Soon: the venue only moves its clients to another server.
    Soon,
}

impl Urgency {
    const fn after(reason: &Disconnect) -> Self {
        match reason {
            Disconnect::ByVenue { code: Some(code), .. } => match code {
                // Normal closure, going away, service restart, try again later.
                1_000 | 1_001 | 1_012 | 1_013 => Self::Soon,
                // Policy violation, message too big, a reason of the venue's own.
                1_008 | 1_009 | 4_000.. => Self::Slow,
                _ => Self::Normal,
            },
            Disconnect::Rejected { retry_after: Some(pause), .. } => Self::After(*pause),
            Disconnect::NotConnected { stage: DialStage::Certificate, .. } => Self::Slow,
            _ if faults_client(reason) => Self::Slow,
            _ => Self::Normal,
        }
    }
}

/// Returns whether a dial was answered by an HTTP status that faults the client: moved elsewhere,
/// not allowed, too many requests.
const fn faults_client(reason: &Disconnect) -> bool {
    matches!(reason, Disconnect::Rejected { status: 300..=499, .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(30);

    fn dialer(seed: u64, change: impl FnOnce(&mut Policy)) -> Dialer {
        let mut policy = Policy::default();
        change(&mut policy);
        Dialer::new(&policy, seed)
    }

    fn by_venue(code: u16) -> Disconnect {
        Disconnect::ByVenue { code: Some(code), reason: "".into() }
    }

    fn broken() -> Disconnect {
        Disconnect::Transport("reset".into())
    }

    fn too_large() -> Disconnect {
        Disconnect::MessageTooLarge { size: 2, limit: 1 }
    }

    fn rejected(retry_after: Option<Duration>) -> Disconnect {
        Disconnect::Rejected { status: 429, retry_after }
    }

    /// A connection that had a book for this long.
    fn live_for(now: Instant, time: Duration) -> Attempt {
        Attempt::Connection { live_since: Some(now - time) }
    }

    const WITHOUT_BOOK: Attempt = Attempt::Connection { live_since: None };

    fn wait(dialer: &mut Dialer, now: Instant, attempt: Attempt, reason: &Disconnect) -> Duration {
        match dialer.after(now, attempt, reason) {
            NextDial::At(at) => at - now,
            end => panic!("expected another dial, got {end:?}"),
        }
    }

    #[test]
    fn no_two_dials_come_closer_than_the_venue_allows() {
        let mut dialer = dialer(1, |policy| policy.backoff_max = Duration::ZERO);
        let now = Instant::now();
        assert!(dialer.dial(now), "the first of all");
        assert_eq!(wait(&mut dialer, now, Attempt::Dial, &broken()), MIN_DIAL_INTERVAL);
        let later = now + Duration::from_secs(1);
        assert_eq!(wait(&mut dialer, later, Attempt::Dial, &broken()), Duration::ZERO);
        assert!(!dialer.dial(later));
    }

    #[test]
    fn a_restarting_venue_is_dialled_soon_once_until_a_connection_was_healthy() {
        let now = Instant::now();
        let longest_wait = |attempts: &[Attempt]| {
            let last_wait = |seed| {
                let mut dialer = dialer(seed, |_| {});
                for _ in 0..20 {
                    wait(&mut dialer, now, Attempt::Dial, &broken());
                }
                let waits = attempts.iter().map(|it| wait(&mut dialer, now, *it, &by_venue(1_012)));
                waits.last().unwrap()
            };
            (0..50).map(last_wait).max().unwrap()
        };
        let briefly = live_for(now, Duration::from_secs(1));
        let soon = Duration::from_millis(100);
        assert!(longest_wait(&[briefly]) <= soon);
        assert!(longest_wait(&[briefly, briefly]) > LONGEST / 2, "a second time in a row");
        assert!(longest_wait(&[briefly, live_for(now, LONGEST)]) <= soon);
        assert!(longest_wait(&[WITHOUT_BOOK]) > LONGEST / 2, "it never served a book");
    }

    #[test]
    fn a_client_at_fault_waits_long() {
        let now = Instant::now();
        for reason in [by_venue(1_008), by_venue(4_000), rejected(None)] {
            let waited = wait(&mut dialer(3, |_| {}), now, WITHOUT_BOOK, &reason);
            assert!((LONGEST / 2..=LONGEST).contains(&waited), "{reason}: {waited:?}");
        }
    }

    #[test]
    fn a_retry_after_is_kept_to_and_bounded() {
        let now = Instant::now();
        for (asked, kept) in [(7, 7), (300, 300), (u64::MAX, 300)] {
            let reason = rejected(Some(Duration::from_secs(asked)));
            let waited = wait(&mut dialer(3, |_| {}), now, Attempt::Dial, &reason);
            let kept = Duration::from_secs(kept);
            assert!((kept..=kept + Duration::from_millis(100)).contains(&waited), "{waited:?}");
        }
    }

    #[test]
    fn only_the_third_message_too_large_in_a_row_makes_dials_slow() {
        let now = Instant::now();
        let third = |between: &dyn Fn(&mut Dialer)| {
            let mut dialer = dialer(5, |_| {});
            for _ in 0..2 {
                let waited = wait(&mut dialer, now, WITHOUT_BOOK, &too_large());
                assert!(waited < Duration::from_secs(1), "{waited:?}");
            }
            between(&mut dialer);
            wait(&mut dialer, now, WITHOUT_BOOK, &too_large())
        };
        assert!(third(&|_| {}) >= LONGEST / 2);
        let other = third(&|dialer| {
            wait(dialer, now, WITHOUT_BOOK, &broken());
        });
        assert!(other < Duration::from_secs(1), "{other:?}");
        let healthy = third(&|dialer| {
            wait(dialer, now, live_for(now, LONGEST), &broken());
        });
        assert!(healthy < Duration::from_secs(1), "{healthy:?}");
    }

    #[test]
    fn failed_dials_in_a_row_have_an_end_and_a_success_starts_the_count_over() {
        let now = Instant::now();
        let mut dialer = dialer(5, |policy| policy.max_failed_dials = NonZeroU32::new(3));
        for _ in 0..2 {
            wait(&mut dialer, now, Attempt::Dial, &broken());
        }
        dialer.connected();
        for _ in 0..2 {
            wait(&mut dialer, now, WITHOUT_BOOK, &broken());
            wait(&mut dialer, now, Attempt::Dial, &broken());
        }
        let end = dialer.after(now, Attempt::Dial, &broken());
        assert_eq!(end, NextDial::GaveUp { failed_dials: 3 });
    }

    #[test]
    fn rejections_in_a_row_have_an_end_and_another_reason_starts_the_count_over() {
        let now = Instant::now();
        let mut dialer = dialer(5, |policy| policy.max_rejections = NonZeroU32::new(2));
        wait(&mut dialer, now, WITHOUT_BOOK, &by_venue(1_008));
        wait(&mut dialer, now, WITHOUT_BOOK, &broken());
        wait(&mut dialer, now, Attempt::Dial, &rejected(Some(Duration::ZERO)));
        let end = dialer.after(now, WITHOUT_BOOK, &by_venue(4_001));
        assert_eq!(end, NextDial::Rejected { times: 2 });
    }
}
