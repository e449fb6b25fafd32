//! Single scenes on the virtual network, each about one promise.

use crate::ledger::Ledger;
use crate::random::Random;
use crate::staged::{Nobody, increment, joined, name, run};
use crate::world::World;
use discnt::base::{Amount, Monotonic, Name};
use discnt::counter::Precision;
use discnt::node::LinkView;
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Duration;

fn all_read(world: &World) -> Vec<Option<Amount>> {
    (0..world.nodes()).map(|at| world.read(at, "apples")).collect()
}

#[test]
fn a_lone_increment_costs_one_record_a_peer() {
    for (seed, precision) in [(1, None), (2, Some(0)), (3, Some(1)), (4, Some(1000))] {
        let mut world = joined(seed, 4);
        if let Some(precision) = precision {
            let precision = Precision::new(Amount::from(precision)).expect("not negative");
            world.node(0).table().set_precision(name(), precision, world.moment(0)).expect("room");
        }
        run(&mut world, 2000);
        for count in 1..4_i64 {
            let sent = |world: &World| world.node(1).state().traffic.records_sent.load(Ordering::Relaxed);
            let before = sent(&world);
            increment(&world, 1, 1);
            run(&mut world, 4000);
            assert_eq!(sent(&world) - before, 3, "increment {count} with precision {precision:?}");
            assert_eq!(all_read(&world), [Some(Amount::from(count)); 4]);
        }
    }
}

/// Within the precision of what was true a moment ago: the time that the last word takes to leave and arrive.
#[test]
fn steady_streams_are_read_within_the_precision_and_exactly_once_they_rest() {
    const ON_THE_WAY: Duration = Duration::from_millis(16);
    for seed in 0..4 {
        let (nodes, precision) = (3, [10, 30, 100, 12][seed as usize]);
        let mut world = joined(seed, nodes);
        let mut random = Random::new(seed);
        let promise = Precision::new(Amount::from(precision)).expect("not negative");
        world.node(0).table().set_precision(name(), promise, world.moment(0)).expect("room");
        run(&mut world, 1000);
        let (mut total, mut made) = (0_i64, 0_u64);
        let mut truths = VecDeque::from([(world.now, 0_i64)]);
        let rates: Vec<f64> = (0..nodes).map(|_| random.pick(&[0.02, 0.2, 0.7])).collect();
        let before = world.node(0).state().traffic.records_sent.load(Ordering::Relaxed);
        let mut made_by_first = 0;
        for _ in 0..8000 {
            for (at, rate) in rates.iter().enumerate() {
                if random.unit() < *rate {
                    increment(&world, at, 1);
                    total += 1;
                    made += 1;
                    made_by_first += u64::from(at == 0);
                }
            }
            truths.push_back((world.now, total));
            run(&mut world, 1);
            let is_old = |(when, _): &(Monotonic, i64)| world.now.since(*when) > ON_THE_WAY;
            while truths.len() > 1 && is_old(&truths[1]) {
                truths.pop_front();
            }
            let (least, most) = (truths[0].1 - precision, total + precision);
            for (at, read) in all_read(&world).into_iter().enumerate() {
                let read = read.unwrap_or_default();
                let within = (Amount::from(least)..=Amount::from(most)).contains(&read);
                assert!(within, "seed {seed}: node {at} reads {read:?}, {least} to {most} is right");
            }
        }
        let records = (world.node(0).state().traffic.records_sent.load(Ordering::Relaxed) - before) / 2;
        assert!(records * 2 < made_by_first.max(100), "{records} records to a peer for {made_by_first} increments");
        run(&mut world, 2000);
        assert_eq!(all_read(&world), vec![Some(Amount::from(total)); nodes], "{made} increments");
    }
}

#[test]
fn a_deleted_counter_leaves_no_memory_behind() {
    let mut world = joined(7, 4);
    for round in 0..3 {
        for at in 0..4 {
            increment(&world, at, 5);
        }
        run(&mut world, 2500);
        assert_eq!(all_read(&world), [Some(Amount::from(20)); 4]);
        assert_eq!(world.node(round).table().delete(name(), world.moment(round)), Ok(true));
        run(&mut world, 8000);
        for at in 0..4 {
            assert_eq!(world.node(at).table().held(), 0, "node {at} in round {round}");
        }
    }
}

/// What was counted apart is added up when they meet, whatever the node calls itself by then.
#[test]
fn a_node_that_leaves_and_meets_again_brings_what_it_counted_meanwhile() {
    for hard in [false, true] {
        let mut world = joined(11, 4);
        for at in 0..4 {
            increment(&world, at, 1);
        }
        run(&mut world, 2000);
        world.reset(2, hard);
        run(&mut world, 1000);
        assert!((0..4).all(|other| !world.are_members(2, other) && !world.are_members(other, 2)));
        for at in 0..4 {
            increment(&world, at, 10);
        }
        run(&mut world, 3000);
        let (apart, together) = (Some(Amount::from(14)), Some(Amount::from(34)));
        assert_eq!(all_read(&world), [together, together, apart, together], "hard: {hard}");
        world.meet(2, 1);
        run(&mut world, 5000);
        assert_eq!(all_read(&world), [Some(Amount::from(44)); 4], "hard: {hard}");
        assert!((0..4).filter(|other| *other != 2).all(|other| world.are_members(other, 2)));
    }
}

#[test]
fn several_nodes_that_fall_one_after_another_lose_only_what_nobody_else_has() {
    let mut world = joined(13, 5);
    for round in 1..4_i64 {
        for at in 0..5 {
            increment(&world, at, 1);
            run(&mut world, 30);
        }
        for at in 0..4 {
            world.restart(at, at % 2 == 0);
            run(&mut world, 3000);
        }
        assert_eq!(all_read(&world), [Some(Amount::from(5 * round)); 5]);
    }
}

/// Assignments that cross each other just when the nodes tell each other what they have: nobody may give up what one of
/// them had not seen.
#[test]
fn assignments_that_cross_a_digest_are_not_robbed_of_what_they_had_not_seen() {
    const KEYS: [&str; 24] = [
        "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u", "v",
        "w", "x",
    ];
    for seed in 0..12 {
        let nodes = 2 + seed as usize % 2;
        let mut random = Random::new(seed);
        let mut ledger = Ledger::new(&KEYS, nodes);
        let mut world = World::new(seed, nodes, 0.0);
        for at in 1..nodes {
            world.meet(at, 0);
        }
        world.run_for(Duration::from_secs(3), &mut ledger);
        for _ in 0..5 {
            world.set_loss(random.pick(&[0.0, 0.5, 0.8]));
            // All nodes began at a full second, and speak at every one since then.
            let to_the_second = 1_000_000_000 - world.now.as_nanos() % 1_000_000_000;
            world.run_for(Duration::from_nanos(to_the_second - 9_000_000), &mut ledger);
            for _ in 0..9 {
                for key in KEYS {
                    let at = random.below(nodes as u64) as usize;
                    match random.below(12) {
                        0 | 1 => ledger.increment(&world, at, key),
                        2 => {
                            ledger.increment(&world, at, key);
                            ledger.assign(&world, at, key, None);
                        }
                        3 => ledger.assign(&world, at, key, None),
                        4 => ledger.assign(&world, at, key, Some(random.below(5) as i64)),
                        _ => {}
                    }
                }
                world.run_for(Duration::from_micros(random.between(300, 1600)), &mut ledger);
            }
            world.run_for(Duration::from_millis(1500), &mut ledger);
            world.set_loss(0.0);
            world.run_for(Duration::from_secs(6), &mut ledger);
            assert_eq!(ledger.complaint, None, "seed {seed}");
            for key in KEYS {
                let expected = ledger.expected(&world, key);
                for at in 0..nodes {
                    assert_eq!(world.read(at, key), expected, "{key} at {at}, seed {seed}\n{}", world.describe(key));
                }
            }
        }
    }
}

/// The first node deletes what the second sets at the same time, with a later stamp. The second tells that it has the
/// deletion before the first hears of the SET: the first must keep what the SET had not seen.
fn a_set_is_late(seed: u64, waits_to_leave: bool) {
    const KEYS: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let mut world = joined(seed, 2);
    let key = |key: &'static str| Name::new(key.as_bytes()).expect("short");
    let add = |world: &World, at: usize, name: Name<'_>| {
        world.node(at).table().increment(name, Amount::from(5), world.clock(at)).expect("in range");
    };
    for name in KEYS {
        add(&world, 0, key(name));
    }
    run(&mut world, 2000);
    let to_the_second = 1_000_000 - world.now.as_nanos() / 1_000 % 1_000_000;
    world.run_for(Duration::from_micros(to_the_second - if waits_to_leave { 5_600 } else { 20_000 }), &mut Nobody);
    // What comes after a flush waits for the next.
    add(&world, 1, key("other"));
    world.run_for(Duration::from_micros(1_050), &mut Nobody);
    world.set_loss(1.0);
    for name in KEYS {
        world.node(1).table().assign(key(name), Amount::from(100), world.moment(1)).expect("room");
    }
    if !waits_to_leave {
        run(&mut world, 8);
    }
    world.set_loss(0.0);
    for name in KEYS {
        add(&world, 0, key(name));
        assert_eq!(world.node(0).table().delete(key(name), world.moment(0)), Ok(true));
    }
    world.run_for(Duration::from_micros(4_300), &mut Nobody);
    world.set_loss(1.0);
    run(&mut world, 20);
    world.set_loss(0.0);
    run(&mut world, 6000);
    for name in KEYS {
        let read: Vec<_> = (0..2).map(|at| world.read(at, name)).collect();
        assert_eq!(read, [Some(Amount::from(105)); 2], "{name}, seed {seed}\n{}", world.describe(name));
    }
}

#[test]
fn a_set_that_is_late_is_not_robbed_of_what_it_had_not_seen() {
    // Only where the second node's clock is ahead is the SET the later of the two.
    let is_ahead = |seed: &u64| {
        let world = World::new(*seed, 2, 0.0);
        world.moment(1).wall > world.moment(0).wall
    };
    for seed in (0..40).filter(is_ahead) {
        a_set_is_late(seed, false);
        a_set_is_late(seed, true);
    }
}

/// Updates that come one by one, so that each is a datagram of its own.
fn updates(world: &mut World, numbers: std::ops::Range<u64>) {
    for update in numbers {
        let name = format!("update:{update}");
        let name = Name::new(name.as_bytes()).expect("short");
        world.node(0).table().increment(name, Amount::ONE, world.now).expect("in range");
        run(world, 6);
    }
}

#[test]
fn a_lost_datagram_costs_a_repair_of_what_was_in_it() {
    // With a backlog, and with one that is too short and makes every repair a walk.
    for seed in [2, 3] {
        let mut world = joined(seed, 3);
        updates(&mut world, 0..400);
        assert_eq!(world.repair_items, 0, "seed {seed}: nothing was lost");
        world.set_loss(1.0);
        updates(&mut world, 1000..1001);
        world.set_loss(0.0);
        updates(&mut world, 0..600);
        run(&mut world, 2000);
        for at in 1..3 {
            for update in (0..600).chain([1000]) {
                let times = 1 + i64::from(update < 400);
                let read = world.read(at, &format!("update:{update}"));
                assert_eq!(read, Some(Amount::from(times)), "{update} at {at}, seed {seed}");
            }
        }
        let items = world.repair_items;
        assert!((2..=10).contains(&items), "seed {seed}: {items} items for one that two nodes lacked");
    }
}

#[test]
fn repair_under_steady_loss_brings_little_more_than_what_was_lost() {
    for seed in [4, 8] {
        let mut world = joined(seed, 3);
        let (pulls, begun_at) = (world.pulls, world.now);
        world.set_loss(0.05);
        updates(&mut world, 0..2000);
        let seconds = world.now.since(begun_at).as_secs();
        world.set_loss(0.0);
        run(&mut world, 3000);
        for at in 1..3 {
            for update in 0..2000 {
                let read = world.read(at, &format!("update:{update}"));
                assert_eq!(read, Some(Amount::ONE), "{update} at {at}, seed {seed}");
            }
        }
        // 5% of what two peers were sent, and some more for chance.
        let (items, pulls) = (world.repair_items, world.pulls - pulls);
        assert!(items <= 2 * 2000 * 8 / 100, "seed {seed}: {items} items were sent again");
        assert!(pulls <= 3 * (seconds + 3), "seed {seed}: {pulls} pulls in {seconds} s");
    }
}

#[test]
fn a_node_says_that_it_is_catching_up_until_it_has_all_that_was_counted_before() {
    const COUNTERS: u64 = 40_000;
    for seed in [10, 11] {
        let mut world = World::new(seed, 2, 0.05);
        for counter in 0..COUNTERS {
            let name = counter.to_string();
            let name = Name::new(name.as_bytes()).expect("short");
            world.node(0).table().increment(name, Amount::ONE, world.now).expect("in range");
        }
        world.meet(1, 0);
        let (mut linked_for, mut caught_up_for, mut most_estimated) = (0, 0, 0);
        while caught_up_for < 100 {
            run(&mut world, 5);
            let view = world.node(1).state().view();
            let (held, is_catching_up) = (world.node(1).table().len(), view.catching_up);
            let is_linked = view.members.iter().any(|member| member.link == LinkView::Linked);
            assert!(!is_linked || held == COUNTERS || is_catching_up, "seed {seed}: {held} counters are all it knows");
            linked_for += usize::from(is_linked);
            caught_up_for += usize::from(held == COUNTERS && !is_catching_up);
            most_estimated = most_estimated.max(view.repair.map_or(0, |repair| repair.items_estimated));
            assert!(linked_for < 4000, "seed {seed}: {held} counters, catching up: {is_catching_up}");
        }
        assert!((1..=2 * COUNTERS).contains(&most_estimated), "seed {seed}: {most_estimated} items");
        assert!(!world.node(0).state().view().catching_up);
    }
}

/// Increments at a steady pace.
fn stream(world: &mut World, at: usize, count: u64, pace: Duration) {
    for _ in 0..count {
        increment(world, at, 1);
        world.run_for(pace, &mut Nobody);
    }
}

fn set_precision(world: &mut World, precision: i64) {
    let precision = Precision::new(Amount::from(precision)).expect("not negative");
    world.node(0).table().set_precision(name(), precision, world.moment(0)).expect("room");
    // A wider one is gone by once all have heard of it.
    run(world, 3000);
}

fn holds_a_rate(world: &World, at: usize) -> bool {
    let state = world.inspect(at, "apples").unwrap_or_default();
    state.others().any(|held| held.forecast.is_some())
}

/// Whoever announced the rate will never speak again, and each of the others heard it last at another moment.
#[test]
fn a_rate_whose_replica_ended_is_read_the_same_everywhere() {
    for ends in [End::Crash, End::SoftReset, End::HardReset] {
        let mut world = joined(17, 4);
        set_precision(&mut world, 100);
        stream(&mut world, 0, 300, Duration::from_millis(2));
        world.cut(0, 3, false, false);
        stream(&mut world, 0, 400, Duration::from_millis(2));
        assert!((1..4).all(|at| holds_a_rate(&world, at)), "{ends:?}");
        match ends {
            End::Crash => world.restart(0, true),
            End::SoftReset => world.reset(0, false),
            End::HardReset => world.reset(0, true),
        }
        world.heal_all();
        run(&mut world, 9000);
        let read = all_read(&world);
        // Who is cut off from a node that leaves does not hear of that.
        let told = if ends == End::Crash { &read[1..4] } else { &read[1..3] };
        assert!(told.iter().all(|value| *value == read[1]), "{ends:?}: {read:?}\n{}", world.describe("apples"));
        world.meet(0, 1);
        run(&mut world, 5000);
        let read = all_read(&world);
        assert!(read.iter().all(|value| *value == read[0]), "{ends:?}: {read:?}\n{}", world.describe("apples"));
        assert!(ends == End::Crash || read[0] == Some(Amount::from(700)), "{ends:?}: {read:?}");
    }
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum End {
    Crash,
    SoftReset,
    HardReset,
}
