//! The errors of a feed: unusable settings, a failed dial, the end of the feed.

use std::fmt;

#[cfg(feature = "auth")]
use crate::auth::AuthError;
use crate::session::{DialStage, Disconnect};

/// Why the settings of a feed cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The address is `ws://` on another host than this machine, and
    /// [`FeedConfig::allow_plaintext`](super::FeedConfig::allow_plaintext) is not set.
    Plaintext {
        /// The host.
        host: String,
    },
    /// The address of a proxy cannot be used. It is not quoted, because it may hold a password.
    Proxy {
        /// Where the address came from: an environment variable, or the settings.
        origin: &'static str,
    },
    /// The root certificates cannot be used. Says why.
    Roots(String),
    /// The address cannot be dialled.
    Url {
        /// The address, without user or password.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plaintext { host } => write!(
                f,
                "ws:// to {host} would not be encrypted: use wss://, or set allow_plaintext"
            ),
            Self::Proxy { origin } => write!(
                f,
                "the proxy in {origin} cannot be used: write http://host:port or \
                 socks5://host:port"
            ),
            Self::Roots(problem) => write!(f, "the root certificates cannot be used: {problem}"),
            Self::Url { url, problem } => write!(f, "cannot dial {url:?}: {problem}"),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Why a connection could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DialError {
    /// The stage that failed.
    pub stage: DialStage,
    /// The error, in the words of the system or the library that reported it.
    pub error: Box<str>,
}

impl DialError {
    /// Returns the error of a stage.
    #[must_use]
    pub fn new(stage: DialStage, error: impl fmt::Display) -> Self {
        Self { stage, error: error.to_string().into() }
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.stage, self.error)
    }
}

impl std::error::Error for DialError {}

impl From<DialError> for Disconnect {
    fn from(DialError { stage, error }: DialError) -> Self {
        Self::NotConnected { stage, error }
    }
}

/// Why awaiting a feed failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeedError {
    /// A request could not be signed and was not sent. The feed can still be awaited: the session
    /// will request the books again.
    #[cfg(feature = "auth")]
    Auth(AuthError),
    /// The feed has ended: it was closed, or the session gave up. Holds the reason of the last
    /// disconnect.
    Ended(Disconnect),
}

impl fmt::Display for FeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "auth")]
            Self::Auth(error) => write!(f, "a request could not be signed: {error}"),
            Self::Ended(reason) => write!(f, "the feed has ended: {reason}"),
        }
    }
}

impl std::error::Error for FeedError {}
