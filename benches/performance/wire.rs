//! A network namespace with nothing in it but what is measured, whose UDP packets are counted.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::support::Outcome;

/// Counts what arrives, packet by packet, with its IP and UDP headers.
const RULES: &str =
    "table inet wire { chain arrivals { type filter hook input priority 0; meta l4proto udp counter; }\n}";

/// Taken down when dropped.
pub(crate) struct Wire {
    name: String,
}

/// Packets, and their bytes.
#[derive(Clone, Copy)]
pub(crate) struct Packets {
    pub(crate) packets: f64,
    pub(crate) bytes: f64,
}

fn run(words: &[&str], input: &str) -> Outcome<String> {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().map_err(|error| format!("{}: {error}", words[0]))?;
    if let Some(mut stdin) = process.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let output = process.wait_with_output()?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}: {}", words.join(" "), errors.trim()).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

impl Wire {
    pub(crate) fn new() -> Outcome<Self> {
        if !rustix::process::geteuid().is_root() {
            return Err("bytes on the wire are counted in a network namespace, which takes the rights of root".into());
        }
        let wire = Self { name: format!("discnt-bench-{}", std::process::id()) };
        run(&["ip", "netns", "add", &wire.name], "")?;
        // Packets are counted one by one, and not as many as the kernel was handed at once.
        run(&["ip", "-n", &wire.name, "link", "set", "lo", "up", "gso_max_segs", "1"], "")?;
        run(&["ip", "netns", "exec", &wire.name, "nft", "-f", "-"], RULES)?;
        Ok(wire)
    }

    /// Does something in this namespace: sockets and processes that are made there stay there.
    pub(crate) fn inside<T: Send>(&self, work: impl FnOnce() -> Outcome<T> + Send) -> Outcome<T> {
        let enter = || {
            let namespace = File::open(format!("/run/netns/{}", self.name)).map_err(|error| error.to_string())?;
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .map_err(|error| error.to_string())?;
            work().map_err(|error| error.to_string())
        };
        let result = std::thread::scope(|scope| scope.spawn(enter).join());
        Ok(result.map_err(|_| "a measurement panicked")??)
    }

    /// What has arrived so far.
    pub(crate) fn packets(&self) -> Outcome<Packets> {
        let rules = run(&["ip", "netns", "exec", &self.name, "nft", "list", "table", "inet", "wire"], "")?;
        let words: Vec<&str> = rules.split_whitespace().collect();
        let behind = |word: &str| {
            let at = words.iter().position(|known| *known == word)?;
            words.get(at + 1)?.parse::<f64>().ok()
        };
        match (behind("packets"), behind("bytes")) {
            (Some(packets), Some(bytes)) => Ok(Packets { packets, bytes }),
            _ => Err(format!("nft counts nothing: {rules}").into()),
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // One that was never made cannot be removed.
        let _ = run(&["ip", "netns", "delete", &self.name], "");
    }
}
