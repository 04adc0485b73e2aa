//! A frame as serde reads it: the structs that every rival shares, borrowed from the text.

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

#[derive(Debug, Deserialize)]
pub(crate) struct FrameText<'a> {
    #[serde(borrow)]
    pub(crate) channel: &'a str,
    pub(crate) sequence_num: u64,
    #[serde(borrow)]
    pub(crate) events: Vec<EventText<'a>>,
}

/// An event of any channel: those without levels leave the fields empty.
#[derive(Debug, Deserialize)]
pub(crate) struct EventText<'a> {
    #[serde(borrow, default, rename = "type")]
    pub(crate) kind: Option<&'a str>,
    #[serde(borrow, default)]
    pub(crate) product_id: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "levels")]
    pub(crate) updates: Vec<LevelText<'a>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct LevelText<'a> {
    pub(crate) side: &'a str,
    pub(crate) event_time: &'a str,
    pub(crate) price_level: &'a str,
    pub(crate) new_quantity: &'a str,
}

impl FrameText<'_> {
    pub(crate) fn is_level2(&self) -> bool {
        self.channel == "l2_data"
    }
}

impl EventText<'_> {
    pub(crate) fn is_snapshot(&self) -> bool {
        self.kind == Some("snapshot")
    }

    pub(crate) fn product(&self) -> &str {
        self.product_id.expect("an event of order books names its product")
    }
}

impl LevelText<'_> {
    pub(crate) fn is_bid(&self) -> bool {
        self.side == "bid"
    }
}

/// Reads a list of levels into room for as many as most frames hold, so that a rival pays for one
/// allocation a frame and not for a vector that grows.
fn levels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<LevelText<'de>>, D::Error> {
    const USUAL_LEVELS: usize = 64;

    struct Levels;

    impl<'de> Visitor<'de> for Levels {
        type Value = Vec<LevelText<'de>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of levels")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut levels = Vec::with_capacity(USUAL_LEVELS);
            while let Some(level) = list.next_element()? {
                levels.push(level);
            }
            Ok(levels)
        }
    }

    deserializer.deserialize_seq(Levels)
}
