//! Many products in the background: what readers and consumers of events find.

#![cfg(feature = "feed")]

#[path = "../support/many.rs"]
mod many;

mod events;
mod paused;
mod reading;
