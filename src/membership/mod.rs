//! Floor 1: who is in the cluster, and who of them is there.
//!
//! A SWIM failure detector (the foca crate) held as a value: bytes, links and time go in, packets to send and
//! changes to react to come out. It must never read a clock, draw randomness of its own, open a socket, or
//! believe what a packet says of its sender: the sender is who the link's certificate says.
//!
//! A member is forgotten only by being told so ([`Membership::forget`]); one that fails stays known as down.

mod acceptance;
mod admission;
mod codec;
mod config;
mod error;
mod goodbye;
#[cfg(test)]
mod hostility;
mod identity;
mod links;
mod machine;
mod output;
mod packet;
mod roster;
mod runtime;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod strategies;
mod timers;

pub use admission::{Admission, Admissions, MAX_ADMISSIONS, MAX_BANNED};
pub use config::Config;
pub use error::MembershipError;
pub use identity::{MAX_GENERATION, MAX_HOST_BYTES, MemberIdentity, is_host};
pub use machine::Membership;
pub use output::Output;
pub use packet::MAX_PACKET_BYTES;
pub use roster::{MAX_MEMBERS, MemberState, MemberStatus};
