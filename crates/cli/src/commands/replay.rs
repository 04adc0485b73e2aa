//! `level2 replay`: rebuilds books from a recording.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use level2::book::Level;
use level2::session::{Input, Output, Session, SessionConfig, SessionEvent};

use crate::failure::Failure;
use crate::format::json;
use crate::format::summary::{Summary, counter_fields, summaries};
use crate::format::text::{FIELD_GAP, counted, level_text, printable};
use crate::recording::reader::LineReader;
use crate::stdio::{print, warn};

/// The columns of the table.
const HEADER: [&str; 8] =
    ["product", "status", "sequence", "bids", "asks", "best bid", "best ask", "checksum"];

/// How many columns at the left hold words. The others hold numbers.
const TEXT_COLUMNS: usize = 2;

/// The arguments of `level2 replay`.
#[derive(Args, Debug)]
pub(crate) struct ReplayArgs {
    /// Recording with one frame a line, plain, gzip or zstd; - is the standard input
    file: PathBuf,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

/// Replays a recording and prints the books at its end.
pub(crate) fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let mut lines = LineReader::open(&args.file)?;
    // Recordings hold no times of receipt. All frames arrive at one moment, at which no timer of
    // the session is due.
    let now = Instant::now();
    let mut session = Session::new(SessionConfig::recording(), now);
    open(&mut session, now);
    while let Some((number, frame)) = lines.next()? {
        session.handle(now, Input::Message(frame));
        report_problems(&mut session, now, number);
    }
    print(&if args.json { json_result(&session) } else { table_result(&session) })?;
    let stats = session.stats();
    if stats.unreadable == stats.frames {
        return Err(Failure::usage(format!(
            "{} has no readable frame in {}: expected one frame of the venue a line",
            lines.name(),
            counted(stats.frames, "line")
        )));
    }
    Ok(())
}

/// Connects the session.
fn open(session: &mut Session, now: Instant) {
    while !matches!(session.poll(now), Output::Connect | Output::Wait(_)) {}
    session.handle(now, Input::Opened);
}

/// Reports what could not be read in the line that the session handled last.
fn report_problems(session: &mut Session, now: Instant, number: u64) {
    // The session bounds its events, and has no requests to send.
    loop {
        match session.poll(now) {
            Output::Event(event) => {
                if let Some(problem) = problem(&event) {
                    warn(&format!("line {number}: {}", printable(&problem)));
                }
            }
            Output::Wait(_) => return,
            _ => {}
        }
    }
}

fn problem(event: &SessionEvent) -> Option<String> {
    match event {
        SessionEvent::LevelRejected { product, error } => Some(format!("{product}: {error}")),
        SessionEvent::Missed { count } => {
            Some(format!("{count} more events of this line are not shown"))
        }
        SessionEvent::Undecodable { product: None, error } => Some(error.to_string()),
        SessionEvent::Undecodable { product: Some(product), error } => {
            Some(format!("{product}: {error}"))
        }
        _ => None,
    }
}

fn json_result(session: &Session) -> String {
    let products: String = summaries(session).map(|summary| json::summary_line(&summary)).collect();
    products + &json::stats_line(session.stats())
}

fn table_result(session: &Session) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(HEADER);
    for summary in summaries(session) {
        table.add_row(row(&summary));
    }
    for column in table.column_iter_mut().skip(TEXT_COLUMNS) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{}\n\n{}\n", table.trim_fmt(), counter_fields(session.stats()).join(FIELD_GAP))
}

fn row(summary: &Summary<'_>) -> [String; HEADER.len()] {
    let [product, status] = [summary.product.to_string(), summary.status.to_string()];
    let level = |level: Option<Level>| level.map_or_else(|| "-".to_owned(), level_text);
    let Some(book) = &summary.book else {
        let [none, count] = ["-", "0"].map(str::to_owned);
        let [bid, ask, checksum] = [none.clone(), none.clone(), none.clone()];
        return [product, status, none, count.clone(), count, bid, ask, checksum];
    };
    [
        product,
        status,
        book.sequence.to_string(),
        book.bids.to_string(),
        book.asks.to_string(),
        level(book.best_bid),
        level(book.best_ask),
        format!("{:08x}", book.checksum),
    ]
}
