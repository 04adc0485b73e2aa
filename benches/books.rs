//! Reading `Books`: the best bid and ask without a lock, and the book behind its lock.
//!
//! The feed waits for at most one reader's closure before a frame, so what a read costs here is
//! about what one can cost the feed.

mod support;

use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use futures_util::SinkExt as _;
use level2::books::{Books, BooksConfig};
use level2::feed::{Dial, Dialing, Transport};
use support::mode;
use tokio_tungstenite::tungstenite::Message;

const PRODUCT: &str = "BTC-USD";
/// Levels a side of the book.
const LEVELS: usize = 1_000;
/// How many levels of a side are copied.
const TOP: usize = 10;

fn snapshot() -> String {
    let level = |side: &str, price: usize| {
        format!(
            "{{\"side\":\"{side}\",\"event_time\":\"2026-11-02T00:00:00Z\",\
             \"price_level\":\"{price}\",\"new_quantity\":\"0.5\"}}"
        )
    };
    let bids = (1..=LEVELS).map(|price| level("bid", price));
    let asks = (1..=LEVELS).map(|price| level("offer", LEVELS + price));
    let levels: Vec<String> = bids.chain(asks).collect();
    format!(
        "{{\"channel\":\"l2_data\",\"timestamp\":\"2026-11-02T00:00:00Z\",\"sequence_num\":0,\
         \"events\":[{{\"type\":\"snapshot\",\"product_id\":\"{PRODUCT}\",\"updates\":[{}]}}]}}",
        levels.join(",")
    )
}

/// A venue in memory that sends one snapshot, and heartbeats from then on.
struct Quiet;

impl Dial for Quiet {
    fn dial(&mut self) -> Dialing {
        let (near, far) = tokio::io::duplex(1 << 20);
        tokio::spawn(async move {
            let Ok(mut socket) = tokio_tungstenite::accept_async(far).await else { return };
            let mut text = snapshot();
            for sequence in 1.. {
                if socket.send(Message::text(text)).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
                text = format!(
                    "{{\"channel\":\"heartbeats\",\"timestamp\":\"2026-11-02T00:00:00Z\",\
                     \"sequence_num\":{sequence},\"events\":[{{\"heartbeat_counter\":1}}]}}"
                );
            }
        });
        Box::pin(async move { Ok(Box::new(near) as Box<dyn Transport>) })
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("the system has a thread");
    let books = runtime.block_on(async {
        let mut config = BooksConfig::new([PRODUCT.parse().expect("a sound name")]);
        config.url = "ws://localhost/".to_owned();
        let books = Books::start_with(config, || Quiet).expect("sound settings");
        books.synced().await.expect("the venue sends a snapshot");
        books
    });

    let mut criterion: Criterion = mode::criterion();
    let mut group = criterion.benchmark_group("books");
    let best = books.bbo(PRODUCT).expect("it was asked for");
    group.bench_function("bbo", |bencher| {
        bencher.iter(|| black_box(best.load()).expect("the book is live"));
    });
    group.bench_function("read_best", |bencher| {
        bencher
            .iter(|| books.read(PRODUCT, |book| black_box(book.best_bid())).expect("it is live"));
    });
    group.bench_function("top_10", |bencher| {
        bencher.iter(|| {
            let top = books.top(PRODUCT, TOP).expect("the book is live");
            assert_eq!((top.bids().len(), top.asks().len()), (TOP, TOP));
            top
        });
    });
    group.bench_function("read_1000_levels", |bencher| {
        bencher.iter(|| {
            let count = books.read(PRODUCT, |book| book.bids().map(black_box).count());
            assert_eq!(count, Ok(LEVELS));
        });
    });
    group.finish();
    criterion.final_summary();
    runtime.block_on(books.close());
}
