//! What ACL shows without changing anything.

use super::access::{Entry, Permissions};
use super::acl;
use super::call::{Call, OK, bulk, shown};
use super::error::CommandError;
use super::keyspace::parse_integer;
use super::outcome::Outcome;
use super::table;
use crate::resp::{OwnedArguments, Reply};
use std::collections::BTreeSet;

/// Entries that ACL LOG shows if nothing is said.
const LOG_ENTRIES: u64 = 10;

pub(super) fn categories(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let names: Vec<Reply> = match (call.arguments.len(), call.arguments.get(2)) {
        (2, _) => {
            let all: BTreeSet<&str> = table::all().flat_map(|found| found.specification.categories()).collect();
            all.into_iter().map(|category| bulk(&category[1..])).collect()
        }
        (3, Some(given)) => {
            let category = format!("@{}", shown(given).to_ascii_lowercase());
            let found = table::all().filter(|found| found.specification.categories().contains(&category.as_str()));
            let names: Vec<Reply> = found.map(|found| bulk(found.full_name())).collect();
            if names.is_empty() && !super::access::is_foreign_category(&category) {
                return Err(CommandError::UnknownCategory(shown(given)));
            }
            names
        }
        _ => return Err(CommandError::Arity("acl|cat".to_owned())),
    };
    Ok(Reply::Array(names).into())
}

pub(super) fn dry_run(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let name = std::str::from_utf8(call.argument(2)).ok();
    let account = name.and_then(|name| call.environment.settings.access.find(name));
    let account = account.ok_or_else(|| CommandError::UserNotFound(shown(call.argument(2))))?;
    let words: Vec<&[u8]> = call.arguments_from(3).collect();
    let unknown = || CommandError::CommandNotFound(shown(words[0]));
    let mut found = table::find(words[0]).ok_or_else(unknown)?;
    if let Some(subcommand) = words.get(1)
        && !found.specification.subcommands.is_empty()
    {
        found = table::find_subcommand(found, subcommand).ok_or_else(unknown)?;
    }
    if !found.specification.accepts(words.len()) {
        return Err(CommandError::Arity(found.full_name()));
    }
    let request = OwnedArguments::of(&words);
    match account.user().check(found, request.arguments()) {
        Ok(()) => Ok(OK.into()),
        Err(denied) => Ok(bulk(acl::reason(account.name(), denied)).into()),
    }
}

pub(super) fn get_user(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let name = std::str::from_utf8(call.argument(2)).ok();
    let Some(account) = name.and_then(|name| call.environment.settings.access.find(name)) else {
        return Ok(Reply::Null.into());
    };
    let user = account.user();
    let mut flags = vec![Reply::Text(if user.enabled { "on" } else { "off" })];
    if user.takes_any_password {
        flags.push(Reply::Text("nopass"));
    }
    let passwords = user.passwords.iter().map(|password| bulk(password.to_hex()));
    let selectors = user.selectors.iter().map(|selector| Reply::Map(permissions(selector)));
    let mut fields =
        vec![(Reply::Text("flags"), Reply::Set(flags)), (Reply::Text("passwords"), Reply::Array(passwords.collect()))];
    fields.extend(permissions(&user.root));
    fields.push((Reply::Text("selectors"), Reply::Array(selectors.collect())));
    Ok(Reply::Map(fields).into())
}

fn permissions(permissions: &Permissions) -> Vec<(Reply, Reply)> {
    vec![
        (Reply::Text("commands"), bulk(permissions.commands_text())),
        (Reply::Text("keys"), bulk(permissions.counters_text())),
        (Reply::Text("channels"), bulk(permissions.channels_text())),
    ]
}

pub(super) fn log(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let access = &call.environment.settings.access;
    let count = match (call.arguments.len(), call.arguments.get(2)) {
        (2, _) => LOG_ENTRIES,
        (3, Some(word)) if word.eq_ignore_ascii_case(b"RESET") => {
            access.clear_denials();
            return Ok(OK.into());
        }
        (3, Some(count)) => parse_integer(count).ok_or(CommandError::NotInteger)?,
        _ => return Err(CommandError::Arity("acl|log".to_owned())),
    };
    let entries = access.denials(usize::try_from(count).unwrap_or(usize::MAX));
    Ok(Reply::Array(entries.iter().map(|entry| describe(entry, call)).collect()).into())
}

/// With the fields that Redis has, in its order.
fn describe(entry: &Entry, call: &Call<'_>) -> Reply {
    let integer = |number: u64| Reply::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    let denial = &entry.denial;
    let context = if denial.in_transaction { "multi" } else { "toplevel" };
    let age = format!("{:.3}", entry.age(call.now.monotonic).as_secs_f64());
    Reply::Map(vec![
        (Reply::Text("count"), integer(entry.count)),
        (Reply::Text("reason"), Reply::Text(denial.reason.name())),
        (Reply::Text("context"), Reply::Text(context)),
        (Reply::Text("object"), bulk(&*denial.object)),
        (Reply::Text("username"), bulk(&*denial.user)),
        (Reply::Text("age-seconds"), bulk(age)),
        (Reply::Text("client-info"), bulk(denial.client.as_str())),
        (Reply::Text("entry-id"), integer(entry.id)),
        (Reply::Text("timestamp-created"), integer(entry.created.wall.0)),
        (Reply::Text("timestamp-last-updated"), integer(entry.updated.wall.0)),
    ])
}
