//! Seeded faults between the exchange and a client.
//!
//! A [`FaultPlan`] takes frames as the exchange made them and hands on what a client gets. It has
//! no clock and no socket; the loopback server runs it, and so can a test in virtual time.
//!
//! # What a client can detect
//!
//! The wire carries no checksum, so a digit that silently becomes another digit is beyond any
//! client. Damage done here can always be found: a garbled frame is no longer JSON, or it has a
//! price, a size or a side that is none; a truncated one and the parts of a split one are no
//! longer JSON.

use fastrand::Rng;

use crate::exchange::SimFrame;
use crate::market::fnv1a;

/// How often each fault strikes, in parts per million of the frames.
///
/// A frame suffers one fault at most. The rates are taken in the order of the fields; if they add
/// up to more than a million, the last ones get less than they ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FaultRates {
    /// The frame is lost.
    pub drop_ppm: u32,
    /// The frame arrives twice.
    pub duplicate_ppm: u32,
    /// The frame arrives after the one that follows it.
    pub reorder_ppm: u32,
    /// One to three bytes of the frame are overwritten.
    pub garble_ppm: u32,
    /// The frame ends early.
    pub truncate_ppm: u32,
    /// The connection breaks in place of the frame, without a close frame.
    pub abort_ppm: u32,
    /// Silence from this frame on, while the connection stays open.
    pub stall_ppm: u32,
    /// The counter of the connection begins again at zero after this frame.
    pub reset_ppm: u32,
    /// The frame arrives in two parts, as if they were two frames.
    pub split_ppm: u32,
}

impl FaultRates {
    /// Every rate, in the order of the fields.
    #[must_use]
    pub fn ppm(&self) -> [u32; 9] {
        [
            self.drop_ppm,
            self.duplicate_ppm,
            self.reorder_ppm,
            self.garble_ppm,
            self.truncate_ppm,
            self.abort_ppm,
            self.stall_ppm,
            self.reset_ppm,
            self.split_ppm,
        ]
    }
}

/// How often each fault has struck.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FaultCounts {
    /// Frames that went through a plan, faulty or not.
    pub frames: u64,
    /// Frames lost.
    pub drops: u64,
    /// Frames sent twice.
    pub duplicates: u64,
    /// Frames swapped with the one after them.
    pub reorders: u64,
    /// Frames with overwritten bytes.
    pub garbles: u64,
    /// Frames cut short.
    pub truncates: u64,
    /// Connections broken.
    pub aborts: u64,
    /// Connections gone silent.
    pub stalls: u64,
    /// Counters begun again.
    pub resets: u64,
    /// Frames that arrived in two parts.
    pub splits: u64,
}

impl FaultCounts {
    /// How many faults of any kind there were.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.drops
            + self.duplicates
            + self.reorders
            + self.garbles
            + self.truncates
            + self.aborts
            + self.stalls
            + self.resets
            + self.splits
    }

    /// Adds the counts of another plan to these.
    pub fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.drops += other.drops;
        self.duplicates += other.duplicates;
        self.reorders += other.reorders;
        self.garbles += other.garbles;
        self.truncates += other.truncates;
        self.aborts += other.aborts;
        self.stalls += other.stalls;
        self.resets += other.resets;
        self.splits += other.splits;
    }
}

/// What the carrier of a connection has to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transmission {
    /// Send these bytes as a text message. They are valid UTF-8, and may be empty.
    Text(Vec<u8>),
    /// Break the connection without a close frame.
    Abort,
    /// Send nothing more, and keep the connection open.
    Stall,
    /// Call [`Exchange::reset_counter`](crate::Exchange::reset_counter) for this connection.
    /// The exchange does it so that its truth goes by the numbers the client sees.
    ResetCounter,
}

/// What became of a frame, with what is known of where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// These bytes arrive.
    Text(Arrival),
    /// As [`Transmission::Abort`].
    Abort,
    /// As [`Transmission::Stall`].
    Stall,
    /// As [`Transmission::ResetCounter`].
    ResetCounter,
}

/// A frame, or what is left of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) bytes: Vec<u8>,
    /// The number of the frame as it was sent.
    pub(super) sequence: Option<u64>,
    /// What the frame was tagged with.
    pub(super) epoch: u64,
    /// Whether every byte is as it was sent.
    pub(super) is_intact: bool,
}

/// A seeded source of faults for the frames of one connection.
///
/// ```
/// use level2_sim::{Transmission, FaultPlan, SimFrame};
///
/// let mut plan = FaultPlan::drops(1_000_000);
/// let mut out = Vec::new();
/// plan.apply(SimFrame { sequence: Some(0), text: "{}".to_owned() }, &mut out);
/// assert!(out.is_empty());
/// assert_eq!(plan.counts().drops, 1);
///
/// FaultPlan::none().apply(SimFrame { sequence: Some(1), text: "{}".to_owned() }, &mut out);
/// assert_eq!(out, [Transmission::Text(b"{}".to_vec())]);
/// ```
#[derive(Debug, Clone)]
pub struct FaultPlan {
    seed: u64,
    rates: FaultRates,
    rng: Rng,
    /// The text that waits for the next frame to overtake it.
    overtaken: Option<(SimFrame, u64)>,
    counts: FaultCounts,
}

impl FaultPlan {
    /// A plan with these rates; the same seed gives the same faults to the same frames.
    #[must_use]
    pub fn new(seed: u64, rates: FaultRates) -> Self {
        Self {
            seed,
            rates,
            rng: Rng::with_seed(seed),
            overtaken: None,
            counts: FaultCounts::default(),
        }
    }

    /// A plan that lets every frame pass.
    #[must_use]
    pub fn none() -> Self {
        Self::new(0, FaultRates::default())
    }

    /// A plan that only loses frames, `ppm` of a million.
    #[must_use]
    pub fn drops(ppm: u32) -> Self {
        Self::new(0, FaultRates { drop_ppm: ppm, ..FaultRates::default() })
    }

    /// A plan with every kind of fault: about one frame in a hundred suffers one.
    #[must_use]
    pub fn all(seed: u64) -> Self {
        let rates = FaultRates {
            drop_ppm: 2_000,
            duplicate_ppm: 2_000,
            reorder_ppm: 2_000,
            garble_ppm: 1_500,
            truncate_ppm: 1_500,
            abort_ppm: 400,
            stall_ppm: 200,
            reset_ppm: 400,
            split_ppm: 0,
        };
        Self::new(seed, rates)
    }

    /// Replaces the seed; the plan starts anew.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self::new(seed, self.rates)
    }

    /// A plan with the same rates for another connection: other faults, from a seed made of this
    /// plan's seed and `stream`.
    #[must_use]
    pub fn fork(&self, stream: u64) -> Self {
        let seed = fnv1a(&[self.seed.to_le_bytes(), stream.to_le_bytes()].concat());
        Self::new(seed, self.rates)
    }

    /// Takes in a frame and appends to `out` what the client's side gets for it, in order.
    ///
    /// A frame that is to be overtaken comes out with the next one. After [`Transmission::Abort`]
    /// or
    /// [`Transmission::Stall`] the connection is dead and further frames should not be applied.
    pub fn apply(&mut self, frame: SimFrame, out: &mut Vec<Transmission>) {
        let mut fates = Vec::new();
        self.strike(frame, 0, &mut fates);
        out.extend(fates.into_iter().map(|fate| match fate {
            Fate::Text(arrival) => Transmission::Text(arrival.bytes),
            Fate::Abort => Transmission::Abort,
            Fate::Stall => Transmission::Stall,
            Fate::ResetCounter => Transmission::ResetCounter,
        }));
    }

    /// As [`apply`](Self::apply), and tells of every text where it came from: the number of its
    /// frame, and in which use of the counter, `epoch`.
    pub(super) fn strike(&mut self, frame: SimFrame, epoch: u64, out: &mut Vec<Fate>) {
        self.counts.frames += 1;
        let overtaken = self.overtaken.take();
        match self.draw() {
            Fault::None => out.push(intact((frame, epoch))),
            Fault::Drop => self.counts.drops += 1,
            Fault::Duplicate => {
                self.counts.duplicates += 1;
                out.push(intact((frame.clone(), epoch)));
                out.push(intact((frame, epoch)));
            }
            // A frame that overtakes is not overtaken itself: the swap is of two neighbours.
            Fault::Reorder if overtaken.is_some() => out.push(intact((frame, epoch))),
            Fault::Reorder => {
                self.counts.reorders += 1;
                self.overtaken = Some((frame, epoch));
            }
            Fault::Garble => {
                let (text, is_garbled) = garble(&mut self.rng, frame.text);
                self.counts.garbles += u64::from(is_garbled);
                out.push(arrival(text, (frame.sequence, epoch), !is_garbled));
            }
            Fault::Truncate => {
                self.counts.truncates += 1;
                let text = truncate(&mut self.rng, frame.text);
                out.push(arrival(text, (frame.sequence, epoch), false));
            }
            Fault::Split => {
                self.counts.splits += 1;
                let mut first = frame.text;
                let second = first.split_off(cut(&mut self.rng, &first));
                out.push(arrival(first, (frame.sequence, epoch), false));
                out.push(arrival(second, (frame.sequence, epoch), false));
            }
            Fault::Abort => {
                self.counts.aborts += 1;
                out.push(Fate::Abort);
                return;
            }
            Fault::Stall => {
                self.counts.stalls += 1;
                out.push(Fate::Stall);
                return;
            }
            Fault::Reset => {
                self.counts.resets += 1;
                out.push(intact((frame, epoch)));
                out.push(Fate::ResetCounter);
            }
        }
        out.extend(overtaken.map(intact));
    }

    /// Appends the frame that waits to be overtaken, if there is one: no other will come.
    pub fn finish(&mut self, out: &mut Vec<Transmission>) {
        let overtaken = self.overtaken.take();
        out.extend(overtaken.map(|(frame, _)| Transmission::Text(frame.text.into_bytes())));
    }

    /// As [`finish`](Self::finish), for [`strike`](Self::strike).
    pub(super) fn flush(&mut self, out: &mut Vec<Fate>) {
        out.extend(self.overtaken.take().map(intact));
    }

    /// The rates of this plan.
    #[must_use]
    pub fn rates(&self) -> FaultRates {
        self.rates
    }

    /// What this plan has done so far.
    #[must_use]
    pub fn counts(&self) -> FaultCounts {
        self.counts
    }

    /// What this plan has done since the last call of this function.
    pub fn take_counts(&mut self) -> FaultCounts {
        std::mem::take(&mut self.counts)
    }

    fn draw(&mut self) -> Fault {
        let rates = &self.rates;
        let draw = self.rng.u64(0..1_000_000);
        let mut end = 0;
        for (ppm, fault) in [
            (rates.drop_ppm, Fault::Drop),
            (rates.duplicate_ppm, Fault::Duplicate),
            (rates.reorder_ppm, Fault::Reorder),
            (rates.garble_ppm, Fault::Garble),
            (rates.truncate_ppm, Fault::Truncate),
            (rates.abort_ppm, Fault::Abort),
            (rates.stall_ppm, Fault::Stall),
            (rates.reset_ppm, Fault::Reset),
            (rates.split_ppm, Fault::Split),
        ] {
            end += u64::from(ppm);
            if draw < end {
                return fault;
            }
        }
        Fault::None
    }
}

enum Fault {
    None,
    Drop,
    Duplicate,
    Reorder,
    Garble,
    Truncate,
    Abort,
    Stall,
    Reset,
    Split,
}

fn intact((frame, epoch): (SimFrame, u64)) -> Fate {
    arrival(frame.text, (frame.sequence, epoch), true)
}

fn arrival(text: String, (sequence, epoch): (Option<u64>, u64), is_intact: bool) -> Fate {
    Fate::Text(Arrival { bytes: text.into_bytes(), sequence, epoch, is_intact })
}

/// Overwrites one to three bytes where it shows, and tells whether there was such a byte.
fn garble(rng: &mut Rng, text: String) -> (String, bool) {
    let weak = weak_bytes(&text);
    if weak.is_empty() {
        return (text, false);
    }
    let mut bytes = text.into_bytes();
    let mut quotes = 0;
    for _ in 0..rng.u64(1..=MAX_GARBLED_BYTES) {
        let at = weak[rng.u64(0..weak.len() as u64) as usize];
        // Two quotes less can join two strings into a longer one that reads well; one cannot.
        if bytes[at] == b'"' {
            quotes += 1;
            if quotes > 1 {
                continue;
            }
        }
        bytes[at] = GARBLE;
    }
    let garbled = String::from_utf8(bytes).expect("one ASCII byte took the place of another");
    (garbled, true)
}

/// The places of all bytes whose loss breaks the syntax: everything of the JSON outside its
/// strings, the quotes of the strings, and the content of prices, sizes and sides.
fn weak_bytes(text: &str) -> Vec<usize> {
    let mut weak = Vec::new();
    let (mut in_string, mut checked) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        if byte == b'"' {
            in_string = !in_string;
            checked = in_string && CHECKED_KEYS.iter().any(|key| text[..at].ends_with(key));
            weak.push(at);
        } else if byte.is_ascii() && (checked || !in_string) {
            weak.push(at);
        }
    }
    weak
}

/// Cuts the text somewhere before its last byte. JSON is never whole before its last brace.
fn truncate(rng: &mut Rng, mut text: String) -> String {
    text.truncate(cut(rng, &text));
    text
}

/// Draws a place before the last byte.
fn cut(rng: &mut Rng, text: &str) -> usize {
    let mut end = rng.u64(0..text.len().max(1) as u64) as usize;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}

/// The byte written over others: it has no place in JSON outside strings, in numbers or in sides.
const GARBLE: u8 = b'#';
const MAX_GARBLED_BYTES: u64 = 3;

/// What stands before the strings whose content a client has to understand.
const CHECKED_KEYS: [&str; 3] = ["\"side\":", "\"price_level\":", "\"new_quantity\":"];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rust_decimal::Decimal;
    use serde_json::Value;

    use super::*;
    use crate::{ExchangeConfig, ProductSpec, record};

    fn frames() -> Vec<SimFrame> {
        let config = ExchangeConfig {
            products: vec![ProductSpec::btc_usd().levels(20), ProductSpec::futures().levels(20)],
            ..ExchangeConfig::default()
        };
        record(config, Duration::from_secs(10))
            .enumerate()
            .map(|(at, text)| SimFrame { sequence: Some(at as u64), text })
            .collect()
    }

    fn run(mut plan: FaultPlan) -> (Vec<Transmission>, FaultCounts) {
        let mut out = Vec::new();
        for frame in frames() {
            plan.apply(frame, &mut out);
        }
        (out, plan.counts())
    }

    fn text(text: String) -> Transmission {
        Transmission::Text(text.into_bytes())
    }

    fn only(set: impl FnOnce(&mut FaultRates)) -> FaultPlan {
        let mut rates = FaultRates::default();
        set(&mut rates);
        FaultPlan::new(1, rates)
    }

    /// Whether a client that checks what it needs would notice.
    fn is_broken(bytes: &[u8]) -> bool {
        let Ok(frame) = serde_json::from_slice::<Value>(bytes) else {
            return true;
        };
        let Some(updates) = frame["events"][0]["updates"].as_array() else {
            return false;
        };
        updates.iter().any(|update| {
            let number = |key: &str| Decimal::from_str_exact(update[key].as_str().unwrap());
            !matches!(update["side"].as_str(), Some("bid" | "offer"))
                || number("price_level").is_err()
                || number("new_quantity").is_err()
        })
    }

    #[test]
    fn no_faults_leave_every_byte() {
        let (out, counts) = run(FaultPlan::none());
        let expected: Vec<Transmission> =
            frames().into_iter().map(|frame| text(frame.text)).collect();
        assert_eq!(out, expected);
        assert_eq!(counts.faults(), 0);
        assert_eq!(counts.frames, expected.len() as u64);
    }

    #[test]
    fn drops_and_duplicates_are_counted() {
        let total = frames().len();
        let (out, counts) = run(FaultPlan::drops(300_000));
        assert_eq!(out.len() as u64 + counts.drops, total as u64);
        assert!(counts.drops > total as u64 / 5);
        let (out, counts) = run(only(|rates| rates.duplicate_ppm = 300_000));
        assert_eq!(out.len() as u64, total as u64 + counts.duplicates);
        assert!(counts.duplicates > 0);
    }

    #[test]
    fn reorder_swaps_neighbours() {
        let (out, counts) = run(only(|rates| rates.reorder_ppm = 1_000_000));
        let frames = frames();
        for (pair, sent) in out.chunks_exact(2).zip(frames.chunks_exact(2)) {
            assert_eq!(pair[0], text(sent[1].text.clone()));
            assert_eq!(pair[1], text(sent[0].text.clone()));
        }
        assert_eq!(counts.reorders, frames.len().div_ceil(2) as u64);
        let mut plan = only(|rates| rates.reorder_ppm = 1_000_000);
        let mut out = Vec::new();
        plan.apply(frames[0].clone(), &mut out);
        assert!(out.is_empty());
        plan.finish(&mut out);
        assert_eq!(out, [text(frames[0].text.clone())]);
    }

    #[test]
    fn garbled_and_truncated_frames_can_be_told() {
        for plan in [
            only(|rates| rates.garble_ppm = 1_000_000),
            only(|rates| rates.truncate_ppm = 1_000_000),
        ] {
            for seed in 0..20 {
                let (out, counts) = run(plan.clone().seed(seed));
                assert_eq!(counts.garbles + counts.truncates, out.len() as u64);
                for delivery in &out {
                    let Transmission::Text(bytes) = delivery else { panic!("{delivery:?}") };
                    let shown = std::str::from_utf8(bytes).unwrap();
                    assert!(is_broken(bytes), "seed {seed}: {shown}");
                }
            }
        }
    }

    #[test]
    fn split_frames_come_in_two_parts_that_are_none() {
        let (out, counts) = run(only(|rates| rates.split_ppm = 1_000_000));
        let frames = frames();
        assert_eq!(counts.splits, frames.len() as u64);
        for (parts, frame) in out.chunks_exact(2).zip(frames) {
            let [Transmission::Text(first), Transmission::Text(second)] = parts else {
                panic!("{parts:?}")
            };
            assert!(is_broken(first) && is_broken(second));
            assert_eq!([&first[..], &second[..]].concat(), frame.text.as_bytes());
        }
    }

    #[test]
    fn aborts_stalls_and_resets_are_told_to_the_carrier() {
        let frame = || SimFrame { sequence: Some(0), text: "{}".to_owned() };
        let mut out = Vec::new();
        only(|rates| rates.abort_ppm = 1_000_000).apply(frame(), &mut out);
        only(|rates| rates.stall_ppm = 1_000_000).apply(frame(), &mut out);
        only(|rates| rates.reset_ppm = 1_000_000).apply(frame(), &mut out);
        let text = Transmission::Text(b"{}".to_vec());
        assert_eq!(
            out,
            [Transmission::Abort, Transmission::Stall, text, Transmission::ResetCounter]
        );
    }

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        let (first, counts) = run(FaultPlan::all(5));
        assert_eq!(first, run(FaultPlan::all(5)).0);
        assert!(counts.faults() > 0);
        let fork = FaultPlan::all(5).fork(1);
        assert_eq!(run(fork.clone()), run(FaultPlan::all(5).fork(1)));
        assert_ne!(run(fork).0, run(FaultPlan::all(5).fork(2)).0);
    }

    #[test]
    fn odd_texts_do_not_trip_it() {
        for odd in ["", "\u{e9}\u{e9}", "\"", "\u{20ac}{}"] {
            for seed in 0..50 {
                let frame = || SimFrame { sequence: None, text: odd.to_owned() };
                let mut out = Vec::new();
                only(|rates| rates.truncate_ppm = 1_000_000).seed(seed).apply(frame(), &mut out);
                only(|rates| rates.garble_ppm = 1_000_000).seed(seed).apply(frame(), &mut out);
                assert_eq!(out.len(), 2);
                for delivery in out {
                    let Transmission::Text(bytes) = delivery else { panic!("{delivery:?}") };
                    assert!(String::from_utf8(bytes).is_ok());
                }
            }
        }
    }
}
