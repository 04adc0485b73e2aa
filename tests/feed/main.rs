//! The feed, over sockets of every kind: what it does right, and what it does when the line, the
//! venue or its own user does wrong.

#![cfg(feature = "feed")]

#[path = "../support/keys.rs"]
mod keys;
#[path = "../support/memory.rs"]
mod memory;
#[path = "../support/seeds.rs"]
mod seeds;
#[path = "../support/sources.rs"]
mod sources;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tls.rs"]
mod tls;

mod faults;
mod hostile;
mod network;
mod secure;
mod socket_table;
mod stop;
#[cfg(feature = "auth")]
mod tokens;
mod transport;
