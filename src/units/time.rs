//! Moments of wall-clock time.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use super::rfc3339::{self, Fault, SECONDS_LEN};

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// The most characters of a text that an error repeats.
const MAX_SHOWN_CHARS: usize = 48;

/// A moment of wall-clock time: nanoseconds since the UNIX epoch, from 1970 to 2554.
///
/// Written and read as RFC 3339 in UTC. Converts to and from [`SystemTime`], whose own precision is
/// that of the platform: 100 ns on Windows.
///
/// Times serve measuring and logging. They never order frames: those of a book's levels are not
/// even monotonic.
///
/// ```
/// use std::time::SystemTime;
///
/// use level2::UnixNanos;
///
/// let time: UnixNanos = "2026-09-30T02:39:53.5Z".parse()?;
/// assert_eq!(time.to_string(), "2026-09-30T02:39:53.500000000Z");
/// assert_eq!(UnixNanos::try_from(SystemTime::from(time))?, time);
/// # Ok::<(), level2::wire::TimeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixNanos(u64);

impl UnixNanos {
    /// Returns the moment this many nanoseconds after the UNIX epoch.
    #[must_use]
    pub const fn new(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Returns the nanoseconds since the UNIX epoch.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Reads `2026-09-30T02:39:53.670986313Z`: UTC only, with 0 to 9 fraction digits.
    ///
    /// A leap second counts as the next second.
    ///
    /// # Errors
    /// [`TimeError`] for any other text, for dates that do not exist and for those outside 1970 to
    /// 2554, which is as far as 64 bits reach.
    pub fn parse_rfc3339(text: &str) -> Result<Self, TimeError> {
        Self::read_rfc3339(text.as_bytes()).ok_or_else(|| TimeError::of_text(text))
    }

    /// As [`UnixNanos::parse_rfc3339`], for callers that make no use of the reason.
    pub(crate) fn read_rfc3339(text: &[u8]) -> Option<Self> {
        Self::from_parts(rfc3339::parse_seconds(text.first_chunk::<SECONDS_LEN>()?)?, text)
    }

    /// Adds what stands behind the seconds of a time to them.
    #[inline]
    pub(crate) fn from_parts(seconds: u64, text: &[u8]) -> Option<Self> {
        let nanos = rfc3339::fraction_nanos(text)?;
        seconds.checked_mul(NANOS_PER_SECOND)?.checked_add(nanos).map(Self)
    }

    /// Returns the moment this much later, or the last one there is.
    #[inline]
    pub(crate) fn saturating_add(self, duration: Duration) -> Self {
        let seconds = duration.as_secs().saturating_mul(NANOS_PER_SECOND);
        let nanos = seconds.saturating_add(u64::from(duration.subsec_nanos()));
        Self(self.0.saturating_add(nanos))
    }
}

impl fmt::Display for UnixNanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        rfc3339::write(f, self.0 / NANOS_PER_SECOND, self.0 % NANOS_PER_SECOND)
    }
}

impl FromStr for UnixNanos {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        Self::parse_rfc3339(text)
    }
}

impl From<UnixNanos> for SystemTime {
    fn from(time: UnixNanos) -> Self {
        Self::UNIX_EPOCH + Duration::from_nanos(time.0)
    }
}

impl TryFrom<SystemTime> for UnixNanos {
    type Error = TimeError;

    /// # Errors
    /// [`TimeError::OutOfRange`] when the moment is before 1970 or after 2554.
    fn try_from(time: SystemTime) -> Result<Self, TimeError> {
        let out_of_range = |text: String| TimeError::OutOfRange { text: text.into() };
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => u64::try_from(since.as_nanos())
                .map(Self)
                .map_err(|_| out_of_range(format!("{since:?} after 1970"))),
            Err(error) => Err(out_of_range(format!("{:?} before 1970", error.duration()))),
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for UnixNanos {
    /// Writes RFC 3339 where people may read it, and else the nanoseconds.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_u64(self.0)
        }
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for UnixNanos {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            text.parse().map_err(serde::de::Error::custom)
        } else {
            u64::deserialize(deserializer).map(Self)
        }
    }
}

/// Why a text or a [`SystemTime`] is no [`UnixNanos`]. A long text is cut.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeError {
    /// The text has another form than `2026-09-30T02:39:53.670986313Z`.
    Malformed {
        /// The text.
        text: Box<str>,
    },
    /// The text names a date or a time of day that does not exist.
    NoSuchTime {
        /// The text.
        text: Box<str>,
    },
    /// The moment is before 1970 or after 2554.
    OutOfRange {
        /// The moment.
        text: Box<str>,
    },
}

impl TimeError {
    #[cold]
    fn of_text(text: &str) -> Self {
        let fault = rfc3339::fault_of(text.as_bytes());
        let text = text.chars().take(MAX_SHOWN_CHARS).collect();
        match fault {
            Fault::Form => Self::Malformed { text },
            Fault::Calendar => Self::NoSuchTime { text },
            Fault::Range => Self::OutOfRange { text },
        }
    }
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { text } => write!(
                f,
                "expected a time in UTC with at most nine decimals, such as \
                 2026-09-30T02:39:53.670986313Z, got {text:?}"
            ),
            Self::NoSuchTime { text } => {
                write!(f, "expected a date and a time of day that exist, got {text:?}")
            }
            Self::OutOfRange { text } => {
                write!(f, "expected a time from 1970 to 2554-07-21T23:34:33Z, got {text}")
            }
        }
    }
}

impl std::error::Error for TimeError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_moment_shows_as_rfc_3339_with_nine_decimals() {
        for (nanos, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (1_790_735_993_050_000_007, "2026-09-30T02:39:53.050000007Z"),
            (951_868_799_000_000_001, "2000-02-29T23:59:59.000000001Z"),
            (u64::MAX, "2554-07-21T23:34:33.709551615Z"),
        ] {
            assert_eq!(UnixNanos::new(nanos).to_string(), text);
        }
    }

    #[test]
    fn an_error_names_the_fault_and_the_text() {
        let message = |text: &str| UnixNanos::parse_rfc3339(text).unwrap_err().to_string();
        assert!(message("yesterday").contains("such as 2026-09-30T02:39:53.670986313Z, got \"yes"));
        assert!(message("2026-02-30T00:00:00Z").contains("that exist, got \"2026-02-30"));
        assert!(message("1969-12-31T23:59:59Z").contains("from 1970 to 2554"));
        assert!(message(&"7".repeat(10_000)).len() < 200);
    }

    #[test]
    fn a_system_time_out_of_range_is_none() {
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(5);
        let error = UnixNanos::try_from(before).unwrap_err();
        assert!(error.to_string().ends_with("got 5s before 1970"), "{error}");
        let after = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 36);
        assert!(matches!(UnixNanos::try_from(after), Err(TimeError::OutOfRange { .. })));
    }

    #[test]
    fn adding_stops_at_the_last_moment() {
        let time = UnixNanos::new(7);
        assert_eq!(time.saturating_add(Duration::new(2, 5)), UnixNanos::new(2_000_000_012));
        assert_eq!(time.saturating_add(Duration::MAX), UnixNanos::new(u64::MAX));
    }

    proptest! {
        #[test]
        fn every_moment_survives_its_text_and_the_system_clock(nanos in any::<u64>()) {
            let time = UnixNanos::new(nanos);
            prop_assert_eq!(UnixNanos::parse_rfc3339(&time.to_string()), Ok(time));
            if cfg!(unix) {
                prop_assert_eq!(UnixNanos::try_from(SystemTime::from(time)), Ok(time));
            }
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_moment_is_stored_as_its_text() {
        let time = UnixNanos::new(1_790_735_993_050_000_007);
        let text = serde_json::to_string(&time).unwrap();
        assert_eq!(text, "\"2026-09-30T02:39:53.050000007Z\"");
        assert_eq!(serde_json::from_str::<UnixNanos>(&text).unwrap(), time);
        let error = serde_json::from_str::<UnixNanos>("\"soon\"").unwrap_err();
        assert!(error.to_string().contains("got \"soon\""), "{error}");
    }

    fn nanos(text: &str) -> Option<u64> {
        UnixNanos::parse_rfc3339(text).ok().map(UnixNanos::get)
    }

    #[test]
    fn reads_every_length_of_fraction() {
        assert_eq!(nanos("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(nanos("2026-09-30T02:39:53Z"), Some(1_790_735_993_000_000_000));
        assert_eq!(nanos("2026-09-30T02:39:53.7885Z"), Some(1_790_735_993_788_500_000));
        assert_eq!(nanos("2026-09-30T02:39:53.670986313Z"), Some(1_790_735_993_670_986_313));
        assert_eq!(nanos("2000-02-29T23:59:59.000000001Z"), Some(951_868_799_000_000_001));
        assert_eq!(nanos("2016-12-31T23:59:60Z"), nanos("2017-01-01T00:00:00Z"));
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "2026-09-30",
            "2026-09-30T02:39:53",
            "2026-09-30T02:39:53.Z",
            "2026-09-30T02:39:53.1234567890Z",
            "2026-09-30T02:39:53+00:00",
            "2026-09-30 02:39:53Z",
            "2026-13-30T02:39:53Z",
            "2026-00-30T02:39:53Z",
            "2026-02-29T02:39:53Z",
            "1900-02-29T02:39:53Z",
            "2026-09-31T02:39:53Z",
            "2026-09-30T24:39:53Z",
            "1969-12-31T23:59:59Z",
            "9999-12-31T23:59:59Z",
            "2026-09-30T02:60:53Z",
            "2026-09-30T02:39:61Z",
            "2026-09-30T02:39:5xZ",
            // A colon comes right after the nine: taken for a digit it would be worth ten.
            "2026-09-30T02:39:1:Z",
            "2026-09-30T02:39:53.1:5Z",
        ] {
            assert_eq!(nanos(text), None, "{text}");
        }
    }
}
