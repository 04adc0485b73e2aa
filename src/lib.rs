//! Exact, sequence-checked level2 order books of Coinbase Advanced Trade, in process.
#![forbid(unsafe_code)]

pub mod bbo;
pub mod book;
pub mod sequence;
pub mod session;
#[cfg(feature = "sim")]
pub mod sim;
pub mod wire;

pub use crate::wire::ProductId;
