//! One product of [`Books`](super::Books): where its BBO is read, and which lane it is read from.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Instant;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::error::Closed;
use super::lanes::{LaneId, Lanes};
use crate::bbo::{Bbo, BboPublisher, BboReader, bbo_channel};
use crate::session::Cause;
use crate::sync::lock;
use crate::units::Epoch;
use crate::wire::ProductId;

/// A product that was subscribed to. It stays the same when the product moves between shards.
pub(super) struct ProductCell {
    name: ProductId,
    /// When the product was subscribed to.
    since: Instant,
    /// One for each lane that feeds the product.
    readers: Lanes<BboReader>,
    /// Whether the second lane is read before the first.
    prefers_second: AtomicBool,
    /// Counts how often what readers see has changed.
    version: AtomicU64,
    /// Wakes those who wait for the version to change.
    woken: Notify,
    /// Why nothing will be read here any more.
    ended: OnceLock<Closed>,
    standing: Mutex<Standing>,
}

/// What consumers of events were last notified of a product.
#[derive(Debug, Default)]
struct Standing {
    is_live: bool,
}

/// What makes a lane settle which lane is read from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    /// The lane has withdrawn its book.
    Lost(Cause),
    /// The lane has a book from a new snapshot.
    Synced,
}

/// What became of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Readers see a book that came as a whole, on this connection at this frame.
    Live { connection: u64, sequence: u64 },
    /// No lane has a book.
    Lost(Cause),
    /// The lane that settled lost its book, and readers see that of this connection now.
    SwitchedOver { to: u64, cause: Cause },
}

/// A verdict that no other can overtake until this is dropped, so that consumers are notified of
/// verdicts in the order in which they were reached.
#[derive(Debug)]
pub(super) struct Settled<'a> {
    pub(super) verdict: Verdict,
    _standing: MutexGuard<'a, Standing>,
}

impl ProductCell {
    /// Returns a cell and its publishers, which count receive times from `epoch`. No frame may be
    /// older: a product that another joins under an alias is published with the frame it has.
    pub(super) fn new(
        name: ProductId,
        has_standby: bool,
        now: Instant,
        epoch: Epoch,
    ) -> (Arc<Self>, Lanes<BboPublisher>) {
        debug_assert!(epoch.instant <= now, "no frame is older than the epoch");
        let (publishers, readers) = Lanes::new(has_standby, |_| bbo_channel(epoch)).unzip();
        let cell = Self {
            name,
            since: now,
            readers,
            prefers_second: AtomicBool::new(false),
            version: AtomicU64::new(0),
            woken: Notify::new(),
            ended: OnceLock::new(),
            standing: Mutex::default(),
        };
        (Arc::new(cell), publishers)
    }

    /// Returns the requested name of the product.
    pub(super) const fn name(&self) -> &ProductId {
        &self.name
    }

    /// Returns when the product was subscribed to.
    pub(super) const fn since(&self) -> Instant {
        self.since
    }

    /// Returns the BBO of the preferred lane, or of the other when that has none.
    #[inline]
    pub(super) fn load(&self) -> Option<Bbo> {
        self.reading_order().find_map(|lane| self.load_lane(lane))
    }

    #[inline]
    pub(super) fn load_lane(&self, lane: LaneId) -> Option<Bbo> {
        self.readers.get(lane)?.load()
    }

    /// Returns whether the product is live on both lanes.
    pub(super) fn is_covered(&self) -> bool {
        self.readers.has_standby() && self.readers.iter().all(|reader| reader.load().is_some())
    }

    /// Returns the lane that is read first.
    #[inline]
    pub(super) fn preferred(&self) -> LaneId {
        match self.prefers_second.load(Ordering::Acquire) {
            false => LaneId::First,
            true => LaneId::Second,
        }
    }

    /// Returns the lanes in the order in which they are tried: the preferred one, then the other
    /// if there is one, then the preferred one again. The last look is for a reader that was put
    /// to sleep between the first two, while the preferred lane came back and the other failed.
    #[inline]
    pub(super) fn reading_order(&self) -> impl Iterator<Item = LaneId> + use<> {
        let preferred = self.preferred();
        let standby = self.standby_of(preferred);
        [Some(preferred), standby, standby.map(|_| preferred)].into_iter().flatten()
    }

    /// Returns the lane beside this one, if there are two.
    #[inline]
    fn standby_of(&self, lane: LaneId) -> Option<LaneId> {
        self.readers.has_standby().then(|| lane.other())
    }

    /// Decides which lane is read from now on, after something happened to the book of `lane`.
    ///
    /// Returns what consumers have to be notified of. The lane publishes or withdraws before it
    /// settles; the other lane may do so at any time, and settles afterwards as well.
    pub(super) fn settle(&self, lane: LaneId, trigger: Trigger) -> Option<Settled<'_>> {
        let mut standing = lock(&self.standing);
        let preferred = self.preferred();
        let load_standby = || {
            let standby = self.standby_of(preferred)?;
            Some((standby, self.load_lane(standby)?))
        };
        let verdict = if let Some(bbo) = self.load_lane(preferred) {
            // The book that is read has not changed as a whole.
            if standing.is_live && (trigger != Trigger::Synced || preferred != lane) {
                return None;
            }
            standing.is_live = true;
            Verdict::Live { connection: bbo.connection, sequence: bbo.sequence }
        } else if let Some((standby, bbo)) = load_standby() {
            match (standing.is_live, trigger) {
                // The lane that lost its book is about to settle that, and knows the cause.
                (true, Trigger::Synced) => return None,
                (true, Trigger::Lost(cause)) => {
                    self.prefer(standby);
                    Verdict::SwitchedOver { to: bbo.connection, cause }
                }
                (false, _) => {
                    self.prefer(standby);
                    standing.is_live = true;
                    Verdict::Live { connection: bbo.connection, sequence: bbo.sequence }
                }
            }
        } else {
            let Trigger::Lost(cause) = trigger else { return None };
            if !std::mem::take(&mut standing.is_live) {
                return None;
            }
            Verdict::Lost(cause)
        };
        self.announce();
        Some(Settled { verdict, _standing: standing })
    }

    /// Records that the product was taken off its lanes, and its book with it. Returns whether
    /// consumers have to be notified: they took it for live.
    pub(super) fn withdraw(&self) -> bool {
        debug_assert!(self.load().is_none(), "lanes withdraw what they release");
        let was_live = std::mem::take(&mut lock(&self.standing).is_live);
        if was_live {
            self.announce();
        }
        was_live
    }

    fn prefer(&self, lane: LaneId) {
        self.prefers_second.store(lane == LaneId::Second, Ordering::Release);
    }

    /// Records that what readers see has changed, and wakes those who wait for that.
    #[inline]
    pub(super) fn announce(&self) {
        self.version.fetch_add(1, Ordering::Release);
        self.woken.notify_waiters();
    }

    /// Records that nothing will be read here any more. The first reason stays.
    pub(super) fn end(&self, reason: Closed) {
        let _ = self.ended.set(reason);
        self.announce();
    }

    /// Returns why nothing will be read here any more, if that is so.
    pub(super) fn ended(&self) -> Option<&Closed> {
        self.ended.get()
    }

    /// Returns how often what readers see has changed.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Returns a future that completes at the next announcement after this call.
    pub(super) fn announced(&self) -> Notified<'_> {
        self.woken.notified()
    }
}

impl fmt::Debug for ProductCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProductCell").field("name", &self.name).field("bbo", &self.load()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bbo::FrameOrigin;
    use crate::book::Book;

    /// Two lanes as they use the cell: each publishes or withdraws, and settles that before its
    /// next frame. One frame may do both, first the loss.
    struct Pair {
        cell: Arc<ProductCell>,
        lanes: [Publishing; 2],
        frames: u64,
        /// The connection whose book consumers take for live, from verdicts alone.
        believed: Option<u64>,
        verdicts: Vec<Verdict>,
    }

    struct Publishing {
        id: LaneId,
        publisher: BboPublisher,
        connection: u64,
        is_live: bool,
        unsettled: Vec<Trigger>,
    }

    /// What one lane does next.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Act {
        Lose,
        Settle,
        Sync,
    }

    use Act::{Lose, Settle, Sync};

    const CAUSE: Cause = Cause::Gap;

    fn publish(publisher: &mut BboPublisher, connection: u64, sequence: u64) {
        let origin =
            FrameOrigin { sequence, connection, event_time: None, received: Instant::now() };
        publisher.publish(&Book::new().tops(), origin);
    }

    impl Pair {
        fn new() -> Self {
            let now = Instant::now();
            let name = "BTC-USD".parse().unwrap();
            let (cell, publishers) = ProductCell::new(name, true, now, now.into());
            let mut publishers = publishers.into_iter();
            let lanes = [LaneId::First, LaneId::Second].map(|id| {
                let publisher = publishers.next().unwrap();
                Publishing { id, publisher, connection: 0, is_live: false, unsettled: Vec::new() }
            });
            Self { cell, lanes, frames: 0, believed: None, verdicts: Vec::new() }
        }

        /// Returns what a lane can do now.
        fn acts(&self, lane: usize) -> &'static [Act] {
            let Publishing { is_live, unsettled, .. } = &self.lanes[lane];
            match (&unsettled[..], is_live) {
                ([], true) => &[Lose, Sync],
                ([], false) => &[Sync],
                ([Trigger::Lost(_)], false) => &[Settle, Sync],
                _ => &[Settle],
            }
        }

        fn act(&mut self, lane: usize, act: Act) {
            let publishing = &mut self.lanes[lane];
            match act {
                Lose => {
                    publishing.publisher.withdraw();
                    publishing.is_live = false;
                    publishing.unsettled.push(Trigger::Lost(CAUSE));
                }
                Sync => {
                    self.frames += 1;
                    publishing.connection = 10 * (lane as u64 + 1) + self.frames;
                    publish(&mut publishing.publisher, publishing.connection, self.frames);
                    publishing.is_live = true;
                    publishing.unsettled.push(Trigger::Synced);
                }
                Settle => self.settle(lane),
            }
        }

        fn settle(&mut self, lane: usize) {
            let trigger = self.lanes[lane].unsettled.remove(0);
            let version = self.cell.version();
            let verdict = self.cell.settle(self.lanes[lane].id, trigger).map(|it| it.verdict);
            assert_eq!(self.cell.version() - version, u64::from(verdict.is_some()));
            self.believed = match verdict {
                None => self.believed,
                Some(Verdict::Live { connection, .. }) => {
                    assert!(trigger == Trigger::Synced || self.believed.is_none());
                    Some(connection)
                }
                Some(Verdict::Lost(cause)) => {
                    assert_eq!((self.believed.is_some(), cause), (true, CAUSE));
                    None
                }
                Some(Verdict::SwitchedOver { to, cause }) => {
                    assert_eq!((trigger, cause), (Trigger::Lost(CAUSE), CAUSE));
                    assert!(self.believed.is_some_and(|from| from != to), "{to} as before");
                    Some(to)
                }
            };
            self.verdicts.extend(verdict);
        }

        fn check(&self) {
            let read = self.cell.load().map(|bbo| bbo.connection);
            assert_eq!(read.is_some(), self.lanes.iter().any(|lane| lane.is_live));
            assert_eq!(self.cell.is_covered(), self.lanes.iter().all(|lane| lane.is_live));
            if self.lanes.iter().all(|lane| lane.unsettled.is_empty()) {
                assert_eq!(self.believed, read, "consumers believe what readers see");
            }
        }
    }

    /// Walks every order of what two lanes can do, to a depth, and returns how many there are.
    fn walk(path: &mut Vec<(usize, Act)>, depth: usize) -> u64 {
        let mut pair = Pair::new();
        for (lane, act) in &*path {
            pair.act(*lane, *act);
            pair.check();
        }
        if path.len() == depth {
            return 1;
        }
        let mut count = 0;
        for lane in 0..2 {
            for act in pair.acts(lane) {
                path.push((lane, *act));
                count += walk(path, depth);
                path.pop();
            }
        }
        count
    }

    /// Whatever the order of losses and snapshots on two lanes, readers see a book while either
    /// lane has one, and consumers know which.
    #[test]
    fn readers_and_consumers_agree_after_every_order_of_losses_and_snapshots() {
        let depth = if cfg!(miri) { 5 } else { 10 };
        assert!(walk(&mut Vec::new(), depth) > 100);
    }

    fn verdicts(acts: &[(usize, Act)]) -> Vec<Verdict> {
        let mut pair = Pair::new();
        for (lane, act) in acts {
            pair.act(*lane, *act);
        }
        pair.verdicts
    }

    const FIRST_LIVE: Verdict = Verdict::Live { connection: 11, sequence: 1 };
    const LOST: Verdict = Verdict::Lost(CAUSE);

    #[test]
    fn the_standby_takes_over_only_when_the_lane_that_is_read_has_no_book() {
        let both = [(0, Sync), (0, Settle), (1, Sync), (1, Settle)];
        assert_eq!(verdicts(&both), [FIRST_LIVE]);
        let standby_lost = [&both[..], &[(1, Lose), (1, Settle)]].concat();
        assert_eq!(verdicts(&standby_lost), [FIRST_LIVE]);
        let switch = [&both[..], &[(0, Lose), (0, Settle)]].concat();
        let switched = Verdict::SwitchedOver { to: 22, cause: CAUSE };
        assert_eq!(verdicts(&switch), [FIRST_LIVE, switched]);
        // There is no way back while the standby has a book.
        let returned = [&switch[..], &[(0, Sync), (0, Settle)]].concat();
        assert_eq!(verdicts(&returned), [FIRST_LIVE, switched]);
    }

    #[test]
    fn one_loss_is_reported_when_both_lanes_lose_their_books_at_once() {
        let both = [(0, Sync), (0, Settle), (1, Sync), (1, Settle), (0, Lose), (1, Lose)];
        for order in [[0, 1], [1, 0]] {
            let settled = order.map(|lane| (lane, Settle));
            assert_eq!(verdicts(&[&both[..], &settled].concat()), [FIRST_LIVE, LOST]);
        }
    }

    #[test]
    fn without_a_standby_a_loss_is_a_loss() {
        let now = Instant::now();
        let name: ProductId = "BTC-USD".parse().unwrap();
        let (cell, publishers) = ProductCell::new(name.clone(), false, now, now.into());
        let mut publisher = publishers.into_iter().next().unwrap();
        publish(&mut publisher, 3, 7);
        let settle = |trigger| cell.settle(LaneId::First, trigger).map(|it| it.verdict);
        let live = Verdict::Live { connection: 3, sequence: 7 };
        assert_eq!(settle(Trigger::Synced), Some(live));
        assert_eq!(cell.reading_order().collect::<Vec<_>>(), [LaneId::First]);
        publisher.withdraw();
        assert_eq!(settle(Trigger::Lost(CAUSE)), Some(LOST));
        assert_eq!(settle(Trigger::Lost(CAUSE)), None);
        assert!(!cell.is_covered() && !cell.withdraw());
        cell.end(Closed::Unsubscribed { product: name.clone() });
        cell.end(Closed::ByCaller);
        assert_eq!(cell.ended(), Some(&Closed::Unsubscribed { product: name }));
    }

    #[test]
    fn a_product_that_moves_is_lost_once_and_live_again_elsewhere() {
        let mut pair = Pair::new();
        pair.act(1, Sync);
        pair.act(1, Settle);
        let order = [LaneId::Second, LaneId::First, LaneId::Second];
        assert_eq!(pair.cell.reading_order().collect::<Vec<_>>(), order);
        pair.lanes[1].publisher.withdraw();
        assert!(pair.cell.withdraw());
        assert!(!pair.cell.withdraw());
        pair.lanes[1].is_live = false;
        pair.act(0, Sync);
        pair.act(0, Settle);
        let live = |connection, sequence| Verdict::Live { connection, sequence };
        assert_eq!(pair.verdicts, [live(21, 1), live(12, 2)]);
    }

    /// A verdict that is being reported keeps the other lane's from overtaking it.
    #[test]
    fn verdicts_are_reported_one_after_the_other() {
        let mut pair = Pair::new();
        pair.act(0, Sync);
        pair.act(1, Sync);
        let settled = pair.cell.settle(LaneId::First, Trigger::Synced).expect("it is live");
        std::thread::scope(|scope| {
            let other = scope.spawn(|| pair.cell.settle(LaneId::Second, Trigger::Synced).is_some());
            std::thread::sleep(Duration::from_millis(20));
            assert!(!other.is_finished(), "it waits for the first to be reported");
            drop(settled);
            assert!(!other.join().unwrap());
        });
    }
}
