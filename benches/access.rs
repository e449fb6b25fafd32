//! What a request costs a user with rules, beside one who may do everything.
//!
//!     cargo bench --bench access
//!
//! INCR is run straight against the table, on one thread, without a socket. Each row is the least of several rounds, as whatever else
//! the machine does can only add to it. Rounds of all rows alternate.
#![allow(clippy::print_stdout, reason = "the figures are what this is for")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use discnt::base::{Incarnation, Moment, NodeId, ReplicaId, ReplicaIndex};
use discnt::command::{ClientAddress, Environment, Exclusion, Outcome, Session, Settings, Statistics, execute};
use discnt::counter::{self, Table, TableSettings};
use discnt::resp::{Decoder, Limits, Reply};

const REQUESTS: u32 = 300_000;
const ROUNDS: usize = 15;

/// A user's rules beside those for commands. The names that are counted begin with `ads:`.
const ROWS: [(&str, &str); 6] = [
    ("everything", "~* &* +@all"),
    ("every counter, some commands", "~* +@read +@write"),
    ("one pattern", "~ads:* +@read +@write"),
    ("the same, both ways of reading", "%R~ads:* %W~ads:* +@all"),
    ("the last of ten patterns", "~a:* ~b:* ~c:* ~d:* ~e:* ~f:* ~g:* ~h:* ~i:* ~ads:* +@all"),
    ("in the second selector", "+ping (+get ~x) (+@write ~ads:*)"),
];

fn environment() -> Environment {
    let table = Table::new(TableSettings {
        config: counter::Config::default(),
        lease: Duration::from_secs(3),
        replica: ReplicaId { node: NodeId::new([7; 20]), incarnation: Incarnation(1) },
        replica_index: ReplicaIndex(0),
        hash_seeds: [1, 2, 3, 4],
        wake: Box::new(|| {}),
    });
    Environment {
        table: Arc::new(table),
        cluster: Arc::default(),
        clients: Arc::default(),
        subscriptions: Arc::default(),
        statistics: Arc::new(Statistics::new(1)),
        settings: Settings::default(),
        process: Arc::default(),
        persistence: Arc::default(),
        observation: Arc::default(),
        exclusion: Arc::new(Exclusion::new(1)),
    }
}

fn run(environment: &Environment, session: &mut Session, line: &str) -> Outcome {
    let bytes = format!("{line}\r\n").into_bytes();
    let mut decoder = Decoder::new(Limits::default());
    // The lines are ours.
    let _ = decoder.decode(&bytes);
    execute(environment, session, decoder.arguments(&bytes), Moment::default())
}

/// Nanoseconds for each of many requests.
fn measure(environment: &Environment, session: &mut Session) -> f64 {
    let bytes = b"*2\r\n$4\r\nINCR\r\n$14\r\nads:campaign:7\r\n";
    let mut decoder = Decoder::new(Limits::default());
    let begin = Instant::now();
    for _ in 0..REQUESTS {
        let _ = decoder.decode(black_box(bytes));
        black_box(execute(environment, session, decoder.arguments(bytes), Moment::default()));
    }
    begin.elapsed().as_secs_f64() * 1e9 / f64::from(REQUESTS)
}

fn main() -> Result<(), String> {
    let environment = environment();
    let connect = || Session::new(&environment, ClientAddress::default(), 0, Moment::default().monotonic);
    let mut sessions = Vec::new();
    for (number, (name, rules)) in ROWS.iter().enumerate() {
        let (mut admin, mut session) = (connect(), connect());
        let made = run(&environment, &mut admin, &format!("ACL SETUSER u{number} on nopass {rules}"));
        let is_in = run(&environment, &mut session, &format!("AUTH u{number} x"));
        if ![&made, &is_in].iter().all(|outcome| matches!(outcome, Outcome::Reply(Reply::Simple("OK")))) {
            return Err(format!("{name}: {made:?} {is_in:?}"));
        }
        if let Outcome::Reply(Reply::Error(error)) = run(&environment, &mut session, "INCR ads:campaign:7") {
            return Err(format!("{name}: {}", error.as_str()));
        }
        sessions.push(session);
    }
    let mut least = [f64::INFINITY; ROWS.len()];
    for _ in 0..ROUNDS {
        for (session, least) in sessions.iter_mut().zip(&mut least) {
            *least = least.min(measure(&environment, session));
        }
    }
    println!("{:34} {:>8} {:>8}", "a user who may", "ns/INCR", "more");
    for ((name, _), nanos) in ROWS.iter().zip(least) {
        println!("{name:34} {nanos:>8.1} {:>8.1}", nanos - least[0]);
    }
    Ok(())
}
