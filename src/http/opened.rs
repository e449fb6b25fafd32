//! Counters that somebody has opened, observed while that lasts: what was announced of them, how often, and how far what had
//! been expected was from what came. Nothing of that is kept of counters that nobody looks at.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::busiest::rate;
use crate::base::{Amount, Moment, Monotonic, Name, ReplicaIndex, Total};
use crate::command::Environment;
use crate::counter::{Examination, Forecast, HeldShare};

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
    /// When the own share was last announced, and how many increments there were since.
    told: Option<(Monotonic, u32)>,
    /// Increments of this node's that were seen, and announcements of its share.
    pub(super) changes_made: u64,
    pub(super) records_sent: u64,
    held: HashMap<ReplicaIndex, Held>,
}

/// What was seen of another replica's share.
#[derive(Clone, Debug)]
pub(super) struct Held {
    revision: u64,
    forecast: Forecast,
    pub(super) records_received: u64,
    /// What came last, less what had been expected at that moment.
    pub(super) last_error: Option<Total>,
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
        Some(observed.clone())
    }

    /// To be called a few times a second.
    pub(super) fn look(&mut self, environment: &Environment, now: Moment) {
        self.0.retain(|_, observed| now.monotonic.since(observed.asked_at) < CLOSED_AFTER);
        let names: Vec<Box<[u8]>> = self.0.keys().cloned().collect();
        for name in names {
            self.look_at(&name, environment, now);
        }
    }

    fn look_at(&mut self, name: &[u8], environment: &Environment, now: Moment) {
        let (Some(observed), Ok(name)) = (self.0.get_mut(name), Name::new(name)) else { return };
        let Some(found) = environment.table.examine(name, now.monotonic) else { return };
        if observed.readings.len() == READINGS {
            observed.readings.pop_front();
        }
        observed.readings.push_back((found.value, now.monotonic));
        if let Some(knowledge) = environment.table.predictor_knowledge(name) {
            observed.see_own(knowledge.believed.since, knowledge.increments);
        }
        observed.see_others(&found, now.monotonic);
    }
}

impl Observed {
    fn new(now: Moment) -> Self {
        Self {
            asked_at: now.monotonic,
            since_ms: now.wall.0,
            readings: VecDeque::new(),
            told: None,
            changes_made: 0,
            records_sent: 0,
            held: HashMap::new(),
        }
    }

    /// What the value moved in a second, lately.
    pub(super) fn rate(&self) -> Option<f64> {
        let (first, last) = (self.readings.front()?, self.readings.back()?);
        (last.1.since(first.1) >= Duration::from_millis(200)).then(|| rate(*first, *last))
    }

    /// Whether anything is known of how this node's own share moves.
    pub(super) fn is_predicted_here(&self) -> bool {
        self.told.is_some()
    }

    pub(super) fn of(&self, replica: ReplicaIndex) -> Option<&Held> {
        self.held.get(&replica)
    }

    fn see_own(&mut self, told_at: Monotonic, increments: u32) {
        match self.told.replace((told_at, increments)) {
            None => {}
            Some((before, had)) if before == told_at => {
                self.changes_made += u64::from(increments.saturating_sub(had));
            }
            // There may have been more than one; what is seen is one, and the increment that it was about.
            Some(_) => {
                self.records_sent += 1;
                self.changes_made += u64::from(increments) + 1;
            }
        }
    }

    fn see_others(&mut self, found: &Examination, now: Monotonic) {
        for share in found.state.others() {
            let forecast = forecast_of(&share, now);
            let Some(held) = self.held.get_mut(&share.replica) else {
                let held = Held { revision: share.share.revision, forecast, records_received: 0, last_error: None };
                self.held.insert(share.replica, held);
                continue;
            };
            if held.revision != share.share.revision {
                let expected = held.forecast.at(forecast.since).units();
                let error = share.share.total.units().saturating_sub(expected);
                held.last_error = Some(Total::from_units(error));
                held.records_received += 1;
                (held.revision, held.forecast) = (share.share.revision, forecast);
            }
        }
    }
}

fn forecast_of(share: &HeldShare, now: Monotonic) -> Forecast {
    match share.forecast.as_ref() {
        Some(forecast) => *forecast,
        None => Forecast::exact(share.share.total, now),
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
    fn announcements_are_held_against_increments() {
        let mut observed = Observed::new(moment(0));
        observed.see_own(Monotonic::from_nanos(1), 3);
        assert_eq!((observed.changes_made, observed.records_sent), (0, 0), "of before it was opened");
        observed.see_own(Monotonic::from_nanos(1), 10);
        observed.see_own(Monotonic::from_nanos(2), 4);
        assert_eq!((observed.changes_made, observed.records_sent), (12, 1));
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
