//! What a session tells its caller.

use std::fmt;
use std::time::{Duration, Instant};

use crate::book::BookError;
use crate::wire::{DecodeError, ProductId, RefusalKind};

/// Something that happened, in the order in which it did.
///
/// A product is named as the caller asked for it, also when the venue answers under another name.
/// Whatever an event takes away was taken from readers before the event was made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEvent {
    /// The venue answers for this product under another name.
    Aliased {
        /// The name asked for.
        product: ProductId,
        /// The venue's name.
        canonical: ProductId,
    },
    /// The venue refuses requests as not authenticated: those with a token, also with a fresh one,
    /// or those without. Each is told once a connection, and nothing is sent in answer but what
    /// this says.
    AuthenticationFailed(AuthenticationFailure),
    /// The connection is open; subscriptions go out.
    Connected,
    /// The connection was lost or given up, or could not be made. Unless the session was closed
    /// or has [given up](SessionEvent::GaveUp), the next dial is planned.
    Disconnected {
        /// Why.
        reason: Disconnect,
    },
    /// As many dials in a row have failed as may, and no more are made.
    GaveUp {
        /// How many failed.
        failed_dials: u32,
    },
    /// More products were configured than a session may hold, and this one was left out.
    LeftOut {
        /// The product.
        product: ProductId,
    },
    /// A book can no longer be trusted and was withdrawn. It is being healed.
    Lost {
        /// The product.
        product: ProductId,
        /// Why.
        cause: Cause,
    },
    /// The caller polled too late, and events had to be thrown away to bound the queue.
    Missed {
        /// How many.
        count: u64,
    },
    /// A live book has not changed for a while. It stays live.
    Quiet {
        /// The product.
        product: ProductId,
        /// When its book last changed.
        since: Instant,
    },
    /// The venue refuses a request.
    Refused {
        /// Which refusal this is, as far as its words are known.
        kind: RefusalKind,
        /// Why, in the venue's words: the first kibibyte of them.
        message: Box<str>,
    },
    /// A snapshot was asked for and is awaited.
    Requested {
        /// The product.
        product: ProductId,
    },
    /// A snapshot came: the book is live.
    Synced {
        /// The product.
        product: ProductId,
        /// The number of the frame.
        sequence: u64,
    },
    /// The venue has turned this client away as often in a row as may be
    /// ([`max_rejections`](super::Policy::max_rejections)), and no more dials are made.
    Rejected {
        /// How often.
        times: u32,
    },
    /// A frame, or a product's part of it, could not be read. Its books were lost before this.
    Undecodable {
        /// The product, if it is known for which one the text was meant.
        product: Option<ProductId>,
        /// What was expected, what came, and where.
        error: DecodeError,
    },
    /// A level cannot be held. Its book was lost before this.
    LevelRejected {
        /// The product.
        product: ProductId,
        /// What does not fit.
        error: BookError,
    },
    /// The venue's acknowledgement does not list a product that was asked for: it is unknown,
    /// delisted, or refused. It is asked for again, more and more seldom.
    Unlisted {
        /// The product.
        product: ProductId,
    },
    /// A frame changed a live book, and its best bid and ask were published.
    Updated {
        /// The product.
        product: ProductId,
        /// The number of the frame.
        sequence: u64,
    },
}

/// What is known of a request that the venue refuses as not authenticated.
///
/// The venue uses the same words for a bad token, a key of the wrong kind and a channel that it
/// does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthenticationFailure {
    /// Whether the requests carried tokens.
    pub had_token: bool,
    /// Whether the same is asked for again without a token.
    pub retries_without_token: bool,
    /// How far the venue's clock was ahead of this machine's at the handshake, in seconds, if the
    /// venue told its time.
    pub clock_offset_s: Option<i64>,
}

/// How far the clocks may be apart, in seconds, before tokens are likely to suffer: they live two
/// minutes, and the venue tells its time in whole seconds and before its answer has travelled.
pub const CLOCK_TOLERANCE_S: u64 = 30;

impl AuthenticationFailure {
    /// Returns what is likely to be wrong, the likeliest first.
    pub fn likely_causes(&self) -> impl Iterator<Item = LikelyCause> + use<> {
        let far_off = self
            .clock_offset_s
            .filter(|offset| self.had_token && offset.unsigned_abs() > CLOCK_TOLERANCE_S);
        let clock = far_off.map(|offset_s| LikelyCause::Clock { offset_s });
        let key = if self.had_token { LikelyCause::Key } else { LikelyCause::NoToken };
        clock.into_iter().chain([key, LikelyCause::Channel])
    }
}

impl fmt::Display for AuthenticationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tokens = if self.had_token { "a fresh token" } else { "no token" };
        write!(f, "the venue refuses requests with {tokens}, likely because ")?;
        for (index, cause) in self.likely_causes().enumerate() {
            write!(f, "{}{cause}", if index > 0 { ", or " } else { "" })?;
        }
        if self.retries_without_token {
            f.write_str("; asking again without a token")?;
        }
        Ok(())
    }
}

/// Why a request is likely refused as not authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LikelyCause {
    /// The venue does not know the channel.
    Channel,
    /// The clocks are apart, and tokens are not valid yet or no longer.
    Clock {
        /// How far the venue's is ahead of this machine's, in seconds.
        offset_s: i64,
    },
    /// The key is of a wrong kind, was withdrawn, or does not belong to its name.
    Key,
    /// The venue wants a token.
    NoToken,
}

impl fmt::Display for LikelyCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel => f.write_str("the channel is unknown"),
            Self::Clock { offset_s } => {
                let direction = if *offset_s > 0 { "behind" } else { "ahead of" };
                let seconds = offset_s.unsigned_abs();
                write!(f, "this machine's clock is {seconds} s {direction} the venue's")
            }
            Self::Key => f.write_str("the key is of a wrong kind or no longer valid"),
            Self::NoToken => f.write_str("a token is needed"),
        }
    }
}

/// Whether a book may be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums)] // A reader must handle each; another would be a break.
pub enum Status {
    /// No snapshot has come yet.
    Syncing,
    /// The book is right.
    Live,
    /// The book was right or on its way, and can no longer be trusted.
    Lost(Cause),
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syncing => f.pad("syncing"),
            Self::Live => f.pad("live"),
            Self::Lost(cause) => write!(f, "lost ({cause})"),
        }
    }
}

/// Why a book was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The connection was closed.
    Closed,
    /// The best bid was at or above the best ask after a whole frame.
    Crossed,
    /// A frame or a level could not be read.
    Decode,
    /// Numbers were missing: frames were lost.
    Gap,
    /// No frame at all came for too long.
    Idle,
    /// A level could not be held.
    Limit,
    /// No snapshot came in time.
    NoSnapshot,
    /// An update came where the snapshot was due.
    Premature,
    /// The book did not change for too long.
    Quiet,
    /// The venue does not list the product among the subscriptions.
    Refused,
    /// The counter of frames started again.
    Reset,
}

impl Cause {
    /// Returns the cause as one lower-case word, for logs and machines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Crossed => "crossed",
            Self::Decode => "decode",
            Self::Gap => "gap",
            Self::Idle => "idle",
            Self::Limit => "limit",
            Self::NoSnapshot => "no_snapshot",
            Self::Premature => "premature",
            Self::Quiet => "quiet",
            Self::Refused => "refused",
            Self::Reset => "reset",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a connection ended or could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disconnect {
    /// The caller closed the session.
    ByCaller,
    /// The venue closed the connection.
    ByVenue {
        /// The WebSocket close code, if it gave one. One that must not be sent, such as 1006, is
        /// shown as 1002, with which it is answered.
        code: Option<u16>,
        /// Its reason, if it gave one.
        reason: Box<str>,
    },
    /// The books were lost, and a new connection is to heal them.
    ForResync(Cause),
    /// No frame came for this long.
    Idle(Duration),
    /// A message was larger than the limit. Raise `max_message_bytes` of the feed's settings if
    /// the venue's snapshots have grown.
    MessageTooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A dial failed.
    NotConnected {
        /// How far it came.
        stage: DialStage,
        /// What the system said.
        error: Box<str>,
    },
    /// The venue answered the WebSocket handshake with something else than a WebSocket. Where it
    /// points to another address, that is not followed.
    Rejected {
        /// The HTTP status.
        status: u16,
        /// How long to stay away, if the venue said so.
        retry_after: Option<Duration>,
    },
    /// A dial took longer than this.
    TimedOut(Duration),
    /// The connection broke.
    Transport(Box<str>),
}

impl fmt::Display for Disconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByCaller => f.write_str("closed by the caller"),
            Self::ByVenue { code, reason } => {
                f.write_str("closed by the venue")?;
                if let Some(code) = code {
                    write!(f, " with code {code}")?;
                }
                if !reason.is_empty() {
                    write!(f, ": {reason}")?;
                }
                Ok(())
            }
            Self::ForResync(cause) => write!(f, "dropped to heal its books ({cause})"),
            Self::Idle(timeout) => write!(f, "no frame came for {timeout:?}"),
            Self::MessageTooLarge { size, limit } => write!(
                f,
                "a message of {size} bytes is larger than max_message_bytes ({limit}); raise \
                 that setting if snapshots have grown"
            ),
            Self::NotConnected { stage, error } => {
                write!(f, "could not connect ({stage}): {error}")
            }
            Self::Rejected { status, retry_after } => {
                write!(f, "the venue answered the handshake with HTTP status {status}")?;
                match retry_after {
                    Some(pause) => write!(f, " and asks to stay away for {pause:?}"),
                    None => Ok(()),
                }
            }
            Self::TimedOut(timeout) => write!(f, "could not connect within {timeout:?}"),
            Self::Transport(error) => write!(f, "the connection broke: {error}"),
        }
    }
}

/// How far a dial came before it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DialStage {
    /// The server's certificate was not accepted.
    Certificate,
    /// The name of the host could not be resolved.
    Dns,
    /// The WebSocket handshake failed.
    Handshake,
    /// The proxy could not be reached, or does not connect to the venue.
    Proxy,
    /// The dial was not made: the rate limiter had no turn for it soon enough.
    RateLimit,
    /// No address took the connection.
    Tcp,
    /// The TLS handshake failed.
    Tls,
}

impl fmt::Display for DialStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Certificate => "certificate",
            Self::Dns => "name look-up",
            Self::Handshake => "WebSocket handshake",
            Self::Proxy => "proxy",
            Self::RateLimit => "rate limit",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        })
    }
}

/// Why there is no book to read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotLive {
    /// The book was withdrawn and is being healed.
    Lost {
        /// The product.
        product: ProductId,
        /// Why.
        cause: Cause,
        /// Since when.
        since: Instant,
    },
    /// No snapshot has come yet.
    Syncing {
        /// The product.
        product: ProductId,
        /// Since when it is awaited.
        since: Instant,
    },
    /// There is no such product.
    Unknown(UnknownProduct),
}

impl fmt::Display for NotLive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { product, cause, .. } => {
                write!(f, "{product} has no live book: it was lost ({cause})")
            }
            Self::Syncing { product, .. } => {
                write!(f, "{product} has no live book yet: its snapshot is awaited")
            }
            Self::Unknown(unknown) => unknown.fmt(f),
        }
    }
}

impl std::error::Error for NotLive {}

impl From<UnknownProduct> for NotLive {
    fn from(unknown: UnknownProduct) -> Self {
        Self::Unknown(unknown)
    }
}

/// A product that is not subscribed to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownProduct {
    /// The name that was looked up.
    pub product: Box<str>,
}

impl UnknownProduct {
    /// Returns the error for this name.
    pub(crate) fn new(product: &str) -> Self {
        Self { product: product.into() }
    }
}

impl fmt::Display for UnknownProduct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not subscribed to: subscribe to it first", self.product)
    }
}

impl std::error::Error for UnknownProduct {}
