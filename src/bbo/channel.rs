//! One publisher and its readers, and how a publication is packed into words.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cell::Cell;
use super::quote::Bbo;
use crate::book::Tops;
use crate::units::{Epoch, Level, UnixNanos, decimal, decimal_unsigned};

/// The number of words of a publication.
const WORDS: usize = 8;

/// Makes a connected publisher and reader. Nothing is published yet.
///
/// `epoch` is the moment from which the publisher's receive times are counted; times before it
/// are published as the epoch itself.
#[must_use]
pub fn bbo_channel(epoch: Epoch) -> (BboPublisher, BboReader) {
    let cell = Arc::new(Cell::new());
    let reader = BboReader { cell: Arc::clone(&cell), epoch };
    (BboPublisher { cell, epoch, version: 0, is_withdrawn: true }, reader)
}

/// Where a publication comes from: the frame that last touched the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs)] // The publisher needs all of it, and callers build it.
pub struct FrameOrigin {
    /// The number of the frame; see [`Bbo::sequence`].
    pub sequence: u64,
    /// The number of the connection that it came on, of which the lower 40 bits are kept.
    pub connection: u64,
    /// When the venue's engine made the change that the frame lists last, if it said so.
    pub event_time: Option<UnixNanos>,
    /// When the frame was handed to the session, on the caller's monotonic clock.
    pub received: Instant,
}

/// The one writer of a book's BBO.
///
/// Dropping it withdraws what it published, as nothing keeps it true any longer.
pub struct BboPublisher {
    cell: Arc<Cell<WORDS>>,
    epoch: Epoch,
    /// The number of the newest publication.
    version: u64,
    is_withdrawn: bool,
}

impl BboPublisher {
    /// Publishes the best levels of a book. Never waits.
    #[inline]
    pub fn publish(&mut self, tops: &Tops, origin: FrameOrigin) {
        let Tops { bid, ask, scales } = *tops;
        let FrameOrigin { sequence, connection, event_time, received } = origin;
        let since_epoch = received.saturating_duration_since(self.epoch.instant);
        let flags = Flags {
            is_live: true,
            has_bid: bid.is_some(),
            has_ask: ask.is_some(),
            has_event_time: event_time.is_some(),
            price_scale: scales.price,
            size_scale: scales.size,
            connection: connection & CONNECTION_MASK,
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

    /// Withdraws what was published: readers get `None` until the next publication. Never waits.
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

/// Reads the BBO of one book, from any thread, without a lock.
///
/// Cloning one copies a pointer.
#[derive(Clone)]
pub struct BboReader {
    cell: Arc<Cell<WORDS>>,
    epoch: Epoch,
}

impl BboReader {
    /// Returns the best bid and ask, or `None` while the book is not live.
    ///
    /// What is returned was true in the book at the frame it names: a mix of two frames, or a
    /// value withdrawn before the call, is never returned. It does not show that the feed is still
    /// being driven; [`Bbo::age`] shows how old it is.
    #[must_use]
    #[inline]
    pub fn load(&self) -> Option<Bbo> {
        let [flags, bid_ticks, bid_units, ask_ticks, ask_units, sequence, event_nanos, received] =
            self.cell.read();
        let flags = Flags::unpack(flags);
        if !flags.is_live {
            return None;
        }
        let elapsed = unpack_duration(received);
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
            received: self.epoch.instant + elapsed,
            received_at: self.epoch.wall_after(elapsed),
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

/// The bits of a connection's number that there is room for. Sessions number their connections
/// within them.
pub(crate) const CONNECTION_MASK: u64 = (1 << 40) - 1;

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

#[cfg(all(test, not(level2_loom)))]
mod tests {
    use super::*;
    use crate::book::Book;
    use crate::units::{Fixed, Side};

    fn number(text: &str) -> Fixed {
        Fixed::parse(text.as_bytes()).unwrap()
    }

    fn book(bid: &str, ask: &str) -> Book {
        let mut book = Book::new();
        book.set(Side::Bid, number(bid), number("0.5")).unwrap();
        book.set(Side::Ask, number(ask), number("2")).unwrap();
        book
    }

    fn origin(sequence: u64, received: Instant) -> FrameOrigin {
        FrameOrigin { sequence, connection: 7, event_time: None, received }
    }

    #[test]
    fn readers_see_what_was_published_until_it_is_withdrawn() {
        let epoch = Epoch { instant: Instant::now(), wall: Some(UnixNanos::new(10_000_000_000)) };
        let received = epoch.instant + Duration::from_millis(1_500);
        let (mut publisher, reader) = bbo_channel(epoch);
        assert_eq!(reader.load(), None);

        let event_time = Some(UnixNanos::new(7));
        let book = book("-12.25", "13");
        let connection = u64::MAX;
        publisher
            .publish(&book.tops(), FrameOrigin { connection, event_time, ..origin(42, received) });
        let received_at = Some(UnixNanos::new(11_500_000_000));
        let expected = Bbo {
            bid: book.best_bid(),
            ask: book.best_ask(),
            sequence: 42,
            connection: CONNECTION_MASK,
            event_time,
            received,
            received_at,
        };
        assert_eq!(reader.load(), Some(expected));
        assert_eq!(reader.clone().load(), Some(expected));

        publisher.withdraw();
        assert_eq!(reader.load(), None);
        publisher.publish(&Book::new().tops(), origin(43, received));
        let empty = Bbo {
            bid: None,
            ask: None,
            sequence: 43,
            connection: 7,
            event_time: None,
            received,
            received_at,
        };
        assert_eq!(publisher.reader().load(), Some(empty));
    }

    #[test]
    fn a_receipt_before_the_epoch_is_the_epoch_and_has_no_wall_clock_unless_named() {
        let now = Instant::now();
        for wall in [None, Some(UnixNanos::new(3))] {
            let epoch = Epoch { instant: now + Duration::from_secs(1), wall };
            let (mut publisher, reader) = bbo_channel(epoch);
            publisher.publish(&Book::new().tops(), origin(1, now));
            let bbo = reader.load().unwrap();
            assert_eq!((bbo.received, bbo.received_at), (epoch.instant, wall));
        }
    }

    #[test]
    fn dropping_the_publisher_withdraws() {
        let now = Instant::now();
        let (mut publisher, reader) = bbo_channel(now.into());
        publisher.publish(&book("1", "2").tops(), origin(1, now));
        assert!(reader.load().is_some());
        drop(publisher);
        assert_eq!(reader.load(), None);
    }

    /// A hot writer beside hot readers: every read is whole, and none goes back in time.
    #[test]
    fn concurrent_reads_are_whole_and_never_go_back() {
        const PUBLICATIONS: u64 = if cfg!(miri) { 200 } else { 100_000 };
        const READERS: usize = 3;
        /// One publication in this many is withdrawn again.
        const WITHDRAWN: u64 = 16;

        let epoch = Instant::now();
        let (mut publisher, reader) = bbo_channel(epoch.into());
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
                            received_at: None,
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
                let origin = FrameOrigin {
                    sequence,
                    connection: 7 * sequence,
                    event_time: Some(UnixNanos::new(sequence)),
                    received: epoch + Duration::from_nanos(sequence),
                };
                publisher.publish(&book.tops(), origin);
                if sequence % WITHDRAWN == 0 && sequence < PUBLICATIONS {
                    publisher.withdraw();
                }
            }
        });
    }
}
