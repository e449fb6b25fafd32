//! Staged faults, each with the time that is promised for getting over it.

use crate::socket::lock;
use crate::world::{Climate, World, name};
use discnt::base::Amount;
use std::collections::BTreeSet;
use std::time::Duration;

/// Nodes that reach each other, if only through a third, agree after this at the latest.
const AGREEMENT: Duration = Duration::from_secs(3);

/// Plays on a near, a far, and where more seeds are asked for on more networks.
fn on_every_network(play: impl Fn(&mut World)) {
    const SLOWEST_MILLIS: [u64; 4] = [10, 100, 50, 5];
    let networks = (crate::setting("DISCNT_TURMOIL_SEEDS", 0) / 10).clamp(2, 200);
    for seed in 0..networks {
        let slowest = SLOWEST_MILLIS[(seed % 4) as usize];
        let latency = (Duration::from_millis(1), Duration::from_millis(slowest));
        let mut world = World::new(seed, &Climate { latency, tick: Duration::from_millis(2) });
        play(&mut world);
        world.check_panics();
    }
}

fn reads(world: &World, at: &[usize], key: &str, value: i64) -> bool {
    at.iter().all(|at| world.read(*at, key) == Some(Amount::from(value)))
}

#[track_caller]
fn within(world: &mut World, most: Duration, what: &str, until: impl FnMut(&mut World) -> bool) -> Duration {
    let start = world.elapsed();
    match world.wait(most, until) {
        Some(took) => took,
        None => panic!("not after {most:?} from {start:?} on: {what}"),
    }
}

#[test]
fn two_nodes_that_dial_each_other_at_once_take_up_one_link_and_keep_it() {
    for apart in [0, 2, 6, 20, 50] {
        on_every_network(|world| {
            world.add(0, true);
            world.add(0, true);
            world.meet(0, 1);
            world.run_for(Duration::from_millis(apart));
            world.meet(1, 0);
            let mut links = [(0, 1, BTreeSet::new()), (1, 0, BTreeSet::new())];
            for _ in 0..4_000 {
                world.step();
                for (at, other, seen) in &mut links {
                    seen.extend(world.member(*at, *other).and_then(|member| member.linked_since));
                }
            }
            assert!(world.all_linked(), "dialled {apart} ms apart, the two are not linked");
            let counts = links.each_ref().map(|(_, _, seen)| seen.len());
            assert_eq!(counts, [1, 1], "dialled {apart} ms apart, links were taken up and dropped");
            world.increment(0, "visits", 1);
            within(world, AGREEMENT, "the link carries counts", |world| reads(world, &[0, 1], "visits", 1));
        });
    }
}

/// Counts at both ends of what was cut, and waits each time until all nodes have it.
fn count_across(world: &mut World, rounds: i64) -> Duration {
    let mut slowest = Duration::ZERO;
    for round in 1..=rounds {
        world.increment(0, "visits", 1);
        world.increment(2, "visits", 1);
        let all = |world: &mut World| reads(world, &[0, 1, 2], "visits", 2 * round);
        slowest = slowest.max(within(world, AGREEMENT, "all read the same through the third", all));
        world.run_for(Duration::from_millis(130));
    }
    slowest
}

#[test]
fn two_nodes_that_are_cut_from_each_other_agree_through_a_third() {
    on_every_network(|world| {
        world.found(3);
        world.cut(0, 2);
        let slowest = count_across(world, 20);
        println!("cut both ways: {slowest:?} at most");
        world.heal();
        within(world, Duration::from_secs(20), "they are linked again", |world| world.all_linked());
    });
}

#[test]
fn two_nodes_of_which_one_does_not_hear_the_other_agree_through_a_third() {
    on_every_network(|world| {
        world.found(3);
        world.cut_one_way(2, 0);
        let slowest = count_across(world, 20);
        println!("cut one way: {slowest:?} at most");
        world.heal();
        within(world, Duration::from_secs(20), "they are linked again", |world| world.all_linked());
    });
}

#[test]
fn a_killed_node_is_marked_failed_within_five_seconds_and_cleared_within_two_of_its_return() {
    on_every_network(|world| {
        world.found(4);
        world.run_for(Duration::from_secs(2));
        world.increment(3, "visits", 4);
        within(world, AGREEMENT, "all have it", |world| reads(world, &[0, 1, 2, 3], "visits", 4));
        world.crash(3);
        let failed = |world: &World, at| world.member(at, 3).is_some_and(|member| member.failed);
        let marked = within(world, Duration::from_secs(5), "the killed node is marked by all", |world| {
            (0..3).all(|at| failed(world, at))
        });
        world.run_for(Duration::from_secs(20));
        assert!((0..3).all(|at| failed(world, at)), "nobody has heard of it");
        world.restart(3);
        let cleared = within(world, Duration::from_secs(2), "the node that is back is cleared by all", |world| {
            (0..3).all(|at| !failed(world, at) && !world.member(at, 3).is_some_and(|member| member.suspected))
        });
        let again = within(world, AGREEMENT, "it has its counts back", |world| reads(world, &[3], "visits", 4));
        println!("marked after {marked:?}, cleared after {cleared:?}, has its counts {again:?} later");
    });
}

#[test]
fn a_node_that_is_back_before_anybody_missed_it_is_taken_back_at_once() {
    on_every_network(|world| {
        world.found(3);
        for (round, away_millis) in [0, 100, 900, 3_000].into_iter().enumerate() {
            world.increment(0, "visits", 1);
            let total = 1 + round as i64;
            within(world, AGREEMENT, "all have it", |world| reads(world, &[0, 1, 2], "visits", total));
            for at in [1, 2] {
                world.crash(at);
                world.run_for(Duration::from_millis(away_millis));
                world.restart(at);
                let back = within(world, Duration::from_secs(2), "all are linked again", |world| world.all_linked());
                within(world, Duration::from_secs(2), "it has all", |world| reads(world, &[at], "visits", total));
                println!("linked again {back:?} after {away_millis} ms away");
            }
        }
    });
}

#[test]
fn a_node_that_says_goodbye_leaves_what_it_counted_with_the_others() {
    on_every_network(|world| {
        world.found(3);
        for round in 1..=5 {
            world.increment(2, "visits", 1);
            world.increment(2, &format!("visits of page {round}"), 1);
            world.stop(2);
            let left = |world: &mut World| reads(world, &[0, 1], "visits", round);
            within(world, Duration::from_millis(500), "the others have its last words", left);
            assert!(world.member(0, 2).is_some_and(|member| member.failed), "it said goodbye");
            world.restart(2);
            within(world, AGREEMENT, "it has all back", |world| {
                reads(world, &[2], "visits", round) && world.all_linked()
            });
        }
    });
}

#[test]
fn last_words_get_through_a_network_that_loses_every_third_datagram() {
    on_every_network(|world| {
        world.found(3);
        for round in 1..=5 {
            lock(&world.weather).loss = 0.3;
            world.increment(2, "visits", 1);
            world.stop(2);
            let left = |world: &mut World| reads(world, &[0, 1], "visits", round);
            within(world, Duration::from_secs(3), "the others have its last words", left);
            lock(&world.weather).loss = 0.0;
            world.restart(2);
            within(world, Duration::from_secs(5), "it has all back", |world| {
                reads(world, &[2], "visits", round) && world.all_linked()
            });
        }
    });
}

#[test]
fn a_link_that_is_cut_one_way_only_loses_nothing_and_comes_back() {
    on_every_network(|world| {
        world.found(2);
        world.cut_one_way(0, 1);
        for _ in 0..80 {
            world.increment(0, "visits", 1);
            world.increment(1, "visits", 1);
            world.run_for(Duration::from_millis(100));
        }
        world.heal();
        let agreed = within(world, Duration::from_secs(12), "both read the same again", |world| {
            reads(world, &[0, 1], "visits", 160)
        });
        println!("agreed {agreed:?} after the one-way cut");
    });
}

#[test]
fn a_node_in_a_black_hole_for_forty_seconds_loses_nothing_and_comes_back() {
    on_every_network(|world| {
        world.found(3);
        world.cut(0, 1);
        world.cut(0, 2);
        for _ in 0..400 {
            for at in 0..3 {
                world.increment(at, "visits", 1);
            }
            world.run_for(Duration::from_millis(100));
        }
        assert!(reads(world, &[0], "visits", 400), "it counts alone");
        world.heal();
        let agreed = within(world, Duration::from_secs(12), "all read the same again", |world| {
            reads(world, &[0, 1, 2], "visits", 1200)
        });
        println!("agreed {agreed:?} after the black hole");
    });
}

#[test]
fn what_was_held_up_for_seconds_and_comes_all_at_once_is_counted_once() {
    on_every_network(|world| {
        world.found(3);
        for (time, total) in [(1, 30), (3, 60), (7, 90)] {
            world.hold(0, 1);
            world.hold(0, 2);
            for _ in 0..10 {
                for at in 0..3 {
                    world.increment(at, "visits", 1);
                }
                world.run_for(Duration::from_millis(100 * time));
            }
            world.heal();
            let agreed = within(world, Duration::from_secs(12), "all read the same again", |world| {
                reads(world, &[0, 1, 2], "visits", total)
            });
            println!("agreed {agreed:?} after {time} s of delay");
        }
    });
}

#[test]
fn five_nodes_find_each_other_and_agree_on_a_network_that_loses_three_of_ten_datagrams() {
    on_every_network(|world| {
        lock(&world.weather).loss = 0.3;
        for at in 0..5 {
            world.add(0, at % 2 == 0);
        }
        for at in 1..5 {
            world.meet(at, at - 1);
        }
        let linked = within(world, Duration::from_secs(60), "all are linked", |world| {
            (1..5).for_each(|at| {
                if world.elapsed().subsec_millis() == 0 && !world.is_linked(at, at - 1) {
                    world.meet(at, at - 1);
                }
            });
            world.all_linked()
        });
        for at in 0..5 {
            world.increment(at, "visits", 1);
        }
        let agreed = within(world, Duration::from_secs(10), "all read the same", |world| {
            reads(world, &[0, 1, 2, 3, 4], "visits", 5)
        });
        println!("linked after {linked:?}, agreed after {agreed:?}");
    });
}

#[test]
fn of_two_assignments_the_one_that_saw_the_other_wins_whatever_the_clocks_say() {
    on_every_network(|world| {
        const HOUR_MILLIS: i64 = 3_600_000;
        world.add(HOUR_MILLIS, true);
        world.add(0, true);
        world.add(-HOUR_MILLIS, true);
        world.meet(1, 0);
        world.meet(2, 0);
        within(world, Duration::from_secs(5), "all are linked", |world| world.all_linked());
        for (round, at) in [0, 2, 1, 0, 2, 1].into_iter().enumerate() {
            let value = 100 * (1 + round as i64);
            world.set(at, "visits", value);
            within(world, AGREEMENT, "all read what was set last", |world| reads(world, &[0, 1, 2], "visits", value));
        }
    });
}

#[test]
fn a_newcomer_gets_thousands_of_counters_through_a_network_that_loses_every_tenth_datagram() {
    on_every_network(|world| {
        const COUNTERS: u64 = 3_000;
        world.found(2);
        for number in 0..COUNTERS {
            world.increment((number % 2) as usize, &format!("visits of page {number}"), 1 + number as i64);
        }
        let holds_all = |world: &World, at| {
            (0..COUNTERS).all(|number| reads(world, &[at], &format!("visits of page {number}"), 1 + number as i64))
        };
        let all_have = |world: &mut World| world.table(0).len() == COUNTERS && world.table(1).len() == COUNTERS;
        within(world, AGREEMENT, "both have all", all_have);
        lock(&world.weather).loss = 0.1;
        world.add(0, true);
        world.meet(2, 0);
        let took = within(world, Duration::from_secs(10), "the newcomer has all", |world| {
            world.table(2).len() == COUNTERS && holds_all(world, 2)
        });
        println!("{COUNTERS} counters after {took:?}");
        assert!(holds_all(world, 0) && holds_all(world, 1));
    });
}

#[test]
fn a_deletion_is_not_given_up_while_a_member_that_a_newcomer_never_met_is_away() {
    on_every_network(|world| {
        world.found(3);
        within(world, AGREEMENT, "all are members", |world| {
            (0..3).all(|at| (0..3).all(|other| at == other || world.member(at, other).is_some_and(|m| !m.failed)))
        });
        world.cut(0, 2);
        world.cut(1, 2);
        world.run_for(Duration::from_secs(8));
        world.set(2, "visits", 5);
        world.run_for(Duration::from_millis(50));
        world.add(0, true);
        world.meet(3, 0);
        within(world, Duration::from_secs(5), "the newcomer is linked", |world| {
            world.is_linked(3, 0) && world.is_linked(3, 1) && world.is_linked(0, 3)
        });
        world.increment(3, "visits", 1);
        world.run_for(Duration::from_secs(2));
        world.table(3).delete(name("visits"), world.moment(3)).expect("room");
        world.run_for(Duration::from_secs(12));
        world.meet(3, 2);
        within(world, Duration::from_secs(5), "the newcomer meets the one that is away", |world| {
            world.is_linked(3, 2) && world.is_linked(2, 3)
        });
        world.run_for(Duration::from_secs(2));
        world.heal();
        within(world, Duration::from_secs(20), "all are linked", |world| world.all_linked());
        world.run_for(Duration::from_secs(5));
        let read = [0, 1, 2, 3].map(|at| world.read(at, "visits"));
        assert!(read.iter().all(|value| *value == read[0]), "{read:?}");
    });
}
