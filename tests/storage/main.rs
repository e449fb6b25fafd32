//! The store on a real file system: damage, power cuts, kills, and a disk that is full.

mod damage;
mod history;
mod random;
