//! Rendering of frames in the exact form of the wire.
//!
//! No whitespace, a fixed order of keys, trailing zeros trimmed in numbers and in fractions of
//! seconds. Everything is integer arithmetic on ticks, units and nanoseconds.

use serde_json::Value;

use crate::market::TrueChange;
use crate::side::Side;

const NANOS: u64 = 1_000_000_000;
/// Days from the 1st of March of the year 0 to the 1st of January 1970.
const DAYS_TO_1970: u64 = 719_468;
/// Days of 400 Gregorian years.
const DAYS_PER_ERA: u64 = 146_097;

/// The digits of the largest number and a zero before them; no scale is longer.
const MAX_NUMBER_DIGITS: usize = 21;

/// Room for everything in a frame but its event. Only the name of a test's own channel may need
/// more, and then the text grows.
const ENVELOPE_BYTES: usize = 160;

/// One text frame on its way to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimFrame {
    /// The `sequence_num` in the text; error frames have none.
    pub sequence: Option<u64>,
    /// The JSON text.
    pub text: String,
}

/// The beginning of a numbered frame, except its number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) channel: &'a str,
    pub(crate) client_id: bool,
    /// Server send time in nanoseconds since the UNIX epoch.
    pub(crate) stamp_ns: u64,
}

impl Envelope<'_> {
    /// Returns the whole frame around the text of its one event.
    pub(crate) fn render(&self, sequence: u64, event: &[u8]) -> String {
        let mut out = Vec::with_capacity(event.len() + ENVELOPE_BYTES);
        out.extend_from_slice(b"{\"channel\":\"");
        out.extend_from_slice(self.channel.as_bytes());
        out.extend_from_slice(b"\",");
        if self.client_id {
            out.extend_from_slice(b"\"client_id\":\"\",");
        }
        out.extend_from_slice(b"\"timestamp\":\"");
        push_time(&mut out, self.stamp_ns);
        out.extend_from_slice(b"\",\"sequence_num\":");
        push_number(&mut out, sequence, 0);
        out.extend_from_slice(b",\"events\":[");
        out.extend_from_slice(event);
        out.extend_from_slice(b"]}");
        String::from_utf8(out).expect("a frame is made of strings and of digits")
    }
}

/// The number formats of a product.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scales {
    pub(crate) price: u8,
    pub(crate) size: u8,
}

/// Puts the event of an `l2_data` frame into `out`, which is cleared first; all its levels carry
/// the one event time.
pub(crate) fn level_event(
    out: &mut Vec<u8>,
    kind: &str,
    product_id: &str,
    event_time_us: u64,
    scales: Scales,
    changes: impl Iterator<Item = TrueChange>,
) {
    out.clear();
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\",\"product_id\":\"");
    out.extend_from_slice(product_id.as_bytes());
    out.extend_from_slice(b"\",\"updates\":[");
    // The time is written once, and copied from there for every further level.
    let mut time = 0..0;
    for change in changes {
        if !time.is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(match change.side {
            Side::Bid => b"{\"side\":\"bid\",\"event_time\":\"",
            Side::Ask => b"{\"side\":\"offer\",\"event_time\":\"",
        });
        if time.is_empty() {
            let start = out.len();
            push_time(out, event_time_us * 1_000);
            time = start..out.len();
        } else {
            out.extend_from_within(time.clone());
        }
        out.extend_from_slice(b"\",\"price_level\":\"");
        push_number(out, change.price_ticks.unsigned_abs(), scales.price);
        out.extend_from_slice(b"\",\"new_quantity\":\"");
        push_number(out, change.size_units, scales.size);
        out.extend_from_slice(b"\"}");
    }
    out.extend_from_slice(b"]}");
}

/// Returns the event of a `subscriptions` frame; each entry is a channel with what it lists.
pub(crate) fn subscriptions_event(channels: &[(&str, Vec<&str>)]) -> String {
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

/// Puts the event of a heartbeat into `out`, which is cleared first: a time in the format of Go,
/// with the uptime of the server process, and the whole seconds of that uptime as a number.
pub(crate) fn heartbeat_event(out: &mut Vec<u8>, current_ns: u64, uptime_ns: u64) {
    out.clear();
    out.extend_from_slice(b"{\"current_time\":\"");
    push_date(out, current_ns, b' ');
    let (seconds, fraction) = (uptime_ns / NANOS, uptime_ns % NANOS);
    out.extend_from_slice(b" +0000 UTC m=+");
    push_number(out, seconds, 0);
    out.push(b'.');
    push_digits(out, fraction, 9);
    out.extend_from_slice(b"\",\"heartbeat_counter\":");
    push_number(out, seconds, 0);
    out.push(b'}');
}

/// Returns an error frame. It has neither a channel nor a number.
pub(crate) fn error_frame(message: &str) -> String {
    let message = Value::from(message);
    format!("{{\"type\":\"error\",\"message\":{message}}}")
}

/// Appends a value times ten to the power of minus `scale`, without trailing zeros.
fn push_number(out: &mut Vec<u8>, value: u64, scale: u8) {
    let mut digits = [b'0'; MAX_NUMBER_DIGITS];
    let first = write_digits(&mut digits, value);
    let point = digits.len() - usize::from(scale);
    let (whole, fraction) = digits.split_at(point);
    out.extend_from_slice(&whole[first.min(point - 1)..]);
    push_fraction(out, fraction);
}

/// Appends the point and the digits after it, unless all of them are zeros.
fn push_fraction(out: &mut Vec<u8>, digits: &[u8]) {
    if let Some(last) = digits.iter().rposition(|&digit| digit != b'0') {
        out.push(b'.');
        out.extend_from_slice(&digits[..=last]);
    }
}

/// Appends a whole number with leading zeros, in this many digits.
fn push_digits(out: &mut Vec<u8>, value: u64, count: usize) {
    let mut digits = [b'0'; MAX_NUMBER_DIGITS];
    write_digits(&mut digits, value);
    out.extend_from_slice(&digits[MAX_NUMBER_DIGITS - count..]);
}

/// Writes a number to the end of `digits`. Returns where it begins.
fn write_digits(digits: &mut [u8; MAX_NUMBER_DIGITS], value: u64) -> usize {
    let (mut at, mut rest) = (digits.len(), value);
    while rest > 0 {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    at
}

/// Appends a time as RFC 3339 in UTC, without trailing zeros in its fraction of a second.
fn push_time(out: &mut Vec<u8>, unix_ns: u64) {
    push_date(out, unix_ns, b'T');
    out.push(b'Z');
}

/// Appends a date and a time of day with this byte between them.
fn push_date(out: &mut Vec<u8>, unix_ns: u64, separator: u8) {
    let seconds = unix_ns / NANOS;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    push_digits(out, year, 4);
    for (before, value) in [
        (b'-', month),
        (b'-', day),
        (separator, second / 3_600),
        (b':', second / 60 % 60),
        (b':', second % 60),
    ] {
        out.extend_from_slice(&[before, b'0' + (value / 10) as u8, b'0' + (value % 10) as u8]);
    }
    let mut digits = [b'0'; MAX_NUMBER_DIGITS];
    write_digits(&mut digits, unix_ns % NANOS);
    push_fraction(out, &digits[MAX_NUMBER_DIGITS - 9..]);
}

/// Returns year, month and day of a day counted from 1970-01-01.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: u64, scale: u8) -> String {
        let mut out = Vec::new();
        push_number(&mut out, value, scale);
        String::from_utf8(out).unwrap()
    }

    fn time(unix_ns: u64) -> String {
        let mut out = Vec::new();
        push_time(&mut out, unix_ns);
        String::from_utf8(out).unwrap()
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
            (u64::MAX, 0, "18446744073709551615"),
            (u64::MAX, 12, "18446744.073709551615"),
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
            TrueChange { side: Side::Bid, price_ticks: 7_286_760, size_units: 0 },
            TrueChange { side: Side::Ask, price_ticks: 8_332_801, size_units: 1_022_220 },
        ];
        let mut event = vec![b'!'];
        level_event(
            &mut event,
            "update",
            "BTC-USD",
            1_793_577_600_495_541,
            Scales { price: 2, size: 8 },
            changes.into_iter(),
        );
        let frame =
            Envelope { channel: "l2_data", client_id: true, stamp_ns: 1_793_577_600_690_696_234 };
        assert_eq!(
            frame.render(1, &event),
            "{\"channel\":\"l2_data\",\"client_id\":\"\",\
             \"timestamp\":\"2026-11-02T00:00:00.690696234Z\",\"sequence_num\":1,\
             \"events\":[{\"type\":\"update\",\"product_id\":\"BTC-USD\",\"updates\":[\
             {\"side\":\"bid\",\"event_time\":\"2026-11-02T00:00:00.495541Z\",\
             \"price_level\":\"72867.6\",\"new_quantity\":\"0\"},\
             {\"side\":\"offer\",\"event_time\":\"2026-11-02T00:00:00.495541Z\",\
             \"price_level\":\"83328.01\",\"new_quantity\":\"0.0102222\"}]}]}"
        );
        heartbeat_event(&mut event, 1_793_577_601_167_689_120, 12_240_033_883_420);
        assert_eq!(
            String::from_utf8(event).unwrap(),
            "{\"current_time\":\"2026-11-02 00:00:01.16768912 +0000 UTC m=+12240.033883420\",\
             \"heartbeat_counter\":12240}"
        );
        assert_eq!(error_frame("a \"b\""), "{\"type\":\"error\",\"message\":\"a \\\"b\\\"\"}");
        assert_eq!(subscriptions_event(&[]), "{\"subscriptions\":{}}");
        assert_eq!(
            subscriptions_event(&[("heartbeats", vec!["heartbeats"]), ("level2", vec!["A", "B"])]),
            "{\"subscriptions\":{\"heartbeats\":[\"heartbeats\"],\"level2\":[\"A\",\"B\"]}}"
        );
    }
}
