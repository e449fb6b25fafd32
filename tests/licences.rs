//! Every dependency is under a licence that `deny.toml` allows, and comes from where it allows. Works offline.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// What the build on this machine is made of: name and version, licence, source (none for this package itself).
struct Package {
    name: String,
    licence: Option<String>,
    source: Option<String>,
}

fn deny() -> toml::Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml");
    std::fs::read_to_string(path).expect("deny.toml can be read").parse().expect("deny.toml is TOML")
}

fn texts(table: &toml::Table, section: &str, key: &str) -> BTreeSet<String> {
    let list = table[section][key].as_array().expect("a list");
    list.iter().map(|text| text.as_str().expect("a list of texts").to_owned()).collect()
}

fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().expect("rustc can be started");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc says its host").to_owned()
}

fn packages() -> Vec<Package> {
    // Only what is built here: packages for other systems are not on this machine, and nothing is fetched.
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--offline", "--locked", "--format-version", "1", "--filter-platform", &host()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let list = metadata["packages"].as_array().expect("a list of packages");
    list.iter()
        .map(|package| Package {
            name: format!(
                "{} {}",
                text(&package["name"]).unwrap_or_default(),
                text(&package["version"]).unwrap_or_default()
            ),
            licence: text(&package["license"]),
            source: text(&package["source"]),
        })
        .collect()
}

/// Whether an SPDX expression can be satisfied with the allowed licences; an error says what is not understood.
///
/// `AND` binds closer than `OR`; the old `A/B` means `A OR B`.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> Result<bool, String> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    let answer = any_of(&mut words, allowed)?;
    match words.pop() {
        None => Ok(answer),
        Some(word) => Err(format!("{word:?} is not expected in {expression:?}")),
    }
}

fn any_of(words: &mut Vec<&str>, allowed: &BTreeSet<String>) -> Result<bool, String> {
    let mut answer = all_of(words, allowed)?;
    while words.last() == Some(&"OR") {
        words.pop();
        answer |= all_of(words, allowed)?;
    }
    Ok(answer)
}

fn all_of(words: &mut Vec<&str>, allowed: &BTreeSet<String>) -> Result<bool, String> {
    let mut answer = one(words, allowed)?;
    while words.last() == Some(&"AND") {
        words.pop();
        answer &= one(words, allowed)?;
    }
    Ok(answer)
}

fn one(words: &mut Vec<&str>, allowed: &BTreeSet<String>) -> Result<bool, String> {
    match words.pop() {
        Some("(") => {
            let answer = any_of(words, allowed)?;
            if words.pop() == Some(")") { Ok(answer) } else { Err("a parenthesis is not closed".to_owned()) }
        }
        Some(word) if !["AND", "OR", "WITH", ")"].contains(&word) => {
            if words.last() != Some(&"WITH") {
                return Ok(allowed.contains(word));
            }
            words.pop();
            let exception = words.pop().ok_or("an exception is missing after WITH")?;
            Ok(allowed.contains(&format!("{word} WITH {exception}")))
        }
        other => Err(format!("a licence is missing before {other:?}")),
    }
}

#[test]
fn every_dependency_is_under_an_allowed_licence() {
    let allowed = texts(&deny(), "licenses", "allow");
    let packages = packages();
    assert!(packages.len() > 50, "only {} packages: this is not the whole tree", packages.len());
    let refused: Vec<String> = packages
        .iter()
        .filter_map(|package| {
            let licence = package.licence.as_deref().unwrap_or("no licence");
            match is_allowed(licence, &allowed) {
                Ok(true) => None,
                Ok(false) => Some(format!("{}: {licence}", package.name)),
                Err(error) => Some(format!("{}: {error}", package.name)),
            }
        })
        .collect();
    assert!(refused.is_empty(), "not allowed by deny.toml:\n{}", refused.join("\n"));
}

#[test]
fn every_dependency_comes_from_an_allowed_registry() {
    let registries = texts(&deny(), "sources", "allow-registry");
    for package in packages() {
        let Some(source) = package.source else {
            assert!(package.name.starts_with("discnt "), "{} comes from a folder of this machine", package.name);
            continue;
        };
        let registry = source.strip_prefix("registry+").unwrap_or(&source);
        assert!(registries.contains(registry), "{} comes from {source}", package.name);
    }
}

#[test]
fn no_licence_is_allowed_that_nothing_needs() {
    let allowed = texts(&deny(), "licenses", "allow");
    let packages = packages();
    for licence in &allowed {
        let named =
            packages.iter().any(|package| package.licence.as_deref().unwrap_or_default().contains(licence.as_str()));
        assert!(named, "nothing is under {licence}: take it out of deny.toml");
    }
}

#[test]
fn licence_expressions_are_understood() {
    let allowed: BTreeSet<String> =
        ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].iter().map(|text| (*text).to_owned()).collect();
    for (expression, answer) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT OR GPL-3.0", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("MIT AND ISC", true),
        ("MIT AND (GPL-3.0 OR ISC)", true),
        ("(GPL-3.0 OR MIT) AND GPL-2.0", false),
        ("GPL-3.0 OR MIT AND GPL-2.0", false),
        ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true),
        ("Apache-2.0", false),
        ("MIT WITH LLVM-exception", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), Ok(answer), "{expression}");
    }
    for broken in ["", "MIT OR", "MIT MIT", "(MIT", "MIT)", "OR MIT", "MIT WITH"] {
        assert!(is_allowed(broken, &allowed).is_err(), "{broken}");
    }
}
