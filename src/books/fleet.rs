//! What [`Books`](super::Books) share with their tasks: which shard feeds which product, and how
//! that changes.
//!
//! Locks are taken in one order: `control`, then `routes` or one lane. Nothing waits for anything
//! but a lock while it holds one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::cell::ProductCell;
use super::config::BooksConfig;
use super::consumer::Hub;
use super::error::{Closed, StartError, SubscribeError, TooManyConnections};
use super::event::Event;
use super::lane::{Deferred, Ending, Lane};
use super::lanes::{LaneId, Lanes};
use super::placement::Placement;
use super::routes::{Route, Routes};
use super::shard::{Shard, SharedLane};
use super::status::BooksStats;
use super::task::{Owner, drive};
#[cfg(feature = "auth")]
use crate::auth::AuthError;
use crate::bbo::BboPublisher;
use crate::clock::{now, wall_now};
use crate::feed::{Connector, Dial, Link};
use crate::session::{Cause, Stats};
use crate::sync::{lock, read, write};
use crate::units::Epoch;
use crate::wire::ProductId;

/// Makes a dialer for a connection.
pub(super) type MakeDialer = dyn Fn() -> Box<dyn Dial> + Send + Sync;

/// All shards, their lanes and tasks, and the routes to them.
pub(super) struct Fleet {
    pub(super) hub: Arc<Hub>,
    pub(super) runtime: Handle,
    connector: Connector,
    dialer: Option<Box<MakeDialer>>,
    has_standby: bool,
    max_connections: usize,
    /// Before every frame.
    epoch: Epoch,
    routes: RwLock<Routes>,
    control: Mutex<Control>,
}

/// What is needed to change which shard feeds which product. Locked for a whole change, so that
/// changes do not mix.
#[derive(Debug)]
struct Control {
    placement: Placement,
    shards: BTreeMap<u64, Arc<Shard>>,
    tasks: JoinSet<()>,
    /// The counters of shards that have ended.
    retired: Stats,
    is_closed: bool,
}

impl Fleet {
    /// Spreads the products over connections, and starts those.
    pub(super) fn start(
        config: BooksConfig,
        runtime: Handle,
        dialer: Option<Box<MakeDialer>>,
    ) -> Result<Arc<Self>, StartError> {
        let has_standby = config.redundancy.has_standby();
        let max_connections = config.max_connections;
        let max_shards = max_connections / if has_standby { 2 } else { 1 };
        let placement = Placement::new(config.products_per_connection, max_shards);
        let products = config.products.clone();
        let connector = Connector::new(config.into_feed_config()).map_err(StartError::Config)?;
        let fleet = Arc::new(Self {
            hub: Arc::default(),
            runtime,
            connector,
            dialer,
            has_standby,
            max_connections,
            epoch: Epoch { instant: now(), wall: Some(wall_now()) },
            routes: RwLock::default(),
            control: Mutex::new(Control {
                placement,
                shards: BTreeMap::new(),
                tasks: JoinSet::new(),
                retired: Stats::default(),
                is_closed: false,
            }),
        });
        let mut control = lock(&fleet.control);
        let mut shards = Vec::new();
        for product in products {
            shards.extend(fleet.add(&mut control, product).map_err(StartError::Full)?);
        }
        // Not before all products are there, so that each connection asks for its own at once.
        for shard in shards {
            fleet.start_shard(&mut control, &shard);
        }
        drop(control);
        Ok(fleet)
    }

    /// Finds a product under its requested name or the venue's.
    pub(super) fn find(&self, product: &str) -> Option<Route> {
        self.routes().find(product).cloned()
    }

    /// Returns the cells of all products, in the alphabetical order of their requested names.
    pub(super) fn cells(&self) -> Vec<Arc<ProductCell>> {
        self.routes().iter().map(|route| Arc::clone(&route.cell)).collect()
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.control).is_closed
    }

    pub(super) fn subscribe(self: &Arc<Self>, product: ProductId) -> Result<(), SubscribeError> {
        let mut control = lock(&self.control);
        if control.is_closed {
            return Err(SubscribeError::Closed { product });
        }
        if let Some(shard) = self.add(&mut control, product).map_err(SubscribeError::Full)? {
            self.start_shard(&mut control, &shard);
        }
        Ok(())
    }

    /// Returns whether there was a product with this requested name.
    pub(super) fn unsubscribe(&self, product: &str) -> bool {
        let mut control = lock(&self.control);
        let Some(Route { cell, shard }) = self.routes_mut().remove(product) else { return false };
        let product = cell.name();
        for shared in shard.lanes.iter() {
            shared.lane.lock_queued().release(product);
            shared.wake.notify_one();
        }
        cell.end(Closed::Unsubscribed { product: product.clone() });
        self.hub.notify(&Event::Removed { product: product.clone() });
        let is_empty = control.placement.remove(product, shard.number);
        // A shard that has given up is not in the placement any more.
        if is_empty || control.placement.on(shard.number).is_empty() {
            self.end_shard(&mut control, &shard);
        }
        true
    }

    pub(super) fn stats(&self) -> BooksStats {
        let control = lock(&self.control);
        let mut stats = BooksStats { session: control.retired, ..BooksStats::default() };
        for shared in control.shards.values().flat_map(|shard| shard.lanes.iter()) {
            let lane = shared.lane.lock_queued();
            stats.session.add(lane.session().stats());
            stats.connections += 1;
            stats.open += usize::from(lane.session().is_connected());
        }
        drop(control);
        for route in self.routes().iter() {
            stats.products += 1;
            stats.live += usize::from(route.cell.load().is_some());
            stats.covered += usize::from(route.cell.is_covered());
        }
        stats
    }

    /// Withdraws every book, notifies consumers and waiters, and lets the tasks end.
    pub(super) fn shut_down(&self) {
        let mut control = lock(&self.control);
        control.is_closed = true;
        for shared in control.shards.values().flat_map(|shard| shard.lanes.iter()) {
            shared.close();
        }
        for cell in self.cells() {
            cell.end(Closed::ByCaller);
        }
        self.hub.close();
    }

    pub(super) fn take_tasks(&self) -> JoinSet<()> {
        std::mem::take(&mut lock(&self.control).tasks)
    }

    /// Spreads products, of which a connection was refused some, over more connections.
    ///
    /// How many the venue would serve there is unknown: at least those that are live, and fewer
    /// than those and the refused ones. Half of the refused ones are tried again there, and the
    /// others elsewhere.
    fn split(self: &Arc<Self>, shard: &Arc<Shard>, lane: LaneId, mut refused: Vec<ProductId>) {
        let mut control = lock(&self.control);
        let products = control.placement.on(shard.number).to_vec();
        refused.retain(|product| products.contains(product));
        let kept = (products.len() - refused.len() + refused.len() / 2).max(1);
        if control.is_closed || refused.is_empty() || products.len() <= kept {
            return;
        }
        control.placement.limit(kept);
        for product in refused.split_off(refused.len() - (products.len() - kept)) {
            if !self.relocate(&mut control, shard, &product) {
                // The settings allow no further connection. The session goes on asking, at
                // growing intervals.
                return;
            }
        }
        // They were refused with the others and would not come until requested again.
        let shared = &shard.lanes[lane];
        for product in &refused {
            let mut lane = shared.lane.lock_queued();
            if let Some((cell, publisher)) = lane.release(product) {
                lane.subscribe(now(), cell, publisher);
            }
        }
        for shared in shard.lanes.iter() {
            shared.wake.notify_one();
        }
    }

    /// Moves a product to another shard, its readers with it. Returns whether there was one.
    fn relocate(
        self: &Arc<Self>,
        control: &mut Control,
        from: &Arc<Shard>,
        product: &ProductId,
    ) -> bool {
        let Ok(number) = control.placement.place(product.clone()) else { return false };
        debug_assert_ne!(number, from.number, "the shard holds more than it takes");
        control.placement.remove_from(product, from.number);
        let released = from.lanes.try_map(|shared| shared.lane.lock_queued().release(product));
        debug_assert!(released.is_some(), "a product on a shard is in each of its lanes");
        let Some((cells, publishers)) = released.map(Lanes::unzip) else { return false };
        let cell = Arc::clone(&cells[LaneId::First]);
        if cell.withdraw() {
            self.hub.notify(&Event::Lost { product: product.clone(), cause: Cause::Refused });
        }
        if let Some(shard) = self.put(control, number, cell, publishers) {
            self.start_shard(control, &shard);
        }
        true
    }

    /// Adds a product unless it is there. Returns its shard if that has to be started.
    fn add(
        &self,
        control: &mut Control,
        product: ProductId,
    ) -> Result<Option<Arc<Shard>>, TooManyConnections> {
        if self.routes().get(&product).is_some() {
            return Ok(None);
        }
        let Ok(number) = control.placement.place(product.clone()) else {
            return Err(TooManyConnections { product, max_connections: self.max_connections });
        };
        let (cell, publishers) = ProductCell::new(product, self.has_standby, now(), self.epoch);
        Ok(self.put(control, number, cell, publishers))
    }

    /// Puts a product on a shard. Makes the shard if there is none of that number, and returns it
    /// then to be started.
    fn put(
        &self,
        control: &mut Control,
        number: u64,
        cell: Arc<ProductCell>,
        publishers: Lanes<BboPublisher>,
    ) -> Option<Arc<Shard>> {
        let is_new = !control.shards.contains_key(&number);
        let make = || Arc::new(self.make_shard(number));
        let shard = Arc::clone(control.shards.entry(number).or_insert_with(make));
        let mut routes = self.routes_mut();
        routes.insert(Route { cell: Arc::clone(&cell), shard: Arc::clone(&shard) });
        let known = &self.connector.session.aliases;
        if let Some((asked, canonical)) = known.iter().find(|(asked, _)| asked == cell.name()) {
            routes.add_alias(asked, canonical);
        }
        drop(routes);
        for (shared, publisher) in shard.lanes.iter().zip(publishers) {
            shared.lane.lock_queued().subscribe(now(), Arc::clone(&cell), publisher);
            shared.wake.notify_one();
        }
        is_new.then_some(shard)
    }

    fn make_shard(&self, number: u64) -> Shard {
        let lane = |id| {
            let (config, hub) = (self.connector.session.clone(), Arc::clone(&self.hub));
            SharedLane::new(Lane::new(config, number, id, hub, now()))
        };
        Shard { number, lanes: Lanes::new(self.has_standby, lane) }
    }

    fn start_shard(self: &Arc<Self>, control: &mut Control, shard: &Arc<Shard>) {
        // Results of tasks that have ended are not kept.
        while control.tasks.try_join_next().is_some() {}
        for lane in shard.lanes.ids() {
            let task = drive(Arc::clone(self), Arc::clone(shard), lane, self.link());
            control.tasks.spawn_on(task, &self.runtime);
        }
    }

    fn end_shard(&self, control: &mut Control, shard: &Arc<Shard>) {
        // One that has given up comes here with each of its products, and is ended with the first.
        if control.shards.remove(&shard.number).is_none() {
            return;
        }
        for shared in shard.lanes.iter() {
            shared.close();
            control.retired.add(shared.lane.lock_queued().session().stats());
        }
    }

    fn link(&self) -> Link {
        match &self.dialer {
            Some(dialer) => self.connector.link_with(dialer()),
            None => self.connector.link(),
        }
    }

    fn routes(&self) -> RwLockReadGuard<'_, Routes> {
        read(&self.routes)
    }

    fn routes_mut(&self) -> RwLockWriteGuard<'_, Routes> {
        write(&self.routes)
    }
}

impl Owner for Fleet {
    fn do_deferred(self: &Arc<Self>, shard: &Arc<Shard>, lane: LaneId, deferred: Deferred) {
        match deferred {
            Deferred::Alias { product, canonical } => {
                self.routes_mut().add_alias(&product, &canonical);
            }
            Deferred::Split { refused } => self.split(shard, lane, refused),
        }
    }

    fn lane_has_ended(&self, shard: &Arc<Shard>) {
        let mut control = lock(&self.control);
        let mut gave_up = None;
        for shared in shard.lanes.iter() {
            match shared.lane.lock_queued().ending() {
                // Its products are still fed.
                None => return,
                Some(Ending::Closed) => {}
                Some(Ending::GaveUp(reason)) => gave_up = Some(reason),
            }
        }
        for name in control.placement.on(shard.number) {
            let Some(cell) = self.routes().get(name).map(|route| Arc::clone(&route.cell)) else {
                continue;
            };
            let product = name.clone();
            cell.end(match &gave_up {
                Some(reason) => Closed::GaveUp { product, reason: reason.clone() },
                // A cell that was closed keeps that reason.
                None => Closed::RuntimeGone { product },
            });
        }
        control.placement.end(shard.number);
    }

    #[cfg(feature = "auth")]
    fn unsigned(&self, connection: u64, error: AuthError) {
        self.hub.notify(&Event::Unsigned { connection, error });
    }
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet").field("products", &self.cells()).finish_non_exhaustive()
    }
}
