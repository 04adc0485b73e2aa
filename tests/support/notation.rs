//! The words of scenarios: what they say is read as inputs, what a session does is written in them.

use std::time::{Duration, Instant};

use level2::book::{Book, Level, Side};
use level2::session::{DialStage, Disconnect, Output, SessionEvent};
use level2::wire::{Action, ProductId, Request, RequestChannel};

/// How a line of a scenario is not what happened, or cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    pub(crate) expected: String,
    pub(crate) got: String,
}

pub(crate) type Outcome<T = ()> = Result<T, Mismatch>;

pub(crate) fn mismatch<T>(expected: impl Into<String>, got: impl Into<String>) -> Outcome<T> {
    Err(Mismatch { expected: expected.into(), got: got.into() })
}

pub(crate) fn parse<T: std::str::FromStr>(text: &str, expected: &str) -> Outcome<T> {
    text.parse().or_else(|_| mismatch(expected, text))
}

pub(crate) fn product(name: &str) -> Outcome<ProductId> {
    parse(name, "the name of a product")
}

pub(crate) fn products(names: &str) -> Outcome<Vec<ProductId>> {
    names.split_whitespace().map(product).collect()
}

/// Reads a time such as `100ms`, `5s` or `1h`.
pub(crate) fn duration(text: &str) -> Outcome<Duration> {
    let unit = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(unit);
    let count: u64 = parse(digits, "a time such as `5s` or `100ms`")?;
    match unit {
        "ms" => Ok(Duration::from_millis(count)),
        "s" => Ok(Duration::from_secs(count)),
        "h" => Ok(Duration::from_secs(count * 3_600)),
        _ => mismatch("a time in `ms`, `s` or `h`", text),
    }
}

/// Reads how far a dial came before it failed.
pub(crate) fn dial_failed(stage: &str) -> Outcome<Disconnect> {
    let stages = [
        DialStage::Certificate,
        DialStage::Dns,
        DialStage::Handshake,
        DialStage::Tcp,
        DialStage::Tls,
    ];
    match stages.into_iter().find(|known| known.to_string() == stage) {
        Some(stage) => Ok(Disconnect::NotConnected { stage, error: "refused".into() }),
        None => mismatch("a stage of a dial", stage),
    }
}

/// Reads `429`, or `429 retry after 7s`.
pub(crate) fn rejected(answer: &str) -> Outcome<Disconnect> {
    let (status, pause) = match answer.split_once(" retry after ") {
        Some((status, pause)) => (status, Some(duration(pause)?)),
        None => (answer, None),
    };
    Ok(Disconnect::Rejected { status: parse(status, "an HTTP status")?, retry_after: pause })
}

/// Takes `#7` out of the words of a frame.
pub(crate) fn take_number(words: &str) -> Outcome<(Option<u64>, String)> {
    let mut number = None;
    let mut rest = Vec::new();
    for word in words.split_whitespace() {
        match word.strip_prefix('#') {
            Some(digits) => number = Some(parse(digits, "the number of a frame")?),
            None => rest.push(word),
        }
    }
    Ok((number, rest.join(" ")))
}

/// Writes a frame as the venue does, from words such as `ack BTC-USD`.
pub(crate) fn frame(number: u64, words: &str) -> Outcome<String> {
    let (kind, rest) = words.split_once(' ').unwrap_or((words, ""));
    let (channel, events) = match kind {
        "snapshot" | "update" => {
            let events: Outcome<Vec<String>> = words.split(" & ").map(levels_event).collect();
            ("l2_data", events?.join(","))
        }
        "ack" => {
            let names: Vec<String> = rest.split_whitespace().map(quoted).collect();
            let level2 = match &names[..] {
                [] => String::new(),
                names => format!(",\"level2\":[{}]", names.join(",")),
            };
            let listed = format!("{{\"heartbeats\":[\"heartbeats\"]{level2}}}");
            ("subscriptions", format!("{{\"subscriptions\":{listed}}}"))
        }
        "heartbeat" => {
            let event = "{\"current_time\":\"2026-11-02 00:00:01.001133871 +0000 UTC \
                         m=+66116.528826660\",\"heartbeat_counter\":66116}";
            ("heartbeats", event.to_owned())
        }
        "channel" => (rest, String::new()),
        _ => return mismatch("an input", words),
    };
    Ok(format!(
        "{{\"channel\":{},\"timestamp\":\"2026-11-02T00:00:00.05Z\",\"sequence_num\":{number},\
         \"events\":[{events}]}}",
        quoted(channel)
    ))
}

/// Writes an event such as `update BTC-USD bid 10 2 / ask 11 0`.
fn levels_event(words: &str) -> Outcome<String> {
    let mut parts = words.splitn(3, ' ');
    let kind = parts.next().unwrap_or_default();
    let name = parts.next().unwrap_or_default();
    let levels = parts.next().unwrap_or_default().split(" / ").filter(|level| !level.is_empty());
    let levels: Outcome<Vec<String>> = levels.map(level).collect();
    Ok(format!(
        "{{\"type\":{},\"product_id\":{},\"updates\":[{}]}}",
        quoted(kind),
        quoted(name),
        levels?.join(",")
    ))
}

/// Writes a level such as `ask 11 0`. What stands for price and size is written as it is.
fn level(words: &str) -> Outcome<String> {
    let [side, price, size] = words.split(' ').collect::<Vec<_>>()[..] else {
        return mismatch("a level such as `bid 10 1`", words);
    };
    let side = if side == "ask" { "offer" } else { side };
    Ok(format!(
        "{{\"side\":{},\"event_time\":\"2026-11-02T00:00:00Z\",\"price_level\":{},\
         \"new_quantity\":{}}}",
        quoted(side),
        quoted(price),
        quoted(size)
    ))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// An output as a scenario lists it, or `None` where there is nothing to do.
pub(crate) fn shown_output(output: &Output, now: Instant) -> Option<String> {
    Some(match output {
        Output::Connect => "connect".to_owned(),
        Output::Disconnect => "disconnect".to_owned(),
        Output::Event(event) => format!("event {}", shown_event(event, now)),
        Output::Send(request) => format!("send {}", shown_request(request)),
        Output::Wait(_) => return None,
        other => format!("{other:?}"),
    })
}

fn shown_request(request: &Request) -> String {
    let action = match request.action {
        Action::Subscribe => "subscribe",
        Action::Unsubscribe => "unsubscribe",
    };
    let channel = match request.channel {
        RequestChannel::Heartbeats => "heartbeats",
        RequestChannel::Level2 => "level2",
        _ => "unknown",
    };
    let token = request.wants_token.then_some("with token");
    let names = request.products.iter().map(ProductId::as_str);
    [action, channel].into_iter().chain(names).chain(token).collect::<Vec<_>>().join(" ")
}

fn shown_event(event: &SessionEvent, now: Instant) -> String {
    match event {
        SessionEvent::Aliased { product, canonical } => format!("aliased {product} as {canonical}"),
        SessionEvent::AuthenticationFailed(failure) => format!("authentication failed: {failure}"),
        SessionEvent::Connected => "connected".to_owned(),
        SessionEvent::Disconnected { reason } => format!("disconnected: {reason}"),
        SessionEvent::GaveUp { failed_dials } => {
            format!("gave up after {failed_dials} failed dials")
        }
        SessionEvent::LeftOut { product } => format!("left out {product}"),
        SessionEvent::Lost { product, cause } => format!("lost {product} {cause}"),
        SessionEvent::Quiet { product, since } => format!("quiet {product} for {:?}", now - *since),
        SessionEvent::Refused { message, .. } => format!("refused: {message}"),
        SessionEvent::Requested { product } => format!("requested {product}"),
        SessionEvent::Synced { product, sequence } => format!("synced {product} #{sequence}"),
        SessionEvent::Rejected { times } => format!("rejected {times} times"),
        SessionEvent::Undecodable { product: None, error } => format!("undecodable: {error}"),
        SessionEvent::Undecodable { product: Some(product), error } => {
            format!("undecodable {product}: {error}")
        }
        SessionEvent::LevelRejected { product, error } => format!("unholdable {product}: {error}"),
        SessionEvent::Unlisted { product } => format!("unlisted {product}"),
        SessionEvent::Updated { product, sequence } => format!("updated {product} #{sequence}"),
        other => format!("{other:?}"),
    }
}

/// The best bid and ask, `10 1 11 1`; `-` stands for a side without levels.
pub(crate) fn best(book: &Book) -> String {
    format!("{} {}", shown_level(book.best_bid()), shown_level(book.best_ask()))
}

fn shown_level(level: Option<Level>) -> String {
    let shown = |Level { price, size, .. }| format!("{} {}", price.normalize(), size.normalize());
    level.map_or_else(|| "-".to_owned(), shown)
}

/// Every level of a book, best first, as a frame lists them.
pub(crate) fn levels(book: &Book) -> String {
    let side = |name: &'static str, side| {
        book.levels(side).map(move |level| format!("{name} {}", shown_level(Some(level))))
    };
    let levels: Vec<String> = side("bid", Side::Bid).chain(side("ask", Side::Ask)).collect();
    if levels.is_empty() { "empty".to_owned() } else { levels.join(" / ") }
}
