//! Events that took long, by kind: the last ones and the worst ever.

use crate::base::WallMillis;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

/// Seconds with such an event that are kept of each kind.
const MAX_SAMPLES: usize = 160;

/// What took longer than a threshold.
#[derive(Debug, Default)]
pub struct LatencyMonitor {
    threshold_ms: AtomicU64,
    events: Mutex<BTreeMap<LatencyEvent, Series>>,
}

/// What kinds there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LatencyEvent {
    /// A command whose cost depends on what is asked.
    Command,
    /// A command that costs the same whatever is asked.
    FastCommand,
    /// A commit of the store.
    DiskCommit,
}

impl LatencyEvent {
    const ALL: [Self; 3] = [Self::Command, Self::FastCommand, Self::DiskCommit];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::FastCommand => "fast-command",
            Self::DiskCommit => "disk-commit",
        }
    }

    pub(super) fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.name().as_bytes().eq_ignore_ascii_case(name))
    }
}

/// The events of one kind, the worst of each second, the newest last.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    pub(super) samples: VecDeque<Sample>,
    pub(super) worst_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) second: u64,
    pub(super) ms: u64,
}

impl LatencyMonitor {
    /// A monitor with the threshold of the configuration.
    pub fn new(threshold_ms: u64) -> Self {
        Self { threshold_ms: AtomicU64::new(threshold_ms), events: Mutex::default() }
    }

    /// Events of this many milliseconds or more are kept; 0 keeps none.
    pub fn threshold_ms(&self) -> u64 {
        self.threshold_ms.load(Ordering::Relaxed)
    }

    /// Sets [`Self::threshold_ms`].
    pub fn set_threshold_ms(&self, threshold_ms: u64) {
        self.threshold_ms.store(threshold_ms, Ordering::Relaxed);
    }

    /// Whether something that took so long is kept. One relaxed load.
    #[inline]
    fn wants(&self, nanos: u64) -> bool {
        let threshold = self.threshold_ms();
        threshold > 0 && nanos / 1_000_000 >= threshold
    }

    /// Keeps an event if it took long.
    #[inline]
    pub fn note(&self, event: LatencyEvent, nanos: u64, at: WallMillis) {
        if self.wants(nanos) {
            self.add(event, nanos, at);
        }
    }

    #[cold]
    fn add(&self, event: LatencyEvent, nanos: u64, at: WallMillis) {
        let mut events = self.events.lock();
        let series = events.entry(event).or_default();
        let sample = Sample { second: at.0 / 1000, ms: nanos / 1_000_000 };
        series.worst_ms = series.worst_ms.max(sample.ms);
        match series.samples.back_mut() {
            Some(last) if last.second == sample.second => last.ms = last.ms.max(sample.ms),
            _ => series.samples.push_back(sample),
        }
        if series.samples.len() > MAX_SAMPLES {
            series.samples.pop_front();
        }
    }

    pub(super) fn series(&self, event: LatencyEvent) -> Option<Series> {
        self.events.lock().get(&event).cloned()
    }

    pub(super) fn all(&self) -> Vec<(LatencyEvent, Series)> {
        self.events.lock().iter().map(|(event, series)| (*event, series.clone())).collect()
    }

    /// Forgets the events of one kind, or of all; how many kinds had any.
    pub(super) fn reset(&self, event: Option<LatencyEvent>) -> usize {
        let mut events = self.events.lock();
        match event {
            Some(event) => usize::from(events.remove(&event).is_some()),
            None => std::mem::take(&mut *events).len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_each_second_is_kept() {
        let monitor = LatencyMonitor::new(10);
        assert!(monitor.wants(10_000_000) && !monitor.wants(9_999_999));
        for (second, ms) in [(1, 20), (1, 50), (1, 30), (2, 10)] {
            monitor.add(LatencyEvent::Command, ms * 1_000_000, WallMillis(second * 1000 + 7));
        }
        let series = monitor.series(LatencyEvent::Command).expect("there are some");
        let expected = [Sample { second: 1, ms: 50 }, Sample { second: 2, ms: 10 }];
        assert_eq!((series.samples.as_slices().0, series.worst_ms), (&expected[..], 50));
        monitor.set_threshold_ms(0);
        assert!(!monitor.wants(u64::MAX));
        assert_eq!(
            (monitor.reset(Some(LatencyEvent::DiskCommit)), monitor.reset(None), monitor.all().len()),
            (0, 1, 0)
        );
    }

    #[test]
    fn no_more_is_kept_than_is_shown() {
        let monitor = LatencyMonitor::new(1);
        for second in 0..1000 {
            monitor.add(LatencyEvent::Command, (1000 - second) * 1_000_000, WallMillis(second * 1000));
        }
        let series = monitor.series(LatencyEvent::Command).expect("there are some");
        assert_eq!((series.samples.len(), series.samples[0].second, series.worst_ms), (160, 840, 1000));
    }
}
