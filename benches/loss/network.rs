//! Two network namespaces with a wire between them that can lose packets.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

const INTERFACE: &str = "wire";

/// One end of the wire.
pub(crate) struct Namespace {
    name: String,
    pub(crate) address: String,
}

/// Both ends; taken down when dropped.
pub(crate) struct Network {
    pub(crate) ends: [Namespace; 2],
}

fn run(words: &[&str], input: &str) -> Result<(), String> {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = command.spawn().map_err(|error| format!("{}: {error}", words[0]))?;
    if let Some(mut stdin) = process.stdin.take() {
        stdin.write_all(input.as_bytes()).map_err(|error| error.to_string())?;
    }
    let output = process.wait_with_output().map_err(|error| error.to_string())?;
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{}: {}", words.join(" "), errors.trim())) }
}

/// What this machine lacks for such a network.
pub(crate) fn lacking() -> Vec<&'static str> {
    let has = |program: &str, argument: &str| {
        Command::new(program).arg(argument).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    let mut lacking = Vec::new();
    if !rustix::process::geteuid().is_root() {
        lacking.push("the rights of root");
    }
    if !has("ip", "-V") {
        lacking.push("ip (Debian: iproute2)");
    }
    if !has("nft", "-v") {
        lacking.push("nft (Debian: nftables)");
    }
    lacking
}

impl Network {
    pub(crate) fn new() -> Result<Self, String> {
        let end =
            |at: u8| Namespace { name: format!("rep-{}-{at}", std::process::id()), address: format!("10.213.77.{at}") };
        let network = Self { ends: [end(1), end(2)] };
        let [one, other] = &network.ends;
        for end in [one, other] {
            run(&["ip", "netns", "add", &end.name], "")?;
            end.ip(&["link", "set", "lo", "up"])?;
        }
        one.ip(&["link", "add", INTERFACE, "type", "veth", "peer", "name", INTERFACE, "netns", &other.name])?;
        for end in [one, other] {
            end.ip(&["address", "add", &format!("{}/24", end.address), "dev", INTERFACE])?;
            // Packets are lost one by one, and not as many as the kernel was handed at once.
            end.ip(&["link", "set", INTERFACE, "up", "gso_max_segs", "1"])?;
        }
        Ok(network)
    }

    /// Each end loses so many of a hundred packets that arrive.
    pub(crate) fn lose(&self, percent: u32) -> Result<(), String> {
        let rules = format!(
            "table inet loss {{ chain arrivals {{ type filter hook input priority 0; \
             iifname \"{INTERFACE}\" numgen random mod 100 < {percent} drop; }}\n}}"
        );
        for end in &self.ends {
            run(&["ip", "netns", "exec", &end.name, "nft", "flush", "ruleset"], "")?;
            if percent > 0 {
                run(&["ip", "netns", "exec", &end.name, "nft", "-f", "-"], &rules)?;
            }
        }
        Ok(())
    }

    /// Bytes that both ends have put on the wire.
    pub(crate) fn bytes_sent(&self) -> u64 {
        self.ends.iter().map(Namespace::bytes_sent).sum()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for end in &self.ends {
            // One that was never made cannot be removed.
            let _ = run(&["ip", "netns", "delete", &end.name], "");
        }
    }
}

impl Namespace {
    fn ip(&self, words: &[&str]) -> Result<(), String> {
        run(&[&["ip", "-n", &self.name], words].concat(), "")
    }

    /// Does something in this namespace: sockets and processes that are made there stay there.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let enter = || {
            let namespace = File::open(format!("/run/netns/{}", self.name)).expect("the namespace");
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect("the right to enter");
            work()
        };
        std::thread::scope(|scope| scope.spawn(enter).join().expect("no panic in the namespace"))
    }

    fn bytes_sent(&self) -> u64 {
        let table = self.inside(|| std::fs::read_to_string("/proc/thread-self/net/dev").expect("the interfaces"));
        let line = table.lines().find_map(|line| line.trim().strip_prefix(&format!("{INTERFACE}:"))).expect("the wire");
        line.split_whitespace().nth(8).and_then(|field| field.parse().ok()).expect("the bytes that were sent")
    }
}
