//! Tests of books that need the simulated exchange and the crate's private parts.

mod simulation;
