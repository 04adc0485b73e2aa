//! How faults are found and healed, and the bounds that hold meanwhile.

use std::num::NonZeroU32;
use std::time::Duration;

#[cfg(feature = "serde")]
use super::duration_text;
use crate::book::MAX_LEVELS_PER_SIDE;

/// Durations are clamped to this, a century: far beyond any use, and short enough to be added to
/// any [`Instant`](std::time::Instant).
pub(super) const MAX_DURATION: Duration = Duration::from_secs(100 * 366 * 86_400);

/// The timeouts, limits and ways of healing of a connection.
///
/// [`SessionConfig`](super::SessionConfig), `FeedConfig` and `BooksConfig` hold one each, and it
/// means the same in all three.
///
/// ```
/// use std::time::Duration;
///
/// use level2::session::{Policy, Resync};
///
/// let mut policy = Policy::default();
/// policy.resync = Resync::Resubscribe;
/// policy.idle_timeout = Duration::from_secs(3);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
#[non_exhaustive]
pub struct Policy {
    /// What heals the books of a connection. The default is [`Resync::Reconnect`].
    pub resync: Resync,

    /// What one sequence of numbers covers. The default is [`SequenceScope::Connection`].
    pub sequence_scope: SequenceScope,

    /// Whether to repeat a request without a token after the venue has refused a fresh one. Its
    /// public host serves order books without authentication. The default is `true`.
    pub retry_without_token: bool,

    /// The connection counts as dead after this long without a frame. Heartbeats come each second.
    /// The default is 5 s. Only whole frames count: where a snapshot of several megabytes takes
    /// longer than this to arrive, raise it.
    #[cfg_attr(feature = "serde", serde(with = "duration_text"))]
    pub idle_timeout: Duration,

    /// How long dialling may take, from name look-up to the end of the WebSocket handshake. The
    /// default is 10 s.
    #[cfg_attr(feature = "serde", serde(with = "duration_text"))]
    pub connect_timeout: Duration,

    /// How long a snapshot may take to come after it was requested. The default is 10 s.
    #[cfg_attr(feature = "serde", serde(with = "duration_text"))]
    pub snapshot_timeout: Duration,

    /// The shortest time between two requests for the same product's snapshot. The default is
    /// 2 s.
    #[cfg_attr(feature = "serde", serde(with = "duration_text"))]
    pub resubscribe_interval: Duration,

    /// The most requests in a row for a product's snapshot on one connection. After that the
    /// connection is replaced. A product that the new connection does not heal either is requested
    /// at growing intervals, and costs the others no further connection. The default is 3.
    pub max_resubscribes: u32,

    /// After this long without a change of a live book, while other frames flow, the session emits
    /// [`SessionEvent::Quiet`](super::SessionEvent::Quiet). The book stays live: an idle market is
    /// legal. The default is 30 s.
    #[cfg_attr(feature = "serde", serde(with = "duration_text"))]
    pub quiet_after: Duration,

    /// After this long without a change a live book counts as lost and is requested again. The
    /// default is `None`: never.
    #[cfg_attr(
        feature = "serde",
        serde(
            serialize_with = "duration_text::serialize_optional",
            deserialize_with = "duration_text::deserialize_optional"
        )
    )]
    pub quiet_limit: Option<Duration>,

    /// The longest wait before the first dial after a loss; it doubles with each further one. The
    /// wait itself is drawn evenly between zero and that. The default is 100 ms.
    #[cfg_attr(feature = "serde", serde(with = "duration_text"))]
    pub backoff_min: Duration,

    /// The upper bound of the longest wait before a dial. The default is 30 s.
    #[cfg_attr(feature = "serde", serde(with = "duration_text"))]
    pub backoff_max: Duration,

    /// The waits start over once a connection has had a live book for this long. The default is
    /// 30 s.
    #[cfg_attr(feature = "serde", serde(with = "duration_text"))]
    pub healthy_after: Duration,

    /// After this many failed dials in a row the session gives up. The default is `None`: never.
    pub max_failed_dials: Option<NonZeroU32>,

    /// The longest wait that a `Retry-After` of the venue is honoured for. The default is
    /// 5 minutes.
    #[cfg_attr(feature = "serde", serde(with = "duration_text"))]
    pub max_retry_after: Duration,

    /// After this many rejections in a row the session gives up. A rejection is a close code that
    /// faults the client (1008, 1009, 4000 and above), an HTTP status that does (300 to 499), a
    /// certificate that is not accepted, or, from the third in a row on, a message too large for
    /// this client. The wait after one is always long: from half of
    /// [`backoff_max`](Self::backoff_max) up, or what a `Retry-After` says. The default is `None`:
    /// never.
    pub max_rejections: Option<NonZeroU32>,

    /// The most levels that a side of a book may hold. The default is [`MAX_LEVELS_PER_SIDE`].
    pub max_levels_per_side: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            resync: Resync::Reconnect,
            sequence_scope: SequenceScope::Connection,
            retry_without_token: true,
            idle_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(10),
            snapshot_timeout: Duration::from_secs(10),
            resubscribe_interval: Duration::from_secs(2),
            max_resubscribes: 3,
            quiet_after: Duration::from_secs(30),
            quiet_limit: None,
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(30),
            healthy_after: Duration::from_secs(30),
            max_failed_dials: None,
            max_retry_after: Duration::from_secs(300),
            max_rejections: None,
            max_levels_per_side: MAX_LEVELS_PER_SIDE,
        }
    }
}

impl Policy {
    /// Returns the same policy with every duration short enough to be added to any moment.
    ///
    /// Takes the policy apart field by field, so that a new duration cannot be forgotten here.
    #[must_use]
    pub(super) fn clamped(self) -> Self {
        let clamp = |duration: Duration| duration.min(MAX_DURATION);
        let Self {
            resync,
            sequence_scope,
            retry_without_token,
            idle_timeout,
            connect_timeout,
            snapshot_timeout,
            resubscribe_interval,
            max_resubscribes,
            quiet_after,
            quiet_limit,
            backoff_min,
            backoff_max,
            healthy_after,
            max_failed_dials,
            max_retry_after,
            max_rejections,
            max_levels_per_side,
        } = self;
        Self {
            resync,
            sequence_scope,
            retry_without_token,
            idle_timeout: clamp(idle_timeout),
            connect_timeout: clamp(connect_timeout),
            snapshot_timeout: clamp(snapshot_timeout),
            resubscribe_interval: clamp(resubscribe_interval),
            max_resubscribes,
            quiet_after: clamp(quiet_after),
            quiet_limit: quiet_limit.map(clamp),
            backoff_min: clamp(backoff_min),
            backoff_max: clamp(backoff_max),
            healthy_after: clamp(healthy_after),
            max_failed_dials,
            max_retry_after: clamp(max_retry_after),
            max_rejections,
            max_levels_per_side,
        }
    }
}

/// How the books of a connection are healed once they can no longer be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Resync {
    /// Not at all: books wait for the next snapshot that comes by itself. For recordings, and for
    /// callers that make their requests themselves.
    Passive,
    /// The connection is dropped and dialled again. Every source agrees that this brings fresh
    /// snapshots.
    Reconnect,
    /// The connection stays; every product is unsubscribed and subscribed again. Cheaper, but
    /// less proven; a product whose snapshot does not come makes it a reconnect.
    Resubscribe,
}

/// What one sequence of numbers covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum SequenceScope {
    /// All frames of the connection, as every capture shows and the venue's AsyncAPI page says.
    Connection,
    /// The order-book frames of one product, as the overview page of the documentation says.
    Product,
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn no_duration_overflows_a_moment() {
        let longest = Duration::MAX;
        let policy = Policy {
            idle_timeout: longest,
            connect_timeout: longest,
            snapshot_timeout: longest,
            resubscribe_interval: longest,
            quiet_after: longest,
            quiet_limit: Some(longest),
            backoff_min: longest,
            backoff_max: longest,
            healthy_after: longest,
            max_retry_after: longest,
            ..Policy::default()
        };
        let clamped = policy.clamped();
        for duration in [
            clamped.idle_timeout,
            clamped.connect_timeout,
            clamped.snapshot_timeout,
            clamped.resubscribe_interval,
            clamped.quiet_after,
            clamped.quiet_limit.unwrap(),
            clamped.backoff_min,
            clamped.backoff_max,
            clamped.healthy_after,
            clamped.max_retry_after,
        ] {
            assert!(Instant::now().checked_add(duration).is_some());
        }
        assert_eq!(Policy::default().clamped(), Policy::default());
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_policy_is_read_from_a_settings_file_and_written_to_one() {
        let policy: Policy = toml::from_str(
            "resync = \"resubscribe\"\nidle_timeout = \"1s 500ms\"\nquiet_limit = \"2m\"\n",
        )
        .unwrap();
        assert_eq!(policy.resync, Resync::Resubscribe);
        assert_eq!(policy.idle_timeout, Duration::from_millis(1_500));
        assert_eq!(policy.quiet_limit, Some(Duration::from_secs(120)));
        assert_eq!(policy.max_resubscribes, Policy::default().max_resubscribes);
        let text = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), policy);
        let error = toml::from_str::<Policy>("idle_timout = \"1s\"").unwrap_err();
        assert!(error.to_string().contains("idle_timout"), "{error}");
        let error = toml::from_str::<Policy>("idle_timeout = 3").unwrap_err();
        assert!(error.to_string().contains("\"3s\""), "{error}");
        let error = toml::from_str::<Policy>("idle_timeout = \"soon\"").unwrap_err();
        assert!(error.to_string().contains("soon"), "{error}");
    }
}
