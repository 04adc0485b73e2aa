//! A market maker's quote loop: woken by each change of the best bid or ask, it quotes around the
//! microprice, leans against what it holds, and pulls its quotes the moment the book is lost.
//!
//! Runs against a simulated exchange: `cargo run --example market_maker`. For the
//! venue itself leave out the server and the address.

use std::error::Error;
use std::time::Duration;

use level2::books::{Books, BooksConfig};
use level2::{Bbo, Book};
use level2_sim::{Server, ServerConfig};
use rust_decimal::Decimal;

const PRODUCT: &str = "BTC-USD";
const QUOTES: u32 = 40;

/// What the bot would have resting at the venue.
#[derive(Debug, PartialEq, Eq)]
struct Quote {
    bid: Decimal,
    ask: Decimal,
}

/// Two basis points on either side of the microprice, and never through the touch: both are of one
/// book. None for a book that no quote can be made of.
fn quote(book: &Book, best: &Bbo) -> Option<Quote> {
    let (bid, ask) = (best.bid?, best.ask?);
    let fair = book.microprice()?;
    let half_spread = fair * Decimal::new(2, 4);
    Some(Quote {
        bid: (fair - half_spread).min(bid.price).round_dp(2),
        ask: (fair + half_spread).max(ask.price).round_dp(2),
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::start(ServerConfig::default()).await?;
    let mut config = BooksConfig::new([PRODUCT.parse()?]);
    config.url = server.url();
    let books = Books::start(config)?;
    let mut best = books.bbo(PRODUCT)?;

    let (mut resting, mut quoted, mut pulled) = (None, 0, 0);
    while quoted < QUOTES {
        // Also woken by a loss, with `None`: nothing rests on a book that may be wrong.
        let wanted = match tokio::time::timeout(Duration::from_secs(5), best.changed()).await?? {
            // Lost between the wake and the look at the book: the next wake says so.
            Some(_) => books.read_at(PRODUCT, quote).unwrap_or(None),
            None => None,
        };
        if wanted == resting {
            continue;
        }
        match &wanted {
            Some(quote) => {
                quoted += 1;
                println!("quote {} / {}", quote.bid, quote.ask);
            }
            None => {
                pulled += 1;
                println!("pull all quotes");
            }
        }
        resting = wanted;
        if quoted == QUOTES / 2 && pulled == 0 {
            server.abort_all();
        }
    }
    books.close().await;
    println!("quoted {quoted} times, pulled {pulled} times");
    if pulled == 0 { Err("the lost connection was not noticed".into()) } else { Ok(()) }
}
