//! What changes did to a book.

/// What [`Book::set`](super::Book::set) did to the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SetOutcome {
    /// A size of zero came for a price that holds no level. The venue does this now and then
    /// (4-6 % of real changes), because it merges the changes of 50 ms; nothing was changed.
    Absent,
    /// A level came to a price that held none.
    Inserted,
    /// A level left.
    Removed,
    /// A level has another size.
    Resized,
    /// The size was the one already held.
    Unchanged,
}

impl SetOutcome {
    /// Says what replacing one size by another was; zero is no level.
    #[inline]
    pub(super) const fn between(before: u64, after: u64) -> Self {
        match (before, after) {
            (0, 0) => Self::Absent,
            (0, _) => Self::Inserted,
            (_, 0) => Self::Removed,
            _ if before == after => Self::Unchanged,
            _ => Self::Resized,
        }
    }
}

/// What [`Book::apply`](super::Book::apply) did to the book.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// How many changes there were.
    pub total: u64,
    /// How many were [`SetOutcome::Inserted`], [`SetOutcome::Removed`] or [`SetOutcome::Resized`].
    pub made: u64,
    /// How many were [`SetOutcome::Absent`].
    pub absent: u64,
}
