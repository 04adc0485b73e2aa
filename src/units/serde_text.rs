//! How decimals are stored with the feature `serde`: as text, read exactly or not at all.
//!
//! For `#[serde(with = "...")]`. What `rust_decimal` brings itself also takes numbers that are no
//! text, and those of JSON come through inexact floating point.

use rust_decimal::Decimal;
use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serializer};

pub(super) fn serialize<S: Serializer>(number: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&number.normalize())
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    let text = String::deserialize(deserializer)?;
    Decimal::from_str_exact(&text).map_err(|error| {
        D::Error::custom(format_args!("expected a decimal as text, got {text:?}: {error}"))
    })
}
