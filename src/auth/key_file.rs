//! Reads the key file that the venue hands out: JSON with the name of the key and its secret.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::error::AuthError;
use super::secret::looks_like_a_secret;

/// The largest key file that is read. The venue's have less than 1 KiB.
pub const MAX_KEY_FILE_BYTES: usize = 64 << 10;

/// Who may read a key file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    Anyone,
    OwnerOnly,
}

/// The text of a key file, wiped when it is dropped.
pub(super) struct KeyFile<'a> {
    path: &'a Path,
    text: Zeroizing<Vec<u8>>,
}

impl<'a> KeyFile<'a> {
    /// Reads the file, unless others than those named may.
    pub(super) fn read(path: &'a Path, readers: Readers) -> Result<Self, AuthError> {
        let unreadable = |error: io::Error| AuthError::KeyFileUnreadable {
            path: path.to_owned(),
            kind: error.kind(),
        };
        if looks_like_a_secret(&path.to_string_lossy()) {
            return Err(AuthError::KeyFilePath);
        }
        let file = File::open(path).map_err(unreadable)?;
        if readers == Readers::OwnerOnly {
            check_mode(path, mode_of(&file).map_err(unreadable)?)?;
        }
        // With room for one byte too many the buffer never grows, and a longer file shows.
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_KEY_FILE_BYTES + 1));
        file.take(MAX_KEY_FILE_BYTES as u64 + 1).read_to_end(&mut text).map_err(unreadable)?;
        let file = Self { path, text };
        if file.text.len() > MAX_KEY_FILE_BYTES {
            return Err(file.wrong("at most 64 KiB"));
        }
        Ok(file)
    }

    /// Returns the name of the key, and the secret as JSON writes it: the reader of secrets knows
    /// its escapes, while a JSON parser would leave unwiped copies behind.
    pub(super) fn parts(&self) -> Result<(String, &str), AuthError> {
        let fields: BTreeMap<String, &RawValue> =
            serde_json::from_slice(&self.text).map_err(|_| self.wrong(EXPECTED))?;
        let name = fields.get("name").or_else(|| fields.get("id"));
        let name = name.and_then(|name| serde_json::from_str(name.get()).ok());
        let name = name.ok_or_else(|| self.wrong("text under `name` or `id`"))?;
        let secret = fields.get("privateKey").map(|secret| secret.get());
        let secret = secret.filter(|secret| secret.starts_with('"'));
        Ok((name, secret.ok_or_else(|| self.wrong("text under `privateKey`"))?))
    }

    fn wrong(&self, expected: &'static str) -> AuthError {
        AuthError::KeyFileForm { path: self.path.to_owned(), expected }
    }
}

const EXPECTED: &str = "a JSON object with `name` (or `id`) and `privateKey`";

/// The permissions of group and others.
const OTHERS: u32 = 0o077;

/// The part of a mode that is permissions.
const PERMISSIONS: u32 = 0o7777;

fn check_mode(path: &Path, mode: Option<u32>) -> Result<(), AuthError> {
    match mode.map(|mode| mode & PERMISSIONS) {
        Some(mode) if mode & OTHERS != 0 => {
            Err(AuthError::KeyFileExposed { path: path.to_owned(), mode })
        }
        _ => Ok(()),
    }
}

/// Returns the mode of the file that was opened, not of whatever has its name by now.
#[cfg(unix)]
fn mode_of(file: &File) -> io::Result<Option<u32>> {
    use std::os::unix::fs::PermissionsExt as _;

    Ok(Some(file.metadata()?.permissions().mode()))
}

/// Elsewhere permissions are not told by a mode.
#[cfg(not(unix))]
fn mode_of(_: &File) -> io::Result<Option<u32>> {
    Ok(None)
}
