//! No file imports itself by way of others: which file names what of which, and that no circle is
//! among these arrows.
//!
//! A re-export is no arrow: a name that comes through one leads to the file that defines it.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::{Source, sources_in, words};

/// The files of one crate by their module paths, such as `book::depth`.
struct Modules {
    files: BTreeMap<String, File>,
}

/// What one file imports.
#[derive(Default)]
struct File {
    /// Names that the file imports or re-exports, to where they come from.
    names: BTreeMap<String, Vec<String>>,
    /// The paths that the file's own code names.
    named: BTreeSet<Vec<String>>,
}

impl Modules {
    fn of(folder: &str) -> Self {
        let mut files = BTreeMap::new();
        for source in sources_in(folder) {
            let path = source.shown();
            let Some(path) = path.split_once("src/").map(|(_, path)| path.to_owned()) else {
                continue;
            };
            // Tests may look at whatever they test, and a program has a tree of its own.
            let is_test = path.contains("tests");
            if is_test || path == "main.rs" || path == "signals.rs" {
                continue;
            }
            let module = path.trim_end_matches(".rs").trim_end_matches("mod").trim_matches('/');
            let module = if module == "lib" { "" } else { module };
            files.insert(module.replace('/', "::"), File::read(&source, module));
        }
        assert!(files.len() > 5, "the sources of {folder} were not found");
        Self { files }
    }

    /// Returns the file that defines what a path names, if that is one of this crate's.
    fn definer_of(&self, path: &[String], depth: usize) -> Option<&str> {
        let mut module = String::new();
        for (index, segment) in path.iter().enumerate() {
            let child =
                if module.is_empty() { segment.clone() } else { format!("{module}::{segment}") };
            if self.files.contains_key(&child) {
                module = child;
                continue;
            }
            // A name of this file, which may come from another.
            let from = self.files.get(&module)?.names.get(segment);
            return match from {
                Some(from) if depth < 8 => {
                    let rest = path[index + 1..].iter().cloned();
                    let longer: Vec<String> = from.iter().cloned().chain(rest).collect();
                    self.definer_of(&longer, depth + 1)
                }
                _ => self.files.get_key_value(&module).map(|(name, _)| name.as_str()),
            };
        }
        self.files.get_key_value(&module).map(|(name, _)| name.as_str())
    }

    /// Returns, for each file, those whose names its own code uses.
    fn arrows(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut arrows: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (module, file) in &self.files {
            let to = file.named.iter().filter_map(|path| self.definer_of(path, 0));
            arrows.entry(module).or_default().extend(to.filter(|to| to != module));
        }
        arrows
    }
}

impl File {
    fn read(source: &Source, module: &str) -> Self {
        let code = source.code();
        let here: Vec<String> =
            module.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let mut file = Self::default();
        let mut rest = code.as_str();
        let (mut own, mut reexported) = (String::new(), Vec::new());
        while let Some(start) = next_use(rest) {
            let (before, statement) = rest.split_at(start);
            own.push_str(before);
            let end = statement.find(';').unwrap_or(statement.len());
            let is_reexport = before.trim_end().ends_with("pub")
                || before.trim_end().ends_with("pub(crate)")
                || before.trim_end().ends_with("pub(super)");
            for path in expand(&statement["use ".len()..end]) {
                let (path, alias) = match path.split_once(" as ") {
                    Some((path, alias)) => (path.to_owned(), Some(alias.trim().to_owned())),
                    None => (path, None),
                };
                let Some(path) = absolute(&path, &here) else { continue };
                let name = alias.or_else(|| path.last().cloned()).unwrap_or_default();
                if is_reexport {
                    reexported.push((name.clone(), path.clone()));
                } else {
                    file.named.insert(path.clone());
                }
                file.names.insert(name, path);
            }
            rest = &statement[end..];
        }
        own.push_str(rest);
        // A re-export is an arrow where the file's own code uses the name too.
        let used: BTreeSet<&str> = words(&own).collect();
        let is_used = |(name, _): &(String, _)| used.contains(name.as_str());
        file.named.extend(reexported.into_iter().filter(is_used).map(|(_, path)| path));
        // A path that begins with a file beside this one's children, such as `tcp::connect(..)`.
        for (at, _) in own.match_indices("::") {
            let is_word = |character: char| character.is_alphanumeric() || character == '_';
            let start = own[..at].rfind(|c: char| !is_word(c)).map_or(0, |before| before + 1);
            if start < at && !own[..start].ends_with(':') {
                let first = own[start..at].to_owned();
                file.named.insert(here.iter().cloned().chain([first]).collect());
            }
        }
        for prefix in ["crate::", "super::", "self::"] {
            for (at, _) in own.match_indices(prefix) {
                let is_word = |character: char| character.is_alphanumeric() || character == '_';
                let before = &own[..at];
                let is_inside = before.ends_with(|last| is_word(last) || last == ':');
                // A visibility is no import.
                if is_inside || before.ends_with("pub(in ") {
                    continue;
                }
                let end = own[at..].find(|c: char| !is_word(c) && c != ':');
                let path = own[at..at + end.unwrap_or(own.len() - at)].trim_end_matches(':');
                file.named.extend(absolute(path, &here));
            }
        }
        file
    }
}

/// Returns where the next `use` statement begins.
fn next_use(code: &str) -> Option<usize> {
    code.match_indices("use ").map(|(at, _)| at).find(|at| {
        let before = code[..*at].rsplit('\n').next().unwrap_or_default().trim();
        ["", "pub", "pub(crate)", "pub(super)"].contains(&before)
    })
}

/// Takes the braces of a `use` apart.
fn expand(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else { return vec![tree.to_owned()] };
    let (prefix, inside) = (&tree[..open], &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())]);
    let (mut parts, mut part, mut depth) = (Vec::new(), String::new(), 0);
    for character in inside.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            _ => {}
        }
        part.push(character);
    }
    parts.push(part);
    let parts = parts.into_iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| expand(&format!("{prefix}{}", part.trim()))).collect()
}

/// Returns a path from the root of the crate, or `None` if it leads to another crate.
fn absolute(path: &str, here: &[String]) -> Option<Vec<String>> {
    let mut module: Vec<String> = here.to_vec();
    let mut segments = path.split("::").map(str::trim).filter(|segment| !segment.is_empty());
    let mut rest = Vec::new();
    match segments.next()? {
        "crate" => module.clear(),
        "self" => {}
        "super" => drop(module.pop()),
        _ => return None,
    }
    for segment in segments {
        match segment {
            "super" => drop(module.pop()),
            "self" | "*" => {}
            segment => rest.push(segment.to_owned()),
        }
    }
    module.extend(rest);
    Some(module)
}

/// Follows the arrows from a file, and returns a way back to it.
fn circle_through<'a>(
    arrows: &BTreeMap<&'a str, BTreeSet<&'a str>>,
    start: &'a str,
) -> Option<Vec<&'a str>> {
    let (mut seen, mut ways) = (BTreeSet::new(), vec![vec![start]]);
    while let Some(way) = ways.pop() {
        for to in arrows.get(way[way.len() - 1]).into_iter().flatten() {
            if *to == start {
                return Some(way);
            }
            if seen.insert(*to) {
                ways.push(way.iter().copied().chain([*to]).collect());
            }
        }
    }
    None
}

#[test]
fn no_file_imports_in_a_circle() {
    for folder in ["src", "crates/sim/src", "crates/cli/src"] {
        let modules = Modules::of(folder);
        let arrows = modules.arrows();
        let count: usize = arrows.values().map(BTreeSet::len).sum();
        println!("{folder}: {} files, {count} arrows", arrows.len());
        assert!(count > 20, "the imports of {folder} were not found");
        for file in arrows.keys() {
            let circle = circle_through(&arrows, file);
            assert!(circle.is_none(), "{folder}: a circle: {circle:?}");
        }
    }
}

#[test]
fn imports_are_found_in_every_form() {
    assert_eq!(expand("a::{b, c::{d, e as f}}"), ["a::b", "a::c::d", "a::c::e as f"]);
    let here = ["book".to_owned(), "depth".to_owned()];
    let path = |path| absolute(path, &here).map(|path| path.join("::"));
    assert_eq!(path("super::Level"), Some("book::Level".to_owned()));
    assert_eq!(path("super::super::wire::Frame"), Some("wire::Frame".to_owned()));
    assert_eq!(path("self::fill::Fill"), Some("book::depth::fill::Fill".to_owned()));
    assert_eq!(path("crate::bbo"), Some("bbo".to_owned()));
    assert_eq!(path("std::fmt"), None);
    let arrows = BTreeMap::from([
        ("a", BTreeSet::from(["b"])),
        ("b", BTreeSet::from(["c"])),
        ("c", BTreeSet::from(["a"])),
        ("d", BTreeSet::from(["a"])),
    ]);
    assert_eq!(circle_through(&arrows, "a"), Some(vec!["a", "b", "c"]));
    assert_eq!(circle_through(&arrows, "d"), None);
}
