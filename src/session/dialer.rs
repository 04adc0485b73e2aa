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
    const SOON: Duration = Duration::from_millis(100);

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

    fn rejected(status: u16, retry_after_s: Option<u64>) -> Disconnect {
        Disconnect::Rejected { status, retry_after: retry_after_s.map(Duration::from_secs) }
    }

    fn bad_certificate() -> Disconnect {
        Disconnect::NotConnected { stage: DialStage::Certificate, error: "expired".into() }
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

    /// The shortest and the longest of many first waits after this.
    fn waits_after(attempt: Attempt, reason: &Disconnect, now: Instant) -> (Duration, Duration) {
        let wait_of = |seed| wait(&mut dialer(seed, |_| {}), now, attempt, reason);
        let waits: Vec<Duration> = (0..100).map(wait_of).collect();
        (*waits.iter().min().unwrap(), *waits.iter().max().unwrap())
    }

    /// The longest of many last waits, after twenty failed dials and then these.
    fn longest_wait(attempts: &[Attempt], reason: &Disconnect, now: Instant) -> Duration {
        let last_wait = |seed| {
            let mut dialer = dialer(seed, |_| {});
            for _ in 0..20 {
                wait(&mut dialer, now, Attempt::Dial, &broken());
            }
            attempts.iter().map(|it| wait(&mut dialer, now, *it, reason)).last().unwrap()
        };
        (0..50).map(last_wait).max().unwrap()
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
    fn a_venue_that_restarts_or_is_done_is_dialled_soon() {
        let now = Instant::now();
        let briefly = live_for(now, Duration::from_secs(2));
        for code in [1_000, 1_001, 1_012, 1_013] {
            let longest = longest_wait(&[briefly], &by_venue(code), now);
            assert!(longest <= SOON, "{code}: {longest:?}");
        }
    }

    #[test]
    fn a_restart_is_answered_soon_once_until_a_connection_was_healthy() {
        let now = Instant::now();
        let briefly = live_for(now, Duration::from_secs(2));
        let again = longest_wait(&[briefly, briefly], &by_venue(1_012), now);
        assert!(again > LONGEST / 2, "{again:?}");
        let healthy = longest_wait(&[briefly, live_for(now, LONGEST)], &by_venue(1_012), now);
        assert!(healthy <= SOON, "{healthy:?}");
        let bookless = longest_wait(&[WITHOUT_BOOK], &by_venue(1_012), now);
        assert!(bookless > LONGEST / 2, "{bookless:?}");
    }

    #[test]
    fn a_venue_that_faults_the_client_is_dialled_late() {
        let now = Instant::now();
        let of_connection = [1_008, 1_009, 4_000, 4_999].map(|code| (WITHOUT_BOOK, by_venue(code)));
        let of_dial = [300, 302, 403, 429, 499].map(|status| rejected(status, None));
        let of_dial = of_dial.into_iter().chain([bad_certificate()]);
        let of_dial = of_dial.map(|reason| (Attempt::Dial, reason));
        for (attempt, reason) in of_connection.into_iter().chain(of_dial) {
            let (shortest, longest) = waits_after(attempt, &reason, now);
            assert!(shortest >= LONGEST / 2 && longest <= LONGEST, "{reason}: {shortest:?}");
        }
    }

    #[test]
    fn anything_else_is_dialled_after_the_usual_wait() {
        let now = Instant::now();
        let bare = Disconnect::ByVenue { code: None, reason: "".into() };
        let codes = [1_002, 1_010, 1_011, 3_000, 3_999].map(by_venue);
        for reason in codes.into_iter().chain([broken(), bare]) {
            let (_, longest) = waits_after(WITHOUT_BOOK, &reason, now);
            assert!(longest <= SOON, "{reason}: {longest:?}");
        }
        for status in [200, 299, 500, 502, 503] {
            let (_, longest) = waits_after(Attempt::Dial, &rejected(status, None), now);
            assert!(longest <= SOON, "{status}: {longest:?}");
        }
    }

    #[test]
    fn a_retry_after_is_kept_to_and_bounded() {
        let now = Instant::now();
        for status in [429, 503] {
            for (asked, kept) in [(0, 0), (7, 7), (300, 300), (86_400, 300), (u64::MAX, 300)] {
                let reason = rejected(status, Some(asked));
                let (shortest, longest) = waits_after(Attempt::Dial, &reason, now);
                let kept = Duration::from_secs(kept);
                assert!(shortest >= kept, "{asked} s: {shortest:?}");
                assert!(longest <= kept + SOON, "{asked} s: {longest:?}");
            }
        }
        let mut dialer = dialer(3, |policy| policy.max_retry_after = Duration::from_secs(3));
        let waited = wait(&mut dialer, now, Attempt::Dial, &rejected(503, Some(100)));
        assert!(waited <= Duration::from_secs(4), "{waited:?}");
    }

    #[test]
    fn only_the_third_message_too_large_in_a_row_makes_dials_slow() {
        let now = Instant::now();
        let shortest_third = |between: &[(Attempt, Disconnect)]| {
            let third = |seed| {
                let mut dialer = dialer(seed, |_| {});
                for _ in 0..2 {
                    let waited = wait(&mut dialer, now, WITHOUT_BOOK, &too_large());
                    assert!(waited < Duration::from_secs(1), "{waited:?}");
                }
                for (attempt, reason) in between {
                    wait(&mut dialer, now, *attempt, reason);
                }
                wait(&mut dialer, now, WITHOUT_BOOK, &too_large())
            };
            (0..20).map(third).min().unwrap()
        };
        assert!(shortest_third(&[]) >= LONGEST / 2);
        let interrupted = shortest_third(&[(WITHOUT_BOOK, broken())]);
        assert!(interrupted < Duration::from_secs(1), "{interrupted:?}");
        let healthy = shortest_third(&[(live_for(now, LONGEST), too_large())]);
        assert!(healthy < Duration::from_secs(1), "a healthy connection came between");
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
        let mut dialer = dialer(5, |policy| policy.max_rejections = NonZeroU32::new(3));
        for code in [1_008, 4_001, 1_011, 1_008] {
            wait(&mut dialer, now, WITHOUT_BOOK, &by_venue(code));
        }
        wait(&mut dialer, now, Attempt::Dial, &rejected(403, Some(0)));
        let end = dialer.after(now, Attempt::Dial, &bad_certificate());
        assert_eq!(end, NextDial::Rejected { times: 3 });
    }

    #[test]
    fn rejections_before_a_healthy_connection_do_not_count() {
        let now = Instant::now();
        let mut dialer = dialer(5, |policy| policy.max_rejections = NonZeroU32::new(2));
        wait(&mut dialer, now, WITHOUT_BOOK, &by_venue(1_008));
        wait(&mut dialer, now, live_for(now, LONGEST), &by_venue(1_008));
        let end = dialer.after(now, WITHOUT_BOOK, &by_venue(1_008));
        assert_eq!(end, NextDial::Rejected { times: 2 });
    }

    #[test]
    fn by_default_no_failure_is_the_last() {
        let now = Instant::now();
        let mut dialer = dialer(5, |_| {});
        for _ in 0..50 {
            wait(&mut dialer, now, Attempt::Dial, &broken());
            wait(&mut dialer, now, WITHOUT_BOOK, &by_venue(1_008));
        }
    }
}
