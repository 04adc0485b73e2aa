//! Recordings: a file or the standard input, packed or not, read line by line.
//!
//! Nothing is ever held but the line at hand, so a recording may be of any length.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::failure::Failure;

/// The longest line that is read, its end included. The largest frame known has 5 MB.
pub(crate) const MAX_LINE_BYTES: usize = 64 * 1024 * 1024;

/// How much is read from a recording at a time.
const BUFFER_BYTES: usize = 128 * 1024;

/// How many bytes at the start of a recording tell how it is packed.
const MAGIC_BYTES: usize = 4;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// A recording that is being read.
pub(crate) struct Lines {
    /// The recording as the user named it, for messages.
    name: String,
    reader: Box<dyn BufRead>,
    line: Vec<u8>,
    number: u64,
}

impl Lines {
    /// Opens a file, or the standard input for `-`.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let is_stdin = path.as_os_str() == "-";
        let name = if is_stdin { "standard input".into() } else { path.display().to_string() };
        let opened = if is_stdin {
            Ok(Box::new(io::stdin().lock()) as Box<dyn Read>)
        } else {
            File::open(path).map(|file| Box::new(file) as Box<dyn Read>)
        };
        let extension = path.extension().and_then(|extension| extension.to_str());
        let unpacked = opened.and_then(|source| unpack(source, extension));
        let reader =
            unpacked.map_err(|error| Failure::new(format!("cannot read {name}: {error}")))?;
        Ok(Self { name, reader, line: Vec::new(), number: 0 })
    }

    /// Returns the next line that is not blank, without its end, and its number from 1.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, &[u8])>, Failure> {
        loop {
            self.line.clear();
            // One byte more than may come tells a line that is too long from one that just fits.
            let mut bounded = self.reader.by_ref().take(MAX_LINE_BYTES as u64 + 1);
            let read = bounded.read_until(b'\n', &mut self.line);
            let read = read.map_err(|error| {
                let Self { name, number, .. } = self;
                Failure::new(format!("cannot read {name} beyond line {number}: {error}"))
            })?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            if read > MAX_LINE_BYTES {
                let Self { name, number, .. } = self;
                return Err(Failure::new(format!(
                    "line {number} of {name} is longer than {MAX_LINE_BYTES} bytes: expected one \
                     frame a line"
                )));
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(Some((self.number, without_end(&self.line))));
            }
        }
    }
}

/// Returns a line without the `\n` or `\r\n` that ends it.
fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Puts before a source whatever unpacks it.
///
/// The first bytes decide, so that a renamed file and the standard input are understood too. The
/// name decides where there are too few of them: a packed file cut that short is corrupt.
fn unpack(mut source: Box<dyn Read>, extension: Option<&str>) -> io::Result<Box<dyn BufRead>> {
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
