//! A venue that means harm, or is out of its mind: whatever text it sends, memory, time and the
//! other books are safe, and what it did is told.
//!
//! The allocator of this test binary counts what each thread holds.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Instant;

use level2::session::{Cause, Input, Output, Resync, Session, SessionConfig, SessionEvent, Status};
use level2::wire::{Body, DecodeErrorKind, Decoder, MAX_DEPTH};

thread_local! {
    static HELD: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

struct Counting;

impl Counting {
    fn count(bytes: i64) {
        // The memory of a thread that ends is gone before its last frees; they count nowhere.
        let _ = HELD.try_with(|held| {
            held.set(held.get() + bytes);
            let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
        });
    }
}

fn size(layout: Layout) -> i64 {
    i64::try_from(layout.size()).unwrap_or(i64::MAX)
}

// SAFETY: Every call is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count(size(layout));
        // SAFETY: The caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        Self::count(-size(layout));
        // SAFETY: As above; the memory came from the same allocator.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The most bytes held above what was held before.
fn peak_of<T>(work: impl FnOnce() -> T) -> (T, i64) {
    let before = HELD.with(Cell::get);
    PEAK.with(|peak| peak.set(before));
    let answer = work();
    (answer, PEAK.with(Cell::get) - before)
}

fn level(price: &str, size: &str) -> String {
    format!(
        "{{\"side\":\"bid\",\"event_time\":\"2026-11-02T00:00:00Z\",\"price_level\":\"{price}\",\
         \"new_quantity\":\"{size}\"}}"
    )
}

fn frame(kind: &str, product: &str, sequence: u64, levels: &str) -> String {
    format!(
        "{{\"channel\":\"l2_data\",\"timestamp\":\"2026-11-02T00:00:00.05Z\",\
         \"sequence_num\":{sequence},\"events\":[{{\"type\":\"{kind}\",\
         \"product_id\":\"{product}\",\"updates\":[{levels}]}}]}}"
    )
}

/// Reads a frame to its last level.
fn read(text: &str) -> Result<u64, DecodeErrorKind> {
    let mut decoder = Decoder::new();
    let frame = decoder.decode(text.as_bytes()).map_err(|error| error.kind())?;
    let mut levels = 0;
    if let Body::Level2 { updates, .. } = frame.body() {
        for update in updates {
            let update = update.map_err(|error| error.kind())?;
            update.kind().map_err(|error| error.kind())?;
            for level in update.levels().map_err(|error| error.kind())? {
                level.map_err(|error| error.kind())?;
                levels += 1;
            }
        }
    }
    Ok(levels)
}

// Text. None of these tests has a limit of time: work that grew with the square of the length
// would not end today.

#[test]
fn a_million_brackets_are_refused_at_the_depth_cap() {
    const COUNT: usize = 1_000_000;

    let sound = frame("update", "BTC-USD", 7, &level("1", "2"));
    let within = |open: &str, close: &str, depth: usize| {
        let value = format!("{}1{}", open.repeat(depth), close.repeat(depth));
        sound.replacen("{\"channel\"", &format!("{{\"extra\":{value},\"channel\""), 1)
    };
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]"), ("[[],", "]")] {
        assert_eq!(read(&within(open, close, COUNT)), Err(DecodeErrorKind::Json), "{open}");
        assert_eq!(read(&within(open, close, MAX_DEPTH)), Err(DecodeErrorKind::Json), "{open}");
        assert_eq!(read(&within(open, close, 3)), Ok(1), "{open}");
        assert_eq!(read(&open.repeat(COUNT)), Err(DecodeErrorKind::Json), "{open}");
    }
    for text in ["]".repeat(COUNT), "}".repeat(COUNT), "\"".repeat(COUNT + 1), ",".repeat(COUNT)] {
        assert_eq!(read(&text), Err(DecodeErrorKind::Json));
    }
    // Wide is not deep: a million empty arrays side by side mean nothing, and are read.
    let wide = format!("[{}[]]", "[],".repeat(COUNT));
    let wide = sound.replacen("{\"channel\"", &format!("{{\"extra\":{wide},\"channel\""), 1);
    assert_eq!(read(&wide), Ok(1));
}

#[test]
fn long_numbers_are_read_exactly_or_refused() {
    const DIGITS: usize = 4_000_000;

    let (zeros, nines) = ("0".repeat(DIGITS), "9".repeat(DIGITS));
    for number in [
        nines.clone(),
        format!("0.{nines}"),
        format!("1.{zeros}1"),
        format!("1e{nines}"),
        format!("1e-{nines}"),
        format!("{nines}e-{nines}"),
        format!("1{zeros}e-{DIGITS}x"),
        "-".repeat(DIGITS),
        ".".repeat(DIGITS),
    ] {
        for text in [level(&number, "1"), level("1", &number)] {
            let answer = read(&frame("update", "BTC-USD", 7, &text));
            assert_eq!(answer, Err(DecodeErrorKind::Number), "{}..", &number[..9]);
        }
    }
    // These are numbers that fit, however long they are written.
    for number in [format!("1.{zeros}"), format!("0.{zeros}")] {
        let text = frame("update", "BTC-USD", 7, &level("5", &number));
        assert_eq!(read(&text), Ok(1), "{}..", &number[..9]);
    }
    let sound = frame("update", "BTC-USD", 7, &level("1", "2"));
    for sequence in [nines.clone(), format!("7.{zeros}"), format!("-{nines}")] {
        let text = sound.replace("\"sequence_num\":7", &format!("\"sequence_num\":{sequence}"));
        assert!(read(&text).is_err(), "{}..", &sequence[..9]);
    }
}

#[test]
fn lone_surrogates_and_control_characters_are_refused_wherever_they_stand() {
    let sound = frame("update", "BTC-USD", 7, &level("1", "2"));
    assert_eq!(read(&sound), Ok(1));
    for place in ["\"channel\"", "l2_data", "timestamp", "update\"", "BTC-USD", "bid", "side"] {
        for bad in ["\\ud800", "\\udfff", "\\ud83d\\u0041", "\\udc00\\ud800", "\\uZZZZ", "\u{1}"] {
            let (before, after) = sound.split_once(place).unwrap();
            let (head, tail) = place.split_at(place.len() - 1);
            let text = format!("{before}{head}{bad}{tail}{after}");
            assert_eq!(read(&text), Err(DecodeErrorKind::Json), "{bad:?} in {place}");
        }
    }
    // A pair is a character: no fault of the text, only of the name.
    let paired = sound.replace("BTC-USD", "BTC-\\ud83d\\ude00");
    assert_eq!(read(&paired), Ok(1));
    let mut bytes = sound.into_bytes();
    for invalid in [0x80, 0xc0, 0xff] {
        bytes[2] = invalid;
        let error = Decoder::new().decode(&bytes).unwrap_err();
        assert_eq!(error.kind(), DecodeErrorKind::Json);
    }
}

/// The keys that a book depends on, each with another value for it.
const KEYS: [(&str, &str); 8] = [
    ("channel", "\"l2_data\""),
    ("sequence_num", "8"),
    ("events", "[]"),
    ("type", "\"snapshot\""),
    ("product_id", "\"ETH-USD\""),
    ("updates", "[]"),
    ("side", "\"offer\""),
    ("price_level", "\"2\""),
];

/// A frame is read by the first tier or by the second, by its shape. A key that stands twice is
/// refused in either: before or after the first, with the same value or with another.
#[test]
fn a_key_twice_is_refused_by_one_rule() {
    let sound = frame("update", "BTC-USD", 7, &level("1", "2"));
    let spaced = sound.replace("\"channel\":", "\"channel\" : ");
    for text in [&sound, &spaced] {
        assert_eq!(read(text), Ok(1));
        for (key, other) in KEYS.into_iter().chain([("new_quantity", "\"0\"")]) {
            let quoted = format!("\"{key}\"");
            let (before, after) = text.split_once(&quoted).unwrap();
            // In front of the key, and at the end of its object.
            let doubled = format!("{before}{quoted}:{other},{quoted}{after}");
            assert_eq!(read(&doubled), Err(DecodeErrorKind::Shape), "{doubled}");
            let escaped = format!("\"\\u{:04x}{}\"", u32::from(key.as_bytes()[0]), &key[1..]);
            let disguised = format!("{before}{escaped}:{other},{quoted}{after}");
            assert_eq!(read(&disguised), Err(DecodeErrorKind::Shape), "{disguised}");
        }
        for (tail, key) in [("}]}", "type"), ("}", "channel"), ("}]}]}", "side")] {
            let (_, other) = KEYS.into_iter().find(|(known, _)| *known == key).unwrap();
            let (before, after) = text.split_at(text.len() - tail.len());
            let doubled = format!("{before},\"{key}\":{other}{after}");
            assert_eq!(read(&doubled), Err(DecodeErrorKind::Shape), "{doubled}");
        }
    }
}

// Sessions.

/// A session of one product, live at 5 / -, in virtual time.
struct Venue {
    session: Session,
    now: Instant,
    sequence: u64,
}

impl Venue {
    fn new(change: impl FnOnce(&mut SessionConfig)) -> Self {
        let now = Instant::now();
        let products = ["BTC-USD", "ETH-USD"].map(|name| name.parse().unwrap());
        let mut config = SessionConfig::new(products);
        config.policy.resync = Resync::Resubscribe;
        change(&mut config);
        let mut venue = Self { session: Session::new(config, now), now, sequence: 0 };
        venue.events();
        venue.session.handle(now, Input::Opened);
        venue.events();
        for product in ["BTC-USD", "ETH-USD"] {
            venue.send("snapshot", product, &level("5", "1"));
        }
        venue.events();
        assert!(venue.session.is_synced());
        venue
    }

    fn send(&mut self, kind: &str, product: &str, levels: &str) {
        let text = frame(kind, product, self.sequence, levels);
        self.sequence += 1;
        self.session.handle(self.now, Input::Message(text.as_bytes()));
    }

    fn events(&mut self) -> Vec<SessionEvent> {
        let mut events = Vec::new();
        loop {
            match self.session.poll(self.now) {
                Output::Event(event) => events.push(event),
                Output::Wait(_) => return events,
                _ => {}
            }
        }
    }

    fn status(&self, product: &str) -> Status {
        self.session.product(product).unwrap().status()
    }
}

#[test]
fn products_that_nobody_asked_for_cost_no_memory() {
    const FRAMES: u64 = 20_000;

    let mut venue = Venue::new(|_| {});
    let levels = vec![level("1", "2"); 50].join(",");
    let warm_up = |venue: &mut Venue| {
        venue.send("snapshot", "X-USD", &levels);
        venue.send("snapshot", &"Y".repeat(300), &levels);
        venue.events();
    };
    warm_up(&mut venue);
    let before = HELD.with(Cell::get);
    for number in 0..FRAMES {
        let kind = if number % 2 == 0 { "snapshot" } else { "update" };
        venue.send(kind, &format!("X{number}-USD"), &levels);
        assert_eq!(venue.events(), []);
    }
    let held = HELD.with(Cell::get) - before;
    assert!(held.abs() < 4_096, "{held} bytes more than before");
    assert_eq!(venue.session.stats().unasked, FRAMES + 2);
    assert_eq!(venue.session.products().count(), 2);
    assert!(venue.session.is_synced());
}

/// The transport takes no message in which ten million levels fit (`feed_hostile` holds that); of
/// one that it does take, a book takes no more than its cap.
#[test]
fn a_snapshot_beyond_the_cap_is_refused_with_its_error_and_leaves_nothing_behind() {
    const EXCESS: usize = 100_000;
    const BYTES_PER_LEVEL: i64 = 100;

    let mut venue = Venue::new(|_| {});
    let max_levels = venue.session.config().policy.max_levels_per_side;
    let count = max_levels + EXCESS;
    let levels: Vec<String> = (1..=count).map(|price| level(&price.to_string(), "1")).collect();
    let levels = levels.join(",");
    let before = HELD.with(Cell::get);
    let text = frame("snapshot", "BTC-USD", venue.sequence, &levels);
    let text_bytes = HELD.with(Cell::get) - before;
    let ((), peak) = peak_of(|| venue.session.handle(venue.now, Input::Message(text.as_bytes())));
    assert!(peak < BYTES_PER_LEVEL * i64::try_from(count).unwrap(), "{peak} bytes");
    let events = venue.events();
    let cap = max_levels.to_string();
    assert!(
        events.iter().any(|event| matches!(event, SessionEvent::LevelRejected { product, error }
            if product.as_str() == "BTC-USD" && error.to_string().contains(&cap))),
        "{events:?}"
    );
    assert_eq!(venue.status("BTC-USD"), Status::Lost(Cause::Limit));
    assert!(venue.session.bbo("BTC-USD").unwrap().load().is_none());
    assert_eq!(venue.status("ETH-USD"), Status::Live);
    drop(text);
    venue.sequence += 1;
    venue.send("update", "ETH-USD", &level("6", "1"));
    venue.events();
    let held = HELD.with(Cell::get) - before;
    assert!(held < 1 << 20, "{held} bytes stay of {text_bytes}");
}

/// Levels that come one by one end at the same cap.
#[test]
fn a_book_that_grows_for_ever_ends_at_the_cap() {
    let mut venue = Venue::new(|config| config.policy.max_levels_per_side = 1_000);
    for price in 0..1_100 {
        venue.send("update", "BTC-USD", &level(&format!("1.{price:04}"), "1"));
        if venue.status("BTC-USD") != Status::Live {
            break;
        }
    }
    assert_eq!(venue.status("BTC-USD"), Status::Lost(Cause::Limit));
    assert_eq!(venue.status("ETH-USD"), Status::Live);
}
