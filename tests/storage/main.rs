//! The store on a real file system: damage, power cuts, kills, a full disk, and the committer over it.

#![allow(clippy::print_stdout)] // The figures of a long run are what it is run for.

mod committer;
mod crashes;
mod damage;
mod full;
mod history;
mod random;
mod renewing;
mod running;
