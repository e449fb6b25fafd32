//! ACL: the users and what they may do.

use super::access::{
    Access, AccessRequest, Account, AuditEvent, AuditRecord, DEFAULT, Denial, Denied, Reason, User, client_info,
    is_user_name,
};
use super::acl_describing;
use super::call::{Call, OK, bulk, shown};
use super::clients::{Client, Clients, Mark};
use super::environment::Environment;
use super::error::CommandError;
use super::help;
use super::outcome::{Outcome, Pending};
use super::session::Session;
use super::specification::{Argument, ArgumentKind, BASE, ChannelUse, CommandSpecification, Flag, Group};
use super::subscriptions::Subscriptions;
use super::table;
use crate::base::Moment;
use crate::resp::{OwnedArguments, Reply};
use std::sync::Arc;

/// What a password of GENPASS has if nothing is said.
const PASSWORD_BITS: u32 = 256;
const MAX_PASSWORD_BITS: u32 = 4096;

const USERNAME: Argument = Argument::new("username", ArgumentKind::Text);

const SUBCOMMAND: CommandSpecification =
    CommandSpecification { flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale], ..BASE };

const FOR_ALL: CommandSpecification =
    CommandSpecification { flags: &[Flag::NoScript, Flag::Loading, Flag::Stale], ..BASE };

/// Waits for a file, or for randomness.
const WAITING: CommandSpecification =
    CommandSpecification { flags: &[Flag::Admin, Flag::NoScript, Flag::NoMulti, Flag::Loading, Flag::Stale], ..BASE };

pub(super) const ACL: CommandSpecification = CommandSpecification {
    name: "acl",
    summary: "Shows and changes the users and what they may do",
    arity: -2,
    complexity: "Depends on the subcommand",
    subcommands: &[
        CommandSpecification {
            name: "cat",
            summary: "Lists the categories of commands, or the commands of one",
            arity: -2,
            complexity: "O(N) for N commands",
            arguments: &[Argument::new("category", ArgumentKind::Text).optional()],
            replies: "Names, without the @ that rules have before those of categories.",
            handler: acl_describing::categories,
            ..FOR_ALL
        },
        CommandSpecification {
            name: "deluser",
            summary: "Deletes users and closes their connections",
            arity: -3,
            complexity: "O(N) for N connections",
            arguments: &[USERNAME.multiple()],
            replies: "How many of them there were, as an integer. The user called default cannot be deleted.",
            handler: delete_users,
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "dryrun",
            summary: "Tells whether a user may send a request, without running it",
            arity: -4,
            arguments: &[
                USERNAME,
                Argument::new("command", ArgumentKind::Text),
                Argument::new("arg", ArgumentKind::Text).multiple().optional(),
            ],
            replies: "OK, or as a bulk string why not.",
            handler: acl_describing::dry_run,
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "genpass",
            summary: "Makes up a password",
            arity: -2,
            flags: &[Flag::NoScript, Flag::NoMulti, Flag::Loading, Flag::Stale],
            arguments: &[Argument::new("bits", ArgumentKind::Integer).optional()],
            replies: "Hexadecimal digits of 256 random bits, or of so many, rounded up to a whole digit. Nothing is changed.",
            handler: generate_password,
            ..FOR_ALL
        },
        CommandSpecification {
            name: "getuser",
            summary: "Shows a user",
            arity: 3,
            arguments: &[USERNAME],
            replies: "A map of flags, passwords (SHA-256 in hexadecimal digits), commands, keys, channels and selectors; null if there is no such user.",
            handler: acl_describing::get_user,
            ..SUBCOMMAND
        },
        help::specification(Group::Server),
        CommandSpecification {
            name: "list",
            summary: "Shows all users as a file has them",
            complexity: "O(N) for N users",
            replies: "A line for each user.",
            handler: |call| {
                let users = call.environment.settings.access.list().into_iter();
                Ok(Reply::Array(users.map(|account| bulk(account.user().line())).collect()).into())
            },
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "load",
            summary: "Reads all users from the file of [resp] acl_file",
            complexity: "O(N) for N users and connections",
            replies: "OK, or an error that names the lines that are wrong; then all users are as they were. Connections of users that are not in the file are closed.",
            handler: |call| with_file(call, AccessRequest::Load),
            ..WAITING
        },
        CommandSpecification {
            name: "log",
            summary: "Shows, or forgets, the newest requests that were not allowed and logins that failed",
            arity: -2,
            complexity: "O(N) for N entries",
            arguments: &[Argument::new(
                "what",
                ArgumentKind::OneOf(&[Argument::new("count", ArgumentKind::Integer), Argument::word("reset", "RESET")]),
            )
            .optional()],
            replies: "A list of maps, the newest first: 10, or so many, of 128 at most. The same again within a minute counts where it was. OK for RESET.",
            handler: acl_describing::log,
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "save",
            summary: "Writes all users into the file of [resp] acl_file",
            complexity: "O(N) for N users",
            replies: "OK once the file is on disk, or an error; the file is as it was then.",
            handler: |call| with_file(call, AccessRequest::Save),
            ..WAITING
        },
        CommandSpecification {
            name: "setuser",
            summary: "Makes or changes a user, as the rules say, one after the other",
            arity: -3,
            complexity: "O(N) for N rules and connections",
            arguments: &[USERNAME, Argument::new("rule", ArgumentKind::Text).multiple().optional()],
            replies: "OK, or an error that names the rule; the user is as before then. Connections of the user have the new rights from their next request on; those that are subscribed to what the user may not be told of any more are closed.",
            handler: set_user,
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "users",
            summary: "Lists the names of all users",
            complexity: "O(N) for N users",
            replies: "The names.",
            handler: |call| {
                let users = call.environment.settings.access.list().into_iter();
                Ok(Reply::Array(users.map(|account| bulk(account.name().as_bytes())).collect()).into())
            },
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "whoami",
            summary: "Shows the name of the connection's user",
            replies: "The name.",
            handler: |call| Ok(bulk(call.session.rights.account().name().as_bytes()).into()),
            ..FOR_ALL
        },
    ],
    ..BASE
};

/// The name of a user that there may be.
fn user_name<'a>(call: &Call<'a>, index: usize) -> Result<&'a str, CommandError> {
    let name = std::str::from_utf8(call.argument(index)).ok();
    name.filter(|name| is_user_name(name)).ok_or(CommandError::UserName)
}

fn set_user(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let name = user_name(call, 2)?;
    let access = &call.environment.settings.access;
    let rules = call.arguments_from(3);
    let account = access.change_user::<CommandError>(name, |user| Ok(user.apply_all(rules)?))?;
    note(call, AuditEvent::UserChanged, name);
    end_overreaching(&call.environment.clients, &call.environment.subscriptions, &account);
    Ok(OK.into())
}

fn delete_users(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let names: Vec<&[u8]> = call.arguments_from(2).collect();
    if names.contains(&DEFAULT.as_bytes()) {
        return Err(CommandError::DefaultUser);
    }
    let access = &call.environment.settings.access;
    let (mut deleted, mut is_myself) = (0, false);
    for name in names.iter().filter_map(|name| std::str::from_utf8(name).ok()) {
        let Some(account) = access.delete(name) else { continue };
        deleted += 1;
        note(call, AuditEvent::UserDeleted, name);
        is_myself |= Arc::ptr_eq(&account, call.session.rights.account());
        end_connections(&call.environment.clients, &account, Some(call.session.client.id()));
    }
    let reply = Reply::Integer(deleted);
    Ok(if is_myself { Outcome::Close(reply) } else { reply.into() })
}

fn generate_password(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let bits = match (call.arguments.len(), call.arguments.get(2)) {
        (2, _) => PASSWORD_BITS,
        (3, Some(given)) => {
            let bits = super::keyspace::parse_integer(given).and_then(|bits| u32::try_from(bits).ok());
            bits.filter(|bits| (1..=MAX_PASSWORD_BITS).contains(bits)).ok_or(CommandError::PasswordBits)?
        }
        _ => return Err(CommandError::Arity("acl|genpass".to_owned())),
    };
    Ok(Outcome::Wait(Pending::Access(AccessRequest::GeneratePassword { bits })))
}

fn with_file(call: &Call<'_>, request: AccessRequest) -> Result<Outcome, CommandError> {
    if !call.environment.settings.access.has_file() {
        return Err(CommandError::NoAclFile);
    }
    Ok(Outcome::Wait(Pending::Access(request)))
}

/// Has it written down that this connection did something.
pub(super) fn note(call: &Call<'_>, event: AuditEvent, subject: &str) {
    let (user, peer) = (call.session.rights.account().name(), call.session.client.remote());
    call.environment.settings.access.note(AuditRecord { event, user, peer, subject });
}

/// Notes a request that is not allowed, and says so.
#[cold]
pub(super) fn deny(
    environment: &Environment,
    session: &Session,
    denied: Denied,
    now: Moment,
    is_queued: bool,
) -> CommandError {
    let account = session.rights.account();
    let user = account.name().to_string();
    let (reason, object, error, later) = match denied {
        Denied::Command(command) => {
            let later = "no permission to execute the command or subcommand";
            let object = command.clone().into_bytes();
            (Reason::Command, object, CommandError::CommandDenied { user: user.clone(), command }, later)
        }
        Denied::Counter(name) => {
            (Reason::Counter, name, CommandError::CounterDenied, "no permission to touch the specified keys")
        }
        Denied::Channel(name) => {
            let later = "no permission to access one of the channels used as arguments to the command";
            (Reason::Channel, name, CommandError::ChannelDenied, later)
        }
    };
    let in_transaction = is_queued || session.transaction.is_some();
    let client = client_info(&session.client, now);
    let denial = Denial { reason, in_transaction, object, user: user.into_bytes(), client };
    environment.settings.access.denied(denial, session.client.remote(), now);
    if is_queued { CommandError::NoLongerAllowed(later) } else { error }
}

/// The users were all replaced: the connections of those who are gone are ended, and of who is told of what it may not know.
pub fn loaded(access: &Access, clients: &Clients, subscriptions: &Subscriptions, gone: &[Arc<Account>]) {
    gone.iter().for_each(|account| end_connections(clients, account, None));
    for account in access.list() {
        end_overreaching(clients, subscriptions, &account);
    }
}

fn end_connections(clients: &Clients, account: &Arc<Account>, except: Option<u64>) {
    for client in clients.list() {
        if Arc::ptr_eq(&client.account(), account) && except != Some(client.id()) {
            client.end();
        }
    }
}

/// Ends the connections of a user that go on being told of what it may not know any more.
fn end_overreaching(clients: &Clients, subscriptions: &Subscriptions, account: &Arc<Account>) {
    if account.is_unrestricted() {
        return;
    }
    let user = account.user();
    for client in clients.list().iter().filter(|client| Arc::ptr_eq(&client.account(), account)) {
        if overreaches(client, subscriptions, &user) {
            client.end();
        }
    }
}

/// Ends the connection if it is told of what its user may not know: it was another's before.
pub(super) fn end_if_overreaching(call: &Call<'_>) {
    let (client, user) = (&call.session.client, call.session.rights.account().user());
    if overreaches(client, &call.environment.subscriptions, &user) {
        client.end();
    }
}

fn overreaches(client: &Client, subscriptions: &Subscriptions, user: &User) -> bool {
    let may_be_told = |channel_use: ChannelUse, channel: &[u8]| user.may_be_told(channel_use, channel);
    let may_monitor = || table::find(b"monitor").is_some_and(|found| may_run_alone(user, found));
    (client.is_subscriber() && !subscriptions.all_of_client(client.id(), may_be_told))
        || (client.has(Mark::Monitors) && !may_monitor())
}

/// Whether a user may run a command that has no arguments.
fn may_run_alone(user: &User, found: table::Found) -> bool {
    let request = OwnedArguments::of(&[found.specification.name.as_bytes()]);
    user.check(found, request.arguments()).is_ok()
}

/// Why a user may not, as DRYRUN says it.
pub(super) fn reason(user: &str, denied: Denied) -> String {
    match denied {
        Denied::Command(command) => format!("User {user} has no permissions to run the '{command}' command"),
        Denied::Counter(name) => format!("User {user} has no permissions to access the '{}' key", shown(&name)),
        Denied::Channel(name) => format!("User {user} has no permissions to access the '{}' channel", shown(&name)),
    }
}
