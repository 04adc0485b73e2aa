//! What the process uses: memory, file descriptors, processor time. Read from `/proc/self`, and
//! unknown where there is none, but for what is held on the heap, which is counted.

use std::fs;
use std::time::Duration;

use stats_alloc::INSTRUMENTED_SYSTEM;

/// How many samples of memory are kept, so that measuring memory takes none.
const MAX_SAMPLES: usize = 512;

/// How many clock ticks of `/proc/self/stat` make a second, on every Linux there is.
const TICKS_PER_SECOND: f64 = 100.0;

/// Returns what is held on the heap in kB. Unlike resident memory it leaves out what the allocator
/// keeps for itself, and so shows what is really kept ever longer. Zero unless the program counts
/// with this allocator, as the command does.
pub(crate) fn held_kb() -> u64 {
    let stats = INSTRUMENTED_SYSTEM.stats();
    // Other threads go on between the two counts.
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated) as u64 / 1_024
}

/// Returns the resident memory in kB.
pub(crate) fn resident_kb() -> Option<u64> {
    // `statm` counts in pages, whose size it does not tell.
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Returns how many file descriptors are open, the one that lists them included.
pub(crate) fn open_descriptors() -> Option<u64> {
    Some(fs::read_dir("/proc/self/fd").ok()?.count() as u64)
}

/// Returns the processor time used so far in seconds.
pub(crate) fn processor_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in brackets, may hold anything.
    let mut fields = stat.rsplit(')').next()?.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / TICKS_PER_SECOND)
}

/// Samples over time, thinned out evenly as they grow in number.
#[derive(Debug)]
pub(crate) struct Samples {
    /// When, in seconds since the start, and how much.
    points: Vec<(f64, f64)>,
    /// How many samples one that is kept stands for.
    stride: u64,
    offered: u64,
}

impl Samples {
    pub(crate) fn new() -> Self {
        Self { points: Vec::with_capacity(MAX_SAMPLES), stride: 1, offered: 0 }
    }

    pub(crate) fn push(&mut self, at: Duration, value: u64) {
        if self.offered.is_multiple_of(self.stride) {
            if self.points.len() == MAX_SAMPLES {
                let mut index = 0;
                self.points.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.stride *= 2;
            }
            self.points.push((at.as_secs_f64(), value as f64));
        }
        self.offered += 1;
    }

    /// Returns by how much the samples of the second half rise in an hour, by least squares, and
    /// how much time they span. What comes first is warming up.
    pub(crate) fn slope_of_second_half(&self) -> Option<(f64, Duration)> {
        let (end, _) = *self.points.last()?;
        let first = self.points.partition_point(|(at, _)| *at < end / 2.0);
        let points = &self.points[first..];
        let count = points.len() as f64;
        let mean_at = points.iter().map(|(at, _)| at).sum::<f64>() / count;
        let mean = points.iter().map(|(_, value)| value).sum::<f64>() / count;
        let spread = points.iter().map(|(at, _)| (at - mean_at).powi(2)).sum::<f64>();
        let rise = points.iter().map(|(at, value)| (at - mean_at) * (value - mean)).sum::<f64>();
        let span = Duration::from_secs_f64(end - points.first()?.0);
        (spread > 0.0).then(|| (rise / spread * 3_600.0, span))
    }
}

#[cfg(test)]
mod tests {
    use std::alloc::System;

    use stats_alloc::StatsAlloc;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_slope_is_that_of_the_second_half_however_many_samples_there_were() {
        for count in [10u32, 511, 512, 513, 5_000, 100_000] {
            let mut samples = Samples::new();
            for at in 0..count {
                // Warming up for a third, then two each second.
                let value = 5 * at.min(count / 3) + 2 * at;
                samples.push(SECOND * at, u64::from(value));
            }
            let (slope, span) = samples.slope_of_second_half().unwrap();
            assert!((slope - 7_200.0).abs() < 1.0, "{slope} over {count} samples");
            assert!(span <= SECOND * (count / 2) && span >= SECOND * count / 3, "{span:?}");
            assert!(samples.points.len() <= MAX_SAMPLES);
            assert_eq!(samples.points.capacity(), MAX_SAMPLES);
        }
    }

    #[test]
    fn there_is_no_slope_of_one_sample() {
        let mut samples = Samples::new();
        assert_eq!(samples.slope_of_second_half(), None);
        samples.push(SECOND, 1);
        assert_eq!(samples.slope_of_second_half(), None);
    }

    /// The library has no allocator of its own: the binary counts, and so do its tests.
    #[global_allocator]
    static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

    #[test]
    fn what_is_held_is_counted_until_it_is_returned() {
        // Tests run side by side, and hold far less than this.
        const SIZE: usize = 256 << 20;
        let before = held_kb();
        let mut bytes = Vec::<u8>::with_capacity(SIZE);
        let with_half = held_kb();
        bytes.reserve_exact(2 * SIZE);
        let with_all = held_kb();
        drop(bytes);
        let (half, slack) = (SIZE as u64 / 1_024, SIZE as u64 / 4_096);
        assert!(with_half.abs_diff(before + half) < slack, "{before} {with_half}");
        assert!(with_all.abs_diff(before + 2 * half) < slack, "{before} {with_all}");
        assert!(held_kb().abs_diff(before) < slack, "{before} {}", held_kb());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells_all_of_it() {
        assert!(resident_kb().unwrap() > 100);
        assert!(open_descriptors().unwrap() >= 3);
        assert!(processor_seconds().is_some());
    }
}
