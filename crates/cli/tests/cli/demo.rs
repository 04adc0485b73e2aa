//! `level2 demo` without a terminal.

use crate::support::*;

#[test]
fn the_demo_prints_prices_losses_repairs_and_a_verdict() {
    let output = run(&["demo", "--duration", "8s"]);
    let printed = printed(&output);
    assert_eq!(text(&output.stderr), "");
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines.len() < 24, "more than a window: {printed}");
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "too wide: {printed}");
    assert!(lines[0].contains("simulated exchange"), "{printed}");
    let products = ["BTC-USD", "ETH-USD", "SOL-USD"];
    for product in products {
        let is_price = |line: &&&str| line.contains(product) && line.contains(" | ");
        // Two, but on a machine that is too busy for the second.
        assert!((1..=2).contains(&lines.iter().filter(is_price).count()), "{printed}");
    }
    let all = products.join(", ");
    let has = |start: &str, end: &str| {
        lines.iter().any(|line| line.contains(start) && line.ends_with(end))
    };
    assert!(has("live: ", &all), "{printed}");
    assert!(has("lost: ", &format!("{all} (gap)")), "{printed}");
    assert!(has("healed after ", &all), "{printed}");
    let [.., summary, lost, verdict] = lines[..] else { panic!("{printed}") };
    assert!(summary.contains(" 1 gap; 3 books lost and 3 healed by 1 reconnect."), "{printed}");
    assert!(lost.starts_with("The exchange lost 1 of "), "{printed}");
    assert!(verdict.starts_with("Verdict: all ") && verdict.contains("true book"), "{printed}");
    assert!(!printed.contains('\u{1b}'), "escape sequences among plain lines");
}

#[test]
fn a_demo_too_short_to_check_anything_fails() {
    let output = run(&["demo", "--duration", "1ms"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!text(&output.stdout).contains("Verdict"), "{}", text(&output.stdout));
}
