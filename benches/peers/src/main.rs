//! The same frames through this library and through its peers, with every answer checked.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml` prints one table a stream;
//! `LEVEL2_FRAMES=file.jsonl[.gz]` adds a recording of your own, of one connection without gaps,
//! and a number as the argument sets how many rounds there are.

mod contest;
mod feed;
mod peers;
mod support;
mod table;

use contest::measure;
use feed::Feed;
use peers::ENTRIES;
use support::stream::Stream;
use support::{many_products, recording};
use table::Row;

/// How many interleaved rounds the medians are of, unless the argument says it.
const ROUNDS: usize = 21;

/// The streams of the library's own bench of the whole path.
fn streams() -> Vec<Stream> {
    let three_products = recording::fixture(recording::THREE_PRODUCTS);
    let ten_products = many_products::derive(&three_products, 10, usize::MAX);
    let mut streams = vec![
        Stream::new("btc_usd_45k", recording::fixture(recording::BTC_USD)),
        Stream::new("ten_products", ten_products),
    ];
    streams.extend(recording::of_user().map(|(name, frames)| Stream::new(name, frames)));
    streams
}

fn main() {
    let rounds = std::env::args().nth(1).map_or(ROUNDS, |text| {
        let rounds = text.parse().ok().filter(|rounds| *rounds > 0);
        rounds.unwrap_or_else(|| panic!("expected a number of rounds, got {text}"))
    });
    for stream in streams() {
        let feed = Feed::new(stream);
        let mut contestants: Vec<_> = ENTRIES.iter().map(|entry| (entry.prepare)(&feed)).collect();
        let verdicts: Vec<_> =
            contestants.iter_mut().map(|contestant| contestant.judge(&feed)).collect();
        let times = measure(&mut contestants, &feed, rounds);
        let rows = ENTRIES.into_iter().zip(verdicts).zip(times);
        let rows: Vec<_> =
            rows.map(|((entry, verdict), time)| Row { entry, verdict, time }).collect();
        table::print(&feed, &rows);
    }
    println!("\nMedians of interleaved rounds: {rounds}.");
}
