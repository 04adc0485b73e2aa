//! Reads recordings line by line: a file or the standard input, plain or compressed.
//!
//! Only the current line is in memory, so a recording may be of any length.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::failure::Failure;
use crate::format::text::printable;

/// The longest line that is read, in bytes, with its end. The largest known frame has 5 MB.
const MAX_LINE_BYTES: usize = 64 * 1024 * 1024;

/// How many bytes of a recording are read at a time.
const BUFFER_BYTES: usize = 128 * 1024;

/// How many bytes at the start of a recording tell how it is compressed.
const MAGIC_BYTES: usize = 4;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Reads the lines of a recording.
pub(crate) struct LineReader {
    /// The name of the recording in messages.
    name: String,
    reader: Box<dyn BufRead>,
    line: Vec<u8>,
    /// The number of the current line, from 1.
    number: u64,
    /// Whether a line was returned: from then on something was readable.
    has_read: bool,
}

impl LineReader {
    /// Opens a file, or the standard input for `-`.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let is_stdin = path.as_os_str() == "-";
        let name = match is_stdin {
            true => "standard input".to_owned(),
            false => printable(&path.display().to_string()),
        };
        let opened = if is_stdin {
            Ok(Box::new(io::stdin().lock()) as Box<dyn Read>)
        } else {
            File::open(path).map(|file| Box::new(file) as Box<dyn Read>)
        };
        let extension = path.extension().and_then(|extension| extension.to_str());
        let reader = opened
            .and_then(|source| decompressed(source, extension))
            .map_err(|error| Failure::usage(format!("cannot read {name}: {error}")))?;
        Ok(Self { name, reader, line: Vec::new(), number: 0, has_read: false })
    }

    /// Returns the name of the recording, fit for a terminal.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the number of the next line that is not blank, from 1, and the line without its end.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, &[u8])>, Failure> {
        loop {
            self.line.clear();
            // One byte above the limit tells a line that is too long from one that just fits.
            let mut bounded = self.reader.by_ref().take(MAX_LINE_BYTES as u64 + 1);
            let read = bounded.read_until(b'\n', &mut self.line);
            let read = read.map_err(|error| {
                self.failure(match self.number {
                    0 => format!("cannot read {}: {error}", self.name),
                    number => format!("cannot read {} beyond line {number}: {error}", self.name),
                })
            })?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            if read > MAX_LINE_BYTES {
                return Err(self.failure(format!(
                    "line {} of {} is longer than {MAX_LINE_BYTES} bytes: expected one frame a \
                     line",
                    self.number, self.name
                )));
            }
            if !self.line.trim_ascii().is_empty() {
                self.has_read = true;
                return Ok(Some((self.number, without_end(&self.line))));
            }
        }
    }

    fn failure(&self, message: String) -> Failure {
        if self.has_read { Failure::new(message) } else { Failure::usage(message) }
    }
}

/// Returns a line without the `\n` or `\r\n` at its end.
fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Returns the content of a source that may be compressed.
///
/// The first bytes tell the compression, so that a renamed file and the standard input are read
/// too. A source that is too short for them was cut; its file name then tells, so that it is an
/// error and not an empty recording.
fn decompressed(
    mut source: Box<dyn Read>,
    extension: Option<&str>,
) -> io::Result<Box<dyn BufRead>> {
    let mut start = Vec::with_capacity(MAGIC_BYTES);
    source.by_ref().take(MAGIC_BYTES as u64).read_to_end(&mut start)?;
    let is_cut = start.len() < MAGIC_BYTES;
    let is_gzip = start.starts_with(GZIP_MAGIC) || (is_cut && extension == Some("gz"));
    let is_zstd = start.starts_with(ZSTD_MAGIC) || (is_cut && extension == Some("zst"));
    let whole = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(start).chain(source));
    Ok(if is_gzip {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(whole)))
    } else if is_zstd {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, zstd::Decoder::with_buffer(whole)?))
    } else {
        Box::new(whole)
    })
}
