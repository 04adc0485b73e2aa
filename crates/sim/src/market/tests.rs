//! Markets are what their seeds say, and look like real traffic.

use super::mover::Mover;
use super::product::{Market, Source};
use super::tables::CHANGES;
use super::{Mood, ProductSpec, TrueChange};
use crate::hash::fnv1a;
use crate::interpolate::interpolate;
use crate::side::Side;

/// The hash of the changes of one seed.
const PINNED_STREAM: u64 = 17_612_870_583_587_123_955;

/// Returns what moves a market that is a random walk.
fn mover(market: &Market) -> &Mover {
    match &market.source {
        Source::Walk(walk) => &walk.mover,
        Source::Scripted(_) => panic!("{} is scripted", market.spec().product_id()),
    }
}

fn every_product() -> [ProductSpec; 5] {
    [
        ProductSpec::btc_usd(),
        ProductSpec::eth_usd(),
        ProductSpec::sol_usd(),
        ProductSpec::tiny_price(),
        ProductSpec::futures(),
    ]
}

const MOODS: [Mood; 6] =
    [Mood::Measured, Mood::Calm, Mood::Busy, Mood::Crash, Mood::Illiquid, Mood::Changing];

/// Each product as it is, and with few levels in every mood.
fn every_market() -> Vec<ProductSpec> {
    let in_moods = |spec: ProductSpec| MOODS.map(|mood| spec.clone().levels(40).mood(mood));
    let moody = every_product().into_iter().flat_map(in_moods);
    every_product().into_iter().chain(moody).collect()
}

#[test]
fn interpolation_meets_its_table() {
    assert_eq!(interpolate(&CHANGES, 0), 1);
    assert_eq!(interpolate(&CHANGES, 500_000), 9);
    assert_eq!(interpolate(&CHANGES, 2_000_000), 110);
    assert_eq!(interpolate(&[(0, 10), (10, 20)], 5), 15);
}

#[test]
fn same_seed_same_market() {
    for spec in every_product() {
        let mut first = Market::new(spec.clone(), 3);
        let mut second = Market::new(spec.clone(), 3);
        let mut other = Market::new(spec, 4);
        let (mut a, mut b, mut c) = (Vec::new(), Vec::new(), Vec::new());
        let mut differs = first.book() != other.book();
        for _ in 0..200 {
            first.step(&mut a);
            second.step(&mut b);
            other.step(&mut c);
            assert_eq!(a, b);
            differs |= a != c;
        }
        assert_eq!(first.book(), second.book());
        assert!(differs);
    }
}

#[test]
fn a_seed_gives_these_very_changes_everywhere() {
    // The stream is part of the contract: fixtures are made from seeds.
    let mut market = Market::new(ProductSpec::btc_usd(), 1);
    let mut changes = Vec::new();
    let mut hash = 0;
    for _ in 0..500 {
        market.step(&mut changes);
        for change in &changes {
            let TrueChange { side, price_ticks, size_units } = *change;
            let text = format!("{hash} {} {price_ticks} {size_units}", side == Side::Bid);
            hash = fnv1a(text.as_bytes());
        }
    }
    assert_eq!(hash, PINNED_STREAM, "the stream of a seed has changed");
}

#[test]
fn changes_are_ordered_single_and_explain_the_book() {
    for spec in every_market() {
        let increment = spec.increment_ticks;
        let mut market = Market::new(spec, 11);
        let mut naive = market.book().clone();
        let mut changes = Vec::new();
        for step in 0..400 {
            // Comparing whole books is slow: now and then has to do.
            let is_compared = step % 16 == 0;
            let before = is_compared.then(|| naive.clone());
            market.step(&mut changes);
            let key = |change: &TrueChange| match change.side {
                Side::Bid => (Side::Bid, -change.price_ticks),
                Side::Ask => (Side::Ask, change.price_ticks),
            };
            assert!(changes.is_sorted_by(|a, b| key(a) < key(b)), "in order, each level once");
            for change in &changes {
                assert!(change.price_ticks > 0 && change.price_ticks % increment == 0);
                naive.set(*change);
            }
            if let (Some(bid), Some(ask)) = (naive.best_bid(), naive.best_ask()) {
                assert!(bid.0 < ask.0, "{:?}", market.spec());
            }
            if let Some(before) = before {
                assert_eq!(&naive, market.book());
                let mut undone = naive.clone();
                for change in market.undo() {
                    undone.set(*change);
                }
                assert_eq!(undone, before);
            }
        }
    }
}

#[test]
fn what_is_drawn_ahead_is_what_happens() {
    for spec in every_market() {
        let spec = spec.quiet(800);
        let mut plain = Market::new(spec.clone(), 4);
        let mut ahead = Market::new(spec, 4);
        let (mut expected, mut changes) = (Vec::new(), Vec::new());
        for round in 0..60 {
            let quiet = ahead.quiet_ahead();
            // All of them at once, or some alone and the others step by step.
            let skipped = if round % 2 == 0 { quiet } else { quiet / 2 };
            ahead.skip_quiet(skipped);
            for _ in 0..skipped {
                plain.step(&mut expected);
                assert!(expected.is_empty());
            }
            for _ in skipped..=quiet {
                plain.step(&mut expected);
                ahead.step(&mut changes);
                assert_eq!(changes, expected);
            }
        }
        assert_eq!(ahead.book(), plain.book());
    }
}

/// What was seen of a market.
#[derive(Debug, Default)]
struct Seen {
    /// The number of changes of each interval that brought some, in ascending order.
    changes: Vec<usize>,
    intervals: usize,
    /// Intervals after which a side had no level.
    empty: usize,
    /// The most levels a side.
    depth: usize,
    /// The lowest and the highest limit, and the farthest move of one interval, in ten thousandths
    /// of the price at the start.
    lowest: i64,
    highest: i64,
    farthest: i64,
    /// The most levels deleted in one interval.
    deleted: usize,
    moods: Vec<Mood>,
}

impl Seen {
    fn of(spec: ProductSpec, intervals: usize) -> Self {
        let mut market = Market::new(spec, 21);
        let mut seen = Self { intervals, lowest: i64::MAX, ..Self::default() };
        let mut changes = Vec::new();
        for _ in 0..intervals {
            let before = mover(&market).bid_limit;
            market.step(&mut changes);
            if !changes.is_empty() {
                seen.changes.push(changes.len());
            }
            let depths = [Side::Bid, Side::Ask].map(|side| market.book().depth(side));
            seen.empty += usize::from(depths.contains(&0));
            seen.depth = seen.depth.max(depths[0]).max(depths[1]);
            let part = |ticks: i64| ticks * 10_000 / mover(&market).anchor;
            seen.lowest = seen.lowest.min(part(mover(&market).bid_limit));
            seen.highest = seen.highest.max(part(mover(&market).bid_limit));
            seen.farthest = seen.farthest.max(part((mover(&market).bid_limit - before).abs()));
            let deleted = changes.iter().filter(|change| change.size_units == 0).count();
            seen.deleted = seen.deleted.max(deleted);
            if seen.moods.last() != Some(&market.mood()) {
                seen.moods.push(market.mood());
            }
        }
        seen.changes.sort_unstable();
        let frames = std::mem::take(&mut seen.changes);
        println!("{seen:?}");
        seen.changes = frames;
        println!("frames {} median {} p99 {}", seen.changes.len(), seen.at(50), seen.at(99));
        seen
    }

    /// A percentile of the number of changes.
    fn at(&self, percent: usize) -> usize {
        self.changes[(self.changes.len() - 1) * percent / 100]
    }

    fn quiet_permille(&self) -> usize {
        (self.intervals - self.changes.len()) * 1_000 / self.intervals
    }
}

#[test]
fn a_calm_market_hardly_moves() {
    let seen = Seen::of(ProductSpec::btc_usd().levels(200).mood(Mood::Calm), 6_000);
    assert!((670..=730).contains(&seen.quiet_permille()));
    assert!((1..=6).contains(&seen.at(50)) && seen.at(99) <= 30);
    assert!(seen.lowest > 9_950 && seen.highest < 10_050 && seen.farthest <= 1);
    assert_eq!(seen.empty, 0);
    assert_eq!(seen.moods, [Mood::Calm]);
}

#[test]
fn a_busy_market_changes_always_and_sweeps() {
    let seen = Seen::of(ProductSpec::btc_usd().levels(500).mood(Mood::Busy), 2_000);
    assert_eq!(seen.quiet_permille(), 0);
    assert!((10..=25).contains(&seen.at(50)), "median {}", seen.at(50));
    assert!((150..=430).contains(&seen.at(99)), "p99 {}", seen.at(99));
    assert!(seen.lowest >= 9_890 && seen.highest <= 10_110);
    assert_eq!(seen.empty, 0);
}

#[test]
fn a_crash_falls_jumps_sweeps_and_leaves_a_side_empty() {
    let seen = Seen::of(ProductSpec::btc_usd().levels(300).mood(Mood::Crash), 4_000);
    assert!(seen.lowest < 9_000, "it falls by more than a tenth: {}", seen.lowest);
    assert!(seen.lowest >= 7_000 && seen.highest <= 13_000);
    assert!((300..=800).contains(&seen.farthest), "it jumps: {}", seen.farthest);
    assert!(seen.deleted >= 200, "a sweep takes most of a side: {}", seen.deleted);
    assert!((20..=1_500).contains(&seen.empty), "intervals with an empty side: {}", seen.empty);
}

#[test]
fn an_illiquid_market_has_few_levels_and_few_changes() {
    let seen = Seen::of(ProductSpec::sol_usd().quiet(0).mood(Mood::Illiquid), 100_000);
    assert!((970..=990).contains(&seen.quiet_permille()), "{}", seen.quiet_permille());
    assert!(seen.at(50) <= 2 && seen.at(90) <= 4, "{} {}", seen.at(50), seen.at(90));
    assert!(seen.depth <= 16, "{}", seen.depth);
    assert!((1_000..=50_000).contains(&seen.empty), "{}", seen.empty);
    // What the product brings itself is added to the mood.
    let spec = ProductSpec::sol_usd().quiet(990).mood(Mood::Illiquid);
    assert!(!Seen::of(spec, 100_000).changes.is_empty(), "hardly ever is not never");
    let spec = ProductSpec::sol_usd().quiet(1_000).mood(Mood::Illiquid);
    let mut never = Market::new(spec, 1);
    let mut changes = Vec::new();
    for _ in 0..10_000 {
        never.step(&mut changes);
        assert!(changes.is_empty());
    }
}

#[test]
fn moods_change_by_the_seed() {
    let spec = ProductSpec::eth_usd().levels(30).mood(Mood::Changing);
    let seen = Seen::of(spec.clone(), 60_000);
    for mood in [Mood::Calm, Mood::Measured, Mood::Busy, Mood::Illiquid] {
        assert!(seen.moods.contains(&mood), "{mood:?} in {:?}", seen.moods);
    }
    assert!(seen.moods.len() > 20);
    assert_eq!(spec.levels_per_side(), 30);
    assert_eq!(spec.mood(Mood::Illiquid).levels_per_side(), 12);
}

#[test]
fn presets_of_products_have_their_formats() {
    let (tiny, futures) = (ProductSpec::tiny_price(), ProductSpec::futures());
    for (spec, decimals, step) in [(tiny, 8, 1), (futures, 0, 5)] {
        let market = Market::new(spec, 3);
        let book = market.book();
        assert!(book.levels(Side::Bid).chain(book.levels(Side::Ask)).all(|(price, size)| {
            price.scale() <= decimals && size.scale() == 0 && (price.mantissa() % step == 0)
        }));
        assert!(book.depth(Side::Ask) > 100);
    }
}

#[test]
fn statistics_are_those_of_real_traffic() {
    let mut market = Market::new(ProductSpec::btc_usd(), 5);
    let mut changes = Vec::new();
    let mut ranks = Vec::new();
    let (mut deletes, mut orphans, mut inserts, mut repeats, mut frames) = (0, 0, 0, 0, 0);
    for _ in 0..2_000 {
        let before = market.book().clone();
        market.step(&mut changes);
        frames += u32::from(!changes.is_empty());
        for change in &changes {
            let (side, price) = (change.side, change.price_ticks);
            match (before.size_at(side, price), change.size_units) {
                (None, 0) => orphans += 1,
                (Some(_), 0) => deletes += 1,
                (None, _) => inserts += 1,
                (Some(old), new) => repeats += u32::from(old == new),
            }
            ranks.push(match side {
                Side::Bid => before.bids.range(price + 1..).count(),
                Side::Ask => before.asks.range(..price).count(),
            });
        }
    }
    ranks.sort_unstable();
    let total = ranks.len() as u32;
    let permille = |count: u32| count * 1_000 / total;
    let median = ranks[ranks.len() / 2];
    let deep = ranks.iter().filter(|&&rank| rank > 500).count() as u32;
    println!(
        "mean {} deletes {} orphans {} inserts {} repeats {} median rank {median} deep {}",
        total / frames,
        permille(deletes),
        permille(orphans),
        permille(inserts),
        permille(repeats),
        permille(deep),
    );
    assert!((8..=20).contains(&(total / frames)));
    assert!((350..=500).contains(&permille(deletes + orphans)));
    assert!((30..=70).contains(&permille(orphans)));
    assert!((40..=60).contains(&permille(orphans)));
    assert!((300..=450).contains(&permille(inserts)));
    assert!((5..=20).contains(&permille(repeats)));
    assert!((40..=130).contains(&median));
    assert!(permille(deep) > 50);
}

#[test]
fn gaps_and_digits_of_the_starting_book() {
    let market = Market::new(ProductSpec::btc_usd(), 5);
    let prices: Vec<i64> = market.book().asks.keys().copied().take(100).collect();
    let mut gaps: Vec<i64> = prices.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.sort_unstable();
    assert!((10..=50).contains(&gaps[gaps.len() / 2]), "{}", gaps[gaps.len() / 2]);
    let two_decimals = prices.iter().filter(|&&price| price % 10 != 0).count();
    assert!((65..=95).contains(&two_decimals), "{two_decimals}");
    let sizes: Vec<u64> = market.book().changes().map(|level| level.size_units).collect();
    let full = sizes.iter().filter(|&&size| size % 10 != 0).count();
    let full = full * 100 / sizes.len();
    assert!((65..=82).contains(&full), "{full}");
}

#[test]
fn the_book_keeps_its_size_for_a_long_time() {
    // The price wanders only in intervals that bring changes, so the quiet ones cost nothing.
    for (spec, steps) in [
        (ProductSpec::btc_usd().levels(200).quiet(850), 200_000),
        (ProductSpec::tiny_price().quiet(0), 20_000),
    ] {
        let mut market = Market::new(spec, 9);
        let mut changes = Vec::new();
        for step in 0..steps {
            market.step(&mut changes);
            if step % 64 == 0 {
                for side in [Side::Bid, Side::Ask] {
                    let (depth, target) = (market.book().depth(side), mover(&market).target(side));
                    assert!(depth * 2 >= target && depth <= target * 2, "{depth} {target}");
                }
            }
        }
    }
}

#[test]
fn a_one_sided_market_has_one_side() {
    for side in [Side::Bid, Side::Ask] {
        let mut market = Market::new(ProductSpec::sol_usd().one_sided(side), 2);
        let mut changes = Vec::new();
        for _ in 0..500 {
            market.step(&mut changes);
            assert!(changes.iter().all(|change| change.side == side));
            assert!(market.book().depth(side) > 0);
        }
        assert_eq!(market.book().best_bid().is_some(), side == Side::Bid);
        assert_eq!(market.book().best_ask().is_some(), side == Side::Ask);
    }
}

#[test]
fn the_smallest_books_live_on() {
    for levels in [0, 1, 2, 3] {
        let mut market = Market::new(ProductSpec::btc_usd().levels(levels), 2);
        let mut changes = Vec::new();
        for _ in 0..2_000 {
            market.step(&mut changes);
            assert!(market.book().best_bid() < market.book().best_ask());
            assert!(market.book().best_bid().is_some());
        }
    }
}

#[test]
#[should_panic(expected = "product id")]
fn an_id_that_would_need_escaping_is_refused() {
    let _ = ProductSpec::new("BTC\"USD", 2, 8, 1_000);
}
