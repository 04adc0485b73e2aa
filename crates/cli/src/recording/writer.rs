//! Writes recordings line by line: to a file or the standard output, plain or compressed.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

/// How many bytes are collected before they are written.
const BUFFER_BYTES: usize = 128 * 1024;

/// Writes frames to a recording, one a line.
pub(crate) struct LineWriter {
    sink: Sink,
    /// The number of frames written.
    pub(crate) frames: u64,
    /// The number of bytes written, before compression.
    pub(crate) bytes: u64,
}

enum Sink {
    Gzip(GzEncoder<BufWriter<File>>),
    Plain(BufWriter<File>),
    Stdout(BufWriter<io::Stdout>),
    Zstd(zstd::Encoder<'static, BufWriter<File>>),
}

impl LineWriter {
    /// Creates a file, compressed as its name says (`.gz`, `.zst`), or uses the standard output for
    /// `-`. A file that exists is not changed: it is an error.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let sink = if path.as_os_str() == "-" {
            Sink::Stdout(BufWriter::with_capacity(BUFFER_BYTES, io::stdout()))
        } else {
            let file = BufWriter::with_capacity(BUFFER_BYTES, File::create_new(path)?);
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("gz") => Sink::Gzip(GzEncoder::new(file, Compression::default())),
                Some("zst") => {
                    Sink::Zstd(zstd::Encoder::new(file, zstd::DEFAULT_COMPRESSION_LEVEL)?)
                }
                _ => Sink::Plain(file),
            }
        };
        Ok(Self { sink, frames: 0, bytes: 0 })
    }

    /// Writes a frame as one line.
    pub(crate) fn write_frame(&mut self, text: &[u8]) -> io::Result<()> {
        self.frames += 1;
        self.bytes += text.len() as u64 + 1;
        let sink = self.sink.as_write();
        // JSON allows a line feed between its tokens only, where a blank means the same.
        for (index, part) in text.split(|byte| *byte == b'\n').enumerate() {
            if index > 0 {
                sink.write_all(b" ")?;
            }
            sink.write_all(part)?;
        }
        sink.write_all(b"\n")
    }

    /// Writes what is still buffered, and the end of a compressed file.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self.sink {
            Sink::Gzip(encoder) => encoder.finish()?.flush(),
            Sink::Plain(mut file) => file.flush(),
            Sink::Stdout(mut output) => output.flush(),
            Sink::Zstd(encoder) => encoder.finish()?.flush(),
        }
    }
}

impl Sink {
    fn as_write(&mut self) -> &mut dyn Write {
        match self {
            Self::Gzip(encoder) => encoder,
            Self::Plain(file) => file,
            Self::Stdout(output) => output,
            Self::Zstd(encoder) => encoder,
        }
    }
}
