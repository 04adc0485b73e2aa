//! The text of RFC 3339 times in UTC, read and written.

use std::fmt;

/// The length of a time up to its seconds.
pub(crate) const SECONDS_LEN: usize = 19;

/// Reads `2026-09-30T02:39:53` as seconds since the UNIX epoch. A leap second counts as the next
/// second.
pub(crate) fn parse_seconds(text: &[u8; SECONDS_LEN]) -> Option<u64> {
    let (year, month, day, seconds_of_day) = fields(text)?;
    let days = days_since_epoch(year, month, day)?;
    Some(days * SECONDS_PER_DAY + seconds_of_day)
}

/// Returns why a text is not a time.
#[cold]
pub(super) fn fault_of(text: &[u8]) -> Fault {
    let (Some(head), Some(_)) = (text.first_chunk::<SECONDS_LEN>(), fraction_nanos(text)) else {
        return Fault::Form;
    };
    let is_form = head.iter().enumerate().all(|(at, byte)| {
        match SEPARATORS.iter().find(|(place, _)| *place == at) {
            Some((_, separator)) => byte == separator,
            None => byte.is_ascii_digit(),
        }
    });
    if !is_form {
        return Fault::Form;
    }
    match fields(head) {
        Some((year, month, day, _)) if is_date(year, month, day) => Fault::Range,
        _ => Fault::Calendar,
    }
}

/// What is wrong with the text of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It has another form.
    Form,
    /// It names a date or a time of day that does not exist.
    Calendar,
    /// The moment is too early or too late to be held.
    Range,
}

/// Writes seconds and nanoseconds since the UNIX epoch with all nine decimals.
pub(super) fn write(f: &mut fmt::Formatter<'_>, seconds: u64, nanos: u64) -> fmt::Result {
    let (year, month, day) = date_of(seconds / SECONDS_PER_DAY);
    let of_day = seconds % SECONDS_PER_DAY;
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
}

/// What stands between the fields of a time, with its place.
const SEPARATORS: [(usize, u8); 5] = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];

const SECONDS_PER_DAY: u64 = 86_400;

/// Reads the year, month, day and second of the day. The date may not exist.
#[inline]
fn fields(text: &[u8; SECONDS_LEN]) -> Option<(u64, u64, u64, u64)> {
    if SEPARATORS.iter().any(|(at, separator)| text[*at] != *separator) {
        return None;
    }
    let pair = |at: usize| digits(&text[at..at + 2]);
    let (year, month, day) = (pair(0)? * 100 + pair(2)?, pair(5)?, pair(8)?);
    let (hour, minute, second) = (pair(11)?, pair(14)?, pair(17)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some((year, month, day, hour * 3_600 + minute * 60 + second))
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
pub(super) fn fraction_nanos(text: &[u8]) -> Option<u64> {
    /// The factor that makes a fraction of nanoseconds, by its number of digits.
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

/// Reads the last `count` of eight bytes, at least one, as digits.
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
    if year < 1970 || !is_date(year, month, day) {
        return None;
    }
    Some(days_before_year(year) + days_before_month(year, month) + day - 1)
}

/// Returns the date that is this many days after 1970-01-01.
fn date_of(days: u64) -> (u64, u64, u64) {
    // As if all years were leap years, which falls one year short in about five hundred.
    let mut year = 1970 + days / 366;
    while days_before_year(year + 1) <= days {
        year += 1;
    }
    let day_of_year = days - days_before_year(year);
    let has_begun = |month: &u64| days_before_month(year, *month) <= day_of_year;
    let month = 1 + (2..=12).take_while(has_begun).count() as u64;
    (year, month, day_of_year - days_before_month(year, month) + 1)
}

fn is_date(year: u64, month: u64, day: u64) -> bool {
    const DAYS_IN_MONTH: [u64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

    if !(1..=12).contains(&month) {
        return false;
    }
    let leap_day = u64::from(is_leap(year) && month == 2);
    (1..=DAYS_IN_MONTH[month as usize - 1] + leap_day).contains(&day)
}

/// Returns the days from 1970-01-01 to the first day of a year from 1970 on.
const fn days_before_year(year: u64) -> u64 {
    /// Leap days from year 0 up to the end of 1969.
    const LEAP_DAYS_BEFORE_EPOCH: u64 = 1969 / 4 - 1969 / 100 + 1969 / 400;

    let last = year - 1;
    let leap_days = last / 4 - last / 100 + last / 400 - LEAP_DAYS_BEFORE_EPOCH;
    (year - 1970) * 365 + leap_days
}

/// Returns the days of a year before a month, which is 1 to 12.
fn days_before_month(year: u64, month: u64) -> u64 {
    const DAYS_BEFORE_MONTH: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

    DAYS_BEFORE_MONTH[month as usize - 1] + u64::from(is_leap(year) && month > 2)
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_eight_centuries_follows_the_one_before() {
        let mut expected = 0;
        for year in 1970..2400u64 {
            for month in 1..=12 {
                for day in 1..=31 {
                    if let Some(days) = days_since_epoch(year, month, day) {
                        assert_eq!(days, expected, "{year}-{month}-{day}");
                        assert_eq!(date_of(days), (year, month, day));
                        expected += 1;
                    }
                }
            }
        }
        assert_eq!(expected, 157_054);
    }

    #[test]
    fn says_what_is_wrong_with_a_time() {
        for (text, expected) in [
            ("", Fault::Form),
            ("2026-09-30", Fault::Form),
            ("2026-09-30 02:39:53Z", Fault::Form),
            ("2026-09-30T02:39:53+00:00", Fault::Form),
            ("2026-09-30T02:39:5xZ", Fault::Form),
            ("2026-09-30T02:39:53.1234567890Z", Fault::Form),
            ("2026-02-29T02:39:53Z", Fault::Calendar),
            ("2026-13-01T02:39:53Z", Fault::Calendar),
            ("2026-09-30T24:00:00Z", Fault::Calendar),
            ("1900-02-29T00:00:00Z", Fault::Calendar),
            ("1969-12-31T23:59:59Z", Fault::Range),
            ("2554-07-21T23:34:33.709551616Z", Fault::Range),
        ] {
            assert_eq!(fault_of(text.as_bytes()), expected, "{text}");
        }
    }
}
