//! `level2 record`: what a live venue sends, frame by frame, for `level2 replay`.

use std::io;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::Args;
use level2::feed::Feed;
use level2::session::{Session, SessionEvent};

use crate::failure::{Failure, warn};
use crate::format::text::printable;
use crate::options::venue::VenueArgs;
use crate::recording::writer::Output;
use crate::stop::Listen;
use crate::view::show::{View, show_feed};

/// How often it is seen to that the recording is still being written.
const CHECK_PERIOD: Duration = Duration::from_secs(1);

/// What is to be recorded, and where to.
#[derive(Args, Debug)]
pub(crate) struct RecordArgs {
    #[command(flatten)]
    venue: VenueArgs,
    /// File to write, which must not be there yet: gzip or zstd by its name, - is the standard
    /// output
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

/// Records until the duration is over, the user ends it, or the venue cannot be reached.
pub(crate) fn run(args: &RecordArgs, listen: Listen<'_>) -> Result<(), Failure> {
    let config = args.venue.feed_config()?;
    let name = printable(&args.output.display().to_string());
    crate::run_async(async {
        let mut feed =
            Feed::new(config).map_err(|error| Failure::new(printable(&error.to_string())))?;
        let output = Output::create(&args.output)
            .map_err(|error| Failure::new(format!("cannot write {name}: {error}")))?;
        let recorder = Arc::new(Mutex::new(Recorder { output: Some(output), error: None }));
        let mut view = RecordView { recorder: Arc::clone(&recorder), name };
        feed.tap(move |_, text| lock(&recorder).take(text));
        show_feed(feed, &printable(&args.venue.url), args.venue.duration, &mut view, listen).await
    })
}

/// Takes the frames of the feed.
struct Recorder {
    /// Not there once the recording is finished.
    output: Option<Output>,
    /// Why no more is written.
    error: Option<io::Error>,
}

impl Recorder {
    fn take(&mut self, text: &[u8]) {
        if let (Some(output), None) = (&mut self.output, &self.error) {
            self.error = output.write_frame(text).err();
        }
    }
}

/// Tells what becomes of the feed on the standard error, as the output may be the recording.
struct RecordView {
    recorder: Arc<Mutex<Recorder>>,
    /// The file as it may be shown.
    name: String,
}

impl RecordView {
    fn check(&self) -> Result<(), Failure> {
        match lock(&self.recorder).error.take() {
            Some(error) => Err(self.failure(&error)),
            None => Ok(()),
        }
    }

    fn failure(&self, error: &io::Error) -> Failure {
        match Failure::of_output(error) {
            Failure::OutputClosed if self.name == "-" => Failure::OutputClosed,
            _ => Failure::new(format!("cannot write {}: {error}", self.name)),
        }
    }
}

impl View for RecordView {
    fn period(&self) -> Duration {
        CHECK_PERIOD
    }

    fn event(&mut self, _: &Session, event: &SessionEvent) -> Result<(), Failure> {
        match event {
            SessionEvent::Synced { product, .. } => warn(&format!("{product} is live")),
            SessionEvent::Lost { product, cause } => warn(&format!("{product} is lost: {cause}")),
            SessionEvent::Disconnected { reason } => warn(&printable(&reason.to_string())),
            _ => {}
        }
        self.check()
    }

    fn tick(&mut self, _: &Session) -> Result<ControlFlow<()>, Failure> {
        self.check()?;
        Ok(ControlFlow::Continue(()))
    }

    fn finish(&mut self, session: &Session) -> Result<(), Failure> {
        self.check()?;
        let Some(output) = lock(&self.recorder).output.take() else { return Ok(()) };
        let (frames, bytes) = (output.frames, output.bytes);
        output.finish().map_err(|error| self.failure(&error))?;
        let gaps = session.stats().gaps;
        warn(&format!("recorded {frames} frames, {bytes} bytes unpacked, {gaps} gaps"));
        Ok(())
    }
}

fn lock(recorder: &Mutex<Recorder>) -> MutexGuard<'_, Recorder> {
    recorder.lock().unwrap_or_else(PoisonError::into_inner)
}
