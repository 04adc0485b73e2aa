//! `level2 demo`: the whole path, from a simulated exchange to healed books, checked on the way.

use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use clap::Args;
use level2::ProductId;
use level2::book::Level;
use level2::feed::FeedConfig;
use level2::session::{Session, SessionEvent};
use level2_sim::{
    ConnectionId, ExchangeConfig, FaultPlan, ProductSpec, Server, ServerConfig, TrueBbo,
};
use rust_decimal::Decimal;

use crate::failure::{Failure, print};
use crate::live::{View, show, view_for_people};
use crate::stop::Listen;

/// How many frames of a million the exchange loses: of about 60 a second, one every 10 seconds.
const DROP_PPM: u32 = 1_700;

/// After how long a connection counts as sound again. Losses are so frequent here that waits
/// between dials would keep growing at the usual half minute.
const HEALTHY_AFTER: Duration = Duration::from_secs(1);

/// A seed whose first gap comes after some four seconds, and the next ten later.
const DEFAULT_SEED: u64 = 9;

/// What the demonstration is told.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// End after this long, such as 10s or 2m
    #[arg(long, value_parser = crate::duration::parse)]
    duration: Option<Duration>,
    /// Decides every market and every fault
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SEED)]
    seed: u64,
}

/// Runs the demonstration until the duration is over or the user ends it.
pub(crate) fn run(args: &DemoArgs, listen: Listen<'_>) -> Result<(), Failure> {
    crate::run_async(demonstrate(args, listen))
}

async fn demonstrate(args: &DemoArgs, listen: Listen<'_>) -> Result<(), Failure> {
    let specs = [ProductSpec::btc_usd(), ProductSpec::eth_usd(), ProductSpec::sol_usd()];
    let products: Vec<ProductId> =
        specs.iter().filter_map(|spec| spec.product_id().parse().ok()).collect();
    let server = Server::start(ServerConfig {
        exchange: ExchangeConfig {
            seed: args.seed,
            products: specs.to_vec(),
            started_at: SystemTime::now(),
            ..ExchangeConfig::default()
        },
        faults: FaultPlan::drops(DROP_PPM).seed(args.seed),
        ..ServerConfig::default()
    })
    .await
    .map_err(|error| Failure::new(format!("cannot start the simulated exchange: {error}")))?;

    let mut config = FeedConfig::new(products);
    config.url = server.url();
    config.seed = Some(args.seed);
    config.policy.healthy_after = HEALTHY_AFTER;
    let title = format!(
        "level2 demo: the real feed on a simulated exchange that loses frames ({})",
        server.url()
    );
    let mut view = CheckedView {
        inner: view_for_people(&title, 1)?,
        server: &server,
        connection: None,
        checked: 0,
        wrong: 0,
    };
    show(config, args.duration, &mut view, listen).await?;
    let CheckedView { checked, wrong, .. } = view;
    let faults = server.fault_counts();
    server.shutdown().await;
    print(&format!(
        "The exchange lost {} of {} frames on purpose.\n",
        faults.drops, faults.frames
    ))?;
    if wrong > 0 {
        return Err(Failure::new(format!(
            "{wrong} of {checked} best bids and asks differ from the exchange's true book"
        )));
    }
    print(&format!(
        "All {checked} best bids and asks were equal to the exchange's true book at their frame.\n"
    ))
}

/// A view that compares every best bid and ask with the truth before it shows them.
struct CheckedView<'a> {
    inner: Box<dyn View>,
    server: &'a Server,
    /// The feed's connection, as the exchange calls it.
    connection: Option<ConnectionId>,
    checked: u64,
    wrong: u64,
}

impl CheckedView<'_> {
    fn check(&mut self, session: &Session, product: &ProductId) {
        let bbo = session.bbo(product).ok().and_then(|reader| reader.load());
        let (Some(bbo), Some(connection)) = (bbo, self.connection) else { return };
        let truth = self
            .server
            .with_exchange(|exchange| exchange.truth(connection, product.as_str(), bbo.sequence));
        let pair = |level: Level| -> (Decimal, Decimal) { (level.price, level.size) };
        let shown = TrueBbo { bid: bbo.bid.map(pair), ask: bbo.ask.map(pair) };
        self.checked += 1;
        self.wrong += u64::from(truth != Some(shown));
    }
}

impl View for CheckedView<'_> {
    fn period(&self) -> Duration {
        self.inner.period()
    }

    fn event(&mut self, session: &Session, event: &SessionEvent) -> Result<(), Failure> {
        match event {
            // The feed is the exchange's only client.
            SessionEvent::Connected => self.connection = self.server.newest_connection(),
            SessionEvent::Synced { product, .. } | SessionEvent::Updated { product, .. } => {
                self.check(session, product);
            }
            _ => {}
        }
        self.inner.event(session, event)
    }

    fn tick(&mut self, session: &Session) -> Result<ControlFlow<()>, Failure> {
        self.inner.tick(session)
    }

    fn finish(&mut self, session: &Session) -> Result<(), Failure> {
        self.inner.finish(session)
    }
}
