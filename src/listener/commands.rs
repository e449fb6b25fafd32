//! The service of a node: requests go to the commands, and changes of the cluster to whoever makes them.

use tokio::sync::{mpsc, oneshot};

use super::service::{Connection, Response, Service};
use crate::base::Moment;
use crate::command::{self, ClientAddress, ClusterRequest, Environment, Outcome};
use crate::resp::{Arguments, Protocol, Reply};

/// A change of the cluster that a client asked for and waits for.
#[derive(Debug)]
pub struct ClusterCall {
    /// What is asked for.
    pub request: ClusterRequest,
    /// Where the result goes; the text of an error is what the client reads after `ERR`. Dropping it tells the
    /// client that the node is stopping.
    pub answer: oneshot::Sender<Result<(), String>>,
}

/// Runs the commands of a node.
pub struct Commands<C> {
    environment: Environment,
    clock: C,
    cluster_calls: mpsc::Sender<ClusterCall>,
}

impl<C: Fn() -> Moment + Send + Sync + 'static> Commands<C> {
    /// A service over what all sessions of the node share. `clock` must be cheap and never go back on its
    /// monotonic side; `cluster_calls` is bounded, and a client whose call finds it full waits.
    pub fn new(environment: Environment, clock: C, cluster_calls: mpsc::Sender<ClusterCall>) -> Self {
        Self { environment, clock, cluster_calls }
    }
}

/// A connection's session, and the thread that it is served by.
pub struct CommandSession {
    session: command::Session,
    thread: usize,
}

impl<C: Fn() -> Moment + Send + Sync + 'static> Service for Commands<C> {
    type Session = CommandSession;
    type Pending = ClusterRequest;

    fn open(&self, connection: Connection) -> CommandSession {
        let Connection { peer, local, thread } = connection;
        let address = ClientAddress { remote: peer.to_string(), local: local.to_string() };
        let session = command::Session::new(&self.environment, address, thread, self.now().monotonic);
        CommandSession { session, thread }
    }

    fn refused(&self) {
        self.environment.statistics.count_rejected_connection();
    }

    fn protocol(&self, session: &CommandSession) -> Protocol {
        session.session.protocol()
    }

    fn is_unauthenticated(&self, session: &CommandSession) -> bool {
        !session.session.is_authenticated()
    }

    fn now(&self) -> Moment {
        (self.clock)()
    }

    #[inline]
    fn execute(&self, session: &mut CommandSession, arguments: Arguments<'_>, now: Moment) -> Response<ClusterRequest> {
        match command::execute(&self.environment, &mut session.session, arguments, now) {
            Outcome::Reply(reply) => Response::Reply(reply),
            Outcome::Close(reply) => Response::Close(reply),
            Outcome::Wait(request) => Response::Wait(request),
        }
    }

    fn transferred(&self, session: &CommandSession, read: usize, written: usize) {
        let statistics = &self.environment.statistics;
        if read > 0 {
            statistics.add_input_bytes(session.thread, read as u64);
        }
        if written > 0 {
            statistics.add_output_bytes(session.thread, written as u64);
        }
    }

    async fn wait(&self, request: ClusterRequest) -> Reply {
        let (answer, answered) = oneshot::channel();
        let result = match self.cluster_calls.send(ClusterCall { request, answer }).await {
            // A sender that was dropped did not get to it, or not to its end.
            Ok(()) => answered.await.unwrap_or_else(|_| Err("the node is stopping".to_owned())),
            Err(_) => Err("the node is stopping; nothing was changed".to_owned()),
        };
        command::answer(result)
    }
}
