//! The clients: writers that keep account of what they were told, and observers that read on the other nodes.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::amount;
use crate::ledger::{Outcome, Request};
use crate::nodes::Nodes;
use crate::plan::NODES;
use crate::random::Random;
use crate::server_support::Client;

/// Counters that all writers change.
pub(crate) const SHARED: usize = 24;
pub(crate) const WRITERS_A_NODE: usize = 3;
/// And one for each writer, which only it increments.
pub(crate) const COUNTERS: usize = SHARED + NODES * WRITERS_A_NODE;
/// Some clients give up long before a stopped node goes on. What they asked for is done then, all the same.
const SHORT_PATIENCE: Duration = Duration::from_secs(2);
const LONG_PATIENCE: Duration = Duration::from_secs(120);
/// The longest pause of a writer between two requests.
const PAUSE_MICROS: u64 = 6000;
const OBSERVE_EVERY: Duration = Duration::from_millis(50);

/// What clients see of each other while they run.
pub(crate) struct Watched {
    is_over: AtomicBool,
    /// What a counter of one writer can be at most: raised before the request leaves. In thousandths.
    asked: Vec<AtomicI64>,
}

/// What an observer on a node has read of the writers' own counters of other nodes: proof that it was heard.
pub(crate) struct Heard {
    pub(crate) node: usize,
    /// The observer's life: what it heard in an earlier one it lost.
    pub(crate) life: u64,
    pub(crate) values: Vec<i64>,
}

/// A counter's name.
pub(crate) fn name(counter: usize) -> String {
    match counter.checked_sub(SHARED) {
        None => format!("shared:{counter}"),
        Some(own) => format!("own:{}:{}", own / WRITERS_A_NODE + 1, own % WRITERS_A_NODE + 1),
    }
}

pub(crate) fn names() -> String {
    (0..COUNTERS).map(name).collect::<Vec<_>>().join(" ")
}

/// The node whose writer alone increments a counter.
pub(crate) fn owner(counter: usize) -> Option<usize> {
    Some(counter.checked_sub(SHARED)? / WRITERS_A_NODE)
}

impl Watched {
    pub(crate) fn new(values: &[i64]) -> Self {
        let asked = values.iter().map(|value| AtomicI64::new(*value)).collect();
        Self { is_over: AtomicBool::new(false), asked }
    }

    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }
}

/// Lets the clients end, also when something went wrong meanwhile.
pub(crate) struct Term<'a>(pub(crate) &'a Watched);

impl Drop for Term<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}

/// A connection to a node together with the life that it is of; none when the node is away or just coming back.
fn connect(nodes: &Nodes, node: usize, patience: Duration) -> Option<(Client, u64)> {
    let life = nodes.life(node);
    let client = nodes.client(node, patience).ok()?;
    // A life ends after its process is dead and before the next begins, so the same before and after is certain.
    (nodes.life(node) == life).then_some((client, life))
}

/// Counts on one node until it is over. Answers every request that was made.
pub(crate) fn write(nodes: &Nodes, watched: &Watched, node: usize, writer: usize, mut random: Random) -> Vec<Request> {
    let own = SHARED + node * WRITERS_A_NODE + writer;
    let patience = if writer == 0 { SHORT_PATIENCE } else { LONG_PATIENCE };
    let mut requests = Vec::new();
    let mut connection = None;
    let mut own_before = i64::MIN;
    while watched.goes_on() {
        if connection.is_none() {
            own_before = i64::MIN;
            connection = connect(nodes, node, patience);
        }
        let Some((client, life)) = &mut connection else {
            thread::sleep(Duration::from_millis(20));
            continue;
        };
        let (counter, amount, request) = next_request(&mut random, own);
        if counter == own {
            watched.asked[own].fetch_add(amount, Ordering::SeqCst);
        }
        let life = *life;
        let outcome = match client.try_ask(&request) {
            // Nothing was changed: it is back, and still finds out what it had.
            Ok(reply) if reply.starts_with("-LOADING ") => {
                thread::sleep(Duration::from_millis(20));
                continue;
            }
            Ok(reply) => {
                // What other nodes are predicted to have counted may be in any part of one.
                assert!(reply.parse::<f64>().is_ok(), "{request}: {reply}");
                if counter == own {
                    let value = amount::parse(&reply).unwrap_or_else(|error| panic!("{request}: {error}"));
                    assert!(value > own_before, "{request} answers {value} thousandths after {own_before}");
                    own_before = value;
                }
                Outcome::Acknowledged
            }
            Err(_) => {
                connection = None;
                Outcome::Indeterminate
            }
        };
        requests.push(Request { counter, node, life, amount, outcome, at: Instant::now() });
        thread::sleep(Duration::from_micros(random.below(PAUSE_MICROS)));
    }
    requests
}

fn next_request(random: &mut Random, own: usize) -> (usize, i64, String) {
    let counter = if random.below(5) < 2 { own } else { random.below(SHARED as u64) as usize };
    let name = name(counter);
    if counter == own {
        return (counter, 1000, format!("INCR {name}"));
    }
    let whole = random.between(1, 9) as i64 * 1000;
    let decimal = random.between(1, 9999) as i64;
    match random.below(6) {
        0 => (counter, 1000, format!("INCR {name}")),
        1 => (counter, -1000, format!("DECR {name}")),
        2 => (counter, whole, format!("INCRBY {name} {}", amount::text(whole))),
        3 => (counter, -whole, format!("DECRBY {name} {}", amount::text(whole))),
        4 => (counter, decimal, format!("INCRBYFLOAT {name} {}", amount::text(decimal))),
        _ => (counter, -decimal, format!("INCRBYFLOAT {name} {}", amount::text(-decimal))),
    }
}

/// Reads the writers' own counters on one node until it is over: none may ever be more than was asked for.
pub(crate) fn observe(nodes: &Nodes, watched: &Watched, node: usize, readings: &AtomicU64) -> Heard {
    let own: Vec<usize> = (SHARED..COUNTERS).filter(|counter| owner(*counter) != Some(node)).collect();
    let request = format!("MGET {}", own.iter().map(|counter| name(*counter)).collect::<Vec<_>>().join(" "));
    let mut heard = Heard { node, life: 0, values: vec![i64::MIN; COUNTERS] };
    let mut connection = None;
    while watched.goes_on() {
        if connection.is_none() {
            connection = connect(nodes, node, LONG_PATIENCE);
        }
        if let Some((client, life)) = &mut connection {
            match client.try_ask(&request) {
                Ok(reply) if reply.starts_with("-LOADING ") => {}
                Ok(reply) => {
                    if heard.life != *life {
                        heard = Heard { node, life: *life, values: vec![i64::MIN; COUNTERS] };
                    }
                    readings.fetch_add(1, Ordering::Relaxed);
                    let values = parse_values(&reply).unwrap_or_else(|error| panic!("{request}: {error}"));
                    for (counter, value) in own.iter().zip(values) {
                        let asked = watched.asked[*counter].load(Ordering::SeqCst);
                        let shown = name(*counter);
                        assert!(value <= asked, "node {} reads {value} of {shown}, {asked} were asked for", node + 1);
                        heard.values[*counter] = heard.values[*counter].max(value);
                    }
                }
                Err(_) => connection = None,
            }
        }
        thread::sleep(OBSERVE_EVERY);
    }
    heard
}

/// The amounts of an MGET's reply.
pub(crate) fn parse_values(reply: &str) -> Result<Vec<i64>, String> {
    let inner = reply.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.ok_or_else(|| reply.to_owned())?.split(' ').map(amount::parse).collect()
}
