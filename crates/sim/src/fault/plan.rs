//! A plan: which fault strikes which frame.

use fastrand::Rng;

use super::damage::{draw_cut, garble, truncate};
use super::rates::{FaultCounts, FaultRates};
use crate::frame::SimFrame;
use crate::hash::fnv1a;

/// What the carrier of a connection has to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transmission {
    /// Send these bytes as a text message. They are valid UTF-8, and may be empty.
    Text(Vec<u8>),
    /// Break the connection without a close frame.
    Abort,
    /// Send nothing more, and keep the connection open.
    Stall,
    /// Call [`Exchange::reset_counter`](crate::Exchange::reset_counter) for this connection.
    /// The exchange does it so that its truth goes by the numbers that the client sees.
    ResetCounter,
}

/// As [`Transmission`], with what is known of the frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// These bytes arrive.
    Text(FaultedFrame),
    /// As [`Transmission::Abort`].
    Abort,
    /// As [`Transmission::Stall`].
    Stall,
    /// As [`Transmission::ResetCounter`].
    ResetCounter,
}

/// A frame, or what is left of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FaultedFrame {
    pub(crate) bytes: Vec<u8>,
    /// The number of the frame as it was sent.
    pub(crate) sequence: Option<u64>,
    /// What the frame was tagged with.
    pub(crate) epoch: u64,
    /// Whether every byte is as it was sent.
    pub(crate) is_intact: bool,
}

/// What can happen to a frame, as in [`FaultRates`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The frame is lost.
    Drop,
    /// The frame arrives twice.
    Duplicate,
    /// The frame arrives after the one that follows it.
    Reorder,
    /// One to three bytes of the frame are overwritten.
    Garble,
    /// The frame ends early.
    Truncate,
    /// The connection breaks in place of the frame, without a close frame.
    Abort,
    /// Nothing is sent from this frame on, while the connection stays open.
    Stall,
    /// The counter of the connection begins again at zero after this frame.
    Reset,
    /// The frame arrives in two parts, as if they were two frames.
    Split,
}

/// A seeded source of faults for the frames of one connection.
///
/// ```
/// use level2_sim::{FaultPlan, SimFrame, Transmission};
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
#[derive(Clone, Debug)]
pub struct FaultPlan {
    seed: u64,
    rates: FaultRates,
    rng: Rng,
    /// The frame that the next one overtakes, with its tag.
    overtaken: Option<(SimFrame, u64)>,
    counts: FaultCounts,
}

impl FaultPlan {
    /// Returns a plan with these rates; the same seed gives the same faults to the same frames.
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

    /// Returns a plan that lets every frame pass.
    #[must_use]
    pub fn none() -> Self {
        Self::new(0, FaultRates::default())
    }

    /// Returns a plan that only loses frames, `ppm` of a million.
    #[must_use]
    pub fn drops(ppm: u32) -> Self {
        Self::new(0, FaultRates { drop_ppm: ppm, ..FaultRates::default() })
    }

    /// Returns a plan with every kind of fault but splits: about one frame in a hundred suffers
    /// one.
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

    /// Returns a plan with the same rates for another connection: other faults, from a seed made of
    /// this plan's seed and `stream`.
    #[must_use]
    pub fn fork(&self, stream: u64) -> Self {
        let seed = fnv1a(&[self.seed.to_le_bytes(), stream.to_le_bytes()].concat());
        Self::new(seed, self.rates)
    }

    /// Takes a frame and appends to `out` what the client's side gets for it, in order.
    ///
    /// A frame that is to be overtaken comes out with the next one. After [`Transmission::Abort`]
    /// or [`Transmission::Stall`] the connection is dead and no further frame should be applied.
    pub fn apply(&mut self, frame: SimFrame, out: &mut Vec<Transmission>) {
        let mut fates = Vec::new();
        self.strike(frame, 0, &mut fates);
        out.extend(fates.into_iter().map(|fate| match fate {
            Fate::Text(frame) => Transmission::Text(frame.bytes),
            Fate::Abort => Transmission::Abort,
            Fate::Stall => Transmission::Stall,
            Fate::ResetCounter => Transmission::ResetCounter,
        }));
    }

    /// Appends the frame that waits to be overtaken, if there is one: no other will come.
    pub fn finish(&mut self, out: &mut Vec<Transmission>) {
        let overtaken = self.overtaken.take();
        out.extend(overtaken.map(|(frame, _)| Transmission::Text(frame.text.into_bytes())));
    }

    /// Returns the rates of this plan.
    #[must_use]
    pub fn rates(&self) -> FaultRates {
        self.rates
    }

    /// Returns how often each fault has struck so far.
    #[must_use]
    pub fn counts(&self) -> FaultCounts {
        self.counts
    }

    /// Returns how often each fault has struck since the last call of this function.
    pub fn take_counts(&mut self) -> FaultCounts {
        std::mem::take(&mut self.counts)
    }

    /// As [`apply`](Self::apply), and says of every text which frame it comes from: its number, and
    /// the use of the counter that it was tagged with, `epoch`.
    pub(crate) fn strike(&mut self, frame: SimFrame, epoch: u64, out: &mut Vec<Fate>) {
        let fault = self.draw();
        self.strike_with(fault, frame, epoch, out);
    }

    /// As [`strike`](Self::strike), with this fault, or with none, instead of a drawn one.
    pub(crate) fn strike_with(
        &mut self,
        fault: Option<Fault>,
        frame: SimFrame,
        epoch: u64,
        out: &mut Vec<Fate>,
    ) {
        self.counts.frames += 1;
        let overtaken = self.overtaken.take();
        let Some(fault) = fault else {
            out.push(intact((frame, epoch)));
            out.extend(overtaken.map(intact));
            return;
        };
        match fault {
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
                out.push(text_of(text, (frame.sequence, epoch), !is_garbled));
            }
            Fault::Truncate => {
                self.counts.truncates += 1;
                let text = truncate(&mut self.rng, frame.text);
                out.push(text_of(text, (frame.sequence, epoch), false));
            }
            Fault::Split => {
                self.counts.splits += 1;
                let mut first = frame.text;
                let second = first.split_off(draw_cut(&mut self.rng, &first));
                out.push(text_of(first, (frame.sequence, epoch), false));
                out.push(text_of(second, (frame.sequence, epoch), false));
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

    /// As [`finish`](Self::finish), for [`strike`](Self::strike).
    pub(crate) fn flush(&mut self, out: &mut Vec<Fate>) {
        out.extend(self.overtaken.take().map(intact));
    }

    fn draw(&mut self) -> Option<Fault> {
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
                return Some(fault);
            }
        }
        None
    }
}

fn intact((frame, epoch): (SimFrame, u64)) -> Fate {
    text_of(frame.text, (frame.sequence, epoch), true)
}

fn text_of(text: String, (sequence, epoch): (Option<u64>, u64), is_intact: bool) -> Fate {
    Fate::Text(FaultedFrame { bytes: text.into_bytes(), sequence, epoch, is_intact })
}
