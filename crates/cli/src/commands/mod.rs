//! The commands of `level2`, one a file: each has its arguments and a function that runs it.

pub(crate) mod demo;
pub(crate) mod record;
pub(crate) mod replay;
pub(crate) mod sim;
pub(crate) mod soak;
pub(crate) mod token;
pub(crate) mod watch;
