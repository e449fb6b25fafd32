//! `discnt-cli completions`: what a shell has to know to complete the words of a command line.

use std::ffi::OsString;

use clap::builder::PossibleValue;
use clap::{CommandFactory, Parser};
use clap_complete::Shell;

use super::definition::definition_with_commands;
use super::exit::Exit;
use super::output::{output_ended, write};
use crate::command::{COMMANDS, CommandSpecification};

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
        Shell::Bash => for_bash(&script, &command),
        Shell::Fish => for_fish(&script, &command),
        _ => script,
    }
}

/// The generator's script for bash, with what it leaves out.
fn for_bash(script: &str, command: &clap::Command) -> String {
    // The generator names the cases of a program with a hyphen otherwise than it looks for them.
    let (wrong, right) = (command.get_name().replace('-', "__subcmd__"), command.get_name().replace('-', "__"));
    let script = script.replace(&format!("{wrong}__subcmd__"), &format!("{right}__subcmd__"));
    let of_server = COMMANDS.iter().filter(|word| command.find_subcommand(word.name).is_some());
    let of_server: Vec<&CommandSpecification> = of_server.collect();
    if of_server.is_empty() {
        return script;
    }
    // The server takes its words in capitals as well; the client takes its own as they are.
    let case = |path: String, words: &[&str]| {
        let words = words.join(" ").to_uppercase();
        format!("            {path})\n                opts=\"{words}\"\n                ;;\n")
    };
    let names: Vec<&str> = of_server.iter().map(|word| word.name).collect();
    let mut cases = case(right.clone(), &names);
    for word in of_server.iter().filter(|word| !word.subcommands.is_empty()) {
        let names: Vec<&str> = word.subcommands.iter().map(|word| word.name).collect();
        cases += &case(format!("{right}__subcmd__{}", word.name), &names);
    }
    let before = "    for i in \"${COMP_WORDS[@]:0:COMP_CWORD}\"\n    do\n";
    let lower =
        "        if [[ -n \"${cmd}\" && \"${BASH_VERSINFO[0]}\" -ge 4 ]]; then\n            i=\"${i,,}\"\n        fi\n";
    let after = "    done\n\n";
    let upper = format!(
        "    if [[ \"${{cur}}\" == [[:upper:]]* && \"${{prev}}\" != -* ]]; then\n        case \"${{cmd}}\" in\n{cases}\
         \x20       esac\n        COMPREPLY=( $(compgen -W \"${{opts}}\" -- \"${{cur}}\") )\n        return 0\n    fi\n\n"
    );
    script.replacen(before, &format!("{before}{lower}"), 1).replacen(after, &format!("{after}{upper}"), 1)
}

/// The generator's script for fish, with what it leaves out: values that are no option's, and those of an option that
/// is the last word yet.
fn for_fish(script: &str, command: &clap::Command) -> String {
    let (name, function) = (command.get_name(), command.get_name().replace('-', "_"));
    let parse = format!("    argparse -s (__fish_{function}_global_optspecs) -- $cmd");
    let script = script.replace(
        &format!("{parse} 2>/dev/null\n"),
        &format!("{parse} 2>/dev/null\n    or{} '' 2>/dev/null\n", parse.trim_start_matches("   ")),
    );
    let mut lines = String::new();
    for word in command.get_subcommands() {
        for argument in word.get_positionals() {
            let values: Vec<String> = argument.get_possible_values().iter().map(fish_value).collect();
            if !values.is_empty() {
                let condition = format!("__fish_{function}_using_subcommand {}", word.get_name());
                lines += &format!("complete -c {name} -n \"{condition}\" -f -a \"{}\"\n", values.join("\n"));
            }
        }
    }
    script + &lines
}

/// A value with what is said of it, between the double quotes of what fish evaluates.
fn fish_value(value: &PossibleValue) -> String {
    let help = value.get_help().map(ToString::to_string).unwrap_or_default();
    let help = help.replace('\\', "\\\\").replace('\'', "\\'").replace('"', "\\\"").replace('$', "\\$");
    format!("{}\\t'{help}'", value.get_name())
}

/// The command, for manuals and completions.
pub(super) fn definition() -> clap::Command {
    Arguments::command()
}

/// Does what the words say, `completions` first.
pub(super) fn run(words: Vec<OsString>) -> Exit {
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(error) => return Exit::of_usage(error),
    };
    match write(script(arguments.shell, definition_with_commands()).as_bytes()) {
        Ok(()) => Exit::Answered,
        Err(error) => output_ended(&error),
    }
}
