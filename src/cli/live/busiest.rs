//! Which counters change most, of those that were seen changing.

use std::collections::HashMap;
use std::time::Instant;

use super::plot::Series;
use crate::base::Amount;

/// How many are followed.
pub(super) const FOLLOWED: usize = 200;
/// After so many readings without a change, one is followed no longer.
const PATIENCE: u32 = 60;
/// How much the latest reading weighs in what counters are ordered by: a moment's pause is no reason to move.
const WEIGHT: f64 = 0.4;

/// A value, and when it was read.
pub(super) type Reading = (Amount, Instant);

/// A counter that is followed.
#[derive(Clone, Debug)]
pub(super) struct Mover {
    /// Its name.
    pub(super) name: Vec<u8>,
    /// What it stands at.
    pub(super) value: Amount,
    /// How much it changes in a second.
    pub(super) rate: f64,
    /// The rates since it was found.
    pub(super) rates: Series,
    read: Instant,
    /// What it is ordered by.
    weight: f64,
    quiet: u32,
}

/// The counters that are followed.
#[derive(Debug, Default)]
pub(super) struct Busiest {
    movers: HashMap<Vec<u8>, Mover>,
}

impl Busiest {
    /// A counter was read twice. It is followed if it changed, as long as there is room.
    pub(super) fn offer(&mut self, name: &[u8], before: Reading, now: Reading) {
        let rate = rate(before, now);
        if rate == 0.0 || self.movers.contains_key(name) {
            return;
        }
        let mut rates = Series::default();
        rates.push(rate);
        let (value, read) = now;
        let name = name.to_vec();
        let mover = Mover { name: name.clone(), value, rate, rates, read, weight: rate.abs(), quiet: 0 };
        self.movers.insert(name, mover);
    }

    /// What is followed, to be read again.
    pub(super) fn names(&self) -> Vec<Vec<u8>> {
        self.movers.keys().cloned().collect()
    }

    /// One that is followed was read again; it may be gone.
    pub(super) fn read(&mut self, name: &[u8], value: Option<Amount>, now: Instant) {
        let Some(value) = value else {
            self.movers.remove(name);
            return;
        };
        let Some(mover) = self.movers.get_mut(name) else { return };
        mover.rate = rate((mover.value, mover.read), (value, now));
        mover.rates.push(mover.rate);
        mover.weight += WEIGHT * (mover.rate.abs() - mover.weight);
        mover.quiet = if mover.rate == 0.0 { mover.quiet + 1 } else { 0 };
        (mover.value, mover.read) = (value, now);
    }

    /// Lets go of those that stand still, and of the slowest beyond [`FOLLOWED`].
    pub(super) fn trim(&mut self) {
        self.movers.retain(|_, mover| mover.quiet < PATIENCE);
        if self.movers.len() > FOLLOWED {
            let kept = self.best(FOLLOWED).into_iter().map(|mover| (mover.name.clone(), mover)).collect();
            self.movers = kept;
        }
    }

    /// The so many that change most, the fastest first.
    pub(super) fn best(&self, count: usize) -> Vec<Mover> {
        let mut all: Vec<&Mover> = self.movers.values().collect();
        all.sort_unstable_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.name.cmp(&b.name)));
        all.into_iter().take(count).cloned().collect()
    }
}

fn rate((before, then): Reading, (value, now): Reading) -> f64 {
    if value == before {
        return 0.0;
    }
    (value.to_f64() - before.to_f64()) / now.saturating_duration_since(then).as_secs_f64().max(0.001)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    fn names(busiest: &Busiest, count: usize) -> Vec<String> {
        busiest.best(count).into_iter().map(|mover| String::from_utf8(mover.name).expect("UTF-8")).collect()
    }

    #[test]
    fn those_that_change_most_come_first_whatever_the_direction() {
        let (mut busiest, begin) = (Busiest::default(), Instant::now());
        for (name, change) in [("still", 0), ("slow", 1), ("down", -50), ("fast", 100)] {
            let now = (Amount::from(1000 + change), begin + SECOND);
            busiest.offer(name.as_bytes(), (Amount::from(1000), begin), now);
        }
        assert_eq!(names(&busiest, 9), ["fast", "down", "slow"]);
        // The fast one stops: it sinks, and is let go of in the end.
        for reading in 2..100 {
            let now = begin + SECOND * reading;
            busiest.read(b"fast", Some(Amount::from(1100)), now);
            busiest.read(b"slow", Some(Amount::from(1000 + i64::from(reading))), now);
            busiest.read(b"down", (reading < 10).then(|| Amount::from(950 - 50 * i64::from(reading))), now);
            busiest.trim();
            if reading == 6 {
                assert_eq!(names(&busiest, 2), ["down", "fast"]);
            }
        }
        assert_eq!(names(&busiest, 9), ["slow"]);
        assert_eq!(busiest.best(1)[0].rate, 1.0);
    }

    #[test]
    fn no_more_than_some_are_followed() {
        let (mut busiest, begin) = (Busiest::default(), Instant::now());
        for change in 1..=3 * FOLLOWED as i64 {
            let now = (Amount::from(change), begin + SECOND);
            busiest.offer(format!("{change:04}").as_bytes(), (Amount::from(0), begin), now);
        }
        busiest.trim();
        assert_eq!(busiest.names().len(), FOLLOWED);
        assert_eq!(names(&busiest, 2), ["0600", "0599"]);
    }
}
