//! Arrivals as sites have them, made from seeds: the same in every run.

use super::rules::Rule;
use crate::random::Random;

const DAY_SECONDS: f64 = 86_400.0;

/// Arrivals at a rate that changes with time, and bursts on top.
pub(crate) struct Trace {
    pub(crate) name: &'static str,
    seconds: f64,
    /// Never above `largest_rate`.
    rate: fn(f64) -> f64,
    largest_rate: f64,
    /// Seconds between two bursts on average, and how many arrive in a burst at least.
    bursts: Option<(f64, f64)>,
    seed: u64,
}

/// Within a burst one comes so soon after the other on average.
const BURST_GAP_SECONDS: f64 = 0.000_1;
/// Sizes of bursts are of a Pareto distribution with this exponent, up to so many.
const BURST_EXPONENT: f64 = 1.5;
const LARGEST_BURST: f64 = 20_000.0;

/// All traces; the short ones are the beginnings.
pub(crate) fn all(is_short: bool) -> Vec<Trace> {
    let seconds = |full: f64| if is_short { full / 100.0 } else { full };
    let trace =
        |name, seconds, rate, largest_rate, bursts| Trace { name, seconds, rate, largest_rate, bursts, seed: 7 };
    vec![
        trace("Poisson, 1,000/s, 10 min", seconds(600.0), |_| 1_000.0, 1_000.0, None),
        trace("bursts of 50 and more every 20 s on 5/s, 1 h", seconds(3_600.0), |_| 5.0, 5.0, Some((20.0, 50.0))),
        trace("a day, 2 to 98/s", seconds(DAY_SECONDS), a_day, 98.0, None),
        trace("a day with two crowds, 2 to 600/s", seconds(DAY_SECONDS), a_day_with_crowds, 700.0, None),
        trace("one in ten seconds, a day", seconds(DAY_SECONDS), |_| 0.1, 0.1, None),
    ]
}

/// Little at night, much in the afternoon.
fn a_day(seconds: f64) -> f64 {
    50.0 - 48.0 * (seconds / DAY_SECONDS * std::f64::consts::TAU).cos()
}

/// The same with two events, each of which brings ten times as many within a minute, and fewer and fewer over an hour.
fn a_day_with_crowds(seconds: f64) -> f64 {
    let crowd = |begin: f64| {
        let since = seconds - begin;
        if since < 0.0 { 0.0 } else { 500.0 * (since / 60.0).min(1.0) * (-since / 1_200.0).exp() }
    };
    a_day(seconds) + crowd(0.004 * DAY_SECONDS) + crowd(0.6 * DAY_SECONDS)
}

impl Trace {
    /// Plays it to all of these; how many have arrived.
    pub(crate) fn play(&self, rules: &mut [Box<dyn Rule>]) -> u64 {
        let (mut random, mut count) = (Random::new(self.seed), 0);
        let exponential = |random: &mut Random, mean: f64| -random.uniform().ln() * mean;
        let mut steady = exponential(&mut random, 1.0 / self.largest_rate);
        let mut burst_at = self.bursts.map_or(f64::INFINITY, |(gap, _)| exponential(&mut random, gap));
        let mut left_in_burst = 0_u64;
        loop {
            let at = steady.min(burst_at);
            if at >= self.seconds {
                break;
            }
            let mut arrives = true;
            if at == steady {
                // Of arrivals at the largest rate as many are taken as the rate is a part of it.
                arrives = random.uniform() * self.largest_rate < (self.rate)(at);
                steady += exponential(&mut random, 1.0 / self.largest_rate);
            } else if let Some((gap, least)) = self.bursts {
                if left_in_burst == 0 {
                    let size = least * random.uniform().powf(-1.0 / BURST_EXPONENT);
                    left_in_burst = size.min(LARGEST_BURST) as u64;
                }
                left_in_burst -= 1;
                let mean = if left_in_burst == 0 { gap } else { BURST_GAP_SECONDS };
                burst_at += exponential(&mut random, mean);
            }
            if arrives {
                count += 1;
                rules.iter_mut().for_each(|rule| rule.increment((at * 1e9) as u64));
            }
        }
        // Long enough for each to say how it ended.
        rules.iter_mut().for_each(|rule| rule.run_until(((self.seconds + 30.0) * 1e9) as u64));
        count
    }
}
