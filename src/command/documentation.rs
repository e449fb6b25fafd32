//! The reference of all commands as a Markdown page, made from the table.

use super::specification::{CommandSpecification, Group};
use super::table::COMMANDS;
use std::fmt::Write;

/// The text of docs/COMMANDS.md.
pub fn reference() -> String {
    let mut page = String::from(
        "# Commands\n\n\
         Made from the command table by `UPDATE_DOCS=1 cargo test --test command_reference`; do not edit by hand.\n\n\
         Names of commands are the same in upper and lower case. A counter's name is 1 to 512 bytes of any value. An\n\
         amount is a decimal from -1e20 to 1e20, exact to 17 digits after the point; more digits round half to even.\n\
         An error begins with a word that tells its kind (`ERR`, `NOAUTH`, `WRONGPASS`, `NOPROTO`, `EXECABORT`) and says that nothing\n\
         was changed, or else what was. Replies are those of `replies = \"redis\"`; with `replies = \"discnt\"` the\n\
         commands that count answer bulk strings throughout and SET answers the new value.\n",
    );
    for group in Group::ALL {
        let members = COMMANDS.iter().filter(|command| command.group == group);
        // Writing to a string cannot fail, here and below.
        let _ = write!(page, "\n## {}\n", heading(group));
        for command in members {
            describe(&mut page, command, None);
            for subcommand in command.subcommands {
                describe(&mut page, subcommand, Some(command));
            }
        }
    }
    page
}

const fn heading(group: Group) -> &'static str {
    match group {
        Group::Counter => "Counting",
        Group::Generic => "Which counters there are",
        Group::Subscription => "Being told of changes",
        Group::Transactions => "Transactions",
        Group::Connection => "The connection",
        Group::Server => "The node",
        Group::Cluster => "The cluster",
    }
}

fn describe(page: &mut String, command: &CommandSpecification, container: Option<&CommandSpecification>) {
    let mut usage = String::new();
    if let Some(container) = container {
        usage = container.name.to_ascii_uppercase() + " ";
    }
    usage += &command.name.to_ascii_uppercase();
    if !command.arguments.is_empty() {
        usage = format!("{usage} {}", command.usage());
    }
    let _ = write!(page, "\n### `{usage}`\n\n{}.\n", command.summary);
    if !command.replies.is_empty() {
        let _ = write!(page, "\n- Answers: {}\n", command.replies);
        let _ = writeln!(page, "- Cost: {}. Since {}.", command.complexity, command.since);
    }
}
