//! What a session shows of itself: its `Debug` output, and when it received a frame.

use super::harness::*;
use crate::bbo::Bbo;
use crate::units::UnixNanos;

#[test]
fn debug_output_is_short_whatever_the_books_hold() {
    const MAX_LEN: usize = 300;

    let names: Vec<String> = (0..40).map(|index| format!("P{index}-USD")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut harness = Harness::live(config(&names));
    let levels: Vec<String> = (1..2_000).map(|price| format!("bid {price} 1")).collect();
    harness.frame(&[snapshot(names[0], &levels.join(", "))]);
    for text in [format!("{:?}", harness.session), format!("{:#?}", harness.session)] {
        assert!(text.contains("products: 40") && text.contains("live: 40"), "{text}");
        assert!(text.len() < MAX_LEN, "{text}");
    }
}

#[test]
fn a_receipt_has_a_wall_clock_time_if_the_program_named_one() {
    for started_at in [None, Some(UnixNanos::new(1_790_735_993_000_000_000))] {
        let mut config = config(&[BTC]);
        config.started_at = started_at;
        let mut harness = Harness::live(config);
        let load = |harness: &Harness| harness.session.bbo(BTC).unwrap().load().unwrap();
        let nanos = |bbo: Bbo| bbo.received_at.map(UnixNanos::get);
        let first = load(&harness);
        assert_eq!(first.received_at.is_some(), started_at.is_some());
        assert!(first.received_at >= started_at);
        harness.advance(SECOND);
        harness.frame(&[update(BTC, "bid 100 5")]);
        let second = load(&harness);
        assert_eq!(second.received - first.received, SECOND);
        assert_eq!(nanos(second), nanos(first).map(|nanos| nanos + 1_000_000_000));
    }
}
