//! Why a connection ended or could not be made.

use std::fmt;
use std::time::Duration;

use super::status::Cause;

/// Why a connection ended or could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Disconnect {
    /// The caller closed the session.
    ByCaller,
    /// The venue closed the connection.
    ByVenue {
        /// The WebSocket close code, if there was one. A code that must not be sent, such as 1006,
        /// appears as 1002, with which it is answered.
        code: Option<u16>,
        /// The venue's reason, empty if there was none.
        reason: Box<str>,
    },
    /// The books were lost for this cause, and a new connection is to heal them.
    ForResync(Cause),
    /// No frame arrived for this long
    /// ([`idle_timeout`](super::Policy::idle_timeout)).
    Idle(Duration),
    /// A message was larger than the limit. Raise `max_message_bytes` of the feed's settings if
    /// the venue's snapshots have grown.
    MessageTooLarge {
        /// The size of the message in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A dial failed.
    NotConnected {
        /// How far it came.
        stage: DialStage,
        /// The operating system's or the library's error.
        error: Box<str>,
    },
    /// The venue answered the WebSocket handshake with an HTTP status instead. Redirects are not
    /// followed.
    Rejected {
        /// The HTTP status.
        status: u16,
        /// The venue's `Retry-After`, if there was one.
        retry_after: Option<Duration>,
    },
    /// A dial took longer than this
    /// ([`connect_timeout`](super::Policy::connect_timeout)).
    TimedOut(Duration),
    /// The connection broke, with this error.
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
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
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
    /// No address accepted the connection.
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
