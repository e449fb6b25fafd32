//! What the mesh tells its owner, and the words for it.

use super::error::DialError;
use crate::base::NodeId;
use crate::wire::LinkProtocol;
use bytes::Bytes;
use std::fmt;
use std::net::SocketAddr;

/// The caller's own number for one dial; the outcome carries it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct DialId(pub u64);

/// A message that was taken into a link's queue; [`MeshEvent::Sent`] carries it back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct MessageTicket(pub u64);

/// What happened. Every dial ends in exactly one `LinkUp` with its number, `AlreadyLinked` or `DialFailed`;
/// every `LinkUp` is followed by exactly one `LinkDown` before the next `LinkUp` of that peer, whoever closed.
#[derive(Debug)]
pub enum MeshEvent {
    /// A link to a peer stands: both sides proved their certificates and chose this connection.
    LinkUp {
        /// Who it is, as its certificate says.
        peer: NodeId,
        /// Where it is, as seen from here.
        address: SocketAddr,
        /// The dial that this link comes from; `None` when the peer dialled.
        dial: Option<DialId>,
        /// What is spoken on it.
        protocol: LinkProtocol,
    },
    /// The link is gone. What was queued on it is lost.
    LinkDown {
        /// The peer.
        peer: NodeId,
        /// Why.
        reason: DownReason,
    },
    /// The dial found a peer that another connection links already; that link stays.
    AlreadyLinked {
        /// The dial.
        dial: DialId,
        /// Whom it found.
        peer: NodeId,
    },
    /// The dial came to nothing.
    DialFailed {
        /// The dial.
        dial: DialId,
        /// Why.
        error: DialError,
    },
    /// Somebody who connected was turned away, or turned away from us. Dropped when the event queue is full.
    Refused {
        /// Where it came from.
        address: SocketAddr,
        /// A plain sentence part: "its certificate is of another authority".
        reason: String,
    },
    /// A node of the same authority connected that speaks no version of the protocol that this one does. Dropped when the
    /// event queue is full.
    Incompatible {
        /// The peer that the connection's certificate names.
        peer: NodeId,
        /// A plain sentence part: "it speaks versions 1 to 2 ...".
        reason: String,
    },
    /// A datagram arrived. May be lost, doubled and out of order.
    Datagram {
        /// The peer that the connection's certificate names.
        from: NodeId,
        /// The payload.
        bytes: Bytes,
    },
    /// A message arrived: complete, and in the order of its link.
    Message {
        /// The peer that the connection's certificate names.
        from: NodeId,
        /// The payload.
        bytes: Bytes,
    },
    /// A member told of an authority that is to be trusted, too, and that is on disk: certificates are to be looked after.
    AuthoritiesChanged,
    /// A message left the link's queue for the transport. This says nothing of its arrival.
    Sent {
        /// To whom.
        to: NodeId,
        /// Which message.
        ticket: MessageTicket,
    },
}

/// Why a link went down, and who ended it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DownReason {
    /// This node closed it.
    Closed(CloseReason),
    /// The peer closed it.
    ClosedByPeer(CloseReason),
    /// The transport gave up; the text says on what.
    Lost(String),
}

impl fmt::Display for DownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed(reason) => write!(f, "closed here: {reason}"),
            Self::ClosedByPeer(reason) => write!(f, "closed by the peer: {reason}"),
            Self::Lost(text) => write!(f, "lost: {text}"),
        }
    }
}

/// Why somebody closes a connection. Travels as QUIC's application close code and reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// The node stops and may be back: goodbye.
    Shutdown,
    /// Another connection between the same two nodes stays.
    Duplicate,
    /// The node left the cluster on purpose (a RESET).
    Left,
    /// The node was forgotten by the cluster and must meet again.
    Forgotten,
    /// The peer broke the rules of the mesh; the text says which.
    Protocol(String),
    /// That is this node itself.
    SelfConnection,
    /// The node has as many links as it may.
    TooManyLinks,
    /// Another process with the same key is linked; the text says where, and what to do.
    Twin(String),
    /// The node is joining a cluster with a token, and is met when it has.
    Joining,
    /// The two nodes speak no version of the protocol in common; the text says which they speak.
    Incompatible(String),
    /// Nothing is wrong, and the link is to be made once more; the text says what for.
    Anew(String),
    /// A reason that this version does not know.
    Unknown {
        /// The code as received.
        code: u64,
        /// The text that came with it.
        text: String,
    },
}

const JOINING: &str = "the node is just joining a cluster with a token: try again when it has";

impl CloseReason {
    /// The application close code; part of the protocol, never reused.
    pub(super) const fn code(&self) -> u64 {
        match self {
            Self::Shutdown => 1,
            Self::Duplicate => 2,
            Self::Left => 3,
            Self::Forgotten => 4,
            Self::Protocol(_) => 5,
            Self::SelfConnection => 6,
            Self::TooManyLinks => 7,
            Self::Twin(_) => 8,
            Self::Incompatible(_) => 10,
            Self::Joining => 11,
            Self::Anew(_) => 12,
            Self::Unknown { code, .. } => *code,
        }
    }

    /// The text that travels with the code.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Protocol(text)
            | Self::Twin(text)
            | Self::Incompatible(text)
            | Self::Anew(text)
            | Self::Unknown { text, .. } => text,
            // For those who do not know the code.
            Self::Joining => JOINING,
            _ => "",
        }
    }

    /// What a close from outside means. Text is kept to what a log line can take.
    pub(super) fn from_wire(code: u64, text: &[u8]) -> Self {
        const MAX_TEXT_BYTES: usize = 256;
        let text =
            String::from_utf8_lossy(&text[..text.len().min(MAX_TEXT_BYTES)]).replace(|c: char| c.is_control(), " ");
        match code {
            1 => Self::Shutdown,
            2 => Self::Duplicate,
            3 => Self::Left,
            4 => Self::Forgotten,
            5 => Self::Protocol(text),
            6 => Self::SelfConnection,
            7 => Self::TooManyLinks,
            8 => Self::Twin(text),
            10 => Self::Incompatible(text),
            11 => Self::Joining,
            12 => Self::Anew(text),
            code => Self::Unknown { code, text },
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shutdown => f.write_str("the node is shutting down"),
            Self::Duplicate => f.write_str("another connection between the two nodes is kept"),
            Self::Left => f.write_str("the node left the cluster"),
            Self::Forgotten => f.write_str("the node was forgotten and must meet again"),
            Self::Protocol(text) => write!(f, "the rules of the mesh were broken: {text}"),
            Self::SelfConnection => f.write_str("that is this node itself, or one that runs with a copy of its key"),
            Self::TooManyLinks => f.write_str("the node has as many links as it may"),
            Self::Twin(text) | Self::Anew(text) => f.write_str(text),
            Self::Incompatible(text) => write!(f, "no version of the protocol in common: {text}"),
            Self::Joining => f.write_str(JOINING),
            Self::Unknown { code, text } => write!(f, "code {code}, {text:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_reason_survives_the_wire() {
        for (code, reason) in [
            (1, CloseReason::Shutdown),
            (2, CloseReason::Duplicate),
            (3, CloseReason::Left),
            (4, CloseReason::Forgotten),
            (5, CloseReason::Protocol("a frame is too long".into())),
            (6, CloseReason::SelfConnection),
            (7, CloseReason::TooManyLinks),
            (8, CloseReason::Twin("another runs at ::1 port 7711".into())),
            (10, CloseReason::Incompatible("the one speaks 1, the other 2".into())),
            (11, CloseReason::Joining),
            (12, CloseReason::Anew("it goes on as a new replica".into())),
            (900, CloseReason::Unknown { code: 900, text: "later".into() }),
        ] {
            assert_eq!(reason.code(), code);
            let read = CloseReason::from_wire(code, reason.text().as_bytes());
            assert_eq!(read, reason);
        }
    }

    #[test]
    fn a_stranger_cannot_put_line_breaks_or_books_into_a_reason() {
        let text = [b"a\r\nb".as_slice(), &[b'x'; 1000]].concat();
        let CloseReason::Protocol(read) = CloseReason::from_wire(5, &text) else {
            panic!("code 5 is a broken rule");
        };
        assert!(read.starts_with("a  b") && read.len() == 256);
    }
}
