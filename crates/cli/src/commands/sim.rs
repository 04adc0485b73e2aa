//! `level2 sim`: the simulated exchange, as a server or as a recording.

use std::io::{self, BufWriter, Write};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use level2::ProductId;
use level2_sim::{
    ExchangeConfig, FaultPlan, MAX_LEVELS, Mood, ProductSpec, Server, ServerConfig, SimFrame,
    Transmission, VENUE_CONNECTIONS_PER_SECOND, VENUE_MESSAGES_PER_SECOND, record,
};

use crate::failure::Failure;
use crate::format::text::counted;
use crate::runtime::block_on;
use crate::stdio::print;
use crate::stop::{Listen, Stop};

/// How many true BBOs the exchange keeps for each product. None is read here.
const TRUTH_FRAMES: usize = 1;

/// The market of a product that the simulation does not know: around 100.00.
const OTHER_PRICE_SCALE: u8 = 2;
const OTHER_SIZE_SCALE: u8 = 8;
const OTHER_MID_TICKS: i64 = 10_000;

/// The arguments of `level2 sim`.
#[derive(Args, Debug)]
pub(crate) struct SimArgs {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Products, separated by commas
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "BTC-USD,ETH-USD,SOL-USD"
    )]
    products: Vec<ProductId>,
    /// Approximate number of levels a side, at most 22500 [default: as on the venue]
    #[arg(long, value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..=MAX_LEVELS as u64))]
    levels: Option<u64>,
    /// How the markets move
    #[arg(long, value_enum, default_value_t)]
    mood: MoodName,
    /// Seed of the markets and the losses
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Enforce the venue's limits: 8 connections a second, and 8 requests a second without a token
    #[arg(long)]
    limits: bool,
    /// Start the exchange's clock on 2026-11-02 instead of now, as with --frames: a seed then gives
    /// the same bytes in every run
    #[arg(long)]
    seed_date: bool,
    /// Frames that are lost, of a million
    #[arg(long, value_name = "N", default_value_t = 0,
        value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    drop_ppm: u32,
    /// Print the first N frames of a connection, one a line, and do not listen
    #[arg(long, value_name = "N", conflicts_with = "listen")]
    frames: Option<u64>,
}

/// How the markets move, by its name on the command line.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum MoodName {
    /// As in an ordinary hour, measured on the venue
    #[default]
    Measured,
    /// Few changes, and a price that hardly moves
    Calm,
    /// Many changes, and orders that take many levels
    Busy,
    /// A price that falls and jumps, and a side that is empty at times
    Crash,
    /// Few levels, and seconds between changes
    Illiquid,
    /// Each of the others in turn
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

/// Runs the exchange until the user ends it, or prints a recording.
pub(crate) fn run(args: &SimArgs, listen: Listen<'_>) -> Result<(), Failure> {
    let mut exchange = ExchangeConfig {
        seed: args.seed,
        products: specs(args),
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
        None => block_on(serve(args, exchange, faults, listen)),
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
    let server = server.map_err(|error| {
        Failure::new(format!("cannot listen on {}: {error}; use another --listen", args.listen))
    })?;
    print(&format!(
        "simulated exchange at {} ({}; seed {}); press Ctrl-C to end it\n",
        server.url(),
        names.join(", "),
        args.seed
    ))?;
    stop.requested().await;
    let accepted = server.connections().accepted;
    let faults = server.fault_counts();
    server.shutdown().await;
    print(&format!(
        "served {} and dropped {} of {}\n",
        counted(accepted, "connection"),
        faults.drops,
        counted(faults.frames, "frame")
    ))
}

fn print_frames(
    exchange: ExchangeConfig,
    mut faults: FaultPlan,
    frames: u64,
) -> Result<(), Failure> {
    let mut output = BufWriter::new(io::stdout().lock());
    let mut deliveries = Vec::new();
    // Heartbeats go on without end: only the number of frames bounds the recording.
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

fn specs(args: &SimArgs) -> Vec<ProductSpec> {
    let specs = args.products.iter().map(|product| {
        let spec = spec(product).mood(args.mood.into());
        match args.levels {
            Some(levels) => spec.levels(usize::try_from(levels).unwrap_or(MAX_LEVELS)),
            None => spec,
        }
    });
    specs.collect()
}

/// Returns the market of a product: one like the venue's if the simulation knows it, else one
/// around 100.00.
fn spec(product: &ProductId) -> ProductSpec {
    let known = [
        ProductSpec::btc_usd(),
        ProductSpec::eth_usd(),
        ProductSpec::sol_usd(),
        ProductSpec::tiny_price(),
        ProductSpec::futures(),
    ];
    let name = product.as_str();
    known.into_iter().find(|spec| spec.product_id() == name).unwrap_or_else(|| {
        ProductSpec::new(name, OTHER_PRICE_SCALE, OTHER_SIZE_SCALE, OTHER_MID_TICKS)
    })
}
