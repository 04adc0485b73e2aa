//! The command `level2`, run as its users run it.

mod arguments;
mod demo;
mod fixtures;
mod record;
mod recordings;
mod replay;
mod sim;
mod soak;
mod support;
mod token;
mod watch;

#[path = "../../../../tests/support/keys.rs"]
mod keys;
