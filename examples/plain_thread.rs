//! A bot without an async runtime: the books live on a thread of their own, and the bot's threads
//! read them.
//!
//! Runs against a simulated exchange: `cargo run --example plain_thread`.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use level2::books::{Books, BooksConfig};
use level2_sim::{Server, ServerConfig};

fn main() -> Result<(), Box<dyn Error>> {
    // The exchange needs a runtime; the bot below does not.
    let exchange = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let server = exchange.block_on(Server::start(ServerConfig::default()))?;

    let mut config = BooksConfig::new(["BTC-USD".parse()?]);
    config.url = server.url();
    let books = Books::start_on_thread(config)?;
    books.block_on(books.synced())?;

    // One thread looks at the best bid and ask whenever it likes, without a lock.
    let best = books.bbo("BTC-USD")?;
    let watcher = thread::spawn(move || {
        let (mut looks, mut changes, mut last) = (0u64, 0, None);
        let end = Instant::now() + Duration::from_secs(1);
        while Instant::now() < end {
            let now = best.load().map(|bbo| (bbo.bid, bbo.ask));
            looks += 1;
            changes += u32::from(now != last);
            last = now;
            thread::sleep(Duration::from_millis(1));
        }
        (looks, changes)
    });

    // Another asks for more now and then.
    for _ in 0..4 {
        let top = books.top("BTC-USD", 3)?;
        for (bid, ask) in top.bids().iter().zip(top.asks()) {
            println!("{:>12} {:<12}   {:>12} {:<12}", bid.size, bid.price, ask.price, ask.size);
        }
        println!("as of frame {}", top.bbo.sequence);
        thread::sleep(Duration::from_millis(200));
    }
    let (looks, changes) = watcher.join().map_err(|_| "the watcher panicked")?;
    books.block_on(books.close());
    println!("{looks} looks saw {changes} changes");
    if changes == 0 { Err("nothing changed".into()) } else { Ok(()) }
}
