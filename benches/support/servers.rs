//! Servers of both kinds as processes that end with the values here.

use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::process::{resident_bytes, wait_until_quiet};
use super::{Client, Outcome, Processor};

/// Longest wait for a server to answer, or for a cluster to be linked.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that ends with this value.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Processor time so far.
    pub(crate) fn processor(&self) -> Processor {
        Processor::of(self.child.id())
    }

    pub(crate) fn resident_bytes(&self) -> f64 {
        resident_bytes(self.child.id())
    }

    /// The same once it no longer falls, as freed pages go back to the system only after a while; or, where the figure does not
    /// matter, soon.
    pub(crate) fn settled_bytes(&self, is_hasty: bool) -> f64 {
        let interval = Duration::from_millis(if is_hasty { 50 } else { 2_000 });
        let (mut before, mut steady) = (self.resident_bytes(), 0);
        while steady < 5 {
            std::thread::sleep(interval);
            let now = self.resident_bytes();
            steady = if now < before * 0.999 { 0 } else { steady + 1 };
            before = now;
        }
        before
    }

    pub(crate) fn client(&self) -> Outcome<Client> {
        Client::connect(self.port)
    }

    /// Waits, for a while, until the server has nothing left to do.
    pub(crate) fn wait_until_quiet(&self) {
        wait_until_quiet(&[self.child.id()], Duration::from_secs(15));
    }

    /// Stops the process where it is, or lets it go on.
    pub(crate) fn pause(&self, is_paused: bool) -> Outcome<()> {
        let signal = if is_paused { rustix::process::Signal::STOP } else { rustix::process::Signal::CONT };
        let process = rustix::process::Pid::from_child(&self.child);
        Ok(rustix::process::kill_process(process, signal)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails only if it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether both programs of Redis are there; says so if not.
#[allow(clippy::print_stdout, reason = "the reader waits for figures, and is told why there are none")]
pub(crate) fn is_redis_installed() -> bool {
    let missing = ["redis-server", "redis-benchmark"].into_iter().find(|tool| !is_installed(tool));
    if let Some(tool) = missing {
        println!("{tool} is not installed: nothing was measured.");
    }
    missing.is_none()
}

fn is_installed(tool: &str) -> bool {
    Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// Starts redis-server without snapshots, with these settings, in a directory of its own.
pub(crate) fn start_redis(scratch: &Path, settings: &[&str]) -> Outcome<Server> {
    let port = free_port()?;
    let directory = scratch.join(format!("redis-{port}"));
    std::fs::create_dir_all(&directory)?;
    let child = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(settings)
        .arg("--dir")
        .arg(directory)
        .stdout(Stdio::null())
        .spawn()?;
    wait_until_it_answers(Server { child, port })
}

/// The program that is measured: what cargo has built, or what `DISCNT_SERVER` says.
pub(crate) fn program() -> OsString {
    std::env::var_os("DISCNT_SERVER").unwrap_or_else(|| env!("CARGO_BIN_EXE_discnt-server").into())
}

/// Some nodes, with what they all are started with.
pub(crate) struct Nodes<'a> {
    scratch: &'a Path,
    settings: &'a [&'a str],
}

impl<'a> Nodes<'a> {
    pub(crate) fn new(scratch: &'a Path, settings: &'a [&'a str]) -> Self {
        Self { scratch, settings }
    }

    /// Starts one with an empty data directory, without waiting for it.
    pub(crate) fn spawn(&self) -> Outcome<Server> {
        let port = free_port()?;
        let child = Command::new(program())
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .arg("--data-dir")
            .arg(self.scratch.join(format!("data-{port}")))
            .arg("--certs-dir")
            .arg(self.scratch.join("certs"))
            .args(self.settings.iter().flat_map(|setting| ["--set", setting]))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Server { child, port })
    }

    pub(crate) fn start(&self) -> Outcome<Server> {
        wait_until_it_answers(self.spawn()?)
    }
}

/// Starts nodes and, if there are several, waits until each is linked with all others.
pub(crate) fn start_nodes(scratch: &Path, count: usize, settings: &[&str]) -> Outcome<Vec<Server>> {
    let nodes = Nodes::new(scratch, settings);
    let nodes: Vec<Server> = (0..count).map(|_| nodes.start()).collect::<Outcome<_>>()?;
    if let [first, others @ ..] = nodes.as_slice()
        && !others.is_empty()
    {
        let mut client = first.client()?;
        for other in others {
            client.expect(&["CLUSTER", "MEET", "127.0.0.1", &other.port.to_string()], "OK")?;
        }
        for node in &nodes {
            wait_until_linked(node, count)?;
        }
    }
    Ok(nodes)
}

/// Waits until this node is linked with all others of so many.
pub(crate) fn wait_until_linked(node: &Server, nodes: usize) -> Outcome<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut client = node.client()?;
    loop {
        let info = client.info("cluster")?;
        let is_linked = info.number("cluster_size") == nodes as f64
            && info.number("cluster_reachable_nodes") == (nodes - 1) as f64
            && info.number("cluster_catching_up") == 0.0;
        if is_linked {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("the node on port {} is not linked with all others", node.port).into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn wait_until_it_answers(mut server: Server) -> Outcome<Server> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // While it loads, it answers this with an error.
        let answer = server.client().and_then(|mut client| client.expect(&["EXISTS", "any"], "0"));
        let Err(error) = answer else { return Ok(server) };
        if let Some(status) = server.child.try_wait()? {
            return Err(format!("the server on port {} ended: {status}", server.port).into());
        }
        if Instant::now() > deadline {
            return Err(format!("the server on port {} does not answer: {error}", server.port).into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A port that was free for TCP and UDP a moment ago.
fn free_port() -> Outcome<u16> {
    for _ in 0..100 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err("found no port that is free for TCP and UDP".into())
}
