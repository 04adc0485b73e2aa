//! Frames other than order books, and what all frames have.

use super::*;

#[test]
fn both_tiers_read_heartbeats_alike() {
    let heartbeat = |time: &str, counter: &str| {
        format!(
            "{{\"channel\":\"heartbeats\",\"client_id\":\"\",\
             \"timestamp\":\"2026-11-02T00:00:01Z\",\"sequence_num\":29,\
             \"events\":[{{\"current_time\":\"{time}\",\"heartbeat_counter\":{counter}}}]}}"
        )
    };
    let time = "2026-09-30 02:39:54.167689127 +0000 UTC m=+12240.233883420";
    let read = |frame: Result<Frame<'_>, DecodeError>| {
        frame.map_err(|error| error.kind()).map(|frame| match frame.body() {
            Body::Heartbeat { counter } => {
                let timestamp = frame.timestamp().map(|time| time.to_string());
                (frame.sequence(), timestamp, counter)
            }
            body => panic!("expected a heartbeat, read {body:?}"),
        })
    };
    let mut decoder = Decoder::new();
    for (text, expected) in [
        (heartbeat(time, "12240"), Some(12_240)),
        (heartbeat(time, "\"12240\""), Some(12_240)),
        (heartbeat(time, "0"), Some(0)),
        (heartbeat(time, "\"007\""), Some(7)),
        (heartbeat(time, "\"+7\""), Some(7)),
        (heartbeat(time, "\"7"), None),
        (heartbeat(time, "-7"), None),
        (heartbeat(time, "7.0"), None),
        (heartbeat(time, "07"), None),
        (heartbeat(time, "\"\""), None),
        (heartbeat(time, "18446744073709551615"), Some(u64::MAX)),
        (heartbeat(time, "18446744073709551616"), None),
        (heartbeat("", "1"), Some(1)),
        (heartbeat(&time.repeat(3), "1"), Some(1)),
        (heartbeat("\\u0041 \u{e9}", "1"), Some(1)),
        (heartbeat("\n", "1"), None),
        (heartbeat(time, "1") + "}", None),
    ] {
        let general = read(decoder.decode_general(text.as_bytes()));
        let is_usual = text.contains(time) && matches!(expected, Some(0 | 12_240));
        if is_usual {
            assert!(ExpectedHeartbeat::read(text.as_bytes()).is_some(), "in one pass: {text}");
        }
        assert_eq!(read(decoder.decode(text.as_bytes())), general, "{text}");
        let (_, timestamp, counter) = general.unwrap_or_default();
        assert_eq!(counter, expected, "{text}");
        if counter.is_some() {
            assert_eq!(timestamp.as_deref(), Some("2026-11-02T00:00:01Z"), "{text}");
        }
    }
}

#[test]
fn control_frames_are_told_apart_and_all_carry_their_number() {
    let mut decoder = Decoder::new();
    let frame = decoder
        .decode(
            br#"{"channel":"heartbeats","timestamp":"t","sequence_num":29,"events":[
            {"current_time":"2026-09-30 02:39:54.1 +0000 UTC m=+1.2","heartbeat_counter":12240}]}"#,
        )
        .unwrap();
    assert!(matches!(frame.body(), Body::Heartbeat { counter: Some(12_240) }));
    assert_eq!(frame.sequence(), Some(29));
    drop(frame);

    let text =
        br#"{"channel":"heartbeats","sequence_num":1,"events":[{"heartbeat_counter":"3049"}]}"#;
    let frame = decoder.decode(text).unwrap();
    assert!(matches!(frame.body(), Body::Heartbeat { counter: Some(3_049) }));
    drop(frame);

    let frame = decoder
        .decode(
            br#"{"channel":"subscriptions","sequence_num":11,"events":[{"subscriptions":{
            "heartbeats":["heartbeats"],"level2":["BTC-USD","ETH-USD"]}}]}"#,
        )
        .unwrap();
    let Body::Subscriptions(subscriptions) = frame.body() else { panic!("{frame:?}") };
    assert_eq!(subscriptions.products("level2").collect::<Vec<_>>(), ["BTC-USD", "ETH-USD"]);
    assert_eq!(subscriptions.products("heartbeats").count(), 1);
    assert_eq!(subscriptions.products("ticker").count(), 0);
    drop(frame);

    let text = br#"{"channel":"subscriptions","sequence_num":17,"events":[{"subscriptions":{}}]}"#;
    let frame = decoder.decode(text).unwrap();
    let Body::Subscriptions(subscriptions) = frame.body() else { panic!("{frame:?}") };
    assert_eq!(subscriptions.products("level2").count(), 0);
    drop(frame);

    let text = br#"{"channel":"market_trades","sequence_num":8,"events":[{"trades":[]}]}"#;
    let frame = decoder.decode(text).unwrap();
    assert!(matches!(frame.body(), Body::Other { channel: "market_trades" }));
    assert_eq!(frame.sequence(), Some(8));
    drop(frame);

    let frame = decoder.decode(br#"{"type":"error","message":"authentication failure"}"#).unwrap();
    let Body::Error { kind, message } = frame.body() else { panic!("{frame:?}") };
    assert_eq!((kind, message), (RefusalKind::Authentication, "authentication failure"));
    assert_eq!(frame.sequence(), None);
}

#[test]
fn a_refusal_is_told_in_all_of_the_venues_words() {
    for (message, kind) in [
        ("authentication failure: the token has expired", RefusalKind::Authentication),
        ("too many L2 streams requested in a single session", RefusalKind::TooManyStreams),
        ("subscribe or unsubscribe required", RefusalKind::Other),
    ] {
        let text = format!(r#"{{"type":"error","message":" {message} "}}"#);
        let mut decoder = Decoder::new();
        let frame = decoder.decode(text.as_bytes()).unwrap();
        let Body::Error { kind: told, message: words } = frame.body() else { panic!("{frame:?}") };
        assert_eq!((told, words), (kind, format!(" {message} ").as_str()));
    }
}

#[test]
fn every_frame_tells_when_it_was_sent() {
    let time = "2026-11-02T00:00:00.05Z";
    let numbered = |channel: &str, event: &str| {
        format!(
            "{{\"channel\":\"{channel}\",\"timestamp\":\"{time}\",\"sequence_num\":1,\
             \"events\":[{event}]}}"
        )
    };
    let clock = "2026-09-30 02:39:54.167689127 +0000 UTC m=+12240.233883420";
    let heartbeat = format!(r#"{{"current_time":"{clock}","heartbeat_counter":1}}"#);
    let frames = [
        UPDATE.to_owned(),
        format!("{UPDATE} "),
        UPDATE.replacen("\"timestamp\"", "\"client_id\":\"\",\"timestamp\"", 1),
        numbered("heartbeats", &heartbeat),
        numbered("subscriptions", r#"{"subscriptions":{}}"#),
        numbered("ticker", ""),
        format!(r#"{{"events":[],"sequence_num":1,"timestamp":"{time}","channel":"ticker"}}"#),
        format!(r#"{{"type":"error","message":"no","timestamp":"{time}"}}"#),
    ];
    for text in frames {
        let mut decoder = Decoder::new();
        let frame = decoder.decode(text.as_bytes()).unwrap();
        let timestamp = frame.timestamp().unwrap();
        assert_eq!(timestamp.as_str(), time, "{text}");
        assert_eq!(timestamp.nanos(), UnixNanos::parse_rfc3339(time).ok(), "{text}");
    }
}

#[test]
fn a_frame_without_a_sound_timestamp_is_read_all_the_same() {
    let stamped = "\"timestamp\":\"2026-11-02T00:00:00.05Z\",";
    for (with, expected) in [
        ("", None),
        ("\"timestamp\":null,", None),
        ("\"timestamp\":1793577600,", None),
        ("\"timestamp\":\"a\",\"timestamp\":\"b\",", None),
        ("\"timestamp\":\"a\",\"timestamp\":7,", None),
        ("\"timestamp\":\"\",", Some("")),
        ("\"timestamp\":\"\\u0041 \u{e9}\",", Some("A \u{e9}")),
    ] {
        let text = UPDATE.replacen(stamped, with, 1);
        let mut decoder = Decoder::new();
        let frame = decoder.decode(text.as_bytes()).unwrap();
        assert_eq!(frame.sequence(), Some(7), "{text}");
        assert_eq!(frame.timestamp().map(|time| time.as_str()), expected, "{text}");
        assert_eq!(read(&text), read(UPDATE), "{text}");
    }
}
