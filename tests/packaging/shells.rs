//! The completions do in the shells what they are for.

use std::process::{Command, Stdio};

use super::packaging;

/// What the shell prints; nothing where it is not installed.
fn run(shell: &str, words: &[&str]) -> Option<String> {
    let mut command = Command::new(shell);
    command.args(words).current_dir(packaging().join("completions")).env("HOME", "/nonexistent").stdin(Stdio::null());
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("{shell}: {error}"),
    };
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && errors.is_empty(), "{shell}: {errors}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn assert_has(text: &str, expected: &[&str]) {
    let words: Vec<&str> = text.split_whitespace().collect();
    for word in expected {
        assert!(words.contains(word), "{word}: {words:?}");
    }
}

#[test]
fn bash_completes_options_commands_and_subcommands() {
    let complete = |program: &str, line: &str| {
        let words = line.replace("''", "");
        let count = line.split(' ').count() - 1;
        let function = format!("_{}", program.replace('-', "__"));
        let script = format!(
            "source ./{program}.bash; COMP_WORDS=({line}); COMP_CWORD={count}; \
             {function} {program} '{}' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words.split(' ').nth(count).unwrap_or(""),
            words.split(' ').nth(count - 1).unwrap_or("")
        );
        run("bash", &["--norc", "--noprofile", "-c", &script]).unwrap_or_else(|| "not installed".to_owned())
    };
    let first = complete("discnt-cli", "discnt-cli in");
    if first.contains("not installed") {
        return;
    }
    assert_has(&first, &["incr", "incrby", "info"]);
    assert_has(&complete("discnt-cli", "discnt-cli cluster ''"), &["nodes", "meet", "info"]);
    assert_has(&complete("discnt-cli", "discnt-cli --no-"), &["--no-auth-warning", "--no-raw"]);
    assert_has(&complete("discnt-cli", "discnt-cli certs ''"), &["init", "issue", "show"]);
    assert_has(&complete("discnt-cli", "discnt-cli bench --"), &["--rate", "--clean"]);
    assert_has(&complete("discnt-cli", "discnt-cli completions ''"), &["bash", "zsh", "fish"]);
    assert_has(&complete("discnt-server", "discnt-server --c"), &["--config", "--check-config"]);
}

#[test]
fn zsh_takes_the_completions() {
    for file in ["_discnt-cli", "_discnt-server"] {
        let script =
            format!("fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D; autoload +X {file}; echo well");
        if let Some(said) = run("zsh", &["-f", "-c", &script]) {
            assert_eq!(said, "well\n");
        }
    }
}

#[test]
fn fish_completes_options_commands_and_subcommands() {
    let complete = |program: &str, line: &str| {
        run("fish", &["--no-config", "-c", &format!("source ./{program}.fish; complete -C '{line}'")])
    };
    let Some(first) = complete("discnt-cli", "discnt-cli in") else { return };
    assert_has(&first, &["incr", "incrby", "info"]);
    for (line, words) in [
        ("discnt-cli cluster ", &["nodes", "meet"][..]),
        ("discnt-cli --no-", &["--no-auth-warning"]),
        ("discnt-cli bench --r", &["--rate"]),
    ] {
        assert_has(&complete("discnt-cli", line).unwrap_or_default(), words);
    }
    assert_has(&complete("discnt-server", "discnt-server --c").unwrap_or_default(), &["--config"]);
}
