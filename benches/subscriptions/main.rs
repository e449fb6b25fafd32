//! What subscriptions cost those who count: INCR over sockets on a million counters, with ten thousand subscribers and with
//! none, alternately on one server.
//!
//!     cargo bench --bench subscriptions
//!     cargo bench --bench subscriptions -- --rounds 7 --seconds 3 --counters 1000000 --subscribers 10000
//!
//! The subscribers' connections are open in all rounds; what differs is whether they are subscribed. Each reads whatever it
//! is sent, in this process, so of the counted requests a second also the sending and the reading of messages take their
//! part: the row of quiet counters shows what the subscriptions alone cost. A row's ratio is the median of its rounds', and its
//! spread is from the smallest to the largest; the server's processor time for one INCR, all its threads together, is
//! disturbed less by what else the machine does. Behind these rows come those of the increment alone, in processor time of
//! the thread that counts. `--without-sockets` measures only those.
#![allow(clippy::print_stdout, reason = "the figures are what this is for")]

mod hot_path;
mod listeners;
mod load;
#[path = "../support/mod.rs"]
mod support;

use listeners::Listeners;
use load::Load;
use std::time::Duration;
use support::{Options, Outcome, Server, least, median, most, start_nodes};

/// What the subscribers ask for, each with its own number.
struct Row {
    heading: &'static str,
    /// Whether all of them ask, or only the first.
    all: bool,
    request: fn(usize) -> String,
    end: &'static str,
}

const ROWS: [Row; 4] = [
    Row {
        heading: "each of a quiet counter",
        all: true,
        request: |number| format!("SUBSCRIBE quiet:{number}\r\n"),
        end: "UNSUBSCRIBE\r\n",
    },
    Row {
        heading: "each of a busy counter",
        all: true,
        request: |number| format!("SUBSCRIBE {}\r\n", load::name(number)),
        end: "UNSUBSCRIBE\r\n",
    },
    Row {
        heading: "each of a pattern, ten counters",
        all: true,
        request: |number| format!("PSUBSCRIBE counter:{number:06}?\r\n"),
        end: "PUNSUBSCRIBE\r\n",
    },
    Row {
        heading: "one, of all counters",
        all: false,
        request: |_| "PSUBSCRIBE *\r\n".to_owned(),
        end: "PUNSUBSCRIBE\r\n",
    },
];

struct Plan {
    rounds: u32,
    duration: Duration,
    counters: usize,
    subscribers: usize,
}

/// Requests a second, the server's processor time for each, and messages a second.
#[derive(Clone, Copy)]
struct Run {
    rate: f64,
    cpu_micros: f64,
    messages: f64,
}

fn main() -> Outcome<()> {
    let numbers = [("--rounds", 5), ("--seconds", 3), ("--counters", 1_000_000), ("--subscribers", 10_000)];
    let options = Options::read(&numbers, &["--without-sockets"])?;
    let plan = Plan {
        rounds: options.number("--rounds").max(1),
        duration: Duration::from_secs(options.number("--seconds").max(1).into()),
        counters: options.number("--counters").clamp(10, 9_999_999) as usize,
        subscribers: options.number("--subscribers").max(1) as usize,
    };
    if options.has("--without-sockets") {
        return hot_path::measure(&plan);
    }
    let scratch = tempfile::tempdir()?;
    // Whoever is subscribed to all counters is sent more than a busy machine lets it read, and is to stay.
    let settings = [
        "storage.durability=memory",
        "resp.max_clients=100000",
        "resp.max_unsent_messages=2000000",
        "resp.pubsub_output_hard_bytes=0",
        "resp.pubsub_output_soft_bytes=0",
        "log.level=error",
    ];
    let nodes = start_nodes(scratch.path(), 1, &settings)?;
    let server = nodes.first().ok_or("no node was started")?;
    let load = Load::new(server.port, plan.counters)?;
    let listeners = Listeners::connect(server.port, plan.subscribers)?;
    println!(
        "{} counters, {} connections that subscribe, {} rounds of {} s each way; pipelines of {} INCR on {} connections",
        plan.counters,
        plan.subscribers,
        plan.rounds,
        plan.duration.as_secs(),
        load::PIPELINE,
        load::CONNECTIONS
    );
    println!(
        "{:32} {:>10} {:>11} {:>6} {:>13} {:>9} {:>11} {:>9}",
        "subscribed", "none/s", "subscribed/s", "ratio", "spread", "none us", "subscr. us", "messages/s"
    );
    for row in &ROWS {
        measure(&plan, row, server, &load, &listeners)?;
    }
    drop((listeners, nodes));
    hot_path::measure(&plan)
}

fn measure(plan: &Plan, row: &Row, server: &Server, load: &Load, listeners: &Listeners) -> Outcome<()> {
    let (mut none, mut subscribed) = (Vec::new(), Vec::new());
    for round in 0..plan.rounds {
        for with in [round % 2 == 0, round % 2 == 1] {
            if with {
                listeners.say(if row.all { plan.subscribers } else { 1 }, row.request)?;
            }
            let run = run(plan.duration, server, load, listeners)?;
            if with {
                listeners.say(if row.all { plan.subscribers } else { 1 }, |_| row.end.to_owned())?;
                subscribed.push(run);
            } else {
                none.push(run);
            }
        }
    }
    let ratios: Vec<f64> = none.iter().zip(&subscribed).map(|(none, with)| with.rate / none.rate).collect();
    println!(
        "{:32} {:>10.0} {:>11.0} {:>6.3} {:>13} {:>9.3} {:>11.3} {:>9.0}",
        row.heading,
        median(none.iter().map(|run| run.rate)),
        median(subscribed.iter().map(|run| run.rate)),
        median(ratios.iter().copied()),
        format!("{:.3} to {:.3}", least(&ratios), most(&ratios)),
        median(none.iter().map(|run| run.cpu_micros)),
        median(subscribed.iter().map(|run| run.cpu_micros)),
        median(subscribed.iter().map(|run| run.messages)),
    );
    Ok(())
}

fn run(duration: Duration, server: &Server, load: &Load, listeners: &Listeners) -> Outcome<Run> {
    // The first second goes to warming up: the walk that a new pattern takes through the table, and the caches.
    load.run(Duration::from_secs(1))?;
    let (cpu, messages) = (server.processor().seconds(), listeners.messages());
    let (requests, seconds) = load.run(duration)?;
    let cpu = server.processor().seconds() - cpu;
    Ok(Run {
        rate: requests as f64 / seconds,
        cpu_micros: cpu * 1e6 / requests as f64,
        messages: (listeners.messages() - messages) as f64 / seconds,
    })
}
