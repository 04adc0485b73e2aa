//! A plan strikes as often as it says, repeatably, and does damage that shows.

use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::Value;

use super::*;
use crate::exchange::{ExchangeConfig, record};
use crate::frame::SimFrame;
use crate::market::ProductSpec;

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
    let expected: Vec<Transmission> = frames().into_iter().map(|frame| text(frame.text)).collect();
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
fn garbled_and_truncated_frames_can_be_detected() {
    for plan in
        [only(|rates| rates.garble_ppm = 1_000_000), only(|rates| rates.truncate_ppm = 1_000_000)]
    {
        for seed in 0..20 {
            let (out, counts) = run(plan.clone().seed(seed));
            assert_eq!(counts.garbles + counts.truncates, out.len() as u64);
            for transmission in &out {
                let Transmission::Text(bytes) = transmission else { panic!("{transmission:?}") };
                let shown = std::str::from_utf8(bytes).unwrap();
                assert!(is_broken(bytes), "seed {seed}: {shown}");
            }
        }
    }
}

#[test]
fn split_frames_come_in_two_parts_that_are_not_json() {
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
fn aborts_stalls_and_resets_are_left_to_the_carrier() {
    let frame = || SimFrame { sequence: Some(0), text: "{}".to_owned() };
    let mut out = Vec::new();
    only(|rates| rates.abort_ppm = 1_000_000).apply(frame(), &mut out);
    only(|rates| rates.stall_ppm = 1_000_000).apply(frame(), &mut out);
    only(|rates| rates.reset_ppm = 1_000_000).apply(frame(), &mut out);
    let text = Transmission::Text(b"{}".to_vec());
    assert_eq!(out, [Transmission::Abort, Transmission::Stall, text, Transmission::ResetCounter]);
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
fn any_text_can_be_damaged() {
    for odd in ["", "\u{e9}\u{e9}", "\"", "\u{20ac}{}"] {
        for seed in 0..50 {
            let frame = || SimFrame { sequence: None, text: odd.to_owned() };
            let mut out = Vec::new();
            only(|rates| rates.truncate_ppm = 1_000_000).seed(seed).apply(frame(), &mut out);
            only(|rates| rates.garble_ppm = 1_000_000).seed(seed).apply(frame(), &mut out);
            assert_eq!(out.len(), 2);
            for transmission in out {
                let Transmission::Text(bytes) = transmission else { panic!("{transmission:?}") };
                assert!(String::from_utf8(bytes).is_ok());
            }
        }
    }
}
