//! Whether a book may be trusted, and why not.

use std::fmt;
use std::time::Instant;

use super::error::UnknownProduct;
use crate::wire::ProductId;

/// Whether a book may be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[expect(clippy::exhaustive_enums)] // A reader must handle each; another would be a break.
pub enum Status {
    /// No snapshot has come yet.
    Syncing,
    /// The book is right.
    Live,
    /// The book was right or awaited, and can no longer be trusted.
    Lost(Cause),
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syncing => f.pad("syncing"),
            Self::Live => f.pad("live"),
            Self::Lost(cause) => f.pad(&format!("lost ({cause})")),
        }
    }
}

/// Why a book was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Cause {
    /// The connection was closed.
    Closed,
    /// The best bid was at or above the best ask after a whole frame.
    Crossed,
    /// A frame or a level could not be read.
    Decode,
    /// Sequence numbers were missing: frames were lost.
    Gap,
    /// No frame arrived for too long.
    Idle,
    /// A level could not be held.
    Limit,
    /// The snapshot did not come in time.
    NoSnapshot,
    /// An update came where the snapshot was due.
    Premature,
    /// The book did not change for too long.
    Quiet,
    /// The venue does not list the product among the subscriptions.
    Refused,
    /// The sequence numbers started again.
    Reset,
}

impl Cause {
    /// Returns the cause as one lower-case word, for logs and programs.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_and_its_absence_say_why() {
        let statuses = [Status::Syncing, Status::Live, Status::Lost(Cause::NoSnapshot)];
        assert_eq!(
            statuses.map(|status| status.to_string()),
            ["syncing", "live", "lost (no_snapshot)"]
        );
        assert_eq!(format!("{:>8}", Status::Live), "    live");
        assert_eq!(format!("{:>11}", Status::Lost(Cause::Gap)), " lost (gap)");
        let product = ProductId::new("BTC-USD").unwrap();
        let lost = NotLive::Lost { product, cause: Cause::Gap, since: Instant::now() };
        assert_eq!(lost.to_string(), "BTC-USD has no live book: it was lost (gap)");
        let unknown = NotLive::from(UnknownProduct::new("ETH-USD"));
        assert!(unknown.to_string().contains("\"ETH-USD\""), "{unknown}");
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_status_is_written_and_read_in_the_words_of_its_cause() {
        let causes = [
            Cause::Closed,
            Cause::Crossed,
            Cause::Decode,
            Cause::Gap,
            Cause::Idle,
            Cause::Limit,
            Cause::NoSnapshot,
            Cause::Premature,
            Cause::Quiet,
            Cause::Refused,
            Cause::Reset,
        ];
        for cause in causes {
            let text = serde_json::to_string(&Status::Lost(cause)).unwrap();
            assert_eq!(text, format!(r#"{{"lost":"{}"}}"#, cause.as_str()));
            assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), Status::Lost(cause));
        }
        assert_eq!(serde_json::to_string(&Status::Live).unwrap(), r#""live""#);
        assert_eq!(serde_json::from_str::<Status>(r#""syncing""#).unwrap(), Status::Syncing);
    }
}
