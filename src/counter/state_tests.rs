//! The rules of convergence as properties: valid histories of a few replicas, delivered in any order, twice, late, or only as
//! what is left of them.

use super::*;
use crate::base::{Amount, HybridTime, Incarnation, NodeId, ReplicaId, ReplicaIndex, Stamp, Total};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Something that a replica numbered.
#[derive(Clone, Debug)]
enum Item {
    Share(ReplicaIndex, Share),
    Assignment(Arc<Assignment>),
    Precision(PrecisionRegister),
}

#[derive(Clone, Debug)]
enum Action {
    Increment,
    Announce,
    Set(i64),
    Delete,
    Precision(i64),
    /// Everything that this replica numbered and the other lacks arrives, in order.
    Tell(usize),
    /// One item of all that was ever numbered arrives, if it was not lost.
    Hear(usize),
}

struct Replica {
    at: usize,
    state: CounterState,
    clock: u64,
    last: u64,
    moved: bool,
    /// Up to which number everything of each replica has been taken.
    received: Vec<u64>,
    /// The increments that it has ever had an effect of, one bit each.
    seen: u128,
}

struct Assigned {
    base: i128,
    deleted: bool,
    observed: u128,
}

struct History {
    replicas: Vec<Replica>,
    log: Vec<Item>,
    increments: u32,
    assigned: BTreeMap<Stamp, Assigned>,
}

fn index(at: usize) -> ReplicaIndex {
    ReplicaIndex(at as u32)
}

pub(super) fn replica_id(at: usize) -> ReplicaId {
    ReplicaId { node: NodeId::new([at as u8; 20]), incarnation: Incarnation(1) }
}

pub(super) fn units(state: &CounterState, at: usize) -> i128 {
    state.value(index(at), |held| held.share.total).to_amount().expect("small amounts").units()
}

impl Item {
    fn number(&self) -> (ReplicaIndex, u64) {
        match self {
            Self::Share(replica, share) => (*replica, share.revision),
            Self::Assignment(assignment) => (assignment.origin, assignment.stamp.number),
            Self::Precision(register) => (register.origin, register.stamp.number),
        }
    }

    fn deliver(&self, state: &mut CounterState, own: ReplicaIndex, received: &[u64]) {
        let has = |replica: ReplicaIndex| received[replica.as_usize()];
        let (origin, number) = self.number();
        if origin == own || number <= has(origin) {
            return;
        }
        match self {
            Self::Share(replica, share) => {
                // As the table does: the short way where it leads there.
                if !state.renew_share(*replica, *share, None) {
                    state.take_share(*replica, *share, None);
                }
            }
            Self::Assignment(assignment) => {
                state.take_assignment(Arc::clone(assignment), own, has);
            }
            Self::Precision(register) => {
                state.take_precision(*register);
            }
        }
    }
}

impl Replica {
    fn new(at: usize, replicas: usize) -> Self {
        let received = vec![0; replicas];
        Self { at, state: CounterState::default(), clock: 0, last: 0, moved: false, received, seen: 0 }
    }

    fn draw(&mut self) -> u64 {
        self.last += 1;
        self.received[self.at] = self.last;
        self.last
    }

    fn announce(&mut self) -> Option<Item> {
        if !std::mem::take(&mut self.moved) {
            return None;
        }
        let number = self.draw();
        let share = self.state.own()?;
        let born = if share.born == 0 { number } else { share.born };
        let share = Share { born, revision: number, ..share };
        self.state.set_own(Some(share));
        Some(Item::Share(index(self.at), share))
    }

    fn stamp(&mut self) -> Stamp {
        self.clock += 1;
        let number = self.draw();
        Stamp { time: HybridTime(self.clock), replica: replica_id(self.at), number }
    }

    fn assignment(&mut self, base: Amount, deleted: bool) -> Arc<Assignment> {
        let stamp = self.stamp();
        let own = self.state.own().map(|share| (index(self.at), share));
        let others = self.state.others().map(|held| (held.replica, held.share));
        let cut = own.into_iter().chain(others).collect();
        let context = Context::new(self.received.clone());
        Arc::new(Assignment { stamp, origin: index(self.at), base, cut, context, deleted })
    }

    /// All that it holds above what the other has.
    fn items_above(&self, received: &[u64]) -> Vec<Item> {
        let mut items = Vec::new();
        let own = index(self.at);
        if let Some(share) = self.state.own().filter(|share| share.revision > received[self.at] && !self.moved) {
            items.push(Item::Share(own, share));
        }
        self.state.items_beyond(
            |replica, number| number <= received[replica.as_usize()],
            |item| match item {
                NumberedItem::Held(held) => items.push(Item::Share(held.replica, held.share)),
                NumberedItem::Assignment(assignment) => items.push(Item::Assignment(Arc::clone(assignment))),
                NumberedItem::Precision(register) => items.push(Item::Precision(*register)),
                NumberedItem::Own(..) | NumberedItem::Retired(_) => {}
            },
        );
        items
    }
}

impl History {
    fn new(replicas: usize) -> Self {
        let replicas = (0..replicas).map(|at| Replica::new(at, replicas)).collect();
        Self { replicas, log: Vec::new(), increments: 0, assigned: BTreeMap::new() }
    }

    fn act(&mut self, at: usize, action: &Action) {
        let replica = &mut self.replicas[at];
        match action {
            Action::Increment if self.increments < 100 => {
                let share = replica.state.own().unwrap_or_default();
                let total = Total::from_units(share.total.units() + (1 << self.increments));
                replica.state.set_own(Some(Share { total, ..share }));
                replica.moved = true;
                self.increments += 1;
            }
            Action::Increment => {}
            Action::Announce => self.log.extend(replica.announce()),
            Action::Set(value) => self.assign(at, Amount::from(*value), false),
            Action::Delete => self.assign(at, Amount::ZERO, true),
            Action::Precision(value) => {
                let precision = Precision::new(Amount::from(*value)).expect("not negative");
                let register = PrecisionRegister { stamp: replica.stamp(), origin: index(at), precision };
                replica.state.take_precision(register);
                self.log.push(Item::Precision(register));
            }
            Action::Tell(to) => self.repair(at, *to % self.replicas.len(), false),
            Action::Hear(which) => {
                if let Some(item) = self.log.get(*which % self.log.len().max(1)).cloned() {
                    self.take(at, &item);
                }
            }
        }
        self.look(at);
    }

    fn assign(&mut self, at: usize, base: Amount, deleted: bool) {
        self.look(at);
        let replica = &mut self.replicas[at];
        self.log.extend(replica.announce());
        let assignment = replica.assignment(base, deleted);
        let observed = replica.seen;
        self.assigned.insert(assignment.stamp, Assigned { base: base.units(), deleted, observed });
        let received = replica.received.clone();
        replica.state.take_assignment(Arc::clone(&assignment), index(at), |of| received[of.as_usize()]);
        assert_eq!(units(&replica.state, at), base.units(), "what was set is what is read next");
        self.log.push(Item::Assignment(assignment));
    }

    fn take(&mut self, at: usize, item: &Item) {
        let replica = &mut self.replicas[at];
        if let Item::Assignment(assignment) = item {
            replica.clock = replica.clock.max(assignment.stamp.time.0);
        }
        item.deliver(&mut replica.state, index(at), &replica.received);
        self.look(at);
    }

    /// Everything that one holds and the other lacks, as it is now; then the other has all that the first had.
    fn repair(&mut self, from: usize, to: usize, backwards: bool) {
        if from == to {
            return;
        }
        let news = self.replicas[from].announce();
        self.log.extend(news);
        let mut items = self.replicas[from].items_above(&self.replicas[to].received.clone());
        if backwards {
            items.reverse();
        }
        for item in items {
            self.take(to, &item);
        }
        for of in 0..self.replicas.len() {
            let has = self.replicas[from].received[of];
            let received = &mut self.replicas[to].received[of];
            *received = (*received).max(has);
        }
    }

    /// The rules, as a user would say them.
    fn look(&mut self, at: usize) {
        let replica = &mut self.replicas[at];
        let winner = replica.state.assignment().map(|assignment| &self.assigned[&assignment.stamp]);
        let (base, observed) = winner.map_or((0, 0), |won| (won.base, won.observed));
        let counted = units(&replica.state, at) - base;
        let counted = u128::try_from(counted).expect("nothing is taken away that was not counted");
        assert!(counted < 1 << self.increments, "a third thing: {counted:b}");
        assert_eq!(counted & observed, 0, "what was assigned over counts no more");
        assert_eq!(replica.seen & !observed & !counted, 0, "what was seen and not assigned over still counts");
        let exists = counted != 0 || winner.is_some_and(|won| !won.deleted);
        assert_eq!(replica.state.exists(index(at)), exists);
        replica.seen |= counted | observed;
    }

    fn all_hear_all(&mut self, backwards: bool) {
        let replicas = self.replicas.len();
        for round in 0..3 * replicas {
            let from = if backwards { replicas - 1 - round % replicas } else { round % replicas };
            for to in 0..replicas {
                self.repair(from, to, backwards ^ (to % 2 == 0));
            }
        }
    }

    fn expected(&self) -> (i128, bool) {
        let winner = self.assigned.values().next_back();
        let (base, observed) = winner.map_or((0, 0), |won| (won.base, won.observed));
        let counted = ((1_u128 << self.increments) - 1) & !observed;
        (base + counted as i128, counted != 0 || winner.is_some_and(|won| !won.deleted))
    }
}

/// What a state comes to, in whatever order it was put together.
fn canonical(state: &CounterState) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut others: Vec<(ReplicaIndex, Share)> = state.others().map(|held| (held.replica, held.share)).collect();
    others.sort_by_key(|(replica, _)| *replica);
    let mut retired = state.retired().to_vec();
    retired.sort_by_key(|retired| (retired.replica, retired.born));
    (state.own(), others, state.assignment().cloned(), state.precision().copied(), retired)
}

fn shuffled<T: Clone>(items: &[T], mut seed: u64) -> Vec<T> {
    let mut items = items.to_vec();
    for at in (1..items.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        items.swap(at, (seed >> 33) as usize % (at + 1));
    }
    items
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        5 => Just(Action::Increment),
        3 => Just(Action::Announce),
        1 => (-9_i64..9).prop_map(Action::Set),
        1 => Just(Action::Set(0)),
        1 => Just(Action::Delete),
        1 => (0_i64..9).prop_map(Action::Precision),
        1 => (0_usize..4).prop_map(Action::Tell),
        3 => any::<usize>().prop_map(Action::Hear),
    ]
}

fn actions(most: usize) -> impl Strategy<Value = (usize, Vec<(usize, Action)>)> {
    (2_usize..5)
        .prop_flat_map(move |replicas| (Just(replicas), proptest::collection::vec((0..replicas, action()), 0..most)))
}

fn lived((replicas, actions): &(usize, Vec<(usize, Action)>)) -> History {
    let mut history = History::new(*replicas);
    for (at, action) in actions {
        history.act(*at, action);
    }
    history
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// Shares, cuts, assignments and precisions, whole and in pieces: the rules hold at every step of [`History::act`],
    /// and in the end all read the winning assignment and every increment that it had not seen.
    #[test]
    fn all_replicas_end_in_the_winner_and_what_it_had_not_seen(actions in actions(60), backwards in any::<bool>()) {
        let mut history = lived(&actions);
        history.all_hear_all(backwards);
        let (value, exists) = history.expected();
        for replica in &history.replicas {
            prop_assert_eq!(units(&replica.state, replica.at), value);
            prop_assert_eq!(replica.state.exists(index(replica.at)), exists);
            prop_assert_eq!(replica.state.precision(), history.replicas[0].state.precision());
            prop_assert_eq!(replica.state.assignment(), history.replicas[0].state.assignment());
        }
    }

    /// Commutative, associative, idempotent: an onlooker that takes the same items in any order, some of them many
    /// times, ends in the very same state, not only in the same value.
    #[test]
    fn the_order_and_number_of_deliveries_do_not_matter(actions in actions(40), seeds in any::<[u64; 4]>()) {
        let mut history = lived(&actions);
        history.all_hear_all(false);
        let (replicas, onlooker) = (history.replicas.len(), index(history.replicas.len()));
        let nothing = vec![0; replicas + 1];
        let end_state = |items: &[Item]| {
            let mut state = CounterState::default();
            for item in items {
                item.deliver(&mut state, onlooker, &nothing);
            }
            state
        };
        let in_order = end_state(&history.log);
        for seed in seeds {
            let mut items = shuffled(&history.log, seed);
            items.extend(shuffled(&history.log, seed ^ 1).into_iter().take(history.log.len() / 2));
            prop_assert_eq!(canonical(&end_state(&items)), canonical(&in_order));
        }
        // What is left of the history says the same as the history: whatever was lost is made up for by sending that.
        let mut left: Vec<Item> = history.replicas.iter().flat_map(|replica| replica.items_above(&nothing)).collect();
        left = shuffled(&left, seeds[0]);
        let from_what_is_left = end_state(&left);
        prop_assert_eq!(canonical(&from_what_is_left), canonical(&in_order));
        let (value, exists) = history.expected();
        prop_assert_eq!(units(&in_order, replicas), value);
        prop_assert_eq!(in_order.exists(onlooker), exists);
    }

    /// Of any two or three items, the order of taking them, and taking them again, make no difference.
    #[test]
    fn taking_items_is_commutative_associative_and_idempotent(actions in actions(30), which in any::<[usize; 3]>()) {
        let history = lived(&actions);
        prop_assume!(!history.log.is_empty());
        let onlooker = index(history.replicas.len());
        let nothing = vec![0; history.replicas.len() + 1];
        let chosen = which.map(|which| &history.log[which % history.log.len()]);
        let taken = |order: &[usize]| {
            let mut state = CounterState::default();
            for at in order {
                chosen[*at].deliver(&mut state, onlooker, &nothing);
            }
            canonical(&state)
        };
        let once = taken(&[0, 1, 2]);
        for order in [&[0, 2, 1][..], &[1, 0, 2], &[1, 2, 0], &[2, 0, 1], &[2, 1, 0], &[0, 1, 2, 0, 1, 2], &[2, 2, 1, 1, 0, 0]] {
            prop_assert_eq!(&taken(order), &once);
        }
    }

    /// The notes on shares that were given up, and news of the lives before and after.
    #[test]
    fn retirements_are_commutative_and_idempotent(order in any::<[u64; 2]>(), lives in 1_u64..4) {
        // Lives 10..19, 20..29, ...: born at the ten, a few revisions, given up at the nine.
        let replica = ReplicaIndex(0);
        let life = |n: u64| (n * 10, (n * 10..n * 10 + 5).map(move |revision| Share {
            born: n * 10,
            revision,
            total: Total::from_units(i128::from(revision)),
        }));
        let notes = (1..=lives).map(|n| Retired { replica, born: n * 10, by: replica, number: n * 10 + 9 });
        let state_of = |seed: u64, repeat: usize| {
            let mut state = CounterState::default();
            // Before a retirement everything that was said before it has been taken; the rest comes in any order.
            for (n, note) in (1..=lives).zip(notes.clone()) {
                let shares: Vec<Share> = life(n).1.collect();
                for share in shuffled(&shares, seed) {
                    state.take_share(replica, share, None);
                }
                for _ in 0..repeat {
                    state.take_retirement(note);
                }
                for share in shuffled(&shares, seed ^ 5) {
                    prop_assert!(!state.take_share(replica, share, None), "that life is over");
                }
                prop_assert!(state.has_no_others());
                prop_assert_eq!(state.retired(), &[note][..], "the note on an older life is not needed any more");
            }
            Ok(canonical(&state))
        };
        prop_assert_eq!(state_of(order[0], 1)?, state_of(order[1], 3)?);
    }

    /// Whatever several nodes add and set near the ends of the range: nothing wraps, nothing panics, all read the same.
    #[test]
    fn arithmetic_never_wraps_at_the_ends_of_the_range(
        totals in proptest::collection::vec((any::<bool>(), -10_i128..10, 0_i128..20), 1..9),
        base in prop_oneof![Just(Amount::MAX), Just(Amount::MIN), Just(Amount::ZERO)],
        seed in any::<u64>(),
    ) {
        let limit = Amount::MAX.units();
        let share = |(high, off, times): (bool, i128, i128)| Share {
            born: 1,
            revision: 2,
            total: Total::from_units(if high { limit.saturating_mul(times.min(16)) + off } else { -limit * times.min(16) - off }),
        };
        let shares: Vec<(ReplicaIndex, Share)> = (1..).map(ReplicaIndex).zip(totals.iter().copied().map(share)).collect();
        let read = |shares: &[(ReplicaIndex, Share)], cut: &[(ReplicaIndex, Share)]| {
            let stamp = Stamp { time: HybridTime(1), replica: replica_id(1), number: 1 };
            let (cut, context) = (cut.to_vec(), Context::default());
            let assignment = Assignment { stamp, origin: ReplicaIndex(1), base, cut, context, deleted: false };
            let mut state = CounterState::default();
            state.take_assignment(Arc::new(assignment), ReplicaIndex(0), |_| 0);
            for (replica, share) in shares {
                state.take_share(*replica, *share, None);
            }
            state.value(ReplicaIndex(0), |held| held.share.total)
        };
        let sum = read(&shares, &[]);
        prop_assert_eq!(sum.clamped(), read(&shuffled(&shares, seed), &[]).clamped());
        // The same sum in numbers that cannot overflow: halves of a half each.
        let halves = |units: i128| (units >> 64, units & i128::from(u64::MAX));
        let parts = shares.iter().map(|(_, share)| halves(share.total.units())).chain([halves(base.units())]);
        let (high, low) = parts.fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        let (high, low) = (high + (low >> 64), low & i128::from(u64::MAX));
        let fits = high.checked_mul(1 << 64).and_then(|high| high.checked_add(low));
        prop_assert_eq!(sum.to_amount(), fits.and_then(Amount::from_units));
        let clamped = fits.map_or(if high < 0 { -limit } else { limit }, |units| units.clamp(-limit, limit));
        prop_assert_eq!(sum.clamped().units(), clamped);
        prop_assert_eq!(read(&shares, &shares).clamped(), base, "what was seen is taken away to the last digit");
    }
}

#[test]
fn two_concurrent_sets_to_nothing_make_nothing() {
    let mut history = History::new(2);
    history.act(0, &Action::Increment);
    history.repair(0, 1, false);
    history.act(0, &Action::Set(0));
    history.act(1, &Action::Set(0));
    history.all_hear_all(false);
    for replica in &history.replicas {
        assert_eq!(units(&replica.state, replica.at), 0);
    }
}
