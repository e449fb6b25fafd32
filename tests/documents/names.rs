//! What the pages name: other pages, settings, commands, errors, figures of INFO.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::pages::{self, Page};
use crate::server_support::Ground;

/// Under this heading the commands are those that do not exist.
const ABSENT: &str = "What there is not";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn links_lead_to_pages_and_headings_that_exist() {
    for page in pages::all() {
        for (line, link) in page.links().into_iter().filter(|(_, link)| !link.contains("://")) {
            let at = format!("{}:{line}: {link}", page.name());
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = page.path.parent().expect("a directory").join(path);
            let target = if path.is_empty() { page.path.clone() } else { target };
            assert!(target.exists(), "{at}: there is no such file");
            if !anchor.is_empty() {
                let anchors = pages::page(&target).anchors();
                assert!(anchors.iter().any(|known| known == anchor), "{at}: its headings are {anchors:?}");
            }
        }
    }
}

#[test]
fn all_pages_can_be_reached_from_the_readme() {
    let readme = pages::page(&root().join("README.md"));
    let links: BTreeSet<String> = readme.links().into_iter().map(|(_, link)| link).collect();
    for page in pages::all().iter().map(Page::name).filter(|name| name != "README.md") {
        assert!(links.contains(&page), "README.md does not link to {page}");
    }
}

/// All settings, as section and key.
fn settings() -> BTreeSet<(String, String)> {
    let (mut section, mut settings) = (String::new(), BTreeSet::new());
    for line in read("packaging/discnt.toml").lines() {
        let key = line.trim_start_matches("# ").split(" = ").next().unwrap_or_default();
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if line.contains(" = ") && key.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
            settings.insert((section.clone(), key.to_owned()));
        }
    }
    settings
}

/// `[section] key` and `section.key`, with or without a value.
fn setting_named(word: &str, sections: &BTreeSet<String>) -> Option<(String, String)> {
    let is_key = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let word = word.split(" = ").next()?.split('=').next()?;
    let (section, key) = match word.strip_prefix('[') {
        Some(rest) => rest.split_once("] ")?,
        None => word.split_once('.').filter(|(section, _)| sections.contains(*section))?,
    };
    (is_key(section) && is_key(key)).then(|| (section.to_owned(), key.to_owned()))
}

#[test]
fn settings_that_are_named_exist() {
    let settings = settings();
    let sections: BTreeSet<String> = settings.iter().map(|(section, _)| section.clone()).collect();
    let mut found = 0;
    for page in pages::all() {
        for (line, word, _) in page.words() {
            let Some(named) = setting_named(&word, &sections) else { continue };
            found += 1;
            assert!(settings.contains(&named), "{}:{line}: there is no setting `{word}`", page.name());
        }
    }
    assert!(found > 20, "only {found} settings were found");
}

#[test]
fn the_settings_that_can_change_are_all_named() {
    let source = read("src/daemon/config/change.rs");
    let list = source.split("const CHANGEABLE").nth(1).and_then(|rest| rest.split("];").next()).expect("the list");
    let changeable: BTreeSet<&str> = list.split('"').skip(1).step_by(2).collect();
    let page = read("docs/OPERATIONS.md");
    let section =
        page.split("### What can change while the node runs").nth(1).and_then(|rest| rest.split("\n## ").next());
    let named: BTreeSet<&str> = section.expect("the section").split('`').skip(1).step_by(2).collect();
    assert_eq!(named, changeable);
}

#[test]
fn servers_are_started_with_flags_that_exist() {
    use clap::Parser;
    let mut found = 0;
    for page in pages::all() {
        for (at, line) in page.text.lines().enumerate() {
            let line = line.trim_start_matches(['$', ' ']).split(" # ").next().unwrap_or_default();
            if !line.starts_with("discnt-server ") {
                continue;
            }
            found += 1;
            let parsed = discnt::daemon::Arguments::try_parse_from(line.split_whitespace());
            assert!(parsed.is_ok(), "{}:{}: {line}: {parsed:?}", page.name(), at + 1);
        }
    }
    assert!(found > 8, "only {found} servers were found");
}

/// The first word of a command as the pages write it: in capitals.
fn command_named(word: &str) -> Option<&str> {
    let first = word.split(' ').next()?;
    let is_one = first.len() > 2
        && first.starts_with(|c: char| c.is_ascii_uppercase())
        && first.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    (is_one && !first.starts_with("DISCNT_")).then_some(first)
}

#[test]
fn commands_that_are_named_exist_and_those_that_are_said_not_to_do_not() {
    let commands: BTreeSet<String> =
        discnt::command::COMMANDS.iter().map(|command| command.name.to_uppercase()).collect();
    let reference = read("docs/COMMANDS.md");
    let known: BTreeSet<&str> = reference.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').collect();
    for page in pages::all().into_iter().filter(|page| page.name() != "docs/COMMANDS.md") {
        for (line, word, heading) in page.words() {
            let Some(first) = command_named(&word) else { continue };
            let at = format!("{}:{line}: `{word}`", page.name());
            if heading == ABSENT {
                assert!(!commands.contains(first), "{at} exists");
            } else {
                let is_signal = first.starts_with("SIG");
                assert!(known.contains(first) || is_signal, "{at} is not in docs/COMMANDS.md");
            }
        }
    }
}

#[test]
fn errors_that_are_named_are_given_somewhere() {
    let mut source = String::new();
    for folder in ["src/command", "src/listener", "src/resp"] {
        for entry in fs::read_dir(root().join(folder)).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                source += &fs::read_to_string(path).expect("text");
            }
        }
    }
    for page in pages::all() {
        for (line, word, _) in page.words() {
            let Some(code) = word.strip_prefix('-').and_then(|rest| rest.split(' ').next()) else { continue };
            if code.len() > 2 && code.chars().all(|c| c.is_ascii_uppercase()) {
                let is_given = source.contains(&format!("\"{code}\"")) || source.contains(&format!("\"{code} "));
                assert!(is_given, "{}:{line}: no error begins with `{word}`", page.name());
            }
        }
    }
}

#[test]
fn figures_that_are_named_are_in_info_or_are_settings() {
    let ground = Ground::new();
    for arguments in [&["init"][..], &["issue", "--name", "clients"]] {
        let ran = ground.cli(&[&["certs"], arguments, &["--dir", "authority"]].concat());
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    let issued = |file: &str| ground.path(format!("authority/{file}")).display().to_string();
    let (cert, key) = (issued("clients.crt"), issued("clients.key"));
    let tls = ["resp.tls_port=0".to_owned(), format!("resp.tls_cert={cert}"), format!("resp.tls_key={key}")];
    let server = ground.server().set_all(&tls.each_ref().map(String::as_str)).run();
    let mut client = server.client();
    let mut known: BTreeSet<String> = settings().into_iter().map(|(_, key)| key).collect();
    for request in ["INFO everything", "CLUSTER INFO"] {
        let text = client.ask(request);
        known.extend(text.lines().filter_map(|line| Some(line.split_once(':')?.0.to_owned())));
    }
    let page = pages::all().into_iter().find(|page| page.name() == "docs/OPERATIONS.md").expect("the page");
    let mut found = 0;
    for (line, word, _) in page.words() {
        let is_figure = word.contains('_') && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        if is_figure {
            found += 1;
            assert!(known.contains(&word), "{}:{line}: INFO has no `{word}`", page.name());
        }
    }
    assert!(found > 20, "only {found} figures were found");
}
