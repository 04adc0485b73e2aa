//! How the events of a frame change a book.

use std::time::Instant;

use crate::book::{Applied, Book, BookError, Snapshot};
use crate::session::changes::ChangeLog;
use crate::units::PackedLevel;
use crate::wire::{DecodeError, Update, WireTime};

/// The part of a frame that is for one product, gathered event by event.
#[derive(Debug)]
pub(crate) struct Touched<'f> {
    /// The place of the product.
    pub(super) index: usize,
    /// The time of its newest level, unread.
    pub(super) event_time: Option<WireTime<'f>>,
    /// Whether a level is other than before.
    pub(super) is_changed: bool,
    /// Whether a snapshot replaced its book.
    pub(super) is_replaced: bool,
    /// Whether its number was found to be a duplicate, where each product has its own numbers.
    pub(super) is_duplicate: bool,
}

/// The frame that a part belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameMark {
    pub(crate) sequence: u64,
    /// The number of its connection.
    pub(crate) connection: u64,
    pub(crate) received: Instant,
}

/// Why a product's part of a frame was not applied.
#[derive(Debug)]
pub(crate) enum ApplyError {
    Decode(DecodeError),
    Book(BookError),
    /// An update came where the snapshot was due.
    Premature,
}

impl From<DecodeError> for ApplyError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl From<BookError> for ApplyError {
    fn from(error: BookError) -> Self {
        Self::Book(error)
    }
}

impl Touched<'_> {
    /// Returns a part to which no event has been applied yet.
    #[inline]
    pub(crate) const fn new(index: usize, is_duplicate: bool) -> Self {
        Self { index, event_time: None, is_changed: false, is_replaced: false, is_duplicate }
    }

    /// Returns the place of the product.
    #[inline]
    pub(crate) const fn index(&self) -> usize {
        self.index
    }

    /// Returns whether nothing of it must be applied.
    #[inline]
    pub(crate) const fn is_duplicate(&self) -> bool {
        self.is_duplicate
    }
}

/// Replaces all levels of a book by those of a snapshot, or none.
#[inline(never)]
pub(super) fn replace_book<'f>(
    book: &mut Book,
    update: &Update<'f>,
    max_levels: usize,
    touched: &mut Touched<'f>,
) -> Result<(), ApplyError> {
    let mut snapshot = Snapshot::new(max_levels);
    if let Some((levels, event_time)) = update.read_levels() {
        touched.event_time = Some(event_time);
        snapshot.extend(levels)?;
    } else {
        update.levels()?.try_take_each(|level| {
            touched.event_time = level.event_time;
            snapshot.push(level.side, level.price, level.size).map_err(ApplyError::from)
        })?;
    }
    book.replace(snapshot);
    Ok(())
}

/// Makes the changes of an update, and counts them. After an error, those before it were made.
#[inline]
pub(super) fn apply_changes<'f>(
    book: &mut Book,
    log: &mut ChangeLog,
    update: &Update<'f>,
    touched: &mut Touched<'f>,
    applied: &mut Applied,
) -> Result<(), ApplyError> {
    match update.read_levels() {
        Some((changes, event_time)) if !log.is_on() => {
            touched.event_time = Some(event_time);
            Ok(book.apply(changes, applied)?)
        }
        _ => apply_one_by_one(book, log, update, touched, applied),
    }
}

#[inline(never)]
fn apply_one_by_one<'f>(
    book: &mut Book,
    log: &mut ChangeLog,
    update: &Update<'f>,
    touched: &mut Touched<'f>,
    applied: &mut Applied,
) -> Result<(), ApplyError> {
    update.levels()?.try_take_each(|level| {
        touched.event_time = level.event_time;
        let made_before = applied.made;
        book.apply(&[PackedLevel::new(level.side, level.price, level.size)], applied)?;
        if log.is_on() && applied.made > made_before {
            log.push(touched.index, level.side, level.price, level.size);
        }
        Ok(())
    })
}
