//! Sequence numbers, and what is lost when they say so.

use super::harness::*;
use crate::session::SequenceScope;

#[test]
fn a_gap_is_noticed_on_a_frame_of_any_channel() {
    for channel in ["heartbeats", "subscriptions", "candles"] {
        let mut harness = Harness::live(resubscribing(&[BTC]));
        let event = "{\"subscriptions\":{\"level2\":[\"BTC-USD\"]}}";
        harness.message(&numbered(channel, harness.sequence, event));
        harness.assert_live(BTC, "100 1 / 101 2");
        harness.message(&numbered(channel, harness.sequence + 2, event));
        harness.assert_all_withdrawn();
    }
}

#[test]
fn a_duplicate_leaves_what_is_published_as_it_is() {
    for scope in [SequenceScope::Connection, SequenceScope::Product] {
        let config = tuned(resubscribing(&[BTC]), |policy| policy.sequence_scope = scope);
        let mut harness = Harness::live(config);
        harness.frame(&[update(BTC, "bid 100 2")]);
        let published = harness.session.bbo(BTC).unwrap().load();
        let newest = harness.sequence - 1;
        harness.now += SECOND;
        for older in [newest, 1] {
            harness.message(&numbered("l2_data", older, &update(BTC, "bid 100 1")));
            assert_eq!(harness.session.bbo(BTC).unwrap().load(), published, "{scope:?}");
        }
        assert_eq!(harness.session.stats().duplicates, 2, "{scope:?}");
    }
}
