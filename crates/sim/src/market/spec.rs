//! The settings of one product: number formats, price, depth, and what moves its market.

use rust_decimal::Decimal;

use super::mood::Mood;
use super::tables::PROFILE_GAP_TICKS;
use super::true_book::TrueChange;
use crate::side::Side;

/// The most levels that each side of a product may be set to; two such sides make a snapshot of
/// about 5 MB.
pub const MAX_LEVELS: usize = 22_500;
/// The most decimals that a price or a size may have.
pub const MAX_SCALE: u8 = 12;

const MIN_MID_TICKS: i64 = 100;
const MAX_MID_TICKS: i64 = 1_000_000_000_000;
const MAX_GAP_TICKS: u64 = 10_000;
const MAX_MEDIAN_SIZE: u64 = 1_000_000_000_000;

/// The decimals of prices and sizes on a scripted market: as many as the venue uses.
const SCRIPTED_SCALE: u8 = 8;

/// The settings of one product: number formats, price, depth, and what moves its market.
///
/// A *tick* is ten to the power of minus the price scale, a *unit* is ten to the power of minus
/// the size scale.
///
/// ```
/// use level2_sim::ProductSpec;
///
/// let spec = ProductSpec::btc_usd().levels(500);
/// assert_eq!(spec.product_id(), "BTC-USD");
/// assert_eq!(spec.levels_per_side(), 500);
/// ```
///
/// The market is a seeded random walk, whose [`Mood`] says how lively it is:
///
/// ```
/// use level2_sim::{Mood, ProductSpec};
///
/// let crash = ProductSpec::btc_usd().mood(Mood::Crash);
/// let hardly_traded = ProductSpec::sol_usd().mood(Mood::Illiquid);
/// ```
///
/// Or it is [scripted](Self::scripted): it stands still until a test sets its levels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductSpec {
    pub(super) product_id: String,
    pub(super) price_scale: u8,
    pub(super) size_scale: u8,
    pub(super) mid_ticks: i64,
    levels_per_side: usize,
    pub(super) increment_ticks: i64,
    pub(super) gap_ticks: u64,
    pub(super) median_size_units: u64,
    pub(super) round_ticks: i64,
    pub(super) quiet_permille: u64,
    pub(super) only: Option<Side>,
    pub(super) mood: Mood,
    /// The levels that a scripted market starts with; `None` for a random walk.
    pub(super) starting_levels: Option<Vec<TrueChange>>,
}

impl ProductSpec {
    /// Returns a product of your own, with 200 levels a side, increments of one tick and a typical
    /// gap of 24 ticks between neighbouring levels near the touch.
    ///
    /// `mid_ticks` is the price, in ticks, around which the market walks: by at most one percent,
    /// unless its [mood](Self::mood) carries it further.
    ///
    /// # Panics
    /// If the id is empty or holds anything but ASCII letters, digits and `-`, if a scale is above
    /// [`MAX_SCALE`], or if `mid_ticks` lies outside `100..=1_000_000_000_000`.
    #[must_use]
    pub fn new(product_id: &str, price_scale: u8, size_scale: u8, mid_ticks: i64) -> Self {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        assert!(
            !product_id.is_empty() && product_id.bytes().all(plain),
            "a product id is made of ASCII letters, digits and dashes: {product_id:?}"
        );
        assert!(price_scale <= MAX_SCALE && size_scale <= MAX_SCALE, "scale above {MAX_SCALE}");
        assert!(
            (MIN_MID_TICKS..=MAX_MID_TICKS).contains(&mid_ticks),
            "mid of {mid_ticks} ticks is outside {MIN_MID_TICKS}..={MAX_MID_TICKS}"
        );
        Self {
            product_id: product_id.to_owned(),
            price_scale,
            size_scale,
            mid_ticks,
            levels_per_side: 200,
            increment_ticks: 1,
            gap_ticks: PROFILE_GAP_TICKS,
            median_size_units: 10u64.pow(u32::from(size_scale)),
            round_ticks: 1,
            quiet_permille: 0,
            only: None,
            mood: Mood::Measured,
            starting_levels: None,
        }
    }

    /// Returns `BTC-USD`: two price decimals, eight size decimals, around 83,277; 2,000 levels a
    /// side.
    #[must_use]
    pub fn btc_usd() -> Self {
        let mut spec = Self::new("BTC-USD", 2, 8, 8_327_725);
        spec.levels_per_side = 2_000;
        spec.median_size_units = 225_000;
        spec.round_ticks = 100;
        spec
    }

    /// Returns `ETH-USD`: two price decimals, eight size decimals, around 2,666; 1,000 levels a
    /// side.
    #[must_use]
    pub fn eth_usd() -> Self {
        let mut spec = Self::new("ETH-USD", 2, 8, 266_608);
        spec.levels_per_side = 1_000;
        spec.gap_ticks = 8;
        spec.median_size_units = 50_000_000;
        spec.round_ticks = 100;
        spec.quiet_permille = 10;
        spec
    }

    /// Returns `SOL-USD`: two price decimals, eight size decimals, around 155; 400 levels a side.
    #[must_use]
    pub fn sol_usd() -> Self {
        let mut spec = Self::new("SOL-USD", 2, 8, 15_523);
        spec.levels_per_side = 400;
        spec.gap_ticks = 2;
        spec.median_size_units = 1_200_000_000;
        spec.quiet_permille = 100;
        spec
    }

    /// Returns `PEPE-USD`: a price of 0.00001234 with eight decimals, sizes in whole coins.
    #[must_use]
    pub fn tiny_price() -> Self {
        let mut spec = Self::new("PEPE-USD", 8, 0, 1_234);
        spec.levels_per_side = 150;
        spec.gap_ticks = 1;
        spec.median_size_units = 2_500_000;
        spec.quiet_permille = 500;
        spec
    }

    /// Returns `BIP-20DEC30-CDE`: a dated future with integer prices in steps of five and integer
    /// sizes.
    #[must_use]
    pub fn futures() -> Self {
        let mut spec = Self::new("BIP-20DEC30-CDE", 0, 0, 72_575);
        spec.levels_per_side = 370;
        spec.increment_ticks = 5;
        spec.gap_ticks = 5;
        spec.median_size_units = 12;
        spec.quiet_permille = 300;
        spec
    }

    /// Returns a product whose market stands still until a test changes it, by
    /// [`Exchange::set_levels`](crate::Exchange::set_levels). Prices and sizes have up to eight
    /// decimals. Both sides are empty at the start, but for
    /// [`starting_levels`](Self::starting_levels).
    ///
    /// There is no random walk, so the settings of one change nothing here.
    ///
    /// # Panics
    /// If the id is empty or holds anything but ASCII letters, digits and `-`.
    #[must_use]
    pub fn scripted(product_id: &str) -> Self {
        let mut spec = Self::new(product_id, SCRIPTED_SCALE, SCRIPTED_SCALE, MAX_MID_TICKS);
        spec.starting_levels = Some(Vec::new());
        spec
    }

    /// Sets levels that a [scripted](Self::scripted) market starts with, as side, price and size.
    ///
    /// ```
    /// use level2_sim::rust_decimal::Decimal;
    /// use level2_sim::{Market, ProductSpec, Side};
    ///
    /// let spec = ProductSpec::scripted("BTC-USD").starting_levels([
    ///     (Side::Bid, Decimal::from(99), Decimal::new(5, 1)),
    ///     (Side::Ask, Decimal::from(101), Decimal::from(2)),
    /// ]);
    /// let market = Market::new(spec, 1);
    /// assert_eq!(market.book().best_bid(), Some((Decimal::from(99), Decimal::new(5, 1))));
    /// ```
    ///
    /// # Panics
    /// If the market is not scripted, or for a level at which
    /// [`Exchange::set_levels`](crate::Exchange::set_levels) panics.
    #[must_use]
    pub fn starting_levels(
        mut self,
        levels: impl IntoIterator<Item = (Side, Decimal, Decimal)>,
    ) -> Self {
        let levels: Vec<TrueChange> =
            levels.into_iter().map(|(side, price, size)| self.change(side, price, size)).collect();
        let Some(held) = &mut self.starting_levels else {
            panic!("{} is no scripted product: a random walk sets its own levels", self.product_id)
        };
        held.extend(levels);
        self
    }

    /// Sets the number of levels that the market keeps on each side, clamped to
    /// `1..=`[`MAX_LEVELS`].
    ///
    /// The bid side may hold fewer, as the prices between the best bid and zero are limited.
    #[must_use]
    pub fn levels(mut self, per_side: usize) -> Self {
        self.levels_per_side = per_side.clamp(1, MAX_LEVELS);
        self
    }

    /// Sets the price increment in ticks: every price is a multiple of it.
    ///
    /// # Panics
    /// If it is not in `1..=mid_ticks / 100`.
    #[must_use]
    pub fn increment(mut self, ticks: i64) -> Self {
        assert!((1..=self.mid_ticks / 100).contains(&ticks), "price increment of {ticks} ticks");
        self.increment_ticks = ticks;
        self
    }

    /// Sets the typical gap, in ticks, between neighbouring levels near the touch, clamped to
    /// `1..=10_000`. The book is never denser than every second price.
    #[must_use]
    pub fn gap(mut self, ticks: u64) -> Self {
        self.gap_ticks = ticks.clamp(1, MAX_GAP_TICKS);
        self
    }

    /// Sets the median size of a level in units, clamped to `1..=10^12`.
    #[must_use]
    pub fn median_size(mut self, units: u64) -> Self {
        self.median_size_units = units.clamp(1, MAX_MEDIAN_SIZE);
        self
    }

    /// Sets how many of a thousand intervals bring no change at all, clamped to `0..=1000`. A
    /// [mood](Self::mood) may make further intervals quiet.
    #[must_use]
    pub fn quiet(mut self, permille: u64) -> Self {
        self.quiet_permille = permille.min(1_000);
        self
    }

    /// Makes a market in which only one side ever has levels.
    #[must_use]
    pub fn one_sided(mut self, side: Side) -> Self {
        self.only = Some(side);
        self
    }

    /// Sets the mood of the market. The default is [`Mood::Measured`].
    ///
    /// A mood with fewer levels lowers the number of [levels](Self::levels), in whatever order the
    /// two are set.
    #[must_use]
    pub fn mood(mut self, mood: Mood) -> Self {
        self.mood = mood;
        self
    }

    /// Returns the product id, as in the frames.
    #[must_use]
    pub fn product_id(&self) -> &str {
        &self.product_id
    }

    /// Returns the number of decimals of a price.
    #[must_use]
    pub fn price_scale(&self) -> u8 {
        self.price_scale
    }

    /// Returns the number of decimals of a size.
    #[must_use]
    pub fn size_scale(&self) -> u8 {
        self.size_scale
    }

    /// Returns the number of levels that a random walk keeps on each side, approximately.
    #[must_use]
    pub fn levels_per_side(&self) -> usize {
        self.levels_per_side.min(self.mood.max_levels())
    }

    /// Returns the change that gives a level this size.
    ///
    /// # Panics
    /// If the price or the size has more decimals than the product, or is out of range.
    pub(crate) fn change(&self, side: Side, price: Decimal, size: Decimal) -> TrueChange {
        let price_ticks = scaled(price, self.price_scale).filter(|&ticks| ticks > 0);
        let size_units = scaled(size, self.size_scale).and_then(|units| u64::try_from(units).ok());
        let (Some(price_ticks), Some(size_units)) = (price_ticks, size_units) else {
            panic!(
                "a {side} of {size} at {price} does not fit {}: the price has to be above zero \
                 with at most {} decimals, the size zero or more with at most {}",
                self.product_id, self.price_scale, self.size_scale
            );
        };
        TrueChange { side, price_ticks, size_units }
    }
}

/// Returns a decimal as a multiple of ten to the power of minus `scale`, if it is one.
fn scaled(value: Decimal, scale: u8) -> Option<i64> {
    let value = value.normalize();
    let factor = 10i128.checked_pow(u32::from(scale).checked_sub(value.scale())?)?;
    i64::try_from(value.mantissa().checked_mul(factor)?).ok()
}
