//! What a counter has beside its own share: the shares of others, the owner's side while its share moves, and what is rare.
//!
//! A counter that nobody else counts on and that is at rest has none of this. One with two more shares, which is one of
//! a cluster of three, has 64 bytes of it: a line of a processor's cache.

use super::active::Active;
use super::narrow_share::NarrowShare;
use super::state::{HeldShare, Rest};
use crate::base::ReplicaIndex;

/// Shares of others that need no further allocation.
const NEAR: usize = 2;

/// All that one word in the counter leads to.
#[derive(Clone, Debug, Default)]
pub(super) struct Attached {
    near: [NarrowShare; NEAR],
    active: Option<Box<Active>>,
    rare: Option<Box<Rare>>,
}

// Allocators put what has the size of a line into one line.
const _: () = assert!(size_of::<Attached>() == 64);

/// What few counters have.
#[derive(Clone, Debug, Default)]
struct Rare {
    /// Beyond those that are near.
    narrow: Vec<NarrowShare>,
    /// Those with a forecast, and those that are too large to be packed.
    wide: Vec<HeldShare>,
    rest: Option<Box<Rest>>,
}

impl Attached {
    /// Whether it is as if it were not there.
    pub(super) fn is_empty(&self) -> bool {
        self.active.is_none() && self.rare.is_none() && self.near.iter().all(|share| share.is_absent())
    }

    /// The shares of others: at most one a replica, in an order that means nothing.
    #[inline]
    pub(super) fn shares(&self) -> impl Iterator<Item = HeldShare> + '_ {
        let near = self.near.iter().filter_map(|share| share.unpack());
        near.chain(self.rare.iter().flat_map(|rare| rare.shares()))
    }

    /// The share of one replica.
    #[inline]
    pub(super) fn share_of(&self, replica: ReplicaIndex) -> Option<HeldShare> {
        match self.near.iter().find(|share| share.is_of(replica)) {
            Some(share) => share.unpack(),
            None => self.rare.as_ref()?.shares().find(|held| held.replica == replica),
        }
    }

    /// Whether any of the shares of others is extrapolated: only those that are wide can be.
    #[inline]
    pub(super) fn has_forecast(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.wide.iter().any(|held| held.forecast.is_some()))
    }

    /// Puts a share in the place of the one that its replica had here, if there was one.
    pub(super) fn put(&mut self, held: HeldShare) {
        let Some(packed) = NarrowShare::pack(&held) else { return self.put_wide(held) };
        let is_its_place = |place: &&mut NarrowShare| place.is_of(held.replica);
        let further = self.rare.iter_mut().flat_map(|rare| &mut rare.narrow);
        if let Some(place) = self.near.iter_mut().chain(further).find(is_its_place) {
            *place = packed;
            return;
        }
        if let Some(rare) = &mut self.rare {
            rare.wide.retain(|wide| wide.replica != held.replica);
        }
        match self.near.iter_mut().find(|place| place.is_absent()) {
            Some(place) => *place = packed,
            None => push(&mut self.rare.get_or_insert_default().narrow, packed),
        }
        self.trim();
    }

    fn put_wide(&mut self, held: HeldShare) {
        let wide = self.rare.iter_mut().flat_map(|rare| &mut rare.wide).find(|wide| wide.replica == held.replica);
        if let Some(place) = wide {
            *place = held;
            return;
        }
        self.retain_shares(|other| other.replica != held.replica);
        push(&mut self.rare.get_or_insert_default().wide, held);
    }

    /// Drops the shares that `is_kept` does not want.
    pub(super) fn retain_shares(&mut self, is_kept: impl Fn(&HeldShare) -> bool) {
        let stays = |share: &NarrowShare| share.unpack().is_some_and(|held| is_kept(&held));
        for share in self.near.iter_mut().filter(|share| !stays(share)) {
            *share = NarrowShare::ABSENT;
        }
        if let Some(rare) = &mut self.rare {
            rare.narrow.retain(stays);
            rare.wide.retain(&is_kept);
            self.trim();
        }
    }

    pub(super) fn active(&self) -> Option<&Active> {
        self.active.as_deref()
    }

    pub(super) fn active_mut(&mut self) -> Option<&mut Active> {
        self.active.as_deref_mut()
    }

    pub(super) fn set_active(&mut self, active: Option<Active>) {
        self.active = active.map(Box::new);
    }

    pub(super) fn rest(&self) -> Option<&Rest> {
        self.rare.as_ref()?.rest.as_deref()
    }

    pub(super) fn rest_mut(&mut self) -> Option<&mut Rest> {
        self.rare.as_mut()?.rest.as_deref_mut()
    }

    pub(super) fn rest_or_new(&mut self) -> &mut Rest {
        self.rare.get_or_insert_default().rest.get_or_insert_default()
    }

    pub(super) fn drop_rest(&mut self) {
        if let Some(rare) = &mut self.rare {
            rare.rest = None;
        }
        self.trim();
    }

    /// What it takes in bytes, but for what the rest points to.
    pub(super) fn memory(&self) -> usize {
        let active = self.active().map_or(0, size_of_val);
        let rare = self.rare.as_deref().map_or(0, |rare| {
            let rest = rare.rest.as_deref().map_or(0, size_of_val);
            size_of_val(rare) + size_of_val(&*rare.narrow) + size_of_val(&*rare.wide) + rest
        });
        size_of_val(self) + active + rare
    }

    fn trim(&mut self) {
        self.rare.take_if(|rare| rare.narrow.is_empty() && rare.wide.is_empty() && rare.rest.is_none());
    }
}

impl Rare {
    fn shares(&self) -> impl Iterator<Item = HeldShare> + '_ {
        self.narrow.iter().filter_map(|share| share.unpack()).chain(self.wide.iter().copied())
    }
}

/// Grows exactly: most counters have as many shares as there are nodes, for ever.
fn push<T>(list: &mut Vec<T>, item: T) {
    list.reserve_exact(1);
    list.push(item);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Monotonic, Total};
    use crate::counter::{Forecast, Share};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug)]
    enum Step {
        Put(HeldShare),
        DropOf(ReplicaIndex),
        DropUpTo(u64),
        Note,
        DropNotes,
    }

    fn held() -> impl Strategy<Value = HeldShare> {
        let units = prop_oneof![-50_i128..50, Just(1 << 100), any::<i128>()];
        let revision = prop_oneof![4 => 1_u64..100, 1 => Just(u64::MAX)];
        (0_u32..6, revision, units, prop::option::weighted(0.3, 1_u8..9)).prop_map(
            |(replica, revision, units, rate)| {
                let share = Share { born: revision / 2, revision, total: Total::from_units(units) };
                let forecast =
                    rate.map(|rate| Forecast { rate: rate.into(), ..Forecast::exact(share.total, Monotonic::ZERO) });
                HeldShare { replica: ReplicaIndex(replica), share, forecast }
            },
        )
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => held().prop_map(Step::Put),
            2 => (0_u32..6).prop_map(|replica| Step::DropOf(ReplicaIndex(replica))),
            1 => (0_u64..100).prop_map(Step::DropUpTo),
            1 => Just(Step::Note),
            1 => Just(Step::DropNotes),
        ]
    }

    proptest! {
        #[test]
        fn it_holds_the_shares_that_a_plain_map_holds(steps in prop::collection::vec(step(), 0..60)) {
            let (mut attached, mut plain, mut has_notes) = (Attached::default(), BTreeMap::new(), false);
            for step in steps {
                match step {
                    Step::Put(held) => {
                        attached.put(held);
                        plain.insert(held.replica, held);
                    }
                    Step::DropOf(replica) => {
                        attached.retain_shares(|held| held.replica != replica);
                        plain.remove(&replica);
                    }
                    Step::DropUpTo(revision) => {
                        attached.retain_shares(|held| held.share.revision > revision);
                        plain.retain(|_, held| held.share.revision > revision);
                    }
                    Step::Note => {
                        attached.rest_or_new();
                        has_notes = true;
                    }
                    Step::DropNotes => {
                        attached.drop_rest();
                        has_notes = false;
                    }
                }
                let shares: BTreeMap<_, _> = attached.shares().map(|held| (held.replica, held)).collect();
                prop_assert_eq!((&shares, attached.shares().count()), (&plain, plain.len()));
                for replica in (0..7).map(ReplicaIndex) {
                    prop_assert_eq!(attached.share_of(replica), plain.get(&replica).copied());
                }
                prop_assert_eq!(attached.rest().is_some(), has_notes);
                prop_assert_eq!(attached.has_forecast(), plain.values().any(|held| held.forecast.is_some()));
                prop_assert_eq!(attached.is_empty(), plain.is_empty() && !has_notes);
                let needs_more = has_notes || plain.len() > NEAR || plain.values().any(|held| held.forecast.is_some());
                prop_assert!(attached.rare.is_some() || !needs_more);
            }
        }
    }

    #[test]
    fn two_plain_shares_need_nothing_more_and_what_was_rare_goes() {
        let share = Share { born: 1, revision: 2, total: Total::from_units(3) };
        let plain = |replica| HeldShare { replica: ReplicaIndex(replica), share, forecast: None };
        let moving = Forecast { rate: 1.0, ..Forecast::exact(share.total, Monotonic::ZERO) };
        let mut attached = Attached::default();
        attached.put(plain(1));
        attached.put(HeldShare { forecast: Some(moving), ..plain(2) });
        assert!(attached.memory() > size_of::<Attached>());
        attached.put(plain(2));
        assert_eq!((attached.shares().count(), attached.memory()), (2, size_of::<Attached>()));
        attached.put(plain(3));
        assert!(attached.memory() > size_of::<Attached>());
        attached.retain_shares(|held| held.replica != ReplicaIndex(3));
        assert_eq!(attached.memory(), size_of::<Attached>());
    }
}
