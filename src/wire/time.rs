//! RFC 3339 times with 0 to 9 fraction digits, as nanoseconds since the UNIX epoch.

use std::fmt;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A moment of wall-clock time, as the venue writes it: nanoseconds since the UNIX epoch.
///
/// Times serve measuring and logging. They never order frames: those of a book's levels are not
/// even monotonic.
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
    /// Returns `None` for any other text, for dates that do not exist and for those outside
    /// 1970 to 2553, which is as far as 64 bits reach. A leap second counts as the next second.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        Self::from_parts(parse_seconds(text.first_chunk()?)?, text)
    }

    /// Adds what stands behind the seconds of a time to them.
    #[inline]
    fn from_parts(seconds: u64, text: &[u8]) -> Option<Self> {
        seconds.checked_mul(NANOS_PER_SECOND)?.checked_add(fraction_nanos(text)?).map(Self)
    }
}

impl fmt::Display for UnixNanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0 / NANOS_PER_SECOND, self.0 % NANOS_PER_SECOND)
    }
}

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

    /// Reads the time, or returns `None` as [`UnixNanos::parse_rfc3339`] does.
    #[must_use]
    pub fn nanos(&self) -> Option<UnixNanos> {
        UnixNanos::parse_rfc3339(self.as_str())
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

/// The length of a time up to its seconds.
const SECONDS_LEN: usize = 19;

/// Reads `2026-09-30T02:39:53` as seconds since the UNIX epoch.
fn parse_seconds(text: &[u8; SECONDS_LEN]) -> Option<u64> {
    const SEPARATORS: [(usize, u8); 5] = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];

    if SEPARATORS.iter().any(|(at, separator)| text[*at] != *separator) {
        return None;
    }
    let pair = |at: usize| digits(&text[at..at + 2]);
    let (year, month, day) = (pair(0)? * 100 + pair(2)?, pair(5)?, pair(8)?);
    let (hour, minute, second) = (pair(11)?, pair(14)?, pair(17)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days_since_epoch(year, month, day)?;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[inline]
fn digits(text: &[u8]) -> Option<u64> {
    // Looked at all at once in the end: a check for each would cost more than the digits.
    let (mut number, mut are_digits) = (0, true);
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        number = number * 10 + u64::from(digit);
        are_digits &= digit <= 9;
    }
    are_digits.then_some(number)
}

/// Reads what stands behind the seconds of a time: `Z`, or `.` with 1 to 9 digits and `Z`.
///
/// Lengths vary, as zeros at the end are left out, so there is no loop over the digits.
#[inline]
fn fraction_nanos(text: &[u8]) -> Option<u64> {
    /// What is missing to nine digits, by how many there are.
    const SCALES: [u64; 10] =
        [0, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];

    let [.., b'Z'] = text else { return None };
    let [_, fraction @ .., _] = text.get(SECONDS_LEN..)? else {
        return (text.len() == SECONDS_LEN + 1).then_some(0);
    };
    let count = fraction.len();
    if text[SECONDS_LEN] != b'.' || !(1..=9).contains(&count) {
        return None;
    }
    // The first of nine, and eight at once: those before the point count as zeros.
    let first = if count == 9 { digits(&fraction[..1])? } else { 0 };
    let (_, last) = text[..text.len() - 1].split_last_chunk()?;
    Some((first * 100_000_000 + last_digits(*last, count.min(8))?) * SCALES[count])
}

/// Reads the last so many of eight bytes, at least one, as digits.
#[inline]
fn last_digits(text: [u8; 8], count: usize) -> Option<u64> {
    const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);

    let others = 8 * (8 - count);
    let digits = (u64::from_le_bytes(text) ^ ZEROS) >> others << others;
    // Adding this makes a byte's highest bit of what is more than nine.
    if (digits | digits.wrapping_add(0x7676_7676_7676_7676)) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    // Neighbours are joined to pairs, pairs to groups of four, and those to the number; the first
    // digit is in the lowest byte.
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours & 0xffff) * 10_000 + (fours >> 32))
}

/// Returns the days from 1970-01-01 to a date of the Gregorian calendar.
fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    const DAYS_BEFORE_MONTH: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    const DAYS_IN_MONTH: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    /// Leap days from year 0 up to the end of 1969.
    const LEAP_DAYS_BEFORE_EPOCH: u64 = 1969 / 4 - 1969 / 100 + 1969 / 400;

    let month_index = usize::try_from(month.checked_sub(1)?).ok()?;
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let leap_day_of_february = u64::from(is_leap && month == 2);
    let days_in_month = DAYS_IN_MONTH.get(month_index)? + leap_day_of_february;
    if day == 0 || day > days_in_month {
        return None;
    }
    let years = year.checked_sub(1970)?;
    let before = year - 1;
    let leap_days = before / 4 - before / 100 + before / 400 - LEAP_DAYS_BEFORE_EPOCH;
    let leap_day_of_this_year = u64::from(is_leap && month > 2);
    Some(years * 365 + leap_days + DAYS_BEFORE_MONTH[month_index] + leap_day_of_this_year + day - 1)
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
            assert_eq!(reader.read(time), UnixNanos::parse_rfc3339(text), "{text}");
        }
    }

    #[test]
    fn a_moment_shows_as_seconds_with_nine_decimals() {
        assert_eq!(UnixNanos::new(1_790_735_993_050_000_007).to_string(), "1790735993.050000007");
    }

    fn nanos(text: &str) -> Option<u64> {
        UnixNanos::parse_rfc3339(text).map(UnixNanos::get)
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

    #[test]
    fn every_day_of_eight_centuries_follows_the_one_before() {
        let mut expected = 0;
        for year in 1970..2400u64 {
            for month in 1..=12 {
                for day in 1..=31 {
                    if let Some(days) = days_since_epoch(year, month, day) {
                        assert_eq!(days, expected, "{year}-{month}-{day}");
                        expected += 1;
                    }
                }
            }
        }
        assert_eq!(expected, 157_054);
    }
}
