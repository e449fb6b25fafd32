//! Counters that somebody has opened: while that lasts, the table counts what is announced of them, how often, and how far what had
//! been expected was from what came. Nothing of that is kept of counters that nobody looks at.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::busiest::rate;
use crate::base::{Amount, Moment, Monotonic, Name};
use crate::command::Environment;
use crate::counter::{Observation, Table};

/// The most that are observed at once.
const MOST: usize = 64;
/// Nobody has asked for so long: it is closed.
const CLOSED_AFTER: Duration = Duration::from_secs(10);
/// Rates are told of the last two seconds.
const READINGS: usize = 9;

/// What was seen of one counter since it was opened.
#[derive(Clone, Debug)]
pub(super) struct Observed {
    asked_at: Monotonic,
    /// When it was opened, in milliseconds since 1970.
    pub(super) since_ms: u64,
    readings: VecDeque<(Amount, Monotonic)>,
    /// What was counted of it since then, as of when it was asked for.
    pub(super) counted: Observation,
}

#[derive(Debug, Default)]
pub(super) struct Opened(HashMap<Box<[u8]>, Observed>);

impl Opened {
    /// Somebody asks for this counter, so it is observed for a while.
    pub(super) fn ask(&mut self, name: &[u8], environment: &Environment, now: Moment) -> Option<Observed> {
        if !self.0.contains_key(name) && self.0.len() < MOST {
            self.0.insert(name.into(), Observed::new(now));
            self.look_at(name, environment, now);
        }
        let observed = self.0.get_mut(name)?;
        observed.asked_at = now.monotonic;
        observed.counted =
            Name::new(name).ok().and_then(|name| environment.table.observation(name)).unwrap_or_default();
        Some(observed.clone())
    }

    /// To be called a few times a second.
    pub(super) fn look(&mut self, environment: &Environment, now: Moment) {
        let table: &Table = &environment.table;
        self.0.retain(|name, observed| {
            let is_open = now.monotonic.since(observed.asked_at) < CLOSED_AFTER;
            if let (false, Ok(name)) = (is_open, Name::new(name)) {
                table.stop_observing(name);
            }
            is_open
        });
        let names: Vec<Box<[u8]>> = self.0.keys().cloned().collect();
        for name in names {
            self.look_at(&name, environment, now);
        }
    }

    fn look_at(&mut self, name: &[u8], environment: &Environment, now: Moment) {
        let (Some(observed), Ok(name)) = (self.0.get_mut(name), Name::new(name)) else { return };
        let Some(value) = environment.table.read(name, now.monotonic) else { return };
        if environment.table.begin_observing(name) {
            // Opened, or made anew since then.
            observed.since_ms = now.wall.0;
        }
        if observed.readings.len() == READINGS {
            observed.readings.pop_front();
        }
        observed.readings.push_back((value, now.monotonic));
    }
}

impl Observed {
    fn new(now: Moment) -> Self {
        Self {
            asked_at: now.monotonic,
            since_ms: now.wall.0,
            readings: VecDeque::new(),
            counted: Observation::default(),
        }
    }

    /// What the value moved in a second, lately.
    pub(super) fn rate(&self) -> Option<f64> {
        let (first, last) = (self.readings.front()?, self.readings.back()?);
        (last.1.since(first.1) >= Duration::from_millis(200)).then(|| rate(*first, *last))
    }

    /// Whether this node has counted on it, and there was somebody to tell.
    pub(super) fn is_told_from_here(&self) -> bool {
        self.counted.changes_made > 0 || self.counted.records_sent > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::WallMillis;
    use crate::http::testing;

    fn moment(millis: u64) -> Moment {
        Moment { monotonic: Monotonic::from_nanos(millis * 1_000_000), wall: WallMillis(millis) }
    }

    #[test]
    fn a_counter_is_observed_from_when_it_is_opened_until_nobody_asks() {
        let environment = testing::environment();
        let name = Name::new(b"a").expect("a name");
        let mut opened = Opened::default();
        let by = |amount: i64| Amount::parse(amount.to_string().as_bytes()).expect("an amount");
        environment.table.increment(name, by(5), moment(1_000).monotonic).expect("counted");
        let first = opened.ask(b"a", &environment, moment(1_000)).expect("room");
        assert_eq!((first.rate(), first.since_ms), (None, 1_000));
        for millis in [1_250, 1_500, 1_750, 2_000] {
            environment.table.increment(name, by(25), moment(millis).monotonic).expect("counted");
            opened.look(&environment, moment(millis));
        }
        let seen = opened.ask(b"a", &environment, moment(2_000)).expect("it is there");
        assert_eq!(seen.rate(), Some(100.0));
        opened.look(&environment, moment(13_000));
        assert_eq!(opened.0.len(), 0);
    }

    #[test]
    fn whatever_comes_between_two_looks_is_counted() {
        let environment = testing::environment();
        let table = &environment.table;
        table.set_members(2);
        let name = Name::new(b"a").expect("a name");
        let burst = |millis: u64| {
            for _ in 0..5 {
                table.increment(name, Amount::ONE, moment(millis).monotonic).expect("counted");
            }
            table.drain(100, moment(millis).monotonic, &mut Vec::new());
        };
        burst(1_000);
        let mut opened = Opened::default();
        let first = opened.ask(b"a", &environment, moment(1_000)).expect("room").counted;
        assert_eq!((first.changes_made, first.records_sent), (0, 0), "of before it was opened");
        for millis in 1_001..1_010 {
            burst(millis);
        }
        let seen = opened.ask(b"a", &environment, moment(1_100)).expect("it is there");
        assert_eq!((seen.counted.changes_made, seen.counted.records_sent), (45, 9));
        opened.look(&environment, moment(20_000));
        assert_eq!(table.observation(name), None, "nobody has it open");
    }

    #[test]
    fn no_more_are_observed_than_there_is_room_for() {
        let environment = testing::environment();
        let mut opened = Opened::default();
        for number in 0..MOST {
            assert!(opened.ask(number.to_string().as_bytes(), &environment, moment(1)).is_some());
        }
        assert!(opened.ask(b"one more", &environment, moment(1)).is_none());
        assert!(opened.ask(b"0", &environment, moment(1)).is_some());
    }
}
