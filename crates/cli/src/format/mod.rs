//! How products, levels, events and counters are written: for people, and as JSON.

pub(crate) mod event;
pub(crate) mod json;
pub(crate) mod summary;
pub(crate) mod text;
