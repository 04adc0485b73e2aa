//! Which product is placed on which shard. Knows names and numbers only.

use std::collections::BTreeMap;

use crate::wire::ProductId;

/// Products on numbered shards, with a bound for each shard and one for their number.
#[derive(Debug)]
pub(super) struct Placement {
    /// How many products a shard takes.
    per_shard: usize,
    max_shards: usize,
    shards: BTreeMap<u64, Vec<ProductId>>,
    /// The number of the next new shard. Numbers are used once.
    next: u64,
}

/// Every shard is full, and the limit of shards is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Placement {
    pub(super) const fn new(per_shard: usize, max_shards: usize) -> Self {
        let per_shard = if per_shard == 0 { 1 } else { per_shard };
        Self { per_shard, max_shards, shards: BTreeMap::new(), next: 0 }
    }

    /// Places a product on the oldest shard with room, or else on a new one.
    pub(super) fn place(&mut self, product: ProductId) -> Result<u64, Full> {
        let with_room = self.shards.iter_mut().find(|(_, held)| held.len() < self.per_shard);
        if let Some((number, held)) = with_room {
            held.push(product);
            return Ok(*number);
        }
        if self.shards.len() >= self.max_shards {
            return Err(Full);
        }
        let number = self.next;
        self.next += 1;
        self.shards.insert(number, vec![product]);
        Ok(number)
    }

    /// Removes a product. Returns whether its shard is empty now, which ends the shard.
    pub(super) fn remove(&mut self, product: &ProductId, number: u64) -> bool {
        let Some(held) = self.shards.get_mut(&number) else { return false };
        held.retain(|other| other != product);
        let is_empty = held.is_empty();
        if is_empty {
            self.shards.remove(&number);
        }
        is_empty
    }

    /// Removes a product that was placed on another shard already.
    pub(super) fn remove_from(&mut self, product: &ProductId, number: u64) {
        if let Some(held) = self.shards.get_mut(&number) {
            held.retain(|other| other != product);
            debug_assert!(!held.is_empty(), "a shard that is split keeps a product");
        }
    }

    /// Ends a shard with all that is on it.
    pub(super) fn end(&mut self, number: u64) {
        self.shards.remove(&number);
    }

    /// Lowers how many products a shard takes. Shards that hold more keep them.
    pub(super) fn limit(&mut self, per_shard: usize) {
        self.per_shard = self.per_shard.min(per_shard.max(1));
    }

    /// Returns the products on a shard.
    pub(super) fn on(&self, number: u64) -> &[ProductId] {
        self.shards.get(&number).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> ProductId {
        ProductId::new(&format!("P{number}-USD")).unwrap()
    }

    #[test]
    fn products_fill_one_shard_after_the_other() {
        let mut placement = Placement::new(3, 2);
        let numbers: Vec<_> = (0..7).map(|number| placement.place(id(number))).collect();
        assert_eq!(numbers, [Ok(0), Ok(0), Ok(0), Ok(1), Ok(1), Ok(1), Err(Full)]);
        assert_eq!(placement.on(1), [id(3), id(4), id(5)]);
        assert!(!placement.remove(&id(1), 0));
        assert_eq!(placement.place(id(7)), Ok(0), "the room is used again");
    }

    #[test]
    fn an_empty_shard_ends_and_its_number_is_not_used_again() {
        let mut placement = Placement::new(1, 2);
        assert_eq!(placement.place(id(0)), Ok(0));
        assert!(placement.remove(&id(0), 0));
        assert!(!placement.remove(&id(0), 0));
        assert_eq!(placement.place(id(1)), Ok(1));
        placement.end(1);
        assert_eq!(placement.place(id(2)), Ok(2));
    }

    #[test]
    fn a_limit_only_ever_falls_and_never_below_one() {
        let mut placement = Placement::new(4, 9);
        for number in 0..4 {
            placement.place(id(number)).unwrap();
        }
        placement.limit(2);
        placement.limit(3);
        assert!(!placement.remove(&id(0), 0));
        assert_eq!(placement.place(id(4)), Ok(1), "a shard above the limit takes no more");
        placement.limit(0);
        assert_eq!(placement.place(id(5)), Ok(2));
        assert_eq!(Placement::new(0, 1).place(id(0)), Ok(0));
    }
}
