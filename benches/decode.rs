//! Reading frames: the two tiers of the decoder on frames of 1, 10 and 80 changes and on a
//! snapshot of 45,000 levels, every level read.

mod support;

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use level2::book::Fixed;
use level2::internal::{decode_general, is_expected_shape};
use level2::wire::{Body, DecodeError, Decoder, Frame};
use rust_decimal::Decimal;
use support::frame_text::FrameText;
use support::{mode, recording, regroup};

/// How many different levels the frames of one length hold together: nearly all of the recording's,
/// whole frames of every length.
const LEVELS: usize = 15_200;

/// What is read from frames: how many levels, and a sum that depends on every digit.
#[derive(Debug, Default, PartialEq)]
struct Reading {
    levels: u64,
    sum: u64,
}

impl Reading {
    #[inline]
    fn add(&mut self, price: Fixed, size: Fixed) {
        self.levels += 1;
        for number in [price, size] {
            let mantissa = number.mantissa().cast_unsigned();
            self.sum = self.sum.wrapping_add(mantissa).wrapping_add(number.scale().into());
        }
    }

    fn add_frame(&mut self, frame: &Frame<'_>) -> Result<(), DecodeError> {
        let Body::Level2 { updates, .. } = frame.body() else { panic!("expected levels") };
        for update in updates {
            for level in update?.levels()? {
                let level = level?;
                self.add(level.price, level.size);
            }
        }
        Ok(())
    }

    /// Reads the frames by another parser and another reader of numbers.
    fn expected(frames: &[String]) -> Self {
        let mut reading = Self::default();
        let number = |text: &str| {
            let decimal = Decimal::from_str_exact(text).expect("a decimal number");
            Fixed::try_from(decimal).expect("the fixture's numbers fit")
        };
        for text in frames {
            let frame = serde_json::from_str::<FrameText<'_>>(text).expect("a frame");
            for level in frame.events.iter().flat_map(|event| &event.updates) {
                reading.add(number(level.price_level), number(level.new_quantity));
            }
        }
        reading
    }
}

fn bench(criterion: &mut Criterion, name: &str, frames: &[String]) {
    let expected = Reading::expected(frames);
    let bytes: usize = frames.iter().map(String::len).sum();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function(BenchmarkId::new("tier_1", name), |bencher| {
        let mut decoder = Decoder::new();
        bencher.iter(|| {
            let mut reading = Reading::default();
            for text in black_box(frames) {
                let frame = decoder.decode(text.as_bytes()).expect("the frames are sound");
                assert!(is_expected_shape(&frame), "the frame was read by the other tier");
                reading.add_frame(&frame).expect("the frames are sound");
            }
            assert_eq!(reading, expected);
        });
    });
    group.bench_function(BenchmarkId::new("tier_2", name), |bencher| {
        let mut decoder = Decoder::new();
        bencher.iter(|| {
            let mut reading = Reading::default();
            for text in black_box(frames) {
                let frame =
                    decode_general(&mut decoder, text.as_bytes()).expect("the frames are sound");
                reading.add_frame(&frame).expect("the frames are sound");
            }
            assert_eq!(reading, expected);
        });
    });
    group.finish();
}

fn main() {
    let recording = recording::fixture(recording::BTC_USD);
    let mut criterion = mode::criterion();
    for len in [1, 10, 80] {
        let frames = regroup::frames_of(&recording, len, LEVELS);
        assert_eq!(frames.len(), LEVELS / len);
        bench(&mut criterion, &format!("{len}_changes"), &frames);
    }
    let mut criterion = criterion.measurement_time(Duration::from_secs(4));
    bench(&mut criterion, "snapshot_45k", &recording[..1]);
    criterion.final_summary();
}
