//! What loss costs: two servers on a wire, 100,000 counters that both count steadily, first with a whole wire and then with
//! one that loses 5 of 100 packets each way. Prints the bytes on the wire for each update, and what of them repair took.
//!
//!     cargo bench --bench loss [-- SECONDS]
//!
//! Needs root, and Linux with iproute2 and nftables: the servers live in network namespaces of their own. Where something
//! of that is missing it says so and measures nothing.

#![allow(clippy::print_stdout, reason = "the figures are what this is for")]

mod network;
#[path = "../../tests/server_support/mod.rs"]
mod server_support;

use network::{Namespace, Network};
use redis_protocol::resp2::types::OwnedFrame;
use server_support::{Client, Ground, Server};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const COUNTERS: u64 = 100_000;
const UPDATES_A_SECOND: u64 = 20_000;
const SECONDS: u64 = 20;
const LOSS_PERCENT: u32 = 5;
/// Each server is sent this many updates at once.
const BATCH: u64 = 50;
const PIPELINE: u64 = 1000;
/// Shares no factor with the number of counters, so that each has its turn.
const STRIDE: u64 = 7_919;
const AGREEMENT: Duration = Duration::from_secs(60);
/// What repair may cost on top of the announcements, of a hundred.
const TARGET_PERCENT: f64 = 20.0;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("nothing to test here; measure with: cargo bench --bench loss");
        return ExitCode::SUCCESS;
    }
    let lacking = network::lacking();
    if !lacking.is_empty() {
        println!("nothing was measured: this needs {}", lacking.join(", "));
        return ExitCode::SUCCESS;
    }
    let seconds = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(SECONDS).max(1);
    println!("{COUNTERS} counters, {UPDATES_A_SECOND} updates a second on 2 nodes for {seconds} s; bytes an update");
    println!(
        "{:<28} {:>9} {:>8} {:>8} {:>8} {:>8} {:>9} {:>10}",
        "", "updates", "wire", "records", "digests", "repair", "repair %", "agreed in"
    );
    let mut is_met = true;
    for precision in ["0", "1"] {
        let whole = measure(precision, 0, seconds);
        let lossy = measure(precision, LOSS_PERCENT, seconds);
        let on_top = (lossy.wire / whole.wire - 1.0) * 100.0;
        println!("precision {precision}: {on_top:.1}% more bytes on the wire with {LOSS_PERCENT}% loss");
        is_met &= lossy.repair / lossy.records * 100.0 < TARGET_PERCENT;
    }
    let met = if is_met { "met" } else { "missed" };
    println!("target: repair below {TARGET_PERCENT}% on top of the announcements: {met}");
    if is_met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Bytes an update.
struct Costs {
    wire: f64,
    records: f64,
    repair: f64,
}

fn measure(precision: &str, loss_percent: u32, seconds: u64) -> Costs {
    let network = Network::new().expect("two namespaces");
    let ground = Ground::new();
    let [server, other] = [&network.ends[0], &network.ends[1]].map(|end| start(&ground, end, precision));
    network.ends[0].inside(|| server_support::link(&[&server, &other]));
    let mut clients =
        [(&network.ends[0], &server), (&network.ends[1], &other)].map(|(end, server)| end.inside(|| server.client()));
    for client in &mut clients {
        // Every share is born before: births say the counter's name.
        let counted = pipelined(client, |counter| format!("INCR {}\r\n", name(counter)));
        assert_eq!(counted.len() as u64, COUNTERS);
    }
    await_agreement(&mut clients, 2 * COUNTERS);
    network.lose(loss_percent).expect("rules");
    let before = Counts::now(&network, &mut clients);
    let updates = update(&mut clients, seconds);
    let begin = Instant::now();
    await_agreement(&mut clients, 2 * COUNTERS + updates);
    let agreed = begin.elapsed();
    let after = Counts::now(&network, &mut clients);
    let each = |count: fn(&Counts) -> u64| (count(&after) - count(&before)) as f64 / updates as f64;
    let costs = Costs {
        wire: each(|counts| counts.wire),
        records: each(|counts| counts.records),
        repair: each(|counts| counts.repair),
    };
    println!(
        "{:<28} {updates:>9} {:>8.2} {:>8.2} {:>8.2} {:>8.2} {:>8.1}% {:>8.2} s",
        format!("precision {precision}, {loss_percent}% loss"),
        costs.wire,
        costs.records,
        each(|counts| counts.digests),
        costs.repair,
        costs.repair / costs.records * 100.0,
        agreed.as_secs_f64()
    );
    costs
}

fn start(ground: &Ground, end: &Namespace, precision: &str) -> Server {
    let start = ground.server().argument("--bind").argument(&end.address);
    // Clients come from an address that is not this machine's own, and have no password.
    let start = start.set(format!("counters.default_precision={precision}")).set("resp.protected_mode=false");
    end.inside(|| start.run())
}

fn name(counter: u64) -> String {
    format!("counter:{counter:08}")
}

/// What has been sent so far.
struct Counts {
    wire: u64,
    records: u64,
    digests: u64,
    repair: u64,
}

impl Counts {
    fn now(network: &Network, clients: &mut [Client; 2]) -> Self {
        let infos: Vec<String> = clients.iter_mut().map(|client| client.ask("INFO mesh")).collect();
        let sum = |field: &str| {
            let of = |info: &String| {
                let value = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
                value.and_then(|value| value.trim().parse::<u64>().ok()).unwrap_or_else(|| panic!("{field}:\n{info}"))
            };
            infos.iter().map(of).sum()
        };
        Self {
            wire: network.bytes_sent(),
            records: sum("mesh_record_bytes_sent"),
            digests: sum("mesh_digest_bytes_sent"),
            repair: sum("mesh_repair_bytes_sent"),
        }
    }
}

/// One request for each counter; the replies are whole numbers.
fn pipelined(client: &mut Client, request: impl Fn(u64) -> String) -> Vec<u64> {
    let mut values = Vec::new();
    for first in (0..COUNTERS).step_by(PIPELINE as usize) {
        let numbers = first..COUNTERS.min(first + PIPELINE);
        let bytes: String = numbers.clone().map(&request).collect();
        client.send_bytes(bytes.as_bytes()).expect("a server that takes requests");
        values.extend(numbers.map(|_| integer(client)));
    }
    values
}

fn integer(client: &mut Client) -> u64 {
    match client.reply().expect("a reply") {
        OwnedFrame::Integer(value) => u64::try_from(value).expect("nobody counts down"),
        OwnedFrame::BulkString(text) => String::from_utf8_lossy(&text).parse().expect("a whole number"),
        OwnedFrame::Null => 0,
        other => panic!("{other:?}"),
    }
}

/// Both count at a steady pace. Answers how many updates were acknowledged.
fn update(clients: &mut [Client; 2], seconds: u64) -> u64 {
    let batches = UPDATES_A_SECOND / 2 / BATCH * seconds;
    let pause = Duration::from_secs(seconds) / u32::try_from(batches).expect("a moderate number");
    std::thread::scope(|scope| {
        let update_one = |(client, offset): (&mut Client, u64)| {
            let begin = Instant::now();
            for batch in 0..batches {
                let numbers = batch * BATCH..(batch + 1) * BATCH;
                let counter = |number: u64| (number * STRIDE + offset) % COUNTERS;
                let bytes: String =
                    numbers.clone().map(|number| format!("INCR {}\r\n", name(counter(number)))).collect();
                client.send_bytes(bytes.as_bytes()).expect("a server that takes requests");
                numbers.for_each(|_| assert!(integer(client) > 0));
                let next = pause * u32::try_from(batch + 1).expect("a moderate number");
                std::thread::sleep(next.saturating_sub(begin.elapsed()));
            }
            batches * BATCH
        };
        let [one, other] = clients;
        let both = [(one, 0), (other, COUNTERS / 2)].map(|part| scope.spawn(move || update_one(part)));
        both.into_iter().map(|thread| thread.join().expect("a writer")).sum()
    })
}

/// Waits until both answer the same for every counter, and this in sum.
fn await_agreement(clients: &mut [Client; 2], sum: u64) {
    let begin = Instant::now();
    loop {
        let [one, other] =
            clients.each_mut().map(|client| pipelined(client, |counter| format!("GET {}\r\n", name(counter))));
        let sums = [&one, &other].map(|values| values.iter().sum::<u64>());
        if one == other && sums[0] == sum {
            return;
        }
        assert!(begin.elapsed() < AGREEMENT, "no agreement after {AGREEMENT:?}: {sums:?}, {sum} is right");
        std::thread::sleep(Duration::from_millis(50));
    }
}
