//! Where the book of each product is found.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cell::ProductCell;
use super::shard::Shard;
use super::status::ProductStatus;
use crate::bbo::Bbo;
use crate::book::Book;
use crate::session::NotLive;
use crate::wire::ProductId;

/// A product, and the shard that feeds it.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) cell: Arc<ProductCell>,
    pub(super) shard: Arc<Shard>,
}

impl Route {
    /// Passes the book that readers see to a closure, with the BBO that was published of it.
    pub(super) fn read_at<R>(&self, look: impl FnOnce(&Book, &Bbo) -> R) -> Result<R, NotLive> {
        let Self { cell, shard } = self;
        let mut not_live = None;
        for id in cell.reading_order() {
            let lane = shard.lanes[id].lane.lock_queued();
            match lane.session().book(cell.name().as_str()) {
                Ok(book) => {
                    // Published with the book, and withdrawn before it.
                    if let Some(bbo) = cell.load_lane(id) {
                        return Ok(look(book, &bbo));
                    }
                }
                // On its way from one shard to another.
                Err(NotLive::Unknown(_)) => {}
                Err(error) => not_live = not_live.or(Some(error)),
            }
        }
        let syncing = || NotLive::Syncing { product: cell.name().clone(), since: cell.since() };
        Err(not_live.unwrap_or_else(syncing))
    }

    /// Returns how the product stands on the lane that it is read from.
    pub(super) fn status(&self) -> ProductStatus {
        let Self { cell, shard } = self;
        let live = cell.reading_order().find(|lane| cell.load_lane(*lane).is_some());
        let lane = shard.lanes[live.unwrap_or_else(|| cell.preferred())].lane.lock_queued();
        ProductStatus::of(lane.session(), cell.name(), cell.since())
    }
}

/// The routes of all products, by their names.
#[derive(Debug, Default)]
pub(super) struct Routes {
    by_name: BTreeMap<ProductId, Route>,
    /// The requested names, by the venue's.
    aliases: BTreeMap<ProductId, ProductId>,
}

impl Routes {
    /// Finds a product under its requested name or the venue's.
    pub(super) fn find(&self, product: &str) -> Option<&Route> {
        let route = self.by_name.get(product);
        route.or_else(|| self.by_name.get(self.aliases.get(product)?))
    }

    /// Finds a product under its requested name alone.
    pub(super) fn get(&self, product: &ProductId) -> Option<&Route> {
        self.by_name.get(product)
    }

    /// Iterates over all routes, in the alphabetical order of their requested names.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Route> {
        self.by_name.values()
    }

    /// Adds a route, or replaces that of the product.
    pub(super) fn insert(&mut self, route: Route) {
        self.by_name.insert(route.cell.name().clone(), route);
    }

    /// Removes the product of this requested name, and its aliases.
    pub(super) fn remove(&mut self, product: &str) -> Option<Route> {
        let route = self.by_name.remove(product)?;
        self.aliases.retain(|_, asked| asked.as_str() != product);
        Some(route)
    }

    /// Lets a product be found under the venue's name as well, unless it was removed meanwhile.
    pub(super) fn add_alias(&mut self, asked: &ProductId, canonical: &ProductId) {
        if self.by_name.contains_key(asked) {
            self.aliases.insert(canonical.clone(), asked.clone());
        }
    }
}
