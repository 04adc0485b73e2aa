//! Recordings: one frame a line, plain or packed with gzip.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

/// A snapshot of 45,000 levels in one frame of 5 MB, and 75 s of updates.
pub(crate) const BTC_USD: &str = "btc_usd_45k.jsonl.gz";

/// BTC-USD, ETH-USD and SOL-USD on one connection, 120 levels a side.
pub(crate) const THREE_PRODUCTS: &str = "three_products.jsonl.gz";

/// The variable that names a recording of the user's own.
const USER_RECORDING: &str = "LEVEL2_FRAMES";

/// Reads a recording that is kept with the sources: of this package, or of the one that holds it.
pub(crate) fn fixture(name: &str) -> Vec<String> {
    let mut packages = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let path = packages.find_map(|package| {
        let path = package.join("fixtures").join(name);
        path.is_file().then_some(path)
    });
    read(&path.unwrap_or_else(|| panic!("no directory fixtures holds {name}")))
}

/// Reads the recording that the user named, if there is one, and returns it with its name.
pub(crate) fn of_user() -> Option<(String, Vec<String>)> {
    let path = PathBuf::from(std::env::var_os(USER_RECORDING)?);
    let file_name = path.file_name().expect("LEVEL2_FRAMES names a file").to_string_lossy();
    let name = file_name.split('.').next().unwrap_or_default().to_owned();
    Some((name, read(&path)))
}

/// Frames are kept as strings: the WebSocket layer has checked them, and a rival that reads
/// strings need not do so again.
fn read(path: &Path) -> Vec<String> {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let is_packed = path.extension().is_some_and(|extension| extension == "gz");
    let text: Box<dyn Read> =
        if is_packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let lines = BufReader::new(text).lines();
    let frames: Vec<String> = lines
        .map(|line| line.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        .collect();
    assert!(!frames.is_empty(), "{} holds no frame", path.display());
    frames
}
