//! MONITOR: every request that the node runs, told to whoever wants to see them.
//!
//! While nobody does, a request pays for one relaxed load. Whoever runs requests never waits for a monitor: one that does
//! not read fast enough is cut off.

use super::call::{Call, OK};
use super::clients::{Client, Mark};
use super::error::CommandError;
use super::outcome::Outcome;
use super::session::{Session, UnreadMessages};
use super::shown_request::{arguments_to_show, write_quoted};
use super::specification::{BASE, CommandSpecification, Flag, KeyAccess};
use super::table::Found;
use crate::base::Moment;
use crate::resp::Arguments;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

/// The most bytes that wait for one monitor.
const MAX_WAITING_BYTES: usize = 4 << 20;
/// What is shown of one argument, and how many arguments.
const MAX_ARGUMENT_BYTES: usize = 4 << 10;
const MAX_ARGUMENTS: usize = 256;

pub(super) const MONITOR: CommandSpecification = CommandSpecification {
    name: "monitor",
    summary: "Shows every request that this node runs, until RESET or QUIT",
    arity: 1,
    flags: &[Flag::Admin, Flag::NoScript, Flag::NoMulti, Flag::Loading, Flag::Stale],
    every_counter: KeyAccess::READ,
    replies: "OK, and from then on a line for each request of any client: when it was run, in seconds since 1970, the client, and the request. Commands for those who run the node are left out, as in Redis, and so are passwords; an argument is shown up to 4096 bytes, a request up to 256 arguments. A client that leaves 4 MiB of it unread is told no more, and its connection is closed.",
    handler: monitor,
    ..BASE
};

fn monitor(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    if call.session.monitoring.is_none() {
        let client = Arc::clone(&call.session.client);
        client.set(Mark::Monitors, true);
        call.session.monitoring = Some(call.environment.observation.monitors.add(client));
    }
    Ok(OK.into())
}

/// The connection sees no more requests.
pub(super) fn end(session: &mut Session) {
    session.client.set(Mark::Monitors, false);
    session.monitoring = None;
}

/// Who wants to see all requests.
#[derive(Debug, Default)]
pub struct Monitors {
    any: AtomicBool,
    outboxes: Mutex<Vec<Arc<Outbox>>>,
}

/// What waits for one monitor.
#[derive(Debug)]
struct Outbox {
    client: Arc<Client>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    is_overfull: bool,
    waker: Option<Waker>,
}

/// A connection's part in it; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Monitoring {
    outbox: Arc<Outbox>,
    monitors: Arc<Monitors>,
}

/// A monitor left so much unread that there is no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonitorTooSlow;

impl Monitors {
    fn add(self: &Arc<Self>, client: Arc<Client>) -> Monitoring {
        let outbox = Arc::new(Outbox { client, waiting: Mutex::default() });
        self.outboxes.lock().push(Arc::clone(&outbox));
        self.any.store(true, Ordering::Relaxed);
        Monitoring { outbox, monitors: Arc::clone(self) }
    }

    fn remove(&self, outbox: &Arc<Outbox>) {
        let mut outboxes = self.outboxes.lock();
        outboxes.retain(|other| !Arc::ptr_eq(other, outbox));
        self.any.store(!outboxes.is_empty(), Ordering::Relaxed);
    }

    /// Whether anybody wants to see requests. One relaxed load.
    #[inline]
    pub(super) fn is_watched(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Tells all monitors of a request.
    #[cold]
    pub(super) fn tell(&self, found: Found, arguments: Arguments<'_>, client: &Client, now: Moment) {
        if found.specification.has(Flag::Admin) {
            return;
        }
        let line = line_of(found, arguments, client, now);
        let mut outboxes = self.outboxes.lock();
        outboxes.retain(|outbox| outbox.put(&line));
        self.any.store(!outboxes.is_empty(), Ordering::Relaxed);
    }
}

/// A line as it is sent.
fn line_of(found: Found, arguments: Arguments<'_>, client: &Client, now: Moment) -> Vec<u8> {
    let (seconds, millis) = (now.wall.0 / 1000, now.wall.0 % 1000);
    let mut line = format!("+{seconds}.{millis:03}000 [0 {}]", client.remote()).into_bytes();
    for argument in arguments_to_show(found, arguments).take(MAX_ARGUMENTS) {
        line.push(b' ');
        let shown = &argument[..argument.len().min(MAX_ARGUMENT_BYTES)];
        write_quoted(shown, &mut line);
        if shown.len() < argument.len() {
            line.extend_from_slice(format!("... ({} more bytes)", argument.len() - shown.len()).as_bytes());
        }
    }
    if arguments.len() > MAX_ARGUMENTS {
        line.extend_from_slice(format!(" ... ({} more arguments)", arguments.len() - MAX_ARGUMENTS).as_bytes());
    }
    line.extend_from_slice(b"\r\n");
    line
}

impl Outbox {
    /// Lets others know what waits.
    fn tell(&self, waiting: &Waiting) {
        self.client.held().monitor_bytes.store(waiting.lines.len() as u64, Ordering::Relaxed);
    }

    /// Answers whether there was room.
    fn put(&self, line: &[u8]) -> bool {
        let mut waiting = self.waiting.lock();
        if waiting.lines.len() + line.len() > MAX_WAITING_BYTES {
            waiting.is_overfull = true;
            waiting.lines = Vec::new();
            self.client.cut_off(UnreadMessages::Monitor);
        } else {
            waiting.lines.extend_from_slice(line);
        }
        self.tell(&waiting);
        if let Some(waker) = waiting.waker.take() {
            waker.wake();
        }
        !waiting.is_overfull
    }
}

impl Monitoring {
    /// Completes when there is something to be sent, or no more will be.
    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<()> {
        let mut waiting = self.outbox.waiting.lock();
        if waiting.is_overfull || !waiting.lines.is_empty() {
            return Poll::Ready(());
        }
        waiting.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Appends all that waits.
    pub(super) fn take(&self, out: &mut Vec<u8>) -> Result<(), MonitorTooSlow> {
        let mut waiting = self.outbox.waiting.lock();
        if waiting.is_overfull {
            return Err(MonitorTooSlow);
        }
        if out.is_empty() {
            std::mem::swap(out, &mut waiting.lines);
        } else {
            out.append(&mut waiting.lines);
        }
        self.outbox.tell(&waiting);
        Ok(())
    }
}

impl Drop for Monitoring {
    fn drop(&mut self) {
        self.monitors.remove(&self.outbox);
        self.outbox.client.held().monitor_bytes.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;

    /// What a monitor is sent.
    fn told(bench: &Bench) -> String {
        let mut out = Vec::new();
        let monitoring = bench.session.monitoring.as_ref().expect("it monitors");
        monitoring.take(&mut out).expect("it reads");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn every_request_is_told_without_passwords_and_without_those_of_operators() {
        let mut bench = Bench::new();
        bench.run("incr before");
        assert_eq!(bench.run("monitor"), "+OK");
        for line in ["set foo 1", "GET foo", "config get port", "auth secret", "nosuch", "get"] {
            bench.run(line);
        }
        let expected = "+1700000000.123000 [0 127.0.0.1:40000] \"set\" \"foo\" \"1\"\r\n\
                        +1700000000.123000 [0 127.0.0.1:40000] \"GET\" \"foo\"\r\n\
                        +1700000000.123000 [0 127.0.0.1:40000] \"auth\" \"(redacted)\"\r\n";
        assert_eq!(told(&bench), expected);
        assert!(bench.text("client info").contains(" flags=O "));
        assert_eq!(bench.run("reset"), "+RESET");
        assert!(!bench.environment.observation.monitors.is_watched());
    }

    #[test]
    fn what_exec_runs_is_told_when_it_is_run() {
        let mut bench = Bench::new();
        bench.run("monitor");
        for line in ["multi", "incr a", "exec"] {
            bench.run(line);
        }
        let told = told(&bench);
        let words: Vec<&str> = told.lines().filter_map(|line| line.split('"').nth(1)).collect();
        assert_eq!(words, ["multi", "exec", "incr"]);
    }

    #[test]
    fn a_monitor_that_does_not_read_is_cut_off() {
        let mut bench = Bench::new();
        bench.run("monitor");
        bench.run("ping");
        assert!(!bench.text("client info").contains(" omem=0 "), "a line of it waits");
        let large = "x".repeat(100_000);
        let mut requests = 0;
        while bench.environment.observation.monitors.is_watched() {
            bench.run(&format!("echo {large}"));
            requests += 1;
        }
        assert!(requests > 900, "an argument is cut: {requests}");
        let monitoring = bench.session.monitoring.as_ref().expect("it monitors");
        assert_eq!(monitoring.take(&mut Vec::new()), Err(MonitorTooSlow));
        assert_eq!(bench.session.client().held().waiting_bytes(), 0);
        assert!(bench.session.client().is_ended(), "also in the middle of a write");
        bench.run("get a");
    }
}
