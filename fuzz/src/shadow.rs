//! Naive books that follow the messages of one connection: what a session may show at most.

use std::collections::BTreeMap;

use level2::Side;
use level2::internal::MAX_OLDER_IN_A_ROW;
use level2::internal::decode_general;
use level2::session::{NotLive, Product, Session};
use level2::wire::{Body, DecodeError, Decoder, UnixNanos, Update, UpdateKind, Updates};

use super::naive_book::{self, NaiveBook};

/// What is known of the books on a connection, and of its numbers.
#[derive(Default)]
pub(crate) struct Shadow {
    decoder: Decoder,
    last: Option<u64>,
    older_in_a_row: u32,
    books: BTreeMap<String, KnownBook>,
}

#[derive(Default)]
struct KnownBook {
    /// `None` from a loss on until the next snapshot.
    levels: Option<NaiveBook>,
    /// The number of the last frame for it.
    sequence: u64,
    /// The time of that frame's last level.
    event_time: Option<UnixNanos>,
    /// How many events of that frame were for it.
    events: u64,
}

impl Shadow {
    /// Takes note that another connection begins.
    pub(crate) fn begin(&mut self) {
        self.last = None;
        self.older_in_a_row = 0;
        self.books.clear();
    }

    /// Takes note that nothing on the connection can be trusted.
    pub(crate) fn lose_all(&mut self) {
        self.books.clear();
    }

    /// Takes a message, by the general tier of the parser alone.
    pub(crate) fn message(&mut self, text: &[u8]) {
        let mut decoder = std::mem::take(&mut self.decoder);
        match decode_general(&mut decoder, text) {
            Ok(frame) => {
                if frame.sequence().is_none_or(|sequence| self.is_news(sequence))
                    && let Body::Level2 { sequence, updates } = frame.body()
                {
                    self.frame(sequence, updates);
                }
            }
            Err(_) => {
                self.last = self.last.map(|last| last.saturating_add(1));
                self.lose_all();
            }
        }
        self.decoder = decoder;
    }

    /// Returns whether a number was not seen before. One that was not due loses all books.
    fn is_news(&mut self, sequence: u64) -> bool {
        if let Some(last) = self.last {
            if sequence != 0 && sequence <= last {
                self.older_in_a_row += 1;
                if self.older_in_a_row <= MAX_OLDER_IN_A_ROW {
                    return false;
                }
            }
            if Some(sequence) != last.checked_add(1) {
                self.lose_all();
            }
        }
        self.last = Some(sequence);
        self.older_in_a_row = 0;
        true
    }

    fn frame(&mut self, sequence: u64, updates: Updates<'_>) {
        let mut touched = Vec::new();
        for update in updates {
            let Ok(update) = update else { return self.lose_all() };
            let book = self.books.entry(update.product_id().to_owned()).or_default();
            if !touched.contains(&update.product_id()) {
                touched.push(update.product_id());
                (book.sequence, book.event_time, book.events) = (sequence, None, 0);
            }
            book.events += 1;
            if book.apply(&update).is_err() {
                book.levels = None;
            }
        }
        for product in touched {
            let Some(book) = self.books.get_mut(product) else { continue };
            book.levels = book.levels.take().filter(|levels| !levels.is_crossed());
        }
    }

    /// Checks that a session shows nothing but what is known.
    pub(crate) fn check(&self, session: &Session) {
        for product in session.products() {
            match product.book() {
                Ok(_) => self.check_live(&product),
                Err(not_live) => {
                    assert!(!matches!(not_live, NotLive::Unknown(_)), "{not_live}");
                    let name = product.name();
                    assert_eq!(product.bbo().load(), None, "{name} has no book: {not_live}");
                }
            }
        }
    }

    fn check_live(&self, product: &Product<'_>) {
        let (name, book) =
            (product.canonical_name().as_str(), product.book().expect("a live book"));
        let known = self.books.get(name);
        let known = known.unwrap_or_else(|| panic!("{name} is live, but nothing is known of it"));
        let levels = known.levels.as_ref();
        let levels = levels.unwrap_or_else(|| panic!("{name} is live, but was lost"));
        levels.assert_equal(book);
        assert!(!book.is_crossed(), "{name} is live and crossed");
        let bbo = product.bbo().load();
        let bbo = bbo.unwrap_or_else(|| panic!("{name} is live, but has no best bid and ask"));
        naive_book::assert_same(levels.best(Side::Bid), bbo.bid);
        naive_book::assert_same(levels.best(Side::Ask), bbo.ask);
        assert_eq!(bbo.sequence, known.sequence, "{name}");
        // Of several events the session may have had to leave out the last.
        if known.events == 1 {
            assert_eq!(bbo.event_time, known.event_time, "{name}");
        }
    }
}

impl KnownBook {
    fn apply(&mut self, update: &Update<'_>) -> Result<(), DecodeError> {
        if update.kind()? == UpdateKind::Snapshot {
            self.levels = Some(NaiveBook::default());
        }
        for level in update.levels()? {
            let level = level?;
            let time = level.event_time.map(|time| time.as_str());
            self.event_time = time.and_then(|time| UnixNanos::parse_rfc3339(time).ok());
            if let Some(levels) = &mut self.levels {
                levels.set(level.side, level.price, level.size);
            }
        }
        Ok(())
    }
}
