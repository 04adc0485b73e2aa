//! One product's market and its true book.
//!
//! A [`Market`] moves in whole intervals of the exchange (50 ms by default) and reports the *net*
//! changes of each, as the venue does. It is a seeded random walk, or does what a test sets.
//!
//! The distributions that a walk draws from (changes a frame, kinds of change, ranks, gaps between
//! levels, sizes) are those measured on real traffic. Everything is integer arithmetic over tables
//! of quantiles: a seed gives the same market on every machine.

mod mood;
mod mover;
mod product;
mod scripted;
mod shape;
mod spec;
mod tables;
mod true_book;
mod walk;

#[cfg(test)]
mod tests;

pub use self::mood::Mood;
pub use self::product::Market;
pub use self::spec::{MAX_LEVELS, MAX_SCALE, ProductSpec};
pub use self::true_book::{TrueBook, TrueChange};
