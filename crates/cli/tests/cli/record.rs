//! `level2 record`, and its recordings replayed.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::*;

#[test]
fn what_is_recorded_replays_to_live_books() {
    let exchange = Exchange::start(&["--products", "BTC-USD,ETH-USD", "--levels", "20"]);
    for name in ["recorded.jsonl", "recorded.jsonl.gz", "recorded.jsonl.zst", "-"] {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_file(&path);
        let file = if name == "-" { name } else { path.to_str().unwrap() };
        let url = exchange.url.as_str();
        let arguments =
            ["record", "BTC-USD", "ETH-USD", "-o", file, "--url", url, "--duration", "1s"];
        let output = run(&arguments);
        let said = text(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("BTC-USD is live") && said.contains(" 0 gaps"), "{said}");

        let replayed = run_on(&["replay", file, "--json"], &output.stdout);
        let lines: Vec<Value> = text(&replayed.stdout)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .filter(|line: &Value| line["type"] == "summary" || line["type"] == "stats")
            .collect();
        let [btc, eth, stats] = &lines[..] else { panic!("{name}: {lines:?}") };
        for (product, summary) in [("BTC-USD", btc), ("ETH-USD", eth)] {
            assert_eq!(summary["product_id"], product);
            assert_eq!(summary["status"], "live", "{name}");
        }
        assert_eq!(stats["gaps"], 0);
        let frames = stats["frames"].as_u64().unwrap();
        assert!(frames > 20 && said.contains(&format!("recorded {frames} frames")), "{said}");

        if name != "-" {
            let again = run(&arguments);
            assert_eq!(again.status.code(), Some(1), "an existing file is not overwritten");
            assert!(text(&again.stderr).contains("choose another name"), "{}", text(&again.stderr));
        }
    }
}
