//! The Rust files of the workspace, and their code without comments and tests.

#![allow(dead_code)] // Each test file uses its own part.

use std::fs;
use std::path::{Path, PathBuf};

/// A Rust file.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Source {
    /// The code without comments and without test modules, which stand at the end of a file.
    pub(crate) fn code(&self) -> String {
        code_of(&self.text)
    }

    /// Returns the path below the root of the workspace.
    pub(crate) fn shown(&self) -> String {
        self.path.strip_prefix(root()).unwrap_or(&self.path).display().to_string()
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Leaves out comments, and test modules at the end of a file.
pub(crate) fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let is_test_module = line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test");
        if is_test_module && let Some(next) = lines.peek() {
            assert!(next.starts_with("mod "), "expected a test module after {line}, got {next}");
            if next.ends_with('{') {
                // To the brace that closes the module: the first at the start of a line.
                lines.by_ref().find(|line| *line == "}");
            } else {
                lines.next();
            }
            continue;
        }
        let before_comment = match line.trim_start().starts_with("//") {
            true => "",
            false => line.split(" // ").next().unwrap_or(line),
        };
        code.push_str(before_comment);
        code.push('\n');
    }
    code
}

/// Iterates over the words of code.
pub(crate) fn words(code: &str) -> impl Iterator<Item = &str> {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    code.split(move |character| !is_word(character)).filter(|word| !word.is_empty())
}

/// Every Rust file below a directory of the package, in order.
pub(crate) fn sources_in(directory: &str) -> Vec<Source> {
    let (mut sources, mut directories) = (Vec::new(), vec![root().join(directory)]);
    while let Some(directory) = directories.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // What a build of `benches/peers` or of `fuzz` writes is nobody's source.
                if !path.ends_with("target") {
                    directories.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                sources.push(Source { path, text });
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}
