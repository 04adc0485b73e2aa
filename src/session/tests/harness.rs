//! A session, the clock it is shown, and the venue that it talks to.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::bbo::BboReader;
use crate::book::Level;
use crate::session::{
    Cause, DialStage, Disconnect, Input, NotLive, Output, Policy, Resync, Session, SessionConfig,
    SessionEvent, Status,
};
use crate::wire::{Action, ProductId, RequestChannel};

pub(super) const BTC: &str = "BTC-USD";
pub(super) const ETH: &str = "ETH-USD";
pub(super) const SECOND: Duration = Duration::from_secs(1);

/// A session, the clock it is shown, and the venue's counter of frames.
pub(super) struct Harness {
    pub(super) session: Session,
    pub(super) now: Instant,
    /// The number of the venue's next frame.
    pub(super) sequence: u64,
    /// The readers of the products held at the start, as a strategy on another thread has them.
    pub(super) readers: Vec<BboReader>,
}

impl Harness {
    pub(super) fn new(config: SessionConfig) -> Self {
        let now = Instant::now();
        let session = Session::new(config, now);
        let readers = session.products().map(|product| product.bbo()).collect();
        Self { session, now, sequence: 0, readers }
    }

    /// Connects; what the session then asks for is still to be polled.
    pub(super) fn open(&mut self) {
        let outputs = self.drain();
        assert!(outputs.contains(&Output::Connect), "expected a dial, got {outputs:?}");
        self.opened();
    }

    /// Reports that the dial succeeded. The venue's counter starts again.
    pub(super) fn opened(&mut self) {
        self.sequence = 0;
        self.session.handle(self.now, Input::Opened);
    }

    /// Returns a connected session whose configured products are all live at 100 / 101.
    pub(super) fn live(config: SessionConfig) -> Self {
        let mut harness = Self::new(config);
        harness.open();
        harness.drain();
        harness.sync_all();
        harness.drain();
        harness
    }

    /// Sends every product's snapshot and the acknowledgements, as the venue does.
    pub(super) fn sync_all(&mut self) {
        let products = self.wire_names();
        for product in &products {
            self.frame(&[snapshot(product, "bid 100 1, offer 101 2")]);
        }
        self.ack(&products);
        self.ack(&products);
        assert!(self.session.is_synced());
    }

    /// Dials when the session says so, and syncs every product on the new connection.
    pub(super) fn reconnect(&mut self) {
        self.advance_to_dial();
        self.opened();
        // After many connections in a row the rate of requests holds the first one back.
        self.advance(SECOND);
        self.sync_all();
        self.drain();
    }

    pub(super) fn wire_names(&self) -> Vec<String> {
        let products = self.session.products();
        let names = products.map(|product| product.canonical_name().to_string());
        names.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Hands in a message as it is, and polls nothing.
    pub(super) fn message(&mut self, text: &str) {
        self.session.handle(self.now, Input::Message(text.as_bytes()));
    }

    /// Hands in the venue's next frame, with these order-book events.
    pub(super) fn frame(&mut self, events: &[String]) {
        let text = numbered("l2_data", self.next_number(), &events.join(","));
        self.message(&text);
    }

    pub(super) fn ack(&mut self, products: &[impl AsRef<str>]) {
        let listed: Vec<String> =
            products.iter().map(|product| format!("\"{}\"", product.as_ref())).collect();
        let event = format!("{{\"subscriptions\":{{\"level2\":[{}]}}}}", listed.join(","));
        let text = numbered("subscriptions", self.next_number(), &event);
        self.message(&text);
    }

    pub(super) fn heartbeat(&mut self) {
        let text = numbered("heartbeats", self.next_number(), "{\"heartbeat_counter\":7}");
        self.message(&text);
    }

    pub(super) fn error(&mut self, message: &str) {
        self.message(&format!("{{\"type\":\"error\",\"message\":\"{message}\"}}"));
    }

    pub(super) fn next_number(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence - 1
    }

    /// Loses frames on their way from the venue.
    pub(super) fn lose_frames(&mut self, count: u64) {
        self.sequence += count;
    }

    pub(super) fn close_by_venue(&mut self) {
        let reason = Disconnect::ByVenue { code: Some(1012), reason: "restart".into() };
        self.session.handle(self.now, Input::Closed(reason));
    }

    /// Polls until there is nothing to do, and returns what was to be done before.
    pub(super) fn drain(&mut self) -> Vec<Output> {
        let mut outputs = Vec::new();
        loop {
            match self.session.poll(self.now) {
                Output::Wait(until) => {
                    assert!(until > self.now, "a wait that is over at once is a busy loop");
                    return outputs;
                }
                output => outputs.push(output),
            }
        }
    }

    pub(super) fn events(&mut self) -> Vec<SessionEvent> {
        events_of(self.drain())
    }

    pub(super) fn requests(&mut self) -> Vec<String> {
        requests_of(&self.drain())
    }

    /// Lets time pass with no word from the venue: sleeps as told, wakes when told.
    pub(super) fn advance(&mut self, duration: Duration) -> Vec<Output> {
        let end = self.now + duration;
        let mut outputs = self.drain();
        loop {
            let Output::Wait(until) = self.session.poll(self.now) else {
                panic!("the session was drained");
            };
            if until > end {
                self.now = end;
                return outputs;
            }
            self.now = until;
            self.session.handle(self.now, Input::Timeout);
            outputs.extend(self.drain());
        }
    }

    /// Lets time pass while heartbeats come each second.
    pub(super) fn advance_beating(&mut self, seconds: u64) -> Vec<Output> {
        let mut outputs = Vec::new();
        for _ in 0..seconds {
            outputs.extend(self.advance(Duration::from_secs(1)));
            if self.session.is_connected() {
                self.heartbeat();
            }
        }
        outputs.extend(self.drain());
        outputs
    }

    /// Lets time pass, whatever happens, until the session dials.
    pub(super) fn advance_to_dial(&mut self) -> Duration {
        let start = self.now;
        loop {
            match self.session.poll(self.now) {
                Output::Connect => return self.now - start,
                Output::Wait(until) => self.now = until,
                _ => {}
            }
        }
    }

    /// The best bid and ask that another thread sees, as `price size / price size`.
    pub(super) fn best(&self, product: &str) -> Option<String> {
        let bbo = self.session.bbo(product).ok()?.load()?;
        let text = |level: Option<Level>| match level {
            Some(level) => format!("{} {}", level.price.normalize(), level.size.normalize()),
            None => "-".to_owned(),
        };
        Some(format!("{} / {}", text(bbo.bid), text(bbo.ask)))
    }

    #[track_caller]
    pub(super) fn assert_live(&self, product: &str, best: &str) {
        assert_eq!(self.best(product).as_deref(), Some(best), "{product}");
        let book = self.session.book(product).unwrap();
        let bbo = self.session.bbo(product).unwrap().load().unwrap();
        assert_eq!((book.best_bid(), book.best_ask()), (bbo.bid, bbo.ask), "{product}");
        assert_eq!(self.session.product(product).unwrap().status(), Status::Live);
    }

    #[track_caller]
    pub(super) fn assert_lost(&self, product: &str, cause: Cause) {
        assert_eq!(self.best(product), None, "{product} can still be read");
        let error = self.session.book(product).unwrap_err();
        assert!(matches!(error, NotLive::Lost { cause: c, .. } if c == cause), "{error:?}");
    }

    #[track_caller]
    pub(super) fn assert_all_withdrawn(&self) {
        assert!(self.readers.iter().all(|reader| reader.load().is_none()));
        assert!(self.session.products().all(|product| product.book().is_err()));
        assert!(!self.session.is_synced());
    }
}

pub(super) fn id(name: &str) -> ProductId {
    ProductId::new(name).unwrap()
}

/// Settings with another policy.
pub(super) fn tuned(mut config: SessionConfig, tune: impl FnOnce(&mut Policy)) -> SessionConfig {
    tune(&mut config.policy);
    config
}

pub(super) fn config(products: &[&str]) -> SessionConfig {
    SessionConfig::new(products.iter().map(|name| id(name)))
}

pub(super) fn resubscribing(products: &[&str]) -> SessionConfig {
    tuned(config(products), |policy| policy.resync = Resync::Resubscribe)
}

pub(super) fn numbered(channel: &str, sequence: u64, event: &str) -> String {
    format!(
        "{{\"channel\":\"{channel}\",\"timestamp\":\"2026-11-02T00:00:00.05Z\",\
         \"sequence_num\":{sequence},\"events\":[{event}]}}"
    )
}

/// An event of levels written as `bid 100 1, offer 101 2`.
pub(super) fn event(kind: &str, product: &str, levels: &str) -> String {
    let level = |level: &str| {
        let mut words = level.split_whitespace();
        let mut word = || words.next().unwrap();
        format!(
            "{{\"side\":\"{}\",\"event_time\":\"2026-11-02T00:00:00Z\",\"price_level\":\"{}\",\
             \"new_quantity\":\"{}\"}}",
            word(),
            word(),
            word()
        )
    };
    let levels = levels.split(',').filter(|level| !level.trim().is_empty());
    let levels: Vec<String> = levels.map(level).collect();
    let levels = levels.join(",");
    format!("{{\"type\":\"{kind}\",\"product_id\":\"{product}\",\"updates\":[{levels}]}}")
}

pub(super) fn snapshot(product: &str, levels: &str) -> String {
    event("snapshot", product, levels)
}

pub(super) fn update(product: &str, levels: &str) -> String {
    event("update", product, levels)
}

pub(super) fn events_of(outputs: Vec<Output>) -> Vec<SessionEvent> {
    let event = |output| if let Output::Event(event) = output { Some(event) } else { None };
    outputs.into_iter().filter_map(event).collect()
}

/// The requests among the outputs, as `subscribe level2 A,B`.
pub(super) fn requests_of(outputs: &[Output]) -> Vec<String> {
    let request = |output: &Output| {
        let Output::Send(request) = output else { return None };
        let action = match request.action {
            Action::Subscribe => "subscribe",
            Action::Unsubscribe => "unsubscribe",
        };
        let products: Vec<&str> = request.products.iter().map(ProductId::as_str).collect();
        Some(match request.channel {
            RequestChannel::Heartbeats => format!("{action} heartbeats"),
            RequestChannel::Level2 => format!("{action} level2 {}", products.join(",")),
        })
    };
    outputs.iter().filter_map(request).collect()
}

pub(super) fn lost(product: &str, cause: Cause) -> SessionEvent {
    SessionEvent::Lost { product: id(product), cause }
}

pub(super) fn synced(product: &str, sequence: u64) -> SessionEvent {
    SessionEvent::Synced { product: id(product), sequence }
}

pub(super) fn count_lost(events: &[SessionEvent], name: &str) -> usize {
    let mut count = 0;
    for event in events {
        count +=
            usize::from(matches!(event, SessionEvent::Lost { product, .. } if *product == name));
    }
    count
}

pub(super) fn dial_failed() -> Input<'static> {
    let (stage, error) = (DialStage::Tcp, "refused".into());
    Input::Closed(Disconnect::NotConnected { stage, error })
}

impl PartialEq<&str> for ProductId {
    fn eq(&self, name: &&str) -> bool {
        self.as_str() == *name
    }
}
