//! The feed in stopped time: closing it in every state, dropping its futures anywhere, a runtime
//! that goes, a network that stops at every stage or brings bytes in any pieces.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use level2::BboReader;
use level2::feed::{Dial, Dialing, Feed, FeedConfig};
use level2::session::{Cause, Disconnect, Policy, SessionEvent};
use level2_sim::{Form, ProductSpec, RawFrame, Script, Server, ServerConfig, Step, Writes};
use tokio::runtime::Runtime;
use tokio::time::{Instant, timeout};

use crate::memory::*;
use crate::support::*;

/// So many frames hold every snapshot, every ack and some updates.
const LIVE: u64 = 20;

async fn exchange(scripts: impl IntoIterator<Item = Vec<Step>>) -> Arc<Server> {
    let scripts = scripts.into_iter().map(Script::new).collect();
    Arc::new(
        start(ServerConfig { exchange: busy_exchange(5), scripts, ..Default::default() }).await,
    )
}

/// The settings that a user has, with a seed.
fn usual() -> FeedConfig {
    let mut config = FeedConfig::new(PRODUCTS.map(product));
    config.url = NOWHERE.to_owned();
    config.seed = Some(7);
    config
}

/// A network that never answers a dial.
struct DeadDial;

impl Dial for DeadDial {
    fn dial(&mut self) -> Dialing {
        Box::pin(std::future::pending())
    }
}

/// Where the network can stop, and the first thing that the feed says of it.
fn stages() -> [(Vec<Step>, Disconnect); 7] {
    let Policy { connect_timeout, idle_timeout, .. } = usual().policy;
    let (late, idle) = (Disconnect::TimedOut(connect_timeout), Disconnect::Idle(idle_timeout));
    let half = RawFrame::text("{}").encode()[..3].to_vec();
    [
        (vec![Step::Hold], late.clone()),
        (vec![Step::Bytes(b"HTTP/1.1 101 Swi".to_vec()), Step::Hold], late),
        (vec![Step::Upgrade, Step::Hold], idle.clone()),
        (vec![Step::Requests(1), Step::Hold], idle.clone()),
        (vec![Step::Serve(1), Step::Hold], idle.clone()),
        (vec![Step::Serve(LIVE), Step::Hold], idle.clone()),
        (vec![Step::Serve(LIVE), Step::Bytes(half), Step::Hold], idle),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_network_that_stops_at_any_stage_is_noticed_in_time_and_healed() {
    for (script, expected) in stages() {
        let server = exchange([script.clone()]).await;
        let mut feed = feed(&server, usual());
        let begun = Instant::now();
        let mut last_event = begun;
        let reason = loop {
            match next(&mut feed).await {
                SessionEvent::Disconnected { reason } => break reason,
                SessionEvent::Lost { .. } => assert_withdrawn(&feed, "after the first loss"),
                _ => last_event = Instant::now(),
            }
        };
        assert_eq!(reason, expected, "{script:?}");
        // Frames without an event (acks) may have come after the last one.
        let silence = match reason {
            Disconnect::TimedOut(limit) => begun.elapsed()..=limit,
            Disconnect::Idle(limit) => limit..=last_event.elapsed(),
            other => panic!("{other:?}"),
        };
        assert!(!silence.is_empty(), "{silence:?} {script:?}");
        timeout(PATIENCE, feed.synced()).await.unwrap().unwrap();
        assert_books_become_equal(&mut feed, &server).await;
        assert_eq!(server.connections().dialed, 2);
    }
}

/// The network stops anew at each stage of every attempt to heal, and then comes back.
#[tokio::test(start_paused = true)]
async fn a_network_that_stops_again_and_again_is_outlasted() {
    let server = exchange(stages().map(|(script, _)| script)).await;
    let mut feed = feed(&server, usual());
    let mut reasons = Vec::new();
    while reasons.len() < stages().len() {
        assert_readers_see_the_truth(&feed, &server);
        if let SessionEvent::Disconnected { reason } = next(&mut feed).await {
            assert_withdrawn(&feed, "after a connection");
            reasons.push(reason);
        }
    }
    assert_eq!(reasons, stages().map(|(_, reason)| reason));
    timeout(PATIENCE, feed.synced()).await.unwrap().unwrap();
    assert_books_become_equal(&mut feed, &server).await;
}

/// A server that acknowledges and sends no snapshot, though its connection lives.
#[tokio::test(start_paused = true)]
async fn acks_without_snapshots_end_in_a_new_connection() {
    let mut script = vec![Step::Requests(2)];
    for sequence in 0..60 {
        let heartbeat = format!(
            "{{\"channel\":\"heartbeats\",\"timestamp\":\"\",\"sequence_num\":{sequence},\
             \"events\":[{{\"heartbeat_counter\":{sequence}}}]}}"
        );
        script.extend([Step::Frame(RawFrame::text(heartbeat)), Step::Pause(SECOND)]);
    }
    let server = exchange([script]).await;
    let mut feed = feed(&server, usual());
    let reason = loop {
        match next(&mut feed).await {
            SessionEvent::Disconnected { reason } => break reason,
            SessionEvent::Lost { cause, .. } => assert_eq!(cause, Cause::NoSnapshot),
            _ => assert_withdrawn(&feed, "before any snapshot"),
        }
    };
    assert_eq!(reason, Disconnect::ForResync(Cause::NoSnapshot));
    timeout(PATIENCE, feed.synced()).await.unwrap().unwrap();
    assert_books_become_equal(&mut feed, &server).await;
}

const SECOND: Duration = Duration::from_secs(1);

/// The venue hangs up on whoever does not ask within five seconds, or falls behind.
#[tokio::test(start_paused = true)]
async fn a_sound_venue_never_has_a_reason_to_hang_up() {
    let server = exchange([]).await;
    let mut feed = feed(&server, usual());
    let end = Instant::now() + 30 * SECOND;
    while Instant::now() < end {
        let event = next(&mut feed).await;
        assert!(
            !matches!(event, SessionEvent::Lost { .. } | SessionEvent::Disconnected { .. }),
            "{event:?}"
        );
    }
    assert_books_become_equal(&mut feed, &server).await;
    assert_eq!(server.connections().dialed, 1);
}

/// A network that stands still for less than the idle timeout and then brings all that it held.
#[tokio::test(start_paused = true)]
async fn a_network_that_stands_for_a_while_loses_nothing() {
    let pause = Step::Pause(usual().policy.idle_timeout - 10 * MILLISECOND);
    let halves = RawFrame::fragments(r#"{"type":"error","message":"split"}"#, 2);
    let [first, second] = [0, 1].map(|index| Step::Frame(halves[index].clone()));
    let ping = Step::Frame(RawFrame::ping(*b"in between"));
    let server = exchange([vec![
        Step::Serve(LIVE),
        pause.clone(),
        Step::Serve(LIVE),
        first,
        ping,
        pause,
        second,
    ]]);
    let server = server.await;
    let mut feed = feed(&server, usual());
    let mut refusals = Vec::new();
    while refusals.is_empty() || feed.session().stats().frames < 10 * LIVE {
        match next(&mut feed).await {
            SessionEvent::Refused { message, .. } => refusals.push(message),
            event => {
                let is_loss =
                    matches!(event, SessionEvent::Lost { .. } | SessionEvent::Disconnected { .. });
                assert!(!is_loss, "{event:?}");
            }
        }
        assert_readers_see_the_truth(&feed, &server);
    }
    assert_eq!(refusals, ["split".into()]);
    assert_books_become_equal(&mut feed, &server).await;
    assert_eq!(server.connections().dialed, 1);
}

/// Bytes that come one by one and never make a frame are no sign of life.
#[tokio::test(start_paused = true)]
async fn a_frame_that_drips_is_silence() {
    let header = RawFrame::text("").claiming(1 << 20).encode();
    let drops = (0..200).flat_map(|_| [Step::Bytes(vec![b' ']), Step::Pause(100 * MILLISECOND)]);
    let script = [Step::Serve(LIVE), Step::Bytes(header)].into_iter().chain(drops).collect();
    let server = exchange([script]).await;
    let mut feed = feed(&server, usual());
    let reason = loop {
        if let SessionEvent::Disconnected { reason } = next(&mut feed).await {
            break reason;
        }
    };
    assert_eq!(reason, Disconnect::Idle(usual().policy.idle_timeout));
    timeout(PATIENCE, feed.synced()).await.unwrap().unwrap();
    assert_books_become_equal(&mut feed, &server).await;
}

/// Whoever does not look at a feed for too long finds its books lost, however much has come
/// meanwhile, and then healed.
#[tokio::test(start_paused = true)]
async fn a_feed_that_was_not_looked_at_shows_nothing_old() {
    let server = exchange([]).await;
    let mut feed = feed(&server, usual());
    timeout(PATIENCE, feed.synced()).await.unwrap().unwrap();
    tokio::time::sleep(usual().policy.idle_timeout + MILLISECOND).await;
    let event = next(&mut feed).await;
    assert!(matches!(event, SessionEvent::Lost { cause: Cause::Idle, .. }), "{event:?}");
    assert_withdrawn(&feed, "after a long time without a look");
    timeout(PATIENCE, feed.synced()).await.unwrap().unwrap();
    assert_books_become_equal(&mut feed, &server).await;
}

/// Bytes cut anywhere, with sizes drawn from a hundred seeds, and byte by byte.
#[tokio::test(start_paused = true)]
async fn a_stream_in_any_pieces_makes_the_same_books() {
    for seed in 0..100 {
        let max_bytes = 1 << (seed % 12);
        let fragments = Step::Form(Form::Fragments { count: seed as usize % 5 });
        let form = if seed % 3 == 0 { fragments } else { Step::Form(Form::Text) };
        let mut exchange = busy_exchange(seed);
        exchange.products = vec![ProductSpec::btc_usd().levels(20)];
        let scripts = vec![Script::new([Step::Writes(Writes::Pieces { seed, max_bytes }), form])];
        let server = start(ServerConfig { exchange, scripts, ..Default::default() }).await;
        let server = Arc::new(server);
        let mut config = usual();
        config.products.truncate(1);
        let mut feed = feed(&server, config);
        let mut updates = 0;
        while updates < 20 {
            let event = next(&mut feed).await;
            let is_loss =
                matches!(event, SessionEvent::Lost { .. } | SessionEvent::Disconnected { .. });
            assert!(!is_loss, "seed {seed}: {event:?}");
            updates += u32::from(matches!(event, SessionEvent::Updated { .. }));
            let connection = server.newest_connection().unwrap();
            let Some(bbo) = feed.bbo("BTC-USD").unwrap().load() else { continue };
            let truth = server
                .with_exchange(|exchange| exchange.truth(connection, "BTC-USD", bbo.sequence))
                .unwrap();
            let pair = |level: level2::book::Level| (level.price, level.size);
            assert_eq!((bbo.bid.map(pair), bbo.ask.map(pair)), (truth.bid, truth.ask));
        }
    }
}

/// A state to close a feed in: how it is reached, and for how long it is driven before.
struct State {
    name: &'static str,
    script: Vec<Step>,
    driven: Duration,
    pipe_bytes: usize,
}

fn states() -> Vec<State> {
    let state = |name, script, driven| State { name, script, driven, pipe_bytes: PIPE_BYTES };
    let refused = vec![Step::Serve(LIVE), Step::Fin];
    let deaf = vec![Step::Upgrade, Step::Pause(3_600 * SECOND)];
    let mut states = vec![
        state("before the first look", vec![], Duration::ZERO),
        state("live", vec![], 2 * SECOND),
        state("waiting to dial again", refused, 400 * MILLISECOND),
        state("at the deadline of a dial", vec![Step::Hold], 10 * SECOND),
        // The close frame finds no room.
        State { pipe_bytes: 300, ..state("with requests that nobody reads", deaf, SECOND) },
    ];
    states.extend(stages().map(|(script, _)| state("while the network stands", script, SECOND)));
    states
}

const MILLISECOND: Duration = Duration::from_millis(1);

async fn drive(feed: &mut Feed, duration: Duration) {
    let _ = timeout(duration, async { while feed.next().await.is_ok() {} }).await;
}

fn readers(feed: &Feed) -> [BboReader; 3] {
    PRODUCTS.map(|name| feed.bbo(name).unwrap())
}

#[tokio::test(start_paused = true)]
async fn closing_takes_at_most_a_second_in_every_state() {
    for State { name, script, driven, pipe_bytes } in states() {
        let server = exchange([script.clone()]).await;
        let dial = MemoryDial { server: Arc::clone(&server), pipe_bytes };
        let mut feed = Feed::with_dialer(usual(), dial).unwrap();
        drive(&mut feed, driven).await;
        assert_closes(feed, name).await;
        if !script.iter().any(|step| matches!(step, Step::Pause(_))) {
            tokio::time::sleep(MILLISECOND).await;
            assert_eq!(server.connections().open, 0, "{name}, {script:?}");
        }
    }
    let mut feed = Feed::with_dialer(usual(), DeadDial).unwrap();
    drive(&mut feed, SECOND).await;
    assert_closes(feed, "while dialling into nothing").await;
}

async fn assert_closes(feed: Feed, name: &str) {
    let (readers, begun) = (readers(&feed), Instant::now());
    feed.close().await;
    assert!(begun.elapsed() <= SECOND, "{:?} {name}", begun.elapsed());
    assert!(readers.iter().all(|reader| reader.load().is_none()), "{name}");
}

/// A caller that no longer waits for the end of closing has closed nevertheless.
#[tokio::test(start_paused = true)]
async fn closing_may_be_given_up_at_any_moment() {
    for State { name, script, driven, pipe_bytes } in states() {
        for polls in 1..4 {
            let server = exchange([script.clone()]).await;
            let dial = MemoryDial { server: Arc::clone(&server), pipe_bytes };
            let mut feed = Feed::with_dialer(usual(), dial).unwrap();
            drive(&mut feed, driven).await;
            let readers = readers(&feed);
            let _ = polled(feed.close(), polls).await;
            assert!(readers.iter().all(|reader| reader.load().is_none()), "{name}, {polls}");
        }
    }
}

/// Polls a future so many times at most, and drops it then.
async fn polled<F: Future>(future: F, mut polls: u32) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        polls -= 1;
        if polls == 0 { Poll::Ready(None) } else { Poll::Pending }
    })
    .await
}

/// The future of the next event is dropped thousands of times, while connections are made, break
/// at every stage and stand still; nothing is lost, begun twice or stuck.
#[tokio::test(start_paused = true)]
async fn futures_dropped_at_any_await_lose_nothing() {
    let ends = [Step::Fin, Step::Hold, Step::Frame(RawFrame::close(1_001, ""))];
    let stages = [Step::Tls, Step::Upgrade, Step::Requests(1), Step::Serve(2), Step::Serve(LIVE)];
    let pieces = Step::Writes(Writes::Pieces { seed: 3, max_bytes: 60 });
    let scripts = ends.iter().flat_map(|end| {
        stages.clone().map(|stage| Script::new([pieces.clone(), stage, end.clone()]))
    });
    let mut config_server = ServerConfig { scripts: scripts.collect(), ..Default::default() };
    config_server.exchange = busy_exchange(9);
    for product in &mut config_server.exchange.products {
        *product = product.clone().levels(20);
    }
    let faults = config_server.scripts.len() as u64;
    let server = Arc::new(start(config_server).await);
    let mut config = usual();
    config.policy.idle_timeout = SECOND;
    config.policy.connect_timeout = SECOND;
    config.policy.backoff_max = 100 * MILLISECOND;
    let mut feed = feed(&server, config);
    let (mut turns, mut dropped, mut disconnects) = (0u32, 0, 0);
    while dropped < 3_000 || disconnects < faults || !feed.session().is_synced() {
        turns += 1;
        match polled(feed.next(), if turns % 8 == 0 { 2 } else { 1 }).await {
            Some(Ok(event)) => {
                assert!(!matches!(event, SessionEvent::Missed { .. }), "{event:?}");
                disconnects += u64::from(matches!(event, SessionEvent::Disconnected { .. }));
                assert_readers_see_the_truth(&feed, &server);
            }
            Some(Err(error)) => panic!("{error}"),
            None => {
                dropped += 1;
                // Time passes while everybody waits, and not otherwise.
                if dropped % 16 == 0 {
                    tokio::time::sleep(MILLISECOND).await;
                } else {
                    tokio::task::yield_now().await;
                }
            }
        }
    }
    println!("{dropped} futures dropped, {:?}", feed.session().stats());
    assert_books_become_equal(&mut feed, &server).await;
    assert_eq!(server.connections().dialed, faults + 1, "a dropped dial goes on, not anew");
    let stats = feed.session().stats();
    assert_eq!((stats.gaps, stats.duplicates, stats.reconnects), (0, 0, faults), "{stats:?}");
}

/// A feed that tells whether it was dropped without a panic.
struct Witnessed {
    feed: Option<Feed>,
    is_dropped: Arc<AtomicBool>,
}

impl Drop for Witnessed {
    fn drop(&mut self) {
        drop(self.feed.take());
        self.is_dropped.store(true, Ordering::Relaxed);
    }
}

/// A runtime that goes takes the feeds of its tasks with it, and a feed that is left over can be
/// dropped without one. The venue lives on elsewhere.
#[test]
fn a_runtime_that_goes_withdraws_the_books_of_its_feeds() {
    let venue = Runtime::new().unwrap();
    let live = venue.block_on(exchange([]));
    let silent = venue.block_on(exchange([vec![Step::Hold], vec![Step::Hold]]));
    for (server, is_live) in [(&live, true), (&silent, false)] {
        for is_in_task in [true, false] {
            let runtime = Runtime::new().unwrap();
            let mut feed = Feed::new(config(server.url())).unwrap();
            let readers = readers(&feed);
            runtime.block_on(async {
                let wait = if is_live { PATIENCE } else { 20 * MILLISECOND };
                assert_eq!(timeout(wait, feed.synced()).await.is_ok(), is_live);
            });
            assert!(readers.iter().all(|reader| reader.load().is_some() == is_live));
            let is_dropped = Arc::new(AtomicBool::new(false));
            let mut feed = Witnessed { feed: Some(feed), is_dropped: Arc::clone(&is_dropped) };
            if is_in_task {
                runtime.spawn(async move {
                    while feed.feed.as_mut().expect("it is dropped last").next().await.is_ok() {}
                });
                drop(runtime);
            } else {
                drop(runtime);
                drop(feed);
            }
            assert!(readers.iter().all(|reader| reader.load().is_none()));
            assert!(is_dropped.load(Ordering::Relaxed), "live {is_live}, in a task {is_in_task}");
        }
    }
}
