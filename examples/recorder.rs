//! A recorder of books: one JSON object a line, first the whole book and then what each frame
//! changed, and the whole book again wherever the changes do not join up. In the end the
//! recording is played back and compared with the book.
//!
//! Runs against a simulated exchange: `cargo run --example recorder`.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use level2::book::{Book, Side};
use level2::books::{Books, BooksConfig, Event, EventConfig, Interest};
use level2::session::LevelChange;
use level2_sim::{ExchangeConfig, ProductSpec, Server, ServerConfig};
use rust_decimal::Decimal;
use serde_json::{Value, json};

const PRODUCT: &str = "BTC-USD";
const LINES: usize = 60;

fn line(kind: &str, sequence: u64, levels: impl Iterator<Item = LevelChange>) -> Value {
    let levels: Vec<[String; 3]> = levels
        .map(|LevelChange { side, price, size }| {
            [side.to_string(), price.to_string(), size.unwrap_or_default().to_string()]
        })
        .collect();
    json!({ "type": kind, "sequence": sequence, "levels": levels })
}

fn whole(book: &Book, sequence: u64) -> Value {
    let side = |side| {
        let change = move |level: level2::Level| LevelChange {
            side,
            price: level.price,
            size: Some(level.size),
        };
        book.levels(side).map(change)
    };
    line("book", sequence, side(Side::Bid).chain(side(Side::Ask)))
}

/// Rebuilds a book from the recording: each side's sizes by price.
fn replay(recording: &[String]) -> Result<BTreeMap<(String, Decimal), Decimal>, Box<dyn Error>> {
    let mut levels = BTreeMap::new();
    for text in recording {
        let value: Value = serde_json::from_str(text)?;
        if value["type"] == "book" {
            levels.clear();
        }
        for level in serde_json::from_value::<Vec<[String; 3]>>(value["levels"].clone())? {
            let [side, price, size] = level;
            levels.insert((side, price.parse()?), size.parse()?);
        }
        levels.retain(|_, size: &mut Decimal| !size.is_zero());
    }
    Ok(levels)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let products = vec![ProductSpec::btc_usd().levels(100)];
    let exchange = ExchangeConfig { products, ..ExchangeConfig::default() };
    let server = Server::start(ServerConfig { exchange, ..ServerConfig::default() }).await?;
    let mut config = BooksConfig::new([PRODUCT.parse()?]);
    config.url = server.url();
    let books = Books::start(config)?;
    let mut events = books.events(EventConfig::new(Interest::Levels));

    let mut recording: Vec<String> = Vec::new();
    // Changes up to the frame that a whole book is of are in it already.
    let mut whole_at = None;
    let mut has_lost_a_frame = false;
    while recording.len() < LINES {
        let event = tokio::time::timeout(Duration::from_secs(5), events.next()).await?;
        match event.ok_or("the books were closed")? {
            Event::Changed(change) => {
                let at = (change.bbo.connection, change.bbo.sequence);
                if whole_at.is_some_and(|whole_at| at > whole_at) {
                    let levels = change.levels.iter().flat_map(|levels| levels.iter().copied());
                    recording.push(line("change", at.1, levels).to_string());
                }
            }
            // The changes before this and those after it do not join up.
            Event::Live { .. } | Event::SwitchedOver { .. } | Event::Missed { .. } => {
                let copied = books.read_at(PRODUCT, |book, bbo| {
                    ((bbo.connection, bbo.sequence), whole(book, bbo.sequence))
                });
                // Lost again meanwhile: the next event says so.
                let Ok((at, line)) = copied else { continue };
                whole_at = Some(at);
                recording.push(line.to_string());
            }
            Event::Lost { .. } => whole_at = None,
            _ => {}
        }
        if recording.len() == LINES / 2 && !has_lost_a_frame {
            has_lost_a_frame = true;
            server.with_exchange(|exchange| {
                exchange.newest_connection().map(|id| exchange.drop_next(id))
            });
        }
    }
    // What has come since the last line is not in the recording: take that in too.
    server.with_exchange(|exchange| exchange.hold_markets(true));
    tokio::time::sleep(Duration::from_millis(200)).await;
    while let Some(event) = events.try_next() {
        if let Event::Changed(change) = event {
            let levels = change.levels.iter().flat_map(|levels| levels.iter().copied());
            recording.push(line("change", change.bbo.sequence, levels).to_string());
        }
    }
    let bytes: usize = recording.iter().map(|line| line.len() + 1).sum();
    println!("{} lines, {bytes} bytes; the last: {:.120}", recording.len(), recording[LINES - 1]);
    let replayed = replay(&recording)?;
    let recorded = books.read(PRODUCT, |book| replay(&[whole(book, 0).to_string()]))??;
    books.close().await;
    if replayed == recorded { Ok(()) } else { Err("the recording tells another book".into()) }
}
