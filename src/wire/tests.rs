//! The dialect, frame by frame: what is read.

mod control;
mod errors;
mod tiers;

use super::*;
use crate::units::{Fixed, Side};

const UPDATE: &str = concat!(
    r#"{"channel":"l2_data","timestamp":"2026-11-02T00:00:00.05Z","sequence_num":7,"events":["#,
    r#"{"type":"update","product_id":"BTC-USD","updates":["#,
    r#"{"side":"bid","event_time":"2026-11-02T00:00:00Z","price_level":"83277.25","#,
    r#""new_quantity":"0.036"},"#,
    r#"{"side":"offer","event_time":"2026-11-02T00:00:00Z","price_level":"83277.26","#,
    r#""new_quantity":"0"}]}]}"#,
);

type OwnedLevel = (Side, String, String, Option<String>);
type OwnedUpdate = (String, UpdateKind, Vec<OwnedLevel>);

/// Everything of an order-book frame, or the first error.
fn read(text: &str) -> Result<Vec<OwnedUpdate>, DecodeError> {
    let mut decoder = Decoder::new();
    let frame = decoder.decode(text.as_bytes())?;
    let Body::Level2 { updates, .. } = frame.body() else { panic!("no levels in {text}") };
    updates.map(|update| owned(update?)).collect()
}

fn owned(update: Update<'_>) -> Result<OwnedUpdate, DecodeError> {
    let levels = update.levels()?.map(|level| {
        let level = level?;
        let event_time = level.event_time.map(|time| time.to_string());
        Ok((level.side, level.price.to_string(), level.size.to_string(), event_time))
    });
    Ok((update.product_id().to_owned(), update.kind()?, levels.collect::<Result<_, _>>()?))
}

fn error(text: &str) -> DecodeError {
    match read(text) {
        Err(error) => error,
        Ok(updates) => panic!("expected an error, read {updates:?} from {text}"),
    }
}

#[test]
fn reads_the_shape_the_venue_sends() {
    let time = Some("2026-11-02T00:00:00Z".to_owned());
    let expected = vec![(
        "BTC-USD".to_owned(),
        UpdateKind::Update,
        vec![
            (Side::Bid, "83277.25".to_owned(), "0.036".to_owned(), time.clone()),
            (Side::Ask, "83277.26".to_owned(), "0".to_owned(), time),
        ],
    )];
    assert_eq!(read(UPDATE), Ok(expected.clone()));
    let mut decoder = Decoder::new();
    assert_eq!(decoder.decode(UPDATE.as_bytes()).unwrap().sequence(), Some(7));

    let with_client_id = UPDATE.replacen("\"timestamp\"", "\"client_id\":\"\",\"timestamp\"", 1);
    assert_eq!(read(&with_client_id), Ok(expected));
}

#[test]
fn key_order_whitespace_escapes_and_unknown_keys_change_nothing() {
    let odd = r#" { "events" : [ { "updates" : [ { "new_quantity" : "0.036" , "x" : [1,{"y":2}] ,
        "price_level" : "83277.25" , "event_time" : "2026-11-02T00:00:00Z" , "side" : "b\u0069d" } ,
        {"new_quantity":"0e7","side":"offer","event_time":"2026-11-02T00:00:00Z",
         "price_level":"8327726e-2"} ] ,
        "product_id" : "BTC\u002dUSD" , "type" : "update" , "more" : null } ] , "extra" : {} ,
        "sequence_num" : 7 , "timestamp" : "2026-11-02T00:00:00.05Z" , "channel" : "l2_data" } "#;
    assert_eq!(read(odd), read(UPDATE));
}

#[test]
fn several_events_and_empty_ones_are_read() {
    let text = r#"{"channel":"l2_data","sequence_num":0,"events":[
        {"type":"snapshot","product_id":"A-USD","updates":[]},
        {"type":"update","product_id":"B-USD","updates":[]}]}"#;
    assert_eq!(
        read(text),
        Ok(vec![
            ("A-USD".to_owned(), UpdateKind::Snapshot, vec![]),
            ("B-USD".to_owned(), UpdateKind::Update, vec![]),
        ])
    );
    assert_eq!(read(r#"{"channel":"l2_data","sequence_num":0,"events":[]}"#), Ok(vec![]));
}

#[test]
fn minus_zero_is_the_number_zero() {
    let mut decoder = Decoder::new();
    let frame = decoder.decode(br#"{"channel":"new","sequence_num":-0,"events":[]}"#).unwrap();
    assert_eq!(frame.sequence(), Some(0));
}

#[test]
fn how_many_levels_are_left_is_known_before_they_are_read() {
    let mut decoder = Decoder::new();
    // With a blank more it is for the general tier.
    for text in [UPDATE.to_owned(), format!("{UPDATE} ")] {
        let frame = decoder.decode(text.as_bytes()).unwrap();
        let Body::Level2 { mut updates, .. } = frame.body() else { panic!("{frame:?}") };
        let update = updates.next().unwrap().unwrap();
        assert_eq!(update.read_levels().is_some(), frame.is_expected_shape());
        let mut levels = update.levels().unwrap();
        for left in [2, 1, 0] {
            assert_eq!(levels.size_hint(), (left, Some(left)));
            levels.next();
        }
    }
}

#[test]
fn a_decoder_is_as_good_after_an_error_and_after_a_large_frame() {
    let mut decoder = Decoder::new();
    let level = r#"{"side":"bid","event_time":"t","price_level":"1.5","new_quantity":"2"}"#;
    let levels = vec![level; 45_000].join(",");
    let snapshot = [
        r#"{"channel":"l2_data","timestamp":"t","sequence_num":0,"events":[{"type":"snapshot","#,
        r#""product_id":"A","updates":["#,
        &levels,
        "]}]}",
    ];
    let two = Fixed::parse(b"2").unwrap();
    // With a blank more it is for the general tier.
    for snapshot in [snapshot.concat(), snapshot.join(" ")] {
        for _ in 0..2 {
            assert!(decoder.decode(b"{\"channel\":").is_err());
            let frame = decoder.decode(snapshot.as_bytes()).unwrap();
            let Body::Level2 { mut updates, .. } = frame.body() else { panic!() };
            let levels = updates.next().unwrap().unwrap().levels().unwrap();
            assert_eq!(levels.size_hint(), (45_000, Some(45_000)));
            assert_eq!(levels.filter(|level| level.as_ref().unwrap().size == two).count(), 45_000);
            drop(frame);
            assert_eq!(decoder.decode(UPDATE.as_bytes()).unwrap().sequence(), Some(7));
        }
    }
}

#[test]
fn names_and_times_show_as_their_text() {
    let product = ProductId::new("BTC-USD").unwrap();
    let name: &str = product.as_ref();
    assert_eq!((name, format!("{product:?}")), ("BTC-USD", "\"BTC-USD\"".to_owned()));
    let time = "2026-11-02T00:00:00Z";
    assert_eq!(format!("{:?}", WireTime::new(time.as_bytes())), format!("{time:?}"));
}
