//! The settings of an exchange.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::market::ProductSpec;
#[cfg(feature = "tokens")]
use crate::token::TokenRules;

/// The default of [`ExchangeConfig::started_at`], since the UNIX epoch: 2026-11-02T00:00:00Z.
const STARTED_AT: Duration = Duration::from_secs(1_793_577_600);

/// The shortest interval between frames or heartbeats.
const MIN_PERIOD: Duration = Duration::from_millis(1);

/// The settings of an [`Exchange`](crate::Exchange).
#[derive(Clone, Debug)]
pub struct ExchangeConfig {
    /// Decides every random walk and every timestamp. The default is 1.
    pub seed: u64,
    /// The products of the exchange. The default is `BTC-USD` alone. Of two specs with one id the
    /// later counts.
    pub products: Vec<ProductSpec>,
    /// The wall time at which the exchange starts, from 1970 to 2554: the timestamps of its frames
    /// count from here. The default is 2026-11-02T00:00:00Z, so that the bytes of a seed are the
    /// same in every run.
    ///
    /// With [`SystemTime::now`] the timestamps are those of the present, so that a client can
    /// measure how old its data is.
    pub started_at: SystemTime,
    /// Whether numbered frames carry `"client_id":""` after the channel, as older ones did. The
    /// default is `false`.
    pub client_id: bool,
    /// The time between two level2 frames of a product, at least 1 ms. Changes within it are
    /// conflated: one frame has the net change of each level. The default is 50 ms, as measured on
    /// the venue, which does not state it.
    pub interval: Duration,
    /// The time between two heartbeats, at least 1 ms. The default is 1 s.
    pub heartbeat: Duration,
    /// A connection that sent no valid subscribe for this long is closed, as the venue does. The
    /// default is 5 s; with `None` it stays open.
    pub subscribe_deadline: Option<Duration>,
    /// A connection with a subscription, but not to heartbeats, is closed when nothing was sent on
    /// it for a time drawn from this range; with `None` it stays open. The default is 60 s to 90 s.
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
    /// The most requests without a token in a second, over all connections; a further one is
    /// answered with an error frame and otherwise ignored. The default is `None`; the venue's is
    /// [`VENUE_MESSAGES_PER_SECOND`](crate::VENUE_MESSAGES_PER_SECOND).
    ///
    /// What the venue answers is not known; here it is [`RATE_LIMITED`](crate::RATE_LIMITED).
    pub messages_per_second: Option<u32>,
    /// The most products that one connection may be subscribed to; a request for more is refused
    /// as a whole. The venue has such a bound and does not state it. The default is `None`.
    pub max_streams: Option<usize>,
    /// The rules for the tokens of requests. The default is `None`: a `jwt` is allowed and not
    /// checked.
    #[cfg(feature = "tokens")]
    pub tokens: Option<TokenRules>,
    /// How many frames of truth are remembered for each product of a connection; the oldest are
    /// forgotten first. The default is 100,000.
    pub max_truth_frames: usize,
    /// How many changes of each market are remembered, 24 bytes each, to rebuild
    /// [earlier books](crate::Exchange::true_book_at); the oldest are forgotten first. The
    /// default is 10,000; with 0 only the present book is known.
    pub max_truth_changes: usize,
}

impl ExchangeConfig {
    /// Raises the periods to the shortest ones that are allowed.
    pub(super) fn clamp(&mut self) {
        self.interval = self.interval.max(MIN_PERIOD);
        self.heartbeat = self.heartbeat.max(MIN_PERIOD);
    }
}

impl Default for ExchangeConfig {
    fn default() -> Self {
        Self {
            seed: 1,
            products: vec![ProductSpec::btc_usd()],
            started_at: UNIX_EPOCH + STARTED_AT,
            client_id: false,
            interval: Duration::from_millis(50),
            heartbeat: Duration::from_secs(1),
            subscribe_deadline: Some(Duration::from_secs(5)),
            idle_deadline: Some(Duration::from_secs(60)..=Duration::from_secs(90)),
            connections_per_second: None,
            messages_per_second: None,
            max_streams: None,
            #[cfg(feature = "tokens")]
            tokens: None,
            max_truth_frames: 100_000,
            max_truth_changes: 10_000,
        }
    }
}
