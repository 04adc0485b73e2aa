//! The task that drives one lane over a socket.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::lane::{Deferred, SocketCommand};
use super::lanes::LaneId;
use super::shard::{Shard, SharedLane};
#[cfg(feature = "auth")]
use crate::auth::AuthError;
use crate::clock::now;
use crate::feed::{FeedError, Link, Received};

/// How long closed connections may take to say goodbye before they are dropped.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The owner of the lanes, which a task reports to. It is called without any lock held.
pub(super) trait Owner: Send + Sync + 'static {
    /// Carries out what a lane has found to be necessary and cannot do itself.
    fn do_deferred(self: &Arc<Self>, shard: &Arc<Shard>, lane: LaneId, deferred: Deferred);

    /// Takes note that the task of one of the shard's lanes has ended, and the lane with it.
    fn lane_has_ended(&self, shard: &Arc<Shard>);

    /// Takes note that a request of a connection could not be signed, and was not sent.
    #[cfg(feature = "auth")]
    fn unsigned(&self, connection: u64, error: AuthError);
}

/// What a task has found in one look at its lane.
struct Turn {
    until: Instant,
    is_ended: bool,
    deferred: Vec<Deferred>,
}

/// Drives a lane until its session has ended. However this ends, also when the task is dropped,
/// the lane's books are withdrawn.
pub(super) async fn drive<O: Owner>(
    owner: Arc<O>,
    shard: Arc<Shard>,
    lane: LaneId,
    mut link: Link,
) {
    let ending = EndOnDrop { owner, shard, lane };
    let EndOnDrop { owner, shard, .. } = &ending;
    let shared = &shard.lanes[lane];
    let mut received = None;
    loop {
        let turn = take_turn(shared, &mut link, received.take());
        for deferred in turn.deferred {
            owner.do_deferred(shard, lane, deferred);
        }
        if turn.is_ended {
            break;
        }
        tokio::select! {
            biased;
            polled = poll_fn(|cx| link.poll_received(cx, turn.until)) => match polled {
                Ok(polled) => received = Some(polled),
                Err(error) => report(&**owner, shared, error),
            },
            () = shared.wake.notified() => {}
        }
    }
    drop(ending);
    link.close().await;
}

/// Hands in what was received, and carries out what the lane wants done about the socket. Waits
/// for nothing but the lock, which readers hold for one closure at a time.
fn take_turn(shared: &SharedLane, link: &mut Link, received: Option<Received>) -> Turn {
    let received_at = now();
    let mut lane = shared.lane.lock_first();
    if let Some(received) = received {
        received.pass_to(|input| lane.handle(received_at, input));
    }
    let now = now();
    let until = loop {
        let turn = match lane.poll(now) {
            SocketCommand::Connect => link.connect(),
            // A session that has ended leaves its connection to be closed in good order.
            SocketCommand::Disconnect if lane.session().is_ended() => None,
            SocketCommand::Disconnect => {
                link.disconnect();
                None
            }
            SocketCommand::Send(request) => link.send(request),
            SocketCommand::Wait(until) => break until,
        };
        if let Some(turn) = turn {
            lane.hold(now, turn);
        }
    };
    Turn { until, is_ended: lane.session().is_ended(), deferred: lane.take_deferred() }
}

/// Reports a request that could not be signed. The feed has no other error that its link goes on
/// after.
fn report(owner: &impl Owner, shared: &SharedLane, error: FeedError) {
    #[cfg(feature = "auth")]
    if let FeedError::Auth(error) = error {
        let connection = shared.lane.lock_first().session().connection();
        owner.unsigned(connection, error);
    }
    #[cfg(not(feature = "auth"))]
    let _ = (owner, shared, error);
}

/// Withdraws the books of a lane that is no longer driven, and reports its end; also when its task
/// is dropped with its runtime.
struct EndOnDrop<O: Owner> {
    owner: Arc<O>,
    shard: Arc<Shard>,
    lane: LaneId,
}

impl<O: Owner> Drop for EndOnDrop<O> {
    fn drop(&mut self) {
        self.shard.lanes[self.lane].lane.lock_first().close(now());
        self.owner.lane_has_ended(&self.shard);
    }
}

/// Waits for tasks to end, and aborts those that take too long.
pub(super) async fn finish(mut tasks: JoinSet<()>, runtime: &Handle) {
    let all = async { while tasks.join_next().await.is_some() {} };
    // The timer is the books' own: the caller may be on no runtime.
    let all = {
        let _context = runtime.enter();
        tokio::time::timeout(CLOSE_TIMEOUT, all)
    };
    // What is left is aborted when the set is dropped.
    let _ = all.await;
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::sync::Mutex;

    use super::*;
    use crate::books::cell::ProductCell;
    use crate::books::error::Closed;
    use crate::books::lane::{Ending, Lane};
    use crate::books::lanes::Lanes;
    use crate::feed::{Connector, Dial, DialError, Dialing, FeedConfig};
    use crate::session::{DialStage, Disconnect};
    use crate::sync::lock;

    /// Counts what tasks report.
    #[derive(Default)]
    struct Reports {
        ends: Mutex<Vec<Option<Ending>>>,
    }

    impl Owner for Reports {
        fn do_deferred(self: &Arc<Self>, _: &Arc<Shard>, _: LaneId, deferred: Deferred) {
            panic!("a venue that is not reached cannot cause {deferred:?}");
        }

        fn lane_has_ended(&self, shard: &Arc<Shard>) {
            let ending = shard.lanes[LaneId::First].lane.lock_queued().ending();
            lock(&self.ends).push(ending);
        }

        #[cfg(feature = "auth")]
        fn unsigned(&self, _: u64, error: AuthError) {
            panic!("nothing is signed: {error}");
        }
    }

    /// A dialer that fails at once, or never comes to an end.
    struct Unreachable {
        fails: bool,
    }

    impl Dial for Unreachable {
        fn dial(&mut self) -> Dialing {
            let refused = Err(DialError::new(DialStage::Tcp, "connection refused"));
            match self.fails {
                true => Box::pin(std::future::ready(refused)),
                false => Box::pin(std::future::pending()),
            }
        }
    }

    /// Returns a shard of one lane with a product, a link for it, and the product's cell.
    fn shard(fails: bool) -> (Arc<Shard>, Link, Arc<ProductCell>) {
        let mut config = FeedConfig::new([]);
        config.url = "ws://localhost/".to_owned();
        config.policy.max_failed_dials = NonZeroU32::new(3);
        let connector = Connector::new(config).unwrap();
        let now = now();
        let (cell, publishers) =
            ProductCell::new("BTC-USD".parse().unwrap(), false, now, now.into());
        let make = |id| Lane::new(connector.session.clone(), 0, id, Arc::default(), now);
        let lanes = Lanes::new(false, |id| SharedLane::new(make(id)));
        for (shared, publisher) in lanes.iter().zip(publishers) {
            shared.lane.lock_queued().subscribe(now, Arc::clone(&cell), publisher);
        }
        let link = connector.link_with(Box::new(Unreachable { fails }));
        (Arc::new(Shard { number: 0, lanes }), link, cell)
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_ends_when_its_session_gives_up_and_says_why() {
        let (shard, link, _cell) = shard(true);
        let reports: Arc<Reports> = Arc::default();
        drive(Arc::clone(&reports), shard, LaneId::First, link).await;
        let (stage, error) = (DialStage::Tcp, "connection refused".into());
        let reason = Disconnect::NotConnected { stage, error };
        assert_eq!(*lock(&reports.ends), [Some(Ending::GaveUp(Some(reason)))]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_ends_when_its_lane_is_closed() {
        let (shard, link, _cell) = shard(false);
        let reports: Arc<Reports> = Arc::default();
        let task = drive(Arc::clone(&reports), Arc::clone(&shard), LaneId::First, link);
        let task = tokio::spawn(task);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!task.is_finished());
        shard.lanes[LaneId::First].close();
        task.await.unwrap();
        assert_eq!(*lock(&reports.ends), [Some(Ending::Closed)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_is_dropped_ends_its_lane_once() {
        let (shard, link, cell) = shard(false);
        let reports: Arc<Reports> = Arc::default();
        let task = drive(Arc::clone(&reports), Arc::clone(&shard), LaneId::First, link);
        assert!(tokio::time::timeout(Duration::from_secs(1), task).await.is_err());
        assert_eq!(*lock(&reports.ends), [Some(Ending::Closed)]);
        assert!(shard.lanes[LaneId::First].lane.lock_first().session().is_ended());
        assert_eq!((cell.load(), cell.ended()), (None, None::<&Closed>));
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_that_take_too_long_are_aborted() {
        let mut tasks = JoinSet::new();
        tasks.spawn(std::future::pending());
        let start = now();
        finish(tasks, &Handle::current()).await;
        let took = now() - start;
        assert!((CLOSE_TIMEOUT..2 * CLOSE_TIMEOUT).contains(&took), "{took:?}");
    }
}
