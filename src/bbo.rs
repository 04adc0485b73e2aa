//! The best bid and offer of a book, readable from any thread without a lock.
//!
//! One [`BboPublisher`] writes, any number of [`BboReader`]s read. The memory between them is a
//! pair of slots. The publisher writes the slot that readers are not looking at and then turns
//! the pointer, so it never waits for a reader, and a reader never waits for a publisher that the
//! operating system has put to sleep halfway: it reads the other slot. A reader tries again only
//! when the publisher has published twice while it was reading.
//!
//! Every word is an atomic, which keeps this in safe Rust; each slot carries the number of its
//! publication before and after it is written, so a torn read shows and is thrown away. The same
//! code runs under loom (`RUSTFLAGS="--cfg level2_loom" cargo test --lib --release bbo`).

use std::fmt;
use std::time::{Duration, Instant};

use self::sync::{Arc, AtomicU64, Ordering, fence};
use crate::book::{Book, Level, Tops, decimal, decimal_unsigned};
use crate::wire::UnixNanos;

/// The best bid and ask of a live book, and what is known of the frame that made them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bbo {
    /// The highest bid, or `None` when nobody bids.
    pub bid: Option<Level>,
    /// The lowest ask, or `None` when nobody offers.
    pub ask: Option<Level>,
    /// The number of the frame that last touched the book, the venue's `sequence_num`; it counts
    /// on the connection that the book is fed by.
    pub sequence: u64,
    /// Which connection that is. Each new one has another number, below 2^40.
    pub connection: u64,
    /// When the venue's engine made the change that the frame lists last, if it said so. In real
    /// frames all changes of one carry the same time.
    pub event_time: Option<UnixNanos>,
    /// When that frame was handed to the session, on the caller's clock.
    pub received: Instant,
}

/// Makes a connected publisher and reader. Nothing is published yet.
///
/// `epoch` is the moment from which the publisher's receive times are counted; times before it
/// are published as the epoch itself.
#[must_use]
pub fn bbo_channel(epoch: Instant) -> (BboPublisher, BboReader) {
    let cell = Arc::new(Cell::new());
    let reader = BboReader { cell: Arc::clone(&cell), epoch };
    (BboPublisher { cell, epoch, version: 0, connection: 0, is_withdrawn: true }, reader)
}

/// The one writer of a best bid and offer.
///
/// Dropping it withdraws what it published: nobody will keep it true any longer.
pub struct BboPublisher {
    cell: Arc<Cell<WORDS>>,
    epoch: Instant,
    /// The number of the newest publication.
    version: u64,
    connection: u64,
    is_withdrawn: bool,
}

impl BboPublisher {
    /// Sets the number of the connection that later publications come from, 0 at first. Of a
    /// number the lower 40 bits are kept.
    #[inline]
    pub const fn set_connection(&mut self, connection: u64) {
        self.connection = connection & CONNECTION_MASK;
    }

    /// Publishes the best bid and ask of a book. Never waits.
    #[inline]
    pub fn publish(
        &mut self,
        book: &Book,
        sequence: u64,
        event_time: Option<UnixNanos>,
        received: Instant,
    ) {
        self.publish_tops(book.tops(), book, sequence, event_time, received);
    }

    /// Publishes the best bid and ask of a book, which the caller has looked up.
    #[inline]
    pub(crate) fn publish_tops(
        &mut self,
        Tops { bid, ask }: Tops,
        book: &Book,
        sequence: u64,
        event_time: Option<UnixNanos>,
        received: Instant,
    ) {
        let since_epoch = received.saturating_duration_since(self.epoch);
        let flags = Flags {
            is_live: true,
            has_bid: bid.is_some(),
            has_ask: ask.is_some(),
            has_event_time: event_time.is_some(),
            price_scale: book.price_scale(),
            size_scale: book.size_scale(),
            connection: self.connection,
        };
        let (bid_ticks, bid_units) = bid.unwrap_or_default();
        let (ask_ticks, ask_units) = ask.unwrap_or_default();
        self.write([
            flags.pack(),
            bid_ticks.cast_unsigned(),
            bid_units,
            ask_ticks.cast_unsigned(),
            ask_units,
            sequence,
            event_time.map_or(0, UnixNanos::get),
            pack_duration(since_epoch),
        ]);
        self.is_withdrawn = false;
    }

    /// Takes back what was published: readers get `None` until the next publication. Never waits.
    pub fn withdraw(&mut self) {
        if !self.is_withdrawn {
            self.write([0; WORDS]);
            self.is_withdrawn = true;
        }
    }

    /// Returns a reader of what this publishes.
    #[must_use]
    pub fn reader(&self) -> BboReader {
        BboReader { cell: Arc::clone(&self.cell), epoch: self.epoch }
    }

    fn write(&mut self, words: [u64; WORDS]) {
        self.version += 1;
        self.cell.write(self.version, words);
    }
}

impl Drop for BboPublisher {
    fn drop(&mut self) {
        self.withdraw();
    }
}

impl fmt::Debug for BboPublisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BboPublisher")
            .field("version", &self.version)
            .field("is_withdrawn", &self.is_withdrawn)
            .finish_non_exhaustive()
    }
}

/// Reads the best bid and offer of one book, from any thread, without a lock.
///
/// Cloning one copies a pointer.
#[derive(Clone)]
pub struct BboReader {
    cell: Arc<Cell<WORDS>>,
    epoch: Instant,
}

impl BboReader {
    /// Returns the best bid and ask, or `None` while the book is not live.
    ///
    /// What is returned was true in the book at the frame it names: a mix of two frames, or a
    /// value taken back before the call, is never returned. It cannot say that the feed is still
    /// being driven; [`Bbo::received`] tells how old it is.
    #[must_use]
    #[inline]
    pub fn load(&self) -> Option<Bbo> {
        let [flags, bid_ticks, bid_units, ask_ticks, ask_units, sequence, event_nanos, received] =
            self.cell.read();
        let flags = Flags::unpack(flags);
        if !flags.is_live {
            return None;
        }
        let level = |ticks: u64, units| Level {
            price: decimal(ticks.cast_signed(), flags.price_scale),
            size: decimal_unsigned(units, flags.size_scale),
        };
        Some(Bbo {
            bid: flags.has_bid.then(|| level(bid_ticks, bid_units)),
            ask: flags.has_ask.then(|| level(ask_ticks, ask_units)),
            sequence,
            connection: flags.connection,
            event_time: flags.has_event_time.then(|| UnixNanos::new(event_nanos)),
            received: self.epoch + unpack_duration(received),
        })
    }
}

impl fmt::Debug for BboReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BboReader").field(&self.load()).finish()
    }
}

/// Puts a duration of up to 136 years in a word: seconds above, nanoseconds below. Counting all of
/// it in nanoseconds would cost every reader a division.
fn pack_duration(duration: Duration) -> u64 {
    let seconds = u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
    u64::from(seconds) << 32 | u64::from(duration.subsec_nanos())
}

const fn unpack_duration(word: u64) -> Duration {
    Duration::new(word >> 32, word as u32)
}

/// What the first word of a publication holds beside the numbers of the others.
#[derive(Clone, Copy)]
struct Flags {
    is_live: bool,
    has_bid: bool,
    has_ask: bool,
    has_event_time: bool,
    price_scale: u8,
    size_scale: u8,
    /// At most [`CONNECTION_MASK`].
    connection: u64,
}

/// How many bits of the number of a connection there is room for, as a mask.
const CONNECTION_MASK: u64 = (1 << 40) - 1;

impl Flags {
    fn pack(self) -> u64 {
        let Self { is_live, has_bid, has_ask, has_event_time, .. } = self;
        u64::from(is_live)
            | u64::from(has_bid) << 1
            | u64::from(has_ask) << 2
            | u64::from(has_event_time) << 3
            | u64::from(self.price_scale) << 8
            | u64::from(self.size_scale) << 16
            | self.connection << 24
    }

    const fn unpack(word: u64) -> Self {
        let [bits, price_scale, size_scale, ..] = word.to_le_bytes();
        Self {
            is_live: bits & 1 != 0,
            has_bid: bits & 2 != 0,
            has_ask: bits & 4 != 0,
            has_event_time: bits & 8 != 0,
            price_scale,
            size_scale,
            connection: word >> 24,
        }
    }
}

/// How many words a publication has.
const WORDS: usize = 8;

/// How many slots the publisher goes round. Two suffice for a reader to find a whole one.
const SLOTS: u64 = 2;

/// The number a slot carries while it is being written. No publication has it.
const BEING_WRITTEN: u64 = u64::MAX;

/// The memory between one publisher and its readers.
struct Cell<const N: usize> {
    /// The number of the newest whole publication, which lies in slot `newest % SLOTS`.
    newest: AtomicU64,
    slots: [Slot<N>; SLOTS as usize],
}

/// Aligned so that a publisher at work on one slot does not take the other from its readers.
#[repr(align(128))]
struct Slot<const N: usize> {
    /// The number of the publication that the words hold.
    version: AtomicU64,
    words: [AtomicU64; N],
}

impl<const N: usize> Cell<N> {
    fn new() -> Self {
        let slot = |version| Slot {
            version: AtomicU64::new(version),
            words: std::array::from_fn(|_| AtomicU64::new(0)),
        };
        Self { newest: AtomicU64::new(0), slots: [slot(0), slot(BEING_WRITTEN)] }
    }

    /// Writes publication `version`, which must be one more than the last.
    #[inline]
    fn write(&self, version: u64, words: [u64; N]) {
        let slot = self.slot(version);
        slot.version.store(BEING_WRITTEN, Ordering::Relaxed);
        // A reader that sees one of the words below then also sees that they are being written.
        fence(Ordering::Release);
        for (word, value) in slot.words.iter().zip(words) {
            word.store(value, Ordering::Relaxed);
        }
        // A reader that sees the version then also sees the words above.
        slot.version.store(version, Ordering::Release);
        self.newest.store(version, Ordering::Release);
    }

    /// Reads the newest publication. Tries again only if it was overwritten meanwhile, so as a
    /// whole the publisher and the readers always make progress.
    #[inline]
    fn read(&self) -> [u64; N] {
        loop {
            // Whoever sees the number of a publication also sees its words, or newer ones.
            let newest = self.newest.load(Ordering::Acquire);
            let slot = self.slot(newest);
            let words = std::array::from_fn(|i| slot.words[i].load(Ordering::Relaxed));
            // Had one of the words been newer, the load below would see that they are.
            fence(Ordering::Acquire);
            if slot.version.load(Ordering::Relaxed) == newest {
                return words;
            }
            sync::spin_loop();
        }
    }

    const fn slot(&self, version: u64) -> &Slot<N> {
        &self.slots[(version % SLOTS) as usize]
    }
}

#[cfg(not(all(test, level2_loom)))]
mod sync {
    pub(super) use std::hint::spin_loop;
    pub(super) use std::sync::Arc;
    pub(super) use std::sync::atomic::{AtomicU64, Ordering, fence};
}

#[cfg(all(test, level2_loom))]
mod sync {
    pub(super) use loom::hint::spin_loop;
    pub(super) use loom::sync::Arc;
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering, fence};
}

#[cfg(all(test, not(level2_loom)))]
mod tests {
    use super::*;
    use crate::book::{Fixed, Side};

    fn number(text: &str) -> Fixed {
        Fixed::parse(text.as_bytes()).unwrap()
    }

    fn book(bid: &str, ask: &str) -> Book {
        let mut book = Book::new();
        book.set(Side::Bid, number(bid), number("0.5")).unwrap();
        book.set(Side::Ask, number(ask), number("2")).unwrap();
        book
    }

    #[test]
    fn readers_see_what_was_published_until_it_is_withdrawn() {
        let epoch = Instant::now();
        let received = epoch + Duration::from_millis(1_500);
        let (mut publisher, reader) = bbo_channel(epoch);
        assert_eq!(reader.load(), None);

        let event_time = Some(UnixNanos::new(7));
        let book = book("-12.25", "13");
        publisher.set_connection(u64::MAX);
        publisher.publish(&book, 42, event_time, received);
        let expected = Bbo {
            bid: book.best_bid(),
            ask: book.best_ask(),
            sequence: 42,
            connection: CONNECTION_MASK,
            event_time,
            received,
        };
        assert_eq!(reader.load(), Some(expected));
        assert_eq!(reader.clone().load(), Some(expected));

        publisher.withdraw();
        assert_eq!(reader.load(), None);
        publisher.set_connection(7);
        publisher.publish(&Book::new(), 43, None, received);
        let empty =
            Bbo { bid: None, ask: None, sequence: 43, connection: 7, event_time: None, received };
        assert_eq!(publisher.reader().load(), Some(empty));
    }

    #[test]
    fn dropping_the_publisher_withdraws() {
        let (mut publisher, reader) = bbo_channel(Instant::now());
        publisher.publish(&book("1", "2"), 1, None, Instant::now());
        assert!(reader.load().is_some());
        drop(publisher);
        assert_eq!(reader.load(), None);
    }

    /// A hot writer beside hot readers: every read is whole, and none goes back in time.
    #[test]
    fn concurrent_reads_are_whole_and_never_go_back() {
        const PUBLICATIONS: u64 = if cfg!(miri) { 200 } else { 100_000 };
        const READERS: usize = 3;
        /// Every so many publications one is taken back again.
        const WITHDRAWN: u64 = 16;

        let epoch = Instant::now();
        let (mut publisher, reader) = bbo_channel(epoch);
        std::thread::scope(|scope| {
            for _ in 0..READERS {
                let reader = reader.clone();
                scope.spawn(move || {
                    let mut last = 0;
                    while last < PUBLICATIONS {
                        let Some(bbo) = reader.load() else { continue };
                        assert!(bbo.sequence >= last, "{} after {last}", bbo.sequence);
                        last = bbo.sequence;
                        // Everything else in it is made of the number.
                        let level = |price: u64, size: u64| {
                            Some(Level { price: price.into(), size: size.into() })
                        };
                        let whole = Bbo {
                            bid: level(last, 3 * last),
                            ask: level(last + 1, 5 * last),
                            sequence: last,
                            connection: 7 * last,
                            event_time: Some(UnixNanos::new(last)),
                            received: epoch + Duration::from_nanos(last),
                        };
                        assert_eq!(bbo, whole);
                    }
                });
            }
            for sequence in 1..=PUBLICATIONS {
                let mut book = Book::new();
                let count = |count: u64| number(&count.to_string());
                book.set(Side::Bid, count(sequence), count(3 * sequence)).unwrap();
                book.set(Side::Ask, count(sequence + 1), count(5 * sequence)).unwrap();
                let received = epoch + Duration::from_nanos(sequence);
                publisher.set_connection(7 * sequence);
                publisher.publish(&book, sequence, Some(UnixNanos::new(sequence)), received);
                if sequence % WITHDRAWN == 0 && sequence < PUBLICATIONS {
                    publisher.withdraw();
                }
            }
        });
    }
}

#[cfg(all(test, level2_loom))]
mod loom_tests {
    use loom::thread;

    use super::*;

    /// The model checker tries every order of every access, so it gets the smallest publication
    /// that can be torn.
    const WORDS: usize = 2;

    /// Two publications and a withdrawal against one reader, in every order that loom models (some
    /// that relaxed accesses allow are beyond it): reads are whole, never go back, and never miss
    /// the withdrawal they know of.
    #[test]
    fn reads_are_whole_in_every_order() {
        loom::model(|| {
            let cell = Arc::new(Cell::<WORDS>::new());
            let reader = Arc::clone(&cell);
            let reading = thread::spawn(move || {
                let mut last = 0;
                for _ in 0..2 {
                    let words = reader.read();
                    assert_eq!(words, [words[0]; WORDS], "a torn read");
                    assert!(words[0] >= last, "a read went back");
                    last = words[0];
                }
            });
            cell.write(1, [1; WORDS]);
            cell.write(2, [2; WORDS]);
            reading.join().unwrap();
            assert_eq!(cell.read(), [2; WORDS], "what was published last was not seen");
        });
    }

    /// What one reader saw, another that hears of it sees too.
    #[test]
    fn a_reader_that_is_told_of_a_withdrawal_sees_it() {
        loom::model(|| {
            let cell = Arc::new(Cell::<WORDS>::new());
            let told = Arc::new(AtomicU64::new(0));
            cell.write(1, [1; WORDS]);
            let (reader, hears) = (Arc::clone(&cell), Arc::clone(&told));
            let reading = thread::spawn(move || {
                let is_told = hears.load(Ordering::Acquire) == 1;
                let words = reader.read();
                assert!(!is_told || words == [0; WORDS], "a withdrawn value was read");
            });
            cell.write(2, [0; WORDS]);
            told.store(1, Ordering::Release);
            reading.join().unwrap();
        });
    }
}
