//! Where the best bid and ask of one product of [`Books`](super::Books) is read, whichever
//! connection feeds it.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;
use std::{pin::pin, sync::Arc};

use smallvec::SmallVec;
use tokio::sync::Notify;

use super::Closed;
use crate::bbo::{Bbo, BboPublisher, BboReader, bbo_channel};
use crate::units::Epoch;
use crate::wire::ProductId;

/// The publishers of a product, one for each line of a shard, in the order of the lines.
pub(super) type Publishers = SmallVec<[BboPublisher; 2]>;

/// A product that was asked for. It stays the same when the product moves between connections.
pub(super) struct Slot {
    pub(super) name: ProductId,
    /// Since when it has been asked for.
    pub(super) since: Instant,
    /// One for each line that feeds it.
    cells: SmallVec<[BboReader; 2]>,
    /// The line that is read first.
    preferred: AtomicUsize,
    /// Counts how often what is read has changed.
    version: AtomicU64,
    /// Interest those who wait for the version to change.
    woken: Notify,
    is_gone: AtomicBool,
    /// What consumers of events were last told.
    pub(super) standing: Mutex<Standing>,
}

/// What consumers of events were last told of a product.
#[derive(Debug, Default)]
pub(super) struct Standing {
    pub(super) is_live: bool,
}

impl Slot {
    /// Returns a slot and its publishers, which count receive times from `epoch`. No frame may be
    /// older: a product that another joins under an alias is published with the frame it has.
    pub(super) fn new(
        name: ProductId,
        line_count: usize,
        now: Instant,
        epoch: Epoch,
    ) -> (Arc<Self>, Publishers) {
        let (publishers, cells) = (0..line_count).map(|_| bbo_channel(epoch)).unzip();
        let slot = Self {
            name,
            since: now,
            cells,
            preferred: AtomicUsize::new(0),
            version: AtomicU64::new(0),
            woken: Notify::new(),
            is_gone: AtomicBool::new(false),
            standing: Mutex::default(),
        };
        (Arc::new(slot), publishers)
    }

    /// Returns the best bid and ask of the preferred line, or of the other when that has none.
    #[inline]
    pub(super) fn load(&self) -> Option<Bbo> {
        self.reading_order().find_map(|line| self.load_line(line))
    }

    /// Whether it is live on two lines.
    pub(super) fn is_covered(&self) -> bool {
        self.cells.len() > 1 && self.cells.iter().all(|cell| cell.load().is_some())
    }

    #[inline]
    pub(super) fn load_line(&self, line: usize) -> Option<Bbo> {
        self.cells.get(line)?.load()
    }

    #[inline]
    pub(super) fn preferred(&self) -> usize {
        self.preferred.load(Ordering::Acquire)
    }

    /// Returns the lines in the order in which they are tried: the preferred one, and the other if
    /// there is one; then the first again, for the reader that was put to sleep between the two
    /// while the one came back and the other failed.
    #[inline]
    pub(super) fn reading_order(&self) -> impl Iterator<Item = usize> + use<> {
        let preferred = self.preferred();
        let other = self.other(preferred);
        [Some(preferred), other, other.map(|_| preferred)].into_iter().flatten()
    }

    /// Returns the line beside this one, if there are two.
    pub(super) fn other(&self, line: usize) -> Option<usize> {
        (self.cells.len() > 1).then(|| 1 - line)
    }

    pub(super) fn prefer(&self, line: usize) {
        self.preferred.store(line, Ordering::Release);
    }

    /// Says that what is read has changed, and wakes those who wait for that.
    #[inline]
    pub(super) fn announce(&self) {
        self.version.fetch_add(1, Ordering::Release);
        self.woken.notify_waiters();
    }

    /// Says that nothing will be read here any more.
    pub(super) fn end(&self) {
        self.is_gone.store(true, Ordering::Release);
        self.announce();
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("name", &self.name).field("bbo", &self.load()).finish()
    }
}

/// Reads the best bid and ask of one product, from any thread, without a lock.
///
/// Made by [`Books::bbo`](super::Books::bbo). Cloning one copies a pointer. It stays good when the
/// product moves to another connection, and under
/// [`Redundancy::Standby`](super::Redundancy::Standby) when another connection takes over.
#[derive(Clone, Debug)]
pub struct BboWatch {
    slot: Arc<Slot>,
    /// The version that [`BboWatch::changed`] returned last.
    seen: u64,
}

impl BboWatch {
    pub(super) fn new(slot: Arc<Slot>) -> Self {
        let seen = slot.version.load(Ordering::Acquire);
        Self { slot, seen }
    }

    /// Returns the name that the product was asked for under.
    #[must_use]
    pub fn product(&self) -> &ProductId {
        &self.slot.name
    }

    /// Returns the best bid and ask, or `None` while the book is not live, and for ever once the
    /// product was unsubscribed or the books were closed.
    ///
    /// What is returned was true in the book at the frame that it names. From one connection it
    /// never goes back in time. When a standby takes over, it goes on from that connection's
    /// newest frame, which may be older by as much as the two connections differ;
    /// [`Bbo::connection`] tells that they changed, [`Bbo::event_time`] by how much.
    #[must_use]
    #[inline]
    pub fn load(&self) -> Option<Bbo> {
        self.slot.load()
    }

    /// Waits until the best bid or ask is another than when this was last called (or made), and
    /// returns what it is then: `None` when the book was withdrawn.
    ///
    /// Changes that come faster than they are waited for are one; none is slept through.
    ///
    /// # Errors
    /// [`Closed`] once the product was unsubscribed or the books were closed.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn changed(&mut self) -> Result<Option<Bbo>, Closed> {
        loop {
            // Made before the look at the version, or a change between the two would be missed.
            let woken = pin!(self.slot.woken.notified());
            let version = self.slot.version.load(Ordering::Acquire);
            if self.slot.is_gone.load(Ordering::Acquire) {
                return Err(Closed);
            }
            if version != self.seen {
                self.seen = version;
                return Ok(self.slot.load());
            }
            woken.await;
        }
    }
}
