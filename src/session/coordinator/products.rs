//! Products that come and leave, and their names.

use std::time::Instant;

use super::Coordinator;
use crate::bbo::{BboPublisher, bbo_channel};
use crate::session::error::TooManyProducts;
use crate::session::event::SessionEvent;
use crate::session::products::{Added, Name, Removed};
use crate::wire::ProductId;

impl Coordinator {
    /// Adds a product, unless it is there already.
    pub(crate) fn add(&mut self, now: Instant, product: ProductId) -> Result<(), TooManyProducts> {
        let publisher = self.new_publisher();
        self.add_publishing(now, product, publisher)
    }

    /// Returns a publisher that nothing reads yet.
    pub(crate) fn new_publisher(&self) -> BboPublisher {
        bbo_channel(self.epoch).0
    }

    /// Adds a product whose BBO is published here, unless it is there already.
    pub(crate) fn add_publishing(
        &mut self,
        now: Instant,
        product: ProductId,
        publisher: BboPublisher,
    ) -> Result<(), TooManyProducts> {
        let alias = self.config.aliases.iter().find(|(requested, _)| *requested == product);
        let wire_name = alias.map_or(&product, |(_, canonical)| canonical).clone();
        let connected = self.is_open().then_some(self.policy().resync);
        let name = Name::new(product.clone(), publisher);
        match self.products.add(name, wire_name, connected, now)? {
            Added::Name { index } => self.announce(index, &[product]),
            Added::Known | Added::Product => {}
        }
        Ok(())
    }

    /// Removes a product and withdraws its BBO. Returns its publisher, or `None` if there is no
    /// such product.
    pub(crate) fn remove(&mut self, product: &str) -> Option<BboPublisher> {
        let Removed { publisher, to_end } = self.products.remove(product)?;
        if let (Some(name), Some(connection)) = (to_end, self.uplink.connection_mut()) {
            connection.end_subscription(name);
        }
        Some(publisher)
    }

    /// Notes that the venue answers for a product under another name.
    pub(crate) fn adopt_alias(&mut self, index: usize, canonical: &ProductId) {
        self.report_each(index, |product| SessionEvent::Aliased {
            product,
            canonical: canonical.clone(),
        });
        let (index, moved) = self.products.rename(index, canonical);
        self.announce(index, &moved);
    }

    /// Publishes a product under names that are new to it, if its book is live.
    fn announce(&mut self, index: usize, names: &[ProductId]) {
        if names.is_empty() {
            return;
        }
        if let Some(sequence) = self.products.publish_again(index) {
            for product in names {
                self.report(SessionEvent::Synced { product: product.clone(), sequence });
            }
        }
    }
}
