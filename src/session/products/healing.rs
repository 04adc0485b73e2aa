//! How a lost book comes back, and what that may cost the other products.

use std::time::{Duration, Instant};

use crate::session::backoff::doubled;

/// How a lost book comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Healing {
    /// With the snapshot that is requested next.
    AskAgain,
    /// With the next snapshot that comes by itself.
    AwaitSnapshot,
    /// With a new connection, which costs all products theirs.
    NewConnection,
}

/// Cooldown before an unhealthy product may force another reconnect; doubles from
/// [`MIN_INTERVAL`](Self::MIN_INTERVAL) to [`MAX_INTERVAL`](Self::MAX_INTERVAL).
#[derive(Debug, Default)]
pub(crate) struct Cooldown {
    /// How often the product has forced a reconnect since it was last healthy.
    reconnects: u32,
    /// The product may not force a reconnect before this moment.
    ends_at: Option<Instant>,
}

impl Cooldown {
    const MIN_INTERVAL: Duration = Duration::from_secs(5 * 60);
    const MAX_INTERVAL: Duration = Duration::from_secs(60 * 60);

    /// Returns whether the product may force a reconnect.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.ends_at.is_none_or(|at| at <= now)
    }

    /// Begins with a reconnect that the product has forced.
    pub(crate) fn begin(&mut self, now: Instant) {
        let interval = doubled(Self::MIN_INTERVAL, self.reconnects, Self::MAX_INTERVAL);
        self.reconnects = self.reconnects.saturating_add(1);
        self.ends_at = Some(now + interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cooldown_doubles_from_five_minutes_to_an_hour() {
        let mut now = Instant::now();
        let mut cooldown = Cooldown::default();
        assert!(cooldown.is_over(now));
        for minutes in [5, 10, 20, 40, 60, 60] {
            cooldown.begin(now);
            let end = now + Duration::from_secs(minutes * 60);
            assert!(!cooldown.is_over(end - Duration::from_nanos(1)), "{minutes} minutes");
            assert!(cooldown.is_over(end), "{minutes} minutes");
            now = end;
        }
    }
}
