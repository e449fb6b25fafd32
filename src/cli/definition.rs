//! The whole command line in one place, for manuals and completions. Words are parsed part by part, where they are used.

use clap::{Command, CommandFactory};

use super::arguments::Arguments;
use super::{bench, certs, cluster, completions, live, transfer};
use crate::command::{COMMANDS, CommandSpecification};

/// The options and the client's own commands, as `--help` tells them.
pub fn definition() -> Command {
    let own = [
        certs::definition(),
        cluster::definition(),
        bench::definition(),
        completions::definition(),
        live::watch_definition(),
    ];
    Arguments::command().disable_help_subcommand(true).subcommands(
        own.into_iter().chain(transfer::definitions()).map(|command| command.version(env!("CARGO_PKG_VERSION"))),
    )
}

/// The same with the commands of a server as well: those of this version.
///
/// The words of a command are no argument here, as they are where they are read: zsh would take a command's name for
/// the first of them.
pub fn definition_with_commands() -> Command {
    let own = definition();
    let words = COMMANDS
        .iter()
        .filter(|command| own.find_subcommand(command.name).is_none())
        .map(|command| word(command).subcommands(command.subcommands.iter().map(word)));
    Command::new("discnt-cli")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .args(own.get_arguments().filter(|argument| !argument.is_positional()))
        .subcommands(own.get_subcommands().map(with_server_subcommands))
        .subcommands(words)
}

/// One of the client's own commands that servers have as well, with those subcommands that are theirs alone.
fn with_server_subcommands(own: &Command) -> Command {
    let servers = COMMANDS.iter().find(|command| command.name == own.get_name());
    let theirs = servers.into_iter().flat_map(|command| command.subcommands);
    let theirs = theirs.filter(|subcommand| own.find_subcommand(subcommand.name).is_none()).map(word);
    own.clone().subcommands(theirs.collect::<Vec<_>>())
}

fn word(command: &CommandSpecification) -> Command {
    Command::new(command.name).about(command.summary).disable_help_flag(true).disable_help_subcommand(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_has_the_clients_own_commands_and_those_of_the_server() {
        definition_with_commands().debug_assert();
        let own = definition();
        for name in ["certs", "cluster", "export", "import", "backup", "bench", "completions", "watch"] {
            assert!(own.find_subcommand(name).is_some(), "{name}");
        }
        assert!(own.find_subcommand("incr").is_none());
        let all = definition_with_commands();
        assert_eq!((all.get_name(), all.get_positionals().count()), (own.get_name(), 0));
        assert_eq!(all.get_opts().count(), own.get_opts().count());
        let cluster = all.find_subcommand("cluster").expect("a command");
        assert!(cluster.find_subcommand("nodes").is_some());
        let invite = cluster.find_subcommand("invite").expect("one of the client's own");
        assert!(invite.get_opts().any(|option| option.get_long() == Some("uses")));
        assert_eq!(all.get_subcommands().filter(|command| command.get_name() == "backup").count(), 1);
    }
}
