//! The line that CLIENT LIST has for one connection, with the fields that Redis 7.2 has, or those of the C program Discnt.

use super::clients::{Client, Mark};
use super::environment::ReplyShape;
use super::table;
use crate::base::Monotonic;
use crate::resp::Protocol;
use std::sync::atomic::Ordering;

/// The line, with its line break.
pub(super) fn describe(client: &Client, shape: ReplyShape, now: Monotonic) -> String {
    match shape {
        ReplyShape::Redis => line_of_redis(client, now),
        ReplyShape::Discnt => line_of_discnt(client, now),
    }
}

fn line_of_redis(client: &Client, now: Monotonic) -> String {
    let (address, labels, held) = (client.address(), client.labels(), client.held());
    let (names, patterns) = client.subscriptions();
    let protocol = match client.protocol() {
        Protocol::Resp2 => 2,
        Protocol::Resp3 => 3,
    };
    let last = table::all().find(|found| found.ordinal == client.last_command());
    let command = last.map_or_else(|| "NULL".to_owned(), |found| found.full_name());
    let query = held.query.load(Ordering::Relaxed);
    let capacity = held.query_capacity.load(Ordering::Relaxed);
    let output = held.output.load(Ordering::Relaxed);
    let messages = held.messages.load(Ordering::Relaxed);
    let waiting = held.waiting_bytes();
    let (multi, multi_memory) = match client.queued() {
        Some(queued) => (queued.requests.to_string(), queued.bytes as u64),
        None => ("-1".to_owned(), 0),
    };
    let memory = size_of::<Client>() as u64 + capacity + output + waiting + multi_memory;
    let mut line = format!(
        "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db=0 sub={names} psub={patterns} ssub=0 multi={multi}",
        client.id(),
        client.remote(),
        client.local(),
        address.descriptor,
        labels.name,
        now.since(client.connected_at()).as_secs(),
        now.since(client.last_active()).as_secs(),
        flags(client),
    );
    line += &format!(" qbuf={query} qbuf-free={} argv-mem=0 multi-mem={multi_memory}", capacity.saturating_sub(query));
    line += &format!(" rbs={output} rbp={output} obl={output} oll={messages} omem={waiting} tot-mem={memory}");
    line += &format!(
        " events={} cmd={command} user={} redir=-1",
        if output + waiting > 0 { "rw" } else { "r" },
        client.account().name()
    );
    line += &format!(" resp={protocol} lib-name={} lib-ver={}\n", labels.library, labels.library_version);
    line
}

/// The fewer fields that the C program has; subscribers have no letter there, and a subcommand goes by its command's name.
fn line_of_discnt(client: &Client, now: Monotonic) -> String {
    let (address, labels, held) = (client.address(), client.labels(), client.held());
    let (names, patterns) = client.subscriptions();
    let last = table::all().find(|found| found.ordinal == client.last_command());
    let command = last.map_or("NULL", |found| found.container.unwrap_or(found.specification).name);
    let query = held.query.load(Ordering::Relaxed);
    let capacity = held.query_capacity.load(Ordering::Relaxed);
    let output = held.output.load(Ordering::Relaxed);
    let messages = held.messages.load(Ordering::Relaxed);
    let waiting = held.waiting_bytes();
    let letters: String = flags(client).chars().filter(|letter| *letter != 'P').collect();
    let mut line = format!(
        "id={} addr={} fd={} name={} age={} idle={} flags={} sub={}",
        client.id(),
        client.remote(),
        address.descriptor,
        labels.name,
        now.since(client.connected_at()).as_secs(),
        now.since(client.last_active()).as_secs(),
        if letters.is_empty() { "N" } else { &letters },
        names + patterns,
    );
    line += &format!(" qbuf={query} qbuf-free={} obl={output} oll={messages}", capacity.saturating_sub(query));
    line += &format!(" omem={waiting} events={} cmd={command}\n", if output + waiting > 0 { "rw" } else { "r" });
    line
}

/// The letters that Redis has for what a connection is or is in; N for nothing.
fn flags(client: &Client) -> String {
    let letters = [
        ('O', client.has(Mark::Monitors)),
        ('P', client.is_subscriber()),
        ('x', client.queued().is_some()),
        ('b', client.has(Mark::Blocked)),
        ('A', client.is_ended()),
        ('U', client.address().is_unix),
        ('e', client.has(Mark::NoEvict)),
        ('T', client.has(Mark::NoTouch)),
    ];
    let set: String = letters.iter().filter(|(_, is_set)| *is_set).map(|(letter, _)| *letter).collect();
    if set.is_empty() { "N".to_owned() } else { set }
}
