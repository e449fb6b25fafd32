//! The service of a node: requests go to the commands, and changes of the cluster to whoever makes them.

use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::sync::{mpsc, oneshot, watch};

use super::disk::Disk;
use super::flushing::{BackgroundFlushes, flush};
use super::live::Live;
use super::publishing::publish;
use super::service::{Connection, Endpoint, Holding, Response, Service};
use super::users::{UserFile, access};
use crate::base::Moment;
use crate::command::{
    self, Acknowledged, AcknowledgementRequest, AuditEvent, BACKGROUND_SAVE_STARTED, Client, ClientAddress,
    ClusterRequest, Entry, Environment, FlushRequest, IdentityRequest, Mark, Outcome, Pending, Shutdown, Stage,
    StorageRequest, Unblocked,
};
use crate::counter::Table;
use crate::driver::{AcknowledgementCall, ClusterCall, IdentityCall, NodeCall, Requester};
use crate::node::ClusterState;
use crate::resp::{Arguments, Protocol, Reply};

/// Runs the commands of a node.
pub struct Commands<C> {
    /// Before the node is there: without counters, and with a gate that lets pass only what needs none.
    early: Environment,
    /// With the node.
    ready: OnceLock<Environment>,
    clock: Arc<C>,
    ways: Ways,
    flushes: Arc<BackgroundFlushes>,
}

/// Where requests go that a session cannot answer by itself.
pub struct Ways {
    /// What the node is to do or tell. Bounded: a client whose call finds it full waits.
    pub node_calls: mpsc::Sender<NodeCall>,
    /// What is to be written.
    pub disk: Arc<dyn Disk>,
    /// What clients are allowed.
    pub live: Arc<Live>,
    /// The file of users.
    pub users: Arc<dyn UserFile>,
    /// The end of the server.
    pub shutdowns: mpsc::Sender<Shutdown>,
    /// Once this is true, nobody waits any more.
    pub stopping: watch::Receiver<bool>,
}

impl<C: Fn() -> Moment + Send + Sync + 'static> Commands<C> {
    /// A service over what all sessions of the node share; its table and cluster may be replaced once, when the node is
    /// there. `clock` must be cheap and never go back on its monotonic side.
    pub fn new(early: Environment, clock: C, ways: Ways) -> Self {
        Self { early, ready: OnceLock::new(), clock: Arc::new(clock), ways, flushes: Arc::default() }
    }

    /// The node is there. The gate has not let anything through to the table until now.
    pub fn begin(&self, table: Arc<Table>, cluster: Arc<ClusterState>) {
        let (subscriptions, counters) = (Arc::clone(&self.early.subscriptions), Arc::clone(&table));
        self.early.persistence.before_serving(move || subscriptions.release(&counters));
        // There is one node.
        let _ = self.ready.set(Environment { table, cluster, ..self.early.clone() });
    }

    #[inline]
    pub(super) fn environment(&self) -> &Environment {
        self.ready.get().unwrap_or(&self.early)
    }

    pub(super) async fn change_cluster(&self, request: ClusterRequest) -> Reply {
        let (answer, answered) = oneshot::channel();
        let call = async {
            match self.ways.node_calls.send(NodeCall::Change(ClusterCall { request, answer })).await {
                // A sender that was dropped did not get to it, or not to its end.
                Ok(()) => answered.await.unwrap_or_else(|_| Err("the node is stopping".to_owned())),
                Err(_) => Err("the node is stopping; nothing was changed".to_owned()),
            }
        };
        let result = tokio::select! {
            biased;
            result = call => result,
            () = self.stopped() => Err("the node is stopping, and did not wait for the end of this".to_owned()),
        };
        command::answer(result)
    }

    async fn identify(&self, session: &command::Session, request: IdentityRequest) -> Reply {
        let (answer, answered) = oneshot::channel();
        let client = session.client();
        let requester = Requester { user: client.account().name().to_string(), peer: client.remote().to_owned() };
        let call = async {
            match self.ways.node_calls.send(NodeCall::Identity(IdentityCall { requester, request, answer })).await {
                Ok(()) => answered.await.unwrap_or_else(|_| Err("the node is stopping".to_owned())),
                Err(_) => Err("the node is stopping; nothing was changed".to_owned()),
            }
        };
        let result = tokio::select! {
            biased;
            result = call => result,
            () = self.stopped() => Err("the node is stopping, and did not wait for the end of this".to_owned()),
        };
        command::answer_with_text(result)
    }

    async fn store(&self, request: StorageRequest) -> Option<Reply> {
        match request {
            StorageRequest::Save => {
                let result = tokio::select! {
                    biased;
                    result = self.ways.disk.save() => result,
                    () = self.stopped() => Err("the node is stopping, which saves, too".to_owned()),
                };
                Some(command::answer(result))
            }
            StorageRequest::Reload => {
                let result = tokio::select! {
                    biased;
                    result = self.ways.disk.reload() => result,
                    () = self.stopped() => Err("the node is stopping; nothing was read".to_owned()),
                };
                Some(command::answer(result))
            }
            StorageRequest::SaveInBackground => {
                self.ways.disk.begin_save();
                Some(BACKGROUND_SAVE_STARTED)
            }
            StorageRequest::Shutdown(shutdown) => self.shut_down(shutdown).await,
        }
    }

    /// Writes first, while it can still be told that it did not work.
    async fn shut_down(&self, shutdown: Shutdown) -> Option<Reply> {
        let has_something = self.environment().persistence.stage() == Stage::Serving;
        if shutdown.save && has_something {
            let saved = tokio::select! {
                biased;
                saved = self.ways.disk.save() => saved,
                () = self.stopped() => return None,
            };
            if let Err(reason) = saved
                && !shutdown.force
            {
                let reason =
                    format!("Errors trying to SHUTDOWN: {reason}; the server goes on, SHUTDOWN FORCE stops it");
                return Some(command::answer(Err(reason)));
            }
        }
        // Full or closed, the server has been told to stop before.
        let _ = self.ways.shutdowns.try_send(shutdown);
        self.stopped().await;
        None
    }

    async fn flush(&self, request: FlushRequest) -> Reply {
        let (environment, clock) = (self.environment().clone(), Arc::clone(&self.clock));
        let flushed = flush(environment, move || clock(), Arc::clone(&self.ways.disk), request.thread);
        if request.in_background {
            self.flushes.begin(flushed);
            return command::answer(Ok(()));
        }
        tokio::select! {
            biased;
            reply = flushed => reply,
            () = self.stopped() => command::answer(Err("the node is stopping; some counters may be left".to_owned())),
        }
    }

    /// Who has what was counted before, once they are as many as asked for or the time is over.
    async fn acknowledged(&self, request: AcknowledgementRequest) -> Acknowledged {
        let commits = self.environment().table.commits();
        let ticket = commits.ticket();
        let deadline = request.timeout.map(|timeout| tokio::time::Instant::now() + timeout);
        let (answer, answered) = oneshot::channel();
        let nodes = async {
            let call = AcknowledgementCall { request, answer };
            match self.ways.node_calls.send(NodeCall::Acknowledgement(call)).await {
                // Nobody is there to ask once the node has ended.
                Ok(()) => answered.await.unwrap_or(0),
                Err(_) => 0,
            }
        };
        let local = async {
            if request.local == Some(true) {
                let committed = self.ways.disk.committed(ticket);
                match deadline {
                    Some(deadline) => drop(tokio::time::timeout_at(deadline, committed).await),
                    None => committed.await,
                }
            }
        };
        tokio::select! {
            biased;
            (nodes, ()) = async { tokio::join!(nodes, local) } => Acknowledged { local: commits.is_durable(ticket), nodes },
            () = self.stopped() => Acknowledged { local: commits.is_durable(ticket), nodes: 0 },
        }
    }

    /// Completes when the server stops.
    async fn stopped(&self) {
        // Told, or nobody is left who could tell.
        let _ = self.ways.stopping.clone().wait_for(|stopping| *stopping).await;
    }
}

impl<C: Fn() -> Moment + Send + Sync + 'static> Service for Commands<C> {
    type Session = command::Session;
    type Pending = Pending;
    /// The commit cycle that has to be on disk.
    type Hold = u64;
    type Entry<'a> = Entry<'a>;

    fn open(&self, connection: Connection) -> command::Session {
        let Connection { peer, local, descriptor, thread, certificate_user } = connection;
        let is_unix = matches!(peer, Endpoint::Unix(_));
        let address = ClientAddress { remote: peer.to_string(), local: local.to_string(), descriptor, is_unix };
        let now = self.now();
        let mut session = command::Session::new(self.environment(), address, thread, now.monotonic);
        if let Some(name) = certificate_user {
            session.begin_with_certificate(self.environment(), &name, now);
        }
        session
    }

    fn lets_everyone_in(&self) -> bool {
        self.environment().settings.access.lets_everyone_in()
    }

    fn refused(&self) {
        self.environment().statistics.count_rejected_connection();
    }

    fn certificate_refused(&self, peer: &Endpoint, reason: &str) {
        self.environment().settings.access.certificate_refused(&peer.to_string(), reason, self.now());
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
    fn enter(&self, session: &command::Session) -> Entry<'_> {
        self.environment().exclusion.enter(session.thread())
    }

    #[inline]
    fn expect<'a>(&self, names: impl Iterator<Item = &'a [u8]>) {
        let table = &self.environment().table;
        if table.is_worth_prefetching() {
            table.prefetch(names.filter(|name| !name.is_empty()));
        }
    }

    #[inline]
    fn execute(&self, session: &mut command::Session, arguments: Arguments<'_>, now: Moment) -> Response<Pending> {
        let clock = || (self.clock)().monotonic;
        match command::execute_timed(self.environment(), session, arguments, now, &clock) {
            Outcome::Reply(reply) => Response::Reply(reply),
            Outcome::Close(reply) => Response::Close(reply),
            Outcome::Wait(request) => Response::Wait(request),
            Outcome::Paused => Response::Paused,
        }
    }

    fn transferred(&self, session: &command::Session, read: usize, written: usize) {
        self.environment().statistics.count_transferred(session, read, written);
        session.client().held().traffic.fetch_add((read + written) as u64, Ordering::Relaxed);
    }

    #[inline]
    fn poll_messages(&self, session: &command::Session, context: &Context<'_>) -> Poll<()> {
        session.poll_messages(context)
    }

    #[inline]
    fn take_messages(&self, session: &command::Session, limit: usize, out: &mut Vec<u8>) -> bool {
        let taken = session.take_messages(limit, out);
        if taken.is_err() {
            tell_cut_off(session.client());
        }
        taken.is_ok()
    }

    async fn publish(&self) {
        publish(self).await;
    }

    async fn wait(&self, session: &command::Session, pending: Pending) -> Option<Reply> {
        let client = session.client();
        let _blocked = Blocked::begin(client);
        match pending {
            Pending::Cluster(request) => Some(self.change_cluster_for(session, request).await),
            Pending::Identity(request) => Some(self.identify(session, request).await),
            Pending::Storage(request) => self.store(request).await,
            Pending::Acknowledgement(request) => {
                let acknowledged = match client.wait_for(self.acknowledged(request)).await {
                    Ok(acknowledged) => acknowledged,
                    Err(Unblocked::Timeout) => self.acknowledged(request.without_waiting()).await,
                    Err(Unblocked::Error) => return Some(command::unblocked()),
                };
                Some(request.reply(acknowledged))
            }
            Pending::Flush(request) => Some(self.flush(request).await),
            Pending::Sleep(time) => {
                tokio::select! {
                    () = tokio::time::sleep(time) => {}
                    () = self.stopped() => {}
                }
                Some(command::answer(Ok(())))
            }
            Pending::RewriteConfiguration => {
                let config = Arc::clone(&self.environment().settings.config);
                // It waits for a disk, and the thread's other clients must not.
                let rewritten = tokio::task::spawn_blocking(move || config.rewrite()).await;
                let result = rewritten.unwrap_or_else(|_| Err("writing the file ended with a panic".to_owned()));
                if result.is_ok() {
                    self.note(session, AuditEvent::ConfigRewritten, "");
                }
                Some(command::answer(result))
            }
            Pending::Access(request) => {
                let file = Arc::clone(&self.ways.users);
                Some(access(self.environment(), session, file, request).await)
            }
        }
    }

    #[inline]
    fn takes_reply(&self, session: &mut command::Session) -> bool {
        session.takes_reply()
    }

    fn holds(&self, session: &command::Session, holding: Holding) {
        let held = session.client().held();
        held.query.store(holding.query as u64, Ordering::Relaxed);
        held.query_capacity.store(holding.query_capacity as u64, Ordering::Relaxed);
        held.output.store(holding.output as u64, Ordering::Relaxed);
    }

    fn output_limit(&self, session: &command::Session) -> u64 {
        self.ways.live.hard_bytes(session.client().is_subscriber())
    }

    fn ended(&self, session: &command::Session) -> impl Future<Output = ()> + Send + 'static {
        let client = Arc::clone(session.client());
        async move {
            client.ended().await;
            tell_cut_off(&client);
        }
    }

    async fn resumed(&self, session: &command::Session) -> bool {
        let _blocked = Blocked::begin(session.client());
        let pause = self.environment().clients.pause();
        while let Some(left) = pause.left(self.now().monotonic) {
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                () = poll_fn(|context| pause.poll_ended(context)) => {}
                () = self.stopped() => return false,
            }
        }
        true
    }

    fn look_after(&self) {
        self.environment().settings.access.note_left_out(self.now());
        let patience = self.ways.live.current().patience();
        for (client, why) in self.environment().clients.dismiss(&patience, self.now().monotonic) {
            tracing::info!(client = client.id(), address = client.remote(), "a client is cut off: {why}");
        }
    }

    #[inline]
    fn take_hold(&self, session: &mut command::Session) -> Option<u64> {
        // Read after the change: it belongs to this cycle or an earlier one.
        session.take_awaits_disk().then(|| self.environment().table.commits().ticket())
    }

    #[inline]
    fn is_released(&self, ticket: u64) -> bool {
        self.environment().table.commits().is_durable(ticket)
    }

    async fn released(&self, ticket: u64) {
        if !self.ways.disk.commit_here(ticket) {
            self.ways.disk.committed(ticket).await;
        }
    }
}

/// Says why a client was cut off, unless that was said.
#[cold]
fn tell_cut_off(client: &Client) {
    if let Some(why) = client.take_cut_off_for() {
        tracing::warn!(client = client.id(), address = client.remote(), "closed a client: {why}");
    }
}

/// A client waits for the answer to its request.
struct Blocked<'a>(&'a Client);

impl<'a> Blocked<'a> {
    fn begin(client: &'a Client) -> Self {
        client.set(Mark::Blocked, true);
        Self(client)
    }
}

impl Drop for Blocked<'_> {
    fn drop(&mut self) {
        self.0.set(Mark::Blocked, false);
    }
}

#[cfg(test)]
#[path = "commands_tests.rs"]
mod tests;
