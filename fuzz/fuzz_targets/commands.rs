//! Any requests from two clients of a node: no command may panic, whatever its arguments and whatever state earlier
//! requests have left, and every reply must be one.
//!
//! The first byte of the input chooses the settings; the rest is what the clients send, by turns.

#![no_main]

use std::sync::Arc;
use std::time::Duration;

use discnt::base::{Incarnation, Moment, Monotonic, NodeId, ReplicaId, ReplicaIndex, WallMillis};
use discnt::command::{
    Access, ClientAddress, CommandsConfig, Config, Environment, Exclusion, Fixed, Flush, FlushStep, Outcome, Pending,
    Publisher, ReplyShape, Session, Settings, Statistics, execute,
};
use discnt::counter::{self, Table, TableSettings};
use discnt::resp::{Decoder, Limits, Protocol, Reply, encode};
use libfuzzer_sys::fuzz_target;

fn environment(choice: u8) -> Environment {
    let config = counter::Config { max_counters: 64, ..counter::Config::default() };
    let table = Table::new(TableSettings {
        config,
        lease: Duration::from_secs(3),
        replica: ReplicaId { node: NodeId::new([7; 20]), incarnation: Incarnation(1) },
        replica_index: ReplicaIndex(0),
        hash_seeds: [1, 2, 3, 4],
        wake: Box::new(|| {}),
    });
    let pairs = [("resp.max_clients", "10"), ("resp.password", "secret"), ("log.level", "info"), ("resp.bind", "::1")];
    let pairs = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    let settings = Settings {
        shape: if choice & 1 == 0 { ReplyShape::Redis } else { ReplyShape::Discnt },
        access: Arc::new(Access::with_password((choice & 2 != 0).then_some("secret"))),
        config: Arc::new(Fixed(pairs)),
        debug: Config { enabled: choice & 4 == 0 },
        commands: CommandsConfig {
            max_transaction_bytes: 4096,
            slowlog_slower_than_micros: 0,
            latency_threshold_ms: 1,
            ..CommandsConfig::default()
        },
        ..Settings::default()
    };
    Environment {
        table: Arc::new(table),
        cluster: Arc::default(),
        clients: Arc::default(),
        subscriptions: Arc::default(),
        statistics: Arc::new(Statistics::new(1)),
        settings,
        process: Arc::default(),
        persistence: Arc::default(),
        observation: Arc::default(),
        exclusion: Arc::new(Exclusion::new(1)),
    }
}

fn connect(environment: &Environment, port: u16, now: Moment) -> Session {
    let address = ClientAddress {
        remote: format!("127.0.0.1:{port}"),
        local: "127.0.0.1:5262".to_owned(),
        descriptor: 8,
        is_unix: false,
    };
    Session::new(environment, address, 0, now.monotonic)
}

/// The place behind the reply at `at`, which must be one.
fn end_of(bytes: &[u8], at: usize, protocol: Protocol) -> usize {
    let line = bytes[at..].windows(2).position(|pair| pair == b"\r\n").expect("a line");
    let (mark, text, behind) = (bytes[at], &bytes[at + 1..at + line], at + line + 2);
    let number = || std::str::from_utf8(text).expect("text").parse::<i64>().expect("a length");
    assert!(protocol == Protocol::Resp3 || b"+-:$*".contains(&mark), "{:?} is no mark of RESP2", char::from(mark));
    let parts = match mark {
        b'+' | b'-' | b':' | b'_' | b'#' | b',' => 0,
        b'$' | b'=' if number() < 0 => 0,
        b'$' | b'=' => {
            let end = behind + number() as usize;
            assert_eq!(&bytes[end..end + 2], b"\r\n");
            return end + 2;
        }
        b'*' | b'~' | b'>' => number().max(0),
        b'%' => 2 * number(),
        other => panic!("{:?} is no mark", char::from(other)),
    };
    (0..parts).fold(behind, |at, _| end_of(bytes, at, protocol))
}

/// What is sent must be whole replies and nothing else.
fn check(bytes: &[u8], protocol: Protocol) {
    let mut at = 0;
    while at < bytes.len() {
        at = end_of(bytes, at, protocol);
    }
}

/// Runs what is left to be done by others; what the client is answered then.
fn wait(environment: &Environment, pending: Pending, now: Moment) {
    if let Pending::Flush(_) = pending {
        let mut flush = Flush::default();
        while flush.step(environment, now) == FlushStep::More {}
    }
}

fuzz_target!(|data: &[u8]| {
    let [choice, bytes @ ..] = data else { return };
    let mut now = Moment { monotonic: Monotonic::from_nanos(60_000_000_000), wall: WallMillis(1_700_000_000_123) };
    let environment = environment(*choice);
    let mut publisher = Publisher::new(Arc::clone(&environment.subscriptions), now.monotonic);
    let mut sessions = [connect(&environment, 40_000, now), connect(&environment, 40_001, now)];
    let mut decoder = Decoder::new(Limits::default());
    let (mut rest, mut round) = (bytes, 0_usize);
    while let Ok(Some(length)) = decoder.decode(rest) {
        let arguments = decoder.arguments(rest);
        let session = &mut sessions[round % 2];
        if !arguments.is_empty() {
            let reply = match execute(&environment, session, arguments, now) {
                Outcome::Reply(reply) => reply,
                Outcome::Close(reply) => {
                    let mut out = Vec::new();
                    encode(&reply, session.protocol(), &mut out);
                    check(&out, session.protocol());
                    *session = connect(&environment, 40_002, now);
                    Reply::Null
                }
                Outcome::Wait(pending) => {
                    wait(&environment, pending, now);
                    Reply::Null
                }
                Outcome::Paused => Reply::Null,
            };
            let mut out = Vec::new();
            encode(&reply, session.protocol(), &mut out);
            check(&out, session.protocol());
        }
        rest = &rest[length..];
        round += 1;
        now.monotonic = now.monotonic.after(Duration::from_millis(137));
        while publisher.turn(&environment.table, now.monotonic) {}
        for session in &sessions {
            let mut out = Vec::new();
            let _ = session.take_messages(usize::MAX, &mut out);
            check(&out, session.protocol());
        }
    }
    // Nobody is left in any list.
    drop(sessions);
    assert_eq!((environment.clients.len(), environment.subscriptions.clients()), (0, 0));
    assert_eq!((environment.subscriptions.names(), environment.subscriptions.patterns()), (0, 0));
});
