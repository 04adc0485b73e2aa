//! Why books cannot be started or extended, and why a wait on them ended.

use std::fmt;

use crate::feed::ConfigError;
use crate::session::Disconnect;
use crate::wire::ProductId;

/// Nothing will come any more, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Closed {
    /// The books were closed or dropped.
    ByCaller,
    /// The connection of a product gave up, and its standby if it had one, because of
    /// [`Policy::max_failed_dials`](crate::session::Policy::max_failed_dials) or
    /// [`Policy::max_rejections`](crate::session::Policy::max_rejections). Unsubscribe and
    /// subscribe to the product to start over.
    GaveUp {
        /// The product, as it was requested.
        product: ProductId,
        /// Why the connection was lost last, if that is known.
        reason: Option<Disconnect>,
    },
    /// The runtime that the books were started on has shut down, so their connections are gone.
    RuntimeGone {
        /// The product, as it was requested.
        product: ProductId,
    },
    /// The product was unsubscribed.
    Unsubscribed {
        /// The product, as it was requested.
        product: ProductId,
    },
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByCaller => f.write_str("the books were closed by the caller"),
            Self::GaveUp { product, reason } => {
                write!(f, "the connection of {product} gave up")?;
                match reason {
                    Some(reason) => write!(f, ": {reason}"),
                    None => Ok(()),
                }
            }
            Self::RuntimeGone { product } => {
                write!(f, "the runtime that drove the connection of {product} has shut down")
            }
            Self::Unsubscribed { product } => write!(f, "{product} was unsubscribed"),
        }
    }
}

impl std::error::Error for Closed {}

/// Why books could not be started.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// The settings cannot work.
    Config(ConfigError),
    /// The products need more connections than the settings allow.
    Full(TooManyConnections),
    /// There is no tokio runtime, or none can be made; the text is the system's.
    Runtime(Box<str>),
}

impl StartError {
    pub(super) fn runtime(error: impl fmt::Display) -> Self {
        Self::Runtime(error.to_string().into())
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Full(error) => error.fmt(f),
            Self::Runtime(error) => write!(f, "no tokio runtime can drive the books: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// Why a product could not be added.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The books were closed.
    Closed {
        /// The product that was not added.
        product: ProductId,
    },
    /// Every connection is full, and the settings allow no further one.
    Full(TooManyConnections),
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { product } => {
                write!(f, "{product} was not subscribed to: the books were closed by the caller")
            }
            Self::Full(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SubscribeError {}

/// A product needs one connection more than the settings allow.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooManyConnections {
    /// The product that there is no room for.
    pub product: ProductId,
    /// The limit, [`BooksConfig::max_connections`](super::BooksConfig::max_connections).
    pub max_connections: usize,
}

impl fmt::Display for TooManyConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { product, max_connections } = self;
        write!(
            f,
            "there is no room for {product}: the products need more connections than \
             max_connections ({max_connections}), and with a standby twice as many; raise \
             max_connections, or products_per_connection where connections have room"
        )
    }
}

impl std::error::Error for TooManyConnections {}
