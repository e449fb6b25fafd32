//! A drill with real processes: five nodes on hosts of their own, writers on all of them, and faults on a schedule that a
//! seed decides. After every few faults all is healed; then the nodes must soon answer the same, and what they
//! answer must be what the writers were told.

#[path = "../simulation/random.rs"]
mod random;
#[path = "../server_support/mod.rs"]
mod server_support;

mod agreement;
mod amount;
mod ledger;
mod load;
mod nodes;
mod plan;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use agreement::{TARGET, agree};
use ledger::{Durability, Figures, Request, lost, ranges};
use load::{COUNTERS, Heard, Term, WRITERS_A_NODE, Watched, name, names, observe, owner, write};
use nodes::{Nodes, sleep_until};
use plan::{Fault, NODES, Round};
use random::Random;
use server_support::Network;

/// From so many seconds on a drill is a long one, whose stops are long enough for every timeout there is.
const LONG_SECONDS: u64 = 300;

/// Past the test runner, which hides what a test prints that passes.
macro_rules! say {
    ($($arguments:tt)*) => {{
        let _ = writeln!(std::io::stdout(), $($arguments)*);
    }};
}

#[test]
fn every_acknowledged_increment_is_counted_once_and_every_other_at_most_once() {
    let seed = number_from("DISCNT_DRILL_SEED").unwrap_or_else(|| {
        SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_millis() as u64 % 1_000_000
    });
    let seconds = number_from("DISCNT_DRILL_SECONDS").unwrap_or(30);
    let Some(network) = Network::of(NODES, &format!("drill{seed}")) else { return };
    let mut random = Random::new(seed);
    let begin = Instant::now();
    let ahead = random.below(NODES as u64) as usize;
    let behind = (ahead + random.between(1, NODES as u64 - 1) as usize) % NODES;
    let durability = durability(seed);
    let nodes = Nodes::start(network, ahead, behind, durability);
    say!(
        "\ndrill: DISCNT_DRILL_SEED={seed} DISCNT_DRILL_SECONDS={seconds} DISCNT_DRILL_DURABILITY={}",
        durability.name()
    );
    say!("drill: {NODES} nodes linked; node {} an hour ahead, node {} an hour behind", ahead + 1, behind + 1);
    let mut history = History::new(&nodes, durability);
    let (round, stop) = if seconds >= LONG_SECONDS { (20, 40) } else { (7, 8) };
    while history.rounds == 0 || begin.elapsed() < Duration::from_secs(seconds) {
        for round in plan::rounds(&mut random, Duration::from_secs(round), Duration::from_secs(stop)) {
            history.run(&nodes, &round, &mut random);
        }
    }
    history.tell(&nodes, begin.elapsed());
}

fn number_from(variable: &str) -> Option<u64> {
    let given = std::env::var(variable).ok()?;
    Some(given.parse().unwrap_or_else(|_| panic!("{variable}={given}: a whole number is expected")))
}

/// The mode that was asked for, or one that follows from the seed.
fn durability(seed: u64) -> Durability {
    match std::env::var("DISCNT_DRILL_DURABILITY") {
        Ok(given) => {
            let found = Durability::ALL.into_iter().find(|mode| mode.name() == given);
            found.unwrap_or_else(|| panic!("DISCNT_DRILL_DURABILITY={given}: always, everysec or memory is expected"))
        }
        Err(_) => Durability::ALL[(seed % 3) as usize],
    }
}

/// What happened so far.
struct History {
    durability: Durability,
    rounds: usize,
    /// Of every counter, as all nodes agreed on last.
    values: Vec<i64>,
    total: Figures,
    faults: BTreeMap<&'static str, usize>,
    readings: AtomicU64,
    agreements: Vec<Duration>,
    links: Vec<Duration>,
    own_at_risk: usize,
    own_lost: usize,
    /// How long it took to make what was lost of one counter in one kill.
    longest_lost: Duration,
}

impl History {
    fn new(nodes: &Nodes, durability: Durability) -> Self {
        let mut client = nodes.client(0, Duration::from_secs(30)).expect("a node that was just linked");
        for counter in 0..COUNTERS {
            // Of precision 0 every change is told: what is read elsewhere was certainly heard.
            let precision = if owner(counter).is_some() { 0 } else { [0, 1, 20][counter % 3] };
            client.ask(&format!("PRECISION {} {precision}", name(counter)));
        }
        Self {
            durability,
            rounds: 0,
            values: vec![0; COUNTERS],
            total: Figures::default(),
            faults: BTreeMap::new(),
            readings: AtomicU64::new(0),
            agreements: Vec::new(),
            links: Vec::new(),
            own_at_risk: 0,
            own_lost: 0,
            longest_lost: Duration::ZERO,
        }
    }

    /// One round: faults under load, healing, agreement, account.
    fn run(&mut self, nodes: &Nodes, round: &Round, random: &mut Random) {
        self.rounds += 1;
        say!("round {}: {round}", self.rounds);
        let watched = Watched::new(&self.values);
        let (requests, heard, healed) = thread::scope(|scope| {
            let (watched, readings, term) = (&watched, &self.readings, Term(&watched));
            let observers: Vec<_> =
                (0..NODES).map(|node| scope.spawn(move || observe(nodes, watched, node, readings))).collect();
            let mut writers = Vec::new();
            for node in 0..NODES {
                for writer in 0..WRITERS_A_NODE {
                    let random = Random::new(random.next());
                    writers.push(scope.spawn(move || write(nodes, watched, node, writer, random)));
                }
            }
            carry_out(nodes, round);
            nodes.heal();
            let healed = Instant::now();
            drop(term);
            let requests: Vec<Request> =
                writers.into_iter().flat_map(|writer| writer.join().expect("a writer")).collect();
            let heard: Vec<Heard> =
                observers.into_iter().map(|observer| observer.join().expect("an observer")).collect();
            (requests, heard, healed)
        });
        for planned in &round.faults {
            *self.faults.entry(kind(planned.fault)).or_default() += 1;
        }
        let agreement = agree(nodes, &names(), healed);
        self.agreements.push(agreement.after);
        self.links.push(agreement.linked_after);
        let figures = self.check(nodes, &requests, &heard, &agreement.values);
        say!(
            "  {} requests, {} acknowledged, {} indeterminate, {} at risk; agreed {:.2} s after healing, linked {:.2} s",
            figures.requests,
            figures.acknowledged,
            figures.indeterminate,
            figures.at_risk,
            agreement.after.as_secs_f64(),
            agreement.linked_after.as_secs_f64(),
        );
        self.values = agreement.values;
    }

    /// Holds what the nodes agreed on against what the writers were told.
    fn check(&mut self, nodes: &Nodes, requests: &[Request], heard: &[Heard], values: &[i64]) -> Figures {
        let lives = nodes.lives();
        let (ranges, figures) = ranges(&self.values, requests, &nodes.ends(), self.durability);
        let mut wrong = Vec::new();
        for (counter, (range, value)) in ranges.iter().zip(values).enumerate() {
            let proven =
                heard.iter().filter(|heard| heard.life == lives[heard.node]).map(|heard| heard.values[counter]);
            let lowest = range.lowest.max(proven.max().unwrap_or(i64::MIN));
            if *value < lowest || *value > range.highest {
                wrong.push(format!("{}: {value} is not within {lowest}..={}", name(counter), range.highest));
            }
            if owner(counter).is_some() {
                let own: Vec<Request> = requests.iter().filter(|request| request.counter == counter).copied().collect();
                self.own_at_risk += lost(self.values[counter], &own, lowest).0;
                let (increments, stretch) = lost(self.values[counter], &own, *value);
                self.own_lost += increments;
                self.longest_lost = self.longest_lost.max(stretch);
            }
        }
        assert!(wrong.is_empty(), "in thousandths, with {figures:?}:\n{}", wrong.join("\n"));
        self.total.requests += figures.requests;
        self.total.acknowledged += figures.acknowledged;
        self.total.indeterminate += figures.indeterminate;
        self.total.at_risk += figures.at_risk;
        figures
    }

    fn tell(&self, nodes: &Nodes, elapsed: Duration) {
        let Figures { requests, acknowledged, indeterminate, at_risk } = self.total;
        let dropped = nodes.network().dropped();
        let count = |name: &str, value: &dyn Display| say!("  {value:>9}  {name}");
        say!("drill: {} rounds in {:.0} s", self.rounds, elapsed.as_secs_f64());
        count("requests", &requests);
        count("acknowledged", &acknowledged);
        count("indeterminate: counted at most once", &indeterminate);
        count("acknowledged by a node that was killed, when its kill may lose them: counted at most once", &at_risk);
        count("of those on writers' own counters, not read elsewhere before the kill", &self.own_at_risk);
        count("of those lost", &self.own_lost);
        count("milliseconds: the longest stretch lost of one writer's", &self.longest_lost.as_millis());
        count("readings while counting, none above what was asked for", &self.readings.load(Ordering::Relaxed));
        count("packets dropped", &dropped);
        for (kind, faults) in &self.faults {
            count(kind, faults);
        }
        let late = self.agreements.iter().filter(|after| **after > TARGET).count();
        count("seconds to agreement after healing, shown each", &seconds(&self.agreements));
        count("of them over the target of 3 s", &late);
        count("seconds until all links stood again, shown each", &seconds(&self.links));
        assert!(acknowledged > 1000 && dropped > 100, "the drill was none");
    }
}

fn seconds(durations: &[Duration]) -> String {
    durations.iter().map(|duration| format!("{:.2}", duration.as_secs_f64())).collect::<Vec<_>>().join(" ")
}

const fn kind(fault: Fault) -> &'static str {
    match fault {
        Fault::Cut(..) => "pairs cut both ways",
        Fault::CutOneWay(..) => "pairs cut one way",
        Fault::Isolated(_) => "nodes isolated",
        Fault::Loss(_) => "losses of 30% everywhere",
        Fault::Stopped(_) => "nodes stopped and continued",
        Fault::Killed(_) => "nodes killed and restarted",
    }
}

/// Lets a round's faults begin and end when they are due.
fn carry_out(nodes: &Nodes, round: &Round) {
    let begins = round.faults.iter().map(|planned| (planned.begin, true, planned.fault));
    let ends = round.faults.iter().filter_map(|planned| Some((planned.end?, false, planned.fault)));
    let mut events: Vec<(Duration, bool, Fault)> = begins.chain(ends).collect();
    // What ends the moment it begins ends after that.
    events.sort_by_key(|(at, is_begin, _)| (*at, !is_begin));
    let begin = Instant::now();
    for (at, is_begin, fault) in events {
        sleep_until(begin, at);
        if is_begin { nodes.begin(fault) } else { nodes.end(fault) }
    }
    sleep_until(begin, round.length);
}
