//! The real feed and the real server over a simulated network with latency, that is cut, held and
//! repaired, and whose venue crashes. A seed or a moment decides everything, so a run can be
//! repeated.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use level2::BboReader;
use level2::feed::{Dial, DialError, Dialing, Feed, FeedConfig, Transport};
use level2::session::{DialStage, SessionEvent};
use level2_sim::{ExchangeConfig, Server, ServerConfig};
use tokio::time::Instant;
use turmoil::net::{TcpListener, TcpStream};

use crate::seeds::{Told, seeds};
use crate::support::*;

const VENUE: &str = "venue";
const BOT: &str = "bot";
const PORT: u16 = 443;

const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(10);
const LATENCY_MAX: Duration = Duration::from_millis(40);

/// What happens to the network between venue and bot, or to the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    /// The venue is gone without a word, and comes back as another.
    Crash,
    /// Everything under way is lost.
    Cut,
    /// Everything waits.
    Hold,
    Repair,
}

/// One run: what happens when, the last of it being a repair.
#[derive(Debug)]
struct Run {
    seed: u64,
    weather: Vec<(Duration, Weather)>,
}

/// What the bot saw: each event but the updates, with its moment in virtual time.
type Log = Vec<(Duration, String)>;

/// The venue of the moment, and how the bot's readers are looked at from outside.
#[derive(Default)]
struct Shared {
    server: Option<Arc<Server>>,
    readers: Vec<BboReader>,
    log: Log,
}

struct NetworkDial;

impl Dial for NetworkDial {
    fn dial(&mut self) -> Dialing {
        Box::pin(async {
            let stream = TcpStream::connect((VENUE, PORT)).await;
            let stream = stream.map_err(|error| DialError::new(DialStage::Tcp, error))?;
            Ok(Box::new(stream) as Box<dyn Transport>)
        })
    }
}

fn exchange(seed: u64) -> ExchangeConfig {
    let mut exchange = busy_exchange(seed);
    exchange.interval = Duration::from_millis(50);
    exchange.heartbeat = SECOND;
    for product in &mut exchange.products {
        *product = product.clone().levels(30);
    }
    exchange
}

fn bot_config(seed: u64) -> FeedConfig {
    let mut config = FeedConfig::new(PRODUCTS.map(product));
    config.url = NOWHERE.to_owned();
    config.seed = Some(seed + 1);
    config.policy.idle_timeout = 2 * SECOND;
    config.policy.connect_timeout = 3 * SECOND;
    config.policy.backoff_max = 3 * SECOND;
    config
}

async fn serve(seed: u64, shared: Arc<Mutex<Shared>>) -> turmoil::Result {
    let config = ServerConfig { exchange: exchange(seed), ..ServerConfig::default() };
    let server = Arc::new(Server::start(config).await?);
    shared.lock().unwrap().server = Some(Arc::clone(&server));
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(server.serve(stream));
    }
}

/// Drives a feed for as long as the weather lasts, and waits for it to be whole again.
async fn trade(run: Arc<Run>, shared: Arc<Mutex<Shared>>) -> turmoil::Result {
    let mut feed = Feed::with_dialer(bot_config(run.seed), NetworkDial)?;
    shared.lock().unwrap().readers = PRODUCTS.map(|name| feed.bbo(name).unwrap()).to_vec();
    let begun = Instant::now();
    let end = run.weather.last().map_or(Duration::ZERO, |(moment, _)| *moment) + SECOND;
    while begun.elapsed() < end {
        let Ok(event) = tokio::time::timeout(SECOND, feed.next()).await else { continue };
        let event = event?;
        let mut shared = shared.lock().unwrap();
        if !matches!(event, SessionEvent::Updated { .. }) {
            shared.log.push((begun.elapsed(), format!("{event:?}")));
        }
        if let Some(server) = shared.server.as_ref().filter(|server| server.connections().open == 1)
        {
            assert_readers_see_the_truth(&feed, server);
        }
    }
    // The longest wait before a dial, the dial, and the snapshots.
    let config = bot_config(run.seed).policy;
    let bound = config.backoff_max + config.connect_timeout + config.snapshot_timeout;
    tokio::time::timeout(bound, feed.synced()).await.expect("the feed heals in time")?;
    let server = shared.lock().unwrap().server.clone().expect("the venue is there");
    assert_books_become_equal(&mut feed, &server).await;
    Ok(())
}

impl Run {
    fn go(self) -> Log {
        let run = Arc::new(self);
        let shared = Arc::new(Mutex::new(Shared::default()));
        let mut sim = turmoil::Builder::new()
            .rng_seed(run.seed)
            .tick_duration(TICK)
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(LATENCY_MAX)
            .simulation_duration(600 * SECOND)
            .tcp_capacity(4_096)
            .enable_tokio_io()
            .build();
        let (seed, of_host) = (run.seed, Arc::clone(&shared));
        sim.host(VENUE, move || serve(seed, Arc::clone(&of_host)));
        sim.client(BOT, trade(Arc::clone(&run), Arc::clone(&shared)));

        let mut weather = run.weather.iter().peekable();
        let mut quiet_since = None;
        while !sim.step().unwrap_or_else(|error| panic!("seed {}: {error}", run.seed)) {
            while let Some((_, change)) = weather.next_if(|(moment, _)| *moment <= sim.elapsed()) {
                match change {
                    Weather::Crash => {
                        sim.crash(VENUE);
                        sim.bounce(VENUE);
                    }
                    Weather::Cut => sim.partition(BOT, VENUE),
                    Weather::Hold => sim.hold(BOT, VENUE),
                    Weather::Repair => {
                        sim.repair(BOT, VENUE);
                        sim.release(BOT, VENUE);
                    }
                }
                let is_quiet = matches!(change, Weather::Cut | Weather::Hold);
                quiet_since = is_quiet.then(|| quiet_since.unwrap_or_else(|| sim.elapsed()));
            }
            // What was under way when the network stopped may still come; then it is silence.
            let limit = bot_config(seed).policy.idle_timeout + LATENCY_MAX + 2 * TICK;
            if quiet_since.is_some_and(|since| sim.elapsed() > since + limit) {
                let shared = shared.lock().unwrap();
                let is_stale = shared.readers.iter().any(|reader| reader.load().is_some());
                assert!(!is_stale, "seed {seed}: stale at {:?}", sim.elapsed());
            }
        }
        drop(sim);
        let mut shared = shared.lock().unwrap();
        std::mem::take(&mut shared.log)
    }
}

/// The network stops at every moment of the first dial, of the handshake, of the requests, of the
/// snapshots and of the updates after them, and comes back.
#[test]
fn a_network_that_stops_at_any_moment_is_noticed_and_healed() {
    for step in 0..30 {
        for stop in [Weather::Cut, Weather::Hold] {
            let begun = TICK * step;
            let weather = vec![(begun, stop), (begun + 4 * SECOND, Weather::Repair)];
            let log = Run { seed: u64::from(step), weather }.go();
            let ends = log.iter().filter(|(_, event)| event.starts_with("Disconnected")).count();
            assert!(ends >= 1, "{stop:?} at {begun:?}: {log:?}");
        }
    }
}

/// Storms of every kind, drawn from a seed. The order of tasks within a tick is tokio's own, so a
/// seed tells the same story twice but for some ticks; `tests/simulation` replays to the letter.
#[test]
fn storms_are_outlasted() {
    for seed in seeds(3) {
        let _told = Told(seed, storm(seed));
        let log = storm(seed).go();
        assert!(log.iter().any(|(_, event)| event.starts_with("Lost")), "{log:?}");
    }
}

fn storm(seed: u64) -> Run {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut moment = Duration::ZERO;
    let mut weather = Vec::new();
    while moment < 25 * SECOND {
        moment += Duration::from_millis(rng.u64(0..4_000));
        weather.push((moment, [Weather::Crash, Weather::Cut, Weather::Hold][rng.usize(0..3)]));
        moment += Duration::from_millis(rng.u64(0..6_000));
        weather.push((moment, Weather::Repair));
    }
    Run { seed, weather }
}
