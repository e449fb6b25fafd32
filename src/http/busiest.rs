//! Which counters move most: a bounded list, kept up by looking at a few of those that changed.
//!
//! While anybody looks, each second some names are taken from each of the table's lists of what changed, and those with the largest rates from
//! the lists of what is extrapolated, as other nodes count on it and need not say so; all are read again a second later. Who
//! moves more than the least of the list takes its place. So nothing is counted on the way of a request, nothing walks
//! over all counters, and a counter that moves all the time is found within seconds, or minutes where a million do.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::base::{Amount, Monotonic, Name};
use crate::counter::Table;

/// So many are kept.
const KEPT: usize = 512;
/// Seconds of which the rates are kept.
const HISTORY: usize = 60;
/// Names that are tried each second of each shard's list of what changed.
const CHANGED_A_SHARD: usize = 8;
/// Rates that are looked at each second, and at once under the lock of a shard; so many of the largest are tried.
const RATES: usize = 65_536;
const RATES_AT_ONCE: usize = 256;
const RATES_TRIED: usize = 256;
/// How much of a rate the last second makes.
const WEIGHT: f64 = 0.5;

/// One of the list.
#[derive(Clone, Debug)]
pub(super) struct Busy {
    pub(super) value: Amount,
    pub(super) rate: f64,
    pub(super) history: VecDeque<f32>,
    at: Monotonic,
}

#[derive(Debug, Default)]
pub(super) struct Busiest {
    kept: HashMap<Box<[u8]>, Busy>,
    tried: HashMap<Box<[u8]>, (Amount, Monotonic)>,
    turn: u64,
    /// The shard whose rates are looked at next, and from where on.
    rates_from: (u8, usize),
}

/// What a counter moved in a second, between two readings.
pub(super) fn rate(before: (Amount, Monotonic), after: (Amount, Monotonic)) -> f64 {
    let moved = after.0.units().saturating_sub(before.0.units());
    let seconds = after.1.since(before.1).as_secs_f64();
    let amount = Amount::from_units(moved).map_or(0.0, Amount::to_f64);
    if seconds > 0.0 { amount / seconds } else { 0.0 }
}

impl Busiest {
    /// Nobody looks any more.
    pub(super) fn rest(&mut self) {
        self.kept.clear();
        self.tried.clear();
    }

    /// To be called once a second.
    pub(super) fn look(&mut self, table: &Table, now: Monotonic) {
        self.turn += 1;
        self.read_kept(table, now);
        let tried = std::mem::take(&mut self.tried);
        for (name, before) in tried {
            let value = Name::new(&name).ok().and_then(|name| table.read(name, now));
            if let Some(value) = value {
                let rate = rate(before, (value, now));
                if rate != 0.0 {
                    self.kept.insert(name, Busy { value, rate, history: VecDeque::from([rate as f32]), at: now });
                }
            }
        }
        self.leave_out_the_least();
        self.try_others(table, now);
    }

    /// Those that are kept, the busiest first.
    pub(super) fn list(&self) -> Vec<(&[u8], &Busy)> {
        let mut list: Vec<(&[u8], &Busy)> = self.kept.iter().map(|(name, busy)| (&**name, busy)).collect();
        list.sort_unstable_by(|one, other| by_rate(other.1, one.1).then_with(|| one.0.cmp(other.0)));
        list
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<&Busy> {
        self.kept.get(name)
    }

    fn read_kept(&mut self, table: &Table, now: Monotonic) {
        self.kept.retain(|name, busy| {
            let value = Name::new(name).ok().and_then(|name| table.read(name, now));
            let Some(value) = value else { return false };
            let rate = rate((busy.value, busy.at), (value, now));
            if busy.history.len() == HISTORY {
                busy.history.pop_front();
            }
            busy.history.push_back(rate as f32);
            busy.rate = WEIGHT * rate + (1.0 - WEIGHT) * busy.rate;
            (busy.value, busy.at) = (value, now);
            // What has not moved for as long as is told makes room.
            busy.history.iter().any(|rate| *rate != 0.0)
        });
    }

    fn leave_out_the_least(&mut self) {
        if self.kept.len() > KEPT {
            let mut rates: Vec<f64> = self.kept.values().map(|busy| busy.rate.abs()).collect();
            rates.sort_unstable_by(|one, other| other.total_cmp(one));
            let least = rates[KEPT - 1];
            // Of those that move the same any may go.
            let mut places = KEPT - rates.iter().filter(|rate| **rate > least).count();
            self.kept.retain(|_, busy| match busy.rate.abs().total_cmp(&least) {
                Ordering::Greater => true,
                Ordering::Less => false,
                Ordering::Equal => places.checked_sub(1).map(|left| places = left).is_some(),
            });
        }
    }

    /// The names with the largest rates of some that are extrapolated.
    fn expected_to_move(&mut self, table: &Table, now: Monotonic) -> Vec<Box<[u8]>> {
        // Of numbers that are not negative, the bits are in the same order.
        let mut largest: BTreeSet<(u64, Box<[u8]>)> = BTreeSet::new();
        let mut left = RATES;
        while left > 0 {
            let (shard, from) = self.rates_from;
            let limit = RATES_AT_ONCE.min(left);
            let next = table.visit_extrapolated(shard, (from, limit), now, &mut |rate, name| {
                let rate = rate.abs().to_bits();
                let is_full = largest.len() == RATES_TRIED;
                if (is_full && largest.first().is_some_and(|(least, _)| *least >= rate)) || self.kept.contains_key(name)
                {
                    return;
                }
                if is_full {
                    largest.pop_first();
                }
                largest.insert((rate, name.into()));
            });
            // A shard without any costs a look, too.
            left -= limit;
            self.rates_from = next.map_or((shard.wrapping_add(1), 0), |next| (shard, next));
        }
        largest.into_iter().map(|(_, name)| name).collect()
    }

    fn try_others(&mut self, table: &Table, now: Monotonic) {
        let mut names: Vec<Box<[u8]>> = Vec::new();
        for shard in 0..=u8::MAX {
            table.sample_changed(shard, CHANGED_A_SHARD, self.turn, &mut |name| names.push(name.into()));
        }
        names.extend(self.expected_to_move(table, now));
        for name in names {
            if !self.kept.contains_key(&name)
                && let Some(value) = Name::new(&name).ok().and_then(|name| table.read(name, now))
            {
                self.tried.insert(name, (value, now));
            }
        }
    }
}

/// By how much they move, whichever way.
fn by_rate(one: &Busy, other: &Busy) -> Ordering {
    one.rate.abs().total_cmp(&other.rate.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ReplicaIndex, Total};
    use crate::counter::{Forecast, IncomingShare, Share};
    use crate::http::testing;

    fn second(number: u64) -> Monotonic {
        Monotonic::from_nanos(number * 1_000_000_000)
    }

    fn count(table: &Table, name: &str, times: usize, now: Monotonic) {
        let name = Name::new(name.as_bytes()).expect("a name");
        for _ in 0..times {
            table.increment(name, Amount::ONE, now).expect("counted");
        }
    }

    #[test]
    fn those_that_move_most_are_found_among_many_and_come_first() {
        let table = testing::table();
        let mut busiest = Busiest::default();
        for number in 0..5_000 {
            count(&table, &format!("idle:{number}"), 1, second(1));
        }
        for now in 2..12 {
            for number in 0..1_000 {
                count(&table, &format!("slow:{number}"), 1, second(now));
            }
            count(&table, "fast", 50, second(now));
            count(&table, "faster", 90, second(now));
            busiest.look(&table, second(now));
        }
        let list = busiest.list();
        assert_eq!((list[0].0, list[1].0), (&b"faster"[..], &b"fast"[..]));
        assert!((80.0..=90.0).contains(&list[0].1.rate), "{}", list[0].1.rate);
        assert!(list.len() <= KEPT && list.len() > 100, "{}", list.len());
        assert!(list[0].1.history.len() > 3 && list.iter().all(|(name, _)| !name.starts_with(b"idle")));
    }

    #[test]
    fn one_that_others_count_on_as_was_expected_is_found_at_once_among_many() {
        let (table, peer) = (testing::table(), ReplicaIndex(1));
        for number in 0..50_000 {
            count(&table, &format!("idle:{number}"), 1, second(1));
        }
        for shard in 0..=u8::MAX {
            while table.take_unsaved(shard, 1_000, second(1), &mut |_, _| ()) {}
        }
        let total = Total::from_units(Amount::ONE.units());
        for (revision, (name, rate)) in (1..).zip([("hot", 500.0), ("warm", 20.0)]) {
            let name = Name::new(name.as_bytes()).expect("a name");
            let forecast = Some(Forecast { total, rate, whole: true, since: second(1) });
            let share = Share { born: 1, revision, total };
            table.take_share(name, IncomingShare { replica: peer, share, forecast, in_order_at: None });
        }
        for shard in 0..=u8::MAX {
            while table.take_unsaved(shard, 1_000, second(1), &mut |_, _| ()) {}
        }
        table.progress().set_heard_at(peer, second(4));
        let mut busiest = Busiest::default();
        busiest.look(&table, second(3));
        busiest.look(&table, second(4));
        let list: Vec<(&[u8], f64)> = busiest.list().into_iter().map(|(name, busy)| (name, busy.rate)).collect();
        assert_eq!(list, [(&b"hot"[..], 500.0), (&b"warm"[..], 20.0)]);
    }

    #[test]
    fn what_stands_still_or_is_gone_leaves_the_list() {
        let table = testing::table();
        let mut busiest = Busiest::default();
        for now in 1..5 {
            count(&table, "a", 3, second(now));
            count(&table, "b", 3, second(now));
            busiest.look(&table, second(now));
        }
        assert_eq!(busiest.list().len(), 2);
        let moment = crate::base::Moment { monotonic: second(5), wall: crate::base::WallMillis(5) };
        table.delete(Name::new(b"b").expect("a name"), moment).expect("deleted");
        busiest.look(&table, second(5));
        assert!(busiest.get(b"a").is_some() && busiest.get(b"b").is_none());
        for now in 6..6 + HISTORY as u64 {
            busiest.look(&table, second(now));
        }
        assert!(busiest.list().is_empty());
    }
}
