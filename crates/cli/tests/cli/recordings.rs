//! Recordings of the real venue, replayed by the command. Their books are known level by level.
//!
//! The recordings are not part of this package. Where they do not exist, the tests print that and
//! check nothing.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::*;

/// Returns where a recording is, or `None` if it is not there.
fn recording(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: there is no recording {}", path.display());
    None
}

/// Replays a recording and returns its lines of JSON.
fn replay(path: &Path) -> Vec<Value> {
    let output = level2(&["replay", "--json"]).arg(path).output().unwrap();
    assert_eq!(text(&output.stderr), "");
    printed(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn assert_sound(stats: &Value, frames: u64) {
    assert_eq!(stats["type"], "stats");
    assert_eq!(stats["frames"], frames);
    for key in ["gaps", "duplicates", "undecodable", "resyncs", "reconnects"] {
        assert_eq!(stats[key], 0, "{key}");
    }
}

fn assert_book(summary: &Value, product: &str, bids: u64, asks: u64, checksum: &str) {
    assert_eq!(summary["type"], "summary");
    assert_eq!(summary["product_id"], product);
    assert_eq!(summary["status"], "live");
    assert_eq!(summary["bids"], bids, "{product}");
    assert_eq!(summary["asks"], asks, "{product}");
    assert_eq!(summary["checksum"], checksum, "{product}");
}

#[test]
fn two_products_on_one_connection() {
    let Some(path) = recording("fastmm_btc_eth_seq0-31.jsonl") else { return };
    let [btc, eth, stats] = &replay(&path)[..] else { panic!("expected three lines") };
    assert_book(btc, "BTC-USD", 157, 144, "3f6180f8");
    assert_eq!(btc["best_bid"], serde_json::json!(["83277.25", "0.03607848"]));
    assert_eq!(btc["best_ask"], serde_json::json!(["83277.26", "0.0105191"]));
    assert_book(eth, "ETH-USD", 161, 131, "d3b45e3e");
    assert_sound(stats, 32);
}

#[test]
fn one_product_with_empty_updates() {
    let Some(path) = recording("tickvault_btc_seq0-11.jsonl") else { return };
    let [btc, stats] = &replay(&path)[..] else { panic!("expected two lines") };
    assert_book(btc, "BTC-USD", 15, 16, "38371274");
    assert_sound(stats, 12);
}

#[test]
fn a_heavy_stream_from_a_packed_file() {
    let Some(path) = recording("stream_btc_usd_heavy.jsonl.gz") else { return };
    let [btc, stats] = &replay(&path)[..] else { panic!("expected two lines") };
    assert_book(btc, "BTC-USD", 1379, 1435, "85598312");
    assert_sound(stats, 2133);
    assert_eq!(stats["updates"], 121_861);
}

#[test]
fn a_stream_without_its_snapshot_has_no_book() {
    let Some(path) = recording("fastmm_btc_eth_seq246-249.jsonl") else { return };
    let lines = replay(&path);
    let (stats, summaries) = lines.split_last().unwrap();
    assert!(!summaries.is_empty());
    for summary in summaries {
        assert_eq!(summary["status"], "syncing");
        for key in ["sequence", "best_bid", "best_ask", "checksum"] {
            assert_eq!(summary[key], Value::Null, "{key}");
        }
        assert_eq!((&summary["bids"], &summary["asks"]), (&Value::from(0), &Value::from(0)));
    }
    assert_sound(stats, 4);
}

#[test]
fn the_largest_snapshot() {
    let Some(path) = recording("snapshot_btc_usd_45k.json.gz") else { return };
    let [btc, stats] = &replay(&path)[..] else { panic!("expected two lines") };
    assert_eq!(btc["status"], "live");
    assert_eq!(btc["bids"].as_u64().unwrap() + btc["asks"].as_u64().unwrap(), 45_393);
    assert_sound(stats, 1);
}

#[test]
fn ten_products_on_one_connection() {
    let Some(path) = recording("stream_10_products.jsonl.gz") else { return };
    let lines = replay(&path);
    let (stats, summaries) = lines.split_last().unwrap();
    assert_eq!(summaries.len(), 10);
    assert!(summaries.iter().all(|summary| summary["status"] == "live"));
    assert_sound(stats, 2286);
}

/// These are frames of different days, so each is a recording of its own.
#[test]
fn frames_of_odd_shapes_can_be_read() {
    let Some(path) = recording("odd_and_control_frames.jsonl") else { return };
    let frames = std::fs::read_to_string(path).unwrap();
    for frame in frames.lines() {
        let output = run_on(&["replay", "-", "--json"], frame.as_bytes());
        let stats = printed(&output).lines().last().unwrap();
        let stats: Value = serde_json::from_str(stats).unwrap();
        assert_sound(&stats, 1);
    }
}
