//! The fixtures are what the commands in `fixtures/README.md` print, byte for byte.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;

use crate::support::*;

/// Returns every command of the page that writes a fixture: its arguments, and the file.
fn commands() -> Vec<(Vec<String>, String)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/README.md");
    let page = fs::read_to_string(page).unwrap();
    let commands = page.lines().filter_map(|line| {
        let (command, file) = line.strip_prefix("level2 ")?.split_once(" > ")?;
        let command = command.trim_end_matches("| gzip -9n");
        Some((command.split_whitespace().map(str::to_owned).collect(), file.to_owned()))
    });
    commands.collect()
}

fn read(file: &str) -> Vec<u8> {
    let bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file)).unwrap();
    if !file.ends_with(".gz") {
        return bytes;
    }
    let mut text = Vec::new();
    GzDecoder::new(&bytes[..]).read_to_end(&mut text).unwrap();
    text
}

#[test]
fn every_fixture_is_what_its_command_prints() {
    let commands = commands();
    for (arguments, file) in &commands {
        let output = level2(&[]).args(arguments).output().unwrap();
        printed(&output);
        // Not `assert_eq`, which would print megabytes.
        assert!(output.stdout == read(file), "{file} is not what {arguments:?} prints");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    // Scenarios, in a folder of their own, are written by hand.
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    let recordings = files.filter(|entry| entry.file_name() != "README.md").count();
    assert_eq!(commands.len(), recordings, "every recording has a command");
}
