//! What many products cost: 500 of a simulated exchange, at twenty frames a second each, over
//! different numbers of connections.
//!
//! ```sh
//! cargo run --release --example many_products
//! cargo run --release --example many_products -- PRODUCTS SECONDS ROUNDS
//! ```
//!
//! The exchange runs in a process of its own, and for each number of connections so does the
//! engine, whose one thread keeps all the books. Each row is the median of some rounds. A frame's
//! latency is the time from when the socket handed it over until readers could see what it
//! changed; the time that it waited in the socket, behind the frames that came with it, is not in
//! it. Linux only, for it reads `/proc/self`.

use std::env;
use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use level2::ProductId;
use level2::books::{Books, BooksConfig, Event, EventConfig, Interest, Redundancy};
use level2_sim::{ExchangeConfig, ProductSpec, Server, ServerConfig};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Levels a side of each book.
const LEVELS: usize = 500;
/// How many clock ticks of `/proc/self/stat` make a second, on every Linux there is.
const TICKS_PER_SECOND: f64 = 100.0;

/// What each row is of: how many connections, and what else goes on.
const ROWS: [(usize, &str); 7] =
    [(2, ""), (4, ""), (8, ""), (50, ""), (8, STANDBY), (8, READER), (8, STUCK)];
/// Each connection has a standby.
const STANDBY: &str = "standby";
/// A thread copies the best levels of one book after the other, without a pause.
const READER: &str = "reader";
/// A consumer asks for every changed level and never takes one.
const STUCK: &str = "stuck";

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let number = |index: usize, default: usize| {
        arguments.get(index).map_or(Ok(default), |text| text.parse())
    };
    match arguments.first().map(String::as_str) {
        Some("exchange") => exchange(number(1, 0)?),
        Some("engine") => {
            let [products, seconds, rounds] = [number(1, 0)?, number(2, 0)?, number(3, 0)?];
            let books = connect(products, number(4, 0)?, &arguments[5], &arguments[6])?;
            engine(&books, &arguments[6], seconds, rounds)
        }
        _ => conduct(number(0, 500)?, number(1, 4)?, number(2, 5)?),
    }
}

/// A process that ends with this one.
struct Part(Child);

impl Part {
    fn start(arguments: &[String]) -> Outcome<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        Ok(Self(command.spawn()?))
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        BufReader::new(self.0.stdout.as_mut().ok_or("no output")?).read_line(&mut line)?;
        if line.is_empty() { Err("a part has ended early".into()) } else { Ok(line) }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the exchange, and one engine after the other.
fn conduct(products: usize, seconds: usize, rounds: usize) -> Outcome<()> {
    let mut exchange = Part::start(&["exchange".to_owned(), products.to_string()])?;
    let url = exchange.line()?.trim().to_owned();
    println!("{products} products, {LEVELS} levels a side; medians of {rounds} x {seconds} s");
    println!(
        "{:>11} {:>7} {:>8} {:>9} {:>5} {:>6} {:>6} {:>8} {:>8} {:>8}",
        "connections", "with", "frames/s", "levels/s", "CPU", "RSS", "peak", "p50", "p99", "p99.9"
    );
    for (connections, with) in ROWS {
        let mut arguments = vec!["engine".to_owned()];
        arguments.extend([products, seconds, rounds, connections].map(|n| n.to_string()));
        arguments.extend([url.clone(), with.to_owned()]);
        let row = Part::start(&arguments)?.line()?;
        print!("{connections:>11} {with:>7} {row}");
    }
    Ok(())
}

fn name(number: usize) -> String {
    format!("P{number:03}-USD")
}

/// Serves until its standard input ends.
fn exchange(products: usize) -> Outcome<()> {
    let market = |number| ProductSpec::new(&name(number), 2, 8, 2_000_000).levels(LEVELS);
    let exchange = ExchangeConfig {
        products: (0..products).map(market).collect(),
        max_truth_frames: 1,
        ..ExchangeConfig::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let server =
        runtime.block_on(Server::start(ServerConfig { exchange, ..Default::default() }))?;
    println!("{}", server.url());
    runtime.block_on(async {
        tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0])).await?
    })?;
    Ok(())
}

/// Returns the books of all products, all of them live.
fn connect(products: usize, connections: usize, url: &str, with: &str) -> Outcome<Arc<Books>> {
    let names = (0..products).map(|number| name(number).parse());
    let mut config = BooksConfig::new(names.collect::<Result<Vec<ProductId>, _>>()?);
    config.url = url.to_owned();
    config.policy.snapshot_timeout = Duration::from_secs(60);
    config.products_per_connection = products.div_ceil(connections);
    if with == STANDBY {
        config.redundancy = Redundancy::Standby;
    }
    let books = Arc::new(Books::start_on_thread(config)?);
    books.block_on(books.synced())?;
    while with == STANDBY && books.stats().covered < products {
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(books)
}

/// Measures, and prints one row.
fn engine(books: &Arc<Books>, with: &str, seconds: usize, rounds: usize) -> Outcome<()> {
    let is_done = Arc::new(AtomicBool::new(false));
    let _stuck = (with == STUCK).then(|| books.events(EventConfig::new(Interest::Levels)));
    if with == READER {
        let (books, is_done) = (Arc::clone(books), Arc::clone(&is_done));
        std::thread::spawn(move || {
            let products = books.products();
            let names = products.iter().cycle();
            for name in names.take_while(|_| !is_done.load(Ordering::Relaxed)) {
                let _ = std::hint::black_box(books.top(name.as_str(), 10));
            }
        });
    }
    let rows: Vec<[f64; 6]> =
        (0..rounds).map(|_| measure(books, seconds)).collect::<Outcome<_>>()?;
    is_done.store(true, Ordering::Relaxed);
    let stats = books.stats();
    if stats.live != stats.products || stats.session.gaps + stats.session.resyncs > 0 {
        return Err(format!("not all books stayed live: {stats:?}").into());
    }
    let median = |column: usize| {
        let mut values: Vec<f64> = rows.iter().map(|row| row[column]).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    println!(
        "{:>8.0} {:>9.0} {:>4.0}% {:>3} MB {:>3} MB {:>5.1} us {:>5.0} us {:>5.0} us",
        median(0),
        median(1),
        median(2),
        memory("VmRSS:")? / 1_024,
        memory("VmHWM:")? / 1_024,
        median(3),
        median(4),
        median(5),
    );
    Ok(())
}

/// Frames and levels in a second, processor time in percent of a core, and the latency's p50, p99
/// and p99.9 in microseconds. Only changes of the best bid and ask are looked at, so that looking
/// costs little.
fn measure(books: &Books, seconds: usize) -> Outcome<[f64; 6]> {
    let mut histogram = Histogram::<u64>::new(3)?;
    let mut events = books.events(EventConfig::new(Interest::Bbo));
    let (start, before, processor_before) = (Instant::now(), books.stats(), processor_seconds()?);
    while start.elapsed() < Duration::from_secs(seconds as u64) {
        while let Some(event) = events.try_next() {
            if let Event::Changed(change) = event {
                let latency = change.published.saturating_duration_since(change.bbo.received);
                histogram.record(latency.as_nanos() as u64)?;
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let (after, elapsed) = (books.stats(), start.elapsed().as_secs_f64());
    let microseconds = |quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
    Ok([
        (after.session.frames - before.session.frames) as f64 / elapsed,
        (after.session.updates - before.session.updates) as f64 / elapsed,
        (processor_seconds()? - processor_before) / elapsed * 100.0,
        microseconds(0.5),
        microseconds(0.99),
        microseconds(0.999),
    ])
}

fn processor_seconds() -> Outcome<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name of the program, in brackets, may hold anything.
    let fields: Vec<&str> =
        stat.rsplit(')').next().ok_or("no fields")?.split_ascii_whitespace().collect();
    let ticks =
        |index: usize| -> Outcome<f64> { Ok(fields.get(index).ok_or("no such field")?.parse()?) };
    Ok((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

/// A figure of `/proc/self/status`, in kB.
fn memory(key: &str) -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(key)).ok_or("no such figure")?;
    Ok(line.split_ascii_whitespace().nth(1).ok_or("no number")?.parse()?)
}
