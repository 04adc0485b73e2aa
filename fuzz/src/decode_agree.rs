//! Frames read by both tiers of the parser, and by a third reader.

use level2::internal::{decode_general, is_expected_shape};
use level2::wire::{Body, DecodeError, Decoder, Frame, LevelUpdate, UnixNanos, Update};

use super::frame_text::frame_text;
use super::json::Json;
use super::picks::Picks;
use super::third_reader::{self, ReadFrame, ReadLevel};

/// A frame that leaves something behind in a decoder's memory.
const EARLIER: &[u8] = concat!(
    r#"{"channel":"l2_data","timestamp":"2026-11-02T00:00:00.05Z","sequence_num":6,"events":["#,
    r#"{"type":"update","product_id":"ETH-USD","updates":["#,
    r#"{"side":"bid","event_time":"2026-11-02T00:00:00Z","price_level":"77.25","#,
    r#""new_quantity":"0.777"},"#,
    r#"{"side":"offer","event_time":"2026-11-02T00:00:00Z","price_level":"77.26","#,
    r#""new_quantity":"77777777"}]}]}"#,
)
.as_bytes();

/// Takes bytes for a frame, or, after a byte of zero, for the choices that make one.
///
/// Returns whether the first tier took the frame.
///
/// # Panics
/// When two readers disagree about the frame.
pub fn decode_agree(data: &[u8]) -> bool {
    let Some((0, choices)) = data.split_first() else { return check(data, false) };
    let frame = frame_text(&mut Picks::new(choices));
    check(&frame.bytes, !frame.is_damaged)
}

/// `is_whole` says that nothing is in the text but what its fields say, and each of them once.
fn check(text: &[u8], is_whole: bool) -> bool {
    let shown = || String::from_utf8_lossy(text);
    let (mut decoder, mut general) = (Decoder::new(), Decoder::new());
    assert!(decoder.decode(EARLIER).is_ok_and(|frame| is_expected_shape(&frame)));
    let value = Json::read(text);
    let by_third = value.as_ref().and_then(third_reader::read);
    let (frame, by_general) = match (decoder.decode(text), decode_general(&mut general, text)) {
        (Ok(frame), Ok(by_general)) => (frame, by_general),
        (frame, by_general) => {
            assert_eq!(frame.err(), by_general.err(), "{}", shown());
            assert!(!is_whole || by_third.is_none(), "refused: {}", shown());
            return false;
        }
    };
    let read = read_whole(&frame);
    assert_eq!(read, read_whole(&by_general), "the tiers: {}", shown());
    assert_eq!(frame.sequence(), by_general.sequence(), "{}", shown());
    assert_eq!(frame.timestamp(), by_general.timestamp(), "{}", shown());
    if read.is_some() || is_whole {
        assert_eq!(read, by_third, "the third reader: {}", shown());
    }
    assert!(read.is_some() || !is_expected_shape(&frame), "taken: {}", shown());
    is_expected_shape(&frame)
}

/// Returns what a frame says, or `None` if it is no order-book frame, sound from start to end.
fn read_whole<'f>(frame: &'f Frame<'_>) -> Option<ReadFrame<'f>> {
    let Body::Level2 { updates, .. } = frame.body() else { return None };
    let read = |update: Update<'f>| {
        let levels = read_levels(&update)?;
        Ok::<_, DecodeError>((update.product_id(), update.kind()?, levels))
    };
    let events = updates.map(|update| read(update?)).collect::<Result<_, _>>().ok()?;
    Some((frame.sequence()?, events))
}

/// Reads the levels both one by one and in one go.
fn read_levels<'f>(update: &Update<'f>) -> Result<Vec<ReadLevel<'f>>, DecodeError> {
    let one_by_one: Result<Vec<_>, _> =
        update.levels()?.map(|level| level.map(|level| parts(&level))).collect();
    let mut at_once = Vec::new();
    let end = update.levels()?.try_take_each(|level| {
        at_once.push(parts(&level));
        Ok::<_, DecodeError>(())
    });
    assert_eq!(one_by_one.as_ref().err(), end.as_ref().err());
    if let Ok(one_by_one) = &one_by_one {
        assert_eq!(*one_by_one, at_once);
        assert_eq!(update.levels()?.size_hint(), (at_once.len(), Some(at_once.len())));
    }
    one_by_one
}

fn parts<'f>(level: &LevelUpdate<'f>) -> ReadLevel<'f> {
    let time = level.event_time.map(|time| {
        assert_eq!(time.nanos(), UnixNanos::parse_rfc3339(time.as_str()).ok());
        time.as_str()
    });
    let [price, size] = [level.price, level.size].map(|number| (number.mantissa(), number.scale()));
    (level.side, price, size, time)
}
