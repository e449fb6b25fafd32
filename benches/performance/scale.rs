//! What a node costs in clusters of several sizes at the same load in all, and a model of it for larger ones.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::loader;
use crate::model::Model;
use crate::open_loop::{Measured, Spacing};
use crate::plan::Plan;
use crate::report::{Section, Table, figure};
use crate::support::{Client, Outcome, Server, busy_seconds, start_nodes};
use crate::traffic::Steady;
use crate::wire::Wire;

const SIZES: [usize; 4] = [3, 8, 16, 32];
const SHORT_SIZES: [usize; 3] = [2, 3, 4];
/// Sizes that the model is asked about.
const LARGE: [usize; 2] = [100, 1_000];
/// INCRs a second of the whole cluster: as many as the nodes of the largest one can tell each other on two processors with
/// some time to spare. Nodes that wait for a processor say more in each packet, and so cost less than they would elsewhere.
const LOAD: f64 = 400.0;
/// A node that has something to say waits for what else comes in a burst, and then tells every peer.
const BURST_SECONDS: f64 = 0.000_7;
/// It does not tell them more often than this.
const FLUSH_SECONDS: f64 = 0.005;
/// Heartbeats and digests that each peer is sent a second.
const PEER_PACKETS: f64 = 6.0;
/// The model is as good as its largest error at the size that it was not made from.
const LARGEST_ERROR: f64 = 0.3;
/// Of all processors, so much of the time: beyond it the machine is full, and the nodes are in each other's way.
const FULL: f64 = 0.97;
/// A cluster is at rest when for so long nobody has had anything to tell nor to repair.
const REST_WINDOW: Duration = Duration::from_secs(3);
const REST_PATIENCE: Duration = Duration::from_secs(400);

/// What one node costs, on average.
#[derive(Clone, Copy)]
struct Costs {
    rest: Rates,
    load: Rates,
    empty_megabytes: f64,
    counter_bytes: f64,
    /// Nobody told or repaired anything before the figures of rest were taken.
    is_rested: bool,
    /// INCRs a second that were answered.
    answered: f64,
}

/// What one node does in a second, on average.
#[derive(Clone, Copy)]
struct Rates {
    /// Of a processor, in milliseconds.
    processor: f64,
    /// Bytes sent, with IP and UDP.
    bytes: f64,
    /// Of these what digests are, without what they are wrapped in.
    digest_bytes: f64,
    /// Datagrams with records.
    record_packets: f64,
    /// The part of all processors that was at work, whoever for.
    busy: f64,
}

/// What a model is made of: its name with its unit, what it is of, and its terms in a cluster of so many. A term that is always
/// nothing is none.
struct Kind {
    name: &'static str,
    of: fn(&Costs) -> f64,
    terms: fn(f64) -> [f64; 2],
}

/// Packets with records that a node sends a second, where each has its part of a load that comes from many independent clients:
/// to each peer one each flush interval while there is always something to say, else one as soon as there is.
fn packets(nodes: f64) -> f64 {
    let counted = LOAD / nodes;
    let is_silent = (-counted * FLUSH_SECONDS).exp();
    (nodes - 1.0) / (FLUSH_SECONDS + is_silent * (1.0 / counted + BURST_SECONDS))
}

const KINDS: [Kind; 8] = [
    Kind { name: "processor at rest, ms/s", of: |costs| costs.rest.processor, terms: |n| [1.0, n - 1.0] },
    Kind {
        name: "processor under load, ms/s",
        of: |costs| costs.load.processor,
        terms: |n| [1.0, PEER_PACKETS * (n - 1.0) + packets(n)],
    },
    Kind { name: "digests sent, kB/s", of: |costs| costs.rest.digest_bytes / 1e3, terms: |n| [n * (n - 1.0), 0.0] },
    Kind {
        name: "sent at rest but for these, kB/s",
        of: |costs| (costs.rest.bytes - costs.rest.digest_bytes) / 1e3,
        terms: |n| [1.0, n - 1.0],
    },
    Kind {
        name: "packets for the load, a second",
        of: |costs| costs.load.record_packets,
        terms: |n| [packets(n), 0.0],
    },
    Kind {
        name: "sent for the load, kB/s",
        of: |costs| (costs.load.bytes - costs.rest.bytes) / 1e3,
        terms: |n| [LOAD * (n - 1.0) / n, packets(n)],
    },
    Kind { name: "memory when empty, MB", of: |costs| costs.empty_megabytes, terms: |n| [1.0, n - 1.0] },
    Kind { name: "memory a counter, bytes", of: |costs| costs.counter_bytes, terms: |n| [1.0, n - 1.0] },
];

pub(crate) fn measure(plan: &Plan) -> Outcome<Section> {
    let mut section = Section::new("scale", "what a node costs in clusters of several sizes", !plan.is_short);
    let sizes = match plan.nodes(0) {
        0 if plan.is_short => SHORT_SIZES.to_vec(),
        0 => SIZES.to_vec(),
        only => vec![only],
    };
    let (counters, seconds) = (plan.counters(200, 50_000), plan.seconds(10.0).max(1.0));
    section.paragraph(&format!(
        "All nodes on this machine, {counters} counters that every node counts on, precision 1, nothing on disk; at rest, and with {LOAD} INCR/s of random \
         ones in all, each node with its part of them, as many independent clients send them. At rest is a cluster in which for {} s \
         nobody has had anything to tell nor to repair. {seconds} s a figure, averages of all nodes; a millisecond of processor time a \
         second is a thousandth of a processor. Bytes are those of IP packets. The last column is the part of the machine's processors \
         that was at work under load, this program's included.",
        REST_WINDOW.as_secs(),
    ));
    let mut measured = Vec::new();
    for size in sizes {
        eprintln!("scale: {size} nodes");
        let wire = Wire::new()?;
        let costs = wire.inside(|| costs(&wire, size, counters, seconds, plan.is_short))?;
        measured.push((size as f64, costs));
    }
    tell_costs(&mut section, &measured);
    tell_model(&mut section, &measured);
    Ok(section)
}

fn tell_costs(section: &mut Section, measured: &[(f64, Costs)]) {
    let headings = [
        "nodes",
        "rest ms/s",
        "load ms/s",
        "rest kB/s",
        "load kB/s",
        "packets/s",
        "empty MB",
        "bytes a counter",
        "at work",
    ];
    let mut table = Table::new(&headings);
    for (size, costs) in measured {
        let Costs { rest, load, empty_megabytes, counter_bytes, .. } = *costs;
        let figures = [
            rest.processor,
            load.processor,
            rest.bytes / 1e3,
            load.bytes / 1e3,
            load.record_packets,
            empty_megabytes,
            counter_bytes,
        ];
        let at_work = format!("{:.0}%", load.busy * 100.0);
        table.row(&[vec![size.to_string()], figures.map(figure).to_vec(), vec![at_work]].concat());
    }
    section.table(&table);
    for (size, costs) in measured {
        if !costs.is_rested {
            let waited = REST_PATIENCE.as_secs();
            section.paragraph(&format!(
                "The cluster of {size} was not at rest after {waited} s: its figures of rest are not."
            ));
        }
        if costs.load.busy > FULL || costs.answered < LOAD * 0.95 {
            section.paragraph(&format!(
                "With {size} nodes the machine was full, and {} INCR/s were answered: a node with a processor of its own would cost more.",
                figure(costs.answered)
            ));
        }
    }
}

fn costs(wire: &Wire, size: usize, counters: u64, seconds: f64, is_hasty: bool) -> Outcome<Costs> {
    let scratch = tempfile::tempdir()?;
    let nodes = start_nodes(scratch.path(), size, &["counters.default_precision=1", "storage.durability=memory"])?;
    let watch = Watch { wire, nodes: &nodes, seconds };
    let resident = || {
        nodes[0].settled_bytes(is_hasty);
        nodes.iter().map(Server::resident_bytes).sum::<f64>() / size as f64
    };
    let empty = resident();
    for node in &nodes {
        loader::send_each(node.port, "INCR", 0..counters)?;
    }
    for node in &nodes {
        loader::await_counters(node, counters, counters - 1, size)?;
    }
    let is_rested = watch.await_rest()?;
    let full = resident();
    let rest = watch.rates()?;
    let load = Steady { names: counters, pipeline: 1, requests_per_second: LOAD, spacing: Spacing::Poisson };
    let all: Vec<&Server> = nodes.iter().collect();
    let (load, sent) = load.during(&all, || {
        // Until the rates are known.
        sleep(Duration::from_secs_f64(seconds / 4.0));
        watch.rates()
    })?;
    let Measured { requests, seconds, .. } = sent;
    Ok(Costs {
        rest,
        load,
        empty_megabytes: empty / 1e6,
        counter_bytes: (full - empty) / counters as f64,
        is_rested,
        answered: requests as f64 / seconds,
    })
}

/// A cluster that is watched for so long at a time.
struct Watch<'a> {
    wire: &'a Wire,
    nodes: &'a [Server],
    seconds: f64,
}

impl Watch<'_> {
    /// What a node does while this waits.
    fn rates(&self) -> Outcome<Rates> {
        let mut clients = self.nodes.iter().map(Server::client).collect::<Outcome<Vec<_>>>()?;
        let processor = || self.nodes.iter().map(|node| node.processor().seconds()).sum::<f64>();
        let said = said(&mut clients)?;
        let (begin, used, bytes, busy) = (Instant::now(), processor(), self.wire.packets()?.bytes, busy_seconds());
        sleep(Duration::from_secs_f64(self.seconds));
        let (used, bytes) = (processor() - used, self.wire.packets()?.bytes - bytes);
        let (took, busy_now) = (begin.elapsed().as_secs_f64(), busy_seconds());
        let now = self::said(&mut clients)?;
        let each = 1.0 / took / self.nodes.len() as f64;
        Ok(Rates {
            processor: used * 1e3 * each,
            bytes: bytes * each,
            digest_bytes: (now.digest_bytes - said.digest_bytes) * each,
            record_packets: (now.record_packets - said.record_packets) * each,
            busy: (busy_now.0 - busy.0) / (busy_now.1 - busy.1),
        })
    }

    /// Waits until nobody has anything to tell nor to repair; false if that does not come about.
    fn await_rest(&self) -> Outcome<bool> {
        let mut clients = self.nodes.iter().map(Server::client).collect::<Outcome<Vec<_>>>()?;
        let (begin, mut before) = (Instant::now(), said(&mut clients)?);
        loop {
            sleep(REST_WINDOW);
            let now = said(&mut clients)?;
            if now.news == before.news {
                return Ok(true);
            }
            if begin.elapsed() > REST_PATIENCE {
                return Ok(false);
            }
            before = now;
        }
    }
}

/// What all nodes have sent since their start.
struct Said {
    digest_bytes: f64,
    record_packets: f64,
    /// Records, and chunks of repairs.
    news: f64,
}

fn said(clients: &mut [Client]) -> Outcome<Said> {
    let mut all = Said { digest_bytes: 0.0, record_packets: 0.0, news: 0.0 };
    for client in clients {
        let info = client.info("mesh")?;
        all.digest_bytes += info.number("mesh_digest_bytes_sent");
        all.record_packets += info.of_kind("records", "sent");
        all.news += info.number("mesh_records_sent") + info.of_kind("repair_items", "sent");
    }
    Ok(all)
}

fn tell_model(section: &mut Section, measured: &[(f64, Costs)]) {
    let Some(((largest, checked), known @ [_, _, ..])) = measured.split_last() else { return };
    section.paragraph(&format!(
        "The model: each cost is a sum of at most two terms. What is there in any case are timers, the membership's gossip, which goes to a \
         few peers however many there are, and the program itself. At rest the other term is one for each peer; digests go to each peer \
         and name each node. Under load processor time is spent on packets: {PEER_PACKETS} a second to each peer are heartbeats and \
         digests, and how many have records follows from the load and the flush interval, as a node that has something to say tells all \
         its peers, {:.0} times a second at most; what is sent more than at rest are those packets and the records in them. Memory \
         has one term for each peer. The factors come from all sizes but {largest}, and are held against that one. The fuller the machine \
         is, the more packets a node takes each time that it gets a processor, and the less each costs: a small cluster, which has the \
         processors to itself, shows more than a node of a large one here needs.",
        1.0 / FLUSH_SECONDS
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
