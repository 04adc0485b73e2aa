//! Chooses the view for people: the screen on a terminal, plain lines elsewhere.

use std::env;
use std::io::{self, IsTerminal as _};

use super::View;
use super::brief::BriefView;
use super::lines::LinesView;
use super::screen::ScreenView;
use crate::failure::Failure;

/// Returns the view of live books.
pub(crate) fn watch_view(title: &str, depth: usize) -> Result<Box<dyn View>, Failure> {
    if is_on_terminal() {
        Ok(Box::new(ScreenView::open(title, depth)?))
    } else {
        Ok(Box::new(LinesView::open(title, depth)?))
    }
}

/// Returns the view of a demonstration. The `intro` is shown where there is no screen.
pub(crate) fn demo_view(title: &str, intro: &str) -> Result<Box<dyn View>, Failure> {
    if is_on_terminal() {
        Ok(Box::new(ScreenView::open(title, 1)?))
    } else {
        Ok(Box::new(BriefView::open(title, intro)?))
    }
}

/// Returns whether the standard output is a terminal on which the cursor can be moved.
fn is_on_terminal() -> bool {
    let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stdout().is_terminal() && !is_dumb
}
