//! What a soak runs: an exchange on a socket, and three groups of books that heal differently.

use std::time::Duration;

use level2::ProductId;
use level2::books::{
    Books, BooksConfig, BooksStats, Delivery, EventConfig, EventStream, Interest, Redundancy,
};
use level2::session::Resync;
use level2_sim::{ExchangeConfig, FaultPlan, ProductSpec, Server, ServerConfig};

use super::readers::Reader;
use crate::failure::Failure;

/// The products: deep and busy ones, one with tiny prices, a future, and one that rarely changes.
pub(super) const PRODUCTS: [&str; 6] =
    ["BIP-20DEC30-CDE", "BTC-USD", "CALM-USD", "ETH-USD", "PEPE-USD", "SOL-USD"];

/// How many products share a connection: each group has two connections, and the one with standbys
/// four.
const PRODUCTS_PER_CONNECTION: usize = 3;

/// How many true BBOs the exchange keeps for each product of a connection: those of half a minute.
/// A BBO is checked within milliseconds.
const TRUTH_FRAMES: usize = 600;

/// The capacity of a queue of events: all frames of half a minute.
const MAX_EVENTS: usize = 16_384;

/// After this time without a frame a connection counts as lost. Heartbeats come every second.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(3);

// Shorter than the defaults, because faults follow each other quickly here.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(2);
const RESUBSCRIBE_INTERVAL: Duration = Duration::from_secs(1);
const MAX_BACKOFF: Duration = Duration::from_secs(1);
const HEALTHY_AFTER: Duration = Duration::from_secs(1);

/// Books that heal in one way.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) books: Books,
    pub(super) events: EventStream,
    pub(super) has_standby: bool,
}

/// Everything that runs.
#[derive(Debug)]
pub(super) struct Testbed {
    pub(super) server: Server,
    pub(super) groups: Vec<Group>,
}

impl Testbed {
    /// Starts everything, without faults and with markets that stand still.
    pub(super) async fn start(seed: u64) -> Result<Self, Failure> {
        let config = ServerConfig {
            exchange: ExchangeConfig {
                seed,
                products: specs(),
                max_truth_frames: TRUTH_FRAMES,
                // Whole books are compared only while the markets stand still.
                max_truth_changes: 0,
                ..ExchangeConfig::default()
            },
            ..ServerConfig::default()
        };
        let server = Server::start(config).await.map_err(|error| {
            Failure::new(format!("cannot start the simulated exchange: {error}"))
        })?;
        server.with_exchange(|exchange| exchange.hold_markets(true));
        let mut groups = Vec::new();
        for (name, resync, redundancy) in [
            ("reconnect", Resync::Reconnect, Redundancy::None),
            ("resubscribe", Resync::Resubscribe, Redundancy::None),
            ("standby", Resync::Reconnect, Redundancy::Standby),
        ] {
            let seed = seed.wrapping_add(groups.len() as u64 + 1);
            let mut config = config_of(&server, seed);
            config.policy.resync = resync;
            config.redundancy = redundancy;
            let has_standby = matches!(redundancy, Redundancy::Standby);
            groups.push(Group::start(name, config, has_standby).await?);
        }
        Ok(Self { server, groups })
    }

    /// Returns a reader of every BBO.
    pub(super) fn readers(&self) -> Vec<Reader> {
        let groups = self.groups.iter().enumerate();
        let readers = groups.flat_map(|(group, Group { books, .. })| {
            PRODUCTS.into_iter().filter_map(move |product| {
                Some(Reader { group, product, bbo: books.bbo(product).ok()? })
            })
        });
        readers.collect()
    }

    /// Applies these faults to frames from now on.
    pub(super) fn set_faults(&self, plan: FaultPlan) {
        self.server.set_faults(plan);
    }

    /// Holds the markets, or lets them move again.
    pub(super) fn hold_markets(&self, are_held: bool) {
        self.server.with_exchange(|exchange| exchange.hold_markets(are_held));
    }

    /// Returns the sum of the counters of all groups.
    pub(super) fn stats(&self) -> BooksStats {
        let mut sum = BooksStats::default();
        for group in &self.groups {
            let stats = group.books.stats();
            sum.products += stats.products;
            sum.live += stats.live;
            sum.covered += stats.covered;
            sum.connections += stats.connections;
            sum.open += stats.open;
            sum.session.add(&stats.session);
        }
        sum
    }
}

impl Group {
    async fn start(
        name: &'static str,
        config: BooksConfig,
        has_standby: bool,
    ) -> Result<Self, Failure> {
        let books = Books::start(config);
        let books = books.map_err(|error| Failure::new(format!("cannot start books: {error}")))?;
        let mut wanted = EventConfig::new(Interest::Levels);
        wanted.delivery = Delivery::Queue { capacity: MAX_EVENTS };
        let events = books.events(wanted);
        Ok(Self { name, books, events, has_standby })
    }
}

fn config_of(server: &Server, seed: u64) -> BooksConfig {
    let products = PRODUCTS.iter().filter_map(|name| ProductId::new(name).ok());
    let mut config = BooksConfig::new(products);
    config.products_per_connection = PRODUCTS_PER_CONNECTION;
    config.url = server.url();
    config.seed = Some(seed);
    let policy = &mut config.policy;
    policy.idle_timeout = IDLE_TIMEOUT;
    policy.snapshot_timeout = SNAPSHOT_TIMEOUT;
    policy.resubscribe_interval = RESUBSCRIBE_INTERVAL;
    policy.backoff_max = MAX_BACKOFF;
    policy.healthy_after = HEALTHY_AFTER;
    config
}

fn specs() -> Vec<ProductSpec> {
    vec![
        ProductSpec::btc_usd().levels(1_000),
        ProductSpec::eth_usd().levels(500),
        ProductSpec::sol_usd().levels(300),
        ProductSpec::tiny_price(),
        ProductSpec::futures().levels(200),
        ProductSpec::new("CALM-USD", 4, 2, 12_345).levels(200).quiet(950),
    ]
}
