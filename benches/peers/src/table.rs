//! The printed table: one row for each entry, in Markdown.

use std::time::Duration;

use crate::contest::{Measure, Verdict};
use crate::feed::Feed;
use crate::peers::Entry;

/// What Cargo resolved, so that the table cannot name another version than the one that ran.
const LOCK: &str = include_str!("../Cargo.lock");

/// What came of one entry.
pub(crate) struct Row {
    pub(crate) entry: Entry,
    pub(crate) verdict: Verdict,
    /// For all updates of the stream.
    pub(crate) time: Duration,
}

impl Row {
    fn nanos_per_level(&self, feed: &Feed) -> f64 {
        self.time.as_nanos() as f64 / feed.stream.update_levels as f64
    }
}

/// Prints the rows; of each measure, this library's comes first.
pub(crate) fn print(feed: &Feed, rows: &[Row]) {
    let (name, levels) = (&feed.stream.name, feed.stream.update_levels);
    let judged = rows.first().map_or(0, |row| row.verdict.frames);
    println!("\n{name}: {levels} levels timed, {judged} frames judged\n");
    println!("| peer | version | measured | ns/level | to level2 | wrong answers |");
    println!("|---|---|---|---|---|---|");
    for row in rows {
        let Entry { package, book, measure, .. } = row.entry;
        let nanos = row.nanos_per_level(feed);
        let ratio = nanos / level2_of(rows, measure).nanos_per_level(feed);
        let name = if book.is_empty() { package.to_owned() } else { format!("{package} `{book}`") };
        println!(
            "| {name} | {} | {} | {nanos:.1} | {ratio:.2} x | {} |",
            version_of(package),
            measure.name(),
            wrong_answers(&row.verdict),
        );
    }
}

fn level2_of(rows: &[Row], measure: Measure) -> &Row {
    let of_measure = |row: &&Row| row.entry.measure == measure;
    rows.iter().find(of_measure).expect("every measure has a row")
}

/// Says what came out wrong, in few words.
fn wrong_answers(verdict: &Verdict) -> String {
    let Verdict { wrong_frames, wrong_levels, out_of_range, note, .. } = verdict;
    let mut text = match (wrong_frames, wrong_levels.unwrap_or(0)) {
        (0, 0) => "none".to_owned(),
        (frames, 0) => format!("{frames} frames"),
        (frames, levels) => format!("{frames} frames, {levels} levels"),
    };
    if *out_of_range > 0 {
        text += &format!("; {out_of_range} levels out of its range");
    }
    match note {
        Some(note) => format!("{note}; otherwise {text}"),
        None => text,
    }
}

/// Returns the version of a package by the lock file, in which it follows the name.
fn version_of(package: &str) -> &'static str {
    let name = format!("name = \"{package}\"\nversion = \"");
    let start = LOCK.find(&name).expect("every peer is a dependency") + name.len();
    let len = LOCK[start..].find('"').expect("a version ends in a quote");
    &LOCK[start..start + len]
}
