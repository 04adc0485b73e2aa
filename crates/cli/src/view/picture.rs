//! What the screen shows: a title, the table of products, the counters, and the latest events.

use std::collections::VecDeque;
use std::time::Instant;

use level2::session::{Session, SessionEvent};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Paragraph, Wrap};

use super::rows::{closing_lines, rows};
use super::table::ProductTable;
use crate::format::event::event_text;
use crate::format::summary::counter_fields;
use crate::format::text::join_fields;

/// The most events that are kept: a tall window shows them all.
const MAX_NOTES: usize = 50;

/// The most lines of the counters, which narrow windows wrap.
const MAX_COUNTER_LINES: u16 = 2;

/// The most lines of the title.
const MAX_TITLE_LINES: u16 = 2;

/// Everything that is drawn.
pub(crate) struct Picture {
    title: String,
    depth: usize,
    started: Instant,
    is_connected: bool,
    /// The latest events, newest last.
    notes: VecDeque<String>,
    table: ProductTable,
    /// The width of the window in columns, when it was last drawn.
    width: Option<u16>,
}

impl Picture {
    /// Returns a picture with this title, and with this many levels a side.
    pub(crate) fn new(title: &str, depth: usize) -> Self {
        Self {
            title: title.to_owned(),
            depth,
            started: Instant::now(),
            is_connected: false,
            notes: VecDeque::new(),
            table: ProductTable::default(),
            width: None,
        }
    }

    /// Takes an event for the next drawing.
    pub(crate) fn note(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::Connected => self.is_connected = true,
            SessionEvent::Disconnected { .. } => self.is_connected = false,
            _ => {}
        }
        if let Some(text) = event_text(event) {
            if self.notes.len() >= MAX_NOTES {
                self.notes.pop_front();
            }
            self.notes.push_back(format!("{:>7.1}s  {text}", self.started.elapsed().as_secs_f64()));
        }
    }

    /// Draws the present state of a session.
    pub(crate) fn draw(&mut self, frame: &mut Frame<'_>, session: &Session) {
        let mut rest = frame.area();
        self.width = Some(rest.width);
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let title = Paragraph::new(self.title.as_str()).style(bold).wrap(Wrap { trim: true });
        let title_lines = title_lines(&self.title, rest.width);
        frame.render_widget(title, cut(&mut rest, title_lines));
        let hint_area = cut(&mut rest, 1);
        cut(&mut rest, 1);

        self.table.fill(rows(session, self.depth));
        // In a low window the counters matter more than the last of many products.
        let room = rest.height.saturating_sub(1 + MAX_COUNTER_LINES);
        let hint = match self.table.height().saturating_sub(room) {
            0 => "q or Ctrl-C: quit".to_owned(),
            hidden => format!("q or Ctrl-C: quit  ({hidden} more lines need a taller window)"),
        };
        frame.render_widget(Paragraph::new(hint).style(dim()), hint_area);
        let table_area = cut(&mut rest, self.table.height().min(room));
        self.table.draw(frame, table_area);
        cut(&mut rest, 1);

        let connection = if self.is_connected { "connected" } else { "not connected" };
        let mut fields = vec![connection.to_owned()];
        fields.extend(counter_fields(session.stats()));
        let counters = join_fields(&fields, rest.width.into());
        frame.render_widget(Paragraph::new(counters), cut(&mut rest, MAX_COUNTER_LINES));
        cut(&mut rest, 1);

        let skipped = self.notes.len().saturating_sub(usize::from(rest.height));
        let notes = self.notes.iter().skip(skipped).map(|note| Line::from(note.as_str()));
        frame.render_widget(Paragraph::new(Text::from_iter(notes)).style(dim()), rest);
    }

    /// Returns the final state as lines of text, wrapped to the width of the window.
    pub(crate) fn closing_lines(&self, session: &Session) -> String {
        let width = self.width.map_or(usize::MAX, usize::from);
        let elapsed = self.started.elapsed().as_secs_f64();
        format!("After {elapsed:.1} s:\n{}", closing_lines(session, self.depth, width))
    }
}

/// Cuts lines off the top of an area, at most as many as it has.
fn cut(area: &mut Rect, lines: u16) -> Rect {
    let height = lines.min(area.height);
    let top = Rect { height, ..*area };
    area.y += height;
    area.height -= height;
    top
}

fn title_lines(title: &str, width: u16) -> u16 {
    if title.chars().count() <= width.into() { 1 } else { MAX_TITLE_LINES }
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_cut_beyond_the_area() {
        let mut area = Rect::new(0, 0, 10, 3);
        assert_eq!(cut(&mut area, 2), Rect::new(0, 0, 10, 2));
        assert_eq!(cut(&mut area, 2), Rect::new(0, 2, 10, 1));
        assert_eq!(cut(&mut area, 2), Rect::new(0, 3, 10, 0));
        assert_eq!(area, Rect::new(0, 3, 10, 0));
    }
}
