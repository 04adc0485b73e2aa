//! The binary `level2`: the library of this package, with signals and an allocator that counts.

#![forbid(unsafe_code)]

mod signals;

use std::alloc::System;
use std::env;
use std::process::ExitCode;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// Counts the bytes that the program allocates and frees, for `level2 soak`.
#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    level2_cli::run_until(env::args_os(), signals::listen).into()
}
