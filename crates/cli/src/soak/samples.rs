//! Samples of a quantity over time, and how fast it grows.

use std::time::Duration;

/// The most samples that are kept. They are allocated at the start, so that measuring memory does
/// not change it.
const MAX_SAMPLES: usize = 512;

const SECONDS_PER_HOUR: f64 = 3_600.0;

/// Samples of a quantity, thinned out evenly as they grow in number.
#[derive(Debug)]
pub(super) struct Samples {
    /// The time in seconds since the start, and the value.
    points: Vec<(f64, f64)>,
    /// Of how many samples one is kept.
    stride: u64,
    /// The number of samples pushed.
    pushed: u64,
}

impl Samples {
    pub(super) fn new() -> Self {
        Self { points: Vec::with_capacity(MAX_SAMPLES), stride: 1, pushed: 0 }
    }

    pub(super) fn push(&mut self, at: Duration, value: u64) {
        if self.pushed.is_multiple_of(self.stride) {
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
        self.pushed += 1;
    }

    /// Returns the growth per hour over the second half, by least squares, and the time that it
    /// spans. The first half is for warming up.
    pub(super) fn slope_of_second_half(&self) -> Option<(f64, Duration)> {
        let (end, _) = *self.points.last()?;
        let first = self.points.partition_point(|(at, _)| *at < end / 2.0);
        let points = &self.points[first..];
        let count = points.len() as f64;
        let mean_at = points.iter().map(|(at, _)| at).sum::<f64>() / count;
        let mean = points.iter().map(|(_, value)| value).sum::<f64>() / count;
        let spread = points.iter().map(|(at, _)| (at - mean_at).powi(2)).sum::<f64>();
        let rise = points.iter().map(|(at, value)| (at - mean_at) * (value - mean)).sum::<f64>();
        let span = Duration::from_secs_f64(end - points.first()?.0);
        (spread > 0.0).then(|| (rise / spread * SECONDS_PER_HOUR, span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_slope_is_that_of_the_second_half_however_many_samples_there_were() {
        for count in [10u32, 511, 512, 513, 5_000, 100_000] {
            let mut samples = Samples::new();
            for at in 0..count {
                // Warming up for the first third, then 2 each second.
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
}
