//! Reads key files as the venue issues them: JSON with the name of the key and its secret.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::error::AuthError;
use super::secret::looks_like_a_secret;

/// The largest key file that is accepted. The venue's are smaller than 1 KiB.
pub const MAX_KEY_FILE_BYTES: usize = 64 << 10;

/// Who may have access to a key file.
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
    /// Reads the file, unless others than `readers` have access to it.
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
        // One byte more than allowed shows that a file is too long, and the buffer never grows.
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_KEY_FILE_BYTES + 1));
        file.take(MAX_KEY_FILE_BYTES as u64 + 1).read_to_end(&mut text).map_err(unreadable)?;
        let file = Self { path, text };
        if file.text.len() > MAX_KEY_FILE_BYTES {
            return Err(file.wrong("at most 64 KiB"));
        }
        Ok(file)
    }

    /// Returns the name of the key, and the secret as it stands in the JSON. The parser of secrets
    /// reads its escapes; a JSON parser would leave unwiped copies behind.
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

/// The permission bits of group and others.
const OTHERS: u32 = 0o077;

/// The permission bits of a mode.
const PERMISSIONS: u32 = 0o7777;

fn check_mode(path: &Path, mode: Option<u32>) -> Result<(), AuthError> {
    match mode.map(|mode| mode & PERMISSIONS) {
        Some(mode) if mode & OTHERS != 0 => {
            Err(AuthError::KeyFileExposed { path: path.to_owned(), mode })
        }
        _ => Ok(()),
    }
}

/// Returns the mode of the open file, which may have been replaced at its path since.
#[cfg(unix)]
fn mode_of(file: &File) -> io::Result<Option<u32>> {
    use std::os::unix::fs::PermissionsExt as _;

    Ok(Some(file.metadata()?.permissions().mode()))
}

/// Other systems have no mode.
#[cfg(not(unix))]
fn mode_of(_: &File) -> io::Result<Option<u32>> {
    Ok(None)
}
