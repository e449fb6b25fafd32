//! The HELP subcommand, the same for every command that has subcommands.

use super::call::{Call, bulk};
use super::error::CommandError;
use super::outcome::Outcome;
use super::specification::{BASE, CommandSpecification, Flag, Group};
use crate::resp::Reply;

/// HELP of a command in this group.
pub(super) const fn specification(group: Group) -> CommandSpecification {
    CommandSpecification {
        name: "help",
        summary: "Lists the subcommands",
        flags: &[Flag::Loading, Flag::Stale],
        group,
        replies: "Lines of text.",
        handler: help,
        ..BASE
    }
}

fn help(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let container = call.container.ok_or(CommandError::Syntax)?;
    let name = container.name.to_ascii_uppercase();
    let mut lines = vec![bulk(format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"))];
    for subcommand in container.subcommands {
        let mut usage = subcommand.name.to_ascii_uppercase();
        if !subcommand.arguments.is_empty() {
            usage = format!("{usage} {}", subcommand.usage());
        }
        lines.push(bulk(usage));
        lines.push(bulk(format!("    {}.", subcommand.summary)));
    }
    Ok(Reply::Array(lines).into())
}
