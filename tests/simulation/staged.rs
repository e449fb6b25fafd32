//! What staged scenes have in common: a cluster that has met, and nobody who checks each step.

use crate::world::{Witness, World};
use discnt::base::{Amount, Name};
use std::time::Duration;

/// Checks nothing; the scene does.
pub(crate) struct Nobody;

impl Witness for Nobody {
    fn look(&mut self, _: &World, _: usize) {}
}

/// The counter of scenes that need only one.
pub(crate) fn name() -> Name<'static> {
    Name::new(b"apples").expect("short")
}

/// Nodes that have met, three seconds later.
pub(crate) fn joined(seed: u64, nodes: usize) -> World {
    let mut world = World::new(seed, nodes, 0.0);
    for at in 1..nodes {
        world.meet(at, 0);
    }
    run(&mut world, 3000);
    world
}

pub(crate) fn run(world: &mut World, milliseconds: u64) {
    world.run_for(Duration::from_millis(milliseconds), &mut Nobody);
}

pub(crate) fn increment(world: &World, at: usize, by: i64) {
    world.node(at).table().increment(name(), Amount::from(by), world.clock(at)).expect("in range");
}
