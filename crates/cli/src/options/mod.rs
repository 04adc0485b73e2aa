//! Arguments that several commands share, and how their values are parsed.

pub(crate) mod duration;
pub(crate) mod key;
pub(crate) mod venue;
