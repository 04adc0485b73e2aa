//! The rules of the sources and of what they depend on, which no compiler holds.

mod dependencies;
#[cfg(feature = "feed")]
mod examples;
mod imports;
#[path = "../support/sources.rs"]
mod sources;
mod tidy;
