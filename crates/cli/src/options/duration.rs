//! Durations on the command line: a whole number and a unit, such as `10s`.

use std::time::Duration;

/// The longest duration accepted: a year.
const MAX_DURATION: Duration = Duration::from_secs(365 * 24 * 3_600);

/// The units with their lengths in milliseconds. `ms` comes before `s`, which is its last letter.
const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

/// Parses a duration such as `500ms`, `10s`, `2m` or `1h`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let unit = UNITS.iter().find_map(|(unit, millis)| Some((text.strip_suffix(unit)?, millis)));
    let duration = unit.and_then(|(number, millis)| {
        // `u64::from_str` accepts a plus sign too.
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        let number: u64 = number.parse().ok().filter(|_| is_number)?;
        Some(Duration::from_millis(number.checked_mul(*millis)?))
    });
    match duration {
        Some(duration) if !duration.is_zero() && duration <= MAX_DURATION => Ok(duration),
        Some(_) => Err("expected a duration above zero and of a year (8760h) at most".to_owned()),
        None => Err("expected a whole number and a unit (ms, s, m, h), such as 10s".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_accepted() {
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(parse("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse("1h"), Ok(Duration::from_secs(3_600)));
    }

    #[test]
    fn anything_else_is_rejected() {
        for text in ["", "s", "10", "+1s", "-1s", "1.5s", "1 s", "1d", "0s", "9000h", "1m30s"] {
            assert!(parse(text).is_err(), "{text:?} was accepted");
        }
        assert!(parse("99999999999999999999s").is_err());
        assert!(parse("18446744073709551615h").is_err());
    }
}
