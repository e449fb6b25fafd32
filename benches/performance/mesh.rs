//! What nodes tell each other: bytes on the wire a record, and how many updates a second a node takes in on one processor.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::loader;
use crate::plan::Plan;
use crate::report::{Section, Table, figure};
use crate::support::{Info, Outcome, Server, start_nodes};
use crate::traffic::Steady;
use crate::wire::Wire;

const LARGEST_RECORD_BYTES: f64 = 32.0;
const LEAST_UPDATES: f64 = 1_500_000.0;
/// Updates a second, and which of them is judged.
const RATES: [f64; 4] = [2_000.0, 20_000.0, 50_000.0, 100_000.0];
const JUDGED_RATE: f64 = 20_000.0;
const PRECISIONS: [&str; 2] = ["1", "0"];

pub(crate) fn measure(plan: &Plan) -> Outcome<Section> {
    let mut section = Section::new("mesh", "what nodes tell each other", !plan.is_short);
    let names = plan.counters(2_000, 100_000);
    bytes(&mut section, plan, names)?;
    receiving(&mut section, plan, names)?;
    Ok(section)
}

fn bytes(section: &mut Section, plan: &Plan, names: u64) -> Outcome<()> {
    let seconds = plan.seconds(10.0);
    section.paragraph(&format!(
        "Two nodes, {names} counters that exist already, INCR of random ones on the first node at a fixed rate for {seconds} s. \
         Records are what the first node announces. Bytes a record are those of the records themselves, those of all messages of \
         both nodes (heartbeats and digests, too), and those of all IP packets both ways: with IP, UDP and QUIC, acknowledgements \
         included. At a low rate few records share a packet."
    ));
    let headings = ["precision", "INCR/s", "records/s", "a packet", "record bytes", "message bytes", "wire bytes"];
    let mut table = Table::new(&headings);
    let mut judged = f64::NAN;
    for precision in PRECISIONS {
        let wire = Wire::new()?;
        let rows = wire.inside(|| {
            let scratch = tempfile::tempdir()?;
            let precision = format!("counters.default_precision={precision}");
            let nodes = start_nodes(scratch.path(), 2, &[&precision])?;
            loader::send_each(nodes[0].port, "INCR", 0..names)?;
            loader::await_counters(&nodes[1], names, names - 1, 1)?;
            // What got lost of that many births at once is repaired within this.
            sleep(Duration::from_secs_f64(seconds.min(3.0)));
            nodes.iter().for_each(Server::wait_until_quiet);
            RATES
                .iter()
                .map(|rate| {
                    eprintln!("mesh: {precision}, {rate} updates a second");
                    steady(&wire, &nodes, names, *rate, seconds)
                })
                .collect::<Outcome<Vec<_>>>()
        })?;
        for (rate, row) in RATES.iter().zip(rows) {
            let figures =
                [*rate, row.records / row.seconds, row.records / row.packets, row.own, row.messages, row.wire];
            table.row(&[vec![precision.to_owned()], figures.map(figure).to_vec()].concat());
            if *rate == JUDGED_RATE && precision == PRECISIONS[0] {
                judged = row.wire;
            }
        }
    }
    section.table(&table);
    let what = format!("bytes on the wire a record, at {JUDGED_RATE} INCR/s and precision {}", PRECISIONS[0]);
    section.at_most(&what, judged, LARGEST_RECORD_BYTES, " bytes");
    Ok(())
}

/// What one steady load costs; the last three in bytes a record.
struct Row {
    seconds: f64,
    records: f64,
    packets: f64,
    own: f64,
    messages: f64,
    wire: f64,
}

fn steady(wire: &Wire, nodes: &[Server], names: u64, rate: f64, seconds: f64) -> Outcome<Row> {
    let infos = || nodes.iter().map(|node| node.client()?.info("mesh")).collect::<Outcome<Vec<Info>>>();
    let load = Steady::even(names, if rate > 10_000.0 { 10 } else { 1 }, rate);
    let (((begin, counted), (before, after)), _) = load.during(&[&nodes[0]], || {
        // Until the rate is known to those who predict.
        sleep(Duration::from_secs_f64(seconds / 5.0));
        // In the same order both times, so that all of it is of equally long.
        let (begin, before, counted) = (Instant::now(), infos()?, wire.packets()?);
        sleep(Duration::from_secs_f64(seconds));
        let (took, after, now) = (begin.elapsed(), infos()?, wire.packets()?);
        Ok(((took, (now.packets - counted.packets, now.bytes - counted.bytes)), (before, after)))
    })?;
    let grown = |of: &dyn Fn(&Info) -> f64| after.iter().map(of).sum::<f64>() - before.iter().map(of).sum::<f64>();
    let records = grown(&|info| info.number("mesh_records_sent"));
    if records.is_nan() || records <= 0.0 {
        return Err("no record was sent".into());
    }
    Ok(Row {
        seconds: begin.as_secs_f64(),
        records,
        packets: counted.0,
        own: grown(&|info| info.number("mesh_record_bytes_sent")) / records,
        messages: grown(&Info::mesh_bytes_sent) / records,
        wire: counted.1 / records,
    })
}

fn receiving(section: &mut Section, plan: &Plan, names: u64) -> Outcome<()> {
    let seconds = plan.seconds(10.0);
    section.paragraph(&format!(
        "Two nodes; the first increments {names} counters with precision 0 as fast as it can, each in turn, for {seconds} s. The second \
         takes in what it is told, and does nothing else: updates a second on one processor are those that it received \
         divided by the seconds of processor time that it took for them."
    ));
    let mut table = Table::new(&["durability", "received/s", "processor s a million", "updates/s on one processor"]);
    let mut judged = f64::NAN;
    for durability in ["memory", "everysec"] {
        let scratch = tempfile::tempdir()?;
        let settings = [&format!("storage.durability={durability}"), "counters.default_precision=0"];
        let nodes = start_nodes(scratch.path(), 2, &settings)?;
        let [sender, receiver] = nodes.as_slice() else { return Err("two nodes were to be started".into()) };
        loader::send_each(sender.port, "INCR", 0..names)?;
        nodes.iter().for_each(Server::wait_until_quiet);
        let received =
            || Ok::<f64, Box<dyn std::error::Error>>(receiver.client()?.info("mesh")?.number("mesh_records_received"));
        let (before, processor, begin) = (received()?, receiver.processor(), Instant::now());
        while begin.elapsed().as_secs_f64() < seconds {
            loader::send_each(sender.port, "INCR", 0..names)?;
        }
        let sent_for = begin.elapsed().as_secs_f64();
        receiver.wait_until_quiet();
        let (updates, used) = (received()? - before, (receiver.processor() - processor).seconds());
        let figures = [updates / sent_for, used * 1e6 / updates, updates / used].map(figure);
        table.row(&[vec![durability.to_owned()], figures.to_vec()].concat());
        if durability == "memory" {
            judged = updates / used;
        }
    }
    section.table(&table);
    section.at_least("updates received a second on one processor", judged, LEAST_UPDATES, "");
    Ok(())
}
