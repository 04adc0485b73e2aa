//! Criterion's own estimates, as it left them on the disk.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// What one element (a level, a change) costs at one parameter (a size, a rank).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) parameter: f64,
    /// The median, in nanoseconds an element.
    pub(crate) nanos: f64,
}

/// Returns where criterion keeps its estimates: below `CRITERION_HOME` if that is set, and else
/// below the target directory, which this program runs in.
pub(crate) fn criterion_home() -> Result<PathBuf, Box<dyn Error>> {
    if let Some(home) = std::env::var_os("CRITERION_HOME") {
        return Ok(home.into());
    }
    let program = std::env::current_exe()?;
    // The program is target/<profile>/deps/<name>.
    let target = program.ancestors().nth(3).ok_or("expected to run in a target directory")?;
    Ok(target.join("criterion"))
}

/// Reads the newest estimates of a benchmark at each of its parameters, in their order.
///
/// There are none if it has not been run.
pub(crate) fn of_benchmark(benchmark: &Path) -> Result<Vec<Estimate>, Box<dyn Error>> {
    let mut estimates = Vec::new();
    let Ok(entries) = fs::read_dir(benchmark) else { return Ok(estimates) };
    for entry in entries {
        let newest = entry?.path().join("new");
        let Ok(text) = fs::read_to_string(newest.join("benchmark.json")) else { continue };
        let facts: Value = serde_json::from_str(&text)?;
        let text = fs::read_to_string(newest.join("estimates.json"))?;
        let figures: Value = serde_json::from_str(&text)?;
        estimates.push(read(&facts, &figures).ok_or("expected criterion's own files")?);
    }
    estimates.sort_by(|a, b| a.parameter.total_cmp(&b.parameter));
    Ok(estimates)
}

fn read(facts: &Value, figures: &Value) -> Option<Estimate> {
    // A benchmark that is named by its parameter alone has it where others have their function.
    let parameter = facts["value_str"].as_str().or_else(|| facts["function_id"].as_str())?;
    let elements = facts["throughput"]["Elements"].as_f64()?;
    let nanos = figures["median"]["point_estimate"].as_f64()?;
    Some(Estimate { parameter: parameter.parse().ok()?, nanos: nanos / elements })
}
