//! The view as plain lines, for files, pipes and logs.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use level2::session::{Session, SessionEvent};

use super::View;
use super::rows::{closing_lines, row_lines};
use crate::failure::Failure;
use crate::format::event::event_text;
use crate::stdio::print;

/// The time between two lines of a product.
const PERIOD: Duration = Duration::from_secs(1);

/// Lines in a file or a log are never wrapped.
const WIDTH: usize = usize::MAX;

/// Prints a line for each change of status, and one a second for each product.
#[derive(Debug)]
pub(crate) struct LinesView {
    started: Instant,
    depth: usize,
}

impl LinesView {
    /// Prints the title.
    pub(crate) fn open(title: &str, depth: usize) -> Result<Self, Failure> {
        print(&format!("{title}\n"))?;
        Ok(Self { started: Instant::now(), depth })
    }

    /// Returns the time since the start, as the beginning of a line.
    fn time(&self) -> String {
        format!("{:>7.1}s  ", self.started.elapsed().as_secs_f64())
    }
}

impl View for LinesView {
    fn period(&self) -> Duration {
        PERIOD
    }

    fn event(&mut self, _: &Session, event: &SessionEvent) -> Result<(), Failure> {
        match event_text(event) {
            Some(text) => print(&format!("{}{text}\n", self.time())),
            None => Ok(()),
        }
    }

    fn tick(&mut self, session: &Session) -> Result<ControlFlow<()>, Failure> {
        print(&row_lines(session, self.depth, &self.time(), WIDTH))?;
        Ok(ControlFlow::Continue(()))
    }

    fn finish(&mut self, session: &Session) -> Result<(), Failure> {
        print(&format!(
            "After {:.1} s:\n{}",
            self.started.elapsed().as_secs_f64(),
            closing_lines(session, self.depth, WIDTH)
        ))
    }
}
