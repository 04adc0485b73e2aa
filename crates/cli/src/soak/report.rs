//! The figures of a soak, as a line, as a table, or as JSON.

use std::fmt::Write;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use hdrhistogram::Histogram;

use super::counters::Counters;
use super::process::{held_kb, open_descriptors, processor_seconds, resident_kb};
use super::samples::Samples;
use super::tally::Tally;
use super::usage::Usage;

/// All figures at one moment.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(super) seed: u64,
    pub(super) uptime: Duration,
    pub(super) counters: Counters,
    pub(super) tally: &'a Tally,
    /// How often reading threads have looked at a BBO.
    pub(super) looks: u64,
    pub(super) usage: &'a Usage,
}

const HEAL_KEYS: [&str; 4] = ["heal_p50_ms", "heal_p90_ms", "heal_p99_ms", "heal_max_ms"];
const LATENCY_KEYS: [&str; 4] =
    ["latency_p50_us", "latency_p99_us", "latency_p999_us", "latency_max_us"];

/// The figures of a line for people.
const LINE_KEYS: [&str; 13] = [
    "frames",
    "levels",
    "faults",
    "resyncs",
    "reconnects",
    "live",
    "bbos_checked",
    "heal_p50_ms",
    "heal_p99_ms",
    "latency_p99_us",
    "held_kb",
    "resident_kb",
    "descriptors",
];

impl Report<'_> {
    /// Returns one line for people.
    pub(crate) fn line(&self) -> String {
        let mut line = format!("{:>8.1}s", self.uptime.as_secs_f64());
        for (key, value) in self.figures() {
            if LINE_KEYS.contains(&key) {
                // Writing to a string cannot fail.
                let _ = write!(line, "  {} {}", words(key), shown(&value));
            }
        }
        line + "\n"
    }

    /// Returns all figures as a table.
    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        for (key, value) in self.figures() {
            table.add_row([words(key), shown(&value).to_owned()]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        format!("{}\n", table.trim_fmt())
    }

    /// Returns all figures as one line of JSON with this `type`. The order of the keys is fixed.
    pub(crate) fn json(&self, kind: &str) -> String {
        let mut line = format!("{{\"type\":\"{kind}\"");
        for (key, value) in self.figures() {
            let _ = write!(line, ",\"{key}\":{value}");
        }
        line + "}\n"
    }

    /// Returns every figure with its name in JSON. The values are JSON too.
    fn figures(&self) -> Vec<(&'static str, String)> {
        let mut figures = vec![
            ("uptime_s", format!("{:.1}", self.uptime.as_secs_f64())),
            ("seed", self.seed.to_string()),
        ];
        figures.extend(self.counted().map(|(key, count)| (key, count.to_string())));
        figures.extend(quantiles(&HEAL_KEYS, &self.tally.heals_ms, 1.0, 0));
        figures.extend(quantiles(&LATENCY_KEYS, &self.tally.latencies_ns, 1_000.0, 1));
        figures.extend(self.used());
        figures
    }

    fn counted(&self) -> [(&'static str, u64); 28] {
        let Counters { books, faults, accepted, .. } = &self.counters;
        let (session, tally) = (&books.session, self.tally);
        [
            ("frames", session.frames),
            ("levels", session.updates),
            ("snapshots", session.snapshots),
            ("faults", faults.faults()),
            ("drops", faults.drops),
            ("duplicates", faults.duplicates),
            ("reorders", faults.reorders),
            ("garbles", faults.garbles),
            ("truncates", faults.truncates),
            ("aborts", faults.aborts),
            ("stalls", faults.stalls),
            ("resets", faults.resets),
            ("phases", tally.phases),
            ("resyncs", session.resyncs),
            ("reconnects", session.reconnects),
            ("connections_accepted", *accepted),
            ("switchovers", tally.switchovers),
            ("products", books.products as u64),
            ("live", books.live as u64),
            ("bbos_checked", tally.bbos_checked),
            ("bbos_forgotten", tally.bbos_forgotten),
            ("reader_looks", self.looks),
            ("reader_samples_checked", tally.samples_checked),
            ("rests", tally.rests),
            ("books_compared", tally.books_compared),
            ("levels_compared", tally.levels_compared),
            ("longest_rest_ms", tally.longest_rest.as_millis() as u64),
            ("heals_timed", tally.heals_ms.len()),
        ]
    }

    fn used(&self) -> [(&'static str, String); 8] {
        let usage = self.usage;
        let slope = |samples: &Samples| {
            json(samples.slope_of_second_half().map(|(slope, _)| slope.round() as i64))
        };
        let cpu = processor_seconds().map(|seconds| seconds / self.uptime.as_secs_f64() * 100.0);
        [
            ("held_kb", held_kb().to_string()),
            ("held_slope_kb_per_hour", slope(&usage.held)),
            ("resident_kb", json(resident_kb())),
            ("resident_slope_kb_per_hour", slope(&usage.resident)),
            ("descriptors", json(open_descriptors())),
            ("descriptors_first", json(usage.first_descriptors)),
            ("descriptors_max", json(usage.max_descriptors)),
            ("processor_percent", json(cpu.map(|percent| format!("{percent:.1}")))),
        ]
    }
}

/// Returns the quantiles that the keys name. A `unit` is the histogram's values in the unit of the
/// key.
fn quantiles<'a>(
    keys: &'a [&'static str; 4],
    histogram: &'a Histogram<u64>,
    unit: f64,
    digits: usize,
) -> impl Iterator<Item = (&'static str, String)> + 'a {
    keys.iter().map(move |key| {
        let quantile = match key.split('_').nth(1) {
            Some("p50") => 0.5,
            Some("p90") => 0.9,
            Some("p99") => 0.99,
            Some("p999") => 0.999,
            _ => 1.0,
        };
        let value = (!histogram.is_empty())
            .then(|| histogram.value_at_quantile(quantile) as f64 / unit)
            .map(|value| format!("{value:.digits$}"));
        (*key, json(value))
    })
}

fn json(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "null".to_owned(), |value| value.to_string())
}

fn words(key: &str) -> String {
    key.replace('_', " ")
}

fn shown(value: &str) -> &str {
    if value == "null" { "-" } else { value }
}
