//! What is asked of the venue, when, and what its answers say.
//!
//! There is no queue of requests: each product says what it wants, and the next request gathers
//! those that want the same. However the products change, no more than that can ever be pending.

use std::time::Instant;

use super::TooManyProducts;
use super::config::MAX_PRODUCTS_PER_REQUEST;
use super::event::{Cause, SessionEvent, Status};
use super::machine::Machine;
use super::policy::Resync;
use super::subscription::{Name, Stage, Subscription};
use crate::bbo::{BboPublisher, bbo_channel};
use crate::wire::{self, Action, ProductId, Request, RequestChannel, UpdateKind, venue};

impl Machine {
    pub(super) fn subscribe(
        &mut self,
        now: Instant,
        product: ProductId,
    ) -> Result<(), TooManyProducts> {
        let (publisher, _) = bbo_channel(self.epoch);
        self.subscribe_publishing(now, product, publisher)
    }

    /// Adds a product whose best bid and ask are read from this publisher.
    pub(super) fn subscribe_publishing(
        &mut self,
        now: Instant,
        product: ProductId,
        publisher: BboPublisher,
    ) -> Result<(), TooManyProducts> {
        if self.subscriptions.find(product.as_str()).is_some_and(|index| {
            self.subscriptions.at(index).names.iter().any(|name| name.id == product)
        }) {
            return Ok(());
        }
        let alias = self.config.aliases.iter().find(|(requested, _)| *requested == product);
        let wire_name = alias.map_or_else(|| product.clone(), |(_, canonical)| canonical.clone());
        if let Some(index) = self.subscriptions.find(wire_name.as_str()) {
            self.subscriptions.add_name(index, Name { id: product.clone(), publisher });
            self.announce(index, &[product]);
            return Ok(());
        }
        let max_products = self.config.max_products;
        if self.subscriptions.len() >= max_products {
            return Err(TooManyProducts { product, max_products });
        }
        let max_levels = self.config.policy.max_levels_per_side;
        let name = Name { id: product, publisher };
        let mut subscription = Subscription::new(name, wire_name, max_levels, now);
        if self.is_open() {
            if self.config.policy.resync == Resync::Passive {
                subscription.stage = Stage::Awaiting { deadline: None, is_first: false };
            } else {
                subscription.stage = Stage::Wanted { not_before: now, unsubscribes_first: false };
                self.has_requests = true;
            }
        }
        self.subscriptions.push(subscription);
        Ok(())
    }

    /// Ends a subscription and withdraws its best bid and ask. Returns their publisher, or `None`
    /// if there is no such product.
    pub(super) fn unsubscribe(&mut self, product: &ProductId) -> Option<BboPublisher> {
        let index = self.subscriptions.find(product.as_str())?;
        let names = &self.subscriptions.at(index).names;
        let position = names.iter().position(|name| name.id == *product)?;
        // Their places are about to change.
        self.changes.clear();
        let mut publisher = if names.len() > 1 {
            self.subscriptions.remove_name(index, position).publisher
        } else {
            let mut subscription = self.subscriptions.remove(index);
            if self.is_open() && subscription.asked_in.is_some() {
                self.leaving.push(subscription.wire_name);
                self.has_left_any = true;
                self.has_requests = true;
            }
            subscription.names.remove(position).publisher
        };
        publisher.withdraw();
        Some(publisher)
    }

    /// Returns the next request that may be sent now.
    pub(super) fn next_request(&mut self, now: Instant) -> Option<Request> {
        if !self.has_requests || self.rate.ready_at(now) > now {
            return None;
        }
        let mut request = self
            .next_unsubscribe(now)
            .or_else(|| self.next_subscribe(now))
            .or_else(|| self.next_heartbeats())?;
        request.wants_token = self.tokens.are_wanted();
        self.rate.count(now);
        self.requests_sent += 1;
        self.stats.requests += 1;
        Some(request)
    }

    /// Gives the snapshots that the last request asked for another deadline.
    pub(super) fn extend_deadlines(&mut self, until: Instant) {
        for subscription in self.subscriptions.iter_mut() {
            if subscription.asked_in == Some(self.requests_sent)
                && let Stage::Awaiting { deadline: Some(deadline), .. } = &mut subscription.stage
            {
                *deadline = until;
            }
        }
    }

    /// Returns when the next request can be sent, if there will be one.
    pub(super) fn requests_due(&self, now: Instant) -> Option<Instant> {
        if !self.has_requests {
            return None;
        }
        let is_due = self.wants_heartbeats || !self.leaving.is_empty();
        let wanted =
            self.subscriptions.iter().filter_map(|subscription| match subscription.stage {
                Stage::Wanted { not_before, .. } => Some(not_before),
                _ => None,
            });
        let earliest = wanted.chain(is_due.then_some(now)).min()?;
        Some(earliest.max(self.rate.ready_at(now)))
    }

    /// Compares what the venue says it sends with what was asked of it, and with what is live.
    ///
    /// The venue lists everything that is subscribed to when it answers, and answers in the order
    /// in which it is asked. A live book that it does not list grows stale from here on, whoever
    /// ended its subscription.
    pub(super) fn acknowledged(&mut self, now: Instant, listed: &wire::Subscriptions<'_>) {
        self.count_answer();
        let is_listed = |name: &str| listed.products(venue::LEVEL2).any(|listed| listed == name);
        let mut index = 0;
        while index < self.subscriptions.len() {
            let subscription = self.subscriptions.at(index);
            let asked_in = subscription.asked_in;
            let is_answered = asked_in.is_some_and(|asked| asked <= self.requests_answered);
            let is_expected = match subscription.stage {
                Stage::Awaiting { .. } => is_answered,
                Stage::Live => true,
                Stage::Down | Stage::Wanted { .. } => false,
            };
            if !is_expected || is_listed(subscription.wire_name.as_str()) {
                index += 1;
                continue;
            }
            match usdc_alias(subscription.wire_name.as_str())
                .filter(|alias| is_listed(alias.as_str()) && !self.are_apart(index, alias))
            {
                // What has this place next is looked at next: this one under its new name, which is
                // listed, or the one after it, if a merge has taken this one away.
                Some(alias) => self.adopt_alias(index, alias),
                None => {
                    if is_answered || asked_in.is_none() {
                        self.push_each(index, |product| SessionEvent::Unlisted { product });
                        self.lose_product(now, index, Cause::Refused);
                    } else {
                        self.lose_to_older_end(now, index);
                    }
                    index += 1;
                }
            }
        }
    }

    /// Counts an answer of the venue. Requests and answers can only be told apart by their order;
    /// answers that nobody waits for are none.
    pub(super) const fn count_answer(&mut self) {
        if self.requests_answered < self.requests_sent {
            self.requests_answered += 1;
        }
    }

    /// Takes the requests up to one for settled: its answer has been lost, or is as good as lost.
    /// Without this one lost answer would shift all later ones.
    pub(super) fn settle_requests(&mut self, asked_in: u64) {
        self.requests_answered = self.requests_answered.max(asked_in);
    }

    /// Withdraws a book that the snapshot of an earlier subscription has made live: that one has
    /// ended, and the snapshot of the newer one is on its way.
    ///
    /// Should that not come, then the book may have been the newer one's, and the answer late. No
    /// client can tell, so that the book stays withdrawn until a new connection.
    fn lose_to_older_end(&mut self, now: Instant, index: usize) {
        let (healthy_after, timeout) =
            (self.config.policy.healthy_after, self.config.policy.snapshot_timeout);
        let subscription = self.subscriptions.at_mut(index);
        subscription.withdraw();
        subscription.lose(now, Cause::Refused, healthy_after);
        subscription.is_ended_earlier = true;
        let deadline = now + timeout;
        subscription.stage = Stage::Awaiting { deadline: Some(deadline), is_first: false };
        self.arm_product_timer(deadline);
        self.push_each(index, |product| SessionEvent::Lost { product, cause: Cause::Refused });
    }

    /// Returns the subscription that a product of a frame belongs to, learning aliases on the way,
    /// or counts the product as one that nobody asked for.
    pub(super) fn index_of(&mut self, now: Instant, update: &wire::Update<'_>) -> Option<usize> {
        if let Some(index) = self.subscriptions.find_in_frame(update) {
            return Some(index);
        }
        let index = self.index_of_unknown(now, update);
        self.stats.unasked += u64::from(index.is_none());
        index
    }

    #[cold]
    fn index_of_unknown(&mut self, now: Instant, update: &wire::Update<'_>) -> Option<usize> {
        let product = update.product_id();
        let id = ProductId::new(product).ok()?;
        if product.ends_with("-USD")
            && let Some(index) = self.subscriptions.find(&format!("{product}C"))
            && usdc_alias(self.subscriptions.at(index).wire_name.as_str()).is_some()
            && matches!(self.subscriptions.at(index).stage, Stage::Awaiting { .. })
            // An update may be the last of a stream of that name which was ended, and so may a
            // snapshot where any was.
            && matches!(update.kind(), Ok(UpdateKind::Snapshot))
            && !self.has_left_any
        {
            self.adopt_alias(index, id);
            return Some(index);
        }
        if !self.config.adopt_products {
            return None;
        }
        self.subscribe(now, id).ok()?;
        self.subscriptions.find(product)
    }

    /// Returns whether a product is known to be another than the one of this name: that one was
    /// asked for too, and a snapshot has come under each name.
    fn are_apart(&self, index: usize, alias: &ProductId) -> bool {
        let other = self.subscriptions.find(alias.as_str()).filter(|other| *other != index);
        let has_own = |index| self.subscriptions.at(index).has_own_stream;
        has_own(index) && other.is_some_and(has_own)
    }

    /// Notes that the venue answers for a product under another name. Where that name was asked
    /// for too, the two become one.
    fn adopt_alias(&mut self, index: usize, canonical: ProductId) {
        let name = canonical.clone();
        self.push_each(index, |product| SessionEvent::Aliased { product, canonical: name.clone() });
        // It may be a name of this very product, where a configured alias is the wrong way round.
        let into = self.subscriptions.find(canonical.as_str()).filter(|into| *into != index);
        let Some(into) = into else {
            return self.subscriptions.rename(index, canonical);
        };
        let moved = self.subscriptions.merge(index, into);
        let into = if into > index { into - 1 } else { into };
        self.announce(into, &moved);
    }

    /// Publishes a product under names that are new to it, if its book is live.
    fn announce(&mut self, index: usize, names: &[ProductId]) {
        if let Some(sequence) = self.subscriptions.at_mut(index).publish_again() {
            for product in names {
                self.push(SessionEvent::Synced { product: product.clone(), sequence });
            }
        }
    }

    fn next_unsubscribe(&mut self, now: Instant) -> Option<Request> {
        let taken = self.leaving.len().min(MAX_PRODUCTS_PER_REQUEST);
        let mut products: Vec<ProductId> = self.leaving.drain(..taken).collect();
        for subscription in self.subscriptions.iter_mut() {
            if products.len() >= MAX_PRODUCTS_PER_REQUEST {
                break;
            }
            if let Stage::Wanted { not_before, unsubscribes_first: unsubscribes @ true } =
                &mut subscription.stage
                && *not_before <= now
            {
                *unsubscribes = false;
                products.push(subscription.wire_name.clone());
            }
        }
        let request = Request::new(Action::Unsubscribe, RequestChannel::Level2, products);
        (!request.products.is_empty()).then_some(request)
    }

    fn next_subscribe(&mut self, now: Instant) -> Option<Request> {
        let deadline = now + self.config.policy.snapshot_timeout;
        let request_number = self.requests_sent + 1;
        let mut products = Vec::new();
        for index in 0..self.subscriptions.len() {
            if products.len() >= MAX_PRODUCTS_PER_REQUEST {
                break;
            }
            let subscription = self.subscriptions.at_mut(index);
            let Stage::Wanted { not_before, unsubscribes_first: false } = subscription.stage else {
                continue;
            };
            if not_before > now {
                continue;
            }
            let is_first = std::mem::take(&mut subscription.is_fresh);
            subscription.stage = Stage::Awaiting { deadline: Some(deadline), is_first };
            subscription.status = Status::Syncing;
            subscription.since = now;
            subscription.last_request = Some(now);
            subscription.asked_in = Some(request_number);
            products.push(subscription.wire_name.clone());
            self.push_each(index, |product| SessionEvent::Requested { product });
        }
        if products.is_empty() {
            return None;
        }
        self.arm_product_timer(deadline);
        Some(Request::new(Action::Subscribe, RequestChannel::Level2, products))
    }

    fn next_heartbeats(&mut self) -> Option<Request> {
        if std::mem::take(&mut self.wants_heartbeats) {
            return Some(Request::new(Action::Subscribe, RequestChannel::Heartbeats, Vec::new()));
        }
        let mut stages = self.subscriptions.iter().map(|subscription| subscription.stage);
        self.has_requests = stages.any(|stage| matches!(stage, Stage::Wanted { .. }));
        None
    }
}

/// Returns the name that the venue answers under when it treats `X-USDC` as `X-USD`.
fn usdc_alias(name: &str) -> Option<ProductId> {
    ProductId::new(venue::usdc_alias(name)?).ok()
}
