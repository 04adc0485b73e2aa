//! A frame that was read: its envelope, and its events and levels on demand.
//!
//! Everything here is read by one of the two tiers, and says the same whichever it was.

use super::error::DecodeError;
use super::expected::{ExpectedFrame, ExpectedHeartbeat, ExpectedLevels};
use super::general::{
    GeneralBody, GeneralFrame, GeneralLevels, GeneralProducts, GeneralSubscriptions, GeneralUpdate,
    GeneralUpdates,
};
use super::level::{LevelUpdate, UpdateKind};
use super::product::ProductKey;
use super::time::WireTime;
use super::venue::RefusalKind;
use crate::units::PackedLevel;

/// One frame, borrowed from the [`Decoder`](super::Decoder) that read it.
#[derive(Debug)]
pub struct Frame<'a> {
    tier: FrameTier<'a>,
}

#[derive(Debug)]
enum FrameTier<'a> {
    Expected(ExpectedFrame<'a>),
    ExpectedHeartbeat(ExpectedHeartbeat<'a>),
    General(GeneralFrame<'a>),
}

impl<'a> Frame<'a> {
    pub(super) const fn from_expected(frame: ExpectedFrame<'a>) -> Self {
        Self { tier: FrameTier::Expected(frame) }
    }

    pub(super) const fn from_heartbeat(heartbeat: ExpectedHeartbeat<'a>) -> Self {
        Self { tier: FrameTier::ExpectedHeartbeat(heartbeat) }
    }

    pub(super) const fn from_general(frame: GeneralFrame<'a>) -> Self {
        Self { tier: FrameTier::General(frame) }
    }

    /// Returns the number of the frame on its connection, the venue's `sequence_num`. Error
    /// frames have none.
    #[must_use]
    pub const fn sequence(&self) -> Option<u64> {
        match &self.tier {
            FrameTier::Expected(frame) => Some(frame.sequence()),
            FrameTier::ExpectedHeartbeat(heartbeat) => Some(heartbeat.sequence),
            FrameTier::General(frame) => frame.sequence(),
        }
    }

    /// Returns when the venue sent the frame, by its own clock: its `timestamp`, unread.
    ///
    /// `None` without one, as in error frames, and where it is no string or comes twice.
    #[must_use]
    pub fn timestamp(&self) -> Option<WireTime<'_>> {
        match &self.tier {
            FrameTier::Expected(frame) => Some(frame.timestamp()),
            FrameTier::ExpectedHeartbeat(heartbeat) => Some(heartbeat.timestamp),
            FrameTier::General(frame) => frame.timestamp(),
        }
    }

    /// Returns whether the frame has exactly the shape that the venue was seen to send for
    /// order books, and was read in one pass.
    pub(crate) const fn is_expected_shape(&self) -> bool {
        matches!(self.tier, FrameTier::Expected(_))
    }

    /// Returns what the frame holds.
    #[must_use]
    pub fn body(&self) -> Body<'_> {
        match &self.tier {
            FrameTier::Expected(frame) => Body::Level2 {
                sequence: frame.sequence(),
                updates: Updates { tier: UpdatesTier::Expected(Some(*frame)) },
            },
            FrameTier::ExpectedHeartbeat(heartbeat) => {
                Body::Heartbeat { counter: Some(heartbeat.counter) }
            }
            FrameTier::General(frame) => Body::from_general(frame.body()),
        }
    }
}

/// What a frame holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Body<'f> {
    /// The venue refuses a request.
    Error {
        /// Which refusal this is, as far as its words are known.
        kind: RefusalKind,
        /// All of the venue's words.
        message: &'f str,
    },
    /// The connection lives.
    Heartbeat {
        /// The venue's counter of seconds, if it was readable. Not a check for lost frames: it
        /// belongs to the serving process and may jump.
        counter: Option<u64>,
    },
    /// Order books.
    Level2 {
        /// The number of the frame, as in [`Frame::sequence`].
        sequence: u64,
        /// Its events.
        updates: Updates<'f>,
    },
    /// A channel that this library does not read. Its number counts all the same.
    Other {
        /// The name of the channel.
        channel: &'f str,
    },
    /// What the connection is subscribed to, in answer to a request.
    Subscriptions(Subscriptions<'f>),
}

impl<'f> Body<'f> {
    fn from_general(body: GeneralBody<'f>) -> Self {
        match body {
            GeneralBody::Error { message } => {
                Self::Error { kind: RefusalKind::of(message), message }
            }
            GeneralBody::Heartbeat { counter } => Self::Heartbeat { counter },
            GeneralBody::Level2 { sequence, updates } => {
                Self::Level2 { sequence, updates: Updates { tier: UpdatesTier::General(updates) } }
            }
            GeneralBody::Other { channel } => Self::Other { channel },
            GeneralBody::Subscriptions(channels) => Self::Subscriptions(Subscriptions { channels }),
        }
    }
}

/// The events of an order-book frame, each for one product. Real frames hold one.
#[derive(Clone, Debug)]
pub struct Updates<'f> {
    tier: UpdatesTier<'f>,
}

#[derive(Clone, Debug)]
enum UpdatesTier<'f> {
    /// The one event of a frame, until it was handed out.
    Expected(Option<ExpectedFrame<'f>>),
    General(GeneralUpdates<'f>),
}

impl<'f> Iterator for Updates<'f> {
    /// An error here names no product: it may have been meant for any.
    type Item = Result<Update<'f>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.tier {
            UpdatesTier::Expected(frame) => Some(Ok(Update::from_expected(frame.take()?))),
            UpdatesTier::General(updates) => {
                let update = updates.next()?;
                Some(update.map(|update| Update { tier: UpdateTier::General(update) }))
            }
        }
    }
}

/// A snapshot or an update of one product's book.
#[derive(Clone, Copy, Debug)]
pub struct Update<'f> {
    tier: UpdateTier<'f>,
}

#[derive(Clone, Copy, Debug)]
enum UpdateTier<'f> {
    Expected(ExpectedFrame<'f>),
    General(GeneralUpdate<'f>),
}

impl<'f> Update<'f> {
    #[inline]
    pub(super) const fn from_expected(frame: ExpectedFrame<'f>) -> Self {
        Self { tier: UpdateTier::Expected(frame) }
    }

    /// Returns the product as the venue names it, which for an alias is not the name asked for.
    #[must_use]
    pub fn product_id(&self) -> &'f str {
        match &self.tier {
            UpdateTier::Expected(frame) => frame.product_id(),
            UpdateTier::General(update) => update.product_id(),
        }
    }

    /// Returns the key of the product's name, if the frame was read in one pass and the name is
    /// short enough to have one.
    #[inline]
    pub(crate) const fn product_key(&self) -> Option<ProductKey> {
        match &self.tier {
            UpdateTier::Expected(frame) => frame.product_key(),
            UpdateTier::General(_) => None,
        }
    }

    /// Returns whether this replaces the book or changes it.
    ///
    /// # Errors
    /// [`DecodeError`] when the event says neither.
    #[inline]
    pub fn kind(&self) -> Result<UpdateKind, DecodeError> {
        match &self.tier {
            UpdateTier::Expected(frame) => Ok(frame.kind()),
            UpdateTier::General(update) => update.kind(),
        }
    }

    /// Returns the levels, read one by one as the iterator is advanced.
    ///
    /// # Errors
    /// [`DecodeError`] when the event has no list of levels.
    #[inline]
    pub fn levels(&self) -> Result<LevelUpdates<'f>, DecodeError> {
        let tier = match &self.tier {
            UpdateTier::Expected(frame) => LevelsTier::Expected(frame.levels()),
            UpdateTier::General(update) => LevelsTier::General(update.levels()?),
        };
        Ok(LevelUpdates { tier })
    }

    /// Returns the levels all at once, and their common time, if they were all read already.
    #[inline]
    pub(crate) fn read_levels(&self) -> Option<(&'f [PackedLevel], WireTime<'f>)> {
        match &self.tier {
            UpdateTier::Expected(frame) => Some((frame.packed_levels(), frame.event_time())),
            UpdateTier::General(_) => None,
        }
    }
}

/// The levels of an update, in the venue's order.
#[derive(Clone, Debug)]
pub struct LevelUpdates<'f> {
    tier: LevelsTier<'f>,
}

#[derive(Clone, Debug)]
enum LevelsTier<'f> {
    Expected(ExpectedLevels<'f>),
    General(GeneralLevels<'f>),
}

impl<'f> LevelUpdates<'f> {
    /// Hands every level that is left to `take`, until one of them is an error.
    ///
    /// The same as a loop over the iterator, but the tier that read the frame is looked up once
    /// instead of for every level.
    ///
    /// # Errors
    /// The first error of a level or of `take`.
    #[inline]
    pub fn try_take_each<E: From<DecodeError>>(
        self,
        mut take: impl FnMut(LevelUpdate<'f>) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.tier {
            LevelsTier::Expected(mut levels) => levels.try_for_each(take),
            LevelsTier::General(mut levels) => levels.try_for_each(|level| take(level?)),
        }
    }
}

impl<'f> Iterator for LevelUpdates<'f> {
    type Item = Result<LevelUpdate<'f>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.tier {
            LevelsTier::Expected(levels) => levels.next().map(Ok),
            LevelsTier::General(levels) => levels.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.tier {
            LevelsTier::Expected(levels) => levels.size_hint(),
            LevelsTier::General(levels) => levels.size_hint(),
        }
    }
}

/// What a connection is subscribed to at the moment of an acknowledgement.
#[derive(Clone, Debug)]
pub struct Subscriptions<'f> {
    channels: GeneralSubscriptions<'f>,
}

impl<'f> Subscriptions<'f> {
    /// Returns the products of a channel, under its name in requests (`level2`); none when the
    /// connection is not subscribed to it.
    #[must_use]
    pub fn products(&self, channel: &str) -> SubscribedProducts<'f> {
        SubscribedProducts { products: self.channels.products(channel) }
    }
}

/// The products that a connection is subscribed to on one channel.
#[derive(Clone, Debug)]
pub struct SubscribedProducts<'f> {
    products: Option<GeneralProducts<'f>>,
}

impl<'f> Iterator for SubscribedProducts<'f> {
    type Item = &'f str;

    fn next(&mut self) -> Option<&'f str> {
        self.products.as_mut()?.next()
    }
}
