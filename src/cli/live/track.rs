//! One counter as it moves.

use std::time::{Duration, Instant};

use super::plot::Series;
use crate::base::Amount;

/// What is known of a counter.
#[derive(Clone, Debug)]
pub(super) struct Track {
    value: Option<Amount>,
    least: Option<Amount>,
    most: Option<Amount>,
    heard: Option<Instant>,
    /// How much it changes in a second.
    rate: f64,
    rates: Series,
}

impl Track {
    /// Nothing is known yet.
    pub(super) fn new() -> Self {
        Self { value: None, least: None, most: None, heard: None, rate: 0.0, rates: Series::default() }
    }

    /// The server said what it stands at. It says that once each `interval` while it changes, and is silent while it does not.
    pub(super) fn hear(&mut self, value: Amount, now: Instant, interval: Duration) {
        if let (Some(before), Some(heard)) = (self.value, self.heard) {
            // After a silence, it has changed since it was last looked at, and not since it was last told of.
            let lasted = match now.saturating_duration_since(heard) {
                lasted if is_silence(lasted, interval) => interval,
                lasted => lasted,
            };
            let change = value.to_f64() - before.to_f64();
            self.rate = change / lasted.as_secs_f64().max(0.001);
        }
        self.value = Some(value);
        self.least = Some(self.least.map_or(value, |least| least.min(value)));
        self.most = Some(self.most.map_or(value, |most| most.max(value)));
        self.heard = Some(now);
    }

    /// One more point of the plot.
    pub(super) fn tick(&mut self, now: Instant, interval: Duration) {
        if self.heard.is_none_or(|heard| is_silence(now.saturating_duration_since(heard), interval)) {
            self.rate = 0.0;
        }
        self.rates.push(self.rate);
    }

    /// What it stands at.
    pub(super) fn value(&self) -> Option<Amount> {
        self.value
    }

    /// The least and the largest that was heard.
    pub(super) fn range(&self) -> Option<(Amount, Amount)> {
        self.least.zip(self.most)
    }

    /// How much it changes in a second.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// The rates since the beginning.
    pub(super) fn rates(&self) -> &Series {
        &self.rates
    }
}

/// Messages come a little late, so twice the interval is the first time that one is certainly left out.
fn is_silence(lasted: Duration, interval: Duration) -> bool {
    lasted > interval * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_rate_is_what_changed_between_two_messages_and_nothing_in_silence() {
        let (mut track, begin) = (Track::new(), Instant::now());
        track.tick(begin, SECOND);
        track.hear(Amount::from(10), begin, SECOND);
        assert_eq!(track.rate(), 0.0, "nothing is known of before");
        track.hear(Amount::from(5), begin + SECOND, SECOND);
        assert_eq!(track.rate(), -5.0);
        track.tick(begin + SECOND, SECOND);
        track.tick(begin + 2 * SECOND, SECOND);
        assert_eq!(track.rate(), -5.0, "the next message may be late");
        track.tick(begin + 4 * SECOND, SECOND);
        assert_eq!(track.rate(), 0.0);
        track.hear(Amount::from(25), begin + 60 * SECOND, SECOND);
        assert_eq!(track.rate(), 20.0, "of the last second, as it would have been told of before");
        assert_eq!(track.range(), Some((Amount::from(5), Amount::from(25))));
        assert_eq!(track.rates().plot(5), " ▁██▁");
    }
}
