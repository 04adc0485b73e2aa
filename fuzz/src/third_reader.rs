//! A third reader of frames, beside the parser's two tiers: `serde_json`, and numbers by hand.

use level2::book::{MAX_SCALE, Side};
use level2::wire::UpdateKind;

use super::json::Json;

/// A number: its digits as an integer, and how many of them stand after the point.
pub(crate) type Number = (i64, u8);

/// A level: side, price, size, time.
pub(crate) type ReadLevel<'t> = (Side, Number, Number, Option<&'t str>);

/// An event: product, kind, levels.
pub(crate) type ReadEvent<'t> = (&'t str, UpdateKind, Vec<ReadLevel<'t>>);

/// What a whole order-book frame says: its number and its events.
pub(crate) type ReadFrame<'t> = (u64, Vec<ReadEvent<'t>>);

/// Reads an order-book frame, or returns `None` if it is not sound from start to end.
pub(crate) fn read<'t>(frame: &'t Json<'_>) -> Option<ReadFrame<'t>> {
    if frame.field("channel")?.text()? != "l2_data" {
        return None;
    }
    let events = frame.field("events")?.list()?.iter().map(read_event).collect::<Option<_>>()?;
    Some((frame.field("sequence_num")?.whole()?, events))
}

fn read_event<'t>(event: &'t Json<'_>) -> Option<ReadEvent<'t>> {
    let kind = match event.field("type")?.text()? {
        "snapshot" => UpdateKind::Snapshot,
        "update" => UpdateKind::Update,
        _ => return None,
    };
    let levels = event.field("updates")?.list()?.iter().map(read_level).collect::<Option<_>>()?;
    Some((event.field("product_id")?.text()?, kind, levels))
}

fn read_level<'t>(level: &'t Json<'_>) -> Option<ReadLevel<'t>> {
    let side = match level.field("side")?.text()? {
        "bid" => Side::Bid,
        "offer" => Side::Ask,
        _ => return None,
    };
    let size = level.field("new_quantity")?.text().filter(|size| !size.starts_with('-'))?;
    let price = read_number(level.field("price_level")?.text()?)?;
    Some((side, price, read_number(size)?, level.field("event_time").and_then(Json::text)))
}

/// Reads a decimal number in its shortest form, by moving text about.
fn read_number(text: &str) -> Option<Number> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (number, exponent) = match rest.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, read_exponent(exponent)?),
        None => (rest, 0),
    };
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (number, None),
    };
    for digits in [Some(whole), fraction].into_iter().flatten() {
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
    }
    let fraction = fraction.unwrap_or_default();
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0').trim_end_matches('0');
    if significant.is_empty() {
        return Some((0, 0));
    }
    let trailing = all.len() - all.trim_end_matches('0').len();
    let power = i64::try_from(trailing).ok()? - i64::try_from(fraction.len()).ok()? + exponent;
    if power < 0 {
        let scale = u8::try_from(-power).ok().filter(|scale| *scale <= MAX_SCALE)?;
        return Some((sign * significant.parse::<i64>().ok()?, scale));
    }
    let zeros = usize::try_from(power).ok().filter(|zeros| *zeros < 20)?;
    let digits = format!("{significant}{}", "0".repeat(zeros));
    Some((sign * digits.parse::<i64>().ok()?, 0))
}

/// Reads an exponent, or one just as far beyond all numbers.
fn read_exponent(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(sign * digits.parse::<i64>().unwrap_or(i64::MAX).min(1 << 40))
}
