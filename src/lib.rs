//! Exact, sequence-checked level2 order books of Coinbase Advanced Trade, in process.
#![forbid(unsafe_code)]

pub mod book;
pub mod wire;

pub use crate::wire::ProductId;
