//! Which counters of others move by themselves: those of which somebody announced a rate. They are listed as the rates arrive, so whoever
//! looks for what moves need not walk over all counters.

use super::entry::{Counter, ReadAt};
use super::label::Flag;
use super::shard::Shard;
use super::state::HeldShare;
use super::table::Table;
use crate::base::{Location, Monotonic};

/// What one shard has: places of counters with a share that is extrapolated. Some may be so no more, or gone.
#[derive(Debug, Default)]
pub(super) struct Extrapolated(Vec<u32>);

impl Table {
    /// Visits the counters at `limit` entries of one shard's list from `first` on, of those that are extrapolated: what a counter's
    /// shares of other nodes are expected to move in a second, and its name. Answers where to go on; none behind the last.
    pub fn visit_extrapolated(
        &self,
        shard: u8,
        (first, limit): (usize, usize),
        now: Monotonic,
        visit: &mut dyn FnMut(f64, &[u8]),
    ) -> Option<usize> {
        let shard = self.lock_at(Location(u32::from(shard)))?;
        let (all, at) = (&shard.extrapolated.0, self.read_at(now));
        let last = all.len().min(first.saturating_add(limit));
        for slot in all.get(first..last).unwrap_or_default() {
            if let Some(counter) = shard.counters.get(*slot).filter(|counter| counter.is(Flag::Exists)) {
                let rate = counter.expected_rate(at);
                if rate != 0.0 {
                    visit(rate, counter.name());
                }
            }
        }
        (last < all.len()).then_some(last)
    }
}

impl Shard {
    /// A share of another has arrived: its counter may move by itself from now on.
    #[inline]
    pub(super) fn list_extrapolated(&mut self, slot: u32) {
        let Some(counter) = self.counters.get_mut(slot) else { return };
        if counter.is(Flag::Listed) || !counter.is_extrapolated() {
            return;
        }
        counter.set(Flag::Listed, true);
        if self.extrapolated.0.len() == self.extrapolated.0.capacity() {
            self.forget_resting();
        }
        self.extrapolated.0.push(slot);
    }

    /// Leaves out of the list what moves no more, and makes room for as many again as are left.
    fn forget_resting(&mut self) {
        let Self { counters, extrapolated: Extrapolated(all), .. } = self;
        all.sort_unstable();
        // Another counter may have come to a place that was listed.
        all.dedup();
        all.retain(|slot| {
            let Some(counter) = counters.get_mut(*slot) else { return false };
            let stays = counter.is(Flag::Listed) && counter.is_extrapolated();
            counter.set(Flag::Listed, stays);
            stays
        });
        all.shrink_to(all.len() * 4);
        all.reserve(all.len().max(16));
    }
}

impl Counter {
    /// What the shares of others are expected to move in a second, as far as readers get that.
    fn expected_rate(&self, at: ReadAt<'_>) -> f64 {
        let rate = |held: HeldShare| if self.state.is_frozen(&held) { 0.0 } else { at.rate(&held) };
        self.state.others().map(rate).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::super::behaviour_tests::{PEER, SECOND, at, name, table};
    use super::super::{Forecast, IncomingShare, Share};
    use super::*;
    use crate::base::{Amount, Total};
    use std::collections::BTreeMap;

    fn arrives(table: &Table, counter: &str, revision: u64, rate: f32) {
        let total = Total::from_units(Amount::from(5).units());
        let forecast = Forecast { total, rate, whole: true, since: at(SECOND).monotonic };
        let share = Share { born: 1, revision, total };
        let forecast = (rate != 0.0).then_some(forecast);
        table.take_share(name(counter), IncomingShare { replica: PEER, share, forecast, in_order_at: None });
    }

    fn expected(table: &Table, seconds: u64) -> BTreeMap<String, i64> {
        let mut found = BTreeMap::new();
        for shard in 0..=u8::MAX {
            let mut next = Some(0);
            while let Some(first) = next {
                next =
                    table.visit_extrapolated(shard, (first, 1), at(seconds * SECOND).monotonic, &mut |rate, name| {
                        found.insert(String::from_utf8_lossy(name).into_owned(), rate as i64);
                    });
            }
        }
        found
    }

    #[test]
    fn what_is_expected_to_move_is_found_while_it_is_and_while_its_node_is_heard() {
        let table = table();
        table.progress().set_heard_at(PEER, at(SECOND).monotonic);
        arrives(&table, "rests", 1, 0.0);
        arrives(&table, "moves", 2, 500.0);
        arrives(&table, "moves less", 3, -2.0);
        let all = BTreeMap::from([("moves".to_owned(), 500), ("moves less".to_owned(), -2)]);
        assert_eq!(expected(&table, 2), all);
        assert_eq!(expected(&table, 9), BTreeMap::new(), "beyond the lease");
        table.assign(name("moves"), Amount::ONE, at(2 * SECOND)).expect("room");
        arrives(&table, "moves less", 4, 0.0);
        assert_eq!(expected(&table, 2), BTreeMap::new());
    }

    #[test]
    fn the_list_does_not_grow_beyond_what_moves() {
        let table = table();
        for revision in 1..20_000 {
            arrives(&table, &format!("c:{}", revision % 512), revision, (revision % 2) as f32);
        }
        for shard in table.shards() {
            let shard = shard.lock();
            let (listed, counters) = (shard.extrapolated.0.len(), shard.counters.end() as usize);
            assert!(listed <= counters, "{listed} of {counters}");
        }
    }
}
