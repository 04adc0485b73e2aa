//! Keeps everything that a process does towards the venue within the venue's limits.
//!
//! The venue takes 8 connections a second from one address, and 8 requests without a token. A
//! [`Session`](crate::session::Session) keeps its own connection within that; a [`RateLimiter`] shared by
//! all of them keeps their sum. It tells each who asks when its turn is, and reads no clock: time
//! is an argument.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many connections the venue takes in a second from one address, as it states.
pub const DIALS_PER_SECOND: usize = 8;

/// How many requests without a token the venue takes in a second from one address, as it states.
pub const REQUESTS_PER_SECOND: usize = 8;

/// The longest that anybody is told to wait. Beyond it the line is too long to stand in.
pub const MAX_TURN_WAIT: Duration = Duration::from_secs(60);

/// A second, and a tenth of one for what networks do to the distances between messages.
const WINDOW: Duration = Duration::from_millis(1_100);

/// Turns to dial and to send, in the order in which they are asked for.
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
    turns: Mutex<Turns>,
}

#[derive(Debug)]
struct Turns {
    dials: Window,
    requests: Window,
    /// The requests that dials are followed by. Were connections opened faster than they can make
    /// their requests, the venue would close those whose first request comes late.
    announced: Window,
}

/// There are so many waiting that a turn would be further away than [`MAX_TURN_WAIT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RateLimited;

impl fmt::Display for RateLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "expected a turn within {MAX_TURN_WAIT:?}, but this process has more to ask of the \
             venue than it may"
        )
    }
}

impl std::error::Error for RateLimited {}

impl RateLimiter {
    /// Returns a limiter at which nothing was done yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            turns: Mutex::new(Turns {
                dials: Window::new(DIALS_PER_SECOND),
                requests: Window::new(REQUESTS_PER_SECOND),
                announced: Window::new(REQUESTS_PER_SECOND),
            }),
        }
    }

    /// Returns the one that all connections of this process share unless they are told otherwise.
    #[must_use]
    pub fn of_process() -> Arc<Self> {
        static PACE: LazyLock<Arc<RateLimiter>> = LazyLock::new(Arc::default);

        Arc::clone(&PACE)
    }

    /// Takes a turn to dial, for a connection that will at once make so many requests without a
    /// token. Returns when it is: `now`, or a later moment.
    ///
    /// # Errors
    /// [`RateLimited`] when that would be too late; no turn is taken then.
    pub fn dial(&self, now: Instant, requests: usize) -> Result<Instant, RateLimited> {
        let mut turns = self.turns();
        let requests = requests.min(REQUESTS_PER_SECOND);
        let turn = turns.dials.next(now, 1).max(turns.announced.next(now, requests));
        check(now, turn)?;
        turns.dials.take(turn, 1);
        turns.announced.take(turn, requests);
        Ok(turn)
    }

    /// Takes a turn to send a request without a token. Returns when it is: `now`, or a later
    /// moment.
    ///
    /// # Errors
    /// [`RateLimited`] when that would be too late; no turn is taken then.
    pub fn request(&self, now: Instant) -> Result<Instant, RateLimited> {
        let mut turns = self.turns();
        let turn = turns.requests.next(now, 1);
        check(now, turn)?;
        turns.requests.take(turn, 1);
        Ok(turn)
    }

    fn turns(&self) -> std::sync::MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
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

/// The last turns taken, as many as may be in any [`WINDOW`].
#[derive(Debug)]
struct Window {
    limit: usize,
    taken: VecDeque<Instant>,
}

impl Window {
    const fn new(limit: usize) -> Self {
        Self { limit, taken: VecDeque::new() }
    }

    /// Returns when the next `count` turns may be taken together: not before those taken last,
    /// and when enough of them lie a window back.
    fn next(&self, now: Instant, count: usize) -> Instant {
        let Some(last) = self.taken.back() else { return now };
        let in_the_way = (self.taken.len() + count).checked_sub(self.limit + 1);
        let past = in_the_way.and_then(|index| self.taken.get(index));
        past.map_or(now, |past| *past + WINDOW).max(now).max(*last)
    }

    fn take(&mut self, turn: Instant, count: usize) {
        self.taken.extend(std::iter::repeat_n(turn, count));
        let excess = self.taken.len().saturating_sub(self.limit);
        self.taken.drain(..excess);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_line_that_is_too_long_says_how_long_it_may_be() {
        let text = RateLimited.to_string();
        assert!(text.contains(&format!("within {MAX_TURN_WAIT:?}")), "{text}");
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
            assert_spaced(&dials, DIALS_PER_SECOND);
            assert_spaced(&requests, REQUESTS_PER_SECOND);
            assert!(requests.len() > 100);
        }
    }

    #[test]
    fn connections_open_no_faster_than_they_can_ask() {
        let (limiter, now) = (RateLimiter::new(), Instant::now());
        let turns: Vec<Instant> = (0..20).map(|_| limiter.dial(now, 2).unwrap()).collect();
        assert_eq!(turns[3], now, "a few go at once");
        assert_spaced(&turns, REQUESTS_PER_SECOND / 2);
        // Those with a token are only counted as connections.
        let limiter = RateLimiter::new();
        let turns: Vec<Instant> = (0..20).map(|_| limiter.dial(now, 0).unwrap()).collect();
        assert_eq!(turns[7], now);
        assert_spaced(&turns, DIALS_PER_SECOND);
    }

    #[test]
    fn a_line_that_is_too_long_takes_no_turn() {
        let (limiter, now) = (RateLimiter::new(), Instant::now());
        let taken = (0..10_000).take_while(|_| limiter.request(now).is_ok()).count();
        assert!((400..=450).contains(&taken), "{taken} turns in a minute");
        assert_eq!(limiter.request(now), Err(RateLimited));
        // The next turn is so late that from here it is the longest wait there is.
        let turn = now + WINDOW * u32::try_from(taken / REQUESTS_PER_SECOND).unwrap();
        assert_eq!(limiter.request(turn - MAX_TURN_WAIT), Ok(turn));
        let later = now + WINDOW;
        assert!(limiter.request(later).unwrap() <= later + MAX_TURN_WAIT);
    }

    #[test]
    fn a_process_has_one_pace() {
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
