//! The command `level2` as a library, for the binary and for other programs that offer it.
//!
//! [`run`] is the whole command. The library sets no allocator and no signal handler.

#![forbid(unsafe_code)]

mod arguments;
mod commands;
mod exit;
mod failure;
mod format;
mod options;
mod recording;
mod runtime;
mod soak;
mod stdio;
mod stop;
mod view;

use std::ffi::OsString;
use std::io;

use clap::Parser as _;

use crate::arguments::{Arguments, Command};
use crate::commands::{demo, record, replay, sim, token, watch};
pub use crate::exit::Exit;
use crate::failure::Failure;
use crate::stdio::warn;
use crate::stop::Listen;
pub use crate::stop::StopHandle;

/// Runs the command with these arguments, the first of which is the name of the program.
///
/// Ctrl-C has its usual effect: it ends the process.
pub fn run(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Exit {
    run_until(arguments, |_| Ok(()))
}

/// Runs the command as [`run`] does, and lets the caller stop it.
///
/// A command that can be stopped calls `listen` once, when it begins; [`StopHandle::request`] then
/// ends it. Other commands, such as `replay`, do not call `listen`. If `listen` returns an error,
/// the command fails with it.
pub fn run_until(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    listen: impl FnOnce(StopHandle) -> io::Result<()>,
) -> Exit {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Without a standard error the message has nowhere to go.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done };
        }
    };
    let listen: Listen<'_> = Box::new(listen);
    let outcome = match arguments.command {
        Command::Demo(args) => demo::run(&args, listen),
        Command::Record(args) => record::run(&args, listen),
        Command::Replay(args) => replay::run(&args),
        Command::Sim(args) => sim::run(&args, listen),
        Command::Soak(args) => commands::soak::run(&args, listen),
        Command::Token(args) => token::run(&args),
        Command::Watch(args) => watch::run(&args, listen),
    };
    let (message, exit) = match outcome {
        Ok(()) | Err(Failure::OutputClosed) => return Exit::Done,
        Err(Failure::Failed(message)) => (message, Exit::Failed),
        Err(Failure::Usage(message)) => (message, Exit::Usage),
    };
    warn(&message);
    exit
}
