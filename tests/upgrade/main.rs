//! A rolling upgrade with real processes: a cluster of an older program becomes one of the present program node by node,
//! while all nodes are counted on, and goes back by one node in between.
//!
//! `tests/upgrade/run REVISION` builds the older program and runs this with `DISCNT_OLD_SERVER`. Without that the older
//! program is the present one, and this is a rolling restart.

#![allow(clippy::print_stdout)] // The figures are a part of what it is run for.

mod files;
#[path = "../server_support/mod.rs"]
mod server_support;

use discnt::base::NodeId;
use discnt::mesh::{Config, DialError, DialId, Identity, Mesh, MeshEvent, bind_socket};
use discnt::wire::{LinkProtocol, ProtocolVersions, SOFTWARE_VERSION};
use rustix::process::Signal;
use server_support::{Ground, PATIENCE, Server, eventually, eventually_linked, link};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;

const COUNTERS: usize = 20;

fn old_program() -> PathBuf {
    std::env::var_os("DISCNT_OLD_SERVER").map_or_else(|| env!("CARGO_BIN_EXE_discnt-server").into(), PathBuf::from)
}

fn is_another_program() -> bool {
    std::env::var_os("DISCNT_OLD_SERVER").is_some()
}

fn counter(number: usize) -> String {
    format!("counter:{number}")
}

/// A client of one node, which counts for as long as it is let.
struct Writer {
    stop: Arc<AtomicBool>,
    /// How much was acknowledged, and how much was sent and may have been counted.
    told: Arc<Mutex<Vec<(u64, u64)>>>,
    acknowledged: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Writer {
    fn start(address: SocketAddr) -> Self {
        let (stop, told) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(vec![(0, 0); COUNTERS])));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let (ended, ledger, sum) = (Arc::clone(&stop), Arc::clone(&told), Arc::clone(&acknowledged));
        let thread = std::thread::spawn(move || {
            let (mut client, mut round) = (None, 0_usize);
            while !ended.load(Ordering::Relaxed) {
                let Some(open) = &mut client else {
                    // The node is being replaced.
                    client = server_support::Client::connect(address).ok();
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                };
                round += 1;
                let (at, by) = (round % COUNTERS, 1 + round as u64 % 9);
                ledger.lock().expect("no panic")[at].1 += by;
                match open.try_ask(&format!("INCRBY {} {by}", counter(at))) {
                    Ok(reply) if reply.parse::<i64>().is_ok() => {
                        ledger.lock().expect("no panic")[at].0 += by;
                        sum.fetch_add(by, Ordering::Relaxed);
                    }
                    // It said that nothing was changed: -LOADING and the like.
                    Ok(_) => ledger.lock().expect("no panic")[at].1 -= by,
                    Err(_) => client = None,
                }
            }
        });
        Self { stop, told, acknowledged, thread }
    }

    fn end(self) -> Vec<(u64, u64)> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the writer did not fail");
        let told = self.told.lock().expect("no panic");
        told.clone()
    }
}

/// Waits until every writer has been answered anew.
fn all_go_on(writers: &[Writer]) {
    for (number, writer) in writers.iter().enumerate() {
        let before = writer.acknowledged.load(Ordering::Relaxed);
        eventually(&format!("writer {number} goes on"), || match writer.acknowledged.load(Ordering::Relaxed) {
            now if now > before + 100 => Ok(()),
            now => Err(format!("{now} after {before}")),
        });
    }
}

/// As an operator does it: stop one node, start the other program, wait until all is well.
fn replace(servers: &mut Vec<Server>, at: usize, program: PathBuf) {
    let start = servers.remove(at);
    let port = start.port();
    let start = start.stop(Signal::TERM).program(program).port(port);
    let server = match start.clone().try_run() {
        Ok(server) => server,
        // The present program may write what the older one does not read; that one says so, and has changed nothing.
        Err(refusal) if is_another_program() && refusal.contains("is of version") => {
            println!("the older program refuses the data directory, which the present one goes on with");
            start.program(env!("CARGO_BIN_EXE_discnt-server")).run()
        }
        Err(refusal) => panic!("{refusal}"),
    };
    servers.insert(at, server);
    eventually_linked(&servers.iter().collect::<Vec<_>>());
    for server in servers.iter() {
        eventually(&format!("{} is well", server.name()), || {
            let info = server.try_client()?.try_ask("CLUSTER INFO")?;
            let is_well = info.contains("cluster_state:ok") && info.contains("cluster_catching_up:0");
            if is_well { Ok(()) } else { Err(info) }
        });
    }
}

/// What one node says of its link with another.
fn protocol(server: &Server, other: &Server) -> String {
    let nodes = server.ask("CLUSTER NODES");
    let line = nodes.lines().find(|line| line.starts_with(&other.id())).expect("a member").to_owned();
    line.split(' ').find_map(|word| word.strip_prefix("protocol=")).unwrap_or("unsaid").to_owned()
}

/// What is counted and set on any node is read on every other.
fn mixed_nodes_agree(servers: &[Server], round: usize) {
    for (at, server) in servers.iter().enumerate() {
        let key = format!("mixed:{round}:{at}");
        assert_eq!(server.ask(&format!("SET {key} 41.5")), "OK");
        for other in servers {
            server_support::eventually_answers(other, &format!("GET {key}"), "41.5");
        }
        let other = &servers[(at + 1) % servers.len()];
        other.ask(&format!("INCRBYFLOAT {key} 0.5"));
        for reader in servers {
            server_support::eventually_answers(reader, &format!("GET {key}"), "42");
        }
        assert_eq!(other.ask(&format!("DEL {key}")), "1");
        for reader in servers {
            server_support::eventually_answers(reader, &format!("EXISTS {key}"), "0");
        }
    }
}

fn final_sums_are_right(servers: &[Server], told: &[Vec<(u64, u64)>]) {
    for at in 0..COUNTERS {
        let acknowledged: u64 = told.iter().map(|of_one| of_one[at].0).sum();
        let sent: u64 = told.iter().map(|of_one| of_one[at].1).sum();
        let request = format!("GET {}", counter(at));
        let value = eventually("all read the same", || {
            let read: Vec<String> =
                servers.iter().map(|server| server.try_client()?.try_ask(&request)).collect::<Result<_, _>>()?;
            match read.iter().all(|value| *value == read[0]) {
                true => read[0].parse::<u64>().map_err(|_| read[0].clone()).and_then(|value| {
                    if value >= acknowledged { Ok(value) } else { Err(format!("{value}, acknowledged {acknowledged}")) }
                }),
                false => Err(format!("{read:?}")),
            }
        });
        assert!((acknowledged..=sent).contains(&value), "{value} of {acknowledged} to {sent}");
    }
}

#[test]
fn the_program_to_upgrade_from_is_found_in_the_history() {
    let mut script = std::process::Command::new("tests/upgrade/run");
    let ran = script.arg("--which").current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("it is there");
    let [out, errors] = [ran.stdout, ran.stderr].map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
    match ran.status.success() {
        true => assert!(out.len() == 40 && out.bytes().all(|byte| byte.is_ascii_hexdigit()), "{out}"),
        // Sources of a release have no history, and some who build have only its end.
        false => assert!(errors.contains("no history here") || errors.contains("was cut off"), "{errors}"),
    }
}

#[test]
fn a_cluster_is_upgraded_node_by_node_while_it_is_counted_on() {
    let ground = Ground::new();
    let present = PathBuf::from(env!("CARGO_BIN_EXE_discnt-server"));
    let start = || ground.server().set("storage.durability=always").program(old_program()).run();
    let mut servers: Vec<Server> = (0..3).map(|_| start()).collect();
    link(&servers.iter().collect::<Vec<_>>());
    let writers: Vec<Writer> = servers.iter().map(|server| Writer::start(server.address())).collect();
    all_go_on(&writers);
    // The second node goes back to the older program before the others are upgraded.
    let steps = [(1, &present), (1, &old_program()), (1, &present), (0, &present), (2, &present)];
    for (round, (at, program)) in steps.into_iter().enumerate() {
        replace(&mut servers, at, program.clone());
        all_go_on(&writers);
        mixed_nodes_agree(&servers, round);
        if round == 2 && !servers[0].ask("CLUSTER NODES").contains(" protocol=") {
            // One upgraded node of three, and the others are older than versions are.
            assert_eq!(protocol(&servers[1], &servers[0]), ProtocolVersions::UNSAID.newest().to_string());
        }
    }
    let newest = ProtocolVersions::SPOKEN.newest().to_string();
    for (one, other) in [(0, 1), (1, 2), (2, 0)] {
        assert_eq!(protocol(&servers[one], &servers[other]), newest);
        assert!(servers[one].ask("CLUSTER NODES").contains(&format!(" software={SOFTWARE_VERSION}")));
    }
    let told: Vec<Vec<(u64, u64)>> = writers.into_iter().map(Writer::end).collect();
    final_sums_are_right(&servers, &told);
    for server in &servers {
        let log = server.log();
        for bad in ["ignored what", "refused a connection", "no link with"] {
            assert!(!log.contains(bad), "{}: {log}", server.name());
        }
    }
    let counted: u64 = told.iter().flatten().map(|(acknowledged, _)| acknowledged).sum();
    println!("upgraded under load: {counted} acknowledged on three nodes, all of them there");
}

/// A node of another time in this process, of the servers' authority.
fn node_of_versions(ground: &Ground, name: &str, versions: ProtocolVersions) -> (Mesh, mpsc::Receiver<MeshEvent>) {
    let config = Config { certs_dir: ground.path("certs"), port: 0, versions, ..Config::default() };
    let directory = ground.path(name);
    std::fs::create_dir_all(&directory).expect("a directory");
    let identity = Identity::open(&config, &directory).expect("an identity").identity;
    let (sender, events) = mpsc::channel(1024);
    let socket = bind_socket(&config).expect("a socket");
    (Mesh::bind(config, socket, &identity, sender).expect("the mesh starts"), events)
}

async fn outcome_of_dial(
    mesh: &Mesh,
    events: &mut mpsc::Receiver<MeshEvent>,
    server: &Server,
) -> Result<LinkProtocol, DialError> {
    mesh.dial(DialId(1), &server.host(), server.port());
    loop {
        let event = tokio::time::timeout(PATIENCE, events.recv()).await.expect("an event").expect("the mesh runs");
        match event {
            MeshEvent::LinkUp { protocol, .. } => return Ok(protocol),
            MeshEvent::DialFailed { error, .. } => return Err(error),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_node_of_a_later_time_is_refused_with_words_on_both_sides() {
    let ground = Ground::new();
    // The second is of the first version where the older program is older than versions are.
    for program in [PathBuf::from(env!("CARGO_BIN_EXE_discnt-server")), old_program()] {
        let server = ground.server().program(program).run();
        for number in 0..3 {
            let versions = ProtocolVersions::new(8, 9).expect("a range");
            let (mesh, mut events) = node_of_versions(&ground, &format!("later-{}-{number}", server.name()), versions);
            let result = outcome_of_dial(&mesh, &mut events, &server).await;
            let Err(DialError::Incompatible { reason, .. }) = result else { panic!("{result:?}") };
            assert!(reason.contains("versions 8-9 of the protocol"), "{reason}");
            let _: NodeId = mesh.id();
        }
        let line = server.eventually_logs(&["versions 8-9 of the protocol"]);
        assert!(line.contains("upgrade"), "{line}");
        // It goes on as if nothing had been, and a node of its own time is welcome.
        assert_eq!(server.ask("INCR still"), "1");
        let (mesh, mut events) = node_of_versions(&ground, &format!("own-{}", server.name()), ProtocolVersions::SPOKEN);
        outcome_of_dial(&mesh, &mut events, &server).await.expect("a link");
    }
}
