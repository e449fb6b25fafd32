//! Giving up deleted counters, staged: what must not be forgotten while somebody may still need it.

use crate::oracle::Oracle;
use crate::staged::{increment, joined, name, run};
use crate::world::World;
use discnt::base::{Amount, Name};
use std::time::Duration;

fn set(world: &World, at: usize, value: i64) {
    world.node(at).table().assign(name(), Amount::from(value), world.moment(at)).expect("room");
}

fn delete(world: &World, at: usize) {
    assert_eq!(world.node(at).table().delete(name(), world.moment(at)), Ok(true));
}

#[track_caller]
fn all_read(world: &World, value: i64, seed: u64) {
    let read: Vec<_> = (0..world.nodes()).map(|at| world.read(at, "apples")).collect();
    let expected = vec![Some(Amount::from(value)); world.nodes()];
    assert_eq!(read, expected, "seed {seed}\n{}", world.describe("apples"));
}

/// A share comes back to what a deletion had seen of it. The last to have heard is one that has only heard it go up,
/// and sets the counter: what it then hears of the way down must still find the share.
#[test]
fn a_share_is_not_given_up_while_somebody_has_only_seen_it_elsewhere() {
    let mut staged = 0;
    for seed in 0..30 {
        let mut world = joined(seed, 3);
        increment(&world, 0, 5);
        run(&mut world, 2000);
        increment(&world, 0, 3);
        delete(&world, 1);
        run(&mut world, 2500);
        all_read(&world, 3, seed);
        // All nodes began at a full second, and tell each other what they have at every one since then.
        let into_the_second = world.now.as_nanos() / 1_000_000 % 1000;
        run(&mut world, 1150 - into_the_second);
        world.cut(0, 2, true, false);
        increment(&world, 0, -3);
        run(&mut world, 1100);
        if world.read(2, "apples") != Some(Amount::from(3)) {
            // It has found the cut out, and heard of it from another.
            continue;
        }
        staged += 1;
        set(&world, 2, 100);
        world.heal_all();
        run(&mut world, 8000);
        all_read(&world, 97, seed);
    }
    assert!(staged > 2, "{staged} times");
}

/// All but one have given up a deletion, and a node whose clock is behind, and that has lost its memory, sets the counter.
/// Whoever still holds the deletion must find that the SET came after it.
#[test]
fn what_is_set_after_a_deletion_was_given_up_wins_over_it() {
    let is_behind = |seed: &u64| {
        let world = World::new(*seed, 4, 0.0);
        world.moment(3).wall < world.moment(0).wall
    };
    let mut staged = 0;
    for seed in (0..60).filter(is_behind) {
        let mut world = joined(seed, 4);
        increment(&world, 0, 5);
        run(&mut world, 2000);
        delete(&world, 0);
        let holds_share = |world: &World| world.inspect(0, "apples").is_some_and(|state| state.own().is_some());
        while holds_share(&world) {
            run(&mut world, 1);
        }
        world.pause(2, Duration::from_secs(20), false);
        run(&mut world, 1500);
        let holds = |at| world.inspect(at, "apples").is_some_and(|state| state.assignment().is_some());
        if !holds(2) || holds(0) || holds(1) {
            // The last to look had found out already that one does not answer.
            continue;
        }
        staged += 1;
        world.restart(3, true);
        run(&mut world, 2000);
        set(&world, 3, 7);
        run(&mut world, 1000);
        world.heal_all();
        run(&mut world, 9000);
        all_read(&world, 7, seed);
    }
    assert!(staged > 2, "{staged} times");
}

/// A deletion remembers a share that was given up, for as long as another that it had not seen whole is there. Who hears
/// of both from a third must not take that share for a living one: nobody would ever give it up there.
#[test]
fn a_share_that_was_given_up_does_not_come_back_with_the_deletion_that_had_seen_it() {
    for seed in 0..8 {
        let mut world = joined(seed, 3);
        increment(&world, 0, 5);
        increment(&world, 1, 3);
        run(&mut world, 2000);
        delete(&world, 0);
        increment(&world, 1, 2);
        run(&mut world, 6000);
        all_read(&world, 2, seed);
        let shares = |world: &World, at| {
            let state = world.inspect(at, "apples").unwrap_or_default();
            state.others().count() + usize::from(state.own().is_some())
        };
        assert_eq!((shares(&world, 0), shares(&world, 1)), (1, 1), "seed {seed}\n{}", world.describe("apples"));
        world.restart(2, true);
        run(&mut world, 3000);
        all_read(&world, 2, seed);
        assert_eq!(shares(&world, 2), 1, "seed {seed}\n{}", world.describe("apples"));
        delete(&world, 2);
        run(&mut world, 8000);
        for at in 0..3 {
            assert_eq!(world.node(at).table().held(), 0, "seed {seed}: node {at} keeps something");
        }
    }
}

/// The last words of a replica reach all but one only with the deletion of who heard them, so their number never counts as
/// received there. Who assigns after the share was given up has seen them all the same.
#[test]
fn what_came_only_with_a_deletion_has_been_seen_by_who_assigns_after_it() {
    let mut staged = 0;
    for seed in 0..20 {
        let mut world = joined(seed, 3);
        let mut oracle = Oracle::new(&["apples"]);
        oracle.increment(&mut world, 2, "apples", 5);
        world.run_for(Duration::from_secs(2), &mut oracle);
        world.cut(2, 1, true, false);
        oracle.increment(&mut world, 2, "apples", 3);
        world.run_for(Duration::from_millis(20), &mut oracle);
        let ended = world.node(2).replica();
        oracle.crash(&mut world, 2, true);
        oracle.delete(&mut world, 0, "apples");
        world.run_for(Duration::from_millis(20), &mut oracle);
        world.heal_all();
        world.run_for(Duration::from_secs(8), &mut oracle);
        assert!(world.inspect(1, "apples").is_none(), "seed {seed}: not given up\n{}", world.describe("apples"));
        staged += usize::from(world.node(1).received(ended) < world.node(0).received(ended));
        oracle.increment(&mut world, 0, "apples", 1);
        world.run_for(Duration::from_secs(2), &mut oracle);
        oracle.assign(&mut world, 1, "apples", 100);
        world.run_for(Duration::from_secs(2), &mut oracle);
        all_read(&world, 100, seed);
        assert!(oracle.allows(&world, "apples", Some(Amount::from(100))), "seed {seed}: the oracle");
    }
    assert!(staged > 2, "{staged} times");
}

/// All links may be made again, but for these.
fn heal_but(world: &mut World, cuts: &[(usize, usize)]) {
    world.heal_all();
    for (one, other) in cuts {
        world.cut(*one, *other, false, true);
    }
}

/// A deletion had seen what an ended life of its writer is known to have counted. The last words of that life, with a gap
/// before them, are with one node, which is back just now and has the deletion from a third.
#[test]
fn an_ended_life_is_not_given_up_while_somebody_has_more_of_it() {
    let mut staged = 0;
    for seed in 0..40 {
        let mut world = joined(seed, 3);
        increment(&world, 0, 5);
        run(&mut world, 2000);
        world.set_loss(1.0);
        let other = Name::new(b"other").expect("short");
        world.node(0).table().increment(other, Amount::ONE, world.clock(0)).expect("in range");
        run(&mut world, 10);
        world.set_loss(0.0);
        world.cut(0, 1, false, true);
        increment(&world, 0, 7);
        run(&mut world, 10);
        if world.read(2, "apples") != Some(Amount::from(12)) {
            continue;
        }
        world.cut(0, 2, false, true);
        world.cut(1, 2, false, true);
        world.restart(0, true);
        heal_but(&mut world, &[(0, 2), (1, 2)]);
        run(&mut world, 4000);
        assert_eq!(world.read(0, "apples"), Some(Amount::from(5)), "seed {seed}");
        delete(&world, 0);
        run(&mut world, 500);
        heal_but(&mut world, &[(0, 2)]);
        while world.inspect(2, "apples").is_none_or(|state| state.assignment().is_none()) {
            run(&mut world, 1);
        }
        staged += usize::from(world.read(0, "apples").is_none());
        world.heal_all();
        run(&mut world, 9000);
        all_read(&world, 7, seed);
    }
    assert!(staged > 2, "{staged} times");
}
