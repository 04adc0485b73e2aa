//! The engine of `level2 soak`: books under faults, and the checks of all that they promise.
//!
//! One process has a simulated exchange on a loopback socket and three groups of books: one heals
//! by new connections, one by subscribing again, one has standbys. Phases of faults, drawn from the
//! seed, follow each other. Every published BBO, and a sample of those that reading threads saw, is
//! compared with the exchange's true book at the same sequence number. From time to time there is
//! a rest: no faults, and markets that stand still. Within [`run::MAX_HEAL`] all books must then be
//! live and equal to the exchange's books, level by level.

mod comparison;
mod counters;
mod oracle;
mod phase;
mod process;
mod readers;
pub(crate) mod report;
pub(crate) mod run;
mod samples;
mod tally;
mod testbed;
mod usage;
