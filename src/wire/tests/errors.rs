//! What is no frame, or no level, and what is said of it.

use super::*;

#[test]
fn an_envelope_that_cannot_be_trusted_is_refused() {
    for (text, expected) in [
        (r#"{}"#, "a channel, or an error's message"),
        (r#"[]"#, "one JSON object"),
        (r#""l2_data""#, "one JSON object"),
        (r#"{"type":"error"}"#, "a channel, or an error's message"),
        (r#"{"type":"error","message":7}"#, "a channel, or an error's message"),
        (r#"{"type":"notice","message":"hello"}"#, "a channel, or an error's message"),
        (r#"{"channel":7,"sequence_num":1,"events":[]}"#, "the name of a channel"),
        (r#"{"channel":"l2_data","events":[]}"#, "a sequence_num that is a whole number"),
        (r#"{"channel":"new","events":[]}"#, "a sequence_num that is a whole number"),
        (r#"{"channel":"new","sequence_num":-1}"#, "a sequence_num that is a whole number"),
        (r#"{"channel":"new","sequence_num":1.0}"#, "a sequence_num that is a whole number"),
        (r#"{"channel":"new","sequence_num":"1"}"#, "a sequence_num that is a whole number"),
        (r#"{"channel":"new","sequence_num":null}"#, "a sequence_num that is a whole number"),
        (r#"{"channel":"l2_data","sequence_num":1}"#, "an array of events"),
        (r#"{"channel":"l2_data","sequence_num":1,"events":{}}"#, "an array of events"),
        (
            r#"{"channel":"subscriptions","sequence_num":1,"events":[{"subscriptions":[]}]}"#,
            "an event with subscriptions, products by channel",
        ),
        (r#"{"channel":"a","sequence_num":1,"channel":"l2_data"}"#, "each key once"),
        (r#"{"sequence_num":1,"sequence_num":2,"channel":"a"}"#, "each key once"),
    ] {
        let mut decoder = Decoder::new();
        let error = decoder.decode(text.as_bytes()).expect_err(text);
        assert_eq!((error.kind(), error.expected()), (DecodeErrorKind::Shape, expected), "{text}");
    }
}

#[test]
fn text_that_is_no_json_is_refused_whole() {
    let truncated = &UPDATE[..UPDATE.len() - 9];
    let trailing = format!("{UPDATE}x");
    let two = format!("{UPDATE}{UPDATE}");
    let with_bom = format!("\u{feff}{UPDATE}");
    let with_nul = UPDATE.replace("83277.25", "83277\0.25");
    let with_surrogate = UPDATE.replace("bid", "\\ud800");
    for text in
        ["", " ", "{", "nul", truncated, &trailing, &two, &with_bom, &with_nul, &with_surrogate]
    {
        let mut decoder = Decoder::new();
        let error = decoder.decode(text.as_bytes()).expect_err(text);
        assert_eq!(error.kind(), DecodeErrorKind::Json, "{text}");
        assert!(error.offset() <= text.len());
    }
    let mut bad_utf8 = UPDATE.as_bytes().to_vec();
    bad_utf8[2] = 0xff;
    assert_eq!(Decoder::new().decode(&bad_utf8).unwrap_err().kind(), DecodeErrorKind::Json);
}

#[test]
fn nesting_has_a_bound_and_hostile_text_takes_linear_time() {
    let mut decoder = Decoder::new();
    let nested = |depth| {
        format!(
            "{{\"channel\":\"a\",\"sequence_num\":1,\"x\":{}1{}}}",
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    assert!(decoder.decode(nested(MAX_DEPTH - 2).as_bytes()).is_ok());
    assert!(decoder.decode(nested(1_000_000).as_bytes()).is_err());
    let digits = UPDATE.replace("0.036", &"9".repeat(1_000_000));
    assert_eq!(error(&digits).kind(), DecodeErrorKind::Number);
}

#[test]
fn a_bad_level_names_what_came_and_where() {
    for (from, to, kind, expected, found) in [
        ("83277.25", "", DecodeErrorKind::Number, "a decimal number", "\"\""),
        ("83277.25", "+1", DecodeErrorKind::Number, "a decimal number", "+1"),
        ("83277.25", "1_000", DecodeErrorKind::Number, "a decimal number", "1_000"),
        ("0.036", "-0", DecodeErrorKind::Number, "a size of zero or more", "-0"),
        ("0.036", "-1", DecodeErrorKind::Number, "a size of zero or more", "-1"),
        (
            "0.036",
            "0.00000000000000000000000000001",
            DecodeErrorKind::Number,
            "a number of at most 18 digits and 28 decimals",
            "0.00000000000000000000000000001",
        ),
        ("\"0.036\"", "0.036", DecodeErrorKind::Number, "a decimal number in a string", "0.036"),
        ("\"0.036\"", "null", DecodeErrorKind::Number, "a decimal number in a string", "null"),
        ("\"bid\"", "\"ask\"", DecodeErrorKind::Shape, "the side bid or offer", "ask"),
        (
            "\"side\":\"bid\",",
            "",
            DecodeErrorKind::Shape,
            "a level with side, price_level and new_quantity",
            "an object",
        ),
        (
            "\"side\":\"bid\"",
            "\"side\":\"bid\",\"side\":\"bid\"",
            DecodeErrorKind::Shape,
            "each key once",
            "side twice",
        ),
        ("\"update\"", "\"delta\"", DecodeErrorKind::Shape, "the type snapshot or update", "delta"),
        (
            "\"type\":\"update\",",
            "",
            DecodeErrorKind::Shape,
            "the type snapshot or update",
            "no such key",
        ),
    ] {
        let text = UPDATE.replacen(from, to, 1);
        let error = error(&text);
        assert_eq!((error.kind(), error.expected()), (kind, expected), "{text}");
        assert!(error.found().contains(found), "{} in {text}", error.found());
    }
    let text = UPDATE.replacen("\"type\":", "\"type\":\"update\",\"type\":", 1);
    assert_eq!(error(&text).offset(), text.rfind("type").unwrap(), "the second is one too many");
    let text = UPDATE.replacen("83277.26", "83277,26", 1);
    let error = error(&text);
    assert_eq!(error.offset(), text.find("83277,26").unwrap());
    assert_eq!(
        error.to_string(),
        format!("expected a decimal number, got \"83277,26\" at byte {}", error.offset())
    );
}

#[test]
fn an_event_without_its_product_is_an_error_of_the_whole_frame() {
    let text = UPDATE.replacen("\"product_id\":\"BTC-USD\",", "", 1);
    let mut decoder = Decoder::new();
    let frame = decoder.decode(text.as_bytes()).unwrap();
    let Body::Level2 { mut updates, .. } = frame.body() else { panic!("{frame:?}") };
    assert!(updates.next().unwrap().is_err());
}
