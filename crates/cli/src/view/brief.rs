//! The view of a demonstration without a terminal: a few prices, losses and repairs.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use level2::ProductId;
use level2::book::Level;
use level2::session::{Cause, Session, SessionEvent};

use super::View;
use super::rows::{BookRow, Row, name_width, rows};
use crate::failure::Failure;
use crate::format::event::event_text;
use crate::format::text::{FIELD_GAP, counted};
use crate::stdio::print;

/// The time between two prints of all prices: a demonstration of eight seconds has two.
const PERIOD: Duration = Duration::from_secs(3);

/// Prints the BBOs every few seconds, and a line for each group of books that is lost or live.
#[derive(Debug)]
pub(crate) struct BriefView {
    started: Instant,
    /// The products without a live book that had one, and when they lost it.
    lost: BTreeMap<ProductId, Instant>,
    /// What just happened to some products. Further products may follow at once.
    burst: Option<Burst>,
}

/// Products to which the same happened at the same time.
#[derive(Debug)]
struct Burst {
    kind: Kind,
    at: Duration,
    products: Vec<ProductId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The first snapshot came.
    Live,
    Lost(Cause),
    /// Another snapshot came. The duration is that of the longest outage.
    Healed(Duration),
}

impl BriefView {
    /// Prints the title, and below it an introduction.
    pub(crate) fn open(title: &str, intro: &str) -> Result<Self, Failure> {
        print(&format!("{title}\n{intro}\n"))?;
        Ok(Self { started: Instant::now(), lost: BTreeMap::new(), burst: None })
    }

    fn note(&mut self, product: &ProductId, kind: Kind) -> Result<(), Failure> {
        match (&mut self.burst, kind) {
            (Some(Burst { kind: Kind::Healed(longest), products, .. }), Kind::Healed(outage)) => {
                *longest = outage.max(*longest);
                products.push(product.clone());
                return Ok(());
            }
            (Some(burst), kind) if burst.kind == kind => {
                burst.products.push(product.clone());
                return Ok(());
            }
            _ => {}
        }
        self.flush()?;
        let at = self.started.elapsed();
        self.burst = Some(Burst { kind, at, products: vec![product.clone()] });
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        match self.burst.take() {
            Some(burst) => print(&burst.line()),
            None => Ok(()),
        }
    }
}

impl View for BriefView {
    fn period(&self) -> Duration {
        PERIOD
    }

    fn event(&mut self, _: &Session, event: &SessionEvent) -> Result<(), Failure> {
        match event {
            SessionEvent::Lost { product, cause } => {
                self.lost.entry(product.clone()).or_insert_with(Instant::now);
                self.note(product, Kind::Lost(*cause))
            }
            SessionEvent::Requested { .. } => Ok(()),
            SessionEvent::Synced { product, .. } => {
                let lost_at = self.lost.remove(product);
                self.note(product, lost_at.map_or(Kind::Live, |at| Kind::Healed(at.elapsed())))
            }
            SessionEvent::Updated { .. } => self.flush(),
            event => {
                self.flush()?;
                match event_text(event) {
                    Some(text) => print(&format!("{}{text}\n", time(self.started.elapsed()))),
                    None => Ok(()),
                }
            }
        }
    }

    fn tick(&mut self, session: &Session) -> Result<ControlFlow<()>, Failure> {
        self.flush()?;
        print(&price_lines(session, &time(self.started.elapsed())))?;
        Ok(ControlFlow::Continue(()))
    }

    fn finish(&mut self, session: &Session) -> Result<(), Failure> {
        self.flush()?;
        let stats = session.stats();
        let losses = session.products().map(|product| product.stats().losses).sum();
        print(&format!(
            "After {:.1} s: {}, {}; {} lost and {} healed by {}.\n",
            self.started.elapsed().as_secs_f64(),
            counted(stats.frames, "frame"),
            counted(stats.gaps, "gap"),
            counted(losses, "book"),
            stats.resyncs,
            counted(stats.reconnects, "reconnect"),
        ))
    }
}

impl Burst {
    fn line(&self) -> String {
        let names: Vec<&str> = self.products.iter().map(ProductId::as_str).collect();
        let (time, names) = (time(self.at), names.join(", "));
        match self.kind {
            Kind::Live => format!("{time}live: {names}\n"),
            Kind::Lost(cause) => format!("{time}lost: {names} ({cause})\n"),
            Kind::Healed(outage) => {
                format!("{time}healed after {} ms: {names}\n", outage.as_millis())
            }
        }
    }
}

/// Returns a line for each product with its BBO, or with its status if it has none.
fn price_lines(session: &Session, prefix: &str) -> String {
    let rows: Vec<Row<'_>> = rows(session, 1).collect();
    let bbos: Vec<Option<[String; 4]>> =
        rows.iter().map(|row| row.book.as_ref().map(bbo_cells)).collect();
    let width_of = |cell: usize| {
        bbos.iter().flatten().map(|cells| cells[cell].len()).max().unwrap_or_default()
    };
    let [bid_width, bid_size_width, ask_width] = [0, 1, 2].map(width_of);
    let name_width = name_width(session);
    let mut text = String::new();
    for (Row { product, status, .. }, bbo) in rows.iter().zip(bbos) {
        text += &format!("{prefix}{product:<name_width$}{FIELD_GAP}");
        text += &match bbo {
            Some([bid, bid_size, ask, ask_size]) => format!(
                "{bid:>bid_width$} x {bid_size:<bid_size_width$} | {ask:>ask_width$} x {ask_size}\n"
            ),
            None => format!("{status}\n"),
        };
    }
    text
}

/// Returns the price and the size of the best bid, and those of the best ask. Prices keep the scale
/// of their book.
fn bbo_cells(book: &BookRow) -> [String; 4] {
    let texts = |levels: &[Level]| {
        levels.first().map_or_else(
            || ["-".to_owned(), "-".to_owned()],
            |level| [level.price.to_string(), level.size.normalize().to_string()],
        )
    };
    let ([bid, bid_size], [ask, ask_size]) = (texts(&book.bids), texts(&book.asks));
    [bid, bid_size, ask, ask_size]
}

/// Returns the time since the start, as the beginning of a line.
fn time(elapsed: Duration) -> String {
    format!("{:>6.1}s  ", elapsed.as_secs_f64())
}
