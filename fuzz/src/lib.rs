//! What the fuzz targets do with the bytes they are handed.
//!
//! Each body is a function of bytes that panics where the library is wrong. The targets in
//! `fuzz/targets` call them with what libFuzzer makes up, and `tests/fuzz_corpus.rs` with the
//! corpora that are kept, on any toolchain.

mod book_ops;
mod decode_agree;
mod frame_text;
mod json;
#[cfg(feature = "auth")]
mod key_text;
mod naive_book;
mod number;
mod picks;
mod recording;
mod session;
mod shadow;
mod third_reader;

pub use self::book_ops::book_ops;
pub use self::decode_agree::decode_agree;
#[cfg(feature = "auth")]
pub use self::key_text::key_text;
pub use self::recording::recording;
pub use self::session::session;
