//! What `help` prints at the prompt.

use super::docs::{CommandDoc, CommandDocs};
use super::preferences;

/// Commands that the client itself carries out at its prompt, with what they take and do.
pub(super) const LOCAL_COMMANDS: [(&str, &str, &str); 6] = [
    (":set", preferences::SYNTAX, "Says how the prompt behaves; ~/.discnt_clirc has such lines for every prompt"),
    ("help", "[command]", "Shows what a command takes and does"),
    ("connect", "host port", "Talks to another server from now on"),
    ("clear", "", "Clears the screen"),
    ("quit", "", "Leaves"),
    ("exit", "", "Leaves"),
];

/// What `help` prints: of a command, of a group (`@name`), or in general.
pub(super) fn help<A: AsRef<[u8]>>(docs: &CommandDocs, words: &[A]) -> String {
    let Some(first) = words.first().map(|word| String::from_utf8_lossy(word.as_ref())) else {
        return general_help(docs);
    };
    if let Some(group) = first.strip_prefix('@') {
        return group_help(docs, group);
    }
    if let Some((command, _)) = docs.find(words) {
        return command_help(command);
    }
    let local = LOCAL_COMMANDS.iter().find(|(name, ..)| name.eq_ignore_ascii_case(&first));
    match local {
        Some((name, syntax, summary)) => {
            format!("{}\n  {summary}", format!("{name} {syntax}").trim())
        }
        None if docs.commands().is_empty() => "The server did not say what commands it has.".to_owned(),
        None => format!("The server has no command '{first}'. `help` lists what there is."),
    }
}

fn command_help(command: &CommandDoc) -> String {
    let mut lines = vec![format!("{} {}", command.name, command.syntax()).trim().to_owned()];
    for (label, text) in [
        ("summary", &command.summary),
        ("complexity", &command.complexity),
        ("since", &command.since),
        ("group", &command.group),
    ] {
        if !text.is_empty() {
            lines.push(format!("  {label}: {text}"));
        }
    }
    let subcommands = command.subcommands.iter();
    lines.extend(subcommands.map(|subcommand| one_line(subcommand, "  ")));
    lines.join("\n")
}

fn one_line(command: &CommandDoc, indent: &str) -> String {
    let usage = format!("{} {}", command.name, command.syntax());
    format!("{indent}{:<42} {}", usage.trim(), command.summary).trim_end().to_owned()
}

fn group_help(docs: &CommandDocs, group: &str) -> String {
    let of_group = docs.commands().iter().filter(|command| command.group.eq_ignore_ascii_case(group));
    let lines: Vec<String> = of_group.map(|command| one_line(command, "")).collect();
    if lines.is_empty() {
        format!("The server has no group '@{group}'. `help` lists what there is.")
    } else {
        lines.join("\n")
    }
}

fn general_help(docs: &CommandDocs) -> String {
    let mut lines = vec![
        "help COMMAND    what a command takes and does".to_owned(),
        "help @GROUP     the commands of a group".to_owned(),
        "Tab             completes commands, subcommands and options".to_owned(),
        "clear, connect HOST PORT, quit (or Ctrl-D)".to_owned(),
        format!(":set PREFERENCE {}", preferences::SYNTAX.replace('|', ", ")),
    ];
    let mut groups: Vec<&str> = docs.commands().iter().map(|c| c.group.as_str()).collect();
    groups.retain(|group| !group.is_empty());
    groups.sort_unstable();
    groups.dedup();
    for group in groups {
        let of_group = docs.commands().iter().filter(|c| c.group == group);
        let names: Vec<&str> = of_group.map(|command| command.name.as_str()).collect();
        lines.push(format!("\n@{group}\n  {}", names.join(", ")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::docs_reply::tests::sample;
    use super::*;

    #[test]
    fn help_of_a_command_says_what_it_takes_and_does() {
        let docs = sample();
        assert_eq!(help(&docs, &["incrby"]), "INCRBY name amount\n  summary: Adds\n  since: 0.1.0\n  group: counter");
        let cluster = help(&docs, &["cluster"]);
        assert!(cluster.starts_with("CLUSTER subcommand [argument ...]\n  summary: Cluster\n"));
        assert!(cluster.contains("\n  CLUSTER MEET ip port"), "{cluster}");
        assert!(help(&docs, &["CLUSTER", "meet"]).starts_with("CLUSTER MEET ip port\n"));
    }

    #[test]
    fn help_knows_groups_and_the_clients_own_commands() {
        let docs = sample();
        assert!(help(&docs, &["@Counter"]).contains("GET name [STATE]"));
        assert!(help(&docs, &["@nothing"]).contains("no group '@nothing'"));
        assert!(help(&docs, &["connect"]).starts_with("connect host port\n"));
        assert!(help(&docs, &["nothing"]).contains("no command 'nothing'"));
        let general = help::<&str>(&docs, &[]);
        assert!(general.contains("\n@counter\n  GET, INCRBY, MGET, PING, SCAN, SET"), "{general}");
    }

    #[test]
    fn without_documentation_help_says_so() {
        let none = CommandDocs::default();
        assert_eq!(help(&none, &["get"]), "The server did not say what commands it has.");
        assert!(help(&none, &["quit"]).contains("Leaves"));
    }
}
