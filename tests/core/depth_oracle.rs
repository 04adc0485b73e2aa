//! Every question to a book against an oracle that adds up fractions of unbounded integers.
//!
//! The oracle shares nothing with the library but the levels: no walk, no rounding, no number
//! type. Books come from four ranges of prices and sizes, up to those whose products no decimal
//! holds, and every question is put to the book, to the book without the caller's own orders, and
//! to plain vectors whose numbers differ in their scales.

use std::collections::{BTreeMap, HashMap};

use level2::book::depth::{Amount, Band, DepthError, Fill, Reference, Taker};
use level2::book::{Book, Fixed};
use level2::{Depth, Level, Side};
use num_bigint::BigInt;
use num_rational::BigRational;
use proptest::prelude::*;
use rust_decimal::Decimal;

const SIDES: [Side; 2] = [Side::Bid, Side::Ask];

/// The most digits after the point that a decimal can have.
const MAX_SCALE: u32 = 28;

/// Two sides of levels as they are, best first: the oracle's book, and a `Depth` of a user's own.
#[derive(Clone, Debug, Default)]
struct Plain {
    bids: Vec<(Decimal, Decimal)>,
    asks: Vec<(Decimal, Decimal)>,
}

impl Plain {
    fn side(&self, side: Side) -> &[(Decimal, Decimal)] {
        match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        }
    }

    fn book(&self) -> Book {
        let mut book = Book::new();
        let fixed = |number| Fixed::try_from(number).unwrap();
        for side in SIDES {
            for &(price, size) in self.side(side) {
                book.set(side, fixed(price), fixed(size)).unwrap();
            }
        }
        book
    }

    fn touch(&self) -> Option<[(BigRational, BigRational); 2]> {
        let first = |side| self.side(side).first().map(|(p, s)| (exact(*p), exact(*s)));
        Some([first(Side::Bid)?, first(Side::Ask)?])
    }

    fn mid(&self) -> Option<BigRational> {
        let [(bid, _), (ask, _)] = self.touch()?;
        Some((bid + ask) / whole(2))
    }

    fn reference(&self, side: Side, reference: Reference) -> Option<BigRational> {
        match reference {
            Reference::Touch => self.side(side).first().map(|(price, _)| exact(*price)),
            _ => self.mid(),
        }
    }

    /// The worst price within a distance.
    fn limit(&self, side: Side, bps: Decimal, reference: Reference) -> Option<BigRational> {
        let reference = self.reference(side, reference).filter(|price| *price > whole(0))?;
        let share = exact(bps) / whole(10_000);
        Some(match side {
            Side::Bid => reference * (whole(1) - share),
            Side::Ask => reference * (whole(1) + share),
        })
    }
}

impl Depth for Plain {
    fn levels(&self, side: Side) -> impl Iterator<Item = Level> {
        self.side(side).iter().map(|&(price, size)| Level { price, size })
    }
}

fn whole(number: i64) -> BigRational {
    BigRational::from(BigInt::from(number))
}

fn power(exponent: u32) -> BigInt {
    BigInt::from(10).pow(exponent)
}

fn exact(number: Decimal) -> BigRational {
    BigRational::new(number.mantissa().into(), power(number.scale()))
}

/// Returns a number in whole units of `10^-scale`, what is smaller cut off downwards.
fn units(number: &BigRational, scale: u32) -> BigInt {
    // Not a product of fractions, which would first be reduced, and take most of the time.
    let (numerator, denominator) = (number.numer() * power(scale), number.denom());
    let (quotient, rest) = (&numerator / denominator, &numerator % denominator);
    if rest < BigInt::ZERO { quotient - 1 } else { quotient }
}

/// Returns the largest multiple of `10^-scale` that is not above a number.
fn cut(number: &BigRational, scale: u32) -> BigRational {
    BigRational::new(units(number, scale), power(scale))
}

/// Returns the decimal that equals a fraction, if there is one.
fn decimal(number: &BigRational) -> Option<Decimal> {
    let mut mantissa = units(number, MAX_SCALE);
    if &mantissa * number.denom() != number.numer() * power(MAX_SCALE) {
        return None;
    }
    let mut scale = MAX_SCALE;
    while scale > 0 && (&mantissa % 10) == BigInt::ZERO {
        (mantissa, scale) = (mantissa / 10, scale - 1);
    }
    Decimal::try_from_i128_with_scale(i128::try_from(mantissa).ok()?, scale).ok()
}

fn magnitude(number: &BigRational) -> BigRational {
    if *number < whole(0) { -number } else { number.clone() }
}

/// Returns the finest scale at which a number has at most 28 significant digits.
fn finest_scale(number: &BigRational) -> Option<u32> {
    let number = magnitude(number);
    (0..=MAX_SCALE).rev().find(|scale| units(&number, *scale) < power(28))
}

/// Rounds as the library says that it rounds quotients.
fn rounded(number: &BigRational) -> Option<Decimal> {
    let size = magnitude(number);
    let scale = finest_scale(number)?;
    let below = cut(&size, scale);
    let step = BigRational::new(1.into(), power(scale));
    let above = &below + &step;
    let (down, up) = (&size - &below, &above - &size);
    let is_even = !(&below / &step).to_integer().bit(0);
    let nearest = if down < up || (down == up && is_even) { below } else { above };
    decimal(&if *number < whole(0) { -nearest } else { nearest })
}

/// What a fill is, in fractions: the whole levels before the last, and the last with its part.
#[derive(Debug)]
struct Taken {
    size: BigRational,
    notional: BigRational,
    worst_price: Option<Decimal>,
    levels: usize,
    is_complete: bool,
}

impl Taken {
    /// Takes the best `count` levels.
    fn best(levels: &[(Decimal, Decimal)], count: usize, is_complete: bool) -> Self {
        let taken = &levels[..count];
        Self {
            size: taken.iter().map(|(_, size)| exact(*size)).sum(),
            notional: taken.iter().map(|(price, size)| exact(*price) * exact(*size)).sum(),
            worst_price: taken.last().map(|(price, _)| *price),
            levels: count,
            is_complete,
        }
    }

    /// Takes a part of one more level.
    fn and(mut self, price: Decimal, part: &BigRational) -> Self {
        if *part != whole(0) {
            self.size += part;
            self.notional += exact(price) * part;
            self.worst_price = Some(price);
            self.levels += 1;
        }
        self
    }

    /// Takes as much of one more level as there are digits for.
    fn and_part(levels: &[(Decimal, Decimal)], count: usize, part: &BigRational) -> Option<Self> {
        let (price, _) = levels[count];
        (0..=finest_scale(part)?).rev().find_map(|scale| {
            let taken = Self::best(levels, count, true).and(price, &cut(part, scale));
            taken.is_held().then_some(taken)
        })
    }

    fn is_held(&self) -> bool {
        decimal(&self.size).is_some() && decimal(&self.notional).is_some()
    }

    fn assert_is(&self, fill: &Fill, side: Side) {
        assert_eq!(exact(fill.size), self.size);
        assert_eq!(exact(fill.notional), self.notional);
        assert_eq!(fill.worst_price, self.worst_price);
        assert_eq!((fill.levels, fill.is_complete), (self.levels, self.is_complete));
        assert_eq!(fill.side, side);
        let average = (self.size != whole(0)).then(|| rounded(&(&self.notional / &self.size)));
        assert_eq!(fill.average_price(), average.flatten());
    }
}

/// Returns how many of the best levels together reach a total, and whether they pass it.
fn reach(
    levels: &[(Decimal, Decimal)],
    total: &BigRational,
    worth: impl Fn(&Taken) -> BigRational,
) -> (usize, bool) {
    let worth_of = |count| worth(&Taken::best(levels, count, false));
    let whole = (0..=levels.len()).rfind(|count| worth_of(*count) <= *total).unwrap_or(0);
    (whole, whole < levels.len())
}

fn expected_of_size(levels: &[(Decimal, Decimal)], size: &BigRational) -> Taken {
    let (count, passes) = reach(levels, size, |taken| taken.size.clone());
    let best = Taken::best(levels, count, false);
    let missing = size - &best.size;
    let is_complete = passes || missing == whole(0);
    match levels.get(count) {
        Some((price, _)) => Taken { is_complete, ..best }.and(*price, &missing),
        None => Taken { is_complete, ..best },
    }
}

fn expected_of_notional(levels: &[(Decimal, Decimal)], notional: &BigRational) -> Option<Taken> {
    let (count, passes) = reach(levels, notional, |taken| taken.notional.clone());
    let best = Taken::best(levels, count, false);
    let missing = notional - &best.notional;
    if !passes {
        return Some(Taken { is_complete: missing == whole(0), ..best });
    }
    Taken::and_part(levels, count, &(missing / exact(levels[count].0)))
}

fn expected_of_average(
    side: Side,
    levels: &[(Decimal, Decimal)],
    limit: &BigRational,
) -> Option<Taken> {
    let is_within = |count: usize| {
        let taken = Taken::best(levels, count, false);
        match side {
            Side::Bid => taken.notional >= limit * taken.size,
            Side::Ask => taken.notional <= limit * taken.size,
        }
    };
    let count = (0..=levels.len()).rev().find(|count| is_within(*count)).unwrap_or(0);
    if count == levels.len() {
        return Some(Taken::best(levels, count, false));
    }
    // (notional + price * part) / (size + part) = limit
    let best = Taken::best(levels, count, true);
    let part = (limit * &best.size - &best.notional) / (exact(levels[count].0) - limit);
    Taken::and_part(levels, count, &part)
}

fn expected_to_price(side: Side, levels: &[(Decimal, Decimal)], limit: &BigRational) -> Taken {
    let is_within = |price: Decimal| match side {
        Side::Bid => exact(price) >= *limit,
        Side::Ask => exact(price) <= *limit,
    };
    let count = levels.iter().filter(|(price, _)| is_within(*price)).count();
    Taken::best(levels, count, count < levels.len())
}

/// Whether a range of prices and sizes has room for every answer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Room {
    /// Every query has an answer.
    Ample,
    /// Sums and products may be longer than decimals, so queries may be out of range.
    Scarce,
}

/// Compares an answer that may only be missing where the numbers are long.
fn compare(room: Room, fill: Result<Fill, DepthError>, expected: Option<&Taken>, side: Side) {
    match fill {
        Ok(fill) => expected.expect("the oracle has an answer").assert_is(&fill, side),
        Err(error) => {
            assert_eq!(error, DepthError::OutOfRange);
            assert_eq!(room, Room::Scarce, "{expected:?}");
        }
    }
}

/// Compares a quotient that may only be missing where the numbers are long.
fn compare_number(
    room: Room,
    number: Result<Option<Decimal>, DepthError>,
    expected: Option<BigRational>,
) {
    match number {
        Ok(number) => assert_eq!(number, expected.map(|number| rounded(&number).unwrap())),
        Err(error) => assert_eq!((error, room), (DepthError::OutOfRange, Room::Scarce)),
    }
}

fn check_prices(depth: &impl Depth, plain: &Plain, room: Room) {
    for side in SIDES {
        let best = plain.side(side).first().map(|&(price, size)| Level { price, size });
        assert_eq!(depth.best(side), best);
    }
    // Of these two only the digits of the answer count.
    let held = |number: Option<BigRational>| match number {
        Some(number) => decimal(&number).map(Some).ok_or(DepthError::OutOfRange),
        None => Ok(None),
    };
    let spread = plain.touch().map(|[bid, ask]| ask.0 - bid.0);
    assert_eq!(depth.spread(), held(spread.clone()));
    assert_eq!(depth.mid(), held(plain.mid()));
    let mid = plain.mid().filter(|mid| *mid > whole(0));
    let bps = mid.map(|mid| spread.unwrap() / mid * whole(10_000));
    compare_number(room, depth.spread_bps(), bps);
    let microprice =
        plain.touch().map(|[bid, ask]| (&bid.0 * &ask.1 + &ask.0 * &bid.1) / (bid.1 + ask.1));
    compare_number(room, depth.microprice(), microprice);
}

fn check_slippage(depth: &impl Depth, plain: &Plain, room: Room, fill: &Fill) {
    for reference in [Reference::Mid, Reference::Touch] {
        let Ok(price) = depth.reference_price(fill.side, reference) else { continue };
        let expected = plain.reference(fill.side, reference);
        assert_eq!(price.map(exact), expected);
        let Some(price) = price else { continue };
        let slippage = (!fill.size.is_zero() && price > Decimal::ZERO).then(|| {
            let average = exact(fill.notional) / exact(fill.size);
            let share = (average - exact(price)) / exact(price) * whole(10_000);
            if fill.side == Side::Ask { share } else { -share }
        });
        compare_number(room, fill.slippage_bps(price), slippage);
    }
}

/// Fills of nothing, of every level's end exactly, of a little more, and of all and more.
fn check_fills(depth: &impl Depth, plain: &Plain, room: Room, amounts: &[Decimal]) {
    for taker in [Taker::Buy, Taker::Sell] {
        let side = taker.takes();
        let levels = plain.side(side);
        let ends = (0..=levels.len()).map(|count| Taken::best(levels, count, false));
        let (sizes, notionals): (Vec<_>, Vec<_>) =
            ends.map(|taken| (decimal(&taken.size), decimal(&taken.notional))).unzip();
        let and_near = |ends: Vec<Option<Decimal>>| {
            let nudge = amounts.first().copied().unwrap_or_default();
            let near = move |end: Decimal| [Some(end), end.checked_add(nudge)];
            ends.into_iter().flatten().flat_map(near).flatten().chain(amounts.iter().copied())
        };
        for size in and_near(sizes) {
            let fill = depth.fill(taker, Amount::Size(size));
            let expected = expected_of_size(levels, &exact(size));
            // A size that no decimal is too long for is always filled.
            assert_eq!(fill.is_ok(), expected.is_held(), "{size} {levels:?}");
            compare(room, fill, Some(&expected), side);
            if let Ok(fill) = fill {
                assert_eq!(fill.is_complete, fill.size == size);
                check_slippage(depth, plain, room, &fill);
            }
        }
        for notional in and_near(notionals) {
            let fill = depth.fill(taker, Amount::Notional(notional));
            let expected = expected_of_notional(levels, &exact(notional));
            compare(room, fill, expected.as_ref(), side);
            assert!(fill.is_err() || fill.unwrap().notional <= notional);
        }
    }
}

fn check_distances(depth: &impl Depth, plain: &Plain, room: Room, distances: &[Decimal]) {
    for side in SIDES {
        let levels = plain.side(side);
        let taker = if side == Side::Ask { Taker::Buy } else { Taker::Sell };
        let prices = levels.iter().map(|(price, _)| *price);
        for price in prices.chain(distances.iter().copied()) {
            let expected = expected_to_price(side, levels, &exact(price));
            let fill = depth.depth_to(side, price);
            assert_eq!(fill.is_ok(), expected.is_held());
            compare(room, fill, Some(&expected), side);
        }
        for (bps, reference) in
            distances.iter().flat_map(|bps| [(*bps, Reference::Mid), (*bps, Reference::Touch)])
        {
            let limit = plain.limit(side, bps, reference);
            let within = depth.depth_within(side, bps, reference);
            let average = depth.fill_within(taker, bps, reference);
            let Some(limit) = limit else {
                assert!(matches!(within, Ok(None)) || room == Room::Scarce);
                assert_eq!(within, average);
                continue;
            };
            let some = |fill: Result<Option<Fill>, _>| fill.map(|fill| fill.expect("a fill"));
            let expected = expected_to_price(side, levels, &limit);
            compare(room, some(within), Some(&expected), side);
            let expected = expected_of_average(side, levels, &limit);
            compare(room, some(average), expected.as_ref(), side);
        }
    }
}

fn check_imbalance(depth: &impl Depth, plain: &Plain, room: Room, distances: &[Decimal]) {
    let expected = |counts: [usize; 2]| {
        plain.touch()?;
        let [bids, asks] =
            [0, 1].map(|at| Taken::best(plain.side(SIDES[at]), counts[at], false).size);
        let total = &bids + &asks;
        (total != whole(0)).then(|| (bids - asks) / total)
    };
    for count in [0, 1, 2, 5, usize::MAX] {
        let counts = SIDES.map(|side| count.min(plain.side(side).len()));
        compare_number(room, depth.imbalance(Band::Levels(count)), expected(counts));
    }
    for bps in distances {
        let counts = SIDES.map(|side| {
            let limit = plain.limit(side, *bps, Reference::Mid);
            limit.map(|limit| expected_to_price(side, plain.side(side), &limit).levels)
        });
        let expected = match counts {
            [Some(bids), Some(asks)] => expected([bids, asks]),
            _ => None,
        };
        compare_number(room, depth.imbalance(Band::Bps(*bps)), expected);
    }
}

fn check_rows(depth: &impl Depth, plain: &Plain, increments: &[Decimal]) {
    for (side, increment) in
        SIDES.into_iter().flat_map(|side| increments.iter().map(move |i| (side, *i)))
    {
        let mut expected = BTreeMap::<BigRational, BigRational>::new();
        for &(price, size) in plain.side(side) {
            let steps = exact(price) / exact(increment);
            let steps = if side == Side::Bid { steps.floor() } else { steps.ceil() };
            *expected.entry(steps * exact(increment)).or_insert_with(|| whole(0)) += exact(size);
        }
        let mut expected: Vec<_> = expected.into_iter().collect();
        if side == Side::Bid {
            expected.reverse();
        }
        let mut rows = depth.grouped(side, increment).unwrap();
        let (least, most) = rows.size_hint();
        assert!(least <= expected.len() && most.is_none_or(|most| most >= expected.len()));
        for (price, size) in &expected {
            let row = rows.next().expect("as many rows as the oracle has");
            match (decimal(price), decimal(size)) {
                (Some(price), Some(size)) => assert_eq!(row, Ok(Level { price, size })),
                _ => {
                    assert_eq!(row, Err(DepthError::OutOfRange));
                    break;
                }
            }
        }
        assert_eq!(rows.next(), None);
    }
}

/// What a case asks for beside the ends of its levels.
#[derive(Clone, Debug)]
struct Questions {
    amounts: Vec<Decimal>,
    distances: Vec<Decimal>,
    increments: Vec<Decimal>,
}

fn check(depth: &impl Depth, plain: &Plain, room: Room, questions: &Questions) {
    check_prices(depth, plain, room);
    check_fills(depth, plain, room, &questions.amounts);
    check_distances(depth, plain, room, &questions.distances);
    check_imbalance(depth, plain, room, &questions.distances);
    check_rows(depth, plain, &questions.increments);
}

fn number(mantissa: i64, scale: u32) -> Decimal {
    Decimal::new(mantissa, scale)
}

/// A range of books: prices and sizes in units of their scales.
#[derive(Clone, Copy, Debug)]
struct Range {
    room: Room,
    price_scale: u32,
    /// The lowest price.
    floor: i64,
    /// How far prices lie apart at most.
    gap: i64,
    size_scale: u32,
    size: i64,
}

const RANGES: [Range; 4] = [
    // So small that prices meet increments, limits and each other's sums.
    Range { room: Room::Ample, price_scale: 0, floor: 1, gap: 3, size_scale: 0, size: 4 },
    // BTC-USD.
    Range {
        room: Room::Ample,
        price_scale: 2,
        floor: 8_327_725,
        gap: 300,
        size_scale: 8,
        size: 500_000_000,
    },
    // The smallest price there is, and sizes of a coin that is worth it.
    Range {
        room: Room::Ample,
        price_scale: 8,
        floor: 1,
        gap: 2,
        size_scale: 1,
        size: 99_999_999_999,
    },
    // Eighteen digits each, of which the products have thirty-six.
    Range {
        room: Room::Scarce,
        price_scale: 8,
        floor: 999_999_999_900_000_000,
        gap: 9_999_999,
        size_scale: 8,
        size: 999_999_999_999_999_999,
    },
];

/// Draws a book that is not crossed, sides of any length from none on.
fn plain_in(range: Range) -> impl Strategy<Value = Plain> {
    let steps = proptest::collection::vec((1..=range.gap, 1..=range.size), 0..12);
    (steps, 0usize..12).prop_map(move |(steps, bids)| {
        let mut price = range.floor - 1;
        let mut levels: Vec<_> = steps
            .into_iter()
            .map(|(step, size)| {
                price += step;
                (number(price, range.price_scale), number(size, range.size_scale))
            })
            .collect();
        let asks = levels.split_off(bids.min(levels.len()));
        levels.reverse();
        Plain { bids: levels, asks }
    })
}

fn questions_in(range: Range) -> impl Strategy<Value = Questions> {
    let amounts =
        proptest::collection::vec((1..=range.size, 0..3u32), 1..3).prop_map(move |amounts| {
            let amount = |(mantissa, finer)| number(mantissa, range.size_scale + finer);
            amounts.into_iter().map(amount).chain([Decimal::ZERO]).collect::<Vec<_>>()
        });
    let distances =
        proptest::collection::vec((-200i64..3_000_000, 0u32..4), 1..3).prop_map(|distances| {
            let distance = |(mantissa, scale)| number(mantissa, scale);
            let usual = [0, 50, 10_000].map(Decimal::from);
            distances.into_iter().map(distance).chain(usual).collect::<Vec<_>>()
        });
    let increments =
        proptest::collection::vec((1..=3 * range.gap, 0u32..2), 1..3).prop_map(move |increments| {
            let increment = |(mantissa, finer)| number(mantissa, range.price_scale + finer);
            increments.into_iter().map(increment).chain([Decimal::TEN]).collect::<Vec<_>>()
        });
    (amounts, distances, increments).prop_map(|(amounts, distances, increments)| Questions {
        amounts,
        distances,
        increments,
    })
}

fn cases() -> impl Strategy<Value = (Range, Plain, Questions)> {
    proptest::sample::select(&RANGES[..])
        .prop_flat_map(|range| (Just(range), plain_in(range), questions_in(range)))
}

/// Numbers of any length and scale, which no venue sends but a user's own levels may have.
fn odd_numbers() -> impl Strategy<Value = Decimal> {
    (1i128..1 << 96, 0u32..96, 0u32..=MAX_SCALE).prop_map(|(mantissa, shift, scale)| {
        Decimal::from_i128_with_scale((mantissa >> shift).max(1), scale)
    })
}

fn odd_plains() -> impl Strategy<Value = Plain> {
    let side = || proptest::collection::btree_map(odd_numbers(), odd_numbers(), 0..5);
    (side(), side()).prop_map(|(bids, asks)| Plain {
        bids: bids.into_iter().rev().collect(),
        asks: asks.into_iter().collect(),
    })
}

/// Each case puts some two hundred questions.
const CASES: u32 = 48;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn a_book_answers_as_the_oracle_does((range, plain, questions) in cases()) {
        check(&plain.book(), &plain, range.room, &questions);
    }

    #[test]
    fn a_book_without_own_orders_answers_as_the_oracle_does(
        (range, plain, questions) in cases(),
        shares in proptest::collection::vec(0u32..6, 24),
    ) {
        let (mut own, mut rest) = (HashMap::new(), Plain::default());
        let mut shares = shares.into_iter();
        for side in SIDES {
            let left = plain.side(side).iter().filter_map(|&(price, size)| {
                let unit = number(1, range.size_scale);
                let (claim, left) = match shares.next()? {
                    0 => (size, Decimal::ZERO),
                    1 => (size * Decimal::TWO, Decimal::ZERO),
                    2 => (size - unit, unit),
                    3 => (unit, size - unit),
                    4 => (-unit, size),
                    _ => return Some((price, size)),
                };
                own.insert((side, price), claim);
                (!left.is_zero()).then_some((price, left))
            });
            let left: Vec<_> = left.collect();
            match side {
                Side::Bid => rest.bids = left,
                Side::Ask => rest.asks = left,
            }
        }
        // An order where nothing rests.
        own.insert((Side::Bid, Decimal::NEGATIVE_ONE), Decimal::ONE);
        let book = plain.book();
        let others = book.without_own(|side, price| {
            own.get(&(side, price)).copied().unwrap_or_default()
        });
        check(&others, &rest, range.room, &questions);
    }

    #[test]
    fn levels_of_any_digits_are_answered_or_out_of_range(
        plain in odd_plains(),
        amounts in proptest::collection::vec(odd_numbers(), 1..3),
        bps in odd_numbers(),
        increment in odd_numbers(),
    ) {
        check_prices(&plain, &plain, Room::Scarce);
        for taker in [Taker::Buy, Taker::Sell] {
            let levels = plain.side(taker.takes());
            for amount in &amounts {
                let expected = expected_of_size(levels, &exact(*amount));
                let fill = plain.fill(taker, Amount::Size(*amount));
                compare(Room::Scarce, fill, Some(&expected), taker.takes());
                let expected = expected_of_notional(levels, &exact(*amount));
                let fill = plain.fill(taker, Amount::Notional(*amount));
                compare(Room::Scarce, fill, expected.as_ref(), taker.takes());
            }
        }
        check_distances(&plain, &plain, Room::Scarce, &[]);
        check_imbalance(&plain, &plain, Room::Scarce, &[bps]);
        for row in plain.grouped(Side::Ask, increment).unwrap() {
            prop_assert!(row.is_err() || exact(row.unwrap().price) >= whole(0));
        }
    }
}

#[test]
fn an_empty_book_has_no_prices_and_fills_nothing() {
    let book = Book::new();
    assert_eq!(Depth::spread(&book), Ok(None));
    assert_eq!(Depth::mid(&book), Ok(None));
    assert_eq!(book.spread_bps(), Ok(None));
    assert_eq!(Depth::microprice(&book), Ok(None));
    assert_eq!(book.imbalance(Band::Levels(5)), Ok(None));
    let fill = book.fill(Taker::Buy, Amount::Size(Decimal::ONE)).unwrap();
    assert_eq!((fill.size, fill.worst_price, fill.is_complete), (Decimal::ZERO, None, false));
    assert_eq!(fill.average_price(), None);
    assert_eq!(fill.slippage_bps(Decimal::ONE), Ok(None));
    let nothing = book.fill(Taker::Buy, Amount::Size(Decimal::ZERO)).unwrap();
    assert!(nothing.is_complete);
    assert_eq!(book.fill_within(Taker::Sell, Decimal::TEN, Reference::Touch), Ok(None));
    let rows = book.grouped(Side::Bid, Decimal::ONE).unwrap();
    assert_eq!((rows.size_hint(), rows.count()), ((0, Some(0)), 0));
}

#[test]
fn from_prices_of_zero_and_less_no_distance_is_measured() {
    for (bid, ask) in [(-1, 1), (-2, 1), (-3, 0)] {
        let one_at = |price: i64| vec![(Decimal::from(price), Decimal::ONE)];
        let book = Plain { bids: one_at(bid), asks: one_at(ask) }.book();
        assert_eq!(Depth::spread(&book), Ok(Some(Decimal::from(ask - bid))));
        assert_eq!(book.spread_bps(), Ok(None), "{bid} / {ask}");
        assert_eq!(book.depth_within(Side::Ask, Decimal::TEN, Reference::Mid), Ok(None));
        assert_eq!(book.depth_within(Side::Bid, Decimal::TEN, Reference::Touch), Ok(None));
        assert_eq!(book.imbalance(Band::Bps(Decimal::TEN)), Ok(None));
    }
}

#[test]
fn one_side_answers_what_needs_one_side() {
    let plain = Plain { asks: vec![(Decimal::TEN, Decimal::ONE)], ..Plain::default() };
    let book = plain.book();
    assert_eq!(Depth::mid(&book), Ok(None));
    assert_eq!(book.imbalance(Band::Levels(1)), Ok(None));
    assert_eq!(book.depth_within(Side::Ask, Decimal::TEN, Reference::Mid), Ok(None));
    let depth = book.depth_within(Side::Ask, Decimal::TEN, Reference::Touch).unwrap().unwrap();
    assert_eq!((depth.size, depth.notional), (Decimal::ONE, Decimal::TEN));
    let sold = book.fill(Taker::Sell, Amount::Notional(Decimal::ONE)).unwrap();
    assert_eq!((sold.levels, sold.is_complete), (0, false));
}

#[test]
fn bad_questions_are_refused_with_what_came() {
    let book = Book::new();
    let amount = Decimal::NEGATIVE_ONE;
    for asked in [Amount::Size(amount), Amount::Notional(amount)] {
        assert_eq!(book.fill(Taker::Buy, asked), Err(DepthError::NegativeAmount { amount }));
    }
    for increment in [Decimal::ZERO, Decimal::NEGATIVE_ONE] {
        let refused = book.grouped(Side::Ask, increment).map(Iterator::count);
        assert_eq!(refused, Err(DepthError::IncrementNotPositive { increment }));
    }
    let text = DepthError::NegativeAmount { amount }.to_string();
    assert_eq!(text, "expected an amount of zero or more, got -1");
}

#[test]
fn products_that_no_decimal_holds_are_out_of_range_and_sizes_are_not() {
    let long = number(999_999_999_999_999_999, 8);
    let plain = Plain { asks: vec![(long, long)], bids: Vec::new() };
    let book = plain.book();
    assert_eq!(book.fill(Taker::Buy, Amount::Size(long)), Err(DepthError::OutOfRange));
    assert_eq!(book.depth_to(Side::Ask, long), Err(DepthError::OutOfRange));
    let one = book.fill(Taker::Buy, Amount::Size(Decimal::ONE)).unwrap();
    assert_eq!((one.notional, one.average_price()), (long, Some(long)));
}
