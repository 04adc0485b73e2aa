//! The table of products on the screen, with as many columns as the window has room for.

use level2::book::Level;
use level2::session::Status;
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Cell, Row as TableRow, Table};

use super::rows::{BookRow, Row};

/// The most and the least blanks between two columns.
const SPACINGS: [u16; 2] = [2, 1];

const COLUMN_COUNT: usize = 10;

/// One text for each column.
type Cells = [String; COLUMN_COUNT];

/// The table of products.
#[derive(Debug)]
pub(crate) struct ProductTable {
    lines: Vec<TableLine>,
    /// The largest width of each column so far. They only grow, so that columns do not move.
    widths: [u16; COLUMN_COUNT],
}

#[derive(Debug)]
struct TableLine {
    cells: Cells,
    status_style: Style,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Product,
    Status,
    BidSize,
    Bid,
    Ask,
    AskSize,
    Spread,
    Levels,
    Gaps,
    Resyncs,
}

impl ProductTable {
    /// Replaces the lines: for each product its BBO, and below it its further levels.
    pub(crate) fn fill<'a>(&mut self, rows: impl Iterator<Item = Row<'a>>) {
        self.lines.clear();
        for row in rows {
            self.lines.extend(table_lines(&row));
        }
        for line in &self.lines {
            for (width, cell) in self.widths.iter_mut().zip(&line.cells) {
                *width = width_of(cell).max(*width);
            }
        }
    }

    /// Returns the number of lines, with the header.
    pub(crate) fn height(&self) -> u16 {
        u16::try_from(self.lines.len()).unwrap_or(u16::MAX).saturating_add(1)
    }

    /// Draws the lines for which the area has room.
    pub(crate) fn draw(&self, frame: &mut Frame<'_>, area: Rect) {
        let (columns, spacing) = fitting(&self.widths, area.width);
        let header = columns.iter().map(|column| column.cell(column.title()));
        let header = TableRow::new(header).style(Style::new().add_modifier(Modifier::DIM));
        let rows = self.lines.iter().map(|line| {
            TableRow::new(columns.iter().map(|column| {
                let cell = column.cell(&line.cells[column.index()]);
                if *column == Column::Status { cell.style(line.status_style) } else { cell }
            }))
        });
        let widths = columns.iter().map(|column| Constraint::Length(self.widths[column.index()]));
        let table = Table::new(rows, widths).header(header).column_spacing(spacing);
        frame.render_widget(table, area);
    }
}

impl Default for ProductTable {
    fn default() -> Self {
        Self { lines: Vec::new(), widths: Column::ALL.map(|column| width_of(column.title())) }
    }
}

impl Column {
    /// All columns, from left to right.
    const ALL: [Self; COLUMN_COUNT] = [
        Self::Product,
        Self::Status,
        Self::BidSize,
        Self::Bid,
        Self::Ask,
        Self::AskSize,
        Self::Spread,
        Self::Levels,
        Self::Gaps,
        Self::Resyncs,
    ];

    const fn title(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Status => "status",
            Self::BidSize => "bid size",
            Self::Bid => "bid",
            Self::Ask => "ask",
            Self::AskSize => "ask size",
            Self::Spread => "spread",
            Self::Levels => "levels",
            Self::Gaps => "gaps",
            Self::Resyncs => "resyncs",
        }
    }

    /// Returns how early the column is left out of a narrow window: the highest first, 0 never.
    const fn drop_rank(self) -> u8 {
        match self {
            Self::Product | Self::Status | Self::Bid | Self::Ask => 0,
            Self::BidSize | Self::AskSize => 1,
            Self::Spread => 2,
            Self::Gaps => 3,
            Self::Resyncs => 4,
            Self::Levels => 5,
        }
    }

    const fn index(self) -> usize {
        self as usize
    }

    fn cell(self, text: &str) -> Cell<'_> {
        let alignment = match self {
            Self::Product | Self::Status => Alignment::Left,
            _ => Alignment::Right,
        };
        Cell::from(Line::from(text).alignment(alignment))
    }
}

/// Returns the lines of a product.
fn table_lines(row: &Row<'_>) -> impl Iterator<Item = TableLine> {
    let color = match row.status {
        Status::Live => Color::Green,
        Status::Syncing => Color::Yellow,
        Status::Lost(_) => Color::Red,
    };
    let status_style = Style::new().fg(color);
    let count = row.book.as_ref().map_or(0, |book| book.bids.len().max(book.asks.len())).max(1);
    (0..count).map(move |rank| {
        let mut cells = Cells::default();
        if let Some(book) = &row.book {
            fill_levels(&mut cells, book, rank);
        }
        if rank == 0 {
            cells[Column::Product.index()] = row.product.to_string();
            cells[Column::Status.index()] = row.status.to_string();
            cells[Column::Gaps.index()] = row.gaps.to_string();
            cells[Column::Resyncs.index()] = row.resyncs.to_string();
        }
        TableLine { cells, status_style }
    })
}

/// Fills in a level of each side. Prices keep the scale of their book, so that their decimal points
/// are aligned.
fn fill_levels(cells: &mut Cells, book: &BookRow, rank: usize) {
    if let Some(Level { price, size }) = book.bids.get(rank) {
        cells[Column::BidSize.index()] = size.normalize().to_string();
        cells[Column::Bid.index()] = price.to_string();
    }
    if let Some(Level { price, size }) = book.asks.get(rank) {
        cells[Column::Ask.index()] = price.to_string();
        cells[Column::AskSize.index()] = size.normalize().to_string();
    }
    if rank == 0 {
        let (bids, asks) = book.level_counts;
        cells[Column::Spread.index()] =
            book.spread.map(|spread| spread.to_string()).unwrap_or_default();
        cells[Column::Levels.index()] = format!("{bids}/{asks}");
    }
}

/// Returns the columns that fit this width, and the number of blanks between them.
fn fitting(widths: &[u16; COLUMN_COUNT], available: u16) -> (Vec<Column>, u16) {
    let columns_up_to = |rank: u8| -> Vec<Column> {
        Column::ALL.into_iter().filter(|column| column.drop_rank() <= rank).collect()
    };
    let max_rank = Column::ALL.into_iter().map(Column::drop_rank).max().unwrap_or_default();
    for rank in (0..=max_rank).rev() {
        let columns = columns_up_to(rank);
        let text: usize = columns.iter().map(|column| usize::from(widths[column.index()])).sum();
        for spacing in SPACINGS {
            let blanks = usize::from(spacing) * columns.len().saturating_sub(1);
            if text + blanks <= usize::from(available) {
                return (columns, spacing);
            }
        }
    }
    (columns_up_to(0), 1)
}

fn width_of(text: &str) -> u16 {
    u16::try_from(text.chars().count()).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::Column::*;
    use super::*;

    #[test]
    fn each_column_is_at_its_own_index() {
        assert!(Column::ALL.into_iter().map(Column::index).eq(0..COLUMN_COUNT));
    }

    #[test]
    fn what_matters_least_is_left_out_first() {
        let widths = [7, 11, 10, 8, 8, 10, 6, 9, 4, 7];
        let all: u16 = widths.iter().sum();
        assert_eq!(fitting(&widths, all + 18), (Column::ALL.to_vec(), 2));
        assert_eq!(fitting(&widths, all + 17), (Column::ALL.to_vec(), 1));
        let without_levels =
            vec![Product, Status, BidSize, Bid, Ask, AskSize, Spread, Gaps, Resyncs];
        assert_eq!(fitting(&widths, all + 8), (without_levels, 2));
        for narrow in [0, 1, 37] {
            assert_eq!(fitting(&widths, narrow), (vec![Product, Status, Bid, Ask], 1));
        }
    }

    /// Prices of six digits and sizes of nine decimals: more than most markets have.
    #[test]
    fn prices_and_sizes_fit_a_window_of_80_columns() {
        let widths = [8, 10, 15, 10, 10, 15, 6, 11, 4, 7];
        let (columns, _) = fitting(&widths, 80);
        for column in [BidSize, Bid, Ask, AskSize] {
            assert!(columns.contains(&column), "{columns:?}");
        }
    }
}
