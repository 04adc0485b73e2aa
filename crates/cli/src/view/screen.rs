//! The view on a terminal: refreshed in place, and gone without a trace at the end.

use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use level2::book::Level;
use level2::session::{Session, SessionEvent, Status};
use ratatui::crossterm::event::{self, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Alignment, Constraint, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Cell, Paragraph, Row as TableRow, Table, Wrap};
use ratatui::{DefaultTerminal, Frame};

use crate::failure::{Failure, print};
use crate::format::summary::counters_line;
use crate::format::text::event_text;
use crate::view::rows::{BookRow, Row, closing_lines, rows};
use crate::view::show::View;

/// How often the screen is drawn: often enough for eyes.
const PERIOD: Duration = Duration::from_millis(100);

/// How many notes on what happened are kept. A tall window shows them all.
const MAX_NOTES: usize = 50;

/// How many keys are looked at before each drawing; the rest wait for the next.
const MAX_KEYS_PER_TICK: usize = 64;

/// How many lines the counters take at most; narrow windows wrap them.
const COUNTER_LINES: u16 = 2;

/// The most and the least blanks between two columns.
const SPACINGS: [u16; 2] = [2, 1];

const COLUMN_COUNT: usize = 10;

/// The columns: their titles, and which are left out first where they do not all fit. The ones
/// with 0 stay.
const COLUMNS: [(&str, u8); COLUMN_COUNT] = [
    ("product", 0),
    ("status", 0),
    ("bid size", 5),
    ("bid", 0),
    ("ask", 0),
    ("ask size", 5),
    ("spread", 1),
    ("levels", 4),
    ("gaps", 2),
    ("resyncs", 3),
];

/// The places of the columns that text reads better in when it is not aligned to the right.
const TEXT_COLUMNS: [usize; 2] = [0, 1];
const STATUS_COLUMN: usize = 1;

/// The terminal, in raw mode and on its other screen.
pub(crate) struct ScreenView {
    /// `None` once it was restored.
    terminal: Option<DefaultTerminal>,
    picture: Picture,
    /// Whether keys can be read. Signals end the command all the same.
    reads_keys: bool,
}

impl ScreenView {
    /// Prints the title, which stays, and takes the terminal.
    pub(crate) fn open(title: &str, depth: usize) -> Result<Self, Failure> {
        print(&format!("{title}\n"))?;
        let terminal = ratatui::try_init().map_err(|error| {
            // It may have come half way.
            let _ = ratatui::try_restore();
            Failure::new(format!("cannot draw on the terminal: {error}"))
        })?;
        let picture = Picture {
            title: title.to_owned(),
            depth,
            started: Instant::now(),
            is_connected: false,
            notes: VecDeque::new(),
            widths: COLUMNS.map(|(title, _)| width_of(title)),
        };
        Ok(Self { terminal: Some(terminal), picture, reads_keys: true })
    }

    /// Gives the terminal back as it was found.
    fn restore(&mut self) -> io::Result<()> {
        match self.terminal.take() {
            Some(mut terminal) => {
                // Whatever comes of the one, the other must be tried.
                let shown = terminal.show_cursor();
                let restored = ratatui::try_restore();
                shown.and(restored)
            }
            None => Ok(()),
        }
    }

    /// Returns whether a key was pressed that ends the view.
    fn is_end_wanted(&mut self) -> bool {
        for _ in 0..MAX_KEYS_PER_TICK {
            match event::poll(Duration::ZERO)
                .and_then(|is_there| is_there.then(event::read).transpose())
            {
                Ok(Some(event::Event::Key(key))) if key.kind == KeyEventKind::Press => {
                    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
                    match key.code {
                        KeyCode::Char('c' | 'd') if is_control => return true,
                        KeyCode::Char('q') | KeyCode::Esc => return true,
                        _ => {}
                    }
                }
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
        if self.reads_keys && self.is_end_wanted() {
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
        print(&format!(
            "After {:.1} s:\n{}",
            self.picture.started.elapsed().as_secs_f64(),
            closing_lines(session, self.picture.depth)
        ))
    }
}

impl Drop for ScreenView {
    fn drop(&mut self) {
        // Nothing can be done for a terminal that takes no more.
        let _ = self.restore();
    }
}

/// What is drawn, but the terminal.
struct Picture {
    title: String,
    depth: usize,
    started: Instant,
    is_connected: bool,
    /// What happened lately, newest last.
    notes: VecDeque<String>,
    /// The widest that each column has been. They only grow, so that columns do not jump about.
    widths: [u16; COLUMN_COUNT],
}

impl Picture {
    fn note(&mut self, event: &SessionEvent) {
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

    fn draw(&mut self, frame: &mut Frame<'_>, session: &Session) {
        let mut rest = frame.area();
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let title = Paragraph::new(self.title.as_str()).style(bold).wrap(Wrap { trim: true });
        let title_lines = lines_of(&self.title, rest.width);
        frame.render_widget(title, cut(&mut rest, title_lines));
        let hint_area = cut(&mut rest, 1);
        cut(&mut rest, 1);

        let lines: Vec<_> = rows(session, self.depth).flat_map(|row| cells(&row)).collect();
        let needed = height_of(lines.len()).saturating_add(1);
        // The counters below matter more than the last of many products.
        let room = rest.height.saturating_sub(1 + COUNTER_LINES);
        let hint = match needed.saturating_sub(room) {
            0 => "q or Ctrl-C ends it".to_owned(),
            hidden => format!("{hidden} more need a taller window; q or Ctrl-C ends it"),
        };
        frame.render_widget(Paragraph::new(hint).style(dim()), hint_area);
        let area = cut(&mut rest, needed.min(room));
        self.draw_table(frame, area, lines);
        cut(&mut rest, 1);

        let link = if self.is_connected { "connected" } else { "not connected" };
        let counters = format!("{link}  {}", counters_line(session.stats()));
        let counters = Paragraph::new(counters).wrap(Wrap { trim: true });
        frame.render_widget(counters, cut(&mut rest, COUNTER_LINES));
        cut(&mut rest, 1);

        let skipped = self.notes.len().saturating_sub(usize::from(rest.height));
        let notes = self.notes.iter().skip(skipped).map(|note| Line::from(note.as_str()));
        frame.render_widget(Paragraph::new(Text::from_iter(notes)).style(dim()), rest);
    }

    fn draw_table(&mut self, frame: &mut Frame<'_>, area: Rect, lines: Vec<TableLine>) {
        for line in &lines {
            for (width, cell) in self.widths.iter_mut().zip(&line.cells) {
                *width = width_of(cell).max(*width);
            }
        }
        let (columns, spacing) = fitting(&self.widths, area.width);
        let header = columns.iter().map(|&column| cell(column, COLUMNS[column].0));
        let header = TableRow::new(header).style(dim());
        let table_rows = lines.iter().map(|line| {
            TableRow::new(columns.iter().map(|&column| {
                let cell = cell(column, &line.cells[column]);
                if column == STATUS_COLUMN { cell.style(line.status_style) } else { cell }
            }))
        });
        let widths = columns.iter().map(|&column| Constraint::Length(self.widths[column]));
        let table = Table::new(table_rows, widths).header(header).column_spacing(spacing);
        frame.render_widget(table, area);
    }
}

/// A line of the table.
struct TableLine {
    cells: [String; COLUMN_COUNT],
    status_style: Style,
}

/// Returns the lines for a product: its best bid and ask, then its further levels.
fn cells(row: &Row<'_>) -> Vec<TableLine> {
    let color = match row.status {
        Status::Live => Color::Green,
        Status::Syncing => Color::Yellow,
        Status::Lost(_) => Color::Red,
    };
    let status_style = Style::new().fg(color);
    let count = row.book.as_ref().map_or(0, |book| book.bids.len().max(book.asks.len())).max(1);
    let line = |rank| {
        let mut cells: [String; COLUMN_COUNT] = std::array::from_fn(|_| String::new());
        if let Some(book) = &row.book {
            fill_levels(&mut cells, book, rank);
        }
        if rank == 0 {
            cells[0] = row.product.to_string();
            cells[STATUS_COLUMN] = row.status.to_string();
            cells[8] = row.gaps.to_string();
            cells[9] = row.resyncs.to_string();
        }
        TableLine { cells, status_style }
    };
    (0..count).map(line).collect()
}

/// Fills in a level of each side. Prices keep the scale of their book, so that their points stand
/// below each other.
fn fill_levels(cells: &mut [String; COLUMN_COUNT], book: &BookRow, rank: usize) {
    if let Some(Level { price, size }) = book.bids.get(rank) {
        cells[2] = size.normalize().to_string();
        cells[3] = price.to_string();
    }
    if let Some(Level { price, size }) = book.asks.get(rank) {
        cells[4] = price.to_string();
        cells[5] = size.normalize().to_string();
    }
    if rank == 0 {
        let (bids, asks) = book.level_counts;
        cells[6] = book.spread.map(|spread| spread.to_string()).unwrap_or_default();
        cells[7] = format!("{bids}/{asks}");
    }
}

fn cell(column: usize, text: &str) -> Cell<'_> {
    let is_text = TEXT_COLUMNS.contains(&column);
    let alignment = if is_text { Alignment::Left } else { Alignment::Right };
    Cell::from(Line::from(text).alignment(alignment))
}

/// Returns which columns to draw in this width, and how many blanks between them.
fn fitting(widths: &[u16; COLUMN_COUNT], available: u16) -> (Vec<usize>, u16) {
    let dropped_first = COLUMNS.iter().map(|(_, priority)| *priority).max().unwrap_or_default();
    for dropped_from in (1..=dropped_first + 1).rev() {
        let columns: Vec<usize> =
            (0..COLUMN_COUNT).filter(|&column| COLUMNS[column].1 < dropped_from).collect();
        let text: usize = columns.iter().map(|&column| usize::from(widths[column])).sum();
        for spacing in SPACINGS {
            let blanks = usize::from(spacing) * columns.len().saturating_sub(1);
            if text + blanks <= usize::from(available) {
                return (columns, spacing);
            }
        }
    }
    let columns = (0..COLUMN_COUNT).filter(|&column| COLUMNS[column].1 == 0).collect();
    (columns, 1)
}

/// Takes lines off the top of an area, as many of them as it has.
fn cut(area: &mut Rect, lines: u16) -> Rect {
    let height = lines.min(area.height);
    let top = Rect { height, ..*area };
    area.y += height;
    area.height -= height;
    top
}

/// Returns how many lines a title gets: two at most, since what lies below matters more.
fn lines_of(text: &str, width: u16) -> u16 {
    if width_of(text) <= width { 1 } else { 2 }
}

fn width_of(text: &str) -> u16 {
    u16::try_from(text.chars().count()).unwrap_or(u16::MAX)
}

fn height_of(lines: usize) -> u16 {
    u16::try_from(lines).unwrap_or(u16::MAX)
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_least_is_left_out_first() {
        let widths = [7, 11, 10, 8, 8, 10, 6, 9, 4, 7];
        let all: u16 = widths.iter().sum();
        assert_eq!(fitting(&widths, all + 18), ((0..10).collect(), 2));
        assert_eq!(fitting(&widths, all + 17), ((0..10).collect(), 1));
        assert_eq!(fitting(&widths, all + 8), (vec![0, 1, 3, 4, 6, 7, 8, 9], 2));
        for narrow in [0, 1, 37] {
            assert_eq!(fitting(&widths, narrow), (vec![0, 1, 3, 4], 1));
        }
    }

    #[test]
    fn nothing_is_cut_beyond_the_area() {
        let mut area = Rect::new(0, 0, 10, 3);
        assert_eq!(cut(&mut area, 2), Rect::new(0, 0, 10, 2));
        assert_eq!(cut(&mut area, 2), Rect::new(0, 2, 10, 1));
        assert_eq!(cut(&mut area, 2), Rect::new(0, 3, 10, 0));
        assert_eq!(area, Rect::new(0, 3, 10, 0));
    }
}
