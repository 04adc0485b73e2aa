//! A bot's test in paused time, as the README shows it: over memory, without waiting.

use std::time::Duration;

use level2::{Books, BooksConfig};
use level2_sim::{ExchangeConfig, ProductSpec, Server, ServerConfig};

#[tokio::test(start_paused = true)]
async fn a_bot_finds_no_stale_book_and_then_a_healed_one() {
    let exchange =
        ExchangeConfig { products: vec![ProductSpec::btc_usd().levels(50)], ..Default::default() };
    let server = Server::in_memory(ServerConfig { exchange, ..Default::default() });
    let mut config = BooksConfig::new(["BTC-USD".parse().unwrap()]);
    config.url = server.url();
    let books = Books::start_with(config, server.dialer()).unwrap();
    books.synced().await.unwrap();

    let mut btc = books.bbo("BTC-USD").unwrap();
    let start = tokio::time::Instant::now();
    for hour in 1..=3 {
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert!(btc.load().is_some(), "the book lives on in hour {hour}");
        server.abort_all();
        while btc.changed().await.unwrap().is_some() {}
        assert!(books.read("BTC-USD", |_| ()).is_err(), "no stale book");
        books.synced().await.unwrap();
    }
    assert!(start.elapsed() > Duration::from_secs(3 * 3_600));
    assert_eq!(server.connections().dialed, 4);
}
