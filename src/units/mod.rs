//! The units that every other module of the core is written in: sides, levels, numbers, moments.
//!
//! This module knows no book and no venue. Its public types are re-exported where they are used:
//! at the root of the crate, from [`book`](crate::book) and from [`wire`](crate::wire).

mod epoch;
mod fixed;
mod float;
mod level;
mod packed;
mod rfc3339;
#[cfg(feature = "serde")]
mod serde_text;
mod side;
mod ticks;
mod time;

pub use self::epoch::Epoch;
pub use self::fixed::{Fixed, FixedError};
pub(crate) use self::float::nearest_float;
pub use self::level::Level;
pub use self::packed::PackedLevel;
pub(crate) use self::rfc3339::{SECONDS_LEN, parse_seconds};
pub use self::side::Side;
pub use self::ticks::MAX_SCALE;
pub(crate) use self::ticks::{Scaling, decimal, decimal_unsigned, pow10, ticks};
pub use self::time::{TimeError, UnixNanos};
