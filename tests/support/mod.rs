//! What the tests of the feed share: a simulated exchange on loopback, and the truth.

#![allow(dead_code)] // Each test file uses its own part.

use std::time::Duration;

use level2::book::{Book, Side};
use level2::feed::{Feed, FeedConfig};
use level2::session::{SessionEvent, Status};
use level2::{Bbo, ProductId};
use level2_sim::{ExchangeConfig, ProductSpec, Server, ServerConfig};
use rust_decimal::Decimal;

/// How long a test waits for anything before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn product(name: &str) -> ProductId {
    name.parse().expect("the tests name sound products")
}

/// Three markets that move every 10 ms, so that a test sees much in little time.
pub(crate) fn busy_exchange(seed: u64) -> ExchangeConfig {
    ExchangeConfig {
        seed,
        products: vec![
            ProductSpec::btc_usd().levels(400),
            ProductSpec::eth_usd().levels(300),
            ProductSpec::sol_usd().levels(200),
        ],
        interval: Duration::from_millis(10),
        heartbeat: Duration::from_millis(100),
        ..ExchangeConfig::default()
    }
}

pub(crate) const PRODUCTS: [&str; 3] = ["BTC-USD", "ETH-USD", "SOL-USD"];

/// The address of servers that are reached through memory; nothing is dialled there.
pub(crate) const NOWHERE: &str = "ws://localhost/";

/// Checks that no reader finds a book.
pub(crate) fn assert_withdrawn(feed: &Feed, when: &str) {
    for name in PRODUCTS {
        let bbo = feed.bbo(name).expect("it was asked for");
        assert_eq!(bbo.load(), None, "{name} {when}");
        assert!(feed.session().book(name).is_err(), "{name} {when}");
    }
}

pub(crate) async fn start(config: ServerConfig) -> Server {
    Server::start(config).await.expect("a loopback port can be had")
}

/// Settings for a server on loopback, impatient as suits a test.
pub(crate) fn config(url: String) -> FeedConfig {
    let mut config = FeedConfig::new(PRODUCTS.map(product));
    config.url = url;
    config.policy.idle_timeout = Duration::from_millis(500);
    config.policy.resubscribe_interval = Duration::from_millis(200);
    config.policy.snapshot_timeout = Duration::from_secs(2);
    config.policy.backoff_min = Duration::from_millis(10);
    config.policy.backoff_max = Duration::from_millis(100);
    config.seed = Some(7);
    config
}

pub(crate) async fn next(feed: &mut Feed) -> SessionEvent {
    tokio::time::timeout(PATIENCE, feed.next())
        .await
        .expect("the feed has something to say")
        .expect("the feed goes on")
}

/// Checks that what readers see of every product was true at the number it carries.
pub(crate) fn assert_readers_see_the_truth(feed: &Feed, server: &Server) {
    let Some(connection) = server.newest_connection() else { return };
    for name in PRODUCTS {
        let status = feed.session().product(name).expect("it was asked for").status();
        let bbo = feed.bbo(name).expect("it was asked for").load();
        assert_eq!(bbo.is_some(), status == Status::Live, "{name} is {status}");
        assert_eq!(feed.session().book(name).is_ok(), status == Status::Live);
        let Some(Bbo { bid, ask, sequence, .. }) = bbo else { continue };
        let truth = server.with_exchange(|exchange| exchange.truth(connection, name, sequence));
        let truth = truth.unwrap_or_else(|| panic!("{name} had no frame {sequence}"));
        let pair = |level: level2::book::Level| (level.price, level.size);
        assert_eq!((bid.map(pair), ask.map(pair)), (truth.bid, truth.ask), "{name} at {sequence}");
    }
}

/// Stops the markets and waits until every book equals the exchange's, level by level.
pub(crate) async fn assert_books_become_equal(feed: &mut Feed, server: &Server) {
    server.with_exchange(|exchange| exchange.hold_markets(true));
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if PRODUCTS.iter().all(|name| book_equals_truth(feed, server, name)) {
            return;
        }
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        assert!(!left.is_zero(), "the books stay different: {:?}", feed.session().stats());
        // Events end when the markets stand still; heartbeats make none.
        let _ = tokio::time::timeout(Duration::from_millis(50), feed.next()).await;
    }
}

fn book_equals_truth(feed: &Feed, server: &Server, name: &str) -> bool {
    let Ok(book) = feed.session().book(name) else { return false };
    server.with_exchange(|exchange| {
        let truth = exchange.true_book(name).expect("the exchange has it");
        levels(book, Side::Bid) == truth.bids() && levels(book, Side::Ask) == truth.asks()
    })
}

pub(crate) fn levels(book: &Book, side: Side) -> Vec<(Decimal, Decimal)> {
    book.levels(side).map(|level| (level.price, level.size)).collect()
}
