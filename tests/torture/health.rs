//! What the server holds when nobody torments it, and whether it serves others meanwhile.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::server_support::{Client, Server, eventually};
use super::worker::Tally;

/// Whoever asks for something harmless has the answer within this.
const PATIENCE: Duration = Duration::from_secs(20);
/// How much more memory is no growth: the allocator gives back what is free, but not at once.
const SLACK_BYTES: u64 = 48 << 20;

/// What must be as before when all clients have gone.
#[derive(Debug)]
pub(crate) struct Health {
    memory: u64,
    files: usize,
}

impl Health {
    /// Waits until nothing is left of what clients were in, and takes its measure.
    #[track_caller]
    pub(crate) fn settled(server: &Server, tally: &Tally) -> Self {
        let mut client = server.client();
        assert_eq!(client.ask("GET shared"), tally.shared.to_string(), "every acknowledged increment counts, once");
        assert_eq!(client.ask("GET not-run"), "0", "nothing is run on a connection that has ended itself");
        // Counters that changed inputs have made are no growth; how often the shared one was counted is checked on.
        assert_eq!(client.ask("FLUSHALL"), "OK");
        assert_eq!(client.ask(&format!("SET shared {}", tally.shared)), "OK");
        eventually("the server holds nothing of those who have gone", || {
            let info = client.try_ask("INFO everything")?;
            let expected = [
                ("connected_clients", "1"),
                ("blocked_clients", "0"),
                ("pubsub_clients", "0"),
                ("pubsub_channels", "0"),
                ("pubsub_patterns", "0"),
                ("counters_held", "1"),
            ];
            match expected.iter().find(|(name, value)| field(&info, name) != Some(*value)) {
                Some((name, value)) => Err(format!("{name} is {:?}, not {value}", field(&info, name))),
                None => Ok(()),
            }
        });
        Self { memory: memory(&mut client).expect("INFO"), files: files(server) }
    }

    /// The memory may still be on its way back to the system, so this is asked of the later one as it is looked at.
    pub(crate) fn assert_no_growth_since(&self, before: &Self) {
        assert!(self.memory <= before.memory + SLACK_BYTES, "before {before}, after {self}");
        assert!(self.files <= before.files + 2, "before {before}, after {self}");
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} MiB and {} open files", self.memory as f64 / f64::from(1 << 20), self.files)
    }
}

fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

fn memory(client: &mut Client) -> Result<u64, String> {
    let info = client.try_ask("INFO memory")?;
    field(&info, "used_memory").and_then(|value| value.parse().ok()).ok_or(info)
}

/// How many files and sockets the process has open.
fn files(server: &Server) -> usize {
    let directory = format!("/proc/{}/fd", server.process_id().as_raw_nonzero());
    std::fs::read_dir(directory).map_or(0, Iterator::count)
}

/// Asks on a connection of its own and on fresh ones, until it is over. The longest that it waited.
pub(crate) fn ask_until(server: &Server, is_over: &AtomicBool) -> Duration {
    let mut longest = Duration::ZERO;
    let mut client = server.client();
    let mut round = 0_u64;
    while !is_over.load(Ordering::Relaxed) {
        let begin = Instant::now();
        if round.is_multiple_of(8) {
            client = server.client();
        }
        assert_eq!(client.ask("PING"), "PONG");
        let waited = begin.elapsed();
        assert!(waited < PATIENCE, "PING was answered after {waited:?}");
        longest = longest.max(waited);
        round += 1;
        thread::sleep(Duration::from_millis(20));
    }
    longest
}
