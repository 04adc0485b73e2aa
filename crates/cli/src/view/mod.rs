//! Views show what a feed does: on a terminal, as plain lines, or as JSON.

pub(crate) mod brief;
pub(crate) mod checked;
pub(crate) mod choice;
pub(crate) mod json;
pub(crate) mod lines;
pub(crate) mod picture;
pub(crate) mod rows;
pub(crate) mod screen;
pub(crate) mod show;
pub(crate) mod table;

use std::ops::ControlFlow;
use std::time::Duration;

use level2::session::{Session, SessionEvent};

use crate::failure::Failure;

/// Shows a session.
pub(crate) trait View {
    /// Returns the time between two calls of [`tick`](Self::tick).
    fn period(&self) -> Duration;

    /// Shows an event.
    fn event(&mut self, session: &Session, event: &SessionEvent) -> Result<(), Failure>;

    /// Shows the present state. Returns a break if the user wants to end the command.
    fn tick(&mut self, session: &Session) -> Result<ControlFlow<()>, Failure>;

    /// Shows the final state.
    fn finish(&mut self, session: &Session) -> Result<(), Failure>;
}
