//! Nodes that are forgotten or leave, count on apart, and meet again: nothing that was given up meanwhile comes back, and
//! nothing that was counted is lost.

use crate::random::Random;
use crate::staged::{Nobody, joined, run};
use crate::world::World;
use discnt::base::{Amount, Name};
use discnt::membership::Admission;
use discnt::node::LinkView;
use std::time::Duration;

pub(crate) const KEYS: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

pub(crate) fn name(key: &str) -> Name<'_> {
    Name::new(key.as_bytes()).expect("short")
}

pub(crate) fn add(world: &World, at: usize, key: &str, by: i64) {
    world.node(at).table().increment(name(key), Amount::from(by), world.now).expect("in range");
}

pub(crate) fn set(world: &World, at: usize, key: &str, value: i64) {
    world.node(at).table().assign(name(key), Amount::from(value), world.moment(at)).expect("room");
}

pub(crate) fn delete(world: &World, at: usize, key: &str) -> bool {
    world.node(at).table().delete(name(key), world.moment(at)).expect("room")
}

pub(crate) fn reads(world: &World, key: &str) -> Vec<Option<Amount>> {
    (0..world.nodes()).map(|at| world.read(at, key)).collect()
}

#[track_caller]
pub(crate) fn all_read(world: &World, key: &str, value: Option<i64>) {
    let expected = vec![value.map(Amount::from); world.nodes()];
    assert_eq!(reads(world, key), expected, "{key}\n{}", world.describe(key));
}

/// How a node parts from its cluster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Parting {
    Forgotten,
    /// Forgotten while no word got through to it: it hears of it when it meets the others again.
    ForgottenUnheard,
    Left,
    LeftWithNewIdentity,
}

pub(crate) const PARTINGS: [Parting; 4] =
    [Parting::Forgotten, Parting::ForgottenUnheard, Parting::Left, Parting::LeftWithNewIdentity];

pub(crate) fn part(world: &mut World, leaver: usize, parting: Parting) {
    let other = (leaver + 1) % world.nodes();
    match parting {
        Parting::Forgotten => world.forget(other, leaver),
        Parting::ForgottenUnheard => {
            for peer in (0..world.nodes()).filter(|peer| *peer != leaver) {
                world.cut(leaver, peer, false, true);
            }
            world.forget(other, leaver);
        }
        Parting::Left => world.reset(leaver, false),
        Parting::LeftWithNewIdentity => world.reset(leaver, true),
    }
    run(world, 1000);
    for at in (0..world.nodes()).filter(|at| *at != leaver) {
        assert!(!world.are_members(at, leaver), "{parting:?}: {at} still knows it");
        assert!(parting == Parting::ForgottenUnheard || !world.are_members(leaver, at), "{parting:?}: it knows {at}");
    }
}

fn meet(world: &mut World, leaver: usize, at: usize, dials: bool) {
    world.heal_all();
    if dials {
        world.meet(leaver, at)
    } else {
        world.meet(at, leaver)
    }
    run(world, 8000);
    for at in (0..world.nodes()).filter(|at| *at != leaver) {
        assert!(world.are_members(at, leaver) && world.are_members(leaver, at), "{at} and it are members again");
        assert!(!world.node(at).state().view().catching_up);
    }
    assert!(!world.node(leaver).state().view().catching_up);
}

#[test]
fn what_was_given_up_meanwhile_does_not_come_back_and_what_was_counted_apart_counts() {
    for (turn, parting) in PARTINGS.into_iter().enumerate() {
        for dials in [false, true] {
            let mut world = joined(20 + turn as u64, 4);
            add(&world, 0, "gone", 1);
            add(&world, 1, "gone", 2);
            add(&world, 3, "counted on", 3);
            add(&world, 0, "counted on", 4);
            set(&world, 1, "set", 50);
            add(&world, 0, "set and gone", 1);
            run(&mut world, 1500);
            set(&world, 3, "set and gone", 70);
            run(&mut world, 1500);
            part(&mut world, 3, parting);
            assert!(delete(&world, 0, "gone") && delete(&world, 0, "set and gone"));
            set(&world, 1, "set", 60);
            add(&world, 2, "counted on", 5);
            add(&world, 3, "counted on", 6);
            add(&world, 3, "new", 7);
            add(&world, 3, "set", 8);
            run(&mut world, 5000);
            if parting != Parting::ForgottenUnheard {
                assert!(world.inspect(0, "gone").is_none(), "{parting:?}: not given up");
            }
            assert_eq!(world.read(3, "gone"), Some(Amount::from(3)));
            meet(&mut world, 3, 1, dials);
            all_read(&world, "gone", None);
            all_read(&world, "set and gone", None);
            all_read(&world, "counted on", Some(18));
            all_read(&world, "set", Some(68));
            all_read(&world, "new", Some(7));
            add(&world, 3, "gone", 9);
            run(&mut world, 2500);
            all_read(&world, "gone", Some(9));
        }
    }
}

/// Of the two sides only one assigns each counter while they are apart: what both assign has no common order.
fn operate(world: &World, random: &mut Random, sums: &mut [i64], leaver: usize) {
    for (number, key) in KEYS.iter().enumerate() {
        let at = random.below(world.nodes() as u64) as usize;
        let may_assign = (at == leaver) == (number % 2 == 0);
        match random.below(6) {
            0 | 1 => {
                let by = random.between(1, 9) as i64;
                add(world, at, key, by);
                sums[number] += by;
            }
            2 if number < 7 && may_assign => drop(delete(world, at, key)),
            3 if number < 7 && may_assign => set(world, at, key, random.below(50) as i64),
            _ => {}
        }
    }
}

#[test]
fn all_agree_after_any_parting_and_nothing_counted_is_lost() {
    for seed in 0..48 {
        let mut random = Random::new(seed);
        let nodes = random.between(2, 5) as usize;
        let mut world = joined(seed, nodes);
        let mut sums = vec![0; KEYS.len()];
        let leaver = random.below(nodes as u64) as usize;
        let mut partings = Vec::new();
        for _ in 0..2 {
            for _ in 0..6 {
                operate(&world, &mut random, &mut sums, leaver);
                run(&mut world, random.pick(&[3, 100, 700]));
            }
            run(&mut world, 2000);
            partings.push(random.pick(&PARTINGS));
            world.set_loss(random.pick(&[0.0, 0.2]));
            part(&mut world, leaver, partings[partings.len() - 1]);
            for _ in 0..8 {
                operate(&world, &mut random, &mut sums, leaver);
                run(&mut world, random.pick(&[3, 100, 1500]));
            }
            world.set_loss(0.0);
            let other = (leaver + 1 + random.below(nodes as u64 - 1) as usize) % nodes;
            meet(&mut world, leaver, other, random.unit() < 0.5);
            for key in KEYS {
                let read = reads(&world, key);
                let agree = read.iter().all(|value| *value == read[0]);
                assert!(agree, "seed {seed}, {partings:?} of {leaver}: {key}: {read:?}\n{}", world.describe(key));
            }
            for number in 7..KEYS.len() {
                let sum = (sums[number] != 0).then_some(sums[number]);
                all_read(&world, KEYS[number], sum);
            }
        }
        for key in KEYS {
            delete(&world, 0, key);
        }
        run(&mut world, 10_000);
        if !partings.contains(&Parting::LeftWithNewIdentity) {
            for at in 0..nodes {
                assert_eq!(world.node(at).table().held(), 0, "seed {seed}, {partings:?}: node {at} keeps something");
            }
        }
    }
}

/// Nobody of the other cluster was ever parted from the first, and what they take from who was is deleted there by now.
#[test]
fn what_a_parted_node_brought_to_others_goes_when_they_meet_the_cluster_that_gave_it_up() {
    for (turn, parting) in PARTINGS.into_iter().enumerate() {
        // Whom of the two the cluster meets first, and whether the parted node is still there.
        for (first, falls) in [(1, false), (3, false), (4, false), (3, true)] {
            let mut world = World::new(50 + turn as u64, 5, 0.0);
            for (at, other) in [(1, 0), (2, 0), (4, 3)] {
                world.meet(at, other);
            }
            run(&mut world, 3000);
            add(&world, 0, "gone", 1);
            add(&world, 2, "gone", 2);
            add(&world, 0, "set and gone", 1);
            add(&world, 3, "kept", 4);
            set(&world, 2, "set", 50);
            set(&world, 2, "set and gone", 70);
            run(&mut world, 2500);
            part(&mut world, 1, parting);
            for key in ["gone", "set and gone"] {
                delete(&world, 0, key);
            }
            set(&world, 2, "set", 60);
            run(&mut world, 5000);
            world.heal_all();
            run(&mut world, 2000);
            world.meet(1, 3);
            run(&mut world, 4000);
            assert_eq!(world.read(4, "gone"), Some(Amount::from(3)), "{parting:?}");
            add(&world, 4, "set", 7);
            if falls {
                world.restart(1, true);
            }
            world.meet(first, 0);
            run(&mut world, 9000);
            if !world.are_members(0, 1) {
                // By the clocks it was forgotten after the others had met it.
                assert_eq!(parting, Parting::ForgottenUnheard);
                world.meet(1, 0);
                run(&mut world, 5000);
            }
            for key in ["gone", "set and gone"] {
                all_read(&world, key, None);
            }
            all_read(&world, "kept", Some(4));
            all_read(&world, "set", Some(67));
            assert!((0..5).all(|at| !world.node(at).state().view().catching_up), "{parting:?}, {first}");
            assert!((0..5).all(|at| world.inspect(at, "gone").is_none()), "{parting:?}, {first}");
        }
    }
}

/// The one that was parted first takes over what the other has, who knows no better what the cluster gave up since.
#[test]
fn what_two_parted_nodes_told_each_other_goes_when_they_meet_the_cluster_that_gave_it_up() {
    for (turn, parting) in PARTINGS.into_iter().enumerate() {
        for first in [1, 2] {
            let mut world = joined(60 + turn as u64, 3);
            add(&world, 2, "kept", 4);
            run(&mut world, 1500);
            part(&mut world, 1, Parting::Left);
            add(&world, 0, "gone", 5);
            set(&world, 0, "set and gone", 70);
            run(&mut world, 1500);
            part(&mut world, 2, parting);
            for key in ["gone", "set and gone"] {
                delete(&world, 0, key);
            }
            run(&mut world, 5000);
            world.heal_all();
            world.cut(0, 2, false, true);
            world.meet(1, 2);
            run(&mut world, 4000);
            assert_eq!(world.read(1, "gone"), Some(Amount::from(5)), "{parting:?}");
            world.heal_all();
            for at in [first, 3 - first] {
                world.meet(at, 0);
                run(&mut world, 6000);
            }
            for key in ["gone", "set and gone"] {
                all_read(&world, key, None);
            }
            all_read(&world, "kept", Some(4));
            assert!((0..3).all(|at| world.inspect(at, "gone").is_none()), "{parting:?}, {first}");
            assert!((0..3).all(|at| !world.node(at).state().view().catching_up), "{parting:?}, {first}");
        }
    }
}

/// Three nodes, of which the second is parted, and the others give up what it holds still. Then the network is whole.
pub(crate) fn given_up_by_the_others(seed: u64, parting: Parting) -> World {
    let mut world = joined(seed, 3);
    add(&world, 0, "gone", 5);
    run(&mut world, 1500);
    part(&mut world, 1, parting);
    delete(&world, 0, "gone");
    run(&mut world, 5000);
    world.heal_all();
    world
}

/// It meets a member that has just lost its memory, and has not heard from the others again.
#[test]
fn a_member_that_remembers_nothing_makes_no_parting_good() {
    for (turn, parting) in PARTINGS.into_iter().enumerate() {
        let mut world = given_up_by_the_others(70 + turn as u64, parting);
        run(&mut world, 1500);
        world.cut(0, 2, false, true);
        world.cut(0, 1, false, true);
        world.restart(2, true);
        world.meet(1, 2);
        run(&mut world, 4000);
        assert_eq!(world.read(1, "gone"), Some(Amount::from(5)), "{parting:?}");
        world.heal_all();
        for at in [2, 1] {
            world.meet(at, 0);
            run(&mut world, 6000);
        }
        all_read(&world, "gone", None);
        assert!((0..3).all(|at| world.inspect(at, "gone").is_none()), "{parting:?}");
        assert!((0..3).all(|at| !world.node(at).state().view().catching_up), "{parting:?}");
    }
}

/// A deletion that nobody else is to hear of any more is given up, and with it its place in the order of assignments: one
/// with an earlier stamp, which nobody had heard of when its node was forgotten, holds then.
#[test]
fn what_was_set_unheard_holds_over_a_deletion_that_was_given_up_meanwhile() {
    for seed in 40..44 {
        let mut world = joined(seed, 2);
        add(&world, 0, "set", 5);
        run(&mut world, 1500);
        world.cut(0, 1, false, true);
        set(&world, 1, "set", 100);
        add(&world, 1, "set", 3);
        run(&mut world, 10);
        assert!(delete(&world, 0, "set"));
        world.forget(0, 1);
        run(&mut world, 2000);
        assert!(world.inspect(0, "set").is_none(), "seed {seed}: not given up");
        meet(&mut world, 1, 0, true);
        all_read(&world, "set", Some(103));
    }
}

fn link(world: &World, at: usize, peer: usize) -> Option<LinkView> {
    let view = world.node(at).state().view();
    view.members.iter().find(|member| member.id == world.hosts[peer].id).map(|member| member.link)
}

/// Two have forgotten it apart from each other, and one of them hears of the other's word while it greets the node that an
/// operator has it meet: that word is older than the meeting, which is said in a greeting that is on its way.
#[test]
fn news_of_a_forgetting_does_not_end_a_later_meeting_that_is_under_way() {
    let mut staged = 0;
    for seed in 0..60 {
        let mut world = joined(seed, 3);
        if world.moment(0).wall != world.moment(2).wall {
            // The later word may be older by the clocks.
            continue;
        }
        for peer in 1..3 {
            world.cut(0, peer, false, true);
        }
        world.forget(0, 1);
        run(&mut world, 20);
        world.forget(2, 1);
        run(&mut world, 1000);
        world.heal_all();
        let step = |world: &mut World| world.run_for(Duration::from_micros(200), &mut Nobody);
        while link(&world, 0, 2) != Some(LinkView::Linked) {
            step(&mut world);
        }
        let (known, id) = (world.hosts[0].admissions.clone(), world.hosts[1].id);
        let heard = |world: &World| {
            let of_it =
                |admissions: &[Admission]| admissions.iter().find(|one| one.node == id).map(|one| one.forgotten);
            of_it(&world.hosts[0].admissions) != of_it(&known)
        };
        world.meet(1, 0);
        while link(&world, 0, 1) != Some(LinkView::Handshake) {
            step(&mut world);
        }
        if !heard(&world) {
            while link(&world, 0, 1) == Some(LinkView::Handshake) && !heard(&world) {
                step(&mut world);
            }
            staged += usize::from(link(&world, 0, 1) != Some(LinkView::Linked) && heard(&world));
        }
        run(&mut world, 4000);
        for at in [0, 2] {
            assert!(world.are_members(at, 1) && world.are_members(1, at), "seed {seed}: {at} keeps it out");
        }
    }
    assert!(staged > 2, "{staged} times");
}

/// Whoever is remembered is waited for after a restart.
#[test]
fn a_stranger_that_has_not_greeted_is_not_remembered_as_a_member() {
    for seed in 0..8 {
        let mut world = World::new(seed, 3, 0.0);
        world.meet(1, 0);
        run(&mut world, 2000);
        world.meet(2, 0);
        while link(&world, 0, 2).is_none() {
            world.run_for(Duration::from_micros(200), &mut Nobody);
        }
        assert_eq!(link(&world, 0, 2), Some(LinkView::Handshake), "seed {seed}");
        world.forget(0, 1);
        assert!(!world.are_members(0, 1) && !world.are_members(0, 2), "seed {seed}");
        run(&mut world, 2000);
        assert!(world.are_members(0, 2), "seed {seed}");
    }
}

/// The member that it takes everything from falls in the middle of it.
#[test]
fn a_pull_that_ends_early_is_made_again() {
    for seed in 0..6 {
        let mut world = joined(30 + seed, 3);
        for number in 0..3000 {
            add(&world, number % 2, &format!("gone {number}"), 1);
        }
        run(&mut world, 3000);
        part(&mut world, 2, Parting::Forgotten);
        for number in 0..3000 {
            delete(&world, 0, &format!("gone {number}"));
        }
        for number in 0..3000 {
            add(&world, 1, &format!("new {number}"), 1);
        }
        run(&mut world, 6000);
        assert!(world.node(0).table().held() <= 3000);
        world.meet(2, 0);
        run(&mut world, 20 + seed * 7);
        world.flap(2, 0);
        run(&mut world, 30 + seed * 11);
        world.flap(2, 1);
        run(&mut world, 10_000);
        for at in 0..3 {
            assert_eq!(world.node(at).table().len(), 3000, "seed {seed}: node {at}");
            assert_eq!(world.node(at).table().held(), 3000, "seed {seed}: node {at}");
            assert!(!world.node(at).state().view().catching_up);
        }
    }
}
