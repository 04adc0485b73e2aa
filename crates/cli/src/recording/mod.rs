//! Recordings: files with one frame a line, plain or compressed.

pub(crate) mod reader;
pub(crate) mod writer;
