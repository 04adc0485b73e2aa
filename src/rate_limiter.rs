//! Process-wide rate limiter for dials and requests.
//!
//! The venue accepts 8 connections and 8 requests without a token a second from one address. A
//! [`Session`](crate::session::Session) keeps its own connection within these limits. A
//! [`RateLimiter`] that several connections share keeps their sum within them: it hands out turns
//! in the order in which they are taken. It reads no clock: time is an argument.

use std::fmt;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use crate::rate_window::RateWindow;
use crate::sync::lock;
use crate::wire::venue;

/// The longest wait that is granted. Where the next turn is further away, taking one fails with
/// [`RateLimited`].
pub const MAX_TURN_WAIT: Duration = Duration::from_secs(60);

/// The span that each limit applies to: a second, and a tenth of one for the network, which may
/// deliver messages closer together than they were sent.
const WINDOW: Duration = Duration::from_millis(1_100);

/// Turns to dial and to send requests, first come, first served.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use level2::rate_limiter::RateLimiter;
///
/// let (limiter, now) = (RateLimiter::new(), Instant::now());
/// for _ in 0..8 {
///     assert_eq!(limiter.request(now), Ok(now));
/// }
/// assert!(limiter.request(now)? > now + Duration::from_secs(1));
/// # Ok::<(), level2::rate_limiter::RateLimited>(())
/// ```
#[derive(Debug)]
pub struct RateLimiter {
    windows: Mutex<Windows>,
}

#[derive(Debug)]
struct Windows {
    dials: RateWindow,
    requests: RateWindow,
    /// The first requests of the connections that were dialled. The venue closes a connection
    /// whose first request is late, so connections open no faster than these can be sent.
    first_requests: RateWindow,
}

/// The next turn is more than [`MAX_TURN_WAIT`] away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimited;

impl fmt::Display for RateLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "this process exceeds the venue's rate limits: the next turn is more than \
             {MAX_TURN_WAIT:?} away; open fewer connections"
        )
    }
}

impl std::error::Error for RateLimited {}

impl RateLimiter {
    /// Returns a limiter at which no turn was taken yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            windows: Mutex::new(Windows {
                dials: RateWindow::new(venue::CONNECTIONS_PER_SECOND, WINDOW),
                requests: RateWindow::new(venue::REQUESTS_PER_SECOND, WINDOW),
                first_requests: RateWindow::new(venue::REQUESTS_PER_SECOND, WINDOW),
            }),
        }
    }

    /// Returns the limiter that all connections of this process share by default.
    #[must_use]
    pub fn of_process() -> Arc<Self> {
        static LIMITER: LazyLock<Arc<RateLimiter>> = LazyLock::new(Arc::default);

        Arc::clone(&LIMITER)
    }

    /// Takes a turn to dial, for a connection that will make this many requests without a token as
    /// soon as it is open. Returns its time: `now`, or later.
    ///
    /// # Errors
    /// [`RateLimited`] if the turn would be more than [`MAX_TURN_WAIT`] away. No turn is taken
    /// then.
    pub fn dial(&self, now: Instant, requests: usize) -> Result<Instant, RateLimited> {
        let mut windows = lock(&self.windows);
        let requests = requests.min(venue::REQUESTS_PER_SECOND);
        let turn = windows.dials.next(now, 1).max(windows.first_requests.next(now, requests));
        check(now, turn)?;
        windows.dials.take(turn, 1);
        windows.first_requests.take(turn, requests);
        Ok(turn)
    }

    /// Takes a turn to send a request without a token. Returns its time: `now`, or later.
    ///
    /// # Errors
    /// [`RateLimited`] if the turn would be more than [`MAX_TURN_WAIT`] away. No turn is taken
    /// then.
    pub fn request(&self, now: Instant) -> Result<Instant, RateLimited> {
        let mut windows = lock(&self.windows);
        let turn = windows.requests.next(now, 1);
        check(now, turn)?;
        windows.requests.take(turn, 1);
        Ok(turn)
    }
}

impl Default for RateLimiter {
    fn default() -> Self {
        Self::new()
    }
}

fn check(now: Instant, turn: Instant) -> Result<(), RateLimited> {
    if turn.saturating_duration_since(now) > MAX_TURN_WAIT { Err(RateLimited) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_exceeded_rate_says_how_long_a_wait_may_be() {
        let text = RateLimited.to_string();
        assert!(text.contains(&format!("{MAX_TURN_WAIT:?} away")), "{text}");
    }

    fn assert_spaced(turns: &[Instant], limit: usize) {
        for window in turns.windows(limit + 1) {
            let distance = window[limit] - window[0];
            assert!(distance > SECOND, "{} in {distance:?}", limit + 1);
        }
    }

    #[test]
    fn no_second_holds_more_turns_than_allowed_whenever_they_are_asked_for() {
        let start = Instant::now();
        for seed in 0..50 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let limiter = RateLimiter::new();
            let (mut now, mut dials, mut requests) = (start, Vec::new(), Vec::new());
            for _ in 0..300 {
                now += Duration::from_millis(rng.u64(0..400));
                match rng.u64(0..3) {
                    0 => dials.extend(limiter.dial(now, rng.usize(0..3))),
                    _ => requests.extend(limiter.request(now)),
                }
                let turns = [dials.last(), requests.last()];
                assert!(turns.into_iter().flatten().all(|turn| *turn <= now + MAX_TURN_WAIT));
            }
            assert!(dials.is_sorted() && requests.is_sorted(), "first come, first served");
            assert_spaced(&dials, venue::CONNECTIONS_PER_SECOND);
            assert_spaced(&requests, venue::REQUESTS_PER_SECOND);
            assert!(requests.len() > 100);
        }
    }

    #[test]
    fn connections_open_no_faster_than_they_can_ask() {
        let (limiter, now) = (RateLimiter::new(), Instant::now());
        let turns: Vec<Instant> = (0..20).map(|_| limiter.dial(now, 2).unwrap()).collect();
        assert_eq!(turns[3], now, "a few go at once");
        assert_spaced(&turns, venue::REQUESTS_PER_SECOND / 2);
        // Those with a token are only counted as connections.
        let limiter = RateLimiter::new();
        let turns: Vec<Instant> = (0..20).map(|_| limiter.dial(now, 0).unwrap()).collect();
        assert_eq!(turns[7], now);
        assert_spaced(&turns, venue::CONNECTIONS_PER_SECOND);
    }

    #[test]
    fn a_turn_too_far_away_is_not_taken() {
        let (limiter, now) = (RateLimiter::new(), Instant::now());
        let taken = (0..10_000).take_while(|_| limiter.request(now).is_ok()).count();
        assert!((400..=450).contains(&taken), "{taken} turns in a minute");
        assert_eq!(limiter.request(now), Err(RateLimited));
        // The next turn is so late that from here it is the longest wait there is.
        let turn = now + WINDOW * u32::try_from(taken / venue::REQUESTS_PER_SECOND).unwrap();
        assert_eq!(limiter.request(turn - MAX_TURN_WAIT), Ok(turn));
        let later = now + WINDOW;
        assert!(limiter.request(later).unwrap() <= later + MAX_TURN_WAIT);
    }

    #[test]
    fn a_process_has_one_limiter() {
        assert!(Arc::ptr_eq(&RateLimiter::of_process(), &RateLimiter::of_process()));
    }

    #[test]
    fn a_pause_is_not_made_up_for() {
        let (limiter, now) = (RateLimiter::new(), Instant::now());
        for _ in 0..3 {
            limiter.request(now).unwrap();
        }
        let later = now + Duration::from_secs(100);
        let turns: Vec<Instant> = (0..9).map(|_| limiter.request(later).unwrap()).collect();
        assert_eq!(turns[7], later);
        assert_eq!(turns[8], later + WINDOW);
    }
}
