//! The second simulation: the real mesh (QUIC, TLS, links), the real driver and the real node on every host of a
//! simulated network, in one process on virtual time.

#[path = "turmoil/certificates.rs"]
mod certificates;
#[path = "simulation/random.rs"]
mod random;
#[path = "turmoil/socket.rs"]
mod socket;
#[path = "turmoil/world.rs"]
mod world;

use discnt::base::Amount;
use std::time::Duration;
use world::{Climate, World};

fn two_nodes(seed: u64) -> u64 {
    let mut world = World::new(seed, &Climate::default());
    world.found(2);
    world.increment(0, "visits", 5);
    world.increment(1, "visits", 7);
    let all = Some(Amount::from(12));
    let agreed = world.wait(Duration::from_secs(3), |world| (0..2).all(|at| world.read(at, "visits") == all));
    assert!(agreed.is_some(), "two linked nodes do not agree after 3 s");
    world.crash(1);
    world.run_for(Duration::from_secs(1));
    world.restart(1);
    let back = world.wait(Duration::from_secs(10), |world| world.read(1, "visits") == all);
    assert!(back.is_some(), "a restarted node has not got everything back after 10 s");
    world.check_panics();
    println!("{agreed:?} {back:?} {:?}", world.elapsed());
    world.trace()
}

#[test]
fn one_seed_always_does_the_same() {
    assert_eq!(two_nodes(1), two_nodes(1));
    assert_ne!(two_nodes(1), two_nodes(2));
}
