//! How a machine becomes a node of the cluster, and stays one: invitations, and certificates that members give.
//!
//! It all runs on connections of their own, beside the links: whoever has an open invitation, or a node's certificate,
//! may ask one thing. The secret of an invitation is a key that proves itself in the handshake and is never sent.

mod admission;
mod answering;
mod asking;
mod attempts;
mod gate;
mod invitations;
mod invited_key;
mod inviting;
mod meeting;
mod token;

pub(super) use answering::{Asker, run as answer};
pub use asking::JoinError;
pub(super) use asking::{Question, has_fingerprint};
pub use gate::Joining;
pub(super) use gate::{Gate, Office};
pub use invitations::OpenInvitation;
pub(super) use invitations::{Invitations, Standing};
pub(super) use invited_key::is_by_itself;
pub use inviting::{Invitation, own_address};
pub use meeting::{remember_to_meet, to_meet};
pub use token::{Token, TokenError};
