//! What comes of a request.

use super::access::AccessRequest;
use super::error::CommandError;
use super::flushing::FlushRequest;
use crate::base::NodeId;
use crate::resp::{ErrorReply, Reply};
use std::fmt;
use std::time::Duration;

/// What the connection does after a request was executed.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Send this reply.
    Reply(Reply),
    /// Send this reply, then close the connection.
    Close(Reply),
    /// Have this done and send what comes of it. Later requests of the connection wait.
    Wait(Pending),
    /// Nothing was run. Run the same request again when the [pause](super::Pause) is over.
    Paused,
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

impl From<ClusterRequest> for Outcome {
    fn from(request: ClusterRequest) -> Self {
        Self::Wait(Pending::Cluster(request))
    }
}

impl From<IdentityRequest> for Outcome {
    fn from(request: IdentityRequest) -> Self {
        Self::Wait(Pending::Identity(request))
    }
}

impl From<StorageRequest> for Outcome {
    fn from(request: StorageRequest) -> Self {
        Self::Wait(Pending::Storage(request))
    }
}

/// What takes longer than a command may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pending {
    /// A change of the cluster; [`answer`] makes the reply.
    Cluster(ClusterRequest),
    /// Something about certificates and who may join; [`answer_with_text`] makes the reply.
    Identity(IdentityRequest),
    /// Something to write, or the end of the server; [`answer`] makes the reply of what failed.
    Storage(StorageRequest),
    /// Others, or the disk, are to have what was counted; [`AcknowledgementRequest::reply`] makes the reply.
    Acknowledgement(AcknowledgementRequest),
    /// All counters are to be deleted; [`answer`] makes the reply.
    Flush(FlushRequest),
    /// Nothing is to happen for so long, and then it is answered OK.
    Sleep(Duration),
    /// Changed settings are to be written into the configuration file; [`answer`] makes the reply.
    RewriteConfiguration,
    /// Users are to be read or written, or a password is to be made up.
    Access(AccessRequest),
}

/// A change of the cluster.
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
        /// For good, whoever meets it.
        ban: bool,
    },
    /// Leave the cluster and forget its members; all counters stay.
    Reset {
        /// Also take a new identity.
        hard: bool,
    },
    /// Write down that what the node holds is told, as a backup of it is.
    BeginBackup,
}

/// Something about certificates and who may join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityRequest {
    /// Make a token with which machines join.
    Invite {
        /// How many.
        uses: u32,
        /// For how long.
        lifetime: Duration,
        /// Where this node is reached, if its operator says so: host and UDP port.
        address: Option<(String, u16)>,
    },
    /// List the invitations that can be used.
    Invitations,
    /// Take back those whose name begins like this.
    Uninvite {
        /// In lower case, and not empty.
        name: String,
    },
    /// Join the cluster that a token is of.
    Join {
        /// The token.
        token: Secret,
    },
    /// Have the node's certificate made anew.
    Rotate,
    /// Have the cluster's authority made anew.
    RotateAuthority,
    /// Read the files with certificates again.
    Reread,
}

/// A text that is not for logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
    }
}

/// Something to write, or the end of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageRequest {
    /// Write all that changed; OK once it is on disk.
    Save,
    /// Write all that changed and read all back; OK once what is on disk is known to be what is in memory.
    Reload,
    /// Write all that changed; [`BACKGROUND_SAVE_STARTED`] at once.
    SaveInBackground,
    /// Write what is to be written and stop; no reply, the connection is closed with all others.
    Shutdown(Shutdown),
}

/// How the server is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// Whether a node that writes only when it is told to writes now.
    pub save: bool,
    /// Stop even if that fails.
    pub force: bool,
}

/// The reply to a save that has begun.
pub const BACKGROUND_SAVE_STARTED: Reply = Reply::Simple("Background saving started");

/// Who is to have everything that was counted here before the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcknowledgementRequest {
    /// Whether this node itself is to have it on disk. None asks about other nodes alone, and what they have in memory;
    /// otherwise the others are to have it on disk, too.
    pub local: Option<bool>,
    /// How many other nodes.
    pub nodes: u64,
    /// How long to wait at most; none is for ever.
    pub timeout: Option<Duration>,
}

/// Who has it, when the waiting is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acknowledged {
    /// Whether this node has it on disk.
    pub local: bool,
    /// How many other nodes have it.
    pub nodes: u64,
}

impl AcknowledgementRequest {
    /// The same, to be answered with how things stand.
    pub fn without_waiting(self) -> Self {
        // The least that is not "for ever".
        Self { timeout: Some(Duration::from_nanos(1)), ..self }
    }

    /// The reply: how many nodes, and for a request about disks whether this one is among them.
    pub fn reply(&self, acknowledged: Acknowledged) -> Reply {
        let nodes = Reply::Integer(i64::try_from(acknowledged.nodes).unwrap_or(i64::MAX));
        match self.local {
            None => nodes,
            Some(_) => Reply::Array(vec![Reply::Integer(acknowledged.local.into()), nodes]),
        }
    }
}

/// The reply to a request whose waiting was called off with an error.
pub fn unblocked() -> Reply {
    Reply::Error(CommandError::Unblocked.reply(""))
}

/// The reply to a request that had to wait: OK, or the error's text after `ERR`.
pub fn answer(result: Result<(), String>) -> Reply {
    match result {
        Ok(()) => Reply::Simple("OK"),
        Err(text) => Reply::Error(ErrorReply::new(format!("ERR {text}"))),
    }
}

/// The reply to a request that had to wait and is answered in words, or the error's text after `ERR`.
pub fn answer_with_text(result: Result<String, String>) -> Reply {
    match result {
        Ok(text) => Reply::Bulk(text.into_bytes()),
        Err(text) => Reply::Error(ErrorReply::new(format!("ERR {text}"))),
    }
}
