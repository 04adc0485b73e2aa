//! `level2 watch`, on simulated exchanges.

use std::collections::BTreeMap;
use std::net::TcpListener;

use serde_json::Value;

use crate::support::*;

#[test]
fn a_dead_url_ends_in_a_message() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("ws://127.0.0.1:{port}");
    for is_json in [false, true] {
        let json: &[&str] = if is_json { &["--json"] } else { &[] };
        let output = level2(&["watch", "BTC-USD", "--url", &url]).args(json).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let complaint = text(&output.stderr);
        assert!(complaint.starts_with(&format!("level2: {url}: gave up")), "{complaint}");
        assert!(complaint.contains("could not connect"), "{complaint}");
        assert_eq!(complaint.lines().count(), 1);
    }
}

#[test]
fn lines_of_json_are_changes_and_no_bbo_comes_from_a_book_that_is_not_live() {
    let exchange = Exchange::start(&["--products", "BTC-USD,ETH-USD", "--drop-ppm", "20000"]);
    let url = exchange.url.as_str();
    let asked = ["BTC-USD", "ETH-USDC"];
    let output = run(&["watch", asked[0], asked[1], "--json", "--duration", "4s", "--url", url]);
    let printed = printed(&output);

    let mut status: BTreeMap<String, String> = BTreeMap::new();
    let mut best: BTreeMap<String, Value> = BTreeMap::new();
    let (mut summaries, mut stats) = (Vec::new(), 0);
    for line in printed.lines() {
        let object: Value = serde_json::from_str(line).unwrap();
        let product = object["product_id"].as_str().unwrap_or_default().to_owned();
        match object["type"].as_str().unwrap() {
            "status" => {
                let now = object["status"].as_str().unwrap().to_owned();
                assert_eq!(object.get("cause").is_some(), now == "lost", "{line}");
                let shown = format!("{now} {}", object["cause"]);
                assert_ne!(status.get(&product), Some(&shown), "no change: {line}");
                status.insert(product.clone(), shown);
                best.remove(&product);
            }
            "bbo" => {
                assert_keys(line, &["type", "product_id", "sequence", "bid", "ask"]);
                assert_eq!(status[&product], "live null", "{line}");
                let pair = serde_json::json!([object["bid"], object["ask"]]);
                assert_ne!(best.insert(product, pair.clone()), Some(pair), "no change: {line}");
            }
            "summary" => summaries.push(product),
            "stats" => {
                assert_keys(line, &STATS_KEYS);
                stats += 1;
            }
            other => panic!("unknown type {other}"),
        }
        assert!(summaries.is_empty() || !line.contains("\"bbo\""), "after the end: {line}");
    }
    assert!(printed.contains(r#""status":"lost","cause":"gap"}"#));
    assert_eq!(summaries, asked);
    assert_eq!(stats, 1);
    assert!(status.keys().map(String::as_str).eq(asked));
}

#[test]
fn plain_lines_show_every_product_each_second() {
    let exchange = Exchange::start(&["--drop-ppm", "10000"]);
    let products = ["BTC-USD", "ETH-USD", "SOL-USD"];
    let mut command = level2(&["watch", "--duration", "3s", "--depth", "2"]);
    let output = command.args(products).args(["--url", &exchange.url]).output().unwrap();
    let printed = printed(&output);
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].contains(&exchange.url), "{printed}");
    for product in products {
        let is_of_product = |line: &&&str| line.contains(product) && line.contains(" spread ");
        assert!(lines.iter().filter(is_of_product).count() >= 2, "{printed}");
        assert!(printed.contains(&format!("{product} live from frame ")), "{printed}");
    }
    let is_second_level = |line: &&&str| line.starts_with("      ") && line.contains(" | ");
    assert!(lines.iter().filter(is_second_level).count() >= 6, "{printed}");
    assert!(lines.last().unwrap().starts_with("frames "), "{printed}");
    assert!(!printed.contains('\u{1b}'), "escape sequences among plain lines");
}

#[test]
fn a_product_that_is_not_listed_is_reported() {
    let exchange = Exchange::start(&["--products", "BTC-USD"]);
    let arguments = ["watch", "NO-SUCH", "--json", "--duration", "1s", "--url", &exchange.url];
    let output = run(&arguments);
    assert!(output.status.success());
    assert!(text(&output.stderr).contains("the venue does not list NO-SUCH"));
    assert!(text(&output.stdout).contains(r#""status":"lost","cause":"refused"}"#));
}

#[cfg(unix)]
#[test]
fn a_proxy_that_is_not_text_is_not_bypassed() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let proxy = OsStr::from_bytes(b"http://\xff");
    let output = level2(&["watch", "BTC-USD"]).env("HTTPS_PROXY", proxy).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("the proxy in HTTPS_PROXY cannot be used"), "{stderr}");
}
