//! What a session reports to its caller.

use std::fmt;
use std::time::Instant;

use super::authentication::AuthenticationFailure;
use super::disconnect::Disconnect;
use super::status::Cause;
use crate::book::BookError;
use crate::wire::{DecodeError, ProductId, RefusalKind};

/// Something that happened, in the order in which it did.
///
/// A product bears the name that the caller requested, also when the venue answers under another.
/// Whatever an event takes away was withdrawn from readers before the event was made.
///
/// `Display` says it in words. With the feature `serde` an event is written with its kind in the
/// key `event`, errors as text, and without moments, which mean nothing outside the process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(tag = "event", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum SessionEvent {
    /// The venue answers for this product under another name.
    Aliased {
        /// The name requested.
        product: ProductId,
        /// The venue's name.
        canonical: ProductId,
    },
    /// The venue rejected authentication. Emitted at most once per connection for signed requests
    /// (after one retry with a fresh token) and once for unsigned ones.
    AuthenticationFailed(AuthenticationFailure),
    /// The connection is open; requests go out.
    Connected,
    /// The connection was lost or given up, or could not be made. Unless the session was closed,
    /// has [given up](Self::GaveUp) or was [rejected](Self::Rejected) for good, the next dial is
    /// planned.
    Disconnected {
        /// Why.
        reason: Disconnect,
    },
    /// [`max_failed_dials`](super::Policy::max_failed_dials) consecutive dials failed; the session
    /// has ended.
    GaveUp {
        /// The number of failed dials.
        failed_dials: u32,
    },
    /// More products were configured than the session may hold, and this one was left out.
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
    /// Events were dropped because the caller fell behind.
    Missed {
        /// The number of dropped events.
        count: u64,
    },
    /// A live book has not changed for [`quiet_after`](super::Policy::quiet_after). It stays live.
    Quiet {
        /// The product.
        product: ProductId,
        /// When its book last changed.
        #[cfg_attr(feature = "serde", serde(skip))]
        since: Instant,
    },
    /// The venue refused a request.
    Refused {
        /// Which refusal this is, as far as its words are known.
        kind: RefusalKind,
        /// The venue's words, cut to their first kibibyte.
        message: Box<str>,
    },
    /// A snapshot was requested and is awaited.
    Requested {
        /// The product.
        product: ProductId,
    },
    /// A snapshot came: the book is live.
    Synced {
        /// The product.
        product: ProductId,
        /// The sequence number of the frame.
        sequence: u64,
    },
    /// The venue rejected this client [`max_rejections`](super::Policy::max_rejections) times in a
    /// row; the session has ended.
    Rejected {
        /// The number of rejections.
        times: u32,
    },
    /// A frame, or a product's part of it, could not be read. Its books were lost before this.
    Undecodable {
        /// The product that the text was meant for, if that is known.
        product: Option<ProductId>,
        /// What was expected, what came, and where.
        #[cfg_attr(feature = "serde", serde(serialize_with = "as_text"))]
        error: DecodeError,
    },
    /// A level cannot be held. Its book was lost before this.
    LevelRejected {
        /// The product.
        product: ProductId,
        /// What does not fit.
        #[cfg_attr(feature = "serde", serde(serialize_with = "as_text"))]
        error: BookError,
    },
    /// The venue's acknowledgement does not list a requested product: it is unknown, delisted, or
    /// refused. It is requested again at growing intervals.
    Unlisted {
        /// The product.
        product: ProductId,
    },
    /// A frame changed a live book, and its BBO was published.
    Updated {
        /// The product.
        product: ProductId,
        /// The sequence number of the frame.
        sequence: u64,
    },
}

impl fmt::Display for SessionEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aliased { product, canonical } => {
                write!(f, "{product} is answered as {canonical}")
            }
            Self::AuthenticationFailed(failure) => failure.fmt(f),
            Self::Connected => f.write_str("connected"),
            Self::Disconnected { reason } => write!(f, "disconnected: {reason}"),
            Self::GaveUp { failed_dials } => write!(f, "gave up after {failed_dials} failed dials"),
            Self::LeftOut { product } => {
                write!(f, "{product} is one product too many, and left out")
            }
            Self::Lost { product, cause } => write!(f, "{product} lost ({cause})"),
            Self::Missed { count } => write!(f, "{count} events were missed"),
            Self::Quiet { product, .. } => write!(f, "{product} has not changed for a while"),
            Self::Refused { message, .. } => write!(f, "the venue refused a request: {message}"),
            Self::Requested { product } => write!(f, "{product} syncing"),
            Self::Synced { product, sequence } => write!(f, "{product} live from frame {sequence}"),
            Self::Rejected { times } => {
                write!(f, "gave up: the venue rejected this client {times} times in a row")
            }
            Self::Undecodable { product: None, error } => {
                write!(f, "a frame could not be read: {error}")
            }
            Self::Undecodable { product: Some(product), error } => {
                write!(f, "{product}: a frame could not be read: {error}")
            }
            Self::LevelRejected { product, error } => write!(f, "{product}: {error}"),
            Self::Unlisted { product } => write!(f, "the venue does not list {product}"),
            Self::Updated { product, sequence } => {
                write!(f, "{product} changed by frame {sequence}")
            }
        }
    }
}

/// Writes an error as its text.
#[cfg(feature = "serde")]
fn as_text<S: serde::Serializer>(error: &impl fmt::Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(error)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::book::Side;

    fn id(name: &str) -> ProductId {
        ProductId::new(name).unwrap()
    }

    #[test]
    fn an_event_says_in_words_what_happened() {
        let product = id("BTC-USD");
        let reason = Disconnect::Idle(Duration::from_secs(5));
        let error = BookError::TooManyLevels { side: Side::Bid, max_levels: 3 };
        let shown = [
            SessionEvent::Disconnected { reason },
            SessionEvent::LevelRejected { product: product.clone(), error },
            SessionEvent::Lost { product: product.clone(), cause: Cause::Gap },
            SessionEvent::Updated { product, sequence: 7 },
        ]
        .map(|event| event.to_string());
        assert_eq!(shown[0], "disconnected: no frame came for 5s");
        assert!(shown[1].starts_with("BTC-USD: "), "{}", shown[1]);
        assert_eq!(shown[2..], ["BTC-USD lost (gap)", "BTC-USD changed by frame 7"]);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn an_event_is_written_with_its_kind_and_without_moments() {
        let product = id("BTC-USD");
        let failure = AuthenticationFailure {
            had_token: true,
            retries_without_token: false,
            clock_offset_s: None,
        };
        let error = BookError::TooManyLevels { side: Side::Bid, max_levels: 3 };
        let reason = Disconnect::ByVenue { code: Some(1012), reason: "restart".into() };
        let written = [
            SessionEvent::Connected,
            SessionEvent::Lost { product: product.clone(), cause: Cause::NoSnapshot },
            SessionEvent::Quiet { product: product.clone(), since: Instant::now() },
            SessionEvent::AuthenticationFailed(failure),
            SessionEvent::LevelRejected { product, error },
            SessionEvent::Disconnected { reason },
        ]
        .map(|event| serde_json::to_value(event).unwrap());
        let expected = [
            serde_json::json!({ "event": "connected" }),
            serde_json::json!({ "event": "lost", "product": "BTC-USD", "cause": "no_snapshot" }),
            serde_json::json!({ "event": "quiet", "product": "BTC-USD" }),
            serde_json::json!({
                "event": "authentication_failed",
                "had_token": true,
                "retries_without_token": false,
                "clock_offset_s": null,
            }),
            serde_json::json!({
                "event": "level_rejected",
                "product": "BTC-USD",
                "error": error.to_string(),
            }),
            serde_json::json!({
                "event": "disconnected",
                "reason": { "by_venue": { "code": 1012, "reason": "restart" } },
            }),
        ];
        assert_eq!(written, expected);
    }
}
