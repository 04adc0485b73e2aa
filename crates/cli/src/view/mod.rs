//! Views show what a feed does: on a terminal, as plain lines, or as JSON.

pub(crate) mod json;
pub(crate) mod lines;
pub(crate) mod rows;
pub(crate) mod screen;
pub(crate) mod show;
