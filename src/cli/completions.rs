//! `discnt-cli completions`: what a shell has to know to complete the words of a command line.

use std::ffi::OsString;

use clap::{CommandFactory, Parser};
use clap_complete::Shell;

use super::definition::definition_with_commands;
use super::exit::Exit;
use super::output::{output_ended, write};

const HELP: &str = "\
The words are those of the options, of the client's own commands and of the server's commands.

  bash  discnt-cli completions bash > /etc/bash_completion.d/discnt-cli
        or for one user, in ~/.local/share/bash-completion/completions/discnt-cli
  zsh   discnt-cli completions zsh > DIR/_discnt-cli, with a DIR of $fpath
  fish  discnt-cli completions fish > ~/.config/fish/completions/discnt-cli.fish";

/// Which shell.
#[derive(Debug, Parser)]
#[command(
    name = "completions",
    bin_name = "discnt-cli completions",
    about = "Print completions for a shell",
    after_help = HELP,
    max_term_width = 110
)]
struct Arguments {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

/// What a shell reads to complete the words of a program.
pub fn script(shell: Shell, mut command: clap::Command) -> String {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, &name, &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        // The generator names the cases of a program with a hyphen otherwise than it looks for them.
        Shell::Bash => {
            let (wrong, right) = (name.replace('-', "__subcmd__"), name.replace('-', "__"));
            script.replace(&format!("{wrong}__subcmd__"), &format!("{right}__subcmd__"))
        }
        _ => script,
    }
}

/// The command, for manuals and completions.
pub(super) fn definition() -> clap::Command {
    Arguments::command()
}

/// Does what the words say, `completions` first.
pub(super) fn run(words: Vec<OsString>) -> Exit {
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(error) => return Exit::of_usage(&error),
    };
    match write(script(arguments.shell, definition_with_commands()).as_bytes()) {
        Ok(()) => Exit::Answered,
        Err(error) => output_ended(&error),
    }
}
