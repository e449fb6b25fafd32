//! Disks that are put back to what they were, staged: what others heard meanwhile is never overwritten with less.

use crate::staged::{increment, run};
use crate::world::World;
use discnt::base::{Amount, Durability, ReplicaIndex};
use discnt::node::Phase;
use std::time::Duration;

const ALL: [Durability; 3] = [Durability::Always, Durability::EverySecond, Durability::Memory];

/// Three nodes with disks that have met, of which the third has counted.
fn counting(seed: u64, mode: Durability) -> World {
    let mut world = World::new(seed, 3, 0.0).with_disks(&[mode]);
    for at in 1..3 {
        world.meet(at, 0);
    }
    run(&mut world, 3000);
    increment(&world, 2, 5);
    run(&mut world, 3000);
    world
}

fn replicas(world: &World, at: usize) -> usize {
    (0..).map_while(|index| world.node(at).replica_at(ReplicaIndex(index))).count()
}

#[track_caller]
fn all_read(world: &World, value: i64, when: &str) {
    let read: Vec<_> = (0..world.nodes()).map(|at| world.read(at, "apples")).collect();
    assert_eq!(read, vec![Some(Amount::from(value)); world.nodes()], "{when}: {}", world.describe("apples"));
}

/// Puts the third node's disk back, and counts there from the moment that it serves.
#[track_caller]
fn goes_on_without_loss(world: &mut World, copy: crate::disk::Copy, heard: i64, when: &str) {
    world.kill(2, Duration::from_millis(200), true);
    world.put_back(2, copy);
    let is_known = world.are_members(2, 0);
    run(world, 200);
    let serves = |world: &World| !world.is_paused(2) && world.node(2).state().phase() == Phase::Serving;
    let mut waited = 0;
    while !serves(world) {
        assert!(waited < 10_000, "{when}: it never serves");
        run(world, 1);
        waited += 1;
    }
    // Whoever knows of no other serves at once; what it counts before it is found out stays out.
    increment(world, 2, 1);
    run(world, 5000);
    let heard = heard + i64::from(is_known);
    all_read(world, heard, when);
    increment(world, 2, 1);
    world.commit(2);
    run(world, 5000);
    all_read(world, heard + 1, when);
    world.kill(2, Duration::from_millis(200), true);
    run(world, 8000);
    increment(world, 2, 1);
    run(world, 5000);
    all_read(world, heard + 2, when);
}

#[test]
fn a_disk_put_back_to_what_it_was_while_the_node_ran_takes_nothing_back() {
    for mode in [Durability::Always, Durability::EverySecond] {
        let mut world = counting(1, mode);
        let copy = world.copy_of_disk(2);
        for turn in 0..30 {
            increment(&world, 2, 100);
            run(&mut world, 10 * (turn % 3));
        }
        run(&mut world, 3000);
        all_read(&world, 3005, "before");
        goes_on_without_loss(&mut world, copy, 3005, &mode.to_string());
    }
}

#[test]
fn a_disk_put_back_to_what_an_orderly_stop_had_left_takes_nothing_back() {
    for mode in ALL {
        let mut world = counting(2, mode);
        world.stop(2, Duration::from_millis(200));
        let copy = world.copy_of_disk(2);
        run(&mut world, 3000);
        increment(&world, 2, 1000);
        run(&mut world, 3000);
        all_read(&world, 1005, "before");
        goes_on_without_loss(&mut world, copy, 1005, &mode.to_string());
    }
}

/// Whoever has not heard of it all, and is alone there when the node comes, cannot know.
#[test]
fn a_disk_put_back_takes_nothing_back_while_a_member_is_away() {
    for mode in ALL {
        let mut world = counting(3, mode);
        world.stop(2, Duration::from_millis(200));
        let copy = world.copy_of_disk(2);
        run(&mut world, 3000);
        increment(&world, 2, 1000);
        run(&mut world, 3000);
        world.kill(0, Duration::from_secs(20), true);
        run(&mut world, 100);
        world.kill(2, Duration::from_millis(200), true);
        world.put_back(2, copy);
        run(&mut world, 8000);
        assert_eq!(world.node(2).state().phase(), Phase::Serving, "{mode}");
        increment(&world, 2, 1);
        run(&mut world, 25_000);
        all_read(&world, 1006, &mode.to_string());
    }
}

#[test]
fn a_disk_that_knows_of_no_cluster_takes_nothing_back_from_the_one_that_was_joined() {
    for mode in ALL {
        let mut world = World::new(4, 3, 0.0).with_disks(&[mode]);
        increment(&world, 2, 5);
        world.commit(2);
        run(&mut world, 1000);
        world.stop(2, Duration::from_millis(200));
        let copy = world.copy_of_disk(2);
        run(&mut world, 3000);
        for at in 1..3 {
            world.meet(at, 0);
        }
        run(&mut world, 3000);
        increment(&world, 2, 1000);
        run(&mut world, 3000);
        all_read(&world, 1005, "before");
        goes_on_without_loss(&mut world, copy, 1005, &mode.to_string());
        assert!((0..3).all(|at| replicas(&world, at) <= 5), "{mode}");
    }
}
