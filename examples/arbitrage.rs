//! A watcher of ten products: five coins, each quoted in two currencies of one value. Of each
//! product only the newest change waits, so however long a look takes, the next is at new prices:
//! the books are kept on another thread meanwhile, for the runtime has two.
//!
//! Runs against a simulated exchange: `cargo run --example arbitrage`.

use std::error::Error;
use std::time::Duration;

use level2::books::{Books, BooksConfig, Delivery, Event, EventConfig, Interest};
use level2::{Bbo, ProductId};
use level2_sim::{ExchangeConfig, ProductSpec, Server, ServerConfig};
use rust_decimal::Decimal;

const COINS: [&str; 5] = ["AAA", "BBB", "CCC", "DDD", "EEE"];
const QUOTES: [&str; 2] = ["USD", "USDT"];
const LOOKS: u32 = 500;

/// What a unit bought at the one and sold at the other brings in, before fees.
fn edge(buy: &Bbo, sell: &Bbo) -> Option<Decimal> {
    Some(sell.bid?.price - buy.ask?.price)
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let products = COINS.map(|coin| QUOTES.map(|quote| format!("{coin}-{quote}"))).concat();
    let market = |name: &String| ProductSpec::new(name, 2, 4, 1_000_000).levels(50);
    let exchange =
        ExchangeConfig { products: products.iter().map(market).collect(), ..Default::default() };
    let server = Server::start(ServerConfig { exchange, ..ServerConfig::default() }).await?;

    let products: Vec<ProductId> =
        products.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
    let mut config = BooksConfig::new(products.iter().cloned());
    config.url = server.url();
    let books = Books::start(config)?;
    let mut config = EventConfig::new(Interest::Bbo);
    config.delivery = Delivery::Conflate;
    let mut events = books.events(config);
    books.synced().await?;

    let (mut looks, mut merged, mut best_edge) = (0, 0, None);
    while looks < LOOKS {
        let event = tokio::time::timeout(Duration::from_secs(5), events.next()).await?;
        let Some(Event::Changed(change)) = event else { continue };
        looks += 1;
        merged += change.conflated;
        let (coin, quote) = change.product.as_str().split_once('-').ok_or("no pair")?;
        let other = QUOTES.into_iter().find(|other| *other != quote).ok_or("no other")?;
        // `None` when the other book may be wrong: then there is no trade to think of.
        let Some(there) = books.bbo(format!("{coin}-{other}"))?.load() else {
            continue;
        };
        for (edge, route) in [
            (edge(&change.bbo, &there), format!("buy {coin}-{quote}, sell {coin}-{other}")),
            (edge(&there, &change.bbo), format!("buy {coin}-{other}, sell {coin}-{quote}")),
        ] {
            if edge.is_some() && edge > best_edge {
                best_edge = edge;
                println!("{route}: {} a unit", edge.unwrap_or_default());
            }
        }
    }
    books.close().await;
    println!("{looks} looks, which stood for {merged} more; best edge {best_edge:?}");
    best_edge.map(|_| ()).ok_or_else(|| "no pair was ever compared".into())
}
