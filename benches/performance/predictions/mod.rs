//! What predictions cost in messages, and how far they are off: against the bound that theory gives, on real servers, and on traces
//! beside two simpler rules.

mod rules;
#[path = "../../prediction/sender.rs"]
#[allow(dead_code, reason = "another bench uses the rest")]
pub(crate) mod sender;
mod traces;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::open_loop::{self, Load, Spacing};
use crate::plan::Plan;
use crate::random::Random;
use crate::report::{Section, Table, figure};
use crate::support::{Outcome, median, start_nodes};
use rules::{OnEveryChange, OnceASecond, Rule};
use sender::Sender;

const RATE: f64 = 1_000.0;
const PRECISION: f64 = 10.0;
const MOST_MESSAGES: f64 = 13.0;
const LARGEST_ETA: f64 = 1.3;
const NODES: u32 = 3;
/// How long announcements are gathered on a node.
const FLUSH: Duration = Duration::from_millis(5);

pub(crate) fn measure(plan: &Plan) -> Outcome<Section> {
    let mut section = Section::new("predictions", "messages of a sender, and the error", !plan.is_short);
    against_the_bound(&mut section, plan);
    on_servers(&mut section, plan)?;
    on_traces(&mut section, plan);
    Ok(section)
}

/// Announcements a second, the largest error, and how they compare to the least that is possible.
fn steady(precision: f64, seed: u64, arrivals: f64) -> [f64; 3] {
    let mut random = Random::new(seed);
    let mut sender = Sender::new(precision, Duration::ZERO);
    let seconds = arrivals / RATE;
    sender.arrivals(&mut Some(&mut random), RATE, (seconds / 10.0).max(0.1), 1.0);
    sender.restart();
    sender.arrivals(&mut Some(&mut random), RATE, seconds, 1.0);
    let per_second = sender.announcements as f64 / seconds;
    let worst = sender.worst as f64 / crate::UNIT as f64;
    [per_second, worst, per_second * worst * worst / RATE]
}

fn against_the_bound(section: &mut Section, plan: &Plan) {
    let rounds = plan.rounds(9);
    section.paragraph(&format!(
        "One sender in virtual time, Poisson arrivals at {RATE} a second, announced at once, medians of {rounds} seeds. eta is messages a second \
         times the square of the largest error divided by the rate: 1 is the least that is possible for a continuous walk. The largest \
         error includes the instant at which an increment leaves the band and is announced."
    ));
    let mut table = Table::new(&["precision", "messages/s", "largest error", "eta"]);
    for precision in [PRECISION, 32.0, 100.0] {
        let arrivals = if plan.is_short { 20_000.0 } else { 400.0 * (precision + 1.0).powi(2) }.max(20_000.0);
        let seeds: Vec<[f64; 3]> = (1..=u64::from(rounds)).map(|seed| steady(precision, seed, arrivals)).collect();
        let of = |at: usize| median(seeds.iter().map(|figures| figures[at]));
        table.row(&[precision.to_string(), figure(of(0)), figure(of(1)), figure(of(2))]);
        if precision == PRECISION {
            let what =
                format!("messages a second of a sender, {RATE} Poisson arrivals a second, precision {precision}");
            section.at_most(&what, of(0), MOST_MESSAGES, "");
        }
        section.at_most(&format!("eta, precision {precision}"), of(2), LARGEST_ETA, "");
    }
    section.table(&table);
}

fn on_servers(section: &mut Section, plan: &Plan) -> Outcome<()> {
    let seconds = plan.seconds(30.0).max(1.0);
    let scratch = tempfile::tempdir()?;
    let nodes = start_nodes(scratch.path(), NODES as usize, &[])?;
    let mut client = nodes[0].client()?;
    // Each node has its part of what is promised of the sum.
    let precision = (PRECISION * f64::from(NODES)).to_string();
    client.call(&["PRECISION", "walk", &precision])?;
    let request = |_: &mut Random, bytes: &mut Vec<u8>| bytes.extend_from_slice(b"*2\r\n$4\r\nINCR\r\n$4\r\nwalk\r\n");
    let load = Load {
        ports: &[nodes[0].port],
        connections: 10,
        pipeline: 1,
        requests_per_second: RATE,
        spacing: Spacing::Poisson,
        duration: Duration::from_secs_f64(seconds),
        warm_up: Duration::ZERO,
        request: &request,
    };
    let never = AtomicBool::new(false);
    open_loop::run(&Load { duration: load.duration / 5, ..load }, &never)?;
    let before = client.info("mesh")?.number("mesh_records_sent");
    let measured = open_loop::run(&load, &never)?;
    let records = client.info("mesh")?.number("mesh_records_sent") - before;
    let per_second = records / f64::from(NODES - 1) / measured.seconds;
    section.paragraph(&format!(
        "On {NODES} servers, one counter with PRECISION {precision}, of which each node has {PRECISION}, INCR on one of them by Poisson arrivals, {} a second for \
         {seconds} s: {} messages a second to each peer. They are gathered for {} ms.",
        figure(measured.requests as f64 / measured.seconds),
        figure(per_second),
        FLUSH.as_millis(),
    ));
    section.at_most("messages a second to a peer, the same on servers", per_second, MOST_MESSAGES, "");
    Ok(())
}

fn on_traces(section: &mut Section, plan: &Plan) {
    section.paragraph(
        "Traces, in virtual time with messages gathered for 5 ms, under three rules: the predictions of this server; a message after \
         every change; and, as the C program had it, a look once a second that announces the average of the last ten seconds \
         when what was announced has become wrong by more than the precision. The largest error is what a peer that hears at once could have \
         read. This server also announces the exact total of a counter that was quiet for a second, which the C program did not.",
    );
    let headings =
        ["trace", "increments", "precision", "messages", "error", "each change", "error", "once a second", "error"];
    let mut table = Table::new(&headings);
    for trace in traces::all(plan.is_short) {
        for precision in [PRECISION, 100.0] {
            let mut rules: [Box<dyn Rule>; 3] = [
                Box::new(Sender::new(precision, FLUSH)),
                Box::new(OnEveryChange::new(FLUSH)),
                Box::new(OnceASecond::new(precision)),
            ];
            let increments = trace.play(&mut rules);
            let mut cells = vec![trace.name.to_owned(), increments.to_string(), precision.to_string()];
            cells.extend(rules.iter().flat_map(|rule| [rule.messages().to_string(), figure(rule.largest_error())]));
            table.row(&cells);
        }
    }
    section.table(&table);
}
