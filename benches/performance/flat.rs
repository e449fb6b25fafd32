//! Whether what is idle costs anything: latencies beside ten million counters, and the longest pause of a long run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use crate::loader;
use crate::plan::Plan;
use crate::report::{Section, Table, figure};
use crate::support::{Outcome, Server, least, median, most, start_nodes};
use crate::traffic::{Steady, half_load};

const LARGEST_RATIO: f64 = 1.5;
const LONGEST_PAUSE_MILLIS: f64 = 10.0;
const NODES: u32 = 3;
/// During the long run: as much of what the node could take, so that what else goes on has its share of the processors.
const LONG_RUN_PART: f64 = 0.2;
/// What goes on meanwhile, in seconds: a save each so often, a peer stopped each so often and for how long, which loses what it
/// is sent meanwhile, and deletions, so many names at a time.
const SAVE_INTERVAL_SECONDS: f64 = 30.0;
const STOP_INTERVAL_SECONDS: f64 = 20.0;
const STOPPED_SECONDS: f64 = 2.0;
const DELETED_A_SECOND: u64 = 1_000;

pub(crate) fn measure(plan: &Plan) -> Outcome<Section> {
    let mut section = Section::new("flat", "what idle counters cost, and the longest pause", !plan.is_short);
    let many = plan.counters(20_000, 10_000_000);
    let few = many / 100;
    let scratch = tempfile::tempdir()?;
    let clusters = [few, many].map(|counters| -> Outcome<Vec<Server>> {
        eprintln!("flat: {counters} counters");
        let nodes = start_nodes(scratch.path(), plan.nodes(NODES), &[])?;
        loader::send_each(nodes[0].port, "INCR", 0..counters)?;
        for node in &nodes {
            loader::await_counters(node, counters, counters - 1, 1)?;
        }
        nodes.iter().for_each(Server::wait_until_quiet);
        Ok(nodes)
    });
    let [small, large] = clusters;
    let (small, large) = (small?, large?);
    let half = half_load(&small[0], 1, plan.is_short)?;
    side_by_side(&mut section, plan, [(&small, few), (&large, many)], half)?;
    drop(small);
    long_run(&mut section, plan, &large, (few, many), half)?;
    Ok(section)
}

/// Clusters with their numbers of counters, of which as many are active as the first has.
fn side_by_side(section: &mut Section, plan: &Plan, clusters: [(&[Server], u64); 2], half: f64) -> Outcome<()> {
    let active = clusters[0].1;
    let (rounds, seconds) = (plan.rounds(5), plan.seconds(10.0));
    section.paragraph(&format!(
        "Two clusters of {} with everything on disk each second, {} and {} counters. INCR of {active} random ones on the first node, \
         {} a second on a fixed schedule, {rounds} rounds of {seconds} s in turn. In milliseconds from when each was to be sent.",
        clusters[0].0.len(),
        clusters[0].1,
        clusters[1].1,
        figure(half),
    ));
    let load = Steady::even(active, 1, half);
    let mut measured = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        eprintln!("flat: round {}", round + 1);
        for at in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
            clusters.iter().flat_map(|(nodes, _)| nodes.iter()).for_each(Server::wait_until_quiet);
            measured[at].push(load.run(&[&clusters[at].0[0]], seconds)?);
        }
    }
    let mut table = Table::new(&["counters", "idle", "p50", "p99", "p99.9", "most", "late p99.9"]);
    for ((_, counters), rounds) in clusters.iter().zip(&measured) {
        let at = |part: f64| figure(median(rounds.iter().map(|round| round.millis(part))));
        let late = median(rounds.iter().map(|round| round.lateness.value_at_quantile(0.999) as f64 / 1e6));
        let idle = (counters - active).to_string();
        table.row(&[counters.to_string(), idle, at(0.5), at(0.99), at(0.999), at(1.0), figure(late)]);
    }
    section.table(&table);
    let [few, many] = &measured;
    let ratios: Vec<f64> = many.iter().zip(few).map(|(many, few)| many.millis(0.999) / few.millis(0.999)).collect();
    let ratio = median(ratios.iter().copied());
    section.paragraph(&format!("Ratio of p99.9: {ratio:.2}, from {:.2} to {:.2}.", least(&ratios), most(&ratios)));
    section.at_most("INCR p99.9 with idle counters, beside without", ratio, LARGEST_RATIO, " times");
    Ok(())
}

/// What was done meanwhile.
struct Disturbances {
    saves: u32,
    longest_save_millis: f64,
    stops: u32,
    deleted: u64,
}

fn long_run(section: &mut Section, plan: &Plan, nodes: &[Server], (active, all): (u64, u64), half: f64) -> Outcome<()> {
    let seconds = plan.long_seconds();
    eprintln!("flat: the long run, {seconds} s");
    let load = Steady::even(active, 1, half * 2.0 * LONG_RUN_PART);
    let is_over = AtomicBool::new(false);
    let first = nodes.first().ok_or("no node was started")?;
    let before = first.client()?.info("mesh")?.number("mesh_repair_bytes_sent");
    let (measured, done) = scope(|scope| {
        let disturbing = scope.spawn(|| disturb(plan, nodes, active..all, &is_over).map_err(|error| error.to_string()));
        let measured = load.run(&[first], seconds);
        is_over.store(true, Ordering::Relaxed);
        let done = disturbing.join().map_err(|_| "the disturbance panicked")??;
        Ok::<_, Box<dyn std::error::Error>>((measured?, done))
    })?;
    let repaired = first.client()?.info("mesh")?.number("mesh_repair_bytes_sent") - before;
    let held = first.client()?.info("counters")?;
    section.paragraph(&format!(
        "The long run: {seconds} s on the cluster with {all} counters, {} INCR/s on the first node, on a fixed schedule. Meanwhile there \
         were {} times SAVE (the longest took {} ms), a peer was stopped for {STOPPED_SECONDS} s {} times and {} kB went to repair what it had lost, \
         and {} idle counters were deleted, of which {} are still held as deleted at the end.",
        figure(load.requests_per_second),
        done.saves,
        figure(done.longest_save_millis),
        done.stops,
        figure(repaired / 1e3),
        done.deleted,
        figure(held.number("counters_held") - held.number("counters")),
    ));
    let mut table = Table::new(&["milliseconds", "p50", "p99", "p99.9", "p99.99", "longest"]);
    let row = |what: &str, histogram: &hdrhistogram::Histogram<u64>| {
        let at = [0.5, 0.99, 0.999, 0.9999, 1.0].map(|part| figure(histogram.value_at_quantile(part) as f64 / 1e6));
        [vec![what.to_owned()], at.to_vec()].concat()
    };
    table.row(&row("to the reply", &measured.latencies));
    table.row(&row("of it, late from the generator", &measured.lateness));
    section.table(&table);
    section.at_most("longest pause of the long run", measured.most_millis(), LONGEST_PAUSE_MILLIS, " ms");
    Ok(())
}

/// Saves, stops the last node now and then, and deletes from the end of these names, until it is over.
fn disturb(plan: &Plan, nodes: &[Server], idle: std::ops::Range<u64>, is_over: &AtomicBool) -> Outcome<Disturbances> {
    let mut done = Disturbances { saves: 0, longest_save_millis: 0.0, stops: 0, deleted: 0 };
    // What takes minutes is to happen in seconds as well.
    let hurry = if plan.is_short { 20.0 } else { 1.0 };
    let (first, last) = (&nodes[0], &nodes[nodes.len() - 1]);
    let mut client = first.client()?;
    let (begin, mut stopped_at) = (Instant::now(), None);
    while !is_over.load(Ordering::Relaxed) {
        let now = begin.elapsed().as_secs_f64() * hurry;
        if now > f64::from(done.saves) * SAVE_INTERVAL_SECONDS {
            let saving = Instant::now();
            client.expect(&["SAVE"], "OK")?;
            done.longest_save_millis = done.longest_save_millis.max(saving.elapsed().as_secs_f64() * 1e3);
            done.saves += 1;
        }
        match stopped_at {
            None if nodes.len() > 1 && now > f64::from(done.stops + 1) * STOP_INTERVAL_SECONDS => {
                last.pause(true)?;
                stopped_at = Some(now);
                done.stops += 1;
            }
            Some(at) if now > at + STOPPED_SECONDS => {
                last.pause(false)?;
                stopped_at = None;
            }
            _ => {}
        }
        let upto = idle.end - done.deleted;
        let from = upto.saturating_sub(DELETED_A_SECOND / 10).max(idle.start);
        loader::send_each(first.port, "DEL", from..upto)?;
        done.deleted += upto - from;
        sleep(Duration::from_millis(100));
    }
    last.pause(false)?;
    Ok(done)
}
