//! Tier 2 of the parser: what a frame means, whatever its form as JSON.
//!
//! Takes any order of keys, whitespace, escapes, unknown keys and unknown channels. Its answer is
//! final.

mod tape;

pub use self::tape::MAX_DEPTH;
use self::tape::{Elements, Entries, LentTape, TapeMemory, Value};
use crate::units::{Fixed, FixedError, Side};
use crate::wire::error::{DecodeError, DecodeErrorKind};
use crate::wire::level::{LevelUpdate, UpdateKind};
use crate::wire::time::WireTime;
use crate::wire::venue;

/// Memory that is used again for every frame.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    memory: TapeMemory,
}

impl Scratch {
    /// Reads a frame but for its events: its number first, whatever its channel is.
    pub(super) fn decode(&mut self, text: &[u8]) -> Result<GeneralFrame<'_>, DecodeError> {
        GeneralFrame::read(self.memory.read(text)?)
    }
}

/// A frame: its JSON, and what was found in it.
#[derive(Debug)]
pub(super) struct GeneralFrame<'a> {
    tape: LentTape<'a>,
    timestamp: Option<&'a str>,
    content: Content<'a>,
}

/// What a frame holds. Values with others in them are kept by their nodes.
#[derive(Clone, Copy, Debug)]
enum Content<'a> {
    /// The one frame that the venue does not number.
    Error {
        sequence: Option<u64>,
        message: &'a str,
    },
    Heartbeat {
        sequence: u64,
        counter: Option<u64>,
    },
    /// `events` is an array.
    Level2 {
        sequence: u64,
        events: usize,
    },
    Other {
        sequence: u64,
        channel: &'a str,
    },
    /// `channels` is an object of arrays of strings.
    Subscriptions {
        sequence: u64,
        channels: usize,
    },
}

/// What a frame holds.
#[derive(Debug)]
pub(super) enum GeneralBody<'f> {
    Error { message: &'f str },
    Heartbeat { counter: Option<u64> },
    Level2 { sequence: u64, updates: GeneralUpdates<'f> },
    Other { channel: &'f str },
    Subscriptions(GeneralSubscriptions<'f>),
}

impl<'a> GeneralFrame<'a> {
    fn read(tape: LentTape<'a>) -> Result<Self, DecodeError> {
        let (timestamp, content) = read_envelope(&tape)?;
        Ok(Self { tape, timestamp, content })
    }

    pub(super) fn timestamp(&self) -> Option<WireTime<'a>> {
        self.timestamp.map(|text| WireTime::new(text.as_bytes()))
    }

    pub(super) const fn sequence(&self) -> Option<u64> {
        match self.content {
            Content::Error { sequence, .. } => sequence,
            Content::Heartbeat { sequence, .. }
            | Content::Level2 { sequence, .. }
            | Content::Other { sequence, .. }
            | Content::Subscriptions { sequence, .. } => Some(sequence),
        }
    }

    pub(super) fn body(&self) -> GeneralBody<'_> {
        match self.content {
            Content::Error { message, .. } => GeneralBody::Error { message },
            Content::Heartbeat { counter, .. } => GeneralBody::Heartbeat { counter },
            Content::Level2 { sequence, events } => {
                let events = self.tape.value(events).elements();
                let events = events.expect("events were found to be an array");
                GeneralBody::Level2 { sequence, updates: GeneralUpdates { events } }
            }
            Content::Other { channel, .. } => GeneralBody::Other { channel },
            Content::Subscriptions { channels, .. } => {
                let channels = self.tape.value(channels).entries();
                let channels = channels.expect("subscriptions were found to be an object");
                GeneralBody::Subscriptions(GeneralSubscriptions { channels })
            }
        }
    }
}

/// Reads everything of a frame but its events.
fn read_envelope<'a>(tape: &LentTape<'a>) -> Result<(Option<&'a str>, Content<'a>), DecodeError> {
    let frame = tape.root();
    let shape = |value: Value<'_>, expected| value.unexpected(DecodeErrorKind::Shape, expected, 0);
    let (mut channel, mut sequence, mut events) = (None, None, None);
    let (mut kind, mut message) = (None, None);
    let (mut timestamp, mut has_two_timestamps) = (None, false);
    for (key, value) in frame.entries().ok_or_else(|| shape(frame, "one JSON object"))? {
        match key {
            "channel" => set_once(&mut channel, key, value, frame)?,
            "sequence_num" => set_once(&mut sequence, key, value, frame)?,
            "events" => set_once(&mut events, key, value, frame)?,
            "type" => set_once(&mut kind, key, value, frame)?,
            "message" => set_once(&mut message, key, value, frame)?,
            // No book depends on it: a frame with two or with an odd one is read as without.
            "timestamp" => has_two_timestamps |= timestamp.replace(value).is_some(),
            _ => {}
        }
    }
    let timestamp = timestamp.filter(|_| !has_two_timestamps).and_then(|value| tape.string(value));
    let expected = "a sequence_num that is a whole number";
    let sequence = match sequence {
        None => None,
        Some(number) => Some(number.unsigned().ok_or_else(|| shape(number, expected))?),
    };
    let Some(channel) = channel else {
        let is_error = kind.and_then(Value::string) == Some("error");
        let message = message.filter(|_| is_error).and_then(|message| tape.string(message));
        let message = message.ok_or_else(|| shape(frame, "a channel, or an error's message"))?;
        return Ok((timestamp, Content::Error { sequence, message }));
    };
    let name = tape.string(channel).ok_or_else(|| shape(channel, "the name of a channel"))?;
    let sequence = sequence.ok_or_else(|| shape(frame, expected))?;
    let content = match name {
        venue::LEVEL2_DATA => {
            let events = events.ok_or_else(|| shape(frame, "an array of events"))?;
            events.elements().ok_or_else(|| shape(events, "an array of events"))?;
            Content::Level2 { sequence, events: tape.node_of(events) }
        }
        venue::SUBSCRIPTIONS => {
            let channels = events.and_then(read_subscriptions);
            let expected = "an event with subscriptions, products by channel";
            let channels = channels.ok_or_else(|| shape(events.unwrap_or(frame), expected))?;
            Content::Subscriptions { sequence, channels: tape.node_of(channels) }
        }
        venue::HEARTBEATS => {
            Content::Heartbeat { sequence, counter: events.and_then(read_heartbeat) }
        }
        channel => Content::Other { sequence, channel },
    };
    Ok((timestamp, content))
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

/// The events of an order-book frame.
#[derive(Clone, Debug)]
pub(super) struct GeneralUpdates<'f> {
    events: Elements<'f>,
}

impl<'f> Iterator for GeneralUpdates<'f> {
    type Item = Result<GeneralUpdate<'f>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(GeneralUpdate::read(self.events.next()?))
    }
}

/// An event of an order-book frame, with what was found of its keys.
#[derive(Clone, Copy, Debug)]
pub(super) struct GeneralUpdate<'f> {
    product_id: &'f str,
    /// The offset in the frame of the product's name.
    offset: usize,
    kind: Option<Value<'f>>,
    levels: Option<Value<'f>>,
}

impl<'f> GeneralUpdate<'f> {
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

    pub(super) const fn product_id(&self) -> &'f str {
        self.product_id
    }

    pub(super) fn kind(&self) -> Result<UpdateKind, DecodeError> {
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

    pub(super) fn levels(&self) -> Result<GeneralLevels<'f>, DecodeError> {
        let expected = "an array of updates";
        let Some(levels) = self.levels else {
            return Err(self.missing(expected));
        };
        let unexpected = || levels.unexpected(DecodeErrorKind::Shape, expected, self.offset);
        let elements = levels.elements().ok_or_else(unexpected)?;
        Ok(GeneralLevels { elements, last_offset: self.offset })
    }

    #[cold]
    fn missing(&self, expected: &'static str) -> DecodeError {
        DecodeError::new(DecodeErrorKind::Shape, expected, "no such key", self.offset)
    }
}

/// The levels of an event, in its order.
#[derive(Clone, Debug)]
pub(super) struct GeneralLevels<'f> {
    elements: Elements<'f>,
    /// The offset of the last text read, for errors about what has none.
    last_offset: usize,
}

impl<'f> Iterator for GeneralLevels<'f> {
    type Item = Result<LevelUpdate<'f>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        Some(read_level(self.elements.next()?, &mut self.last_offset))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.elements.size_hint()
    }
}

#[inline]
fn read_level<'f>(
    level: Value<'f>,
    last_offset: &mut usize,
) -> Result<LevelUpdate<'f>, DecodeError> {
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
    let (side, side_text) = match side.string() {
        Some(text @ "bid") => (Side::Bid, text),
        Some(text @ "offer") => (Side::Ask, text),
        _ => {
            let expected = "the side bid or offer";
            return Err(side.unexpected(DecodeErrorKind::Shape, expected, *last_offset));
        }
    };
    *last_offset = level.offset_of(side_text);
    let event_time = event_time.and_then(Value::string);
    Ok(LevelUpdate {
        side,
        price: read_number(price, *last_offset)?,
        size: read_size(size, *last_offset)?,
        event_time: event_time.map(|text| WireTime::new(text.as_bytes())),
    })
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

/// What a connection is subscribed to, products by channel.
#[derive(Clone, Debug)]
pub(super) struct GeneralSubscriptions<'f> {
    channels: Entries<'f>,
}

impl<'f> GeneralSubscriptions<'f> {
    pub(super) fn products(&self, channel: &str) -> Option<GeneralProducts<'f>> {
        let (_, products) = self.channels.clone().find(|(name, _)| *name == channel)?;
        let products = products.elements().expect("products were found to be an array");
        Some(GeneralProducts { products })
    }
}

/// The products of a channel.
#[derive(Clone, Debug)]
pub(super) struct GeneralProducts<'f> {
    products: Elements<'f>,
}

impl<'f> Iterator for GeneralProducts<'f> {
    type Item = &'f str;

    fn next(&mut self) -> Option<&'f str> {
        let product = self.products.next()?;
        Some(product.string().expect("names of products were found to be strings"))
    }
}
