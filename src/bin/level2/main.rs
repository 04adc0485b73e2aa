//! The command `level2`: arguments, and which part carries them out.

mod demo;
mod duration;
mod failure;
mod input;
mod json;
mod json_view;
mod key;
mod lines;
mod live;
mod output;
mod record;
mod replay;
mod rows;
mod screen;
mod sim;
mod soak;
mod stop;
mod summary;
mod text;
mod token;
mod venue;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::{Failure, warn};

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
    Soak(soak::SoakArgs),
    /// Print one signed token, valid for two minutes, for use elsewhere
    Token(token::TokenArgs),
    /// Keep the books of a live venue, and show them
    Watch(watch::WatchArgs),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Demo(args) => demo::run(&args),
        Command::Record(args) => record::run(&args),
        Command::Replay { file, json } => replay::run(&file, json),
        Command::Sim(args) => sim::run(&args),
        Command::Soak(args) => soak::run(&args),
        Command::Token(args) => token::run(&args),
        Command::Watch(args) => watch::run(&args),
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
