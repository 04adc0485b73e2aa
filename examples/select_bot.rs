//! An async bot that waits for several things at once: changes near the touch, what becomes of
//! its products, a timer of its own, and the end.
//!
//! Runs against a simulated exchange: `cargo run --example select_bot`.

use std::error::Error;
use std::time::Duration;

use level2::books::{Books, BooksConfig, Event, EventConfig, Interest};
use level2_sim::{ExchangeConfig, ProductSpec, Server, ServerConfig};
use tokio::time::{interval, sleep};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let products = vec![ProductSpec::btc_usd(), ProductSpec::eth_usd()];
    let exchange = ExchangeConfig { products, ..ExchangeConfig::default() };
    let server = Server::start(ServerConfig { exchange, ..ServerConfig::default() }).await?;

    let mut config = BooksConfig::new(["BTC-USD".parse()?, "ETH-USD".parse()?]);
    config.url = server.url();
    let books = Books::start(config)?;
    let mut changes = books.events(EventConfig::new(Interest::Top(5)));

    let mut report = interval(Duration::from_millis(300));
    let end = sleep(Duration::from_secs(2));
    tokio::pin!(end);
    let (mut seen, mut levels) = (0, 0);
    loop {
        // Everything here is cancel safe: what loses the race is still there the next time.
        tokio::select! {
            event = changes.next() => match event {
                Some(Event::Changed(change)) => {
                    seen += 1;
                    levels += change.levels.map_or(0, |levels| levels.len());
                }
                Some(Event::Live { product, .. }) => println!("{product} is live"),
                Some(Event::Lost { product, cause }) => println!("{product} is lost: {cause}"),
                Some(Event::Missed { count }) => println!("too slow for {count} events"),
                Some(_) => {}
                None => break,
            },
            _ = report.tick() => {
                for product in books.products() {
                    match books.age(product.as_str()) {
                        Ok(age) => println!("{product}: changed {:?} ago", age.book),
                        Err(error) => println!("{product}: {error}"),
                    }
                }
            }
            () = &mut end => break,
        }
    }
    books.close().await;
    println!("{seen} frames changed {levels} of the best five levels");
    if seen == 0 { Err("nothing changed".into()) } else { Ok(()) }
}
