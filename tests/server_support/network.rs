//! Hosts on a network of their own: a network namespace for each, around a bridge where packets can be dropped.
//!
//! Needs root, `ip` and `nft`. Everything is inside namespaces, which go away with all that is in them.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// All namespaces begin with this, then say which process they belong to.
const PREFIX: &str = "drl-";
const NAMESPACES: &str = "/run/netns";
/// Set to `required`, tests that cannot have a network fail instead of doing nothing.
const VARIABLE: &str = "DISCNT_TEST_NETWORKS";

/// Hosts that reach each other, until they are kept from it.
pub(crate) struct Network {
    name: String,
    hosts: Vec<Host>,
    faults: Mutex<Faults>,
}

/// One host of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    namespace: String,
    number: u8,
}

#[derive(Default)]
struct Faults {
    /// From which port of the bridge to which nothing goes.
    cuts: BTreeSet<(usize, usize)>,
    /// Of all packets.
    loss_percent: u32,
    dropped_before: u64,
}

impl Network {
    /// This many hosts. None, and a line that says why, on a machine that cannot have them.
    ///
    /// # Panics
    /// When it cannot be and [`VARIABLE`] requires it.
    pub(crate) fn of(hosts: usize, name: &str) -> Option<Self> {
        if let Err(reason) = is_possible() {
            let is_required = std::env::var(VARIABLE).is_ok_and(|value| value == "required");
            assert!(!is_required, "{name} needs network namespaces: {reason}");
            // Past the test runner, which would hide it.
            let _ = writeln!(io::stderr(), "NOT RUN: {name} needs network namespaces: {reason}");
            return None;
        }
        remove_leftovers();
        remove_when_interrupted();
        let name = format!("{PREFIX}{}-{name}", std::process::id());
        let host = |number| Host { namespace: format!("{name}-{number}"), number };
        let hosts = (1..=u8::try_from(hosts).expect("few hosts")).map(host).collect();
        // From here on a panic removes what there is of it.
        let network = Self { name, hosts, faults: Mutex::default() };
        network.build();
        Some(network)
    }

    fn build(&self) {
        let bridge = self.bridge();
        ip(&format!("netns add {bridge}"));
        ip(&format!("-n {bridge} link add bridge0 type bridge"));
        ip(&format!("-n {bridge} link set bridge0 up"));
        for (index, Host { namespace, number }) in self.hosts.iter().enumerate() {
            ip(&format!("netns add {namespace}"));
            ip(&format!("link add {} netns {bridge} type veth peer name eth0 netns {namespace}", port(index)));
            ip(&format!("-n {bridge} link set {} master bridge0 up", port(index)));
            ip(&format!("-n {namespace} link set eth0 address {}", hardware_address(*number)));
            ip(&format!("-n {namespace} address add {}/24 dev eth0", address(*number)));
            ip(&format!("-n {namespace} link set lo up"));
            ip(&format!("-n {namespace} link set eth0 up"));
            // Distant hosts have routers between them: none waits for an answer about its neighbour's address.
            for other in self.hosts.iter().map(|host| host.number).filter(|other| other != number) {
                let place = format!("{} lladdr {}", address(other), hardware_address(other));
                ip(&format!("-n {namespace} neighbour replace {place} dev eth0 nud permanent"));
            }
        }
    }

    pub(crate) fn host(&self, index: usize) -> &Host {
        &self.hosts[index]
    }

    /// Nothing gets from one host to another; the way back stays.
    pub(crate) fn cut_one_way(&self, from: usize, to: usize) {
        self.change(|faults| _ = faults.cuts.insert((from, to)));
    }

    pub(crate) fn mend_one_way(&self, from: usize, to: usize) {
        self.change(|faults| _ = faults.cuts.remove(&(from, to)));
    }

    /// Nothing gets from either of two hosts to the other.
    pub(crate) fn cut(&self, one: usize, other: usize) {
        self.change(|faults| faults.cuts.extend([(one, other), (other, one)]));
    }

    pub(crate) fn mend(&self, one: usize, other: usize) {
        self.change(|faults| faults.cuts.retain(|cut| *cut != (one, other) && *cut != (other, one)));
    }

    /// Nothing gets to a host or from it.
    pub(crate) fn isolate(&self, host: usize) {
        let others = (0..self.hosts.len()).filter(|other| *other != host);
        self.change(|faults| faults.cuts.extend(others.flat_map(|other| [(host, other), (other, host)])));
    }

    pub(crate) fn join(&self, host: usize) {
        self.change(|faults| faults.cuts.retain(|(from, to)| *from != host && *to != host));
    }

    /// This part of all packets is lost.
    pub(crate) fn lose(&self, percent: u32) {
        self.change(|faults| faults.loss_percent = percent);
    }

    /// All packets get through again.
    pub(crate) fn heal(&self) {
        self.change(|faults| {
            faults.cuts.clear();
            faults.loss_percent = 0;
        });
    }

    /// Packets that were kept from their way until now.
    pub(crate) fn dropped(&self) -> u64 {
        self.faults().dropped_before + self.dropped_since_change()
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Faults)) {
        let mut faults = self.faults();
        faults.dropped_before += self.dropped_since_change();
        change(&mut faults);
        let cuts = faults
            .cuts
            .iter()
            .map(|(from, to)| format!("iifname \"{}\" oifname \"{}\" counter drop\n", port(*from), port(*to)));
        let mut rules: String = cuts.collect();
        if faults.loss_percent > 0 {
            rules += &format!("numgen random mod 100 < {} counter drop\n", faults.loss_percent);
        }
        // One transaction: there is no moment with half of the rules.
        self.nft(&format!(
            "table bridge faults\ndelete table bridge faults\ntable bridge faults {{\nchain forward {{\n\
             type filter hook forward priority 0; policy accept;\n{rules}}}\n}}\n"
        ));
    }

    fn dropped_since_change(&self) -> u64 {
        let rules = self.nft("list ruleset\n");
        let counts = rules.split("counter packets ").skip(1);
        counts.filter_map(|rest| rest.split(' ').next()?.parse::<u64>().ok()).sum()
    }

    fn nft(&self, script: &str) -> String {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.bridge(), "nft", "-f", "-"]);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = piped.spawn().expect("a process");
        process.stdin.take().expect("a pipe").write_all(script.as_bytes()).expect("nft reads");
        let output = process.wait_with_output().expect("output");
        assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn bridge(&self) -> String {
        format!("{}-bridge", self.name)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        remove(|name| name.strip_prefix(&self.name).is_some_and(|rest| rest.starts_with('-')));
    }
}

impl Host {
    pub(crate) fn address(&self) -> Ipv4Addr {
        address(self.number)
    }

    /// A program that runs on it. The process that is started becomes the program.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, program]);
        command
    }

    /// Does something on it: a socket that is made there stays there.
    pub(crate) fn within<T: Send>(&self, action: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        let namespace = fs::File::open(Path::new(NAMESPACES).join(&self.namespace))?;
        // Only this thread goes there, and it ends.
        let there = || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            action()
        };
        thread::scope(|scope| scope.spawn(there).join()).expect("no panic while connecting")
    }
}

/// What a process needs in its environment so that its clock of the day is off by this much. Durations stay true.
pub(crate) fn skewed_clock(seconds: i64) -> Vec<(String, OsString)> {
    let ran = Command::new("faketime").args(["-f", "+0", "env"]).output().expect("the program faketime");
    let environment = String::from_utf8_lossy(&ran.stdout).into_owned();
    let library =
        environment.lines().find_map(|line| line.strip_prefix("LD_PRELOAD=")).expect("what faketime preloads");
    let variable = |name: &str, value: &str| (name.to_owned(), OsString::from(value));
    vec![
        variable("LD_PRELOAD", library),
        variable("FAKETIME", &format!("{seconds:+}")),
        variable("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ]
}

/// The bridge's end of a host's link.
fn port(index: usize) -> String {
    format!("port{}", index + 1)
}

fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, 0, number)
}

fn hardware_address(number: u8) -> String {
    format!("02:00:00:00:00:{number:02x}")
}

fn is_possible() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("it takes root to make them".to_owned());
    }
    for (program, package) in [("ip", "iproute2"), ("nft", "nftables"), ("faketime", "faketime")] {
        let version = if program == "ip" { "-V" } else { "--version" };
        let ran = Command::new(program).arg(version).stdout(Stdio::null()).stderr(Stdio::null()).status();
        ran.map_err(|_| format!("there is no program {program} (Debian: the package {package})"))?;
    }
    Ok(())
}

fn ip(words: &str) {
    let output = Command::new("ip").args(words.split(' ')).stdin(Stdio::null()).output().expect("the program ip");
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Ends what runs in these namespaces and removes them. Whatever fails was gone already.
fn remove(is_meant: impl Fn(&str) -> bool) {
    let Ok(entries) = fs::read_dir(NAMESPACES) else { return };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    for name in names.filter(|name| is_meant(name)) {
        if let Ok(pids) = Command::new("ip").args(["netns", "pids", &name]).output() {
            for pid in String::from_utf8_lossy(&pids.stdout).split_whitespace() {
                let pid = pid.parse().ok().and_then(rustix::process::Pid::from_raw);
                let _ = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL));
            }
        }
        let _ = Command::new("ip").args(["netns", "delete", &name]).output();
    }
}

/// Those of processes that ended without removing them.
fn remove_leftovers() {
    remove(|name| {
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        owner.is_some_and(|pid| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists())
    });
}

fn remove_when_interrupted() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        thread::spawn(|| {
            use tokio::signal::unix::{SignalKind, signal};
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let mut interrupted = signal(SignalKind::interrupt()).expect("a signal handler");
                let mut terminated = signal(SignalKind::terminate()).expect("a signal handler");
                tokio::select! { _ = interrupted.recv() => {}, _ = terminated.recv() => {} }
            });
            let own = format!("{PREFIX}{}-", std::process::id());
            remove(|name| name.starts_with(&own));
            std::process::exit(130);
        });
    });
}
