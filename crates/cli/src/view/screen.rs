//! The view on a terminal: refreshed in place, and removed at the end.

use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use level2::session::{Session, SessionEvent};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::View;
use super::picture::Picture;
use crate::failure::Failure;
use crate::stdio::print;

/// The time between two drawings.
const PERIOD: Duration = Duration::from_millis(100);

/// The most terminal events that are read before a drawing. The rest wait for the next.
const MAX_EVENTS_PER_TICK: usize = 64;

/// Draws on the alternate screen of a terminal in raw mode.
pub(crate) struct ScreenView {
    /// `None` once it was restored.
    terminal: Option<DefaultTerminal>,
    picture: Picture,
    /// Whether keys can be read. Signals end the command in any case.
    reads_keys: bool,
}

impl ScreenView {
    /// Prints the title, which stays on the main screen, and takes the terminal.
    pub(crate) fn open(title: &str, depth: usize) -> Result<Self, Failure> {
        print(&format!("{title}\n"))?;
        let terminal = ratatui::try_init().map_err(|error| {
            // A part of the initialisation may have been done.
            let _ = ratatui::try_restore();
            Failure::new(format!("cannot draw on the terminal: {error}"))
        })?;
        Ok(Self { terminal: Some(terminal), picture: Picture::new(title, depth), reads_keys: true })
    }

    /// Restores the terminal to the state in which it was found.
    fn restore(&mut self) -> io::Result<()> {
        match self.terminal.take() {
            Some(mut terminal) => {
                // An error of the first step must not prevent the second.
                let shown = terminal.show_cursor();
                let restored = ratatui::try_restore();
                shown.and(restored)
            }
            None => Ok(()),
        }
    }

    /// Returns whether a key was pressed that ends the view.
    fn is_end_requested(&mut self) -> bool {
        for _ in 0..MAX_EVENTS_PER_TICK {
            match next_event() {
                Ok(Some(Event::Key(key))) if ends_the_view(key) => return true,
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => {
                    self.reads_keys = false;
                    break;
                }
            }
        }
        false
    }
}

impl View for ScreenView {
    fn period(&self) -> Duration {
        PERIOD
    }

    fn event(&mut self, _: &Session, event: &SessionEvent) -> Result<(), Failure> {
        self.picture.note(event);
        Ok(())
    }

    fn tick(&mut self, session: &Session) -> Result<ControlFlow<()>, Failure> {
        if self.reads_keys && self.is_end_requested() {
            return Ok(ControlFlow::Break(()));
        }
        if let Some(terminal) = &mut self.terminal {
            let drawn = terminal.draw(|frame| self.picture.draw(frame, session));
            drawn.map_err(|error| Failure::of_output(&error))?;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn finish(&mut self, session: &Session) -> Result<(), Failure> {
        self.restore().map_err(|error| Failure::of_output(&error))?;
        print(&self.picture.closing_lines(session))
    }
}

impl Drop for ScreenView {
    fn drop(&mut self) {
        // There is no remedy for an error here.
        let _ = self.restore();
    }
}

/// Returns the next event of the terminal, if there is one.
fn next_event() -> io::Result<Option<Event>> {
    event::poll(Duration::ZERO)?.then(event::read).transpose()
}

fn ends_the_view(key: KeyEvent) -> bool {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press
        && match key.code {
            KeyCode::Char('c' | 'd') if is_control => true,
            KeyCode::Char('q') | KeyCode::Esc => true,
            _ => false,
        }
}
