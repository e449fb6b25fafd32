//! What a replica said last before it fell, and who of those that heard it passes it on.

use crate::staged::{Nobody, increment, joined, name, run};
use crate::world::World;
use discnt::base::{Amount, Name};
use discnt::counter::Precision;
use std::time::Duration;

fn all_read(world: &World) -> Vec<Option<Amount>> {
    (0..world.nodes()).map(|at| world.read(at, "apples")).collect()
}

/// A replica that falls while its peers have heard different parts of what it said last.
#[test]
fn last_words_are_passed_on_and_then_asked_for_no_more() {
    let mut world = joined(5, 4);
    run(&mut world, 200);
    let count = |world: &World, at: usize, name: &str| {
        let name = Name::new(name.as_bytes()).expect("short");
        world.node(at).table().increment(name, Amount::ONE, world.clock(at)).expect("in range");
    };
    for (name, heard_by) in [("nobody", 0), ("first", 1), ("second", 2), ("third", 3)] {
        for peer in (1..4).filter(|peer| *peer != heard_by) {
            world.cut(0, peer, true, false);
        }
        count(&world, 0, name);
        run(&mut world, 20);
        world.heal_all();
    }
    world.restart(0, true);
    run(&mut world, 5000);
    for at in 0..4 {
        assert_eq!(world.read(at, "nobody"), None);
        for name in ["first", "second", "third"] {
            assert_eq!(world.read(at, name), Some(Amount::ONE), "{name} at {at}");
        }
    }
    let pulls = world.pulls;
    run(&mut world, 3000);
    assert_eq!(world.pulls, pulls, "all have the same");
}

/// Only one has heard them, and falls while it passes them on: what is passed on by then must go on from there.
#[test]
fn last_words_are_passed_on_though_the_only_one_that_heard_them_falls_meanwhile() {
    let mut staged = 0;
    for seed in 0..60 {
        let mut world = joined(seed, 4);
        for peer in 2..4 {
            world.cut(0, peer, true, false);
        }
        increment(&world, 0, 7);
        run(&mut world, 10);
        let ended = world.node(0).replica();
        world.restart(0, true);
        world.heal_all();
        for peer in [0, 3] {
            world.cut(1, peer, false, true);
        }
        let holds = |world: &World, at| world.read(at, "apples").is_some();
        while !holds(&world, 2) {
            world.run_for(Duration::from_micros(500), &mut Nobody);
        }
        if holds(&world, 0) || holds(&world, 3) || world.node(2).received(ended) > 0 {
            // It was passed on to the end.
            continue;
        }
        staged += 1;
        world.restart(1, true);
        world.heal_all();
        run(&mut world, 9000);
        assert_eq!(all_read(&world), [Some(Amount::from(7)); 4], "seed {seed}");
    }
    assert!(staged > 2, "{staged} times");
}

/// A repair finds more counted than was said last. Its owner falls while it is on its way, and another has heard what was
/// said last: of two copies under one number none would ever give way.
#[test]
fn what_is_sent_again_does_not_pass_for_what_was_said_under_its_number() {
    let mut staged = 0;
    for seed in 0..60 {
        let mut world = joined(seed, 3);
        let exact = Precision::new(Amount::ZERO).expect("not negative");
        world.node(0).table().set_precision(name(), exact, world.moment(0)).expect("room");
        increment(&world, 0, 1);
        run(&mut world, 2000);
        world.cut(0, 1, true, false);
        increment(&world, 0, 5);
        run(&mut world, 20);
        world.heal_all();
        let (pulls, items) = (world.pulls, world.repair_items);
        while world.pulls == pulls {
            run(&mut world, 1);
        }
        world.set_loss(0.5);
        for _ in 0..400 {
            increment(&world, 0, 1);
            world.run_for(Duration::from_micros(250), &mut Nobody);
            if world.repair_items > items {
                break;
            }
        }
        staged += usize::from(world.repair_items > items);
        // It arrives, and nobody hears what is said after it.
        world.set_loss(1.0);
        run(&mut world, 25);
        world.restart(0, true);
        world.set_loss(0.0);
        run(&mut world, 9000);
        let read = all_read(&world);
        assert!(read.iter().all(|value| *value == read[0]), "seed {seed}: {read:?}\n{}", world.describe("apples"));
    }
    assert!(staged > 2, "{staged} times");
}
