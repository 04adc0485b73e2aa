//! What a seed decides before anything happens.

use std::time::Duration;

use fastrand::Rng;
use level2::ProductId;
use level2::session::{Resync, SessionConfig};
use level2_sim::{ExchangeConfig, FaultRates, Mood, NetworkRates, ProductSpec};

/// Everything that a seed decides but the moves of the market and of the faults themselves.
pub(crate) struct Plan {
    pub(crate) exchange: ExchangeConfig,
    /// The products of the exchange that the session is to hold at the end.
    pub(crate) products: Vec<ProductId>,
    pub(crate) config: SessionConfig,
    pub(crate) rates: NetworkRates,
    /// How often, per message, the venue does something odd.
    pub(crate) venue_ppm: u32,
    /// How often, per message, the caller takes a product away or brings one back.
    pub(crate) change_ppm: u32,
    /// How often, per message, the machine goes to sleep, and for how long at most.
    pub(crate) sleep_ppm: u32,
    pub(crate) sleep_max: Duration,
    /// How long faults strike.
    pub(crate) faulty: Duration,
}

impl Plan {
    pub(crate) fn draw(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let rates = NetworkRates::swarm(rng.u64(..));
        let products = draw_products(&mut rng);
        let ids: Vec<ProductId> = products.iter().map(|spec| id(spec.product_id())).collect();
        let mut names = ids.clone();
        if rng.u64(0..4) == 0 && ids.iter().any(|product| product.as_str() == "BTC-USD") {
            names.push(id("BTC-USDC"));
        }
        if rng.u64(0..8) == 0 {
            names.push(id(UNKNOWN));
        }
        rng.shuffle(&mut names);
        let is_habitual = rates.faults != FaultRates::default() && rng.bool();
        let config = draw_config(&mut rng, names);
        // Who leaves the asking to others cannot know what became of it.
        let asks = config.policy.resync != Resync::Passive;
        Self {
            exchange: ExchangeConfig {
                seed: rng.u64(..),
                products,
                client_id: rng.bool(),
                interval: Duration::from_millis(*rng.choice([50, 50, 50, 200].iter()).unwrap()),
                ..ExchangeConfig::default()
            },
            products: ids,
            config,
            rates,
            venue_ppm: if is_habitual && asks { rng.u32(0..15_000) } else { 0 },
            change_ppm: if is_habitual { rng.u32(0..20_000) } else { 0 },
            sleep_ppm: if is_habitual { rng.u32(0..2_000) } else { 0 },
            sleep_max: Duration::from_secs(rng.u64(1..20)),
            faulty: Duration::from_secs(rng.u64(3..40)),
        }
    }

    /// Whether nothing goes wrong at all.
    pub(crate) fn is_quiet(&self) -> bool {
        self.kinds_of_fault() == 0 && !self.config.products.iter().any(|name| *name == id(UNKNOWN))
    }

    /// How many kinds of fault strike.
    pub(crate) fn kinds_of_fault(&self) -> usize {
        let others = [
            self.rates.clog_ppm,
            self.rates.partition_ppm,
            self.rates.close_ppm,
            self.rates.dial_refused_ppm,
            self.rates.dial_rejected_ppm,
            self.rates.dial_lost_ppm,
            self.venue_ppm,
            self.change_ppm,
            self.sleep_ppm,
        ];
        let rates = self.rates.faults.ppm().into_iter().chain(others);
        rates.filter(|ppm| *ppm > 0).count()
    }
}

/// One to three products, small enough that whole books can be compared all the time. Most are
/// quiet most of the time, as most of the venue's products are; some crash.
fn draw_products(rng: &mut Rng) -> Vec<ProductSpec> {
    let mut specs = vec![
        ProductSpec::btc_usd(),
        ProductSpec::eth_usd(),
        ProductSpec::sol_usd(),
        ProductSpec::tiny_price(),
        ProductSpec::futures(),
    ];
    rng.shuffle(&mut specs);
    specs.truncate(rng.usize(1..=3));
    let levels = rng.usize(2..30);
    let quiet = *rng.choice([300, 800, 950, 990].iter()).unwrap();
    let draw = |spec: ProductSpec| match rng.u64(0..14) {
        0..=4 => spec.quiet(quiet),
        5..=7 => spec.mood(Mood::Calm),
        8..=10 => spec.mood(Mood::Illiquid),
        11 => spec.mood(Mood::Changing),
        12 => spec.mood(Mood::Busy),
        _ => spec.mood(Mood::Crash),
    };
    specs.into_iter().map(|spec| spec.levels(levels)).map(draw).collect()
}

fn draw_config(rng: &mut Rng, names: Vec<ProductId>) -> SessionConfig {
    let mut config = SessionConfig::new(names);
    config.policy.resync = match rng.u64(0..10) {
        0 => Resync::Passive,
        1..=5 => Resync::Reconnect,
        _ => Resync::Resubscribe,
    };
    config.seed = rng.u64(..);
    config.policy.idle_timeout = Duration::from_millis(rng.u64(1_500..6_000));
    config.policy.connect_timeout = Duration::from_millis(rng.u64(1_000..10_000));
    config.policy.snapshot_timeout = Duration::from_millis(rng.u64(1_000..6_000));
    config.policy.resubscribe_interval = Duration::from_millis(rng.u64(100..2_500));
    config.policy.max_resubscribes = rng.u32(1..4);
    config.policy.backoff_max = Duration::from_secs(2);
    config.policy.healthy_after = Duration::from_secs(rng.u64(1..30));
    config.policy.quiet_after = Duration::from_secs(rng.u64(2..30));
    config
}

/// A product that the exchange does not have.
pub(crate) const UNKNOWN: &str = "GONE-USD";

pub(crate) fn id(name: &str) -> ProductId {
    ProductId::new(name).unwrap()
}
