//! The products of a session: found by any name, each with its book and where that stands.
//!
//! Products know no connection. What they decide, such as that a lost book is worth a new
//! connection, the coordinator acts on.

mod agenda;
mod apply;
mod asked;
mod healing;
mod names;
mod subscription;

use std::time::Instant;

use smallvec::SmallVec;

use self::agenda::Agenda;
pub(super) use self::apply::{ApplyError, FrameMark, Touched};
pub(super) use self::asked::Unlisted;
pub(super) use self::healing::Healing;
use self::names::Names;
pub(super) use self::subscription::{Finished, Name, Subscription};
use crate::bbo::BboPublisher;
use crate::sequence::Arrival;
use crate::session::changes::ChangeLog;
use crate::session::config::MAX_PRODUCTS_PER_REQUEST;
use crate::session::deadlines::ProductTimer;
use crate::session::error::TooManyProducts;
use crate::session::policy::{Policy, Resync};
use crate::session::stats::Stats;
use crate::session::status::Cause;
use crate::wire::{ProductId, TimeReader, Update, UpdateKind, venue};

/// The products of a session.
#[derive(Debug)]
pub(super) struct Products {
    list: Vec<Subscription>,
    names: Names,
    max_products: usize,
    max_levels: usize,
    /// Made anew for each connection.
    agenda: Agenda,
}

/// What has become of a name that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// It is there already.
    Known,
    /// It is another name of the product at this place.
    Name { index: usize },
    /// It is a product of its own.
    Product,
}

/// What is left of a name that was removed.
#[derive(Debug)]
pub(super) struct Removed {
    /// The publisher of its BBO, which is withdrawn.
    pub(super) publisher: BboPublisher,
    /// The name on the wire of a subscription that the venue has still to end.
    pub(super) to_end: Option<ProductId>,
}

/// What a product's timer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expired {
    /// To lose the book, for this cause.
    Lost(Cause),
    /// To lose the book, whose snapshot did not come, and to count this request as answered.
    NoSnapshot { request: Option<u64> },
    /// To report that the book has not changed since this moment.
    Quiet { since: Instant },
}

impl Products {
    pub(super) fn new(max_products: usize, max_levels: usize) -> Self {
        Self {
            list: Vec::new(),
            names: Names::default(),
            max_products,
            max_levels,
            agenda: Agenda::default(),
        }
    }

    // Questions.

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Subscription> {
        self.list.iter()
    }

    /// Returns the product at a place that [`find`](Self::find) or another method has named. It
    /// keeps its place until a product is removed or two become one.
    #[inline]
    pub(super) fn at(&self, index: usize) -> &Subscription {
        &self.list[index]
    }

    /// Returns the place of the product of this name.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.names.find(name)
    }

    /// Returns the place of the product that a frame names.
    #[inline]
    pub(super) fn find_in_frame(&mut self, update: &Update<'_>) -> Option<usize> {
        self.names.find_in_frame(update)
    }

    /// Returns when the first of the products' timers may expire.
    #[inline]
    pub(super) const fn due(&self) -> Option<Instant> {
        self.agenda.due()
    }

    /// Returns whether a product's snapshot may be to be requested.
    #[inline]
    pub(super) const fn are_wanted(&self) -> bool {
        self.agenda.are_wanted()
    }

    /// Returns when the first product's snapshot is to be requested.
    pub(super) fn wanted_at(&self) -> Option<Instant> {
        if !self.are_wanted() {
            return None;
        }
        self.list.iter().filter_map(|subscription| subscription.asked().wanted_at()).min()
    }

    // Names.

    /// Adds a product, or another name of one. `connected` says how to begin on the open
    /// connection, if there is one.
    pub(super) fn add(
        &mut self,
        name: Name,
        wire_name: ProductId,
        connected: Option<Resync>,
        now: Instant,
    ) -> Result<Added, TooManyProducts> {
        if self.position_of(name.id().as_str()).is_some() {
            return Ok(Added::Known);
        }
        if let Some(index) = self.find(wire_name.as_str()) {
            self.names.request(name.id(), index);
            self.list[index].add_name(name);
            return Ok(Added::Name { index });
        }
        if self.list.len() >= self.max_products {
            let (product, max_products) = (name.id().clone(), self.max_products);
            return Err(TooManyProducts { product, max_products });
        }
        let index = self.list.len();
        self.names.request(name.id(), index);
        self.names.put_on_wire(&wire_name, index);
        let subscription = Subscription::new(name, wire_name, self.max_levels, connected, now);
        self.agenda.want(subscription.asked().is_wanted());
        self.list.push(subscription);
        Ok(Added::Product)
    }

    /// Removes a name that was requested, and its product with the last. Returns `None` if there
    /// is no such name.
    pub(super) fn remove(&mut self, name: &str) -> Option<Removed> {
        let (index, position) = self.position_of(name)?;
        let subscription = &mut self.list[index];
        if subscription.names().len() > 1 {
            let name = subscription.remove_name(position);
            self.names.forget_requested(name.id());
            return Some(Removed { publisher: name.into_withdrawn(), to_end: None });
        }
        let was_requested = subscription.asked().was_requested();
        let (names, wire_name) = self.take(index);
        let name = names.into_iter().next().expect("a subscription has a name");
        let to_end = was_requested.then_some(wire_name);
        Some(Removed { publisher: name.into_withdrawn(), to_end })
    }

    /// Returns the place of the product requested under this name, and the name's place there.
    fn position_of(&self, name: &str) -> Option<(usize, usize)> {
        let index = self.find(name)?;
        let names = self.list[index].names();
        let position = names.iter().position(|known| known.id().as_str() == name)?;
        Some((index, position))
    }

    /// Removes a product.
    fn take(&mut self, index: usize) -> (SmallVec<[Name; 1]>, ProductId) {
        let (names, wire_name) = self.list.remove(index).into_names();
        for name in &names {
            self.names.forget_requested(name.id());
        }
        self.names.forget_on_wire(&wire_name);
        self.names.close_gap(index);
        (names, wire_name)
    }

    /// Returns the product that a snapshot under an unknown name is for: that in USDC which the
    /// venue answers under the name in USD.
    pub(super) fn find_alias_of(&self, update: &Update<'_>) -> Option<usize> {
        let product = update.product_id();
        // An update may be the last of a stream of that name which was ended.
        if !product.ends_with("-USD") || !matches!(update.kind(), Ok(UpdateKind::Snapshot)) {
            return None;
        }
        let index = self.find(&format!("{product}C"))?;
        let subscription = self.at(index);
        let is_alias = venue::usdc_alias(subscription.wire_name().as_str()).is_some();
        (is_alias && subscription.asked().is_awaiting()).then_some(index)
    }

    /// Returns whether a product is known to be another than the one of this name: that one was
    /// requested too, and a snapshot has come under each name.
    pub(super) fn are_apart(&self, index: usize, alias: &str) -> bool {
        let other = self.find(alias).filter(|other| *other != index);
        self.at(index).has_own_stream() && other.is_some_and(|it| self.at(it).has_own_stream())
    }

    /// Gives a product the name that the venue answers under. Where that name was requested too,
    /// the two become one.
    ///
    /// Returns the place of the product, and the names that have come to it.
    pub(super) fn rename(
        &mut self,
        index: usize,
        canonical: &ProductId,
    ) -> (usize, SmallVec<[ProductId; 1]>) {
        // It may be a name of this very product, where a configured alias is the wrong way round.
        let Some(into) = self.names.find_other(canonical.as_str(), index) else {
            let before = self.list[index].rename(canonical.clone());
            self.names.forget_on_wire(&before);
            self.names.put_on_wire(canonical, index);
            return (index, SmallVec::new());
        };
        let (names, _) = self.take(index);
        let into = if into > index { into - 1 } else { into };
        let mut moved = SmallVec::new();
        for name in names {
            self.names.request(name.id(), into);
            moved.push(name.id().clone());
            self.list[into].add_name(name);
        }
        (into, moved)
    }

    /// Publishes a live book under the names that have come to it since its last frame.
    ///
    /// Returns the number of that frame, or `None` if the book is not live.
    pub(super) fn publish_again(&mut self, index: usize) -> Option<u64> {
        self.list[index].publish_again()
    }

    // Requests.

    /// Begins anew on a connection that has opened.
    pub(super) fn begin(&mut self, resync: Resync, now: Instant) {
        for subscription in &mut self.list {
            subscription.begin(resync, now);
        }
        self.agenda = Agenda::new(resync != Resync::Passive);
    }

    /// Takes the names whose subscriptions are to be ended before they begin anew, up to what one
    /// request holds.
    pub(super) fn take_unsubscribes(&mut self, now: Instant, names: &mut Vec<ProductId>) {
        for subscription in &mut self.list {
            if names.len() >= MAX_PRODUCTS_PER_REQUEST {
                break;
            }
            if subscription.take_unsubscribe(now) {
                names.push(subscription.wire_name().clone());
            }
        }
    }

    /// Takes the names whose snapshots are to be requested, up to what one request holds, and
    /// reports each product under every name. `number` is the request's.
    pub(super) fn take_subscribes(
        &mut self,
        now: Instant,
        number: u64,
        policy: &Policy,
        mut report: impl FnMut(ProductId),
    ) -> Vec<ProductId> {
        let deadline = now + policy.snapshot_timeout;
        let mut names = Vec::new();
        for subscription in &mut self.list {
            if names.len() >= MAX_PRODUCTS_PER_REQUEST {
                break;
            }
            if subscription.request(now, number, deadline) {
                names.push(subscription.wire_name().clone());
                subscription.names().iter().for_each(|name| report(name.id().clone()));
            }
        }
        if !names.is_empty() {
            self.agenda.arm(deadline);
        }
        names
    }

    /// Finds out whether any product's snapshot is still to be requested.
    pub(super) fn recount_wanted(&mut self) {
        self.agenda.recount(self.list.iter().any(|it| it.asked().is_wanted()));
    }

    /// Moves the deadlines of the snapshots that a request is for.
    pub(super) fn extend_deadlines(&mut self, number: u64, until: Instant) {
        for subscription in &mut self.list {
            subscription.extend_deadline(number, until);
        }
    }

    /// Requests all awaited snapshots anew, at once.
    pub(super) fn repeat_requests(&mut self, now: Instant) {
        for subscription in &mut self.list {
            subscription.repeat_request(now);
        }
        self.recount_wanted();
    }

    // Frames.

    /// Observes the number of a frame, where each product has its own numbers.
    pub(super) fn observe(&mut self, index: usize, sequence: u64) -> Arrival {
        self.list[index].observe(sequence)
    }

    /// Applies one event of a frame to its product. Nothing is published here.
    #[inline]
    pub(super) fn apply<'f>(
        &mut self,
        update: &Update<'f>,
        touched: &mut Touched<'f>,
        log: &mut ChangeLog,
        stats: &mut Stats,
    ) -> Result<(), ApplyError> {
        let subscription = &mut self.list[touched.index];
        subscription.apply(update, touched, self.max_levels, log, stats)
    }

    /// Checks and publishes a product after a whole frame was applied to it.
    #[inline]
    pub(super) fn finish(
        &mut self,
        touched: &Touched<'_>,
        mark: FrameMark,
        times: &mut TimeReader,
        policy: &Policy,
    ) -> Finished {
        let subscription = &mut self.list[touched.index];
        let finished = subscription.finish(touched, mark, times);
        if matches!(finished, Finished::Synced | Finished::Updated)
            && subscription.note_change(mark.received)
        {
            // While its quiet is reported a product has no timer, or a later one.
            self.arm_for(touched.index, policy);
        }
        finished
    }

    /// Notes that a snapshot was published. Returns whether its book had been lost before.
    pub(super) fn synced(&mut self, index: usize, now: Instant, policy: &Policy) -> bool {
        let was_lost = self.list[index].synced(now);
        self.arm_for(index, policy);
        was_lost
    }

    // Losses.

    /// Withdraws every book from its readers first, and only then empties them. Reports each
    /// product under every name, unless it is lost already.
    pub(super) fn lose_all(
        &mut self,
        now: Instant,
        cause: Cause,
        policy: &Policy,
        mut report: impl FnMut(ProductId),
    ) {
        for subscription in &mut self.list {
            subscription.withdraw();
        }
        for subscription in &mut self.list {
            if subscription.lose_unless_lost(now, cause, policy) {
                subscription.names().iter().for_each(|name| report(name.id().clone()));
            }
        }
        // A lost book has no timer until it is planned how it heals.
        self.agenda.rearm(None);
    }

    /// Forgets what a connection was asked for that has ended.
    pub(super) fn disconnect(&mut self) {
        for subscription in &mut self.list {
            subscription.disconnect();
        }
        self.agenda = Agenda::default();
    }

    /// Withdraws a book and empties it. Returns `false` if there is none and its snapshot is about
    /// to be requested.
    pub(super) fn lose(
        &mut self,
        index: usize,
        now: Instant,
        cause: Cause,
        policy: &Policy,
    ) -> bool {
        let subscription = &mut self.list[index];
        if subscription.asked().is_wanted() {
            return false;
        }
        subscription.withdraw();
        subscription.lose(now, cause, policy);
        true
    }

    /// Decides how a lost book comes back on the open connection.
    pub(super) fn heal(
        &mut self,
        index: usize,
        now: Instant,
        cause: Cause,
        policy: &Policy,
    ) -> Healing {
        let healing = self.list[index].heal(now, cause, policy);
        self.agenda.want(healing == Healing::AskAgain);
        healing
    }

    /// Withdraws a book that the snapshot of an earlier subscription has made live: that one has
    /// ended, and the snapshot of the newer one is on its way.
    ///
    /// Should it not come, the book may have been the newer one's, and the answer late. No client
    /// can tell, so the book stays withdrawn until a new connection.
    pub(super) fn lose_to_earlier_end(&mut self, index: usize, now: Instant, policy: &Policy) {
        let deadline = now + policy.snapshot_timeout;
        let subscription = &mut self.list[index];
        subscription.withdraw();
        subscription.lose(now, Cause::Refused, policy);
        subscription.await_newer(deadline);
        self.agenda.arm(deadline);
    }

    // Timers.

    /// Returns what the product's timer asks for, if it has expired.
    pub(super) fn expire(
        &mut self,
        index: usize,
        now: Instant,
        policy: &Policy,
    ) -> Option<Expired> {
        let subscription = &mut self.list[index];
        Some(match subscription.expired(now, policy)? {
            ProductTimer::Quiet => Expired::Quiet { since: subscription.report_quiet() },
            ProductTimer::QuietLimit => {
                subscription.forget_tries();
                Expired::Lost(Cause::Quiet)
            }
            ProductTimer::Snapshot => {
                Expired::NoSnapshot { request: subscription.give_up_snapshot(policy) }
            }
        })
    }

    /// Finds out when the first timer expires, after all that had expired were acted on.
    pub(super) fn rearm(&mut self, policy: &Policy) {
        self.agenda.rearm(self.list.iter().filter_map(|it| it.deadline(policy)).min());
    }

    #[cold]
    fn arm_for(&mut self, index: usize, policy: &Policy) {
        if let Some(due) = self.list[index].deadline(policy) {
            self.agenda.arm(due);
        }
    }
}

#[cfg(test)]
mod tests;
