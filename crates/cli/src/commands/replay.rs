//! `level2 replay`: rebuilds books from a recording.

use std::path::Path;
use std::time::Instant;

use comfy_table::{CellAlignment, Table, presets};
use level2::book::Level;
use level2::session::{Input, Output, Session, SessionConfig, SessionEvent};

use crate::failure::{Failure, print, warn};
use crate::format::json;
use crate::format::summary::{Summary, counters_line, summaries};
use crate::format::text::{level_text, printable};
use crate::recording::reader::Lines;

/// Replays a recording and prints what came of it.
pub(crate) fn run(path: &Path, is_json: bool) -> Result<(), Failure> {
    let mut lines = Lines::open(path)?;
    // A recording holds no times of arrival, so all of it arrives at one moment, and no timer of
    // the session ever strikes.
    let now = Instant::now();
    let mut session = Session::new(SessionConfig::recording(), now);
    open(&mut session, now);
    while let Some((number, frame)) = lines.next()? {
        session.handle(now, Input::Message(frame));
        report(&mut session, now, number);
    }
    print(&if is_json { json_result(&session) } else { table_result(&session) })
}

/// Tells the session that it is connected.
fn open(session: &mut Session, now: Instant) {
    while !matches!(session.poll(now), Output::Connect | Output::Wait(_)) {}
    session.handle(now, Input::Opened);
}

/// Reports whatever could not be read in the line that was handed in last.
fn report(session: &mut Session, now: Instant, number: u64) {
    // The session bounds its events, and nothing else comes out of one that asks for nothing.
    loop {
        match session.poll(now) {
            Output::Event(event) => {
                if let Some(complaint) = complaint(&event) {
                    warn(&format!("line {number}: {}", printable(&complaint)));
                }
            }
            Output::Wait(_) => return,
            _ => {}
        }
    }
}

fn complaint(event: &SessionEvent) -> Option<String> {
    match event {
        SessionEvent::Undecodable { product: None, error } => Some(error.to_string()),
        SessionEvent::Undecodable { product: Some(product), error } => {
            Some(format!("{product}: {error}"))
        }
        SessionEvent::LevelRejected { product, error } => Some(format!("{product}: {error}")),
        SessionEvent::Missed { count } => {
            Some(format!("{count} more events of this line are not shown"))
        }
        _ => None,
    }
}

fn json_result(session: &Session) -> String {
    let products: String = summaries(session).map(|summary| json::summary_line(&summary)).collect();
    products + &json::stats_line(session.stats())
}

fn table_result(session: &Session) -> String {
    const HEADER: [&str; 8] =
        ["product", "status", "sequence", "bids", "asks", "best bid", "best ask", "checksum"];
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(HEADER);
    for summary in summaries(session) {
        table.add_row(row(&summary));
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{}\n\n{}\n", table.trim_fmt(), counters_line(session.stats()))
}

fn row(summary: &Summary<'_>) -> [String; 8] {
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
