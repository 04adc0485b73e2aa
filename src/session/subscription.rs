//! One product of a session: its names, its book, and where it stands.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use foldhash::fast::FixedState;
use smallvec::SmallVec;

use super::event::{Cause, NotLive, Status};
use super::retry::doubled;
use super::stats::ProductStats;
use crate::bbo::{BboPublisher, FrameOrigin};
use crate::book::{Book, Tops};
use crate::sequence::SequenceTracker;
use crate::wire::{ProductId, ProductKey, Update};

/// How long a product that was not live for long since may not cost the others their connection
/// again: at first, and at most. Each time is twice as long as the one before.
const MIN_COST_INTERVAL: Duration = Duration::from_secs(5 * 60);
const MAX_COST_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Where a subscription stands between the wish for a book and the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its snapshot was asked for.
    Awaiting {
        /// When to ask again, if ever.
        deadline: Option<Instant>,
        /// Whether nothing can come before the snapshot, so that an update is a fault. Not so
        /// while updates of an earlier subscription may still be on their way.
        is_first: bool,
    },
    /// There is no connection to ask on.
    Down,
    /// Its book is live.
    Live,
    /// Its snapshot is to be asked for.
    Wanted {
        /// Not before this moment.
        not_before: Instant,
        /// Whether the venue has to be told first to end the subscription it has.
        unsubscribes_first: bool,
    },
}

/// A name that the caller knows a product by, with its own place to publish to.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) id: ProductId,
    pub(super) publisher: BboPublisher,
}

/// A product: what the venue sends one stream of frames for.
#[derive(Debug)]
pub(super) struct Subscription {
    /// The names asked for; two when an alias and its product were both.
    pub(super) names: SmallVec<[Name; 1]>,
    /// The name used in requests and found in frames.
    pub(super) wire_name: ProductId,
    pub(super) book: Book,
    pub(super) stage: Stage,
    pub(super) status: Status,
    /// Since when the status is what it is.
    pub(super) since: Instant,
    /// When its snapshot was last asked for.
    pub(super) last_request: Option<Instant>,
    /// How often its snapshot was asked for in vain, or for a book that was lost again soon.
    pub(super) tries: u32,
    /// How often in a row the venue did not list it, or asking for it was in vain after it had
    /// cost a connection already.
    pub(super) refusals: u32,
    /// Whether the venue has said not to have it, and has sent no snapshot since.
    pub(super) is_unlisted: bool,
    /// How often the connection was given up for its sake since it was last live for long.
    costs: u32,
    /// Before this moment it may not cost the connection again.
    may_cost_at: Option<Instant>,
    /// Whether a snapshot has come under its own name: then it is no alias of what else was asked
    /// for.
    pub(super) has_own_stream: bool,
    /// Which of the connection's requests asked for it last; its answer has to list it.
    pub(super) asked_in: Option<u64>,
    /// Whether its book was withdrawn because an earlier subscription had ended, and no snapshot
    /// has come since.
    pub(super) is_ended_earlier: bool,
    /// Whether nothing was asked for under its name on this connection before.
    pub(super) is_fresh: bool,
    /// The frame that the best bid and ask were last published for.
    origin: Option<FrameOrigin>,
    /// When the live book last changed.
    pub(super) last_change: Instant,
    pub(super) is_quiet_reported: bool,
    /// Whether the book was lost since it was last live.
    pub(super) is_healing: bool,
    /// Counts its frames when the sequence is per product.
    pub(super) tracker: SequenceTracker,
    pub(super) stats: ProductStats,
}

impl Subscription {
    pub(super) fn new(name: Name, wire_name: ProductId, max_levels: usize, now: Instant) -> Self {
        Self {
            names: SmallVec::from_buf([name]),
            wire_name,
            book: Book::with_max_levels(max_levels),
            stage: Stage::Down,
            status: Status::Syncing,
            since: now,
            last_request: None,
            tries: 0,
            refusals: 0,
            is_unlisted: false,
            costs: 0,
            may_cost_at: None,
            has_own_stream: false,
            asked_in: None,
            is_ended_earlier: false,
            is_fresh: false,
            origin: None,
            last_change: now,
            is_quiet_reported: false,
            is_healing: false,
            tracker: SequenceTracker::new(),
            stats: ProductStats::default(),
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.stage == Stage::Live
    }

    /// Publishes the best bid and ask under every name.
    #[inline]
    pub(super) fn publish(&mut self, tops: &Tops, origin: FrameOrigin) {
        self.origin = Some(origin);
        for name in &mut self.names {
            name.publisher.publish(tops, origin);
        }
    }

    /// Publishes a live book under the names that came to it since its last frame.
    ///
    /// Returns the number of that frame, or `None` if the book is not live.
    pub(super) fn publish_again(&mut self) -> Option<u64> {
        let origin = self.origin.filter(|_| self.status == Status::Live)?;
        self.publish(&self.book.tops(), origin);
        Some(origin.sequence)
    }

    /// Takes the best bid and ask back from every reader.
    pub(super) fn withdraw(&mut self) {
        for name in &mut self.names {
            name.publisher.withdraw();
        }
    }

    /// Marks the book lost and empties it. Readers must have lost it before.
    ///
    /// After a book was live for `healthy_after` a loss counts as the first.
    pub(super) fn lose(&mut self, now: Instant, cause: Cause, healthy_after: Duration) {
        if self.status == Status::Live {
            self.is_healing = true;
            if self.since + healthy_after <= now {
                self.tries = 0;
                self.refusals = 0;
                self.costs = 0;
                self.may_cost_at = None;
            }
        }
        self.drop_book();
        self.status = Status::Lost(cause);
        self.since = now;
        self.stats.losses += 1;
        self.stats.gaps += u64::from(cause == Cause::Gap);
    }

    /// Empties the book. Readers must have lost it before.
    pub(super) fn drop_book(&mut self) {
        self.origin = None;
        self.book.clear();
        self.stage = Stage::Down;
    }

    /// Returns whether the connection may be given up for its sake.
    pub(super) fn may_cost_connection(&self, now: Instant) -> bool {
        !self.is_unlisted && self.may_cost_at.is_none_or(|at| at <= now)
    }

    /// Notes that the connection is given up for its sake.
    pub(super) fn cost_connection(&mut self, now: Instant) {
        let interval = doubled(MIN_COST_INTERVAL, self.costs, MAX_COST_INTERVAL);
        self.costs = self.costs.saturating_add(1);
        self.may_cost_at = Some(now + interval);
    }

    pub(super) fn readable_book(&self, name: &ProductId) -> Result<&Book, NotLive> {
        match self.status {
            Status::Live => Ok(&self.book),
            Status::Syncing => Err(NotLive::Syncing { product: name.clone(), since: self.since }),
            Status::Lost(cause) => {
                Err(NotLive::Lost { product: name.clone(), cause, since: self.since })
            }
        }
    }
}

/// The subscriptions of a session, found by any name.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    list: Vec<Subscription>,
    /// Every name asked for and every name on the wire, to the place in the list.
    by_name: BTreeMap<ProductId, usize>,
    /// The same for every name that has a key.
    by_key: HashMap<ProductKey, usize, FixedState>,
    /// The one of those that was last looked for: the next frame is often for the same product.
    last_found: Option<(ProductKey, usize)>,
}

impl Subscriptions {
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Finds the product that a frame names.
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

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Subscription> {
        self.list.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Subscription> {
        self.list.iter_mut()
    }

    pub(super) fn at(&self, index: usize) -> &Subscription {
        &self.list[index]
    }

    pub(super) fn at_mut(&mut self, index: usize) -> &mut Subscription {
        &mut self.list[index]
    }

    pub(super) fn push(&mut self, subscription: Subscription) {
        self.list.push(subscription);
        self.reindex();
    }

    pub(super) fn remove(&mut self, index: usize) -> Subscription {
        let subscription = self.list.remove(index);
        self.reindex();
        subscription
    }

    /// Gives a subscription another name on the wire.
    pub(super) fn rename(&mut self, index: usize, wire_name: ProductId) {
        self.list[index].wire_name = wire_name;
        self.reindex();
    }

    /// Moves the names of one subscription to another, and removes the one.
    pub(super) fn merge(&mut self, from: usize, into: usize) -> SmallVec<[ProductId; 1]> {
        self.list[from].withdraw();
        let names = std::mem::take(&mut self.list[from].names);
        let moved = names.iter().map(|name| name.id.clone()).collect();
        self.list[into].names.extend(names);
        self.list.remove(from);
        self.reindex();
        moved
    }

    /// Adds a name to a subscription.
    pub(super) fn add_name(&mut self, index: usize, name: Name) {
        self.list[index].names.push(name);
        self.reindex();
    }

    /// Takes one of several names from a subscription.
    pub(super) fn remove_name(&mut self, index: usize, position: usize) -> Name {
        let name = self.list[index].names.remove(position);
        self.reindex();
        name
    }

    fn reindex(&mut self) {
        self.last_found = None;
        self.by_name.clear();
        for (index, subscription) in self.list.iter().enumerate() {
            self.by_name.insert(subscription.wire_name.clone(), index);
        }
        for (index, subscription) in self.list.iter().enumerate() {
            for name in &subscription.names {
                self.by_name.insert(name.id.clone(), index);
            }
        }
        let keys = self.by_name.iter();
        self.by_key = keys.filter_map(|(id, index)| Some((id.key()?, *index))).collect();
    }
}
