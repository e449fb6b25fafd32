//! How often what peers believe of own shares was right, and what telling them took.

use super::Band;
use super::entry::Counter;
use super::table::Table;
use crate::base::Total;

/// How often what the peers believe of own shares was right, and what telling them took.
///
/// Every increment of a counter is one of the first three.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PredictionOutcomes {
    /// Increments after which it was: nothing had to be said of them.
    pub hits: u64,
    /// Increments after which it was not, or there was no belief yet. Those of one counter until the next flush are told with
    /// one announcement.
    pub beyond: u64,
    /// Increments while there was nobody to tell.
    pub alone: u64,
    /// Own shares that were announced while there was somebody to hear it, each counted once, however many hear it.
    pub misses: u64,
    /// The squares of the bands that own shares left, one for each announcement of that.
    announced: f64,
    /// The variance of what was counted between the announcements, if increments came by chance: the sum of their squares.
    arrived: f64,
}

impl PredictionOutcomes {
    /// Increments of counters on this node.
    pub fn increments(&self) -> u64 {
        self.hits + self.beyond + self.alone
    }

    /// The part of the increments that took no announcement of their own, 0 to 1; none while nothing was announced.
    pub fn saved(&self) -> Option<f64> {
        let part = self.misses as f64 / self.increments().max(1) as f64;
        (self.misses > 0).then_some((1.0 - part).max(0.0))
    }

    /// Announcements against the fewest that can keep the promise if increments come by chance: announcements a second, times the
    /// square of the error allowed, over the variance of what comes in a second. What comes evenly takes fewer.
    pub fn eta(&self) -> Option<f64> {
        (self.arrived > 0.0).then_some(self.announced / self.arrived)
    }

    /// An own share is announced, with this total.
    pub(super) fn announce(&mut self, counter: &Counter, total: Total, band: Band) {
        self.misses += 1;
        let Some(active) = counter.active() else { return };
        let (increments, step) = active.predictor.since_announced(total);
        let allowed = band.to_f64();
        // Nobody can say less than everything where a single increment leaves the band.
        if allowed < step {
            return;
        }
        self.arrived += f64::from(increments) * step * step;
        // What is announced as it is new, quiet or asked for has not left its band.
        if !active.exact_wanted && counter.state.own().is_some_and(|share| share.born != 0) {
            self.announced += allowed * allowed;
        }
    }
}

impl Table {
    /// How often what the peers believe of own shares was right, since the start.
    pub fn prediction_outcomes(&self) -> PredictionOutcomes {
        let mut sum = PredictionOutcomes::default();
        for shard in self.shards() {
            let PredictionOutcomes { hits, beyond, alone, misses, announced, arrived } = shard.lock().outcomes;
            sum.hits += hits;
            sum.beyond += beyond;
            sum.alone += alone;
            sum.misses += misses;
            sum.announced += announced;
            sum.arrived += arrived;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::super::behaviour_tests::{MILLISECOND, SECOND, at, drained, increment, name, precision, table};

    #[test]
    fn every_increment_is_counted_once_and_every_announcement_once() {
        let table = table();
        table.set_members(1);
        increment(&table, "a", 1, SECOND);
        let outcomes = table.prediction_outcomes();
        assert_eq!((outcomes.increments(), outcomes.saved()), (1, None), "there is nobody to save anything for");
        table.set_members(2);
        drained(&table, SECOND);
        table.set_precision(name("b"), precision(0), at(SECOND)).expect("room");
        drained(&table, SECOND);
        for _ in 0..8 {
            increment(&table, "b", 1, SECOND);
        }
        drained(&table, SECOND + 5 * MILLISECOND);
        let outcomes = table.prediction_outcomes();
        // One for each counter, though eight increments were beyond what was believed.
        assert_eq!((outcomes.alone, outcomes.hits, outcomes.beyond, outcomes.misses), (1, 0, 8, 2));
        assert_eq!(outcomes.saved(), Some(1.0 - 2.0 / 9.0));
    }

    #[test]
    fn chance_arrivals_cost_little_more_announcements_than_they_must() {
        let table = table();
        table.set_precision(name("a"), precision(40), at(SECOND)).expect("room");
        table.settle_precisions(at(SECOND).monotonic);
        let (mut random, mut announced) = (1_u64, 0);
        for step in 0..120_000 {
            let now = SECOND + step * MILLISECOND;
            // One in two milliseconds or so, by chance.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if random >> 63 == 0 {
                increment(&table, "a", 1, now);
            }
            table.run_timers(at(now).monotonic);
            announced += drained(&table, now).len() as u64;
        }
        let outcomes = table.prediction_outcomes();
        // Tosses of a coin vary half as much as what comes by pure chance.
        let eta = outcomes.eta().expect("it was announced");
        assert!((0.3..1.3).contains(&eta), "{eta}: {outcomes:?}");
        assert!(outcomes.saved() > Some(0.99), "{outcomes:?}");
        // A PRECISION was announced, too.
        assert_eq!(outcomes.misses + 1, announced);
    }
}
