//! One random history: clients, faults, healing, and what must be true then.

use crate::Tally;
use crate::judge::Judge;
use crate::ledger::Ledger;
use crate::odds::Odds;
use crate::oracle::Oracle;
use crate::random::Random;
use crate::world::World;
use discnt::base::{Amount, Monotonic, Name};
use discnt::counter::Precision;
use std::time::Duration;

const KEYS: [&str; 3] = ["apples", "pears", "plums"];
/// Streams at a time.
const MOST_STREAMS: usize = 6;
/// From the last fault to the same exact value everywhere: lost links are found out about, dialled, and repaired.
const HEALING: Duration = Duration::from_secs(14);

/// What happened in all histories together.
#[derive(Default, Debug)]
pub(crate) struct Figures {
    pub(crate) increments: u64,
    pub(crate) assignments: u64,
    pub(crate) crashes: u64,
    pub(crate) cuts: u64,
    pub(crate) flaps: u64,
    pub(crate) pauses: u64,
    pub(crate) partings: u64,
    pub(crate) streams: u64,
    pub(crate) rates: u64,
    pub(crate) lost: u64,
    pub(crate) given_up: u64,
}

impl Tally for Figures {
    fn add(&mut self, other: &Self) {
        self.increments += other.increments;
        self.assignments += other.assignments;
        self.crashes += other.crashes;
        self.cuts += other.cuts;
        self.flaps += other.flaps;
        self.pauses += other.pauses;
        self.partings += other.partings;
        self.streams += other.streams;
        self.rates += other.rates;
        self.lost += other.lost;
        self.given_up += other.given_up;
    }
}

/// Increments that come to one counter of one node at a steady pace.
struct Stream {
    at: usize,
    key: &'static str,
    amount: i64,
    pace: Duration,
    next: Monotonic,
    left: u64,
}

struct History {
    random: Random,
    odds: Odds,
    world: World,
    judge: Judge,
    figures: Figures,
    streams: Vec<Stream>,
    /// Nodes that have not met the others yet, or were parted from them.
    strangers: Vec<usize>,
    /// Those of them that nobody uses until they have met the others.
    idle: Vec<usize>,
    /// When somebody was last told to meet another.
    met_at: Monotonic,
}

/// Lives through one history. Answers what disagreed.
pub(crate) fn live(seed: u64) -> Result<Figures, String> {
    let mut random = Random::new(seed);
    let nodes = random.between(2, 7) as usize;
    let odds = Odds::draw(&mut random);
    let mut world = World::new(seed, nodes, odds.loss);
    world.set_slowest(odds.slowest);
    let judge =
        if random.unit() < 0.5 { Judge::Oracle(Oracle::new(&KEYS)) } else { Judge::Ledger(Ledger::new(&KEYS, nodes)) };
    let (figures, streams, strangers, idle) = (Figures::default(), Vec::new(), Vec::new(), Vec::new());
    let mut history =
        History { random, odds, world, judge, figures, streams, strangers, idle, met_at: Monotonic::ZERO };
    history.begin();
    for _ in 0..300 {
        history.operate();
        history.break_something();
        history.wait();
        if let Some(complaint) = history.judge.complaint() {
            return Err(complaint.clone());
        }
    }
    history.heal();
    history.judge_all()?;
    history.give_up()?;
    Ok(history.figures)
}

impl History {
    fn any_node(&mut self) -> usize {
        self.random.below(self.world.nodes() as u64) as usize
    }

    fn begin(&mut self) {
        for at in 1..self.world.nodes() {
            if self.random.unit() < 0.15 {
                self.strangers.push(at);
                if self.random.unit() < 0.5 {
                    self.idle.push(at);
                }
            } else {
                self.world.meet(at, 0);
            }
        }
        // A wider precision is gone by once all have heard of it, which takes a while.
        for key in KEYS {
            if self.random.unit() < 5.0 * self.odds.stream {
                let precision = self.random.pick(&[20, 100]);
                self.set_precision(0, key, precision);
            }
        }
        self.world.run_for(Duration::from_secs(2), self.judge.witness());
    }

    fn operate(&mut self) {
        let (at, key) = (self.any_node(), self.random.pick(&KEYS));
        let state = self.world.inspect(at, key).unwrap_or_default();
        self.figures.rates += u64::from(state.others().any(|held| held.forecast.is_some()));
        if self.world.is_paused(at) || self.idle.contains(&at) {
            return;
        }
        let Odds { assign, delete, precision, stream, small, .. } = self.odds;
        // What two clusters deleted and set before they met has no common order; what they counted is simply added.
        // The same goes for a node that was parted from the others, or has lost its memory, and does not yet know again
        // what was deleted.
        let may_assign = !self.strangers.contains(&at) && !self.world.is_ignorant(at);
        let choice = self.random.unit();
        if choice < assign && may_assign {
            let value = self.random.between(0, 100) as i64 - 50;
            self.assign(at, key, Some(value));
        } else if choice < assign + delete && may_assign {
            self.assign(at, key, None);
        } else if choice < assign + delete + precision {
            let precision = self.random.pick(&[0, 1, 5, 20, 100]);
            self.set_precision(at, key, precision);
        } else if choice > 1.0 - stream && matches!(self.judge, Judge::Oracle(_)) && self.streams.len() < MOST_STREAMS {
            self.begin_stream(at, key);
        } else if choice > 0.5 {
            let amount = if small { self.random.pick(&[1, -1]) } else { self.random.between(0, 14) as i64 - 5 };
            self.judge.increment(&mut self.world, at, key, amount);
            self.figures.increments += 1;
        }
    }

    fn assign(&mut self, at: usize, key: &'static str, value: Option<i64>) {
        self.judge.assign(&mut self.world, at, key, value);
        self.figures.assignments += 1;
    }

    fn set_precision(&mut self, at: usize, key: &'static str, precision: i64) {
        let precision = Precision::new(Amount::from(precision)).expect("not negative");
        let name = Name::new(key.as_bytes()).expect("short");
        self.world.node(at).table().set_precision(name, precision, self.world.moment(at)).expect("room");
    }

    /// Steady arrivals, mostly of a counter whose precision makes predictions worth while.
    fn begin_stream(&mut self, at: usize, key: &'static str) {
        if self.random.unit() < 0.3 {
            let precision = self.random.pick(&[5, 20, 100]);
            self.set_precision(at, key, precision);
        }
        let (amount, pace) = (self.random.pick(&[1, 1, 1, -1, 3]), self.random.pick(&[500, 2_000, 10_000, 20_000]));
        let (pace, left) = (Duration::from_micros(pace), self.random.between(50, 500));
        self.streams.push(Stream { at, key, amount, pace, next: self.world.now, left });
        self.figures.streams += 1;
    }

    /// Lets time pass, and the streams flow.
    fn run_for(&mut self, duration: Duration) {
        let end = self.world.now.after(duration);
        loop {
            let next = (0..self.streams.len()).min_by_key(|at| self.streams[*at].next);
            let Some(next) = next.filter(|at| self.streams[*at].next <= end) else { break };
            let Stream { at, key, amount, pace, next: due, left } = self.streams[next];
            self.world.run_for(due.since(self.world.now), self.judge.witness());
            if self.world.is_paused(at) || left == 0 {
                self.streams.swap_remove(next);
                continue;
            }
            let spread = self.random.unit() + 0.5;
            self.judge.increment(&mut self.world, at, key, amount);
            self.figures.increments += 1;
            let stream = &mut self.streams[next];
            (stream.next, stream.left) = (due.after(pace.mul_f64(spread)), left - 1);
        }
        self.world.run_for(end.since(self.world.now), self.judge.witness());
    }

    fn break_something(&mut self) {
        let (mut at, other) = (self.any_node(), self.any_node());
        if let Some(stream) = self.streams.first().filter(|_| self.random.unit() < 0.5) {
            // Where increments flow most is at stake.
            at = stream.at;
        }
        if self.random.unit() < self.odds.crash {
            // Where one falls the next may follow.
            let mut falls = at;
            while self.may_fall(falls) {
                let noticed_at_once = self.random.unit() < 0.5;
                self.figures.lost += self.judge.crash(&mut self.world, falls, noticed_at_once);
                self.figures.crashes += 1;
                if self.random.unit() < 0.5 {
                    self.streams.retain(|stream| stream.at != falls);
                }
                if self.random.unit() < 0.7 {
                    break;
                }
                falls = self.any_node();
            }
        }
        if self.random.unit() < self.odds.cut {
            self.figures.cuts += 1;
            if self.random.unit() < 0.6 {
                let (one_way, at_once) = (self.random.unit() < 0.3, self.random.unit() < 0.5);
                self.world.cut(at, other, one_way, at_once);
            } else {
                self.world.heal_all();
            }
        }
        if at != other && self.random.unit() < self.odds.flap {
            self.world.flap(at, other);
            self.figures.flaps += 1;
        }
        if self.random.unit() < self.odds.pause {
            let (seconds, at_once) = (self.random.pick(&[1, 2, 2, 5, 12, 40]), self.random.unit() < 0.3);
            self.world.pause(at, Duration::from_secs(seconds), at_once);
            self.figures.pauses += 1;
        }
        if self.random.unit() < self.odds.part {
            self.part(at, other);
        }
        self.strangers.retain(|other| !self.world.is_at_home(*other));
        self.idle.retain(|other| self.strangers.contains(other));
        if self.random.unit() < 0.02 {
            self.introduce_one();
        }
    }

    /// What was given up while somebody was away is known only to those that were not: one of them must remember it.
    fn may_fall(&self, at: usize) -> bool {
        let nodes = 0..self.world.nodes();
        let remembers =
            |other: usize| other != at && !self.strangers.contains(&other) && !self.world.is_ignorant(other);
        !nodes.clone().any(|other| self.world.is_away(other)) || nodes.clone().any(remembers)
    }

    /// `other` has `at` forgotten, or `at` leaves. What it alone knows to be set or deleted would have no common order
    /// with what the others do from then on.
    fn part(&mut self, at: usize, other: usize) {
        let is_unfit =
            |at: usize| self.strangers.contains(&at) || self.world.is_paused(at) || self.world.is_ignorant(at);
        let knows_more = KEYS.iter().any(|key| !self.world.is_known_by_all(at, key));
        let is_met = self.world.now.since(self.met_at) < Duration::from_secs(1)
            || self.strangers.iter().any(|stranger| self.world.are_members(at, *stranger));
        if at == 0 || at == other || is_unfit(at) || is_unfit(other) || knows_more || is_met {
            return;
        }
        if self.random.unit() < 0.6 {
            self.world.forget(other, at)
        } else {
            self.world.reset(at, false);
            // It leaves once the others have its last words, or have had the time for it.
            self.world.run_for(Duration::from_secs(3), self.judge.witness());
        }
        self.world.send_away(at);
        self.strangers.push(at);
        self.figures.partings += 1;
    }

    /// Nodes that have never met the others, and those that were parted from them, may meet each other first.
    fn introduce_one(&mut self) {
        if self.strangers.is_empty() {
            return;
        }
        let (stranger, other) = (self.random.pick(&self.strangers), self.any_node());
        if stranger != other && !self.world.is_paused(stranger) {
            if self.world.is_away(stranger) || self.world.is_away(other) {
                self.send_away_all_with([stranger, other]);
            }
            self.world.meet(stranger, other);
            self.met_at = self.world.now;
        }
    }

    /// What one of those that meet has that the others have given up meanwhile, all of them have then.
    fn send_away_all_with(&mut self, those: [usize; 2]) {
        let mut company: Vec<usize> = those.into_iter().filter(|at| self.strangers.contains(at)).collect();
        while let Some(at) = company.pop() {
            self.world.send_away(at);
            let knows =
                |one: usize, other: usize| self.world.are_members(one, other) || self.world.are_members(other, one);
            let is_with = |other: &&usize| !self.world.is_away(**other) && knows(at, **other);
            company.extend(self.strangers.iter().filter(is_with));
        }
    }

    fn wait(&mut self) {
        let pause = self.random.pick(&[0, 1, 3, 20, 100, 700]);
        let pause = if self.odds.crowded && pause >= 20 {
            // All nodes began at a full second, and look around at every one since then.
            let to_the_second = 1_000_000_000 - self.world.now.as_nanos() % 1_000_000_000;
            Duration::from_nanos(to_the_second).saturating_sub(Duration::from_micros(self.random.below(7_000)))
        } else {
            Duration::from_millis(pause)
        };
        self.run_for(pause);
    }

    fn heal(&mut self) {
        self.streams.clear();
        self.world.heal_all();
        self.world.set_loss(0.0);
        self.world.set_slowest(Duration::from_millis(6));
        if self.figures.partings > 0 {
            // A meeting is of no use to who does not know yet what it undoes.
            self.world.run_for(Duration::from_secs(6), self.judge.witness());
        }
        // Some have never met, and a meeting may have failed.
        for at in 1..self.world.nodes() {
            self.world.meet(at, 0);
        }
        self.world.run_for(HEALING, self.judge.witness());
        self.strangers.retain(|other| !self.world.is_at_home(*other));
        assert!(self.strangers.is_empty(), "{:?} have not found their way back", self.strangers);
        // Those that were away are looked at from now on.
        self.world.run_for(Duration::from_millis(1100), self.judge.witness());
    }

    fn judge_all(&self) -> Result<(), String> {
        let nodes = self.world.nodes();
        for key in KEYS {
            let values: Vec<_> = (0..nodes).map(|node| self.world.read(node, key)).collect();
            if values.iter().any(|value| *value != values[0]) {
                return Err(format!("{key}: nodes disagree, they read {values:?}\n{}", self.world.describe(key)));
            }
            if let Err(text) = self.judge.verdict(&self.world, key, values[0]) {
                let read = values[0];
                return Err(format!("{key}: all nodes read {read:?}, {text}\n{}", self.world.describe(key)));
            }
        }
        self.judge.complaint().map_or(Ok(()), |complaint| Err(complaint.clone()))
    }

    /// A deleted counter leaves no trace once everybody knows, but for a precision, and where a replica ended with last
    /// words that nobody heard whole.
    fn give_up(&mut self) -> Result<(), String> {
        for key in KEYS {
            self.judge.assign(&mut self.world, 0, key, None);
        }
        self.world.run_for(Duration::from_secs(8), self.judge.witness());
        for key in KEYS {
            let states: Vec<_> = (0..self.world.nodes()).map(|node| self.world.inspect(node, key)).collect();
            let gone = states.iter().flatten().all(|state| {
                state.own().is_none()
                    && state.has_no_others()
                    && state.retired().is_empty()
                    && state.assignment().is_none()
            });
            if gone {
                self.figures.given_up += 1;
            } else if self.figures.crashes == 0 {
                return Err(format!("{key} was deleted and is not given up\n{}", self.world.describe(key)));
            }
        }
        for at in 0..self.world.nodes() {
            let table = self.world.node(at).table();
            let is_kept = |key: &&&str| self.world.inspect(at, key).is_some_and(|state| state.precision().is_some());
            let kept = KEYS.iter().filter(is_kept).count() as u64;
            if (self.figures.crashes == 0 && table.held() != kept) || table.waiting() > 0 || table.has_news() {
                let (held, waiting) = (table.held(), table.waiting());
                return Err(format!("node {at} holds {held} counters, not {kept}, and {waiting} announcements wait"));
            }
        }
        let pulls = self.world.pulls;
        self.world.run_for(Duration::from_secs(3), self.judge.witness());
        if self.world.pulls != pulls {
            return Err("with nothing going on, nodes still ask each other for what they lack".to_owned());
        }
        self.judge_all()
    }
}
