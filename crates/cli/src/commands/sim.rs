//! `level2 sim`: the simulated exchange alone, as a server or as a recording.

use std::io::{self, BufWriter, Write};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use level2::ProductId;
use level2_sim::{
    ExchangeConfig, FaultPlan, Mood, ProductSpec, Server, ServerConfig, SimFrame, Transmission,
    VENUE_CONNECTIONS_PER_SECOND, VENUE_MESSAGES_PER_SECOND, record,
};

use crate::failure::{Failure, print};
use crate::stop::{Listen, Stop};

/// How many frames of truth the exchange keeps for each product: nobody asks it.
const TRUTH_FRAMES: usize = 1;

/// The market of a product that the simulation has no figures of: around 100.00.
const OTHER_PRICE_SCALE: u8 = 2;
const OTHER_SIZE_SCALE: u8 = 8;
const OTHER_MID_TICKS: i64 = 10_000;

/// What the simulated exchange is told.
#[derive(Args, Debug)]
pub(crate) struct SimArgs {
    /// Address to listen on; port 0 takes any that is free
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Products to trade, separated by commas
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "BTC-USD,ETH-USD,SOL-USD"
    )]
    products: Vec<ProductId>,
    /// Levels a side that each book keeps near (default: as many as fit the product)
    #[arg(long, value_name = "N")]
    levels: Option<usize>,
    /// What happens on the markets
    #[arg(long, value_enum, default_value_t)]
    mood: MoodName,
    /// Decides every market and every fault
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Refuse what comes too fast, as the venue does: more than 8 connections a second, or more
    /// than 8 requests a second that have no token
    #[arg(long)]
    limits: bool,
    /// Start the exchange's clock on 2026-11-02 instead of now, so that a seed gives the same bytes
    /// in every run, as it does with --frames
    #[arg(long)]
    seed_date: bool,
    /// How many frames of a million are lost
    #[arg(long, value_name = "N", default_value_t = 0,
        value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    drop_ppm: u32,
    /// Print the first N frames of one connection, one a line, and listen to nobody
    #[arg(long, value_name = "N", conflicts_with = "listen")]
    frames: Option<u64>,
}

/// A mood by its name on the command line.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum MoodName {
    /// An ordinary hour, as recorded
    #[default]
    Measured,
    /// Few changes, and the price hardly moves
    Calm,
    /// Many changes, and sweeps
    Busy,
    /// The price falls and jumps, and a side is empty at times
    Crash,
    /// Seconds between changes of a few levels
    Illiquid,
    /// Each of the others for a while
    Changing,
}

impl From<MoodName> for Mood {
    fn from(name: MoodName) -> Self {
        match name {
            MoodName::Measured => Self::Measured,
            MoodName::Calm => Self::Calm,
            MoodName::Busy => Self::Busy,
            MoodName::Crash => Self::Crash,
            MoodName::Illiquid => Self::Illiquid,
            MoodName::Changing => Self::Changing,
        }
    }
}

/// Runs the exchange until it is told to stop, or prints a recording.
pub(crate) fn run(args: &SimArgs, listen: Listen<'_>) -> Result<(), Failure> {
    let mut exchange = ExchangeConfig {
        seed: args.seed,
        products: specs(args)?,
        max_truth_frames: TRUTH_FRAMES,
        max_truth_changes: 0,
        connections_per_second: args.limits.then_some(VENUE_CONNECTIONS_PER_SECOND),
        messages_per_second: args.limits.then_some(VENUE_MESSAGES_PER_SECOND),
        ..ExchangeConfig::default()
    };
    if args.frames.is_none() && !args.seed_date {
        exchange.started_at = SystemTime::now();
    }
    let faults = FaultPlan::drops(args.drop_ppm).seed(args.seed);
    match args.frames {
        Some(frames) => print_frames(exchange, faults, frames),
        None => crate::run_async(serve(args, exchange, faults, listen)),
    }
}

async fn serve(
    args: &SimArgs,
    exchange: ExchangeConfig,
    faults: FaultPlan,
    listen: Listen<'_>,
) -> Result<(), Failure> {
    let mut stop = Stop::listen(listen)?;
    let names: Vec<&str> = args.products.iter().map(ProductId::as_str).collect();
    let config = ServerConfig { exchange, faults, ..ServerConfig::default() };
    let server = Server::listen(args.listen, config).await;
    let server = server
        .map_err(|error| Failure::new(format!("cannot listen on {}: {error}", args.listen)))?;
    print(&format!(
        "simulated exchange at {} ({}; seed {}); Ctrl-C ends it\n",
        server.url(),
        names.join(", "),
        args.seed
    ))?;
    stop.requested().await;
    let accepted = server.connections().accepted;
    let faults = server.fault_counts();
    server.shutdown().await;
    print(&format!(
        "served {accepted} connections and dropped {} of {} frames\n",
        faults.drops, faults.frames
    ))
}

fn print_frames(
    exchange: ExchangeConfig,
    mut faults: FaultPlan,
    frames: u64,
) -> Result<(), Failure> {
    let mut output = BufWriter::new(io::stdout().lock());
    let mut deliveries = Vec::new();
    // Heartbeats never end, so the recording is bounded by the number of frames asked for alone.
    let frames = usize::try_from(frames).unwrap_or(usize::MAX);
    for text in record(exchange, Duration::MAX).take(frames) {
        faults.apply(SimFrame { sequence: None, text }, &mut deliveries);
        for delivery in deliveries.drain(..) {
            if let Transmission::Text(text) = delivery {
                let written = output.write_all(&text).and_then(|()| output.write_all(b"\n"));
                written.map_err(|error| Failure::of_output(&error))?;
            }
        }
    }
    output.flush().map_err(|error| Failure::of_output(&error))
}

fn specs(args: &SimArgs) -> Result<Vec<ProductSpec>, Failure> {
    let specs = args.products.iter().map(|product| {
        let spec = spec(product)?.mood(args.mood.into());
        Ok(match args.levels {
            Some(levels) => spec.levels(levels),
            None => spec,
        })
    });
    specs.collect()
}

/// Returns the market of a product: its own where the simulation knows it, else one around a
/// price of a hundred.
fn spec(product: &ProductId) -> Result<ProductSpec, Failure> {
    let known = [
        ProductSpec::btc_usd(),
        ProductSpec::eth_usd(),
        ProductSpec::sol_usd(),
        ProductSpec::tiny_price(),
        ProductSpec::futures(),
    ];
    let name = product.as_str();
    if let Some(spec) = known.into_iter().find(|spec| spec.product_id() == name) {
        return Ok(spec);
    }
    // `ProductSpec::new` takes fewer names than the wire does, and panics at the rest.
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        Ok(ProductSpec::new(name, OTHER_PRICE_SCALE, OTHER_SIZE_SCALE, OTHER_MID_TICKS))
    } else {
        Err(Failure::new(format!(
            "cannot simulate {name}: expected ASCII letters, digits and dashes"
        )))
    }
}
