//! The view as plain lines: for files, pipes and logs.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use level2::session::{Session, SessionEvent};

use crate::failure::{Failure, print};
use crate::format::text::event_text;
use crate::view::rows::{closing_lines, row_lines};
use crate::view::show::View;

/// How often every product gets a line.
const PERIOD: Duration = Duration::from_secs(1);

/// Prints a line for each change of status, and one a second for each product.
#[derive(Debug)]
pub(crate) struct LinesView {
    started: Instant,
    depth: usize,
}

impl LinesView {
    /// Prints the title and begins.
    pub(crate) fn open(title: &str, depth: usize) -> Result<Self, Failure> {
        print(&format!("{title}\n"))?;
        Ok(Self { started: Instant::now(), depth })
    }

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
        print(&row_lines(session, self.depth, &self.time()))?;
        Ok(ControlFlow::Continue(()))
    }

    fn finish(&mut self, session: &Session) -> Result<(), Failure> {
        print(&format!(
            "After {:.1} s:\n{}",
            self.started.elapsed().as_secs_f64(),
            closing_lines(session, self.depth)
        ))
    }
}
