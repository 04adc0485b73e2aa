//! The rules of the sources that no compiler holds: what the core may name, what may see what.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::sources::{Source, code_of, root, sources_in, words};

/// The modules of the core, each with those it may see.
const CORE: [(&str, &[&str]); 7] = [
    ("units", &[]),
    ("rate_window", &[]),
    ("sequence", &[]),
    ("book", &["units"]),
    ("wire", &["units"]),
    ("bbo", &["book", "units"]),
    ("session", &["bbo", "book", "rate_window", "sequence", "units", "wire"]),
];

/// What no core module names: runtimes, sockets, threads, clocks, credentials, inexact numbers.
const FORBIDDEN_WORDS: [&str; 14] = [
    "tokio",
    "futures_util",
    "SystemTime",
    "net",
    "thread",
    "sleep",
    "env",
    "fs",
    "auth",
    "feed",
    "sim",
    "f32",
    "f64",
    "unsafe",
];

/// The same, for what is only forbidden as a path. A generator of random numbers without a seed
/// would make sessions that do not replay.
const FORBIDDEN_PATHS: [&str; 5] =
    ["Instant::now", "SystemTime::now", ".elapsed()", "Rng::new()", "Rng::default()"];

/// The files that may name one of those words, and why: times convert to and from the system's,
/// without asking it for one; numbers convert to inexact ones, for callers that ask by name.
const EXCEPTIONS: [(&str, &str); 3] = [
    ("src/units/time.rs", "SystemTime"),
    ("src/units/float.rs", "f64"),
    ("src/bbo/float.rs", "f64"),
];

const MAX_COLUMNS: usize = 100;

/// The most lines of a function, from its signature to its closing brace.
const MAX_FUNCTION_LINES: usize = 70;

/// The most lines of a file of the library without its test module.
const MAX_FILE_LINES: usize = 500;

/// The files of one core module that are not its tests.
fn sources_of(module: &str) -> Vec<Source> {
    let below = sources_in(&format!("src/{module}"));
    let is_test = |path: &Path| {
        path.ends_with("tests.rs") || path.parent().is_some_and(|parent| parent.ends_with("tests"))
    };
    let mut sources: Vec<Source> =
        below.into_iter().filter(|source| !is_test(&source.path)).collect();
    let path = root().join(format!("src/{module}.rs"));
    if let Ok(text) = fs::read_to_string(&path) {
        sources.push(Source { path, text });
    }
    assert!(!sources.is_empty(), "the core module {module} has no sources");
    sources
}

fn all_sources() -> Vec<Source> {
    let sources: Vec<Source> = ["src", "crates", "tests", "benches", "examples", "fuzz"]
        .into_iter()
        .flat_map(sources_in)
        .collect();
    assert!(sources.len() > 20, "the sources were not found");
    sources
}

/// The modules of the crate that code names.
fn seen_modules(code: &str) -> BTreeSet<&str> {
    code.split("crate::").skip(1).map(|rest| words(rest).next().unwrap_or_default()).collect()
}

#[test]
fn the_core_names_no_runtime_socket_clock_thread_or_inexact_number() {
    for (module, _) in CORE {
        for source in sources_of(module) {
            let code = source.code();
            for word in words(&code) {
                let is_excepted = EXCEPTIONS.contains(&(source.shown().as_str(), word));
                let is_allowed = is_excepted || !FORBIDDEN_WORDS.contains(&word);
                assert!(is_allowed, "{} names {word}", source.shown());
            }
            let numbers = without_texts(&code);
            let float = numbers.lines().find(|line| has_float(line));
            let may_convert = EXCEPTIONS.contains(&(source.shown().as_str(), "f64"));
            assert!(float.is_none() || may_convert, "{} has {float:?}", source.shown());
            for path in FORBIDDEN_PATHS {
                assert!(!code.contains(path), "{} names {path}", source.shown());
            }
        }
    }
}

/// Returns code without what stands between quotes, over several lines too.
fn without_texts(code: &str) -> String {
    let (mut kept, mut is_text, mut before) = (String::new(), false, ' ');
    let mut left = code.chars().peekable();
    while let Some(character) = left.next() {
        let is_byte = before == '\'' && left.peek() == Some(&'\'');
        match character {
            '\\' if is_text => drop(left.next()),
            '"' if is_text || !is_byte => is_text = !is_text,
            '\n' => kept.push('\n'),
            _ if !is_text => kept.push(character),
            _ => {}
        }
        before = character;
    }
    kept
}

/// Returns whether a line of code has an inexact number: a literal, or a conversion to one.
fn has_float(line: &str) -> bool {
    let code = without_texts(line);
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    let converts = words(&code).any(|word| word.ends_with("f64") || word.ends_with("f32"));
    let is_literal = code.match_indices('.').any(|(at, _)| {
        let whole = &code[code[..at].rfind(|c: char| !is_word(c)).map_or(0, |i| i + 1)..at];
        let before = &code[..at - whole.len()];
        let is_number = whole.starts_with(|c: char| c.is_ascii_digit());
        // A field of a tuple in a tuple looks like a number.
        let is_field = before.ends_with('.') && !before.ends_with("..");
        is_number && !is_field && code[at + 1..].starts_with(|c: char| c.is_ascii_digit())
    });
    converts || is_literal
}

#[test]
fn inexact_numbers_are_found_in_every_form() {
    for line in ["0.1 + x", "let x = 1_f64;", "0.5f64", "price.to_f64()", "x as f32"] {
        assert!(has_float(line), "{line}");
    }
    for line in ["self.0.1", "0..10", "x.0", "\"0.5\"", "1.max(x)", "self.sides.0.1.len()"] {
        assert!(!has_float(line), "{line}");
    }
}

#[test]
fn dependencies_of_the_core_point_one_way() {
    for (module, allowed) in CORE {
        for source in sources_of(module) {
            let code = source.code();
            assert!(
                !code.contains("crate::{"),
                "{}: one module a line, or this test cannot read it",
                source.shown()
            );
            for seen in seen_modules(&code) {
                assert!(
                    seen == module || allowed.contains(&seen),
                    "{} sees {seen}, and {module} may only see {allowed:?}",
                    source.shown()
                );
            }
            let is_top = source.path.ends_with("mod.rs") || source.path.parent() == Some(&src());
            let climbs = if is_top { "super::" } else { "super::super::" };
            assert!(!code.contains(climbs), "{} climbs out of {module}", source.shown());
        }
    }
}

fn src() -> PathBuf {
    root().join("src")
}

#[test]
fn the_library_forbids_unsafe_code() {
    let text = fs::read_to_string(src().join("lib.rs")).unwrap();
    assert!(text.contains("#![forbid(unsafe_code)]"));
    let sim = root().join("crates/sim/src/lib.rs");
    assert!(fs::read_to_string(sim).unwrap().contains("#![forbid(unsafe_code)]"));
    for source in ["src", "crates"].into_iter().flat_map(sources_in) {
        let code = code_of(&source.text).replace("forbid(unsafe_code)", "");
        assert!(words(&code).all(|word| word != "unsafe"), "{}", source.shown());
    }
}

#[test]
fn no_line_is_longer_than_a_hundred_columns() {
    let mut untidy = Vec::new();
    for source in all_sources() {
        for (index, line) in source.text.lines().enumerate() {
            // A row of a table in documentation cannot be broken.
            let is_row = line.starts_with("//! |") || line.trim_start().starts_with("/// |");
            let is_long = line.chars().count() > MAX_COLUMNS && !is_row;
            if is_long || line.ends_with(char::is_whitespace) || line.contains('\t') {
                untidy.push(format!("{}:{}", source.shown(), index + 1));
            }
        }
    }
    assert!(untidy.is_empty(), "too long, or with a tab or a space at the end: {untidy:#?}");
}

#[test]
fn every_file_begins_by_saying_what_it_is_for() {
    for source in all_sources() {
        let first = source.text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! ") && first.len() > 10, "{}: {first:?}", source.shown());
    }
}

#[test]
fn comments_and_test_modules_are_not_code() {
    let text = concat!(
        "//! tokio\nuse a::b; // thread\n    // net\nlet url = \"x//y\";\n",
        "#[cfg(test)]\nmod tests;\n",
        "#[cfg(all(test, x))]\nmod other {\n    f64\n}\n",
        "fn f() {}\n",
    );
    let code = code_of(text);
    let found: Vec<&str> = words(&code).collect();
    assert_eq!(found, ["use", "a", "b", "let", "url", "x", "y", "fn", "f"]);
    let seen = seen_modules("use crate::book::Side; crate::wire::time::now(crate::bbo)");
    assert_eq!(seen, BTreeSet::from(["bbo", "book", "wire"]));
}

#[test]
fn no_function_is_longer_than_seventy_lines() {
    let mut longest = (0, String::new());
    for source in all_sources() {
        // Where a function began, how far it is indented, and whether its body has begun.
        let mut open: Option<(usize, &str, bool)> = None;
        for (number, line) in source.text.lines().enumerate() {
            let trimmed = line.trim_start();
            let indent = &line[..line.len() - trimmed.len()];
            if let Some((start, at, true)) = open {
                if indent == at && trimmed == "}" {
                    let lines = number - start + 1;
                    longest = longest.max((lines, format!("{}:{}", source.shown(), start + 1)));
                    open = None;
                }
                continue;
            }
            if open.is_none() && !trimmed.starts_with("//") && is_signature(trimmed) {
                open = Some((number, indent, false));
            }
            let Some((_, at, has_body)) = &mut open else { continue };
            // One without a body, or on one line, has its end where its signature has.
            match line.chars().last() {
                Some(';' | '}') if indent == *at => open = None,
                last => *has_body = last == Some('{'),
            }
        }
    }
    println!("the longest function has {} lines: {}", longest.0, longest.1);
    assert!(longest.0 > 20, "no function was found");
    assert!(longest.0 <= MAX_FUNCTION_LINES, "{} lines: {}", longest.0, longest.1);
}

/// Returns whether a line begins a function.
fn is_signature(line: &str) -> bool {
    let after_visibility = match line.strip_prefix("pub(") {
        Some(rest) => rest.split_once(") ").map_or(rest, |(_, rest)| rest),
        None => line.strip_prefix("pub ").unwrap_or(line),
    };
    let qualifiers = ["async", "const", "default"];
    after_visibility.split(' ').find(|word| !qualifiers.contains(word)) == Some("fn")
}

#[test]
fn no_file_of_the_library_is_longer_than_five_hundred_lines_without_its_tests() {
    let mut longest = (0, String::new());
    for source in ["src", "crates"].into_iter().flat_map(sources_in) {
        if source.shown().contains("tests") {
            continue;
        }
        let lines = source.code().lines().count();
        longest = longest.max((lines, source.shown()));
    }
    println!("the longest file has {} lines: {}", longest.0, longest.1);
    assert!(longest.0 <= MAX_FILE_LINES, "{} lines: {}", longest.0, longest.1);
}
