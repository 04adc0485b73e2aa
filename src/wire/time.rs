//! Times as they stand in frames, and reading many of them.

use std::fmt;

use crate::units::{SECONDS_LEN, UnixNanos, parse_seconds};

/// A time as it stands in a frame, unread: RFC 3339 in real ones.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WireTime<'f> {
    /// Sound UTF-8.
    text: &'f [u8],
}

impl<'f> WireTime<'f> {
    pub(super) const fn new(text: &'f [u8]) -> Self {
        debug_assert!(str::from_utf8(text).is_ok(), "both tiers hand on sound UTF-8");
        Self { text }
    }

    /// Returns the text.
    #[must_use]
    #[expect(clippy::missing_panics_doc)] // Never: both tiers have checked it.
    pub fn as_str(&self) -> &'f str {
        str::from_utf8(self.text).expect("times are made of sound UTF-8")
    }

    /// Returns the time, or `None` where [`UnixNanos::parse_rfc3339`] returns an error.
    #[must_use]
    pub fn nanos(&self) -> Option<UnixNanos> {
        UnixNanos::read_rfc3339(self.text)
    }
}

impl fmt::Debug for WireTime<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for WireTime<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads times that follow each other closely: one of the same second as the last costs a fifth.
#[derive(Clone, Debug)]
pub(crate) struct TimeReader {
    last_text: [u8; SECONDS_LEN],
    last_seconds: u64,
}

impl Default for TimeReader {
    fn default() -> Self {
        Self { last_text: *b"1970-01-01T00:00:00", last_seconds: 0 }
    }
}

impl TimeReader {
    /// Does the same as [`WireTime::nanos`].
    #[inline]
    pub(crate) fn read(&mut self, time: WireTime<'_>) -> Option<UnixNanos> {
        let head = time.text.first_chunk()?;
        if *head != self.last_text {
            self.last_seconds = parse_seconds(head)?;
            self.last_text = *head;
        }
        UnixNanos::from_parts(self.last_seconds, time.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_answers_as_the_time_itself() {
        let mut reader = TimeReader::default();
        for text in [
            "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0Z",
            "1970-01-01T00:00:00.5Z",
            "2026-09-30T02:39:53.5Z",
            "2026-09-30T02:39:53.670986313Z",
            "2026-09-30T02:39:5xZ",
            "2026-09-30T02:39:53Z",
            "2026-09-30T02:39:53+00:00",
            "2026-09-30T02:40:00.1Z",
            "",
            "2026-09-30T02:40:00.2Z",
        ] {
            let time = WireTime::new(text.as_bytes());
            assert_eq!(reader.read(time), UnixNanos::parse_rfc3339(text).ok(), "{text}");
        }
    }
}
