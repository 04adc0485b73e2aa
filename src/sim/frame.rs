//! Rendering of frames in the exact form of the wire.
//!
//! No whitespace, a fixed order of keys, trailing zeros trimmed in numbers and in fractions of
//! seconds. Everything is integer arithmetic on ticks, units and nanoseconds.

use std::fmt::Write;

use crate::book::Side;
use crate::sim::market::Change;

/// What every numbered frame begins with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Envelope {
    pub(super) channel: &'static str,
    pub(super) client_id: bool,
    /// Server send time in nanoseconds since the UNIX epoch.
    pub(super) stamp_ns: u64,
    pub(super) sequence: u64,
}

impl Envelope {
    /// The whole frame around the text of its one event.
    pub(super) fn render(&self, event: &str) -> String {
        let mut out = String::with_capacity(event.len() + ENVELOPE_BYTES);
        out.push_str("{\"channel\":\"");
        out.push_str(self.channel);
        out.push_str("\",");
        if self.client_id {
            out.push_str("\"client_id\":\"\",");
        }
        out.push_str("\"timestamp\":\"");
        push_time(&mut out, self.stamp_ns);
        write_whole(&mut out, "\",\"sequence_num\":", self.sequence);
        out.push_str(",\"events\":[");
        out.push_str(event);
        out.push_str("]}");
        out
    }
}

/// The number formats of a product.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scales {
    pub(super) price: u8,
    pub(super) size: u8,
}

/// The event of an `l2_data` frame; all its levels carry the one event time.
pub(super) fn level_event(
    kind: &str,
    product_id: &str,
    event_time_us: u64,
    scales: Scales,
    changes: impl Iterator<Item = Change>,
) -> String {
    let mut time = String::with_capacity(TIME_BYTES);
    push_time(&mut time, event_time_us * 1_000);
    let (at_least, _) = changes.size_hint();
    let mut out = String::with_capacity(ENVELOPE_BYTES + at_least * LEVEL_BYTES);
    out.push_str("{\"type\":\"");
    out.push_str(kind);
    out.push_str("\",\"product_id\":\"");
    out.push_str(product_id);
    out.push_str("\",\"updates\":[");
    for (index, change) in changes.enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(match change.side {
            Side::Bid => "{\"side\":\"bid\",\"event_time\":\"",
            Side::Ask => "{\"side\":\"offer\",\"event_time\":\"",
        });
        out.push_str(&time);
        out.push_str("\",\"price_level\":\"");
        push_number(&mut out, change.price_ticks.unsigned_abs(), scales.price);
        out.push_str("\",\"new_quantity\":\"");
        push_number(&mut out, change.size_units, scales.size);
        out.push_str("\"}");
    }
    out.push_str("]}");
    out
}

/// The event of a `subscriptions` frame; each entry is a channel with what it lists.
pub(super) fn subscriptions_event(channels: &[(&str, Vec<&str>)]) -> String {
    let mut out = String::from("{\"subscriptions\":{");
    for (index, (channel, items)) in channels.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push('"');
        out.push_str(channel);
        out.push_str("\":[\"");
        out.push_str(&items.join("\",\""));
        out.push_str("\"]");
    }
    out.push_str("}}");
    out
}

/// The event of a heartbeat: a time as Go prints it, with the uptime of the server process, and
/// the whole seconds of that uptime as a number.
pub(super) fn heartbeat_event(current_ns: u64, uptime_ns: u64) -> String {
    let mut out = String::with_capacity(ENVELOPE_BYTES);
    out.push_str("{\"current_time\":\"");
    push_date(&mut out, current_ns, ' ');
    let (seconds, fraction) = (uptime_ns / NANOS, uptime_ns % NANOS);
    write!(out, " +0000 UTC m=+{seconds}.{fraction:09}\",\"heartbeat_counter\":{seconds}}}")
        .expect("writing to a string cannot fail");
    out
}

/// An error frame. It has neither a channel nor a number.
pub(super) fn error_frame(message: &str) -> String {
    format!("{{\"type\":\"error\",\"message\":\"{message}\"}}")
}

/// A value times ten to the power of minus `scale`, without trailing zeros.
pub(super) fn push_number(out: &mut String, value: u64, scale: u8) {
    let unit = 10u64.pow(u32::from(scale));
    write_whole(out, "", value / unit);
    push_fraction(out, value % unit, scale);
}

/// RFC 3339 in UTC with as many digits of a second as it takes.
pub(super) fn push_time(out: &mut String, unix_ns: u64) {
    push_date(out, unix_ns, 'T');
    out.push('Z');
}

fn push_date(out: &mut String, unix_ns: u64, separator: char) {
    let seconds = unix_ns / NANOS;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    write!(out, "{year:04}-{month:02}-{day:02}{separator}{hour:02}:{minute:02}:{second:02}")
        .expect("writing to a string cannot fail");
    push_fraction(out, unix_ns % NANOS, 9);
}

/// The digits after the point, and the point, if there are any but zeros.
fn push_fraction(out: &mut String, fraction: u64, scale: u8) {
    if fraction == 0 {
        return;
    }
    let mut digits = [b'0'; FRACTION_DIGITS_MAX];
    let mut rest = fraction;
    for digit in digits[..usize::from(scale)].iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    let last = digits.iter().rposition(|&digit| digit != b'0').unwrap_or(0);
    out.push('.');
    out.extend(digits[..=last].iter().map(|&digit| char::from(digit)));
}

fn write_whole(out: &mut String, before: &str, value: u64) {
    out.push_str(before);
    write!(out, "{value}").expect("writing to a string cannot fail");
}

/// The Gregorian date of a day counted from 1970-01-01.
///
/// Years are taken to begin in March, so that the leap day is the last day of a year: a month's
/// first day is then a linear function of the month.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_TO_1970;
    let era = days / DAYS_PER_ERA;
    let day_of_era = days % DAYS_PER_ERA;
    let leap_free = day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096;
    let year_of_era = leap_free / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

const NANOS: u64 = 1_000_000_000;
/// Days from the 1st of March of the year 0 to the 1st of January 1970.
const DAYS_TO_1970: u64 = 719_468;
/// Days of 400 Gregorian years.
const DAYS_PER_ERA: u64 = 146_097;
/// The most digits after a point: those of the largest scale and of nanoseconds.
const FRACTION_DIGITS_MAX: usize = 12;

/// Sizes of buffers: a frame without its levels, a level, a time.
const ENVELOPE_BYTES: usize = 192;
const LEVEL_BYTES: usize = 112;
const TIME_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: u64, scale: u8) -> String {
        let mut out = String::new();
        push_number(&mut out, value, scale);
        out
    }

    fn time(unix_ns: u64) -> String {
        let mut out = String::new();
        push_time(&mut out, unix_ns);
        out
    }

    #[test]
    fn numbers_are_trimmed() {
        for (value, scale, text) in [
            (8_326_100, 2, "83261"),
            (266_580, 2, "2665.8"),
            (1, 8, "0.00000001"),
            (70_000_000, 8, "0.7"),
            (0, 8, "0"),
            (72_575, 0, "72575"),
            (1_400_000_000, 8, "14"),
            (123_456_789_012, 12, "0.123456789012"),
        ] {
            assert_eq!(number(value, scale), text);
        }
    }

    #[test]
    fn times_are_trimmed() {
        for (unix_ns, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_793_577_600_000_000_000, "2026-11-02T00:00:00Z"),
            (1_793_577_600_020_250_000, "2026-11-02T00:00:00.02025Z"),
            (1_709_209_805_000_000_001, "2024-02-29T12:30:05.000000001Z"),
            (951_827_696_000_000_000, "2000-02-29T12:34:56Z"),
            (4_107_542_399_999_999_999, "2100-02-28T23:59:59.999999999Z"),
        ] {
            assert_eq!(time(unix_ns), text);
        }
    }

    #[test]
    fn events_have_the_form_of_the_wire() {
        let changes = [
            Change { side: Side::Bid, price_ticks: 7_286_760, size_units: 0 },
            Change { side: Side::Ask, price_ticks: 8_332_801, size_units: 1_022_220 },
        ];
        let event = level_event(
            "update",
            "BTC-USD",
            1_793_577_600_495_541,
            Scales { price: 2, size: 8 },
            changes.into_iter(),
        );
        let frame = Envelope {
            channel: "l2_data",
            client_id: true,
            stamp_ns: 1_793_577_600_690_696_234,
            sequence: 1,
        };
        assert_eq!(
            frame.render(&event),
            "{\"channel\":\"l2_data\",\"client_id\":\"\",\
             \"timestamp\":\"2026-11-02T00:00:00.690696234Z\",\"sequence_num\":1,\
             \"events\":[{\"type\":\"update\",\"product_id\":\"BTC-USD\",\"updates\":[\
             {\"side\":\"bid\",\"event_time\":\"2026-11-02T00:00:00.495541Z\",\
             \"price_level\":\"72867.6\",\"new_quantity\":\"0\"},\
             {\"side\":\"offer\",\"event_time\":\"2026-11-02T00:00:00.495541Z\",\
             \"price_level\":\"83328.01\",\"new_quantity\":\"0.0102222\"}]}]}"
        );
        assert_eq!(
            heartbeat_event(1_793_577_601_167_689_120, 12_240_033_883_420),
            "{\"current_time\":\"2026-11-02 00:00:01.16768912 +0000 UTC m=+12240.033883420\",\
             \"heartbeat_counter\":12240}"
        );
        assert_eq!(subscriptions_event(&[]), "{\"subscriptions\":{}}");
        assert_eq!(
            subscriptions_event(&[("heartbeats", vec!["heartbeats"]), ("level2", vec!["A", "B"])]),
            "{\"subscriptions\":{\"heartbeats\":[\"heartbeats\"],\"level2\":[\"A\",\"B\"]}}"
        );
    }
}
