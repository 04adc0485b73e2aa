//! The session as a whole, rule by rule: what happened goes in, what is to be done comes out. Rules
//! that a script in `fixtures/scenarios` says in full are not repeated here, and each part has
//! tests of its own beside it.
//!
//! Time is virtual: no test waits.

mod answers;
mod books;
mod connection;
mod harness;
mod healing;
mod limits;
mod names;
mod numbers;
mod recordings;
mod shown;
mod timers;
mod tokens;
mod unreadable;
