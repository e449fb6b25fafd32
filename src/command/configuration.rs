//! CONFIG: our own settings as `section.key`, and the names that Redis and the C program Discnt have for some of them.

use super::access::AuditEvent;
use super::acl;
use super::call::{Call, OK, bulk, shown};
use super::environment::{Environment, figure};
use super::error::CommandError;
use super::help;
use super::outcome::{Outcome, Pending};
use super::parameters::{PARAMETERS, Parameter, Source};
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Flag, Group};
use crate::base::{Durability, Glob};
use crate::resp::Reply;
use std::collections::BTreeMap;

/// What a secret is shown as.
const HIDDEN: &str = "********";

const FLAGS: &[Flag] = &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale];

pub(super) const CONFIG: CommandSpecification = CommandSpecification {
    name: "config",
    summary: "Shows and changes the configuration",
    arity: -2,
    complexity: "Depends on the subcommand",
    subcommands: &[
        CommandSpecification {
            name: "get",
            summary: "Shows the settings whose names match one of the patterns",
            arity: -3,
            flags: FLAGS,
            complexity: "O(N) for N patterns",
            arguments: &[Argument::new("parameter", ArgumentKind::Pattern).multiple()],
            replies: "A map of names and values. Names are section.key, and those that Redis and the C program Discnt have for the same settings. Secrets are shown as asterisks.",
            handler: get,
            ..BASE
        },
        help::specification(Group::Server),
        CommandSpecification {
            name: "resetstat",
            summary: "Counts anew what INFO counts of commands and connections, and LATENCY HISTOGRAM",
            flags: FLAGS,
            replies: "OK.",
            handler: |call| {
                call.environment.statistics.reset();
                call.environment.clients.reset_figures();
                Ok(OK.into())
            },
            ..BASE
        },
        CommandSpecification {
            name: "rewrite",
            summary: "Writes the settings that CONFIG SET has changed into the configuration file",
            // It waits for the disk.
            flags: &[Flag::Admin, Flag::NoScript, Flag::NoMulti, Flag::Loading, Flag::Stale],
            replies: "OK once the file is on disk. Its comments and its order stay. What a variable or a flag sets wins over the file again at the next start; the log names such settings. An error if the server was started without a file, or it cannot be written; it is as it was then.",
            handler: |_| Ok(Outcome::Wait(Pending::RewriteConfiguration)),
            ..BASE
        },
        CommandSpecification {
            name: "set",
            summary: "Changes settings while the node runs: all of them, or none",
            arity: -4,
            flags: FLAGS,
            complexity: "O(N) for N settings",
            arguments: &[Argument::new(
                "setting",
                ArgumentKind::Block(&[
                    Argument::new("parameter", ArgumentKind::Text),
                    Argument::new("value", ArgumentKind::Text),
                ]),
            )
            .multiple()],
            replies: "OK, or an error that names what cannot be changed or has no such value; nothing was changed then. Until CONFIG REWRITE it is forgotten when the server stops.",
            handler: set,
            ..BASE
        },
    ],
    ..BASE
};

fn get(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let patterns: Vec<Vec<u8>> = call.arguments_from(2).map(<[u8]>::to_ascii_lowercase).collect();
    let found = matching(call.environment, &patterns);
    let pairs = found.into_iter().map(|(name, value)| (bulk(name), bulk(value)));
    Ok(Reply::Map(pairs.collect()).into())
}

/// The settings whose names match one of the patterns (lower case), by name.
fn matching(environment: &Environment, patterns: &[Vec<u8>]) -> BTreeMap<String, String> {
    let wanted = |name: &str| {
        let matches = |pattern: &Vec<u8>| Glob::new(pattern).matches(name.as_bytes());
        patterns.iter().any(matches)
    };
    let pairs = Pairs(environment.settings.config.pairs());
    let own = pairs.0.iter().map(|(name, value)| (name.clone(), shown_value(name, value)));
    let others = PARAMETERS.iter().filter_map(|parameter| {
        let value = value_of(environment, &pairs, parameter.source)?;
        Some((parameter.name.to_owned(), value))
    });
    own.chain(others).filter(|(name, _)| wanted(&name.to_ascii_lowercase())).collect()
}

/// All settings of ours.
struct Pairs(Vec<(String, String)>);

impl Pairs {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

/// A setting of ours as it is now.
pub(super) fn setting(environment: &Environment, key: &str) -> Option<String> {
    Pairs(environment.settings.config.pairs()).get(key).map(str::to_owned)
}

fn value_of(environment: &Environment, pairs: &Pairs, source: Source) -> Option<String> {
    Some(match source {
        Source::Setting(key) | Source::Level(key) => pairs.get(key)?.to_owned(),
        Source::Optional(key) => pairs.get(key).unwrap_or_default().to_owned(),
        Source::OptionalPort(key) => pairs.get(key).unwrap_or("0").to_owned(),
        Source::ClientCertificates(key) => match pairs.get(key)? {
            "required" => "yes".to_owned(),
            other => other.to_owned(),
        },
        Source::Switch(key) => yes_or_no(pairs.get(key)? == "true"),
        Source::Always(value) => value.to_owned(),
        Source::Port => figure(&environment.process.tcp_port).to_string(),
        // As in Redis this is about the user called default, wherever its password comes from.
        Source::Password => {
            let user = environment.settings.access.default_account().user();
            hidden(if user.takes_any_password { "" } else { HIDDEN })
        }
        Source::Durability => match environment.persistence.durability() {
            Durability::Always => "always".to_owned(),
            Durability::EverySecond => "everysec".to_owned(),
            Durability::Memory => "no".to_owned(),
        },
        Source::WritesByItself => yes_or_no(environment.persistence.durability() != Durability::Memory),
        Source::OutputLimits(classes) => {
            let of_class = |(class, keys): &(&str, [&str; 3])| {
                let values: Option<Vec<&str>> = keys.iter().map(|key| pairs.get(key)).collect();
                Some(format!("{class} {}", values?.join(" ")))
            };
            let classes: Option<Vec<String>> = classes.iter().map(of_class).collect();
            classes?.join(" ")
        }
    })
}

fn yes_or_no(is_so: bool) -> String {
    (if is_so { "yes" } else { "no" }).to_owned()
}

/// The value, unless its name says that it is a secret.
fn shown_value(name: &str, value: &str) -> String {
    let secret = ["password", "secret", "token"];
    // Where a secret is, is none.
    let is_place = name.ends_with("_file");
    if !is_place && secret.iter().any(|word| name.contains(word)) { hidden(value) } else { value.to_owned() }
}

fn hidden(secret: &str) -> String {
    let shown = if secret.is_empty() { "" } else { HIDDEN };
    shown.to_owned()
}

/// A change as it was asked for, and what it means in settings of ours.
struct Change {
    given: String,
    settings: Vec<(String, String)>,
}

fn set(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let words: Vec<&[u8]> = call.arguments_from(2).collect();
    if !words.len().is_multiple_of(2) {
        return Err(CommandError::Arity("config|set".to_owned()));
    }
    let mut changes: Vec<Change> = Vec::new();
    for pair in words.chunks_exact(2) {
        let change = change_of(call.environment, pair[0], pair[1])?;
        let keys = changes.iter().flat_map(|earlier| &earlier.settings).map(|(key, _)| key);
        let twice = keys.into_iter().any(|key| change.settings.iter().any(|(other, _)| other == key))
            || changes.iter().any(|earlier| earlier.given == change.given);
        if twice {
            return Err(CommandError::ConfigSet { argument: change.given, reason: "duplicate parameter".to_owned() });
        }
        changes.push(change);
    }
    let settings: Vec<(String, String)> = changes.iter().flat_map(|change| change.settings.clone()).collect();
    call.environment.settings.config.change(&settings).map_err(|refused| {
        let is_about = |change: &&Change| change.settings.iter().any(|(key, _)| Some(key) == refused.key.as_ref());
        let argument = changes.iter().find(is_about).or(changes.first());
        let argument = argument.map_or_else(String::new, |change| change.given.clone());
        CommandError::ConfigSet { argument, reason: refused.reason }
    })?;
    let names: Vec<&str> = settings.iter().map(|(name, _)| name.as_str()).collect();
    acl::note(call, AuditEvent::ConfigChanged, &names.join(", "));
    Ok(OK.into())
}

fn change_of(environment: &Environment, name: &[u8], value: &[u8]) -> Result<Change, CommandError> {
    let given = shown(name).to_ascii_lowercase();
    let refuse = |reason: String| CommandError::ConfigSet { argument: given.clone(), reason };
    let text = std::str::from_utf8(value).map_err(|_| refuse("the value is not UTF-8".to_owned()))?;
    let settings = match Parameter::named(&given) {
        // As a setting of ours it is looked up by whoever has it.
        None if given.contains('.') => vec![(given.clone(), text.to_owned())],
        None => return Err(CommandError::UnknownParameter(given)),
        Some(parameter) => {
            let is_now = value_of(environment, &Pairs(environment.settings.config.pairs()), parameter.source);
            parameter.source.settings_for(text, is_now.as_deref()).map_err(refuse)?
        }
    };
    Ok(Change { given, settings })
}

#[cfg(test)]
#[path = "configuration_tests.rs"]
mod tests;
