//! Completions and manual pages below packaging/ say what the programs' own definitions say.

#[path = "packaging/pages.rs"]
mod pages;
#[path = "packaging/roff.rs"]
mod roff;
#[path = "packaging/settings.rs"]
mod settings;
#[path = "packaging/shells.rs"]
mod shells;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::CommandFactory;
use clap_complete::Shell;

const AGAIN: &str = "run UPDATE_DOCS=1 cargo test --test packaging";

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging")
}

/// Every file that is made, by its path below packaging/.
fn made() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for (shell, prefix, suffix) in [(Shell::Bash, "", ".bash"), (Shell::Zsh, "_", ""), (Shell::Fish, "", ".fish")] {
        for command in [discnt::cli::definition_with_commands(), discnt::daemon::Arguments::command()] {
            let name = command.get_name().to_owned();
            let script = discnt::cli::completion_script(shell, command);
            files.insert(format!("completions/{prefix}{name}{suffix}"), script);
        }
    }
    for (name, page) in pages::all() {
        files.insert(format!("man/man1/{name}.1"), page);
    }
    let example = std::fs::read_to_string(packaging().join("discnt.toml")).expect("packaging/discnt.toml");
    files.insert("man/man5/discnt.toml.5".to_owned(), settings::page(&example));
    files
}

/// What is there.
fn committed() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut folders = vec![packaging().join("completions"), packaging().join("man")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("packaging/ can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(packaging()).expect("below packaging/").display().to_string();
                files.insert(name, std::fs::read_to_string(&path).expect("UTF-8"));
            }
        }
    }
    files
}

#[test]
fn completions_and_manual_pages_are_up_to_date() {
    let made = made();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        for name in committed().keys().filter(|name| !made.contains_key(*name)) {
            std::fs::remove_file(packaging().join(name)).expect("packaging/ can be written");
        }
        for (name, text) in &made {
            let path = packaging().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("packaging/ can be written");
            std::fs::write(path, text).expect("packaging/ can be written");
        }
    }
    let committed = committed();
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&committed), names(&made), "{AGAIN}");
    for (name, text) in &made {
        assert!(committed[name] == *text, "packaging/{name} is out of date: {AGAIN}");
    }
}

#[test]
fn manual_pages_have_what_the_programs_take() {
    let made = made();
    let page = |name: &str| made[&format!("man/{name}")].replace("\\-", "-");
    for (name, words) in [
        (
            "man1/discnt-cli.1",
            &["--no-auth-warning", "DISCNT_URL", "SH \"EXIT STATUS\"", "discnt-cli-bench\\fR(1)"][..],
        ),
        ("man1/discnt-cli-bench.1", &["--rate", "SH EXAMPLES", "discnt-cli bench mixed -d 30"]),
        ("man1/discnt-cli-certs.1", &["SS \"discnt-cli certs issue\"", "--days"]),
        ("man1/discnt-server.1", &["--check-config", "DISCNT_RESP__PASSWORD=secret"]),
        ("man5/discnt.toml.5", &["SH \"[cluster]\"", "lease_ms\\fR = ", "Allowed: "]),
    ] {
        let text = page(name);
        for word in words {
            assert!(text.contains(word), "{name}: {word}");
        }
    }
    let example = std::fs::read_to_string(packaging().join("discnt.toml")).expect("packaging/discnt.toml");
    let settings = page("man5/discnt.toml.5");
    for key in example.lines().filter_map(|line| line.strip_prefix("# ")?.split_once(" = ")).map(|(key, _)| key) {
        assert!(key.contains(' ') || settings.contains(&format!("\\fB{key}\\fR = ")), "{key}");
    }
}

#[test]
fn manual_pages_are_well_formed() {
    for (name, text) in made().iter().filter(|(name, _)| name.starts_with("man/")) {
        // The reader that most systems have, and the stricter one; what is not installed cannot be asked.
        let readers: [&[&str]; 2] =
            [&["groff", "-man", "-Tutf8", "-ww", "-z"], &["mandoc", "-Tlint", "-Wwarning,stop"]];
        for reader in readers {
            let path = packaging().join(name);
            let output = Command::new(reader[0]).args(&reader[1..]).arg(path).stdin(Stdio::null()).output();
            if let Ok(output) = output {
                let said = [output.stdout, output.stderr].concat();
                let said = String::from_utf8_lossy(&said);
                // A date would differ from build to build.
                let said: Vec<&str> = said.lines().filter(|line| !line.contains("missing date")).collect();
                assert!(said.is_empty(), "{}: {name}: {said:?}", reader[0]);
            }
        }
        assert!(text.starts_with(".\\\" Made from"), "{name}");
    }
}
