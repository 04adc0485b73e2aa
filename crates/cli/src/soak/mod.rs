//! The engine of `level2 soak`: hours of faults between books and a simulated exchange.

mod counters;
mod oracle;
mod phase;
mod process;
mod readers;
pub(crate) mod report;
pub(crate) mod run;
mod tally;
mod testbed;
