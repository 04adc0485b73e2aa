//! What the process uses over a whole run, and the checks that it does not grow.

use std::time::Duration;

use super::process::{held_kb, open_descriptors, resident_kb};
use super::samples::Samples;

/// The most by which the heap may grow in an hour, over the second half of a run. It holds about
/// 10 MB, of which a tenth comes and goes with the frames on their way.
const MAX_HELD_SLOPE_KB_PER_HOUR: f64 = 512.0;

/// The same for resident memory. What the allocator keeps for reuse varies more.
const MAX_RESIDENT_SLOPE_KB_PER_HOUR: f64 = 2_048.0;

/// The shortest second half that tells growth from noise.
const MIN_SLOPE_SPAN: Duration = Duration::from_secs(25 * 60);

/// How many more descriptors than at the first rest may be open at a later one: a few that the
/// system has not closed yet.
const DESCRIPTORS_SLACK: u64 = 4;

/// Memory and file descriptors of the process.
#[derive(Debug)]
pub(super) struct Usage {
    /// Bytes allocated on the heap, in kB.
    pub(super) held: Samples,
    /// Resident memory in kB.
    pub(super) resident: Samples,
    /// Open descriptors at the first rest, when every connection was open.
    pub(super) first_descriptors: Option<u64>,
    /// The most descriptors that were open.
    pub(super) max_descriptors: Option<u64>,
}

impl Usage {
    pub(super) fn new() -> Self {
        Self {
            held: Samples::new(),
            resident: Samples::new(),
            first_descriptors: None,
            max_descriptors: None,
        }
    }

    /// Takes a sample at this time since the start.
    pub(super) fn sample(&mut self, at: Duration) {
        self.held.push(at, held_kb());
        if let Some(resident) = resident_kb() {
            self.resident.push(at, resident);
        }
        self.max_descriptors = self.max_descriptors.max(open_descriptors());
    }

    /// Checks that no more descriptors are open than at the first call. Every connection has to be
    /// open at each call.
    pub(super) fn check_descriptors(&mut self) -> Result<(), String> {
        let Some(now) = open_descriptors() else { return Ok(()) };
        let first = *self.first_descriptors.get_or_insert(now);
        if now > first + DESCRIPTORS_SLACK {
            return Err(format!("{now} descriptors are open, and {first} were at the first rest"));
        }
        Ok(())
    }

    /// Checks that memory did not grow over the second half of the run.
    pub(super) fn check_growth(&self) -> Result<(), String> {
        for (what, samples, limit) in [
            ("the heap", &self.held, MAX_HELD_SLOPE_KB_PER_HOUR),
            ("resident memory", &self.resident, MAX_RESIDENT_SLOPE_KB_PER_HOUR),
        ] {
            let slope = samples.slope_of_second_half();
            let Some((slope, span)) = slope.filter(|(_, span)| *span >= MIN_SLOPE_SPAN) else {
                continue;
            };
            if slope > limit {
                return Err(format!(
                    "{what} grew by {slope:.0} kB an hour over the last {span:.0?}; the limit is \
                     {limit} kB"
                ));
            }
        }
        Ok(())
    }
}
