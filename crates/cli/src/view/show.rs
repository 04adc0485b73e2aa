//! Drives a feed and shows it until it ends.

use std::fmt;
use std::future::pending;
use std::time::Duration;

use level2::feed::Feed;
use level2::session::{Disconnect, SessionEvent};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::View;
use crate::failure::Failure;
use crate::format::text::{counted, printable};
use crate::stop::{Listen, Stop};

/// How many dials may fail before the first connection. A wrong address is more likely then than
/// an outage, and a person waits. Once connected, the feed reconnects for as long as it takes.
const MAX_FIRST_DIALS: u32 = 5;

/// Connects a feed and shows it until the duration is over, the user ends it, or the feed gives
/// up. In each case the view shows the final state. `url` is for messages.
pub(crate) async fn show(
    mut feed: Feed,
    url: &str,
    duration: Option<Duration>,
    view: &mut dyn View,
    listen: Listen<'_>,
) -> Result<(), Failure> {
    let mut stop = Stop::listen(listen)?;
    let deadline = duration.map(|duration| Instant::now() + duration);
    let mut dials = Dials::default();
    let end = drive(&mut feed, view, &mut dials, &mut stop, deadline).await?;
    view.finish(feed.session())?;
    feed.close().await;
    match end {
        End::Failed(message) => Err(Failure::new(format!("{url}: {message}"))),
        End::DurationOver if !dials.has_connected => {
            Err(Failure::new(format!("{url}: no connection before the end of --duration{dials}")))
        }
        End::DurationOver | End::Stopped => Ok(()),
    }
}

/// Why the view ends.
enum End {
    DurationOver,
    Failed(String),
    Stopped,
}

/// The dials so far.
#[derive(Default)]
struct Dials {
    has_connected: bool,
    failed: u32,
    last_error: Option<Disconnect>,
}

impl Dials {
    fn note(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::Connected => self.has_connected = true,
            SessionEvent::Disconnected { reason } => {
                self.failed += 1;
                self.last_error = Some(reason.clone());
            }
            _ => {}
        }
    }

    const fn are_hopeless(&self) -> bool {
        !self.has_connected && self.failed >= MAX_FIRST_DIALS
    }
}

impl fmt::Display for Dials {
    /// Writes the last error after a colon, if there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.last_error {
            Some(error) => write!(f, ": {}", printable(&error.to_string())),
            None => Ok(()),
        }
    }
}

async fn drive(
    feed: &mut Feed,
    view: &mut dyn View,
    dials: &mut Dials,
    stop: &mut Stop,
    deadline: Option<Instant>,
) -> Result<End, Failure> {
    let mut ticks = interval_at(Instant::now() + view.period(), view.period());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            event = feed.next() => match event {
                Ok(event) => {
                    dials.note(&event);
                    view.event(feed.session(), &event)?;
                    if dials.are_hopeless() {
                        let count = counted(dials.failed.into(), "dial");
                        return Ok(End::Failed(format!(
                            "gave up after {count}{dials}; check the address and the network"
                        )));
                    }
                }
                Err(error) => {
                    return Ok(End::Failed(format!("{}{dials}", printable(&error.to_string()))));
                }
            },
            _ = ticks.tick() => {
                if view.tick(feed.session())?.is_break() {
                    return Ok(End::Stopped);
                }
            }
            () = stop.requested() => return Ok(End::Stopped),
            () = reached(deadline) => return Ok(End::DurationOver),
        }
    }
}

/// Waits until the deadline, or forever if there is none.
async fn reached(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}
