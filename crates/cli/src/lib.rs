//! The command `level2` as a library: its arguments, and which part carries them out.
//!
//! [`run`] is the whole command, for other front doors than the binary. It brings no allocator and
//! no signal handler of its own.

#![forbid(unsafe_code)]

mod commands;
mod failure;
mod format;
mod options;
mod recording;
mod soak;
mod stop;
mod view;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{demo, record, replay, sim, token, watch};
use crate::failure::{Failure, warn};
use crate::stop::Listen;
pub use crate::stop::StopHandle;

/// Exact, sequence-checked level2 order books of Coinbase Advanced Trade.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Keep the books of a simulated exchange that loses a frame now and then, and show them
    Demo(demo::DemoArgs),
    /// Write every frame of a live venue to a file, one a line
    Record(record::RecordArgs),
    /// Rebuild books from a recording
    Replay {
        /// Recording with one frame a line, plain, gzip or zstd; - is the standard input
        file: PathBuf,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Serve or record a simulated exchange
    Sim(sim::SimArgs),
    /// Keep books for hours under every kind of fault, and check all that they promise
    Soak(commands::soak::SoakArgs),
    /// Print one signed token, valid for two minutes, for use elsewhere
    Token(token::TokenArgs),
    /// Keep the books of a live venue, and show them
    Watch(watch::WatchArgs),
}

/// Runs the command with these arguments, the first of which is the name of the program, and
/// returns its exit status: 0 when it is done, 1 when it failed, 2 when the arguments are bad.
///
/// Installs no signal handler: what the system does at Ctrl-C happens.
pub fn run(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> ExitCode {
    run_until(arguments, |_| Ok(()))
}

/// As [`run`], for a program that can be told to stop.
///
/// A command that can end in good order calls `listen` once, when it begins. From then on
/// [`StopHandle::request`] makes it end. One that cannot, such as `replay`, does not call it.
pub fn run_until(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    listen: impl FnOnce(StopHandle) -> io::Result<()>,
) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Where even the standard error is gone, there is nowhere left to say it.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
    };
    let listen: Listen<'_> = Box::new(listen);
    let outcome = match arguments.command {
        Command::Demo(args) => demo::run(&args, listen),
        Command::Record(args) => record::run(&args, listen),
        Command::Replay { file, json } => replay::run(&file, json),
        Command::Sim(args) => sim::run(&args, listen),
        Command::Soak(args) => commands::soak::run(&args, listen),
        Command::Token(args) => token::run(&args),
        Command::Watch(args) => watch::run(&args, listen),
    };
    match outcome {
        Ok(()) | Err(Failure::OutputClosed) => ExitCode::SUCCESS,
        Err(Failure::Message(message)) => {
            warn(&message);
            ExitCode::FAILURE
        }
    }
}

/// Runs a command that waits for the network.
fn run_async(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::new(format!("cannot start the runtime: {error}")))?;
    let outcome = runtime.block_on(command);
    // The look-up of a name cannot be called off, and nobody waits for it any more.
    runtime.shutdown_background();
    outcome
}
