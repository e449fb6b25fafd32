//! What a session asks of whoever runs the commands.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::base::Moment;
use crate::resp::{Arguments, Protocol, Reply};

/// One end of a client's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// An address and a port.
    Tcp(SocketAddr),
    /// The path of the server's socket, at which both ends meet.
    Unix(Arc<Path>),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            // As in Redis, so that whoever takes it apart finds a port. A blank would begin the next field.
            Self::Unix(path) => {
                let path = path.to_string_lossy();
                write!(f, "{}:0", path.replace(|c: char| c.is_whitespace() || c.is_control(), "?"))
            }
        }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

/// A client's connection.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The client's end.
    pub peer: Endpoint,
    /// This server's end.
    pub local: Endpoint,
    /// The number of its file descriptor.
    pub descriptor: i32,
    /// The number of the thread that serves it, from 0.
    pub thread: usize,
    /// The user that its certificate names, where certificates are to tell.
    pub certificate_user: Option<String>,
}

/// How a request is answered.
#[derive(Debug)]
pub enum Response<W> {
    /// With this.
    Reply(Reply),
    /// With this, and then the connection is closed.
    Close(Reply),
    /// Once this has been [waited for](Service::wait); the connection's later requests wait, too.
    Wait(W),
    /// Nothing was run. The same request is to be run again once requests [may go on](Service::resumed).
    Paused,
}

/// What a session holds in memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// Arrived and not run yet.
    pub query: usize,
    /// The room for what arrives, taken or not.
    pub query_capacity: usize,
    /// Replies that the client has not taken yet.
    pub output: usize,
}

/// Runs requests. One is shared by all sessions on all threads.
pub trait Service: Send + Sync + 'static {
    /// What a connection remembers from one request to the next. Dropped when it is closed.
    type Session: Send + Sync;
    /// What an answer may have to wait for.
    type Pending: Send;
    /// The right to run requests, for as long as it is held.
    type Entry<'a>;
    /// What replies that are ready may have to wait for before they leave.
    type Hold: Copy + Ord + Send + Sync;

    /// Begins a connection's session.
    fn open(&self, connection: Connection) -> Self::Session;

    /// Somebody was turned away, because there were `max_clients` already.
    fn refused(&self);

    /// Somebody showed no certificate, or one that is not good enough.
    fn certificate_refused(&self, peer: &Endpoint, reason: &str) {
        let _ = (peer, reason);
    }

    /// Whether whoever connects is let in without saying who it is.
    fn lets_everyone_in(&self) -> bool {
        true
    }

    /// The version of the protocol that the session speaks now.
    fn protocol(&self, session: &Self::Session) -> Protocol;

    /// Whether the session has yet to give a password, so that large requests are not to be taken from it.
    fn is_unauthenticated(&self, session: &Self::Session) -> bool;

    /// Reads the clock; done once for all requests that arrived together.
    fn now(&self) -> Moment;

    /// Waits for the right to run requests; not across anything that waits itself.
    fn enter(&self, session: &Self::Session) -> Self::Entry<'_>;

    /// These are likely to be the names in the requests that come next.
    fn expect<'a>(&self, names: impl Iterator<Item = &'a [u8]>) {
        drop(names);
    }

    /// Runs one request, which is not empty, after [entering](Self::enter). Must not block.
    fn execute(&self, session: &mut Self::Session, arguments: Arguments<'_>, now: Moment) -> Response<Self::Pending>;

    /// Bytes were read from, or written to, the session's connection.
    fn transferred(&self, session: &Self::Session, read: usize, written: usize);

    /// Completes when there is something to be sent that the session's requests are not answered with.
    fn poll_messages(&self, session: &Self::Session, context: &Context<'_>) -> Poll<()>;

    /// Appends such messages until `out` has `limit` bytes or there are no more. Answers whether the connection goes on.
    fn take_messages(&self, session: &Self::Session, limit: usize, out: &mut Vec<u8>) -> bool;

    /// Finds the messages of all sessions, for ever. Runs on a thread of its own.
    fn publish(&self) -> impl Future<Output = ()> + Send;

    /// Waits for what a request needs, and answers it; none closes the connection without a word.
    fn wait(&self, session: &Self::Session, pending: Self::Pending) -> impl Future<Output = Option<Reply>> + Send;

    /// Whether the reply to the request that was just run is to be sent; asked once for each.
    fn takes_reply(&self, session: &mut Self::Session) -> bool {
        let _ = session;
        true
    }

    /// The session holds this now. Told when it changes by much, or for long.
    fn holds(&self, session: &Self::Session, holding: Holding) {
        let _ = (session, holding);
    }

    /// The most bytes of replies that the session may have waiting; 0 for any number.
    fn output_limit(&self, session: &Self::Session) -> u64 {
        let _ = session;
        0
    }

    /// Completes when somebody else has the connection closed, at once and whatever it is in.
    fn ended(&self, session: &Self::Session) -> impl Future<Output = ()> + Send + 'static {
        let _ = session;
        std::future::pending()
    }

    /// Completes when a request that was put off may be tried again; false closes the connection instead.
    fn resumed(&self, session: &Self::Session) -> impl Future<Output = bool> + Send {
        let _ = session;
        std::future::ready(true)
    }

    /// Looks after all sessions; called once a second.
    fn look_after(&self) {}

    /// What the replies to the requests since the last call have to wait for; none where they may leave at once.
    fn take_hold(&self, session: &mut Self::Session) -> Option<Self::Hold>;

    /// Whether replies that had to wait for this may leave by now.
    fn is_released(&self, hold: Self::Hold) -> bool;

    /// Completes when [`Self::is_released`] becomes true, and asks for that to happen; one caller a thread at a time.
    fn released(&self, hold: Self::Hold) -> impl Future<Output = ()> + Send;
}
