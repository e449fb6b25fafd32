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
    assert_has(&complete("discnt-cli", "discnt-cli -p 7711 CLUSTER N"), &["NODES"]);
    let capitals = complete("discnt-cli", "discnt-cli B");
    assert_has(&capitals, &["BGSAVE"]);
    assert!(!capitals.contains("BENCH"), "{capitals}");
    assert_has(&complete("discnt-server", "discnt-server --c"), &["--config", "--check-config"]);
}

/// Types each line at the prompt of a zsh and prints it with every word that Tab finds.
const ZSH: &str = r#"
zmodload zsh/zpty
zpty shell TERM=dumb zsh -f -i
for line in \
    'PROMPT= TMOUT=60 fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D' \
    'every() { _main_complete; compstate[insert]=all compstate[list]= }; zle -C every complete-word every' \
    'show() { zle every; print -r -- "@@""{$BUFFER}@@"; BUFFER= }; zle -N show; bindkey "^I" show' \
    'zle-line-init() { print -r -- "@@""ready@@" }; zle -N zle-line-init'
do
    zpty -w shell "$line"
done
zpty -r shell text '*@@ready@@*'
for line; do
    zpty -w -n shell "$line"$'\t'
    zpty -r shell text '*@@{*}@@*'
    text=${text##*@@\{}
    print -r -- "${text%%\}@@*}"
done
zpty -d shell
"#;

#[test]
fn zsh_completes_options_commands_and_values() {
    let expected = [
        ("discnt-cli in", &["incr", "incrby", "info"][..]),
        ("discnt-cli --no-", &["--no-auth-warning", "--no-raw"]),
        ("discnt-cli --color al", &["always"]),
        ("discnt-cli cluster ", &["nodes", "meet", "info"]),
        ("discnt-cli -p 7711 cluster nod", &["nodes"]),
        ("discnt-cli certs ini", &["init"]),
        ("discnt-cli certs issue --o", &["--out="]),
        ("discnt-cli bench --ra", &["--rate="]),
        ("discnt-cli bench mix", &["mixed"]),
        ("discnt-cli completions ba", &["bash"]),
        ("discnt-cli export --form", &["--format="]),
        ("discnt-server --c", &["--config=", "--check-config"]),
    ];
    let lines = expected.iter().map(|(line, _)| *line);
    let Some(said) = run("zsh", &["-f", "-c", ZSH, "zsh"].into_iter().chain(lines).collect::<Vec<_>>()) else { return };
    assert_eq!(said.lines().count(), expected.len(), "{said}");
    for (completed, (_, words)) in said.lines().zip(expected) {
        assert_has(completed, words);
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
        ("discnt-cli bench mi", &["mixed"]),
        ("discnt-cli -p 7711 completions b", &["bash"]),
        ("discnt-cli --color al", &["always"]),
        ("discnt-cli export --format ", &["csv", "jsonl"]),
    ] {
        assert_has(&complete("discnt-cli", line).unwrap_or_default(), words);
    }
    assert_has(&complete("discnt-server", "discnt-server --c").unwrap_or_default(), &["--config"]);
}
