//! The store on a real file system: damage, power cuts, kills, a full disk, and the committer over it.

mod committer;
mod crashes;
mod damage;
mod full;
mod history;
mod random;
mod running;
