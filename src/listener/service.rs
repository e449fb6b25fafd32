//! What a session asks of whoever runs the commands.

use std::net::SocketAddr;
use std::task::{Context, Poll};

use crate::base::Moment;
use crate::resp::{Arguments, Protocol, Reply};

/// A client's connection.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// The client's end.
    pub peer: SocketAddr,
    /// This server's end.
    pub local: SocketAddr,
    /// The number of the thread that serves it, from 0.
    pub thread: usize,
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
}

/// Runs requests. One is shared by all sessions on all threads.
pub trait Service: Send + Sync + 'static {
    /// What a connection remembers from one request to the next. Dropped when it is closed.
    type Session: Send;
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

    /// The version of the protocol that the session speaks now.
    fn protocol(&self, session: &Self::Session) -> Protocol;

    /// Whether the session has yet to give a password, so that large requests are not to be taken from it.
    fn is_unauthenticated(&self, session: &Self::Session) -> bool;

    /// Reads the clock; done once for all requests that arrived together.
    fn now(&self) -> Moment;

    /// Waits for the right to run requests; not across anything that waits itself.
    fn enter(&self, session: &Self::Session) -> Self::Entry<'_>;

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
    fn wait(&self, pending: Self::Pending) -> impl Future<Output = Option<Reply>> + Send;

    /// What the replies to the requests since the last call have to wait for; none where they may leave at once.
    fn take_hold(&self, session: &mut Self::Session) -> Option<Self::Hold>;

    /// Whether replies that had to wait for this may leave by now.
    fn is_released(&self, hold: Self::Hold) -> bool;

    /// Completes when [`Self::is_released`] becomes true, and asks for that to happen; one caller a thread at a time.
    fn released(&self, hold: Self::Hold) -> impl Future<Output = ()> + Send;
}
