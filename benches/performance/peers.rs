//! What a slow, a stopped and a dead peer do to a node's clients and to its memory.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

use crate::loader;
use crate::plan::Plan;
use crate::report::{Section, Table, figure};
use crate::support::{Outcome, Server, least, median, most, start_nodes, wait_until_linked};
use crate::traffic::{Steady, half_load};

const NODES: usize = 3;
/// The clients' p99 may be so many times what it is with all peers well.
const LARGEST_RATIO: f64 = 1.1;
/// Memory that may be taken by what waits for a peer: the queues of its link, and what is remembered to be repaired.
const LARGEST_QUEUES_MEGABYTES: f64 = 32.0;
/// A slow peer runs for so long, and is stopped for so long, in turn. Its link lives.
const RUNS: Duration = Duration::from_millis(10);
const IS_STOPPED: Duration = Duration::from_millis(90);

#[derive(Clone, Copy, PartialEq)]
enum Ailment {
    Slow,
    Stopped,
    Dead,
}

const AILMENTS: [(Ailment, &str); 3] =
    [(Ailment::Slow, "runs a tenth of the time"), (Ailment::Stopped, "is stopped"), (Ailment::Dead, "is dead")];

pub(crate) fn measure(plan: &Plan) -> Outcome<Section> {
    let mut section = Section::new("peers", "what a slow and a dead peer do to a node", !plan.is_short);
    let (names, seconds) = (plan.counters(1_000, 100_000), plan.seconds(10.0));
    let scratch = tempfile::tempdir()?;
    let load = {
        let nodes = young(scratch.path(), names)?;
        Steady::even(names, 1, half_load(&nodes[0], 1, plan.is_short)?)
    };
    section.paragraph(&format!(
        "For each ailment two new clusters of {NODES}; in one the last node ails, and comes back after each round. {} INCR/s on the \
         first node of each in turn, on a fixed schedule, {} rounds of {seconds} s. The link of a node that is stopped is given up \
         after 5 s. Memory is how much more the first node takes at the most than after a first round with all well, in which it \
         grows in any case: what a peer costs is how much more that is than in the cluster that is well, which is as old and has \
         counted as much. What a peer does not do leaves more of the processors to the others.",
        figure(load.requests_per_second),
        plan.rounds(5),
    ));
    let headings = ["a peer", "p99 ms, all well", "p99 ms", "ratio", "spread", "memory, all well MB", "memory MB"];
    let mut table = Table::new(&headings);
    for (ailment, what) in AILMENTS {
        // Both are as old: what a node takes grows for a while, whatever its peers do.
        let (well, mut ill) = (young(scratch.path(), names)?, young(scratch.path(), names)?);
        let mut rounds = Rounds::default();
        for nodes in [&well, &ill] {
            one_round(nodes, &load, seconds)?;
        }
        let before = [&well, &ill].map(|nodes| nodes[0].resident_bytes());
        if ailment == Ailment::Dead {
            ill.truncate(NODES - 1);
        }
        for round in 0..plan.rounds(5) {
            eprintln!("peers: one {what}, round {}", round + 1);
            for is_ill in if round % 2 == 0 { [false, true] } else { [true, false] } {
                let nodes = if is_ill { &ill } else { &well };
                nodes.iter().for_each(Server::wait_until_quiet);
                let p99 =
                    if is_ill { ailing(ailment, nodes, &load, seconds)? } else { one_round(nodes, &load, seconds)? };
                rounds.p99[usize::from(is_ill)].push(p99);
                let grown = nodes[0].resident_bytes() - before[usize::from(is_ill)];
                rounds.grown[usize::from(is_ill)].push(grown / 1e6);
            }
        }
        if ailment != Ailment::Dead {
            agree(&ill, names)?;
        }
        rounds.tell(&mut section, &mut table, what);
    }
    section.table(&table);
    Ok(section)
}

/// A new cluster with all counters.
fn young(scratch: &Path, names: u64) -> Outcome<Vec<Server>> {
    let nodes = start_nodes(scratch, NODES, &[])?;
    loader::send_each(nodes[0].port, "INCR", 0..names)?;
    Ok(nodes)
}

/// Of the cluster that is well and of the other: milliseconds, and megabytes.
#[derive(Default)]
struct Rounds {
    p99: [Vec<f64>; 2],
    grown: [Vec<f64>; 2],
}

impl Rounds {
    fn tell(&self, section: &mut Section, table: &mut Table, what: &str) {
        let [well, ill] = &self.p99;
        let ratios: Vec<f64> = ill.iter().zip(well).map(|(ill, well)| ill / well).collect();
        let ratio = median(ratios.iter().copied());
        let grown = [most(&self.grown[0]), most(&self.grown[1])];
        table.row(&[
            what.to_owned(),
            figure(median(well.iter().copied())),
            figure(median(ill.iter().copied())),
            format!("{ratio:.2}"),
            format!("{:.2} to {:.2}", least(&ratios), most(&ratios)),
            figure(grown[0]),
            figure(grown[1]),
        ]);
        section.at_most(&format!("p99 of clients when a peer {what}, beside all well"), ratio, LARGEST_RATIO, " times");
        let what = format!("memory for what waits when a peer {what}");
        section.at_most(&what, (grown[1] - grown[0].max(0.0)).max(0.0), LARGEST_QUEUES_MEGABYTES, " MB");
    }
}

fn one_round(nodes: &[Server], load: &Steady, seconds: f64) -> Outcome<f64> {
    Ok(load.run(&[&nodes[0]], seconds)?.millis(0.99))
}

/// One round during which the last node ails.
fn ailing(ailment: Ailment, nodes: &[Server], load: &Steady, seconds: f64) -> Outcome<f64> {
    let Some(last) = nodes.get(NODES - 1) else { return one_round(nodes, load, seconds) };
    let is_over = AtomicBool::new(false);
    let p99 = scope(|scope| {
        let throttle = scope.spawn(|| {
            let mut outcome = last.pause(true);
            while ailment == Ailment::Slow && outcome.is_ok() && !is_over.load(Ordering::Relaxed) {
                sleep(IS_STOPPED);
                outcome = last.pause(false);
                sleep(RUNS);
                outcome = outcome.and(last.pause(true));
            }
            outcome.map_err(|error| error.to_string())
        });
        let p99 = one_round(nodes, load, seconds);
        is_over.store(true, Ordering::Relaxed);
        throttle.join().map_err(|_| "the throttle panicked")??;
        p99
    });
    last.pause(false)?;
    for node in nodes {
        wait_until_linked(node, NODES)?;
    }
    p99
}

/// Waits until the last node answers what the first does.
fn agree(nodes: &[Server], names: u64) -> Outcome<()> {
    let [mut first, mut last] = [nodes[0].client()?, nodes[NODES - 1].client()?];
    for name in [0, names / 2, names - 1] {
        let name = format!("key:{name:012}");
        let value = first.call(&["GET", &name])?;
        last.await_reply(&["GET", &name], &value)?;
    }
    Ok(())
}
