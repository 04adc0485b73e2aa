//! Which product a name means: the names requested, and those on the wire.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::FixedState;

use crate::wire::{ProductId, ProductKey, Update};

/// Finds the place of a product by any of its names.
///
/// Where one product was requested under the name that another has on the wire, the name means
/// the one requested.
#[derive(Debug, Default)]
pub(super) struct Names {
    requested: BTreeMap<ProductId, usize>,
    on_wire: BTreeMap<ProductId, usize>,
    /// What each name that has a key means.
    by_key: HashMap<ProductKey, usize, FixedState>,
    /// The key looked up last: the next frame is often for the same product.
    last_found: Option<(ProductKey, usize)>,
}

impl Names {
    /// Returns what a name means.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.requested.get(name).or_else(|| self.on_wire.get(name)).copied()
    }

    /// Returns what a name means other than the product at this place.
    pub(super) fn find_other(&self, name: &str, index: usize) -> Option<usize> {
        let found = [self.requested.get(name), self.on_wire.get(name)];
        found.into_iter().flatten().copied().find(|other| *other != index)
    }

    /// Returns what the name in a frame means.
    #[inline]
    pub(super) fn find_in_frame(&mut self, update: &Update<'_>) -> Option<usize> {
        let Some(key) = update.product_key() else { return self.find(update.product_id()) };
        if let Some((last, index)) = self.last_found
            && last == key
        {
            return Some(index);
        }
        let index = *self.by_key.get(&key)?;
        self.last_found = Some((key, index));
        Some(index)
    }

    /// Adds a name that was requested.
    pub(super) fn request(&mut self, name: &ProductId, index: usize) {
        self.requested.insert(name.clone(), index);
        self.refresh(name);
    }

    /// Adds the name that a product has on the wire.
    pub(super) fn put_on_wire(&mut self, name: &ProductId, index: usize) {
        let before = self.on_wire.insert(name.clone(), index);
        debug_assert!(before.is_none(), "no two products share a name on the wire");
        self.refresh(name);
    }

    /// Removes a name that was requested.
    pub(super) fn forget_requested(&mut self, name: &ProductId) {
        let removed = self.requested.remove(name);
        debug_assert!(removed.is_some(), "only a name that was requested is forgotten");
        self.refresh(name);
    }

    /// Removes a name on the wire.
    pub(super) fn forget_on_wire(&mut self, name: &ProductId) {
        let removed = self.on_wire.remove(name);
        debug_assert!(removed.is_some(), "only a name on the wire is forgotten");
        self.refresh(name);
    }

    /// Moves all products behind this place one place forward. The product that was there has no
    /// name any more.
    pub(super) fn close_gap(&mut self, gap: usize) {
        self.last_found = None;
        let (requested, on_wire) = (self.requested.values_mut(), self.on_wire.values_mut());
        for index in requested.chain(on_wire).chain(self.by_key.values_mut()) {
            debug_assert_ne!(*index, gap, "the product that leaves has no name any more");
            *index -= usize::from(*index > gap);
        }
    }

    /// Files anew what the key of a name means.
    fn refresh(&mut self, name: &ProductId) {
        self.last_found = None;
        let Some(key) = name.key() else { return };
        match self.find(name.as_str()) {
            Some(index) => self.by_key.insert(key, index),
            None => self.by_key.remove(&key),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Body, Decoder};

    fn id(name: &str) -> ProductId {
        ProductId::new(name).unwrap()
    }

    /// What the name in a frame means, which is found by its key if it has one.
    fn find_in_frame(names: &mut Names, product: &str) -> Option<usize> {
        let text = format!(
            "{{\"channel\":\"l2_data\",\"timestamp\":\"2026-11-02T00:00:00.05Z\",\
             \"sequence_num\":0,\"events\":[{{\"type\":\"update\",\"product_id\":\"{product}\",\
             \"updates\":[{{\"side\":\"bid\",\"event_time\":\"2026-11-02T00:00:00Z\",\
             \"price_level\":\"1\",\"new_quantity\":\"1\"}}]}}]}}"
        );
        let mut decoder = Decoder::new();
        let frame = decoder.decode(text.as_bytes()).unwrap();
        assert!(frame.is_expected_shape());
        let Body::Level2 { mut updates, .. } = frame.body() else { panic!("expected levels") };
        names.find_in_frame(&updates.next().unwrap().unwrap())
    }

    #[track_caller]
    fn assert_means(names: &mut Names, name: &str, index: Option<usize>) {
        assert_eq!(names.find(name), index, "{name}");
        assert_eq!(find_in_frame(names, name), index, "{name} in a frame");
        assert_eq!(find_in_frame(names, name), index, "{name} in the next frame");
    }

    #[test]
    fn a_product_is_found_by_every_name_that_it_has() {
        let mut names = Names::default();
        names.request(&id("BTC-USDC"), 0);
        names.put_on_wire(&id("BTC-USD"), 0);
        names.request(&id("LONGER-THAN-16-BYTES-CDE"), 1);
        names.put_on_wire(&id("LONGER-THAN-16-BYTES-CDE"), 1);
        for (name, index) in [("BTC-USDC", 0), ("BTC-USD", 0), ("LONGER-THAN-16-BYTES-CDE", 1)] {
            assert_means(&mut names, name, Some(index));
        }
        assert_means(&mut names, "ETH-USD", None);
    }

    #[test]
    fn a_name_that_was_requested_comes_before_the_same_name_on_the_wire() {
        let mut names = Names::default();
        names.put_on_wire(&id("BTC-USD"), 0);
        assert_means(&mut names, "BTC-USD", Some(0));
        names.request(&id("BTC-USD"), 1);
        assert_means(&mut names, "BTC-USD", Some(1));
        names.forget_requested(&id("BTC-USD"));
        assert_means(&mut names, "BTC-USD", Some(0));
        names.forget_on_wire(&id("BTC-USD"));
        assert_means(&mut names, "BTC-USD", None);
    }

    #[test]
    fn products_behind_one_that_leaves_move_forward() {
        let mut names = Names::default();
        let all = ["A-USD", "B-USD", "C-USD"];
        for (index, name) in all.into_iter().enumerate() {
            names.request(&id(name), index);
            names.put_on_wire(&id(name), index);
            assert_means(&mut names, name, Some(index));
        }
        names.forget_requested(&id("B-USD"));
        names.forget_on_wire(&id("B-USD"));
        names.close_gap(1);
        for (name, index) in all.into_iter().zip([Some(0), None, Some(1)]) {
            assert_means(&mut names, name, index);
        }
    }
}
