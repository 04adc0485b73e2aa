//! How an exchange is set up, and what it counts.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::market::ProductSpec;
#[cfg(feature = "tokens")]
use crate::token::TokenRules;

/// How an [`Exchange`](crate::Exchange) is set up.
#[derive(Debug, Clone)]
pub struct ExchangeConfig {
    /// Decides every market and every timestamp. The default is 1.
    pub seed: u64,
    /// The products of the exchange. The default is `BTC-USD` alone. Of two specs with one id the
    /// later counts.
    pub products: Vec<ProductSpec>,
    /// The wall time of the start in nanoseconds since the UNIX epoch. The default is
    /// 2026-11-02T00:00:00Z.
    pub start_unix_ns: u64,
    /// Whether numbered frames carry `"client_id":""` after the channel, as older ones did. The
    /// default is `false`.
    pub client_id: bool,
    /// The time between two level2 frames of a product, held to at least 1 ms. Changes within it
    /// are conflated: one frame tells the net change of each level. The default is 50 ms, as
    /// measured on the venue, which does not state it.
    pub interval: Duration,
    /// The time between two heartbeats, held to at least 1 ms. The default is 1 s.
    pub heartbeat: Duration,
    /// A connection that sent no valid subscribe for this long is closed, as the venue does. The
    /// default is 5 s; `None` waits for ever.
    pub subscribe_deadline: Option<Duration>,
    /// A connection with a subscription, but not to heartbeats, is closed when nothing was sent on
    /// it for a time drawn from this range; `None` leaves it open. The default is 60 s to 90 s.
    ///
    /// The venue says that "most channels close" after that time. That the connection ends with
    /// them, abruptly, is what clients report.
    pub idle_deadline: Option<RangeInclusive<Duration>>,
    /// The most connections opened in a second; a further one is refused. All connections count
    /// as those of one IP address. The default is `None`; the venue's is
    /// [`VENUE_CONNECTIONS_PER_SECOND`](crate::VENUE_CONNECTIONS_PER_SECOND).
    ///
    /// The venue does not say how it refuses one. Here it is closed from the beginning.
    pub connections_per_second: Option<u32>,
    /// The most requests without a token taken in a second, over all connections; a further one
    /// is answered with an error frame and not obeyed. The default is `None`; the venue's is
    /// [`VENUE_MESSAGES_PER_SECOND`](crate::VENUE_MESSAGES_PER_SECOND).
    ///
    /// What the venue answers is not known; here it is
    /// [`RATE_LIMITED`](crate::RATE_LIMITED).
    pub messages_per_second: Option<u32>,
    /// The most products that one connection may be subscribed to; a request for more is refused
    /// as a whole. The venue has such a bound and does not state it. The default is `None`.
    pub streams_max: Option<usize>,
    /// The tokens that requests may or must carry. The default is `None`: a `jwt` is allowed and
    /// not checked.
    #[cfg(feature = "tokens")]
    pub tokens: Option<TokenRules>,
    /// How many frames of truth are remembered for each product of a connection; the oldest are
    /// forgotten first. The default is 100,000.
    pub truth_frames_max: usize,
    /// How many changes of each market are remembered, 24 bytes each, to rebuild
    /// [earlier books](crate::Exchange::true_book_at); the oldest are forgotten first. The
    /// default is 10,000; with 0 only the present book is known.
    pub truth_changes_max: usize,
}

impl Default for ExchangeConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            products: vec![ProductSpec::btc_usd()],
            start_unix_ns: START_UNIX_NS,
            client_id: false,
            interval: Duration::from_millis(50),
            heartbeat: Duration::from_secs(1),
            subscribe_deadline: Some(Duration::from_secs(5)),
            idle_deadline: Some(Duration::from_secs(60)..=Duration::from_secs(90)),
            connections_per_second: None,
            messages_per_second: None,
            streams_max: None,
            #[cfg(feature = "tokens")]
            tokens: None,
            truth_frames_max: 100_000,
            truth_changes_max: 10_000,
        }
    }
}

/// What an [`Exchange`](crate::Exchange) has done since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExchangeCounts {
    /// Frames queued for delivery.
    pub frames: u64,
    /// Frames that used a number and were held back by
    /// [`Exchange::drop_next`](crate::Exchange::drop_next).
    pub dropped: u64,
    /// Requests taken in, those that were refused included.
    pub requests: u64,
    /// Requests answered with an error frame.
    pub errors: u64,
    /// Requests whose token was checked and taken.
    pub tokens_taken: u64,
    /// Requests refused for their token.
    pub tokens_refused: u64,
    /// Connections closed because their queue was full.
    pub overflows: u64,
    /// Connections closed because no subscribe came in time.
    pub silent: u64,
    /// Connections closed because nothing had been sent on them for too long.
    pub idle: u64,
    /// Connections refused because too many were open, or opened within a second.
    pub refused: u64,
    /// Requests refused because too many came within a second.
    pub limited: u64,
    /// Acks and snapshots that were withheld.
    pub withheld: u64,
}

/// 2026-11-02T00:00:00Z in nanoseconds since the UNIX epoch.
const START_UNIX_NS: u64 = 1_793_577_600_000_000_000;
