//! The increment alone, without sockets: the processor time that the counting thread itself spends on it while
//! another thread publishes. Other threads and other programs hardly disturb it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use discnt::base::{Amount, Incarnation, Moment, Monotonic, Name, NodeId, ReplicaId, ReplicaIndex};
use discnt::command::{
    ClientAddress, Environment, Exclusion, Publisher, Session, Settings, Statistics, SubscriptionLimits, Subscriptions,
    execute,
};
use discnt::counter::{Config, Table, TableSettings};
use discnt::resp::{Decoder, Limits};

use super::support::{Outcome, least, median, most};
use super::{Plan, ROWS, Row, load};

/// Increments in one measurement.
const INCREMENTS: usize = 1_000_000;
/// Publishing turns between two times that the clients take what waits for them.
const TURNS: u32 = 10;

struct Node {
    environment: Environment,
    sessions: Mutex<Vec<Session>>,
    begun: Instant,
}

/// Prints a row for each kind of subscribers.
pub(crate) fn measure(plan: &Plan) -> Outcome<()> {
    let node = Node::new(plan)?;
    println!(
        "\n{:32} {:>10} {:>13} {:>6} {:>14}",
        "increment, without sockets", "none ns", "subscribed ns", "ratio", "spread"
    );
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| node.publish(&stop));
        let measured = ROWS.iter().try_for_each(|row| measure_row(plan, &node, row));
        stop.store(true, Ordering::Relaxed);
        measured
    })
}

fn measure_row(plan: &Plan, node: &Node, row: &Row) -> Outcome<()> {
    let subscribers = if row.all { plan.subscribers } else { 1 };
    let (mut none, mut subscribed) = (Vec::new(), Vec::new());
    for round in 0..plan.rounds {
        for with in [round % 2 == 0, round % 2 == 1] {
            if with {
                node.say(subscribers, row.request)?;
            }
            // A second until every shard was held against what is new, or has forgotten what was.
            thread::sleep(Duration::from_millis(1500));
            let nanos = node.count(plan.counters, u64::from(round))?;
            if with {
                node.say(subscribers, |_| row.end.to_owned())?;
                subscribed.push(nanos);
            } else {
                none.push(nanos);
            }
        }
    }
    let ratios: Vec<f64> = none.iter().zip(&subscribed).map(|(none, with)| with / none).collect();
    println!(
        "{:32} {:>10.1} {:>13.1} {:>6.3} {:>14}",
        row.heading,
        median(none.iter().copied()),
        median(subscribed.iter().copied()),
        median(ratios.iter().copied()),
        format!("{:.3} to {:.3}", least(&ratios), most(&ratios)),
    );
    Ok(())
}

impl Node {
    fn new(plan: &Plan) -> Outcome<Self> {
        let limits = SubscriptionLimits { unsent_messages: 10_000_000, ..SubscriptionLimits::default() };
        let environment = Environment {
            table: Arc::new(Table::new(TableSettings {
                config: Config::default(),
                lease: Duration::from_secs(3),
                replica: ReplicaId { node: NodeId::new([7; 20]), incarnation: Incarnation(1) },
                replica_index: ReplicaIndex(0),
                hash_seeds: [1, 2, 3, 4],
                wake: Box::new(|| {}),
            })),
            cluster: Arc::default(),
            clients: Arc::default(),
            subscriptions: Arc::new(Subscriptions::new(limits)),
            statistics: Arc::new(Statistics::new(1)),
            settings: Settings::default(),
            process: Arc::default(),
            persistence: Arc::default(),
            observation: Arc::default(),
            exclusion: Arc::new(Exclusion::new(1)),
        };
        let session = |_| Session::new(&environment, ClientAddress::default(), 0, Monotonic::ZERO);
        let sessions = (0..plan.subscribers).map(session).collect();
        for number in 0..plan.counters {
            environment.table.increment(Name::new(load::name(number).as_bytes())?, Amount::ONE, Monotonic::ZERO)?;
        }
        Ok(Self { environment, sessions: Mutex::new(sessions), begun: Instant::now() })
    }

    fn now(&self) -> Moment {
        Moment { monotonic: Monotonic::from_nanos(self.begun.elapsed().as_nanos() as u64), ..Moment::default() }
    }

    fn say(&self, subscribers: usize, request: impl Fn(usize) -> String) -> Outcome<()> {
        let mut sessions = self.sessions.lock().map_err(|_| "the publishing thread panicked")?;
        let mut decoder = Decoder::new(Limits::default());
        for (number, session) in sessions.iter_mut().take(subscribers).enumerate() {
            let request = request(number).into_bytes();
            decoder.decode(&request)?.ok_or("half a request")?;
            execute(&self.environment, session, decoder.arguments(&request), self.now());
        }
        Ok(())
    }

    fn publish(&self, stop: &AtomicBool) {
        let mut publisher = Publisher::new(Arc::clone(&self.environment.subscriptions), self.now().monotonic);
        let mut turns: u32 = 0;
        while !stop.load(Ordering::Relaxed) {
            while publisher.turn(&self.environment.table, self.now().monotonic) {}
            turns += 1;
            if turns.is_multiple_of(TURNS)
                && let Ok(sessions) = self.sessions.lock()
            {
                for session in sessions.iter() {
                    // As a socket's buffer would be: of no further interest.
                    let _ = session.take_messages(usize::MAX, &mut Vec::new());
                }
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Increments at random. Answers the nanoseconds of this thread's processor time for each.
    fn count(&self, counters: usize, seed: u64) -> Outcome<f64> {
        let names: Vec<String> = (0..counters).map(load::name).collect();
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
        let before = thread_nanos()?;
        for _ in 0..INCREMENTS {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let name = Name::new(names[(state % counters as u64) as usize].as_bytes())?;
            self.environment.table.increment(name, Amount::ONE, self.now().monotonic)?;
        }
        Ok((thread_nanos()? - before) as f64 / INCREMENTS as f64)
    }
}

/// This thread's processor time: the first figure of the line.
fn thread_nanos() -> Outcome<u64> {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(line.split(' ').next().ok_or("no figure")?.parse()?)
}
