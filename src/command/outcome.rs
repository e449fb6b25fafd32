//! What comes of a request.

use crate::base::NodeId;
use crate::resp::{ErrorReply, Reply};

/// What the connection does after a request was executed.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Send this reply.
    Reply(Reply),
    /// Send this reply, then close the connection.
    Close(Reply),
    /// Ask the node for this and send what [`answer`] makes of its result. Later requests of the connection wait.
    Wait(ClusterRequest),
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

/// A change of the cluster, which takes longer than a command may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterRequest {
    /// Dial a node and become members of one cluster.
    Meet {
        /// An address or a name to resolve; not empty, without brackets or spaces.
        host: String,
        /// 1 to 65535.
        port: u16,
    },
    /// Keep a node out of the cluster until it is met again.
    Forget {
        /// Who.
        node: NodeId,
    },
    /// Leave the cluster and forget its members; all counters stay.
    Reset {
        /// Also take a new identity.
        hard: bool,
    },
}

/// The reply to a request that had to wait: OK, or the error's text after `ERR`.
pub fn answer(result: Result<(), String>) -> Reply {
    match result {
        Ok(()) => Reply::Simple("OK"),
        Err(text) => Reply::Error(ErrorReply::new(format!("ERR {text}"))),
    }
}
