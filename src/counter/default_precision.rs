//! The precision of counters for which none was set, which may change while the node runs.

use super::band::Precision;
use parking_lot::RwLock;

/// What is promised of such counters.
#[derive(Debug)]
pub(super) struct DefaultPrecision {
    /// What this node told its peers in its greetings, and they reckon with in their bounds.
    told: Precision,
    asked: RwLock<Precision>,
}

impl DefaultPrecision {
    pub(super) fn new(precision: Precision) -> Self {
        Self { told: precision, asked: RwLock::new(precision) }
    }

    pub(super) fn replace(&self, precision: Precision) {
        *self.asked.write() = precision;
    }

    /// What clients are told.
    pub(super) fn asked(&self) -> Precision {
        *self.asked.read()
    }

    /// What this node's own shares keep to: never wider than what the peers reckon with, or their bounds would be wrong.
    pub(super) fn kept(&self) -> Precision {
        self.asked().min(self.told)
    }
}

#[cfg(test)]
mod tests {
    use super::super::behaviour_tests::{SECOND, at, drained, increment, name, table};
    use super::*;
    use crate::base::Amount;

    fn precision(value: i64) -> Precision {
        Precision::new(Amount::from(value)).expect("not negative")
    }

    #[test]
    fn a_narrower_one_is_kept_at_once_and_a_wider_one_never_beyond_what_peers_were_told() {
        for (asked, band) in [(10, 1), (1, 1), (0, 0)] {
            let table = table();
            table.set_default_precision(precision(asked));
            assert_eq!(table.precision(name("a")), precision(asked));
            assert_eq!(table.shared.default_precision.kept(), precision(band));
        }
    }

    #[test]
    fn every_change_is_announced_once_the_default_is_zero() {
        let table = table();
        let announcements = |nanos| {
            increment(&table, "a", 1, nanos);
            drained(&table, nanos).len()
        };
        assert_eq!(announcements(SECOND), 1, "the first one is");
        table.set_precision(name("wide"), precision(100), at(SECOND)).expect("room");
        drained(&table, SECOND);
        table.set_default_precision(precision(0));
        assert_eq!(table.precision(name("wide")), precision(100), "it has one of its own");
        for second in 2..5 {
            assert_eq!(announcements(second * SECOND + 1), 1);
        }
    }
}
