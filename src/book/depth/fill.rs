//! Walking one side of a book from its best level, and what the walk took.

use rust_decimal::Decimal;

use super::error::DepthError;
use super::exact::{BPS, Exact, Rounding};
use crate::units::{Level, Side};

/// The part of one side that a query took, best levels first.
///
/// `size` and `notional` are exact, and belong together: the notional is what exactly that size
/// costs or brings, the sum of price times size over the levels taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fill {
    /// The side whose levels were taken: the asks for a buyer, the bids for a seller.
    pub side: Side,
    /// How much was taken, in base currency (contracts for futures).
    pub size: Decimal,
    /// What it costs or brings, in quote currency: the sum of price times size.
    pub notional: Decimal,
    /// The price of the last level taken, `None` if nothing was taken.
    pub worst_price: Option<Decimal>,
    /// How many levels were taken, counting one taken in part.
    pub levels: usize,
    /// Whether the walk ended at what was asked for; `false` if the side ended before.
    pub is_complete: bool,
}

impl Fill {
    /// Returns `notional / size`, or `None` if nothing was taken.
    ///
    /// Rounded half to even to 28 significant digits, at most 28 of them after the point.
    #[must_use]
    pub fn average_price(&self) -> Option<Decimal> {
        // An average lies between the prices it is of, which are decimals, so it is in range.
        Exact::from(self.notional).quotient(self.size.into(), Rounding::HalfEven)
    }

    /// Returns how much worse the average price is than a reference, in hundredths of a percent.
    ///
    /// `(average - reference) / reference * 10,000` for a buyer and the negative of it for a
    /// seller, so what is above zero is a cost to either. Computed from `notional` and `size`
    /// rather than the rounded average, and rounded once, half to even, to 28 significant digits,
    /// at most 28 of them after the point.
    ///
    /// `None` if nothing was taken or the reference is not above zero. The usual references are
    /// those of [`Depth::reference_price`](super::Depth::reference_price).
    ///
    /// # Errors
    /// [`DepthError::OutOfRange`] when the numbers are too long.
    pub fn slippage_bps(&self, reference_price: Decimal) -> Result<Option<Decimal>, DepthError> {
        if self.size.is_zero() || reference_price <= Decimal::ZERO {
            return Ok(None);
        }
        let slippage = || {
            let notional = Exact::from(self.notional);
            let expected = Exact::from(reference_price).times(self.size.into())?;
            let cost = match self.side {
                Side::Ask => notional.minus(expected)?,
                Side::Bid => expected.minus(notional)?,
            };
            cost.times(BPS)?.quotient(expected, Rounding::HalfEven)
        };
        slippage().map(Some).ok_or(DepthError::OutOfRange)
    }
}

/// Takes levels up to a size.
pub(super) fn take_size(
    side: Side,
    levels: impl Iterator<Item = Level>,
    size: Decimal,
) -> Option<Fill> {
    let (mut walk, mut left) = (Walk::NONE, Exact::from(size));
    for level in levels {
        if left.is_zero() {
            break;
        }
        let taken = left.min(level.size.into());
        walk = walk.take(level.price, taken)?;
        left = left.minus(taken)?;
    }
    walk.fill(side, left.is_zero())
}

/// Takes levels up to a notional.
pub(super) fn take_notional(
    side: Side,
    levels: impl Iterator<Item = Level>,
    notional: Decimal,
) -> Option<Fill> {
    let (walk, left, has_stopped) = take_budget(levels, notional.into(), Some)?;
    walk.fill(side, has_stopped || left.is_zero())
}

/// Takes levels while their average price is no worse than a limit.
pub(super) fn take_average(
    side: Side,
    levels: impl Iterator<Item = Level>,
    limit: Exact,
) -> Option<Fill> {
    // What levels better than the limit save against it is what worse ones may cost.
    let (walk, _, has_stopped) = take_budget(levels, Exact::ZERO, |price| match side {
        Side::Ask => price.minus(limit),
        Side::Bid => limit.minus(price),
    })?;
    walk.fill(side, has_stopped)
}

/// Takes levels while their price is no worse than a limit.
pub(super) fn take_to_price(
    side: Side,
    levels: impl Iterator<Item = Level>,
    limit: Exact,
) -> Option<Fill> {
    let mut walk = Walk::NONE;
    for level in levels {
        if !is_within(side, level, limit) {
            return walk.fill(side, true);
        }
        walk = walk.take(level.price, level.size.into())?;
    }
    walk.fill(side, false)
}

/// Returns whether the price of a level is no worse than a limit.
#[inline]
pub(super) fn is_within(side: Side, level: Level, limit: Exact) -> bool {
    let price = Exact::from(level.price);
    match side {
        Side::Bid => price >= limit,
        Side::Ask => price <= limit,
    }
}

/// Adds the sizes of levels up.
pub(super) fn sum_of_sizes(mut levels: impl Iterator<Item = Level>) -> Option<Exact> {
    levels.try_fold(Exact::ZERO, |sum, level| sum.plus(level.size.into()))
}

/// Takes levels until a budget is spent, and returns what is left of it and whether a level stopped
/// the walk.
///
/// `unit_cost` says what one unit of size takes from the budget at a price, where less than zero
/// adds to it. The last level is taken in part, rounded down.
fn take_budget(
    levels: impl Iterator<Item = Level>,
    mut budget: Exact,
    unit_cost: impl Fn(Exact) -> Option<Exact>,
) -> Option<(Walk, Exact, bool)> {
    let mut walk = Walk::NONE;
    for level in levels {
        let unit_cost = unit_cost(level.price.into())?;
        let cost = unit_cost.times(level.size.into())?;
        if cost > budget {
            let part = budget.quotient(unit_cost, Rounding::Down)?;
            return Some((walk.take_part(level.price, part.into())?, budget, true));
        }
        walk = walk.take(level.price, level.size.into())?;
        budget = budget.minus(cost)?;
    }
    Some((walk, budget, false))
}

/// What was taken so far.
#[derive(Clone, Copy, Debug)]
struct Walk {
    size: Exact,
    notional: Exact,
    worst_price: Option<Decimal>,
    levels: usize,
}

impl Walk {
    const NONE: Self =
        Self { size: Exact::ZERO, notional: Exact::ZERO, worst_price: None, levels: 0 };

    #[inline]
    fn take(self, price: Decimal, size: Exact) -> Option<Self> {
        Some(Self {
            size: self.size.plus(size)?,
            notional: self.notional.plus(Exact::from(price).times(size)?)?,
            worst_price: Some(price),
            levels: self.levels + 1,
        })
    }

    /// Takes a size of many digits, without those last ones that the sums have no room for.
    fn take_part(self, price: Decimal, mut size: Exact) -> Option<Self> {
        while !size.is_zero() {
            let walk = self.take(price, size);
            if let Some(walk) = walk
                && walk.size.decimal().is_some()
                && walk.notional.decimal().is_some()
            {
                return Some(walk);
            }
            size = size.without_last_digit()?;
        }
        Some(self)
    }

    fn fill(self, side: Side, is_complete: bool) -> Option<Fill> {
        Some(Fill {
            side,
            size: self.size.decimal()?,
            notional: self.notional.decimal()?,
            worst_price: self.worst_price,
            levels: self.levels,
            is_complete,
        })
    }
}
