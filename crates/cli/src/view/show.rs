//! Drives a feed and shows what it does, until somebody or something ends it.

use std::fmt;
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::time::Duration;

use level2::feed::{Feed, FeedConfig};
use level2::session::{Disconnect, Session, SessionEvent};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use crate::failure::Failure;
use crate::format::text::printable;
use crate::stop::{Listen, Stop};
use crate::view::lines::LinesView;
use crate::view::screen::ScreenView;

/// How many dials may fail before there ever was a connection: more likely than an outage is an
/// address that is wrong, and a person waits. Once connected, the feed heals for as long as it
/// takes.
const MAX_FIRST_DIALS: u32 = 5;

/// Shows a session to somebody.
pub(crate) trait View {
    /// Returns how often [`tick`](Self::tick) is to be called.
    fn period(&self) -> Duration;

    /// Shows that something happened.
    fn event(&mut self, session: &Session, event: &SessionEvent) -> Result<(), Failure>;

    /// Shows how things stand, and says whether the user wants to go on.
    fn tick(&mut self, session: &Session) -> Result<ControlFlow<()>, Failure>;

    /// Shows how things stood at the end.
    fn finish(&mut self, session: &Session) -> Result<(), Failure>;
}

/// Returns the view for people: refreshed in place on a terminal, and plain lines otherwise.
pub(crate) fn view_for_people(title: &str, depth: usize) -> Result<Box<dyn View>, Failure> {
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if std::io::stdout().is_terminal() && !is_dumb {
        Ok(Box::new(ScreenView::open(title, depth)?))
    } else {
        Ok(Box::new(LinesView::open(title, depth)?))
    }
}

/// Connects a feed and shows it until the duration is over, the user ends it, or the feed gives
/// up. The view is finished in each of these cases.
pub(crate) async fn show(
    config: FeedConfig,
    duration: Option<Duration>,
    view: &mut dyn View,
    listen: Listen<'_>,
) -> Result<(), Failure> {
    let url = printable(&config.url);
    let feed = Feed::new(config).map_err(|error| Failure::new(printable(&error.to_string())))?;
    show_feed(feed, &url, duration, view, listen).await
}

/// Does the same with a feed that was made already; `url` is for messages.
pub(crate) async fn show_feed(
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
        End::Failed(message) => Err(Failure::new(format!("{url}: {message}{dials}"))),
        End::DurationOver if !dials.has_connected => {
            Err(Failure::new(format!("{url}: no connection came about in time{dials}")))
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

/// What became of the dials so far.
#[derive(Default)]
struct Dials {
    has_connected: bool,
    failed: u32,
    last_loss: Option<Disconnect>,
}

impl fmt::Display for Dials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.last_loss {
            Some(reason) => write!(f, ": {}", printable(&reason.to_string())),
            None => Ok(()),
        }
    }
}

impl Dials {
    fn note(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::Connected => self.has_connected = true,
            SessionEvent::Disconnected { reason } => {
                self.failed += 1;
                self.last_loss = Some(reason.clone());
            }
            _ => {}
        }
    }

    fn are_hopeless(&self) -> bool {
        !self.has_connected && self.failed >= MAX_FIRST_DIALS
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
                        return Ok(End::Failed(format!("gave up after {} dials", dials.failed)));
                    }
                }
                Err(error) => return Ok(End::Failed(printable(&error.to_string()))),
            },
            _ = ticks.tick() => {
                if view.tick(feed.session())?.is_break() {
                    return Ok(End::Stopped);
                }
            }
            () = stop.requested() => return Ok(End::Stopped),
            () = at(deadline) => return Ok(End::DurationOver),
        }
    }
}

/// Waits until a moment, or for ever where there is none.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
