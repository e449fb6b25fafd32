//! How fast totals grow, from one look to the next.

use std::sync::atomic::Ordering;

use crate::base::Monotonic;
use crate::command::Environment;

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) commands: u64,
    /// Increments of counters: one request may make many.
    pub(super) increments: u64,
    pub(super) records_sent: u64,
    pub(super) records_received: u64,
    pub(super) bytes_sent: u64,
    pub(super) bytes_received: u64,
}

/// How much of each there was a second, between the last two looks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ASecond {
    pub(super) commands: f64,
    pub(super) increments: f64,
    pub(super) records_sent: f64,
    pub(super) records_received: f64,
    pub(super) bytes_sent: f64,
    pub(super) bytes_received: f64,
}

#[derive(Debug, Default)]
pub(super) struct Rates {
    before: Option<(Totals, Monotonic)>,
    pub(super) now: ASecond,
}

impl Totals {
    pub(super) fn of(environment: &Environment) -> Self {
        let traffic = &environment.cluster.traffic;
        let figure = |value: &std::sync::atomic::AtomicU64| value.load(Ordering::Relaxed);
        Self {
            commands: environment.statistics.commands_run(),
            increments: environment.table.prediction_outcomes().increments(),
            records_sent: figure(&traffic.records_sent),
            records_received: figure(&traffic.records_received),
            bytes_sent: traffic.kinds.iter().map(|(_, counts)| figure(&counts.sent_bytes)).sum(),
            bytes_received: traffic.kinds.iter().map(|(_, counts)| figure(&counts.received_bytes)).sum(),
        }
    }
}

impl Rates {
    pub(super) fn look(&mut self, environment: &Environment, now: Monotonic) {
        let totals = Totals::of(environment);
        if let Some((before, at)) = self.before {
            let seconds = now.since(at).as_secs_f64().max(0.001);
            // Figures that were set back count from nothing.
            let rate = |of: fn(&Totals) -> u64| of(&totals).saturating_sub(of(&before)) as f64 / seconds;
            self.now = ASecond {
                commands: rate(|all| all.commands),
                increments: rate(|all| all.increments),
                records_sent: rate(|all| all.records_sent),
                records_received: rate(|all| all.records_received),
                bytes_sent: rate(|all| all.bytes_sent),
                bytes_received: rate(|all| all.bytes_received),
            };
        }
        self.before = Some((totals, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::testing;

    #[test]
    fn rates_are_what_came_between_two_looks() {
        let environment = testing::environment();
        let mut rates = Rates::default();
        let second = |number: u64| Monotonic::from_nanos(number * 1_000_000_000);
        let sent = &environment.cluster.traffic.records_sent;
        sent.store(1_000, Ordering::Relaxed);
        rates.look(&environment, second(1));
        assert_eq!(rates.now, ASecond::default(), "nobody knows how long that took");
        sent.store(1_500, Ordering::Relaxed);
        rates.look(&environment, second(3));
        assert_eq!((rates.now.records_sent, rates.now.commands), (250.0, 0.0));
        sent.store(0, Ordering::Relaxed);
        rates.look(&environment, second(4));
        assert_eq!(rates.now.records_sent, 0.0);
    }
}
