//! Servers as processes, on ports that the system chose, and what a test asks of them.
#![allow(dead_code, unused_imports, reason = "each test program uses a part of it")]

mod client;
mod ground;
mod network;
mod server;

use std::thread;
use std::time::{Duration, Instant};

pub(crate) use client::{Client, text_of};
pub(crate) use ground::{Ground, Ran, run};
pub(crate) use network::{Host, Network, skewed_clock};
pub(crate) use server::{Server, Start};

/// How long a test waits for what must come. Far more than it takes, as the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// How often a condition is looked at.
const PAUSE: Duration = Duration::from_millis(10);

/// Waits until `attempt` has a result; the last refusal is told when it never has.
///
/// # Panics
/// After [`PATIENCE`].
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let begin = Instant::now();
    loop {
        match attempt() {
            Ok(result) => return result,
            Err(last) if begin.elapsed() > PATIENCE => {
                panic!("{what}: not so after {} s, but: {last}", PATIENCE.as_secs())
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// [`eventually`], for one reply of one server.
#[track_caller]
pub(crate) fn eventually_answers(server: &Server, request: &str, expected: &str) {
    let what = format!("{} answers {expected} to {request}", server.name());
    // One connection for all attempts, but for those on which the server was not there.
    let mut client = None;
    eventually(&what, || {
        if client.is_none() {
            client = Some(server.try_client()?);
        }
        let reply =
            client.as_mut().map_or_else(|| Err("no client".to_owned()), |client: &mut Client| client.try_ask(request));
        match reply {
            Ok(reply) if reply == expected => Ok(()),
            Ok(reply) => Err(reply),
            Err(error) => {
                client = None;
                Err(error)
            }
        }
    });
}

/// Waits until each of these is linked with all others, and knows no further members.
#[track_caller]
pub(crate) fn eventually_linked(servers: &[&Server]) {
    for server in servers {
        let mut ids: Vec<String> = servers.iter().map(|other| other.id()).collect();
        ids.sort();
        eventually(&format!("{} is linked with {} others", server.name(), servers.len() - 1), || {
            let mut seen = Vec::new();
            for node in server.try_client()?.try_hello()? {
                if node.priority != 1 {
                    return Err(format!("{node:?}"));
                }
                seen.push(node.id);
            }
            seen.sort();
            if seen == ids { Ok(()) } else { Err(format!("it knows {seen:?}")) }
        });
    }
}

/// Meets all others from the first and waits until all are linked with all.
#[track_caller]
pub(crate) fn link(servers: &[&Server]) {
    for other in &servers[1..] {
        let mut client = servers[0].client();
        let reply = client.ask(&format!("CLUSTER MEET {} {}", other.host(), other.port()));
        assert_eq!(reply, "OK", "{} meets {}", servers[0].name(), other.name());
    }
    eventually_linked(servers);
}
