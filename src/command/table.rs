//! The list of all commands. Each is specified beside its handler.

use super::specification::CommandSpecification;
use super::{
    acl, authentication, backup, client, cluster, configuration, connection, counting, debug, flushing, introspection,
    keyspace, latency, memory, monitor, object, saving, server, slowlog, subscribing, transactions, values, waiting,
    watching,
};

const TABLE: &[CommandSpecification] = &[
    counting::INCR,
    counting::INCRBY,
    counting::INCRBYFLOAT,
    counting::DECR,
    counting::DECRBY,
    counting::MINCRBY,
    counting::MINCRBYEACH,
    values::SET,
    values::GET,
    values::MGET,
    values::PRECISION,
    keyspace::EXISTS,
    keyspace::DEL,
    keyspace::UNLINK,
    keyspace::TYPE,
    keyspace::KEYS,
    keyspace::SCAN,
    keyspace::DBSIZE,
    subscribing::SUBSCRIBE,
    subscribing::ISUBSCRIBE,
    subscribing::UNSUBSCRIBE,
    subscribing::PSUBSCRIBE,
    subscribing::PUNSUBSCRIBE,
    subscribing::PUBSUB,
    subscribing::PUBLISH,
    object::OBJECT,
    flushing::FLUSHALL,
    flushing::FLUSHDB,
    transactions::MULTI,
    transactions::EXEC,
    transactions::DISCARD,
    watching::WATCH,
    watching::UNWATCH,
    connection::PING,
    connection::ECHO,
    connection::SELECT,
    connection::RESET,
    connection::QUIT,
    authentication::AUTH,
    authentication::HELLO,
    acl::ACL,
    client::CLIENT,
    server::INFO,
    server::TIME,
    configuration::CONFIG,
    saving::SAVE,
    saving::BGSAVE,
    saving::LASTSAVE,
    saving::SHUTDOWN,
    backup::BACKUP,
    memory::MEMORY,
    slowlog::SLOWLOG,
    latency::LATENCY,
    monitor::MONITOR,
    debug::DEBUG,
    introspection::COMMAND,
    cluster::CLUSTER,
    waiting::WAIT,
    waiting::WAITAOF,
];

/// Every command, sorted by group. The one place that dispatch, documents, hints and help come from.
pub static COMMANDS: &[CommandSpecification] = TABLE;

/// How many commands and subcommands there are.
pub(super) const COMMAND_COUNT: usize = count(TABLE);

const fn count(commands: &[CommandSpecification]) -> usize {
    let mut total = commands.len();
    let mut at = 0;
    while at < commands.len() {
        total += commands[at].subcommands.len();
        at += 1;
    }
    total
}

/// A command or subcommand that was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) specification: &'static CommandSpecification,
    pub(super) container: Option<&'static CommandSpecification>,
    /// Its number among all commands and subcommands.
    pub(super) ordinal: u16,
}

impl Found {
    /// The name as Redis writes it: `get`, `client|setname`.
    pub(super) fn full_name(&self) -> String {
        match self.container {
            Some(container) => format!("{}|{}", container.name, self.specification.name),
            None => self.specification.name.to_owned(),
        }
    }
}

/// The command of this name in upper or lower case. Constant time, allocates nothing.
pub(super) fn find(name: &[u8]) -> Option<Found> {
    let mut slot = hash(name);
    loop {
        let index = INDEX[slot];
        if index == VACANT {
            return None;
        }
        let specification = &COMMANDS[usize::from(index)];
        if specification.name.as_bytes().eq_ignore_ascii_case(name) {
            return Some(Found { specification, container: None, ordinal: ORDINALS[usize::from(index)] });
        }
        slot = (slot + 1) % SLOTS;
    }
}

/// The subcommand of this name.
pub(super) fn find_subcommand(container: Found, name: &[u8]) -> Option<Found> {
    let subcommands = container.specification.subcommands;
    let same = |sub: &CommandSpecification| sub.name.as_bytes().eq_ignore_ascii_case(name);
    let at = subcommands.iter().position(same)?;
    Some(Found {
        specification: &subcommands[at],
        container: Some(container.specification),
        ordinal: container.ordinal + 1 + at as u16,
    })
}

/// The command of this full name: `get`, `client|setname`.
pub(super) fn find_full(name: &[u8]) -> Option<Found> {
    match name.iter().position(|byte| *byte == b'|') {
        Some(bar) => find_subcommand(find(&name[..bar])?, &name[bar + 1..]),
        None => find(name),
    }
}

/// All commands and subcommands, by ordinal.
pub(super) fn all() -> impl Iterator<Item = Found> {
    COMMANDS.iter().zip(ORDINALS).flat_map(|(command, ordinal)| {
        let itself = Found { specification: command, container: None, ordinal };
        let subcommands = command.subcommands.iter().zip(ordinal + 1..);
        std::iter::once(itself).chain(subcommands.map(|(specification, ordinal)| Found {
            specification,
            container: Some(command),
            ordinal,
        }))
    })
}

/// Whether the command or subcommand with this ordinal costs the same whatever it is asked.
#[inline]
pub(super) fn is_constant_time(ordinal: u16) -> bool {
    CONSTANT_TIME[usize::from(ordinal)]
}

/// A power of two well above the number of commands, so that most are found at the first look.
const SLOTS: usize = 256;
const VACANT: u8 = u8::MAX;
const INDEX: [u8; SLOTS] = index(TABLE);
const ORDINALS: [u16; TABLE.len()] = ordinals(TABLE);
static CONSTANT_TIME: [bool; COMMAND_COUNT] = constant_time(TABLE);

/// FNV-1a, blind to the case of letters.
const fn hash(name: &[u8]) -> usize {
    let mut state = 0x811c_9dc5_u32;
    let mut at = 0;
    // No command is longer; what is longer must not cost more.
    while at < name.len() && at < 16 {
        state = (state ^ (name[at] | 0x20) as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    (state ^ (state >> 16)) as usize % SLOTS
}

const fn index(commands: &[CommandSpecification]) -> [u8; SLOTS] {
    assert!(commands.len() < SLOTS / 2, "probing needs vacant slots");
    let mut index = [VACANT; SLOTS];
    let mut at = 0;
    while at < commands.len() {
        let mut slot = hash(commands[at].name.as_bytes());
        while index[slot] != VACANT {
            slot = (slot + 1) % SLOTS;
        }
        index[slot] = at as u8;
        at += 1;
    }
    index
}

const fn ordinals<const N: usize>(commands: &[CommandSpecification]) -> [u16; N] {
    let mut ordinals = [0; N];
    let mut next = 0;
    let mut at = 0;
    while at < N {
        ordinals[at] = next;
        next += 1 + commands[at].subcommands.len() as u16;
        at += 1;
    }
    ordinals
}

const fn constant_time<const N: usize>(commands: &[CommandSpecification]) -> [bool; N] {
    let mut constant = [false; N];
    let (mut ordinal, mut at) = (0, 0);
    while at < commands.len() {
        constant[ordinal] = commands[at].is_constant_time();
        ordinal += 1;
        let mut within = 0;
        while within < commands[at].subcommands.len() {
            constant[ordinal] = commands[at].subcommands[within].is_constant_time();
            ordinal += 1;
            within += 1;
        }
        at += 1;
    }
    constant
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::specification::KeyPositions;

    #[test]
    fn every_command_is_found_in_any_case_and_nothing_else_is() {
        for command in COMMANDS {
            for name in [command.name.to_ascii_lowercase(), command.name.to_ascii_uppercase()] {
                let found = find(name.as_bytes()).expect("a command of the table");
                assert_eq!(found.specification.name, command.name);
            }
            let longer = format!("{}x", command.name);
            assert!(find(longer.as_bytes()).is_none_or(|found| found.specification.name == longer));
        }
        for name in [&b""[..], b"nosuch", &[b'g'; 100_000], b"\0", b"GE\x14"] {
            assert!(find(name).is_none());
        }
    }

    #[test]
    fn ordinals_count_up_through_commands_and_subcommands() {
        let ordinals: Vec<usize> = all().map(|found| found.ordinal.into()).collect();
        assert_eq!(ordinals, (0..COMMAND_COUNT).collect::<Vec<_>>());
        for found in all() {
            let again = find_full(found.full_name().as_bytes()).expect("a command of the table");
            assert_eq!(again.ordinal, found.ordinal);
            assert_eq!(is_constant_time(found.ordinal), found.specification.complexity == "O(1)");
        }
    }

    #[test]
    fn the_table_agrees_with_itself() {
        for Found { specification, container, .. } in all() {
            let name = specification.name;
            let has_subcommands = !specification.subcommands.is_empty();
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{name}");
            assert!(name.len() <= 16 && !name.is_empty(), "{name}");
            assert!(!specification.summary.is_empty() && !specification.summary.ends_with('.'));
            assert!(specification.replies.ends_with('.') || has_subcommands, "{name}");
            assert!(specification.arity != 0, "{name}");
            let least = specification.arity.unsigned_abs() as usize;
            assert!(least > usize::from(container.is_some()), "{name}");
            let required = specification.arguments.iter().filter(|a| !a.optional);
            let words = 1 + usize::from(container.is_some());
            assert!(required.count() + words <= least, "{name}");
            let has_keys = specification.keys != KeyPositions::NONE;
            let names_keys = format!("{:?}", specification.arguments).contains("Key");
            assert_eq!(has_keys, names_keys, "{name}");
        }
    }
}
