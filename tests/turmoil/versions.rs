//! A cluster of several versions, and programs that are replaced by later ones while it counts.

use crate::world::{Climate, World};
use discnt::base::Amount;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(90);

fn wait(world: &mut World, what: &str, until: impl FnMut(&mut World) -> bool) {
    assert!(world.wait(PATIENCE, until).is_some(), "{what}: not after {PATIENCE:?}");
}

/// Counts one on each node that is there; all of those then read the same.
fn count_on_all(world: &mut World, sum: &mut i64) {
    for at in world.up() {
        world.increment(at, "visits", 1);
        *sum += 1;
    }
    let expected = Some(Amount::from(*sum));
    wait(world, "all read the same", |world| world.up().iter().all(|at| world.read(*at, "visits") == expected));
}

/// Which version two nodes speak with each other, as the first says.
fn spoken(world: &World, at: usize, other: usize) -> Option<u16> {
    Some(world.member(at, other)?.protocol?.version.0)
}

fn is_incompatible(world: &World, at: usize, other: usize) -> bool {
    world.member(at, other).is_some_and(|member| member.is_incompatible)
}

#[test]
fn nodes_are_replaced_one_by_one_and_who_is_too_new_waits_until_the_others_are_upgraded() {
    let latency = (Duration::from_millis(1), Duration::from_millis(20));
    let mut world = World::new(7, &Climate { latency, tick: Duration::from_millis(2) });
    let mut sum = 0;
    world.found(3);
    for at in 0..3 {
        world.replace(at, 1, 1);
        wait(&mut world, "all are linked", |world| world.all_linked());
    }
    assert_eq!((spoken(&world, 0, 1), spoken(&world, 2, 0)), (Some(1), Some(1)));
    count_on_all(&mut world, &mut sum);
    for at in 0..3 {
        world.replace(at, 1, 2);
        wait(&mut world, "all are linked", |world| world.all_linked());
        count_on_all(&mut world, &mut sum);
    }
    assert_eq!((spoken(&world, 0, 1), spoken(&world, 2, 0)), (Some(2), Some(2)));
    // One is replaced by a program that is two versions ahead.
    world.replace(0, 3, 4);
    wait(&mut world, "both sides say so", |world| {
        [(0, 1), (1, 0), (0, 2), (2, 0)].iter().all(|(at, other)| is_incompatible(world, *at, *other))
    });
    world.run_for(Duration::from_secs(20));
    assert!(!world.is_linked(0, 1) && !world.is_linked(2, 0) && world.is_linked(1, 2));
    for at in 1..3 {
        world.increment(at, "visits", 1);
        sum += 1;
    }
    // The others follow, and what was counted apart is added up.
    world.replace(1, 2, 3);
    wait(&mut world, "it links with both", |world| world.is_linked(1, 0) && world.is_linked(1, 2));
    assert_eq!((spoken(&world, 1, 0), spoken(&world, 1, 2)), (Some(3), Some(2)));
    world.replace(2, 2, 3);
    wait(&mut world, "all are linked", |world| world.all_linked());
    assert!(!is_incompatible(&world, 0, 2) && !is_incompatible(&world, 2, 0));
    count_on_all(&mut world, &mut sum);
    world.check_panics();
}
