//! A third reader of frames, beside the parser's two tiers: `serde_json`, and numbers by hand.

use level2::book::{MAX_SCALE, Side};
use level2::wire::UpdateKind;
use serde_json::Value;

/// A number: its digits as an integer, and how many of them stand after the point.
pub(crate) type Number = (i64, u8);

/// A level: side, price, size, time.
pub(crate) type ReadLevel<'t> = (Side, Number, Number, Option<&'t str>);

/// What a whole order-book frame says: its number, and of each event product, kind and levels.
pub(crate) type ReadFrame<'t> = (u64, Vec<(&'t str, UpdateKind, Vec<ReadLevel<'t>>)>);

/// Reads an order-book frame, or returns `None` if it is not sound from start to end.
pub(crate) fn read(frame: &Value) -> Option<ReadFrame<'_>> {
    if frame["channel"].as_str()? != "l2_data" {
        return None;
    }
    let events = frame["events"].as_array()?.iter().map(read_event).collect::<Option<_>>()?;
    Some((frame["sequence_num"].as_u64()?, events))
}

fn read_event(event: &Value) -> Option<(&str, UpdateKind, Vec<ReadLevel<'_>>)> {
    let kind = match event["type"].as_str()? {
        "snapshot" => UpdateKind::Snapshot,
        "update" => UpdateKind::Update,
        _ => return None,
    };
    let levels = event["updates"].as_array()?.iter().map(read_level).collect::<Option<_>>()?;
    Some((event["product_id"].as_str()?, kind, levels))
}

fn read_level(level: &Value) -> Option<ReadLevel<'_>> {
    let side = match level["side"].as_str()? {
        "bid" => Side::Bid,
        "offer" => Side::Ask,
        _ => return None,
    };
    let size = level["new_quantity"].as_str().filter(|size| !size.starts_with('-'))?;
    let price = read_number(level["price_level"].as_str()?)?;
    Some((side, price, read_number(size)?, level["event_time"].as_str()))
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
