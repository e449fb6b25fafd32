//! How long an increment takes to be seen on another node: from the INCR's reply on one to the first GET on another that answers
//! the new value, over loopback.

use std::thread;
use std::time::Duration;

use crate::plan::Plan;
use crate::report::{Section, Table, Target, figure};
use crate::support::{Client, LOOK_INTERVAL, NAMES, Outcome, Server, busy_seconds, start_nodes};
use crate::traffic::{Steady, half_load};

const WARM_UP: usize = 100;
/// One that counts and one that is read: a third would only take processor time from these.
const NODES: usize = 2;
const AT_REST_MILLIS: (f64, f64) = (6.0, 10.0);
const AT_HALF_LOAD_P99_MILLIS: f64 = 25.0;
const AT_ONCE_P50_MILLIS: f64 = 1.0;
const PIPELINE: u32 = 16;

pub(crate) fn measure(plan: &Plan) -> Outcome<Section> {
    let mut section = Section::new("visibility", "from an INCR here to a GET there", !plan.is_short);
    let samples = plan.samples(50, 2_000);
    section.paragraph(&format!(
        "{NODES} nodes, {samples} increments a row at all points between two flushes, each node in turn writing and the other \
         reading, in milliseconds from the INCR's reply to the first GET that shows it; the last GET's own round trip is in it, \
         and the pause before, as the reader asks again after {} ms and not at once. Half load is half of the INCRs that \
         redis-benchmark gets out of a node at pipeline {PIPELINE}, sent to the first node on a fixed schedule: it counts in \
         one half of the samples, and takes in in the other.",
        LOOK_INTERVAL.as_secs_f64() * 1e3,
    ));
    let mut table = Table::new(&["", "p50", "p90", "p99", "most"]);
    let mut row = |what: &str, figures: &Figures| {
        let cells = [figures.at(0.5), figures.at(0.9), figures.at(0.99), figures.at(1.0)].map(figure).to_vec();
        table.row(&[vec![what.to_owned()], cells].concat());
    };
    let scratch = tempfile::tempdir()?;
    let nodes = start_nodes(scratch.path(), NODES, &[])?;
    let mut clients = ready_clients(&nodes)?;
    let lone = increments(&mut clients, samples)?;
    row("at rest: an increment, precision 0", &lone);
    row("at rest: the birth of a counter", &births(&mut clients, samples)?);
    row("at rest: the round trip of one GET", &round_trips(&mut clients[0], samples)?);
    let requests_per_second = half_load(&nodes[0], PIPELINE, plan.is_short)?;
    let load = Steady::even(u64::from(NAMES), PIPELINE, requests_per_second);
    let ((busy, at_work), sent) = load.during(&[&nodes[0]], || {
        let mut clients = ready_clients(&nodes)?;
        let before = busy_seconds();
        let times = increments_in_turn(&mut clients, samples)?;
        let now = busy_seconds();
        Ok((times, (now.0 - before.0) / (now.1 - before.1)))
    })?;
    let of = |writes: &dyn Fn(usize) -> bool| {
        Figures::of(busy.iter().filter(|(writer, _)| writes(*writer)).map(|(_, time)| *time).collect())
    };
    let rate = figure(sent.requests as f64 / sent.seconds);
    let busy = of(&|_| true);
    row(&format!("at half load, {rate} INCR/s: an increment, precision 0"), &busy);
    row("of these: counted on the node that has the load", &of(&|writer| writer == 0));
    row("of these: read on that node", &of(&|writer| writer != 0));
    drop((clients, nodes));
    let at_once = match start_nodes(scratch.path(), NODES, &["counters.flush_interval_ms=0"]) {
        Ok(nodes) => Some(increments(&mut ready_clients(&nodes)?, samples)?),
        Err(_) => None,
    };
    match &at_once {
        Some(figures) => row("flush_interval 0, at rest: an increment, precision 0", figures),
        None => {
            let nodes = start_nodes(scratch.path(), NODES, &["counters.flush_interval_ms=1"])?;
            let figures = increments(&mut ready_clients(&nodes)?, samples)?;
            row("flush_interval 1 ms (0 is refused), at rest: an increment, precision 0", &figures);
        }
    }
    section.table(&table);
    section.paragraph(&format!(
        "At half load all processors of the machine were at work for {:.0}% of the time, the generator's and the reader's part \
         included; the generator's p99 of being late was {} ms.",
        at_work * 100.0,
        figure(sent.lateness.value_at_quantile(0.99) as f64 / 1e6),
    ));
    section.at_most("visible at rest, p50", lone.at(0.5), AT_REST_MILLIS.0, " ms");
    section.at_most("visible at rest, p99", lone.at(0.99), AT_REST_MILLIS.1, " ms");
    section.at_most("visible at half load, p99", busy.at(0.99), AT_HALF_LOAD_P99_MILLIS, " ms");
    let what = "visible with flush_interval 0, p50".to_owned();
    match at_once {
        Some(figures) => section.at_most(&what, figures.at(0.5), AT_ONCE_P50_MILLIS, " ms"),
        None => {
            let (aim, measured) = (format!("<= {AT_ONCE_P50_MILLIS} ms"), "the server refuses 0".to_owned());
            section.target(Target { what, aim, measured, is_met: false });
        }
    }
    Ok(section)
}

/// A client of each node, once all pairs of nodes are linked for sure: what one counts, each other node answers.
fn ready_clients(nodes: &[Server]) -> Outcome<Vec<Client>> {
    let mut clients: Vec<Client> = nodes.iter().map(Server::client).collect::<Outcome<_>>()?;
    for writer in 0..clients.len() {
        let name = format!("link:{writer}");
        let value = clients[writer].call(&["INCR", &name])?;
        for client in &mut clients {
            client.await_reply(&["GET", &name], &value)?;
        }
    }
    clients[0].expect(&["SET", "lone", "0"], "OK")?;
    clients[0].call(&["PRECISION", "lone", "0"])?;
    for client in &mut clients {
        client.await_reply(&["PRECISION", "lone"], "0")?;
        client.await_reply(&["GET", "lone"], "0")?;
    }
    Ok(clients)
}

/// Increments one counter on each node in turn, reading on the other.
fn increments(clients: &mut [Client], samples: usize) -> Outcome<Figures> {
    let times = increments_in_turn(clients, samples)?;
    Ok(Figures::of(times.into_iter().map(|(_, time)| time).collect()))
}

/// The same, each with its writer.
fn increments_in_turn(clients: &mut [Client], samples: usize) -> Outcome<Vec<(usize, Duration)>> {
    let mut times = Vec::with_capacity(samples);
    for sample in 0..WARM_UP + samples {
        let (writer, reader) = (sample % NODES, (sample + 1) % NODES);
        let value = (sample + 1).to_string();
        // The writer has to see what the others counted before, so that its reply is the sum.
        clients[writer].await_reply(&["GET", "lone"], &sample.to_string())?;
        out_of_step(sample);
        clients[writer].expect(&["INCR", "lone"], &value)?;
        times.push((writer, clients[reader].await_reply(&["GET", "lone"], &value)?));
    }
    Ok(times.split_off(WARM_UP))
}

/// Makes a counter on each node in turn, reading on the other. The precision is the default one: a birth is announced
/// whatever it is.
fn births(clients: &mut [Client], samples: usize) -> Outcome<Figures> {
    let mut times = Vec::with_capacity(samples);
    for sample in 0..WARM_UP + samples {
        let (writer, reader) = (sample % NODES, (sample + 1) % NODES);
        let name = format!("birth:{sample}");
        out_of_step(sample);
        clients[writer].expect(&["INCR", &name], "1")?;
        times.push(clients[reader].await_reply(&["GET", &name], "1")?);
    }
    Ok(Figures::of(times.split_off(WARM_UP)))
}

fn round_trips(client: &mut Client, samples: usize) -> Outcome<Figures> {
    let round_trip = |_| client.await_reply(&["GET", "nothing"], "0");
    Ok(Figures::of((0..samples).map(round_trip).collect::<Outcome<_>>()?))
}

/// Waits 0 to 15 ms, spread evenly, so that increments come at all points between two flushes.
fn out_of_step(sample: usize) {
    let micros = sample.wrapping_mul(7_919) % 15_000;
    thread::sleep(Duration::from_micros(micros as u64));
}

/// Times, from the shortest to the longest.
struct Figures(Vec<Duration>);

impl Figures {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// Milliseconds that this part of all took no longer than.
    fn at(&self, part: f64) -> f64 {
        let at = (self.0.len() as f64 * part) as usize;
        self.0.get(at.min(self.0.len().saturating_sub(1))).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    }
}
