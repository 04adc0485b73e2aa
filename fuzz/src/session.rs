//! A session that anything may happen to, beside naive books.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use level2::ProductId;
use level2::session::{
    DialStage, Disconnect, Input, MAX_PENDING_EVENTS, MAX_REQUESTS_PER_SECOND, MIN_DIAL_INTERVAL,
    Output, Resync, Session, SessionConfig,
};

use super::frame_text::frame_text;
use super::picks::Picks;
use super::shadow::Shadow;

/// The most things that happen in one run, so that it ends.
const MAX_STEPS: usize = 300;

/// Products that may be asked for, one with a name that is longer than what the parser compares
/// at once, and at the end an alias, under which the venue sends nothing.
const PRODUCTS: [&str; 4] = ["BTC-USD", "ETH-USD", "LONGER-THAN-16-BYTES-CDE", "BTC-USDC"];

/// Takes bytes for what happens to a session.
///
/// # Panics
/// When the session shows a book that is not known to be right, asks for too much, or loses count.
pub fn session(data: &[u8]) {
    let mut picks = Picks::new(data);
    let mut world = World::new(&mut picks);
    for _ in 0..MAX_STEPS {
        if picks.is_empty() {
            break;
        }
        world.step(&mut picks);
        world.shadow.check(&world.session);
    }
}

/// A session, what is known of its books, and what it has asked for.
struct World {
    session: Session,
    shadow: Shadow,
    now: Instant,
    /// The number that the next frame ought to have.
    due: u64,
    messages: u64,
    last_dial: Option<Instant>,
    last_requests: VecDeque<Instant>,
}

impl World {
    fn new(picks: &mut Picks<'_>) -> Self {
        let products = PRODUCTS.iter().take(picks.below(5)).map(|name| id(name));
        let mut config = SessionConfig::new(products);
        config.policy.resync = picks.of(&[Resync::Reconnect, Resync::Resubscribe, Resync::Passive]);
        config.authenticate = picks.one_in(4);
        config.adopt_products = picks.one_in(4);
        config.max_products = picks.of(&[1_000, 1_000, 3]);
        config.policy.max_levels_per_side = picks.of(&[500_000, 500_000, 2]);
        config.policy.max_failed_dials = NonZeroU32::new(u32::from(picks.byte() % 8 / 6 * 3));
        config.policy.max_rejections = NonZeroU32::new(u32::from(picks.byte() % 8 / 6 * 3));
        config.policy.quiet_limit = picks.one_in(4).then_some(Duration::from_secs(7));
        config.seed = picks.byte().into();
        let now = Instant::now();
        let mut world = Self {
            session: Session::new(config, now),
            shadow: Shadow::default(),
            now,
            due: 0,
            messages: 0,
            last_dial: None,
            last_requests: VecDeque::new(),
        };
        world.session.collect_changes(picks.one_in(2));
        world
    }

    fn step(&mut self, picks: &mut Picks<'_>) {
        match picks.below(24) {
            0..=2 => {
                let ms = u64::from(picks.u16()) >> picks.below(16);
                self.now += Duration::from_millis(ms);
                self.handle(Input::Timeout);
            }
            3 => self.handle(Input::Opened),
            4 => self.handle(Input::Closed(disconnect(picks))),
            5 => self.handle(Input::Held(self.now + Duration::from_millis(picks.u16().into()))),
            6 => self.handle(Input::ClockOffset { seconds: picks.u64().cast_signed() }),
            7 => {
                let product = id(picks.of(&PRODUCTS));
                let before = self.session.products().count();
                if let Err(error) = self.session.subscribe(self.now, product) {
                    assert_eq!(error.max_products, self.session.config().max_products);
                    assert_eq!(self.session.products().count(), before);
                }
            }
            8 => {
                let product = id(picks.of(&PRODUCTS));
                let mut products = self.session.products();
                let reader = products.find(|held| *held.name() == product).map(|held| held.bbo());
                drop(products);
                assert_eq!(self.session.unsubscribe(&product).is_ok(), reader.is_some());
                assert!(reader.is_none_or(|reader| reader.load().is_none()), "stale for ever");
            }
            9 if picks.one_in(32) => self.session.close(self.now),
            _ => self.message(picks),
        }
        if !picks.one_in(8) {
            self.poll_all(picks);
        }
    }

    fn handle(&mut self, input: Input<'_>) {
        let was_open = self.session.is_connected();
        self.session.handle(self.now, input);
        match (was_open, self.session.is_connected()) {
            (false, true) => {
                self.due = 0;
                self.shadow.begin();
            }
            (_, false) => self.shadow.lose_all(),
            (true, true) => {}
        }
    }

    fn message(&mut self, picks: &mut Picks<'_>) {
        let text = self.text(picks);
        // Timers that are due strike before the message comes.
        self.handle(Input::Timeout);
        if self.session.is_connected() {
            self.shadow.message(&text);
        }
        self.messages += 1;
        self.handle(Input::Message(&text));
        for product in self.session.products() {
            let changes = self.session.changes(product.name().as_str());
            assert!(changes.expect("it is one of the products").count() <= text.len());
        }
        let stats = self.session.stats();
        assert_eq!(stats.frames + stats.late, self.messages);
    }

    /// Does what the session asks for until it only waits.
    fn poll_all(&mut self, picks: &mut Picks<'_>) {
        // A dial, a request for every product and channel twice, and then events.
        for _ in 0..MAX_PENDING_EVENTS + 64 {
            match self.session.poll(self.now) {
                Output::Wait(until) => {
                    assert!(until > self.now, "told to wait, but not how long");
                    return;
                }
                Output::Connect => self.dialled(picks),
                Output::Send(_) => self.requested(),
                _ => {}
            }
            if !self.session.is_connected() {
                self.shadow.lose_all();
            }
        }
        panic!("polling does not end");
    }

    fn dialled(&mut self, picks: &mut Picks<'_>) {
        let earliest = self.last_dial.map(|last| last + MIN_DIAL_INTERVAL);
        assert!(earliest.is_none_or(|earliest| self.now >= earliest), "dialled too soon");
        self.last_dial = Some(self.now);
        match picks.below(8) {
            7 => {}
            6 => self.handle(Input::Closed(disconnect(picks))),
            _ => self.handle(Input::Opened),
        }
    }

    fn requested(&mut self) {
        let rate = MAX_REQUESTS_PER_SECOND;
        self.last_requests.push_back(self.now);
        if self.last_requests.len() > rate {
            let first = self.last_requests.pop_front().expect("there are more than the rate");
            assert!(self.now >= first + Duration::from_secs(1), "more requests than {rate} in 1 s");
        }
    }

    fn text(&mut self, picks: &mut Picks<'_>) -> Vec<u8> {
        let choice = picks.below(24);
        if choice == 0 {
            return picks.bytes().to_vec();
        }
        if choice == 1 {
            return frame_text(picks).bytes;
        }
        if choice == 2 {
            let message = picks.of(&["authentication failure", "too many requests", ""]);
            return format!(r#"{{"type":"error","message":"{message}"}}"#).into_bytes();
        }
        let sequence = match picks.below(16) {
            15 => self.due.wrapping_add(u64::from(picks.byte())),
            14 => self.due.wrapping_sub(u64::from(picks.byte())),
            13 => picks.of(&[0, 0, u64::MAX, 1]),
            _ => self.due,
        };
        self.due = self.due.max(sequence).wrapping_add(u64::from(sequence >= self.due));
        let (channel, events) = match choice {
            3 | 4 => ("heartbeats", r#"{"heartbeat_counter":7}"#.to_owned()),
            5 => ("ticker", String::new()),
            6..=8 => ("subscriptions", subscriptions(picks)),
            9 => ("l2_data", format!("{},{}", event(picks), event(picks))),
            _ => ("l2_data", event(picks)),
        };
        let blank = if picks.one_in(8) { " " } else { "" };
        format!(
            "{{\"channel\":\"{channel}\",\"timestamp\":\"2026-11-02T00:00:00Z\",\
             \"sequence_num\":{blank}{sequence},\"events\":[{events}]}}"
        )
        .into_bytes()
    }
}

fn subscriptions(picks: &mut Picks<'_>) -> String {
    let listed = picks.byte();
    let names: Vec<String> = PRODUCTS
        .iter()
        .enumerate()
        .filter(|(index, _)| listed >> index & 1 == 0)
        .map(|(_, name)| format!("\"{name}\""))
        .collect();
    format!("{{\"subscriptions\":{{\"level2\":[{}]}}}}", names.join(","))
}

/// A snapshot or an update of a few levels, bids mostly below asks.
fn event(picks: &mut Picks<'_>) -> String {
    let product = picks.of(&PRODUCTS[..3]);
    let kind = if picks.one_in(4) { "snapshot" } else { "update" };
    let second = picks.below(60);
    let levels: Vec<String> = (0..picks.below(6))
        .map(|_| {
            let choice = picks.byte();
            let (side, whole) = if choice & 1 == 0 { ("bid", 90) } else { ("offer", 100) };
            let whole = whole + if choice >= 252 { 10 } else { choice / 2 % 8 };
            let price = picks.of(&["", ".5", ".25", ".123456789", ".00000001", "e0", ".", "-"]);
            let size =
                picks.of(&["0", "0", "1", "2.5", "0.00000001", "9000000000000", "0.0", "-1"]);
            format!(
                "{{\"side\":\"{side}\",\"event_time\":\"2026-11-02T00:00:{second:02}.5Z\",\
                 \"price_level\":\"{whole}{price}\",\"new_quantity\":\"{size}\"}}"
            )
        })
        .collect();
    format!(
        "{{\"type\":\"{kind}\",\"product_id\":\"{product}\",\"updates\":[{}]}}",
        levels.join(",")
    )
}

fn disconnect(picks: &mut Picks<'_>) -> Disconnect {
    match picks.below(8) {
        0 => Disconnect::Transport("reset".into()),
        1 => Disconnect::TimedOut(Duration::from_secs(1)),
        2 => Disconnect::NotConnected { stage: DialStage::Tcp, error: "refused".into() },
        3 => Disconnect::NotConnected { stage: DialStage::Certificate, error: "expired".into() },
        4 => Disconnect::Rejected {
            status: picks.u16(),
            retry_after: picks.one_in(2).then_some(Duration::from_secs(picks.u64())),
        },
        5 => Disconnect::MessageTooLarge { size: 2, limit: 1 },
        _ => Disconnect::ByVenue {
            code: picks.one_in(2).then_some(picks.u16()),
            reason: "going away".into(),
        },
    }
}

fn id(name: &str) -> ProductId {
    ProductId::new(name).expect("a sound name")
}
