//! The lines of `--json`: one object a line, keys in a fixed order, decimals as exact strings.
//!
//! The lines hold product names, fixed words and digits. None of them needs escaping: a
//! [`ProductId`] cannot hold a character that does.

use level2::ProductId;
use level2::bbo::Bbo;
use level2::book::Level;
use level2::session::{Stats, Status};

use super::summary::{BookSummary, Summary, counters};

/// Returns the line for a change of a product's status.
pub(crate) fn status_line(product: &ProductId, status: Status) -> String {
    format!("{{\"type\":\"status\",\"product_id\":\"{product}\",{}}}\n", status_keys(status))
}

/// Returns the line for a change of a product's BBO.
pub(crate) fn bbo_line(product: &ProductId, bbo: &Bbo) -> String {
    let (bid, ask) = (level(bbo.bid), level(bbo.ask));
    format!(
        "{{\"type\":\"bbo\",\"product_id\":\"{product}\",\"sequence\":{},\"bid\":{bid},\
         \"ask\":{ask}}}\n",
        bbo.sequence
    )
}

/// Returns the line for the state of a product at the end.
pub(crate) fn summary_line(summary: &Summary<'_>) -> String {
    let Summary { product, status, book } = summary;
    let book = book.as_ref().map_or_else(
        || {
            "\"sequence\":null,\"bids\":0,\"asks\":0,\"best_bid\":null,\"best_ask\":null,\
             \"checksum\":null"
                .to_owned()
        },
        book_keys,
    );
    let status = status_keys(*status);
    format!("{{\"type\":\"summary\",\"product_id\":\"{product}\",{status},{book}}}\n")
}

/// Returns the line for the counters.
pub(crate) fn stats_line(stats: &Stats) -> String {
    let keys = counters(stats).map(|(name, count)| format!("\"{name}\":{count}"));
    format!("{{\"type\":\"stats\",{}}}\n", keys.join(","))
}

fn status_keys(status: Status) -> String {
    match status {
        Status::Syncing => "\"status\":\"syncing\"".to_owned(),
        Status::Live => "\"status\":\"live\"".to_owned(),
        Status::Lost(cause) => format!("\"status\":\"lost\",\"cause\":\"{cause}\""),
    }
}

fn book_keys(book: &BookSummary) -> String {
    let BookSummary { sequence, bids, asks, best_bid, best_ask, checksum } = book;
    format!(
        "\"sequence\":{sequence},\"bids\":{bids},\"asks\":{asks},\"best_bid\":{},\
         \"best_ask\":{},\"checksum\":\"{checksum:08x}\"",
        level(*best_bid),
        level(*best_ask)
    )
}

fn level(level: Option<Level>) -> String {
    level.map_or_else(
        || "null".to_owned(),
        |Level { price, size }| format!("[\"{}\",\"{}\"]", price.normalize(), size.normalize()),
    )
}
