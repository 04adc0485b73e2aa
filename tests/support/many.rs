//! What the tests of `Books` share: an exchange in memory, in time that does not pass in reality.

#![allow(dead_code)] // Each test file uses its own part.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use level2::books::{Books, BooksConfig};
use level2::feed::{Dial, Dialing, Transport};
use level2::{Bbo, ProductId};
use level2_sim::{ExchangeConfig, ProductSpec, Server, ServerConfig};
use tokio::time::Instant;

/// How many bytes lie between the exchange and a client that does not read.
const PIPE_BYTES: usize = 1 << 20;

/// The name of one of many products.
pub(crate) fn name(number: usize) -> ProductId {
    format!("P{number:03}-USD").parse().expect("a sound name")
}

pub(crate) fn names(count: usize) -> Vec<ProductId> {
    (0..count).map(name).collect()
}

/// An exchange of many small markets.
pub(crate) fn exchange(count: usize) -> ExchangeConfig {
    let spec = |number| ProductSpec::new(name(number).as_str(), 2, 8, 10_000).levels(20);
    ExchangeConfig { products: (0..count).map(spec).collect(), ..ExchangeConfig::default() }
}

pub(crate) async fn serve(exchange: ExchangeConfig) -> Arc<Server> {
    let config = ServerConfig { exchange, ..ServerConfig::default() };
    Arc::new(Server::start(config).await.expect("a loopback port can be had"))
}

/// Reaches a server through memory, so that paused time is the only time there is.
#[derive(Clone)]
pub(crate) struct Memory {
    server: Arc<Server>,
    dials: Arc<Mutex<Vec<Instant>>>,
}

impl Memory {
    pub(crate) fn new(server: &Arc<Server>) -> Self {
        Self { server: Arc::clone(server), dials: Arc::default() }
    }

    /// When each dial began.
    pub(crate) fn dials(&self) -> Vec<Instant> {
        self.dials.lock().unwrap().clone()
    }
}

impl Dial for Memory {
    fn dial(&mut self) -> Dialing {
        self.dials.lock().unwrap().push(Instant::now());
        let (near, far) = tokio::io::duplex(PIPE_BYTES);
        tokio::spawn(self.server.serve(far));
        Box::pin(async move { Ok(Box::new(near) as Box<dyn Transport>) })
    }
}

/// Settings for a server in memory.
pub(crate) fn config(products: impl IntoIterator<Item = ProductId>) -> BooksConfig {
    let mut config = BooksConfig::new(products);
    config.url = "ws://localhost/".to_owned();
    config.seed = Some(7);
    config
}

pub(crate) async fn connect(config: BooksConfig, memory: &Memory) -> Books {
    let memory = memory.clone();
    Books::start_with(config, move || memory.clone()).expect("sound settings")
}

/// Waits for something that takes no more than a minute of the test's time.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it comes soon")
}

/// Waits until something is so.
pub(crate) async fn until(mut is_so: impl FnMut() -> bool) {
    soon(async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// The most of these moments that lie within one second.
pub(crate) fn most_in_a_second(moments: &[Instant]) -> usize {
    let within = |first: &Instant| {
        let end = *first + Duration::from_secs(1);
        moments.iter().filter(|moment| (*first..end).contains(moment)).count()
    };
    moments.iter().map(within).max().unwrap_or(0)
}

/// Whether a best bid and ask was true at its number on one of the exchange's open connections.
/// Without a standby a product is on one of them at a time.
pub(crate) fn is_true(server: &Server, product: &str, bbo: &Bbo) -> bool {
    let pair = |level: level2::Level| (level.price, level.size);
    let best = (bbo.bid.map(pair), bbo.ask.map(pair));
    server.with_exchange(|exchange| {
        let connections: Vec<_> = exchange.connections().collect();
        connections.into_iter().any(|id| {
            let truth = exchange.truth(id, product, bbo.sequence);
            truth.is_some_and(|truth| (truth.bid, truth.ask) == best)
        })
    })
}
