//! Runs `fixtures/scenarios`: one rule a file, in the language that `fixtures/README.md` describes.
//!
//! A scenario says what the connection reports and what the session must then ask for, in order
//! and in full: an output that is not listed fails it as much as one that does not come.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use level2::book::Book;
use level2::session::{
    Disconnect, Input, NotLive, Output, Resync, SequenceScope, Session, SessionConfig,
};
use level2::wire::ProductId;

use crate::notation::{
    Mismatch, Outcome, best, dial_failed, duration, frame, levels, mismatch, parse, product,
    products, rejected, shown_output, take_number,
};

/// More wakes than this within one line that lets time pass mean that the session spins.
const MAX_WAKES_PER_LINE: u32 = 100_000;

/// The most outputs that are shown beside the first which is not listed; there may be no end.
const MAX_UNLISTED_SHOWN: usize = 20;

/// Runs a scenario, and says which line failed and how.
fn run(text: &str) -> Result<(), String> {
    let mut config = SessionConfig::new(products("BTC-USD").expect("a sound name"));
    let mut scenario = None;
    let mut last = 0;
    for (index, line) in text.lines().enumerate() {
        last = index + 1;
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let outcome = match (line.strip_prefix("set "), &mut scenario) {
            (Some(setting), None) => set(&mut config, setting),
            (_, scenario) => {
                scenario.get_or_insert_with(|| Scenario::new(config.clone())).step(line)
            }
        };
        outcome.map_err(|mismatch| report(last, &mismatch))?;
    }
    let end = scenario.map_or_else(|| mismatch("a line", "none"), |mut it| it.expect_nothing());
    end.map_err(|mismatch| report(last, &mismatch))
}

fn report(line: usize, Mismatch { expected, got }: &Mismatch) -> String {
    format!("{line}:\n  expected  {expected}\n  got       {got}")
}

/// Takes a setting such as `resync = passive`.
fn set(config: &mut SessionConfig, setting: &str) -> Outcome {
    let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
    let value = value.trim();
    match key.trim() {
        "adopt_products" => config.adopt_products = parse(value, "true or false")?,
        "alias" => {
            let (requested, canonical) = value.split_once(" as ").unwrap_or((value, ""));
            config.aliases.push((product(requested)?, product(canonical)?));
        }
        "authenticate" => config.authenticate = parse(value, "true or false")?,
        "max_failed_dials" => config.policy.max_failed_dials = Some(parse(value, "a number")?),
        "max_levels_per_side" => config.policy.max_levels_per_side = parse(value, "a number")?,
        "max_products" => config.max_products = parse(value, "a number")?,
        "max_rejections" => config.policy.max_rejections = Some(parse(value, "a number")?),
        "products" => config.products = products(value)?,
        "quiet_limit" => config.policy.quiet_limit = Some(duration(value)?),
        "resync" => {
            config.policy.resync = match value {
                "passive" => Resync::Passive,
                "reconnect" => Resync::Reconnect,
                "resubscribe" => Resync::Resubscribe,
                _ => return mismatch("passive, reconnect or resubscribe", value),
            }
        }
        "retry_without_token" => config.policy.retry_without_token = parse(value, "true or false")?,
        "sequence_scope" => {
            config.policy.sequence_scope = match value {
                "connection" => SequenceScope::Connection,
                "product" => SequenceScope::Product,
                _ => return mismatch("connection or product", value),
            }
        }
        key => return mismatch("a setting", key),
    }
    Ok(())
}

/// A session, the time that it is told, and where the scenario stands.
struct Scenario {
    session: Session,
    now: Instant,
    /// What has come of the session, or was answered to its caller, and is not listed yet.
    pending: Option<String>,
    /// The number of the next frame that does not name its own.
    next_number: u64,
    /// Whether time has passed of which the session was not told yet.
    is_waking: bool,
}

impl Scenario {
    fn new(config: SessionConfig) -> Self {
        let now = Instant::now();
        let session = Session::new(config, now);
        Self { session, now, pending: None, next_number: 0, is_waking: false }
    }

    fn step(&mut self, line: &str) -> Outcome {
        let (sign, rest) = line.split_once(' ').unwrap_or((line, ""));
        let is_waking = std::mem::take(&mut self.is_waking);
        if matches!(sign, ">" | "!" | "+") && !is_waking {
            self.expect_nothing()?;
        }
        match sign {
            ">" => self.report_input(rest),
            "!" => self.ask(rest),
            "+" => self.pass(rest),
            "<" => self.expect_output(rest),
            "=" => self.check(rest),
            "live" => self.come_live(),
            _ => mismatch("`>`, `!`, `+`, `<`, `=` or `live`", line),
        }
    }

    // Outputs.

    fn next_output(&mut self) -> Option<String> {
        let pending = self.pending.take();
        pending.or_else(|| shown_output(&self.session.poll(self.now), self.now))
    }

    fn expect_output(&mut self, expected: &str) -> Outcome {
        let got = self.next_output().unwrap_or_else(|| "nothing".to_owned());
        let is_equal = match expected.strip_suffix("...") {
            Some(start) => got.starts_with(start),
            None => got == expected,
        };
        if is_equal { Ok(()) } else { mismatch(expected, got) }
    }

    fn expect_nothing(&mut self) -> Outcome {
        let Some(first) = self.next_output() else { return Ok(()) };
        let mut unlisted = vec![first];
        unlisted.extend(std::iter::from_fn(|| self.next_output()).take(MAX_UNLISTED_SHOWN));
        mismatch("nothing more before this", unlisted.join("\n            "))
    }

    /// Lets time pass: `5s`, `5s beating`, `5s asleep`, or until the session acts, `100ms..2s`.
    fn pass(&mut self, time: &str) -> Outcome {
        let start = self.now;
        if let Some(total) = time.strip_suffix(" asleep") {
            self.now += duration(total)?;
            self.is_waking = true;
            return Ok(());
        }
        if let Some((least, most)) = time.split_once("..") {
            self.sleep(duration(most)?)?;
            if self.pending.is_none() || self.now - start < duration(least)? {
                return mismatch(format!("an output after {time}"), self.shown_pending(start));
            }
            return Ok(());
        }
        let (total, is_beating) = match time.strip_suffix(" beating") {
            Some(total) => (duration(total)?, true),
            None => (duration(time)?, false),
        };
        let end = start + total;
        while self.now < end {
            let longest = if is_beating { Duration::from_secs(1) } else { total };
            self.sleep(longest.min(end - self.now))?;
            if self.pending.is_some() && self.now < end {
                return mismatch(format!("nothing for {total:?}"), self.shown_pending(start));
            }
            if is_beating && self.now < end {
                self.message_of("heartbeat")?;
                self.pending = self.next_output();
            }
        }
        Ok(())
    }

    /// Sleeps and wakes as the session says, until there is an output or the time is over.
    fn sleep(&mut self, longest: Duration) -> Outcome {
        let end = self.now + longest;
        for _ in 0..MAX_WAKES_PER_LINE {
            match self.session.poll(self.now) {
                Output::Wait(until) if until > end => {
                    self.now = end;
                    return Ok(());
                }
                Output::Wait(until) => {
                    self.now = self.now.max(until);
                    self.session.handle(self.now, Input::Timeout);
                }
                output => {
                    self.pending = shown_output(&output, self.now);
                    return Ok(());
                }
            }
        }
        mismatch(format!("at most {MAX_WAKES_PER_LINE} wakes"), "another")
    }

    fn shown_pending(&self, start: Instant) -> String {
        let output = self.pending.as_deref().unwrap_or("nothing");
        format!("after {:?}: {output}", self.now - start)
    }

    // Inputs.

    fn report_input(&mut self, input: &str) -> Outcome {
        let (word, rest) = input.split_once(' ').unwrap_or((input, ""));
        let reason = match word {
            "opened" => {
                self.next_number = 0;
                self.session.handle(self.now, Input::Opened);
                return Ok(());
            }
            "held" => {
                let until = self.now + duration(rest)?;
                self.session.handle(self.now, Input::Held(until));
                return Ok(());
            }
            "clock" => {
                let seconds = parse(rest, "seconds that the venue is ahead")?;
                self.session.handle(self.now, Input::ClockOffset { seconds });
                return Ok(());
            }
            "closed" if rest.is_empty() => Disconnect::ByVenue { code: None, reason: "".into() },
            "closed" => {
                let code = Some(parse(rest, "a close code")?);
                Disconnect::ByVenue { code, reason: "".into() }
            }
            "broken" => Disconnect::Transport(rest.into()),
            "too_large" => {
                let (size, limit) = rest.split_once(" of ").unwrap_or((rest, ""));
                let (size, limit) = (parse(size, "a size")?, parse(limit, "a limit")?);
                Disconnect::MessageTooLarge { size, limit }
            }
            "not_connected" => dial_failed(rest)?,
            "rejected" => rejected(rest)?,
            _ => return self.message_of(input),
        };
        self.session.handle(self.now, Input::Closed(reason));
        Ok(())
    }

    /// Hands in a message: text as it is, or a frame in short form, written out.
    fn message_of(&mut self, input: &str) -> Outcome {
        let (word, rest) = input.split_once(' ').unwrap_or((input, ""));
        let text = match word {
            "text" => rest.to_owned(),
            "error" => serde_json::json!({ "type": "error", "message": rest }).to_string(),
            _ if input.starts_with('{') => {
                let frame = serde_json::from_str::<serde_json::Value>(input);
                let number = frame.ok().and_then(|frame| frame["sequence_num"].as_u64());
                self.next_number = number.map_or(self.next_number, |it| it.saturating_add(1));
                input.to_owned()
            }
            _ => {
                let (number, words) = take_number(input)?;
                let number = number.unwrap_or(self.next_number);
                self.next_number = number.saturating_add(1);
                frame(number, &words)?
            }
        };
        self.session.handle(self.now, Input::Message(text.as_bytes()));
        Ok(())
    }

    /// Does what a caller does.
    fn ask(&mut self, call: &str) -> Outcome {
        let (word, rest) = call.split_once(' ').unwrap_or((call, ""));
        match word {
            "subscribe" => {
                if let Err(error) = self.session.subscribe(self.now, product(rest)?) {
                    self.pending = Some(format!("error {error}"));
                }
            }
            "unsubscribe" => {
                if self.session.unsubscribe(product(rest)?).is_err() {
                    self.pending = Some(format!("error no product {rest}"));
                }
            }
            "close" => self.session.close(self.now),
            _ => return mismatch("subscribe, unsubscribe or close", call),
        }
        Ok(())
    }

    /// Takes the steps from the first dial to live books; `come_live.txt` spells them out.
    fn come_live(&mut self) -> Outcome {
        let names = self.session.config().products.clone();
        let list = names.iter().map(ProductId::as_str).collect::<Vec<_>>().join(" ");
        let token = if self.session.config().authenticate { " with token" } else { "" };
        let mut lines = vec![
            "< connect".to_owned(),
            "> opened".to_owned(),
            format!("< send subscribe level2 {list}{token}"),
            format!("< send subscribe heartbeats{token}"),
            "< event connected".to_owned(),
        ];
        lines.extend(names.iter().map(|name| format!("< event requested {name}")));
        for (number, name) in names.iter().enumerate() {
            lines.push(format!("> snapshot #{number} {name} bid 10 1 / ask 11 1"));
            lines.push(format!("< event synced {name} #{number}"));
        }
        lines.extend([format!("> ack {list}"), format!("> ack {list}")]);
        lines.iter().try_for_each(|line| self.step(line))
    }

    // Questions.

    fn check(&self, expected: &str) -> Outcome {
        let words: Vec<&str> = expected.split_whitespace().collect();
        let got = match words[..] {
            ["bbo", name, ..] => self.shown(name, |book| format!("bbo {name} {}", best(book)))?,
            ["book", name, ..] => {
                self.shown(name, |book| format!("book {name} {}", levels(book)))?
            }
            [name, "not", "live:", _] => {
                self.shown(name, |book| format!("{name} {}", best(book)))?
            }
            ["stats", counter, _] => format!("stats {counter} {}", self.counter(counter)?),
            ["ended"] if self.session.is_ended() => "ended".to_owned(),
            ["ended"] => "not ended".to_owned(),
            _ => return mismatch("bbo, book, PRODUCT not live:, stats or ended", expected),
        };
        if got == expected { Ok(()) } else { mismatch(expected, got) }
    }

    fn shown(&self, name: &str, live: impl Fn(&Book) -> String) -> Outcome<String> {
        Ok(self.book(name)?.map_or_else(|why| format!("{name} not live: {why}"), live))
    }

    /// The live book of a product, or why there is none; its readers on other threads must agree.
    fn book(&self, name: &str) -> Outcome<Result<&Book, &'static str>> {
        let book = self.session.book(name);
        let published = self.session.bbo(name).ok().and_then(|reader| reader.load());
        let best = book.as_ref().ok().map(|book| (book.best_bid(), book.best_ask()));
        if published.map(|bbo| (bbo.bid, bbo.ask)) != best {
            return mismatch(format!("what the book says, {best:?}"), format!("{published:?}"));
        }
        Ok(book.map_err(|error| match error {
            NotLive::Lost { cause, .. } => cause.as_str(),
            NotLive::Syncing { .. } => "syncing",
            _ => "unknown",
        }))
    }

    fn counter(&self, name: &str) -> Outcome<u64> {
        let stats = self.session.stats();
        Ok(match name {
            "awaiting" => stats.awaiting,
            "crossed" => stats.crossed,
            "duplicates" => stats.duplicates,
            "frames" => stats.frames,
            "gaps" => stats.gaps,
            "general_frames" => stats.general_frames,
            "heartbeats" => stats.heartbeats,
            "late" => stats.late,
            "orphan_deletes" => stats.orphan_deletes,
            "other_channels" => stats.other_channels,
            "reconnects" => stats.reconnects,
            "refused" => stats.refused,
            "requests" => stats.requests,
            "resets" => stats.resets,
            "resyncs" => stats.resyncs,
            "snapshots" => stats.snapshots,
            "unasked" => stats.unasked,
            "undecodable" => stats.undecodable,
            "updates" => stats.updates,
            _ => return mismatch("a counter", name),
        })
    }
}

#[test]
fn every_scenario_comes_out_as_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let entries = fs::read_dir(root.join("fixtures/scenarios")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 40, "only {} scenarios were found", files.len());
    let mut failures = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        let name = file.strip_prefix(root).unwrap().display();
        if !text.starts_with("# ") {
            failures.push(format!("{name}:1:\n  expected  `# ` and the rule in words"));
        }
        failures.extend(run(&text).err().map(|failure| format!("{name}:{failure}")));
    }
    let count = failures.len();
    let (total, failures) = (files.len(), failures.join("\n\n"));
    assert!(count == 0, "{count} of {total} scenarios failed:\n\n{failures}\n");
}

#[test]
fn a_scenario_fails_where_it_says_what_is_not_so() {
    let wrong = [
        ("live\n< event synced BTC-USD #0", "2:", "got       nothing"),
        ("live\n> snapshot BTC-USD bid 1 1", "2:", "got       event synced BTC-USD #3"),
        ("live\n> heartbeat #5\n> heartbeat", "3:", "event lost BTC-USD gap"),
        ("live\n> update BTC-USD bid 9 1\n< event updated BTC-USD #4", "3:", "updated BTC-USD #3"),
        ("live\n= bbo BTC-USD 10 1 11 2", "2:", "bbo BTC-USD 10 1 11 1"),
        ("live\n= BTC-USD not live: gap", "2:", "BTC-USD 10 1 11 1"),
        ("live\n= book ETH-USD bid 1 1", "2:", "ETH-USD not live: unknown"),
        ("live\n= stats gaps 1", "2:", "stats gaps 0"),
        ("live\n+ 6s", "2:", "after 5s: disconnect"),
        ("live\n+ 4s..4s", "2:", "after 4s: nothing"),
        ("live\n+ 6s..7s", "2:", "after 5s: disconnect"),
        ("live\n+ 6s asleep\n= stats late 0\n> heartbeat", "4:", "disconnect"),
        ("live\nset resync = passive", "2:", "set resync"),
        ("live\n> snapshot BTC-USD bid 1", "2:", "bid 1"),
        ("live\n> greeting", "2:", "greeting"),
        ("live\n+ 5", "2:", "5"),
        ("set resinc = passive\nlive", "1:", "resinc"),
        ("# Only a comment.", "1:", "none"),
    ];
    for (scenario, line, got) in wrong {
        let failure = run(scenario).expect_err(scenario);
        assert!(failure.starts_with(line) && failure.contains(got), "{scenario:?}: {failure}");
    }
}
