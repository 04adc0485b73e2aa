//! The one or two lanes of a shard, and values of which each lane has one.

use std::ops::Index;

/// One of the lanes of a shard.
///
/// A shard without a standby has the first alone. Neither is the standby for good: the lane that
/// is not read from is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LaneId {
    First,
    Second,
}

impl LaneId {
    /// The most lanes of a shard.
    const COUNT: u64 = 2;

    pub(super) const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    /// Returns the number of this lane among the lanes of all shards.
    pub(super) const fn number(self, shard: u64) -> u64 {
        shard * Self::COUNT + self as u64
    }
}

/// A value for each lane of a shard.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    first: T,
    second: Option<T>,
}

impl<T> Lanes<T> {
    /// Makes the value of the first lane, and that of the second if there is a standby.
    pub(super) fn new(has_standby: bool, mut make: impl FnMut(LaneId) -> T) -> Self {
        let first = make(LaneId::First);
        Self { first, second: has_standby.then(|| make(LaneId::Second)) }
    }

    #[inline]
    pub(super) const fn get(&self, lane: LaneId) -> Option<&T> {
        match lane {
            LaneId::First => Some(&self.first),
            LaneId::Second => self.second.as_ref(),
        }
    }

    #[inline]
    pub(super) const fn has_standby(&self) -> bool {
        self.second.is_some()
    }

    /// Iterates over the lanes there are, the first one first.
    pub(super) fn ids(&self) -> impl Iterator<Item = LaneId> + use<T> {
        let second = self.has_standby().then_some(LaneId::Second);
        std::iter::once(LaneId::First).chain(second)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.first).chain(&self.second)
    }

    /// Makes a value of each, or returns `None` if one of them cannot be made.
    pub(super) fn try_map<U>(&self, mut make: impl FnMut(&T) -> Option<U>) -> Option<Lanes<U>> {
        let first = make(&self.first)?;
        let second = match &self.second {
            Some(second) => Some(make(second)?),
            None => None,
        };
        Some(Lanes { first, second })
    }
}

impl<T, U> Lanes<(T, U)> {
    pub(super) fn unzip(self) -> (Lanes<T>, Lanes<U>) {
        let (first, first_other) = self.first;
        let (second, second_other) = self.second.unzip();
        (Lanes { first, second }, Lanes { first: first_other, second: second_other })
    }
}

impl<T> IntoIterator for Lanes<T> {
    type Item = T;
    type IntoIter = std::iter::Chain<std::iter::Once<T>, std::option::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self.first).chain(self.second)
    }
}

impl<T> Index<LaneId> for Lanes<T> {
    type Output = T;

    fn index(&self, lane: LaneId) -> &T {
        self.get(lane).expect("only a shard with a standby hands out the second lane")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lane_is_there_only_with_a_standby() {
        let alone = Lanes::new(false, |lane| lane);
        assert_eq!(alone.ids().collect::<Vec<_>>(), [LaneId::First]);
        assert_eq!(alone.get(LaneId::Second), None);
        let both = Lanes::new(true, |lane| (lane, lane.other()));
        assert_eq!(both[LaneId::Second], (LaneId::Second, LaneId::First));
        let (lanes, others) = both.unzip();
        assert_eq!(lanes.into_iter().collect::<Vec<_>>(), [LaneId::First, LaneId::Second]);
        assert_eq!(others.iter().collect::<Vec<_>>(), [&LaneId::Second, &LaneId::First]);
    }

    #[test]
    fn a_map_that_fails_for_one_lane_fails_for_both() {
        let both = Lanes::new(true, |lane| lane);
        let only = |wanted| both.try_map(|lane| (*lane == wanted).then_some(())).is_some();
        assert!(!only(LaneId::First) && !only(LaneId::Second));
        assert!(both.try_map(|lane| Some(*lane)).is_some_and(|copy| copy.has_standby()));
    }

    #[test]
    fn lanes_of_all_shards_have_numbers_of_their_own() {
        let numbers =
            (0..3).flat_map(|shard| Lanes::new(true, |lane| lane.number(shard)).into_iter());
        assert_eq!(numbers.collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    }
}
