//! The bytes of RESP2 and RESP3: requests in, replies out.
//!
//! Values and functions only: what arrives is handed in as a slice, what leaves is appended to a buffer.
//! Nothing here knows a command, touches a socket, or lets a stranger's number decide how much is allocated.

mod arguments;
mod decoder;
mod encode;
mod error;
mod inline;
mod lookahead;
mod owned;
mod reply;

pub use arguments::Arguments;
pub use decoder::{Decoder, Limits};
pub use encode::encode;
pub use error::ProtocolError;
pub use lookahead::names;
pub use owned::OwnedArguments;
pub use reply::{ErrorReply, Protocol, Reply};
