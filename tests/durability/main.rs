//! What a node has on disk: real processes are killed, fill their disks and start again, and what they count then is held
//! against what their clients were told.

#[path = "../simulation/random.rs"]
mod random;
#[path = "../server_support/mod.rs"]
mod server_support;

mod counting;
mod damage;
mod disks;
mod identities;
mod killing;
mod loading;
mod refusing;
mod reloading;
mod renewing;
mod replicas;
mod saving;
mod service_manager;
mod waiting;
