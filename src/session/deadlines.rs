//! Every moment at which a session acts by itself. There is no other list of them.

use std::time::Instant;

/// The deadlines of a session as it stands. What does not apply is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Deadlines {
    /// When to dial, after the wait that [`Dialer`](super::dialer::Dialer) has drawn.
    pub(super) dial: Option<Instant>,
    /// When the dial in progress has failed:
    /// [`connect_timeout`](super::Policy::connect_timeout) after it began or was due.
    pub(super) dial_timeout: Option<Instant>,
    /// When the connection counts as dead: [`idle_timeout`](super::Policy::idle_timeout) after the
    /// last frame.
    pub(super) idle: Option<Instant>,
    /// When the first [`ProductTimer`] may expire. It may be early, never late.
    pub(super) product: Option<Instant>,
    /// When the next request may be sent, by the rate of requests and by
    /// [`resubscribe_interval`](super::Policy::resubscribe_interval).
    pub(super) request: Option<Instant>,
}

impl Deadlines {
    /// Returns the first of them, if there is any.
    #[inline]
    pub(super) fn earliest(&self) -> Option<Instant> {
        let Self { dial, dial_timeout, idle, product, request } = *self;
        [dial_timeout, idle, product, request].into_iter().fold(dial, earlier)
    }
}

#[inline]
fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, None) => one,
        (None, other) => other,
    }
}

/// The deadlines of one product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProductTimer {
    /// A live book has not changed for [`quiet_after`](super::Policy::quiet_after).
    Quiet,
    /// A live book has not changed for [`quiet_limit`](super::Policy::quiet_limit).
    QuietLimit,
    /// A snapshot has not come for [`snapshot_timeout`](super::Policy::snapshot_timeout).
    Snapshot,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_earliest_deadline_is_the_first_of_those_that_apply() {
        let now = Instant::now();
        let after = |seconds| Some(now + Duration::from_secs(seconds));
        assert_eq!(Deadlines::default().earliest(), None);
        let all = Deadlines {
            dial: after(5),
            dial_timeout: after(4),
            idle: after(3),
            product: after(2),
            request: after(1),
        };
        assert_eq!(all.earliest(), after(1));
        assert_eq!(Deadlines { request: None, ..all }.earliest(), after(2));
        assert_eq!(Deadlines { dial: after(5), ..Deadlines::default() }.earliest(), after(5));
    }
}
