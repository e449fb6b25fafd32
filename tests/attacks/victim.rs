//! A server under attack, and what is looked at meanwhile.

use crate::server_support::{Client, Ground, Server};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Nobody may have to wait so long for an answer while somebody else attacks. Far more than it takes: the machine is busy.
const LONGEST_ANSWER: Duration = Duration::from_secs(3);

/// A server, and a client of it that has nothing to do with the attack.
pub(crate) struct Victim {
    pub(crate) server: Server,
    memory_before: u64,
    log_before: usize,
    stop: Arc<AtomicBool>,
    bystander: Option<JoinHandle<(u64, Duration)>>,
}

impl Victim {
    pub(crate) fn start(ground: &Ground, settings: &[&str]) -> Self {
        let server = ground.server().set_all(settings).run();
        Self::of(server)
    }

    /// From here on is the attack.
    pub(crate) fn of(server: Server) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (address, ended) = (server.address(), Arc::clone(&stop));
        let mut client = Client::connect(address).expect("a client");
        let bystander = std::thread::spawn(move || {
            let (mut counted, mut longest) = (0, Duration::ZERO);
            while !ended.load(Ordering::Relaxed) {
                let begin = Instant::now();
                assert_eq!(client.ask("INCR bystander"), (counted + 1).to_string());
                longest = longest.max(begin.elapsed());
                counted += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
            (counted, longest)
        });
        let (memory_before, log_before) = (memory(&server), server.log().lines().count());
        Self { server, memory_before, log_before, stop, bystander: Some(bystander) }
    }

    /// Ends the attack: the bystander was served all the time, and memory and log have not grown by more than that.
    #[track_caller]
    pub(crate) fn survives(mut self, attack: &str, most_bytes: u64, most_lines: usize) -> Server {
        let grown = memory(&self.server).saturating_sub(self.memory_before);
        self.stop.store(true, Ordering::Relaxed);
        let bystander = self.bystander.take().expect("it runs");
        let (counted, longest) = bystander.join().expect("the bystander is answered rightly");
        let log = self.server.log();
        let lines = log.lines().count() - self.log_before;
        println!(
            "attack: {attack}: {} KiB more memory, {lines} lines in the log, a bystander was answered {counted} times, after {} ms at most",
            grown >> 10,
            longest.as_millis()
        );
        assert!(grown <= most_bytes, "{attack}: {grown} bytes more");
        assert!(lines <= most_lines, "{attack}: {lines} lines: {log}");
        assert!(longest <= LONGEST_ANSWER, "{attack}: {longest:?}");
        assert_eq!(self.server.ask("GET bystander"), counted.to_string(), "{attack}");
        assert!(!log.contains("panicked"), "{attack}: {log}");
        self.server
    }
}

/// Bytes of the process that are in memory.
fn memory(server: &Server) -> u64 {
    let path = format!("/proc/{}/status", server.process_id().as_raw_nonzero());
    let status = std::fs::read_to_string(path).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a figure");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes << 10
}

/// A sequence of bytes that looks random and is the same each time (splitmix64, Steele et al. 2014).
pub(crate) struct Noise(pub(crate) u64);

impl Noise {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}
