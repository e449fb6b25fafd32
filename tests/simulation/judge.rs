//! Who judges a history.

use crate::ledger::Ledger;
use crate::oracle::Oracle;
use crate::world::{Witness, World};
use discnt::base::Amount;

/// Half of the histories are checked by each oracle: the ledger looks closer and all the time, but its increments never
/// add up to nothing, and never come steadily.
pub(crate) enum Judge {
    Oracle(Oracle),
    Ledger(Ledger),
}

impl Judge {
    pub(crate) fn witness(&mut self) -> &mut dyn Witness {
        match self {
            Self::Oracle(oracle) => oracle,
            Self::Ledger(ledger) => ledger,
        }
    }

    pub(crate) fn increment(&mut self, world: &mut World, at: usize, key: &'static str, amount: i64) {
        match self {
            Self::Oracle(oracle) => oracle.increment(world, at, key, amount),
            Self::Ledger(ledger) => ledger.increment(world, at, key),
        }
    }

    pub(crate) fn assign(&mut self, world: &mut World, at: usize, key: &'static str, value: Option<i64>) {
        match (self, value) {
            (Self::Oracle(oracle), Some(value)) => oracle.assign(world, at, key, value),
            (Self::Oracle(oracle), None) => oracle.delete(world, at, key),
            (Self::Ledger(ledger), value) => ledger.assign(world, at, key, value),
        }
    }

    /// Answers how many increments nobody else had heard of, where the oracle knows.
    pub(crate) fn crash(&mut self, world: &mut World, at: usize, noticed_at_once: bool) -> u64 {
        match self {
            Self::Oracle(oracle) => oracle.crash(world, at, noticed_at_once),
            Self::Ledger(ledger) => {
                ledger.forget(at);
                world.restart(at, noticed_at_once);
                0
            }
        }
    }

    pub(crate) fn complaint(&self) -> Option<&String> {
        match self {
            Self::Oracle(_) => None,
            Self::Ledger(ledger) => ledger.complaint.as_ref(),
        }
    }

    pub(crate) fn verdict(&self, world: &World, key: &str, read: Option<Amount>) -> Result<(), String> {
        let right = match self {
            Self::Oracle(oracle) => oracle.allows(world, key, read).then_some(read).ok_or("another value".to_owned()),
            Self::Ledger(ledger) => Ok(ledger.expected(world, key)),
        };
        match right {
            Ok(right) if right == read => Ok(()),
            right => Err(format!("the oracle {right:?}")),
        }
    }
}
