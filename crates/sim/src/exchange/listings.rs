//! All products of the exchange, and the intervals in which their markets move.

use std::collections::BTreeMap;
use std::time::Duration;

use super::config::ExchangeConfig;
use super::listing::Listing;
use crate::market::{ProductSpec, TrueChange};

/// How many intervals are passed at once while no market moves.
const STANDSTILL_INTERVALS: u32 = 1_000;

/// The products in USDC that are not another name of a product in USD.
const USDC_PRODUCTS: [&str; 2] = ["USDT-USDC", "EURC-USDC"];

/// The products, each by its index in the order of their ids.
#[derive(Debug)]
pub(super) struct Listings {
    listings: Vec<Listing>,
    index: BTreeMap<String, usize>,
    interval: Duration,
    /// The end of the last interval that passed.
    interval_last: Duration,
    /// How many of the intervals after it are known to bring nothing.
    intervals_quiet: u32,
    /// The end of the interval after those.
    interval_due: Duration,
    are_held: bool,
}

impl Listings {
    pub(super) fn new(config: &ExchangeConfig) -> Self {
        let specs: BTreeMap<&str, &ProductSpec> =
            config.products.iter().map(|spec| (spec.product_id(), spec)).collect();
        let list = |&spec: &&ProductSpec| {
            Listing::new(spec.clone(), config.seed, config.max_truth_changes)
        };
        let mut listings = Self {
            listings: specs.values().map(list).collect(),
            index: specs.keys().enumerate().map(|(at, &id)| (id.to_owned(), at)).collect(),
            interval: config.interval,
            interval_last: Duration::ZERO,
            intervals_quiet: 0,
            interval_due: Duration::ZERO,
            are_held: false,
        };
        listings.plan();
        listings
    }

    pub(super) fn len(&self) -> usize {
        self.listings.len()
    }

    pub(super) fn get(&self, product: usize) -> &Listing {
        &self.listings[product]
    }

    pub(super) fn product_ids(&self) -> impl Iterator<Item = &str> {
        self.index.keys().map(String::as_str)
    }

    /// Returns the product behind an id: `X-USDC` is traded as `X-USD`, but for two pairs of their
    /// own.
    pub(super) fn resolve(&self, product_id: &str) -> Option<usize> {
        if !USDC_PRODUCTS.contains(&product_id)
            && let Some(base) = product_id.strip_suffix("-USDC")
        {
            return self.index.get(&format!("{base}-USD")).copied();
        }
        self.index.get(product_id).copied()
    }

    /// Returns the end of the next interval that may bring changes.
    pub(super) fn due(&self) -> Duration {
        self.interval_due
    }

    /// Passes the intervals up to the one that is due for one product, and puts its changes into
    /// `out`. [`finish_interval`](Self::finish_interval) follows after the last product.
    pub(super) fn pass(&mut self, product: usize, out: &mut Vec<TrueChange>) {
        out.clear();
        let listing = &mut self.listings[product];
        if listing.is_listed && !self.are_held {
            listing.pass(self.intervals_quiet, out);
        }
    }

    /// Counts the interval that is due as passed.
    pub(super) fn finish_interval(&mut self) {
        self.interval_last = self.interval_due;
        self.plan();
    }

    /// Lists a product or takes it off, at time `now`.
    pub(super) fn list(&mut self, product: usize, is_listed: bool, now: Duration) {
        self.settle(now);
        self.listings[product].is_listed = is_listed;
        self.plan();
    }

    /// Stops all markets or lets them move again, at time `now`.
    pub(super) fn hold(&mut self, are_held: bool, now: Duration) {
        self.settle(now);
        self.are_held = are_held;
        self.plan();
    }

    /// Gives a scripted market changes for its next interval, at time `now`.
    pub(super) fn set(
        &mut self,
        product: usize,
        changes: impl IntoIterator<Item = TrueChange>,
        now: Duration,
    ) {
        self.settle(now);
        self.listings[product].market.set(changes);
        self.plan();
    }

    /// Finds the next interval that may bring changes.
    fn plan(&mut self) {
        let are_held = self.are_held;
        let moving = self.listings.iter_mut().filter(|listing| listing.is_listed && !are_held);
        let quiet = moving.map(|listing| listing.market.quiet_ahead()).min();
        self.intervals_quiet = quiet.unwrap_or(STANDSTILL_INTERVALS);
        let away = self.interval.saturating_mul(self.intervals_quiet + 1);
        self.interval_due = self.interval_last.saturating_add(away);
    }

    /// Passes the intervals that ended since the last one, before what moves is changed. They are
    /// among those that bring nothing.
    fn settle(&mut self, now: Duration) {
        let ended = (now - self.interval_last).as_nanos() / self.interval.as_nanos();
        let ended = u32::try_from(ended).unwrap_or(u32::MAX);
        self.interval_last += self.interval * ended;
        if !self.are_held {
            for listing in self.listings.iter_mut().filter(|listing| listing.is_listed) {
                listing.market.skip_quiet(ended);
            }
        }
    }
}
