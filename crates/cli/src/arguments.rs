//! The arguments of the command line.

use std::fmt::Write as _;

use clap::{Parser, Subcommand};

use crate::commands::demo::DemoArgs;
use crate::commands::record::RecordArgs;
use crate::commands::replay::ReplayArgs;
use crate::commands::sim::SimArgs;
use crate::commands::soak::SoakArgs;
use crate::commands::token::TokenArgs;
use crate::commands::watch::WatchArgs;
use crate::exit::Exit;

/// Exact, sequence-checked level2 order books of Coinbase Advanced Trade.
#[derive(Debug, Parser)]
#[command(name = "level2", version, propagate_version = true, after_help = exit_statuses())]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Keep and check books of a simulated exchange that loses frames
    Demo(DemoArgs),
    /// Write every frame of the venue to a file
    Record(RecordArgs),
    /// Rebuild books from a recording
    Replay(ReplayArgs),
    /// Serve a simulated exchange, or print its frames
    Sim(SimArgs),
    /// Keep books under every kind of fault for hours, and check them
    Soak(SoakArgs),
    /// Print a signed token (JWT) that is valid for two minutes
    Token(TokenArgs),
    /// Keep and show live books of the venue
    Watch(WatchArgs),
}

fn exit_statuses() -> String {
    let mut text = "Exit status:".to_owned();
    for exit in Exit::ALL {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {}  {}", exit.code(), exit.meaning());
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }
}
