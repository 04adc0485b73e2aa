//! What the library depends on, against the lists of `deny.toml`: licences, bans and sources.
//!
//! `cargo deny` does the same and more, where it is installed; this needs cargo alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use spdx::{Expression, ParseMode};
use toml::Table;

/// The packages of this workspace.
const OWN: [&str; 3] = ["level2", "level2-cli", "level2-sim"];

/// A package of the tree.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: String,
    version: String,
    /// Where it is from, if that is not the public registry.
    origin: String,
    license: String,
    features: Vec<String>,
}

fn read(file: &str) -> Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    fs::read_to_string(path).unwrap().parse().unwrap()
}

fn texts(list: &toml::Value) -> BTreeSet<&str> {
    list.as_array().unwrap().iter().map(|entry| entry.as_str().unwrap()).collect()
}

fn crates<'a>(lists: &'a Table, key: &str) -> Vec<&'a str> {
    let list = lists["bans"][key].as_array().unwrap();
    list.iter().map(|entry| entry["crate"].as_str().unwrap()).collect()
}

fn tree(scope: &[&str]) -> Output {
    Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--all-features"])
        .args(["--edges", "normal,build", "--prefix", "none"])
        .args(["--format", "{p}|{l}|{f}", "--locked"])
        .args(scope)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

/// Every package that is built with all features, on whatever system, tests and benches apart.
fn shipped() -> BTreeSet<Package> {
    // What other systems need was not downloaded to build this test: cargo does so now.
    let mut output = tree(&["--target", "all"]);
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        println!("skipped: packages that only other systems need, for want of them: {error}");
        output = tree(&["--offline"]);
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty());
    let packages: BTreeSet<Package> = lines.map(package).collect();
    assert!(packages.len() > 100, "only {} packages were found", packages.len());
    packages
}

/// Reads a line such as `name v1.2.3 (proc-macro)|MIT|default,std (*)`.
fn package(line: &str) -> Package {
    let mut columns = line.trim_end_matches(" (*)").split('|');
    let (package, license) = (columns.next().unwrap(), columns.next().unwrap());
    let mut words = package.split(' ');
    let (name, version) = (words.next().unwrap(), words.next().unwrap());
    let origin: Vec<&str> = words.filter(|word| *word != "(proc-macro)").collect();
    let features = columns.next().unwrap_or_default().split(',').map(str::to_owned);
    Package {
        name: name.to_owned(),
        version: version.trim_start_matches('v').to_owned(),
        origin: origin.join(" "),
        license: license.to_owned(),
        features: features.collect(),
    }
}

#[test]
fn every_licence_is_one_of_those_allowed() {
    let lists = read("deny.toml");
    let allowed = texts(&lists["licenses"]["allow"]);
    for Package { name, license, .. } in shipped() {
        let expression = Expression::parse_mode(&license, ParseMode::LAX);
        let expression = expression.unwrap_or_else(|error| panic!("{name}: {error}"));
        let is_allowed = expression.evaluate(|licence| {
            let id = licence.license.id();
            licence.addition.is_none() && id.is_some_and(|id| allowed.contains(id.name))
        });
        assert!(is_allowed, "{name} is under {license}");
    }
}

#[test]
fn nothing_that_is_banned_is_depended_on() {
    let lists = read("deny.toml");
    let banned = crates(&lists, "deny");
    let packages = shipped();
    for Package { name, .. } in &packages {
        assert!(!banned.contains(&name.as_str()), "{name} is banned");
    }
    for ban in lists["bans"]["features"].as_array().unwrap() {
        let denied = texts(&ban["deny"]);
        let mut bearers =
            packages.iter().filter(|package| ban["crate"].as_str() == Some(&package.name));
        let package = bearers.next().unwrap_or_else(|| panic!("{ban:?} bans features of nothing"));
        for feature in &package.features {
            assert!(!denied.contains(feature.as_str()), "{} has {feature}", package.name);
        }
    }
}

#[test]
fn no_package_is_there_in_two_versions_but_those_named() {
    let lists = read("deny.toml");
    let skipped = crates(&lists, "skip");
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for Package { name, version, .. } in shipped() {
        versions.entry(name).or_default().insert(version);
    }
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
        let mut left = Vec::new();
        for version in versions {
            let skip = skipped.iter().find(|skip| {
                let prefix = skip.strip_prefix(&format!("{name}@"));
                prefix.is_some_and(|prefix| version.starts_with(&format!("{prefix}.")))
            });
            match skip {
                Some(skip) => drop(used.insert(skip)),
                None => left.push(version),
            }
        }
        assert!(left.len() <= 1, "{name} is there in {versions:?}");
    }
    let unused: Vec<&&str> = skipped.iter().filter(|skip| !used.contains(**skip)).collect();
    assert!(unused.is_empty(), "there is but one version of {unused:?} by now");
}

#[test]
fn everything_is_from_the_public_registry_by_a_version() {
    for Package { name, origin, .. } in shipped() {
        assert!(origin.is_empty() || OWN.contains(&&*name), "{name} is from {origin}");
    }
    let manifest = read("Cargo.toml");
    let shared = manifest["workspace"]["dependencies"].as_table().unwrap();
    for (name, dependency) in manifest["dependencies"].as_table().unwrap().iter().chain(shared) {
        if dependency.get("workspace").is_some() || OWN.contains(&name.as_str()) {
            continue;
        }
        let version = dependency.get("version").unwrap_or(dependency).as_str();
        assert!(version.is_some_and(|version| version != "*"), "{name} names no version");
        for elsewhere in ["git", "path", "registry"] {
            assert!(dependency.get(elsewhere).is_none(), "{name} is from elsewhere");
        }
    }
}

/// The oracle of the simulations must share no code with what it judges.
#[test]
fn the_simulated_exchange_depends_on_nothing_of_the_library() {
    let manifest = read("crates/sim/Cargo.toml");
    for table in ["dependencies", "build-dependencies"] {
        let listed = manifest.get(table).and_then(toml::Value::as_table);
        for (name, dependency) in listed.into_iter().flatten() {
            let package = dependency.get("package").and_then(toml::Value::as_str).unwrap_or(name);
            assert!(!package.starts_with("level2"), "level2-sim depends on {package}");
            assert!(dependency.get("path").is_none(), "level2-sim depends on a path for {name}");
        }
    }
}
