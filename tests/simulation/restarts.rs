//! Restarts from disk, staged: each about one promise.

use crate::staged::{Nobody, increment, name, run};
use crate::world::World;
use discnt::base::{Amount, Durability, ReplicaIndex};
use discnt::counter::Precision;
use discnt::node::{Input, Phase, RequestNumber};
use std::time::Duration;

const ALL: [Durability; 3] = [Durability::Always, Durability::EverySecond, Durability::Memory];

/// Nodes with disks that have met, three seconds later.
fn joined(seed: u64, nodes: usize, mode: Durability) -> World {
    let mut world = World::new(seed, nodes, 0.0).with_disks(&[mode]);
    for at in 1..nodes {
        world.meet(at, 0);
    }
    run(&mut world, 3000);
    world
}

fn replicas(world: &World, at: usize) -> usize {
    (0..).map_while(|index| world.node(at).replica_at(ReplicaIndex(index))).count()
}

#[track_caller]
fn all_read(world: &World, value: i64) {
    let read: Vec<_> = (0..world.nodes()).map(|at| world.read(at, "apples")).collect();
    assert_eq!(read, vec![Some(Amount::from(value)); world.nodes()], "{}", world.describe("apples"));
}

/// Runs until the node serves; answers for how long, in milliseconds.
fn run_until_it_serves(world: &mut World, at: usize) -> u64 {
    for waited in 0..20_000 {
        if !world.is_paused(at) && world.node(at).state().phase() == Phase::Serving {
            return waited;
        }
        run(world, 1);
    }
    panic!("node {at} never serves");
}

#[test]
fn a_node_killed_beside_reachable_members_goes_on_as_the_replica_it_was() {
    for mode in [Durability::Always, Durability::EverySecond] {
        let mut world = joined(1, 3, mode);
        let mut heard = 0;
        for round in 0..200 {
            let at = round % 3;
            increment(&world, at, 1);
            world.commit(at);
            run(&mut world, 40);
            heard += 1;
            world.kill(at, Duration::from_millis(20), round % 2 == 0);
            run(&mut world, 20);
            let waited = run_until_it_serves(&mut world, at);
            assert!(waited < 1500, "{mode}, round {round}: it took {waited} ms");
            assert!((0..3).all(|other| replicas(&world, other) == 3), "{mode}, round {round}");
        }
        run(&mut world, 3000);
        all_read(&world, heard);
    }
}

#[test]
fn a_node_killed_while_a_member_is_away_goes_on_as_another_and_both_counts_stand() {
    let mut world = joined(2, 3, Durability::EverySecond);
    for at in 0..3 {
        increment(&world, at, 10);
    }
    run(&mut world, 2000);
    world.kill(2, Duration::from_secs(60), true);
    // On disk, and told nobody who is left.
    world.cut(0, 1, false, true);
    increment(&world, 0, 5);
    run(&mut world, 1200);
    world.kill(0, Duration::from_millis(20), true);
    world.heal_all();
    run(&mut world, 30);
    let waited = run_until_it_serves(&mut world, 0);
    assert!(waited >= 1900, "it waited for {waited} ms");
    assert_eq!(replicas(&world, 0), 4);
    increment(&world, 0, 1);
    run(&mut world, 1000);
    let (zero, one) = (world.read(0, "apples"), world.read(1, "apples"));
    assert_eq!((zero, one), (Some(Amount::from(36)), Some(Amount::from(36))));
    run(&mut world, 70_000);
    all_read(&world, 36);
    assert!((0..3).all(|at| replicas(&world, at) <= 5));
}

#[test]
fn no_node_reads_less_than_before_when_one_comes_back_without_its_disk() {
    for mode in ALL {
        for seed in 0..6 {
            let mut world = joined(seed, 3, mode);
            for at in 0..3 {
                increment(&world, at, 10);
            }
            run(&mut world, 3000);
            all_read(&world, 30);
            world.kill(1, Duration::from_millis(50), true);
            world.lose_disk(1);
            for _ in 0..300 {
                run(&mut world, 10);
                for at in (0..3).filter(|at| !world.is_paused(*at)) {
                    let state = world.node(at).state();
                    let is_known = state.phase() == Phase::Serving && !state.view().catching_up;
                    // Whoever has linked with nobody yet knows that it may be behind.
                    let is_linked = state.view().digests.len() == 2;
                    if is_known && is_linked {
                        assert_eq!(world.read(at, "apples"), Some(Amount::from(30)), "{mode}, seed {seed}: node {at}");
                    }
                }
            }
            all_read(&world, 30);
            increment(&world, 1, 1);
            run(&mut world, 2000);
            all_read(&world, 31);
        }
    }
}

#[test]
fn a_clean_stop_needs_no_repair() {
    for mode in ALL {
        let mut world = joined(5, 3, mode);
        for at in 0..3 {
            increment(&world, at, 10);
        }
        run(&mut world, 2500);
        let items = world.repair_items;
        world.stop(1, Duration::from_millis(300));
        run(&mut world, 5000);
        all_read(&world, 30);
        assert_eq!(world.repair_items, items, "{mode}");
        assert_eq!(replicas(&world, 0), 3, "{mode}");
        increment(&world, 1, 1);
        run(&mut world, 2000);
        all_read(&world, 31);
    }
}

/// The owner of a share that is extrapolated elsewhere is not asked by who comes back, and does not speak for long.
#[test]
fn a_node_that_comes_back_extrapolates_again_and_one_that_fell_is_extrapolated_no_more() {
    let mut world = joined(8, 3, Durability::EverySecond);
    let promise = Precision::new(Amount::from(300)).expect("not negative");
    world.node(0).table().set_precision(name(), promise, world.moment(0)).expect("room");
    run(&mut world, 3000);
    let stream = |world: &mut World, milliseconds: u64| {
        for _ in 0..milliseconds {
            increment(world, 0, 1);
            world.run_for(Duration::from_millis(1), &mut Nobody);
        }
    };
    stream(&mut world, 3000);
    let rates = |world: &World, at: usize| {
        let state = world.inspect(at, "apples").unwrap_or_default();
        state.others().filter(|held| held.forecast.is_some()).count()
    };
    assert_eq!(rates(&world, 1), 1, "nothing is predicted");
    world.kill(1, Duration::from_millis(20), true);
    stream(&mut world, 1500);
    assert_eq!(rates(&world, 1), 1);
    let reading = world.node(1).table().read_bounded(name(), world.clock(1));
    assert!(reading.outside_lease.is_empty() && reading.bound <= Amount::from(300), "{reading:?}");
    let read = world.read(1, "apples").unwrap_or_default();
    let most = Amount::from(4500 + 150);
    assert!((Amount::from(4500 - 150)..=most).contains(&read), "{read}");
    world.kill(0, Duration::from_millis(20), true);
    run(&mut world, 5000);
    let read: Vec<_> = (0..3).map(|at| world.read(at, "apples")).collect();
    assert!(read.iter().all(|value| *value == read[0]), "{read:?}\n{}", world.describe("apples"));
    assert!(read[0] <= Some(Amount::from(4500)), "{read:?}");
}

#[test]
fn a_client_is_told_how_many_have_on_disk_what_it_counted() {
    for mode in ALL {
        let mut world = joined(9, 4, mode);
        world.cut(0, 3, false, false);
        increment(&world, 0, 1);
        let moment = world.moment(0);
        world.hosts[0].node.handle(Input::Confirm { request: RequestNumber(7) }, moment);
        world.carry_out(0);
        run(&mut world, 300);
        let (here, members) = world.hosts[0].confirmed.expect("it was answered");
        assert_eq!((here, members), (mode != Durability::Memory, 2), "{mode}");
        for at in 0..3 {
            world.kill(at, Duration::from_millis(10), true);
        }
        world.heal_all();
        run(&mut world, 4000);
        if mode != Durability::Memory {
            all_read(&world, 1);
        }
    }
}
