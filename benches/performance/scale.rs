//! What a node costs in clusters of several sizes at the same load in all, and a model of it for larger ones.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::loader;
use crate::model::Model;
use crate::plan::Plan;
use crate::report::{Section, Table, figure};
use crate::support::{Outcome, Server, start_nodes};
use crate::traffic::Steady;
use crate::wire::{Packets, Wire};

const SIZES: [usize; 4] = [3, 8, 16, 32];
const SHORT_SIZES: [usize; 3] = [2, 3, 4];
/// Sizes that the model is asked about.
const LARGE: [usize; 2] = [100, 1_000];
/// INCRs a second of the whole cluster.
const LOAD: f64 = 2_000.0;
/// A node that has something to say sends each peer a packet at most so often a second.
const FLUSHES: f64 = 200.0;
/// The model is as good as its largest error at the size that it was not made from.
const LARGEST_ERROR: f64 = 0.3;

/// What one node costs, on average.
#[derive(Clone, Copy)]
struct Costs {
    /// Of a processor, in a thousand.
    rest_processor: f64,
    load_processor: f64,
    /// Bytes sent a second, with IP and UDP.
    rest_bytes: f64,
    load_bytes: f64,
    empty_megabytes: f64,
    counter_bytes: f64,
}

/// What a model is made of: its name, its unit, what it is of, and its two terms in a cluster of so many.
struct Kind {
    name: &'static str,
    of: fn(&Costs) -> f64,
    terms: fn(f64) -> [f64; 2],
}

/// Packets with records that a node sends a second, where each has its part of the load.
fn packets(nodes: f64) -> f64 {
    (nodes - 1.0) * FLUSHES * (1.0 - (-LOAD / nodes / FLUSHES).exp())
}

const KINDS: [Kind; 6] = [
    Kind { name: "processor at rest, ms/s", of: |costs| costs.rest_processor, terms: |n| [n - 1.0, n * (n - 1.0)] },
    Kind {
        name: "processor for the load, ms/s",
        of: |costs| costs.load_processor - costs.rest_processor,
        terms: |n| [LOAD, packets(n)],
    },
    Kind { name: "sent at rest, kB/s", of: |costs| costs.rest_bytes / 1e3, terms: |n| [n - 1.0, n * (n - 1.0)] },
    Kind {
        name: "sent for the load, kB/s",
        of: |costs| (costs.load_bytes - costs.rest_bytes) / 1e3,
        terms: |n| [LOAD * (n - 1.0) / n, packets(n)],
    },
    Kind { name: "memory when empty, MB", of: |costs| costs.empty_megabytes, terms: |n| [1.0, n - 1.0] },
    Kind { name: "memory a counter, bytes", of: |costs| costs.counter_bytes, terms: |n| [1.0, n - 1.0] },
];

pub(crate) fn measure(plan: &Plan) -> Outcome<Section> {
    let mut section = Section::new("scale", "what a node costs in clusters of several sizes", !plan.is_short);
    let sizes = if plan.is_short { &SHORT_SIZES[..] } else { &SIZES[..] };
    let (counters, seconds) = (plan.counters(200, 50_000), plan.seconds(10.0).max(1.0));
    section.paragraph(&format!(
        "All nodes on this machine, {counters} counters that every node counts on, precision 1, nothing on disk; at rest, and with {LOAD} INCR/s of random \
         ones in all, each node with its part of them. {seconds} s a figure, averages of all nodes; a millisecond of processor time a second is a \
         thousandth of a processor. Bytes are those of IP packets."
    ));
    let mut measured = Vec::new();
    for size in sizes {
        eprintln!("scale: {size} nodes");
        let wire = Wire::new()?;
        let costs = wire.inside(|| costs(&wire, *size, counters, seconds, plan.is_short))?;
        measured.push((*size as f64, costs));
    }
    let headings = ["nodes", "rest ms/s", "load ms/s", "rest kB/s", "load kB/s", "empty MB", "bytes a counter"];
    let mut table = Table::new(&headings);
    for (size, costs) in &measured {
        let Costs { rest_processor, load_processor, rest_bytes, load_bytes, empty_megabytes, counter_bytes } = *costs;
        let figures =
            [rest_processor, load_processor, rest_bytes / 1e3, load_bytes / 1e3, empty_megabytes, counter_bytes];
        table.row(&[vec![size.to_string()], figures.map(figure).to_vec()].concat());
    }
    section.table(&table);
    tell_model(&mut section, &measured);
    Ok(section)
}

fn costs(wire: &Wire, size: usize, counters: u64, seconds: f64, is_hasty: bool) -> Outcome<Costs> {
    let scratch = tempfile::tempdir()?;
    let nodes = start_nodes(scratch.path(), size, &["counters.default_precision=1", "storage.durability=memory"])?;
    nodes.iter().for_each(Server::wait_until_quiet);
    let count = size as f64;
    let resident = || {
        nodes[0].settled_bytes(is_hasty);
        nodes.iter().map(Server::resident_bytes).sum::<f64>() / count
    };
    let empty = resident();
    for node in &nodes {
        loader::send_each(node.port, "INCR", 0..counters)?;
    }
    for node in &nodes {
        loader::await_counters(node, counters, counters - 1, size)?;
    }
    nodes.iter().for_each(Server::wait_until_quiet);
    let full = resident();
    let (rest_processor, rest) = during(wire, &nodes, seconds)?;
    let load = Steady { names: counters, pipeline: 1, requests_per_second: LOAD };
    let all: Vec<&Server> = nodes.iter().collect();
    let ((load_processor, loaded), _) = load.during(&all, || {
        // Until the rates are known.
        sleep(Duration::from_secs_f64(seconds / 4.0));
        during(wire, &nodes, seconds)
    })?;
    Ok(Costs {
        rest_processor,
        load_processor,
        rest_bytes: rest.bytes / count,
        load_bytes: loaded.bytes / count,
        empty_megabytes: empty / 1e6,
        counter_bytes: (full - empty) / counters as f64,
    })
}

/// Milliseconds of processor time a second of a node, and packets a second of all.
fn during(wire: &Wire, nodes: &[Server], seconds: f64) -> Outcome<(f64, Packets)> {
    let processor = || nodes.iter().map(|node| node.processor().seconds()).sum::<f64>();
    let (begin, used, before) = (Instant::now(), processor(), wire.packets()?);
    sleep(Duration::from_secs_f64(seconds));
    let (now, used) = (wire.packets()?, processor() - used);
    let took = begin.elapsed().as_secs_f64();
    let packets = Packets { packets: (now.packets - before.packets) / took, bytes: (now.bytes - before.bytes) / took };
    Ok((used * 1e3 / took / nodes.len() as f64, packets))
}

fn tell_model(section: &mut Section, measured: &[(f64, Costs)]) {
    let Some(((largest, checked), known)) = measured.split_last() else { return };
    section.paragraph(&format!(
        "The model: each cost is a sum of two terms. At rest one grows with the peers, and one with the peers times the nodes that each digest \
         names. Under load one grows with the records that a node sends or takes in, and one with the packets that they share, of which each \
         peer gets {FLUSHES} a second at most. Memory is a part that is there in any case, and one for each peer. The factors come from all \
         sizes but {largest}, and are held against that one."
    ));
    let sizes = known.iter().map(|(size, _)| size.to_string());
    let headings: Vec<String> = ["a node".to_owned(), "each".to_owned(), "each".to_owned()]
        .into_iter()
        .chain(sizes.clone().map(|size| format!("model at {size}")))
        .chain([format!("model at {largest}"), format!("measured at {largest}"), "off by".to_owned()])
        .chain(LARGE.map(|size| format!("at {size}")))
        .collect();
    let mut table = Table::new(&headings.iter().map(String::as_str).collect::<Vec<_>>());
    let mut worst: f64 = 0.0;
    for kind in KINDS {
        let point = |(size, costs): &(f64, Costs)| {
            let [x, y] = (kind.terms)(*size);
            [x, y, (kind.of)(costs)]
        };
        let model = Model::of(&known.iter().map(point).collect::<Vec<_>>());
        let at = |size: f64| {
            let [x, y] = (kind.terms)(size);
            model.at(x, y)
        };
        let off = at(*largest) / (kind.of)(checked) - 1.0;
        worst = if off.is_finite() { worst.max(off.abs()) } else { f64::NAN };
        let mut cells = vec![kind.name.to_owned(), figure(model.first), figure(model.second)];
        cells.extend(known.iter().map(|(size, _)| figure(at(*size))));
        cells.extend([figure(at(*largest)), figure((kind.of)(checked)), format!("{:+.0}%", off * 100.0)]);
        cells.extend(LARGE.map(|size| figure(at(size as f64))));
        table.row(&cells);
    }
    section.table(&table);
    let what = format!("largest error of the model at {largest} nodes");
    section.at_most(&what, worst * 100.0, LARGEST_ERROR * 100.0, "%");
}
