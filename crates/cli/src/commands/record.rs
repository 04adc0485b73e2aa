//! `level2 record`: writes what the venue sends to a file, for `level2 replay`.

use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::Args;
use level2::session::{Session, SessionEvent};

use crate::failure::Failure;
use crate::format::text::{counted, printable};
use crate::options::venue::VenueArgs;
use crate::recording::writer::LineWriter;
use crate::runtime::block_on;
use crate::stdio::warn;
use crate::stop::Listen;
use crate::view::View;
use crate::view::show::show;

/// The time between two checks of whether writing has failed.
const CHECK_PERIOD: Duration = Duration::from_secs(1);

/// The arguments of `level2 record`.
#[derive(Args, Debug)]
pub(crate) struct RecordArgs {
    #[command(flatten)]
    venue: VenueArgs,
    /// New file to write: NAME.gz and NAME.zst are compressed, - is the standard output
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

/// Records until the duration is over, the user ends it, or the venue cannot be reached.
pub(crate) fn run(args: &RecordArgs, listen: Listen<'_>) -> Result<(), Failure> {
    let mut feed = args.venue.feed()?;
    let name = printable(&args.output.display().to_string());
    let writer = LineWriter::create(&args.output).map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::AlreadyExists => "; remove it or choose another name",
            _ => "",
        };
        Failure::new(format!("cannot write {name}: {error}{hint}"))
    })?;
    let recorder = Arc::new(Mutex::new(Recorder { writer: Some(writer), error: None }));
    let mut view = RecordView { recorder: Arc::clone(&recorder), name };
    feed.tap(move |_, text| lock(&recorder).record(text));
    let url = args.venue.printable_url();
    block_on(show(feed, &url, args.venue.duration, &mut view, listen))
}

/// Takes the frames of the feed.
struct Recorder {
    /// `None` once the recording is finished.
    writer: Option<LineWriter>,
    /// The error after which nothing more is written.
    error: Option<io::Error>,
}

impl Recorder {
    fn record(&mut self, text: &[u8]) {
        if let (Some(writer), None) = (&mut self.writer, &self.error) {
            self.error = writer.write_frame(text).err();
        }
    }
}

/// Reports on the standard error, because the standard output may be the recording.
struct RecordView {
    recorder: Arc<Mutex<Recorder>>,
    /// The name of the file, fit for a terminal.
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
        let Some(writer) = lock(&self.recorder).writer.take() else { return Ok(()) };
        let (frames, bytes) = (writer.frames, writer.bytes);
        writer.finish().map_err(|error| self.failure(&error))?;
        warn(&format!(
            "recorded {}, {bytes} bytes before compression, {}",
            counted(frames, "frame"),
            counted(session.stats().gaps, "gap")
        ));
        Ok(())
    }
}

fn lock(recorder: &Mutex<Recorder>) -> MutexGuard<'_, Recorder> {
    recorder.lock().unwrap_or_else(PoisonError::into_inner)
}
