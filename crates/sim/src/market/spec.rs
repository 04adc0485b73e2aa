//! What a product looks like: its number formats, where it trades and how deep its book is.

use crate::Side;
use crate::market::mood::Mood;
use crate::market::tables::{ASK_PROFILE, BID_PROFILE, PROFILE_GAP_TICKS, interpolate};

/// What a product looks like: its number formats, where it trades and how deep its book is.
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
/// What happens on the market is its [`Mood`]:
///
/// ```
/// use level2_sim::{Mood, ProductSpec};
///
/// let crash = ProductSpec::btc_usd().mood(Mood::Crash);
/// let hardly_traded = ProductSpec::sol_usd().mood(Mood::Illiquid);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductSpec {
    pub(super) product_id: String,
    pub(super) price_scale: u8,
    pub(super) size_scale: u8,
    pub(super) mid_ticks: i64,
    levels_per_side: usize,
    pub(super) increment_ticks: i64,
    pub(super) gap_ticks: u64,
    pub(super) size_median_units: u64,
    pub(super) round_ticks: i64,
    pub(super) quiet_permille: u64,
    pub(super) only: Option<Side>,
    pub(super) mood: Mood,
}

impl ProductSpec {
    /// A product of your own, with 200 levels a side, increments of one tick and a typical gap of
    /// 24 ticks between neighbouring levels near the touch.
    ///
    /// `mid_ticks` is the price, in ticks, around which the market wanders: by at most one percent,
    /// unless its [mood](Self::mood) carries it further.
    ///
    /// # Panics
    ///
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
            (MID_TICKS_MIN..=MAX_MID_TICKS).contains(&mid_ticks),
            "mid of {mid_ticks} ticks is outside {MID_TICKS_MIN}..={MAX_MID_TICKS}"
        );
        Self {
            product_id: product_id.to_owned(),
            price_scale,
            size_scale,
            mid_ticks,
            levels_per_side: 200,
            increment_ticks: 1,
            gap_ticks: PROFILE_GAP_TICKS,
            size_median_units: 10u64.pow(u32::from(size_scale)),
            round_ticks: 1,
            quiet_permille: 0,
            only: None,
            mood: Mood::Measured,
        }
    }

    /// `BTC-USD`: two price decimals, eight size decimals, around 83,277; 2,000 levels a side.
    #[must_use]
    pub fn btc_usd() -> Self {
        let mut spec = Self::new("BTC-USD", 2, 8, 8_327_725);
        spec.levels_per_side = 2_000;
        spec.size_median_units = 225_000;
        spec.round_ticks = 100;
        spec
    }

    /// `ETH-USD`: two price decimals, eight size decimals, around 2,666; 1,000 levels a side.
    #[must_use]
    pub fn eth_usd() -> Self {
        let mut spec = Self::new("ETH-USD", 2, 8, 266_608);
        spec.levels_per_side = 1_000;
        spec.gap_ticks = 8;
        spec.size_median_units = 50_000_000;
        spec.round_ticks = 100;
        spec.quiet_permille = 10;
        spec
    }

    /// `SOL-USD`: two price decimals, eight size decimals, around 155; 400 levels a side.
    #[must_use]
    pub fn sol_usd() -> Self {
        let mut spec = Self::new("SOL-USD", 2, 8, 15_523);
        spec.levels_per_side = 400;
        spec.gap_ticks = 2;
        spec.size_median_units = 1_200_000_000;
        spec.quiet_permille = 100;
        spec
    }

    /// `PEPE-USD`: a price of 0.00001234 with eight decimals, sizes in whole coins.
    #[must_use]
    pub fn tiny_price() -> Self {
        let mut spec = Self::new("PEPE-USD", 8, 0, 1_234);
        spec.levels_per_side = 150;
        spec.gap_ticks = 1;
        spec.size_median_units = 2_500_000;
        spec.quiet_permille = 500;
        spec
    }

    /// `BIP-20DEC30-CDE`: a dated future with integer prices in steps of five and integer sizes.
    #[must_use]
    pub fn futures() -> Self {
        let mut spec = Self::new("BIP-20DEC30-CDE", 0, 0, 72_575);
        spec.levels_per_side = 370;
        spec.increment_ticks = 5;
        spec.gap_ticks = 5;
        spec.size_median_units = 12;
        spec.quiet_permille = 300;
        spec
    }

    /// Sets the number of levels the market keeps on each side, held to `1..=`[`MAX_LEVELS`].
    ///
    /// The bid side may hold fewer: there are only so many prices between the best bid and zero.
    #[must_use]
    pub fn levels(mut self, per_side: usize) -> Self {
        self.levels_per_side = per_side.clamp(1, MAX_LEVELS);
        self
    }

    /// Sets the price increment in ticks: every price is a multiple of it.
    ///
    /// # Panics
    ///
    /// If it is not in `1..=mid_ticks / 100`.
    #[must_use]
    pub fn increment(mut self, ticks: i64) -> Self {
        assert!((1..=self.mid_ticks / 100).contains(&ticks), "price increment of {ticks} ticks");
        self.increment_ticks = ticks;
        self
    }

    /// Sets the typical gap, in ticks, between neighbouring levels near the touch, held to
    /// `1..=10_000`. The book is never denser than every second price.
    #[must_use]
    pub fn gap(mut self, ticks: u64) -> Self {
        self.gap_ticks = ticks.clamp(1, MAX_GAP_TICKS);
        self
    }

    /// Sets the median size of a level in units, held to `1..=10^12`.
    #[must_use]
    pub fn median_size(mut self, units: u64) -> Self {
        self.size_median_units = units.clamp(1, MAX_SIZE_MEDIAN);
        self
    }

    /// Sets how many of a thousand intervals bring no change at all (held to `0..=1000`). A
    /// [mood](Self::mood) may take the changes of further ones.
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

    /// Sets what happens on the market. The default is [`Mood::Measured`].
    ///
    /// A mood that keeps fewer levels lowers the number of them, whichever is set first.
    #[must_use]
    pub fn mood(mut self, mood: Mood) -> Self {
        self.mood = mood;
        self
    }

    /// The product id, as in the frames.
    #[must_use]
    pub fn product_id(&self) -> &str {
        &self.product_id
    }

    /// The number of decimals of a price.
    #[must_use]
    pub fn price_scale(&self) -> u8 {
        self.price_scale
    }

    /// The number of decimals of a size.
    #[must_use]
    pub fn size_scale(&self) -> u8 {
        self.size_scale
    }

    /// The price, in ticks, around which the market wanders.
    #[must_use]
    pub fn mid_ticks(&self) -> i64 {
        self.mid_ticks
    }

    /// The number of levels a side that the market keeps near.
    #[must_use]
    pub fn levels_per_side(&self) -> usize {
        self.levels_per_side.min(self.mood.levels_max())
    }

    /// The expected distance, in ticks from the touch, of the level of this rank.
    pub(super) fn distance(&self, side: Side, rank: usize) -> i64 {
        let profile: &[(u64, u64)] = match side {
            Side::Bid => &BID_PROFILE,
            Side::Ask => &ASK_PROFILE,
        };
        let scaled = interpolate(profile, rank as u64) * self.gap_ticks / PROFILE_GAP_TICKS;
        // Prices need room between them, or an insertion would find none.
        let floor = rank as i64 * 2 * self.increment_ticks;
        (scaled as i64).max(floor)
    }

    /// The number of levels this side can keep: bids must stay above zero at the lowest mid.
    pub(super) fn target(&self, side: Side) -> usize {
        match (self.only, side) {
            (Some(only), _) if only != side => 0,
            (_, Side::Ask) => self.levels_per_side(),
            (_, Side::Bid) => {
                let room = self.mid_ticks / 100 * (96 - self.mood.range_percent());
                let (mut low, mut high) = (1, self.levels_per_side());
                while low < high {
                    let middle = (low + high).div_ceil(2);
                    if self.distance(Side::Bid, middle) <= room {
                        low = middle;
                    } else {
                        high = middle - 1;
                    }
                }
                low
            }
        }
    }
}
/// The most levels a side a product may be set to; two such sides make a snapshot of about 5 MB.
pub const MAX_LEVELS: usize = 22_500;
/// The most decimals a price or a size may have.
pub const MAX_SCALE: u8 = 12;

const MID_TICKS_MIN: i64 = 100;
const MAX_MID_TICKS: i64 = 1_000_000_000_000;
const MAX_GAP_TICKS: u64 = 10_000;
const MAX_SIZE_MEDIAN: u64 = 1_000_000_000_000;
