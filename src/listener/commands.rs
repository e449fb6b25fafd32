//! The service of a node: requests go to the commands, and changes of the cluster to whoever makes them.

use tokio::sync::{mpsc, oneshot, watch};

use super::service::{Connection, Response, Service};
use crate::base::Moment;
use crate::command::{self, ClientAddress, ClusterRequest, Environment, Outcome};
use crate::driver::ClusterCall;
use crate::resp::{Arguments, Protocol, Reply};

/// Runs the commands of a node.
pub struct Commands<C> {
    environment: Environment,
    clock: C,
    cluster_calls: mpsc::Sender<ClusterCall>,
    stopping: watch::Receiver<bool>,
}

impl<C: Fn() -> Moment + Send + Sync + 'static> Commands<C> {
    /// A service over what all sessions of the node share. `clock` must be cheap and never go back on its
    /// monotonic side; `cluster_calls` is bounded, and a client whose call finds it full waits. Once `stopping`
    /// is true, nobody waits any more.
    pub fn new(
        environment: Environment,
        clock: C,
        cluster_calls: mpsc::Sender<ClusterCall>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self { environment, clock, cluster_calls, stopping }
    }
}

impl<C: Fn() -> Moment + Send + Sync + 'static> Service for Commands<C> {
    type Session = command::Session;
    type Pending = ClusterRequest;

    fn open(&self, connection: Connection) -> command::Session {
        let Connection { peer, local, thread } = connection;
        let address = ClientAddress { remote: peer.to_string(), local: local.to_string() };
        command::Session::new(&self.environment, address, thread, self.now().monotonic)
    }

    fn refused(&self) {
        self.environment.statistics.count_rejected_connection();
    }

    fn protocol(&self, session: &command::Session) -> Protocol {
        session.protocol()
    }

    fn is_unauthenticated(&self, session: &command::Session) -> bool {
        !session.is_authenticated()
    }

    fn now(&self) -> Moment {
        (self.clock)()
    }

    #[inline]
    fn execute(
        &self,
        session: &mut command::Session,
        arguments: Arguments<'_>,
        now: Moment,
    ) -> Response<ClusterRequest> {
        match command::execute(&self.environment, session, arguments, now) {
            Outcome::Reply(reply) => Response::Reply(reply),
            Outcome::Close(reply) => Response::Close(reply),
            Outcome::Wait(request) => Response::Wait(request),
        }
    }

    fn transferred(&self, session: &command::Session, read: usize, written: usize) {
        self.environment.statistics.count_transferred(session, read, written);
    }

    async fn wait(&self, request: ClusterRequest) -> Reply {
        let (answer, answered) = oneshot::channel();
        let call = async {
            match self.cluster_calls.send(ClusterCall { request, answer }).await {
                // A sender that was dropped did not get to it, or not to its end.
                Ok(()) => answered.await.unwrap_or_else(|_| Err("the node is stopping".to_owned())),
                Err(_) => Err("the node is stopping; nothing was changed".to_owned()),
            }
        };
        let mut stopping = self.stopping.clone();
        let result = tokio::select! {
            biased;
            result = call => result,
            // Told, or nobody is left who could tell.
            _ = stopping.wait_for(|stopping| *stopping) => {
                Err("the node is stopping, and did not wait for the end of this".to_owned())
            }
        };
        command::answer(result)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::{Incarnation, NodeId, ReplicaId, ReplicaIndex};
    use crate::command::{Settings, Statistics};
    use crate::counter::{Table, TableSettings};
    use crate::resp::{Decoder, Limits};

    fn commands(
        settings: Settings,
    ) -> (Commands<impl Fn() -> Moment>, mpsc::Receiver<ClusterCall>, watch::Sender<bool>) {
        let table = Table::new(TableSettings {
            config: crate::counter::Config::default(),
            lease: std::time::Duration::from_secs(3),
            replica: ReplicaId { node: NodeId::new([1; 20]), incarnation: Incarnation(1) },
            replica_index: ReplicaIndex::default(),
            hash_seeds: [1, 2, 3, 4],
            wake: Box::new(|| {}),
        });
        let environment = Environment {
            table: Arc::new(table),
            cluster: Arc::default(),
            clients: Arc::default(),
            statistics: Arc::new(Statistics::new(1)),
            settings,
            process: Arc::default(),
        };
        let (sender, receiver) = mpsc::channel(1);
        let (stopping, is_stopping) = watch::channel(false);
        (Commands::new(environment, Moment::default, sender, is_stopping), receiver, stopping)
    }

    fn connection() -> Connection {
        Connection { peer: ([127, 0, 0, 1], 40_000).into(), local: ([127, 0, 0, 1], 5262).into(), thread: 0 }
    }

    fn run<C: Fn() -> Moment + Send + Sync + 'static>(
        commands: &Commands<C>,
        session: &mut command::Session,
        line: &str,
    ) -> Response<ClusterRequest> {
        let line = format!("{line}\r\n");
        let mut decoder = Decoder::new(Limits::default());
        decoder.decode(line.as_bytes()).expect("well-formed");
        commands.execute(session, decoder.arguments(line.as_bytes()), commands.now())
    }

    #[test]
    fn requests_reach_the_commands_and_sessions_are_listed_while_they_last() {
        let (commands, _calls, _stopping) = commands(Settings::default());
        let mut session = commands.open(connection());
        assert_eq!(commands.environment.clients.len(), 1);
        assert!(!commands.is_unauthenticated(&session));
        assert!(matches!(run(&commands, &mut session, "INCR a"), Response::Reply(Reply::Integer(1))));
        assert!(matches!(run(&commands, &mut session, "QUIT"), Response::Close(Reply::Simple("OK"))));
        run(&commands, &mut session, "HELLO 3");
        assert_eq!(commands.protocol(&session), Protocol::Resp3);
        commands.transferred(&session, 7, 4);
        assert_eq!(commands.environment.statistics.input_bytes(), 7);
        assert_eq!(commands.environment.statistics.output_bytes(), 4);
        drop(session);
        assert!(commands.environment.clients.is_empty());
    }

    #[test]
    fn a_session_is_unauthenticated_until_it_gives_the_password() {
        let (commands, _calls, _stopping) =
            commands(Settings { password: Some("secret".to_owned()), ..Settings::default() });
        let mut session = commands.open(connection());
        assert!(commands.is_unauthenticated(&session));
        run(&commands, &mut session, "AUTH secret");
        assert!(!commands.is_unauthenticated(&session));
    }

    #[tokio::test]
    async fn a_change_of_the_cluster_is_handed_over_and_its_result_is_the_reply() {
        let (commands, mut calls, _stopping) = commands(Settings::default());
        let mut session = commands.open(connection());
        for result in [Ok(()), Err("no route".to_owned())] {
            let Response::Wait(request) = run(&commands, &mut session, "CLUSTER MEET 127.0.0.1 7712") else {
                panic!("CLUSTER MEET takes time");
            };
            let expected = command::answer(result.clone());
            let driver = async {
                let call = calls.recv().await.expect("a call");
                let meet = ClusterRequest::Meet { host: "127.0.0.1".to_owned(), port: 7712 };
                assert_eq!(call.request, meet);
                call.answer.send(result).expect("the session waits");
            };
            let (reply, ()) = tokio::join!(commands.wait(request), driver);
            assert_eq!(reply, expected);
        }
    }

    #[tokio::test]
    async fn a_change_that_nobody_makes_any_more_is_an_error() {
        let (commands, mut calls, _stopping) = commands(Settings::default());
        let request = || ClusterRequest::Reset { hard: false };
        let (reply, ()) = tokio::join!(commands.wait(request()), async {
            drop(calls.recv().await);
        });
        assert_eq!(reply, command::answer(Err("the node is stopping".to_owned())));
        drop(calls);
        let reply = commands.wait(request()).await;
        assert_eq!(reply, command::answer(Err("the node is stopping; nothing was changed".to_owned())));
    }

    #[tokio::test]
    async fn nobody_waits_for_a_change_once_the_server_stops() {
        let (commands, _calls, stopping) = commands(Settings::default());
        let request = ClusterRequest::Meet { host: "127.0.0.1".to_owned(), port: 7712 };
        let (reply, _) = tokio::join!(commands.wait(request), async { stopping.send_replace(true) });
        let error = "the node is stopping, and did not wait for the end of this";
        assert_eq!(reply, command::answer(Err(error.to_owned())));
    }
}
