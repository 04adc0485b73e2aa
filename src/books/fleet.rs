//! What [`Books`](super::Books) share with their tasks: who is fed by which connection, and how
//! that changes.
//!
//! Locks are taken in one order: `control`, then `routes` or one line. Nothing waits for anything
//! but a lock while it holds one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::config::BooksConfig;
use super::consumer::Hub;
use super::event::Event;
use super::line::{Chore, Line};
use super::placement::Placement;
use super::shard::{Shard, SharedLine, drive};
use super::slot::{Publishers, Slot};
use super::turnstile::lock;
use super::{BooksStats, Connector, Dial, StartError, SubscribeError, TooManyConnections, now};
use crate::clock::wall_now;
use crate::feed::Link;
use crate::session::{Cause, Stats};
use crate::sync::{read, write};
use crate::units::Epoch;
use crate::wire::ProductId;

/// Makes a dialer for a connection.
pub(super) type MakeDialer = dyn Fn() -> Box<dyn Dial> + Send + Sync;

/// Everything but the thread.
pub(super) struct Inner {
    pub(super) hub: Arc<Hub>,
    pub(super) runtime: Handle,
    connector: Connector,
    dialer: Option<Box<MakeDialer>>,
    line_count: usize,
    max_connections: usize,
    /// Before every frame.
    epoch: Epoch,
    routes: RwLock<Routes>,
    control: Mutex<Control>,
}

/// Where each product is found.
#[derive(Debug, Default)]
struct Routes {
    by_name: BTreeMap<ProductId, Route>,
    /// The venue's names, to those asked for.
    aliases: BTreeMap<ProductId, ProductId>,
}

/// A product, and the shard that feeds it.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) slot: Arc<Slot>,
    pub(super) shard: Arc<Shard>,
}

/// What is needed to change who is where. Held for a whole change, so that changes do not mix.
#[derive(Debug)]
struct Control {
    placement: Placement,
    shards: BTreeMap<u64, Arc<Shard>>,
    tasks: JoinSet<()>,
    /// The counters of shards that are no more.
    retired: Stats,
    is_closed: bool,
}

impl Inner {
    /// Spreads the products over connections, and starts those.
    pub(super) fn start(
        config: BooksConfig,
        runtime: Handle,
        dialer: Option<Box<MakeDialer>>,
    ) -> Result<Arc<Self>, StartError> {
        let line_count = config.redundancy.line_count();
        let max_shards = config.max_connections / line_count;
        let (products_per_connection, max_connections) =
            (config.products_per_connection, config.max_connections);
        let products = config.products.clone();
        let connector = Connector::new(config.into_feed_config()).map_err(StartError::Config)?;
        let inner = Arc::new(Self {
            hub: Arc::default(),
            runtime,
            connector,
            dialer,
            line_count,
            max_connections,
            epoch: Epoch { instant: now(), wall: Some(wall_now()) },
            routes: RwLock::default(),
            control: Mutex::new(Control {
                placement: Placement::new(products_per_connection, max_shards),
                shards: BTreeMap::new(),
                tasks: JoinSet::new(),
                retired: Stats::default(),
                is_closed: false,
            }),
        });
        let mut control = lock(&inner.control);
        let mut shards = Vec::new();
        for product in products {
            shards.extend(inner.add(&mut control, product).map_err(StartError::Full)?);
        }
        // Not before all products are there, so that each connection asks for its own at once.
        for shard in shards {
            inner.start_shard(&mut control, &shard);
        }
        drop(control);
        Ok(inner)
    }

    /// Finds a product under the name asked for or the venue's.
    pub(super) fn find(&self, product: &str) -> Option<Route> {
        let routes = self.routes();
        let route = routes.by_name.get(product);
        route.or_else(|| routes.by_name.get(routes.aliases.get(product)?)).cloned()
    }

    pub(super) fn slots(&self) -> Vec<Arc<Slot>> {
        self.routes().by_name.values().map(|route| Arc::clone(&route.slot)).collect()
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.control).is_closed
    }

    pub(super) fn subscribe(self: &Arc<Self>, product: ProductId) -> Result<(), SubscribeError> {
        let mut control = lock(&self.control);
        if control.is_closed {
            return Err(SubscribeError::Closed);
        }
        if let Some(shard) = self.add(&mut control, product).map_err(SubscribeError::Full)? {
            self.start_shard(&mut control, &shard);
        }
        Ok(())
    }

    pub(super) fn unsubscribe(&self, product: &ProductId) -> bool {
        let mut control = lock(&self.control);
        let mut routes = self.routes_mut();
        let Some(Route { slot, shard }) = routes.by_name.remove(product) else { return false };
        routes.aliases.retain(|_, asked| asked != product);
        drop(routes);
        for shared in &shard.lines {
            shared.line.queued().release(product);
            shared.wake.notify_one();
        }
        slot.end();
        self.hub.tell(&Event::Removed { product: product.clone() });
        let is_empty = control.placement.remove(product, shard.number);
        // A shard that has given up holds no place any more.
        if is_empty || control.placement.on(shard.number).is_empty() {
            self.end_shard(&mut control, &shard);
        }
        true
    }

    /// Does what a line has found to do and could not do itself.
    pub(super) fn do_chore(self: &Arc<Self>, shard: &Arc<Shard>, place: usize, chore: Chore) {
        match chore {
            Chore::Alias { product, canonical } => {
                let mut routes = self.routes_mut();
                // The product may have left meanwhile.
                if routes.by_name.contains_key(&product) {
                    routes.aliases.insert(canonical, product);
                }
            }
            Chore::Split { refused } => self.split(shard, place, refused),
        }
    }

    /// Takes note that a task has ended. When none is left that feeds a shard, nothing will.
    pub(super) fn line_has_ended(&self, shard: &Arc<Shard>) {
        let mut control = lock(&self.control);
        if shard.lines.iter().any(|shared| !shared.line.queued().session().is_ended()) {
            return;
        }
        for product in control.placement.on(shard.number) {
            if let Some(route) = self.routes().by_name.get(product) {
                route.slot.end();
            }
        }
        control.placement.end(shard.number);
    }

    pub(super) fn stats(&self) -> BooksStats {
        let control = lock(&self.control);
        let mut stats = BooksStats { session: control.retired, ..BooksStats::default() };
        for shared in control.shards.values().flat_map(|shard| &shard.lines) {
            let line = shared.line.queued();
            stats.session.add(line.session().stats());
            stats.connections += 1;
            stats.open += usize::from(line.session().is_connected());
        }
        drop(control);
        for route in self.routes().by_name.values() {
            stats.products += 1;
            stats.live += usize::from(route.slot.load().is_some());
            stats.covered += usize::from(route.slot.is_covered());
        }
        stats
    }

    /// Withdraws every book, tells everybody, and lets the tasks end.
    pub(super) fn shut_down(&self) {
        let mut control = lock(&self.control);
        control.is_closed = true;
        for shared in control.shards.values().flat_map(|shard| &shard.lines) {
            shared.close();
        }
        for slot in self.slots() {
            slot.end();
        }
        self.hub.close();
    }

    pub(super) fn take_tasks(&self) -> JoinSet<()> {
        std::mem::take(&mut lock(&self.control).tasks)
    }

    /// Spreads products of which a connection was refused some over more connections.
    ///
    /// How many it would take is not known: at least those that it has, and fewer than those and
    /// the refused ones. Half of the refused ones are tried again there, and the others elsewhere.
    fn split(self: &Arc<Self>, shard: &Arc<Shard>, place: usize, mut refused: Vec<ProductId>) {
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
                // There may be no further connection. The session goes on asking, ever more
                // seldom.
                return;
            }
        }
        // They were refused with the others and would not come until asked for again.
        let shared = &shard.lines[place];
        for product in &refused {
            let mut line = shared.line.queued();
            if let Some((slot, publisher)) = line.release(product) {
                line.subscribe(now(), slot, publisher);
            }
        }
        for shared in &shard.lines {
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
        control.placement.remove_from(product, from.number);
        let released: Vec<_> =
            from.lines.iter().filter_map(|shared| shared.line.queued().release(product)).collect();
        let (slots, publishers): (Vec<_>, Publishers) = released.into_iter().unzip();
        let Some(slot) = slots.into_iter().next() else { return false };
        if std::mem::take(&mut lock(&slot.standing).is_live) {
            slot.announce();
            self.hub.tell(&Event::Lost { product: product.clone(), cause: Cause::Refused });
        }
        if let Some(shard) = self.put(control, number, slot, publishers) {
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
        if self.routes().by_name.contains_key(&product) {
            return Ok(None);
        }
        let Ok(number) = control.placement.place(product.clone()) else {
            return Err(TooManyConnections { product, max_connections: self.max_connections });
        };
        let (slot, publishers) = Slot::new(product, self.line_count, now(), self.epoch);
        Ok(self.put(control, number, slot, publishers))
    }

    /// Puts a product on a shard, which is made if there is none of that number, and returned then
    /// to be started.
    fn put(
        &self,
        control: &mut Control,
        number: u64,
        slot: Arc<Slot>,
        publishers: Publishers,
    ) -> Option<Arc<Shard>> {
        let is_new = !control.shards.contains_key(&number);
        let make = || Arc::new(self.make_shard(number));
        let shard = Arc::clone(control.shards.entry(number).or_insert_with(make));
        let route = Route { slot: Arc::clone(&slot), shard: Arc::clone(&shard) };
        let mut routes = self.routes_mut();
        routes.by_name.insert(slot.name.clone(), route);
        let known = &self.connector.session.aliases;
        if let Some((asked, canonical)) = known.iter().find(|(asked, _)| *asked == slot.name) {
            routes.aliases.insert(canonical.clone(), asked.clone());
        }
        drop(routes);
        for (shared, publisher) in shard.lines.iter().zip(publishers) {
            shared.line.queued().subscribe(now(), Arc::clone(&slot), publisher);
            shared.wake.notify_one();
        }
        is_new.then_some(shard)
    }

    fn make_shard(&self, number: u64) -> Shard {
        let line = |place| {
            let (config, hub) = (self.connector.session.clone(), Arc::clone(&self.hub));
            SharedLine::new(Line::new(config, number, place, hub, now()))
        };
        Shard { number, lines: (0..self.line_count).map(line).collect() }
    }

    fn start_shard(self: &Arc<Self>, control: &mut Control, shard: &Arc<Shard>) {
        // Those that have ended are not kept.
        while control.tasks.try_join_next().is_some() {}
        for place in 0..shard.lines.len() {
            let task = drive(Arc::clone(self), Arc::clone(shard), place, self.link());
            control.tasks.spawn_on(task, &self.runtime);
        }
    }

    fn end_shard(&self, control: &mut Control, shard: &Arc<Shard>) {
        // One that has given up comes here with each of its products, and is ended with the first.
        if control.shards.remove(&shard.number).is_none() {
            return;
        }
        for shared in &shard.lines {
            shared.close();
            control.retired.add(shared.line.queued().session().stats());
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

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Books").field("products", &self.slots()).finish_non_exhaustive()
    }
}
