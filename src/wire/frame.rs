//! A frame that was read: its envelope, and its events and levels on demand.

use super::error::{DecodeError, DecodeErrorKind};
use super::expected::ExpectedFrame;
use super::general::{Elements, LentTape, Value};
use super::heartbeat::ExpectedHeartbeat;
use super::product::ProductKey;
use super::time::WireTime;
use crate::book::{Fixed, FixedError, PackedLevel, Side};

/// One frame, borrowed from the [`Decoder`](super::Decoder) that read it.
#[derive(Debug)]
pub struct Frame<'a> {
    tier: Tier<'a>,
}

/// A frame as one of the two tiers read it.
#[derive(Debug)]
enum Tier<'a> {
    Expected(ExpectedFrame<'a>),
    ExpectedHeartbeat(ExpectedHeartbeat),
    General { tape: LentTape<'a>, base: usize, sequence: Option<u64>, content: Content },
}

/// What a frame holds, by the nodes of its tape.
#[derive(Clone, Copy, Debug)]
enum Content {
    Error { message: usize },
    Heartbeat { counter: Option<u64> },
    Level2 { events: usize },
    Other { channel: usize },
    Subscriptions { channels: usize },
}

impl<'a> Frame<'a> {
    pub(super) const fn from_expected(frame: ExpectedFrame<'a>) -> Self {
        Self { tier: Tier::Expected(frame) }
    }

    pub(super) const fn from_heartbeat(heartbeat: ExpectedHeartbeat) -> Self {
        Self { tier: Tier::ExpectedHeartbeat(heartbeat) }
    }

    pub(super) fn from_tape(tape: LentTape<'a>, base: usize) -> Result<Self, DecodeError> {
        let (sequence, content) = read_envelope(&tape, base)?;
        Ok(Self { tier: Tier::General { tape, base, sequence, content } })
    }

    /// Returns the number of the frame on its connection, the venue's `sequence_num`. Error
    /// frames have none.
    #[must_use]
    pub const fn sequence(&self) -> Option<u64> {
        match &self.tier {
            Tier::Expected(frame) => Some(frame.sequence()),
            Tier::ExpectedHeartbeat(heartbeat) => Some(heartbeat.sequence),
            Tier::General { sequence, .. } => *sequence,
        }
    }

    /// Returns whether the frame has exactly the shape that the venue was seen to send for
    /// order books, and was read in one pass.
    #[must_use]
    pub const fn is_expected_shape(&self) -> bool {
        matches!(self.tier, Tier::Expected(_))
    }

    /// Returns what the frame holds.
    #[must_use]
    pub fn body(&self) -> Body<'_> {
        let (tape, base, content) = match &self.tier {
            Tier::Expected(frame) => {
                return Body::Level2(Updates { events: Events::Expected(Some(*frame)) });
            }
            Tier::ExpectedHeartbeat(heartbeat) => {
                return Body::Heartbeat { counter: Some(heartbeat.counter) };
            }
            Tier::General { tape, base, content, .. } => (tape, *base, *content),
        };
        let text = |node| tape.value(node, base).string().unwrap_or_default();
        match content {
            Content::Error { message } => Body::Error { message: text(message) },
            Content::Heartbeat { counter } => Body::Heartbeat { counter },
            Content::Level2 { events } => {
                let events = tape.value(events, base).elements();
                Body::Level2(Updates { events: Events::General(events) })
            }
            Content::Other { channel } => Body::Other { channel: text(channel) },
            Content::Subscriptions { channels } => {
                Body::Subscriptions(Subscriptions { channels: tape.value(channels, base) })
            }
        }
    }
}

/// What a frame holds.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Body<'f> {
    /// The venue refuses a request.
    Error {
        /// Why, in the venue's words.
        message: &'f str,
    },
    /// The connection lives.
    Heartbeat {
        /// The venue's counter of seconds, if it was readable. Not a check for lost frames: it
        /// belongs to the serving process and may jump.
        counter: Option<u64>,
    },
    /// Order books.
    Level2(Updates<'f>),
    /// A channel that this library does not read. Its number counts all the same.
    Other {
        /// The name of the channel.
        channel: &'f str,
    },
    /// What the connection is subscribed to, in answer to a request.
    Subscriptions(Subscriptions<'f>),
}

/// The events of an order-book frame, each for one product. Real frames hold one.
#[derive(Clone, Debug)]
pub struct Updates<'f> {
    events: Events<'f>,
}

#[derive(Clone, Debug)]
enum Events<'f> {
    Expected(Option<ExpectedFrame<'f>>),
    General(Option<Elements<'f>>),
}

impl<'f> Iterator for Updates<'f> {
    /// An error here names no product: it may have been meant for any.
    type Item = Result<Update<'f>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.events {
            Events::Expected(frame) => {
                let event = Event::Expected(frame.take()?);
                Some(Ok(Update { event }))
            }
            Events::General(events) => {
                let event = events.as_mut()?.next()?;
                Some(GeneralEvent::read(event).map(|event| Update { event: Event::General(event) }))
            }
        }
    }
}

/// A snapshot or an update of one product's book.
#[derive(Clone, Copy, Debug)]
pub struct Update<'f> {
    event: Event<'f>,
}

#[derive(Clone, Copy, Debug)]
enum Event<'f> {
    Expected(ExpectedFrame<'f>),
    General(GeneralEvent<'f>),
}

impl<'f> Update<'f> {
    #[inline]
    pub(super) const fn from_expected(frame: ExpectedFrame<'f>) -> Self {
        Self { event: Event::Expected(frame) }
    }

    /// Returns the product as the venue names it, which for an alias is not the name asked for.
    #[must_use]
    pub fn product_id(&self) -> &'f str {
        match &self.event {
            Event::Expected(frame) => frame.product_id(),
            Event::General(event) => event.product_id,
        }
    }

    /// Returns the key of the product's name, if the frame was read in one pass and the name is
    /// short enough to have one.
    #[inline]
    pub(crate) const fn product_key(&self) -> Option<ProductKey> {
        match &self.event {
            Event::Expected(frame) => frame.product_key(),
            Event::General(_) => None,
        }
    }

    /// Returns whether this replaces the book or changes it.
    ///
    /// # Errors
    /// [`DecodeError`] when the event says neither.
    #[inline]
    pub fn kind(&self) -> Result<UpdateKind, DecodeError> {
        match &self.event {
            Event::Expected(frame) => Ok(frame.kind()),
            Event::General(event) => event.kind(),
        }
    }

    /// Returns the levels, read one by one as the iterator is advanced.
    ///
    /// # Errors
    /// [`DecodeError`] when the event has no list of levels.
    #[inline]
    pub fn levels(&self) -> Result<LevelUpdates<'f>, DecodeError> {
        let levels = match &self.event {
            Event::Expected(frame) => Levels::Expected { frame: *frame, next: 0 },
            Event::General(event) => {
                Levels::General { elements: event.levels()?, offset: event.offset }
            }
        };
        Ok(LevelUpdates { levels })
    }

    /// Returns the levels all at once, and their common time, if they were all read already.
    #[inline]
    pub(crate) fn read_levels(&self) -> Option<(&'f [PackedLevel], WireTime<'f>)> {
        match &self.event {
            Event::Expected(frame) => Some((frame.levels(), frame.event_time())),
            Event::General(_) => None,
        }
    }
}

/// An event of a frame that the general tier read, with what was found of its keys.
#[derive(Clone, Copy, Debug)]
struct GeneralEvent<'f> {
    product_id: &'f str,
    /// The offset in the frame of the product's name.
    offset: usize,
    kind: Option<Value<'f>>,
    levels: Option<Value<'f>>,
}

impl<'f> GeneralEvent<'f> {
    fn read(event: Value<'f>) -> Result<Self, DecodeError> {
        let expected = "an event with a product_id";
        let shape = |value: Value<'f>| value.unexpected(DecodeErrorKind::Shape, expected, 0);
        let (mut product_id, mut kind, mut levels) = (None, None, None);
        for (key, value) in event.entries().ok_or_else(|| shape(event))? {
            match key {
                "product_id" => set_once(&mut product_id, key, value, event)?,
                "type" => set_once(&mut kind, key, value, event)?,
                "updates" => set_once(&mut levels, key, value, event)?,
                _ => {}
            }
        }
        let product_id = product_id.ok_or_else(|| shape(event))?;
        let product_id = product_id.string().ok_or_else(|| shape(product_id))?;
        Ok(Self { product_id, offset: event.offset_of(product_id), kind, levels })
    }

    fn kind(&self) -> Result<UpdateKind, DecodeError> {
        let expected = "the type snapshot or update";
        let Some(kind) = self.kind else {
            return Err(self.missing(expected));
        };
        match kind.string() {
            Some("snapshot") => Ok(UpdateKind::Snapshot),
            Some("update") => Ok(UpdateKind::Update),
            _ => Err(kind.unexpected(DecodeErrorKind::Shape, expected, self.offset)),
        }
    }

    fn levels(&self) -> Result<Elements<'f>, DecodeError> {
        let expected = "an array of updates";
        let Some(levels) = self.levels else {
            return Err(self.missing(expected));
        };
        let elements = levels.elements();
        elements.ok_or_else(|| levels.unexpected(DecodeErrorKind::Shape, expected, self.offset))
    }

    #[cold]
    fn missing(&self, expected: &'static str) -> DecodeError {
        DecodeError::new(DecodeErrorKind::Shape, expected, "no such key", self.offset)
    }
}

/// Whether an update replaces a book or changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums)] // Any other type is a DecodeError.
pub enum UpdateKind {
    /// The levels are the whole book.
    Snapshot,
    /// The levels are those that changed.
    Update,
}

/// The levels of an update, in the venue's order.
#[derive(Clone, Debug)]
pub struct LevelUpdates<'f> {
    levels: Levels<'f>,
}

#[derive(Clone, Debug)]
enum Levels<'f> {
    Expected {
        frame: ExpectedFrame<'f>,
        next: usize,
    },
    General {
        elements: Elements<'f>,
        /// The offset of the last text read, for errors about what has none.
        offset: usize,
    },
}

impl<'f> LevelUpdates<'f> {
    /// Hands every level that is left to `take`, until one of them is an error.
    ///
    /// The same as a loop over the iterator, but the tier that read the frame is told apart once
    /// instead of for every level.
    ///
    /// # Errors
    /// The first error of a level or of `take`.
    #[inline]
    pub fn try_take_each<E: From<DecodeError>>(
        self,
        mut take: impl FnMut(LevelUpdate<'f>) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.levels {
            Levels::Expected { frame, next } => frame.levels_from(next).try_for_each(take),
            Levels::General { elements, mut offset } => {
                for level in elements {
                    take(LevelUpdate::read(level, &mut offset)?)?;
                }
                Ok(())
            }
        }
    }
}

impl<'f> Iterator for LevelUpdates<'f> {
    type Item = Result<LevelUpdate<'f>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.levels {
            Levels::Expected { frame, next } => {
                let level = frame.level(*next)?;
                *next += 1;
                Some(Ok(level))
            }
            Levels::General { elements, offset } => {
                let level = elements.next()?;
                Some(LevelUpdate::read(level, offset))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.levels {
            Levels::Expected { frame, next } => {
                let left = frame.levels().len() - next;
                (left, Some(left))
            }
            Levels::General { elements, .. } => elements.size_hint(),
        }
    }
}

/// The size that now rests at a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LevelUpdate<'f> {
    /// The side, which the wire calls `bid` or `offer`.
    pub side: Side,
    /// The price in quote currency, the wire's `price_level`.
    pub price: Fixed,
    /// The size in base currency that now rests there, the wire's `new_quantity`; zero for none,
    /// never negative.
    pub size: Fixed,
    /// When the venue's engine changed the level.
    pub event_time: Option<WireTime<'f>>,
}

impl<'f> LevelUpdate<'f> {
    #[inline]
    fn read(level: Value<'f>, last_offset: &mut usize) -> Result<Self, DecodeError> {
        let expected = "a level with side, price_level and new_quantity";
        let (mut side, mut price, mut size, mut event_time) = (None, None, None, None);
        let entries = level
            .entries()
            .ok_or_else(|| level.unexpected(DecodeErrorKind::Shape, expected, *last_offset))?;
        for (key, value) in entries {
            match key {
                "side" => set_once(&mut side, key, value, level)?,
                "event_time" => set_once(&mut event_time, key, value, level)?,
                "price_level" => set_once(&mut price, key, value, level)?,
                "new_quantity" => set_once(&mut size, key, value, level)?,
                _ => {}
            }
        }
        let (Some(side), Some(price), Some(size)) = (side, price, size) else {
            return Err(level.unexpected(DecodeErrorKind::Shape, expected, *last_offset));
        };
        let side_text = side.string().unwrap_or_default();
        let side = match side_text {
            "bid" => Side::Bid,
            "offer" => Side::Ask,
            _ => {
                let expected = "the side bid or offer";
                return Err(side.unexpected(DecodeErrorKind::Shape, expected, *last_offset));
            }
        };
        *last_offset = level.offset_of(side_text);
        Ok(Self {
            side,
            price: read_number(price, *last_offset)?,
            size: read_size(size, *last_offset)?,
            event_time: event_time
                .and_then(Value::string)
                .map(|text| WireTime::new(text.as_bytes())),
        })
    }
}

/// What a connection is subscribed to at the moment of an acknowledgement.
#[derive(Clone, Copy, Debug)]
pub struct Subscriptions<'f> {
    channels: Value<'f>,
}

impl<'f> Subscriptions<'f> {
    /// Returns the products of a channel, under its name in requests (`level2`); none when the
    /// connection is not subscribed to it.
    #[must_use]
    pub fn products(&self, channel: &str) -> SubscribedProducts<'f> {
        let mut entries = self.channels.entries().into_iter().flatten();
        let products = entries.find(|(name, _)| *name == channel);
        SubscribedProducts { products: products.and_then(|(_, products)| products.elements()) }
    }
}

/// The products that a connection is subscribed to on one channel.
#[derive(Clone, Debug)]
pub struct SubscribedProducts<'f> {
    products: Option<Elements<'f>>,
}

impl<'f> Iterator for SubscribedProducts<'f> {
    type Item = &'f str;

    fn next(&mut self) -> Option<&'f str> {
        self.products.as_mut()?.find_map(Value::string)
    }
}

/// Reads everything of a frame but its events: the number first, whatever the channel is.
fn read_envelope(tape: &LentTape<'_>, base: usize) -> Result<(Option<u64>, Content), DecodeError> {
    let frame = tape.value(0, base);
    let shape = |value: Value<'_>, expected| value.unexpected(DecodeErrorKind::Shape, expected, 0);
    let (mut channel, mut sequence, mut events) = (None, None, None);
    let (mut kind, mut message) = (None, None);
    for (key, value) in frame.entries().ok_or_else(|| shape(frame, "one JSON object"))? {
        match key {
            "channel" => set_once(&mut channel, key, value, frame)?,
            "sequence_num" => set_once(&mut sequence, key, value, frame)?,
            "events" => set_once(&mut events, key, value, frame)?,
            "type" => set_once(&mut kind, key, value, frame)?,
            "message" => set_once(&mut message, key, value, frame)?,
            _ => {}
        }
    }
    let expected = "a sequence_num that is a whole number";
    let sequence = match sequence {
        None => None,
        Some(number) => Some(number.unsigned().ok_or_else(|| shape(number, expected))?),
    };
    let Some(channel) = channel else {
        let is_error = kind.and_then(Value::string) == Some("error");
        let message = message.filter(|message| is_error && message.string().is_some());
        let message = message.ok_or_else(|| shape(frame, "a channel, or an error's message"))?;
        return Ok((sequence, Content::Error { message: tape.node_of(message) }));
    };
    let name = channel.string().ok_or_else(|| shape(channel, "the name of a channel"))?;
    if sequence.is_none() {
        return Err(shape(frame, expected));
    }
    let content = match name {
        "l2_data" => {
            let events = events.ok_or_else(|| shape(frame, "an array of events"))?;
            events.elements().ok_or_else(|| shape(events, "an array of events"))?;
            Content::Level2 { events: tape.node_of(events) }
        }
        "subscriptions" => {
            let channels = events.and_then(read_subscriptions);
            let expected = "an event with subscriptions, products by channel";
            let channels = channels.ok_or_else(|| shape(events.unwrap_or(frame), expected))?;
            Content::Subscriptions { channels: tape.node_of(channels) }
        }
        "heartbeats" => Content::Heartbeat { counter: events.and_then(read_heartbeat) },
        _ => Content::Other { channel: tape.node_of(channel) },
    };
    Ok((sequence, content))
}

/// Returns the subscriptions of the last event, if all of it has the promised shape.
fn read_subscriptions(events: Value<'_>) -> Option<Value<'_>> {
    let event = events.elements()?.last()?;
    let (_, channels) = event.entries()?.find(|(key, _)| *key == "subscriptions")?;
    for (_, products) in channels.entries()? {
        if !products.elements()?.all(|product| product.string().is_some()) {
            return None;
        }
    }
    Some(channels)
}

/// Returns the counter of the last heartbeat, which comes as a number or as a string.
fn read_heartbeat(events: Value<'_>) -> Option<u64> {
    let event = events.elements()?.last()?;
    let (_, counter) = event.entries()?.find(|(key, _)| *key == "heartbeat_counter")?;
    counter.unsigned().or_else(|| counter.string()?.parse().ok())
}

/// Files the value of a key, which must not come twice: two answers are none.
#[inline]
fn set_once<'f>(
    slot: &mut Option<Value<'f>>,
    key: &str,
    value: Value<'f>,
    object: Value<'f>,
) -> Result<(), DecodeError> {
    if slot.replace(value).is_none() {
        return Ok(());
    }
    let (kind, found) = (DecodeErrorKind::Shape, format!("{key} twice"));
    Err(DecodeError::new(kind, "each key once", &found, object.offset_of(key)))
}

#[inline]
fn read_number(value: Value<'_>, last_offset: usize) -> Result<Fixed, DecodeError> {
    let text = value.string().ok_or_else(|| {
        value.unexpected(DecodeErrorKind::Number, "a decimal number in a string", last_offset)
    })?;
    Fixed::parse(text.as_bytes()).map_err(|error| {
        let expected = match error {
            FixedError::Malformed => "a decimal number",
            FixedError::OutOfRange => "a number of at most 18 digits and 28 decimals",
        };
        value.unexpected(DecodeErrorKind::Number, expected, last_offset)
    })
}

#[inline]
fn read_size(value: Value<'_>, last_offset: usize) -> Result<Fixed, DecodeError> {
    let size = read_number(value, last_offset)?;
    if value.string().is_some_and(|text| text.starts_with('-')) {
        let expected = "a size of zero or more";
        return Err(value.unexpected(DecodeErrorKind::Number, expected, last_offset));
    }
    Ok(size)
}
