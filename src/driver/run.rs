//! The loop: what the mesh, the clients and the clock say goes into the node, what the node wants is carried out.

mod carrying_out;
mod renewing;
mod room;

use super::certificates::{Care, IdentityCall};
use super::clock::Clock;
use super::confirming::Confirmations;
use super::disk::{Disk, DiskParts, FromDisk, LastCommit};
use super::keeper::Keeper;
use super::meetings::Renewing;
use super::pulse::Pulse;
use super::translating::{link_counts, link_end};
use super::waiting::{Answer, Waiting};
use crate::base::NodeId;
use crate::command::{AcknowledgementRequest, ClusterRequest};
use crate::mesh::{CloseReason, Config as MeshConfig, DialError, Identity, Mesh, MeshEvent, MessageTicket};
use crate::node::{DialNumber, Input, Node, RequestNumber};
use crate::storage::DataDirectory;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};

/// Events taken before the node is asked what it wants: enough to share the cost, too few to be noticed.
const EVENTS_A_TURN: usize = 128;
/// A turn that has taken this long takes no further event: some are whole chunks of a repair.
const LONGEST_TURN: Duration = Duration::from_millis(2);
/// How often the node is told what its links are like.
const FIGURES_INTERVAL: Duration = Duration::from_secs(1);
/// Strangers that are told of in the log each second; the rest is only counted.
const REFUSALS_TOLD_A_SECOND: u32 = 5;

/// A request of a client that the node answers later.
#[derive(Debug)]
pub struct ClusterCall {
    /// What is wanted.
    pub request: ClusterRequest,
    /// Where the answer goes; dropped when the node stops first.
    pub answer: oneshot::Sender<Result<(), String>>,
}

/// A question of a client: which members have what was counted here.
#[derive(Debug)]
pub struct AcknowledgementCall {
    /// How many are to have it, and for how long to wait.
    pub request: AcknowledgementRequest,
    /// How many members have it, in the end; dropped when the node stops first.
    pub answer: oneshot::Sender<u64>,
}

/// What sessions want of the node.
#[derive(Debug)]
pub enum NodeCall {
    /// A change of the cluster.
    Change(ClusterCall),
    /// A question about the members.
    Acknowledgement(AcknowledgementCall),
    /// Something about certificates and who may join.
    Identity(IdentityCall),
}

/// What a driver is made of.
pub struct DriverParts {
    /// The node.
    pub node: Node,
    /// Its links.
    pub mesh: Mesh,
    /// What the links say.
    pub events: mpsc::Receiver<MeshEvent>,
    /// What clients want.
    pub calls: mpsc::Receiver<NodeCall>,
    /// Rung by the table when there is something to announce.
    pub wake: Arc<Notify>,
    /// The clocks.
    pub clock: Clock,
    /// For a new identity or incarnation.
    pub directory: Arc<DataDirectory>,
    /// For a new identity.
    pub mesh_config: MeshConfig,
    /// The identity that the mesh has, if its certificate is to be looked after.
    pub identity: Option<Identity>,
    /// Writes the members.
    pub keeper: Keeper,
    /// Writes the counters; none where nothing is ever on disk.
    pub disk: Option<DiskParts>,
    /// Says that the loop is alive, to whoever wants to know.
    pub pulse: Option<Pulse>,
}

/// An answer that waits, and where it goes.
type Unsettled = (Answer, Result<(), String>);

/// Owns the node while it runs.
pub struct Driver {
    parts: DriverParts,
    waiting: Waiting,
    last_request: u64,
    /// Messages whose departure the node wants to hear of, and to whom they go: what goes down with a link never departs.
    tickets: HashMap<MessageTicket, NodeId>,
    confirmations: Confirmations,
    disk: Disk,
    /// The id whose key takes the place of the old once the counters are on disk under it.
    renewed: Option<NodeId>,
    /// For as long, nobody has the old key certified.
    renewing: Option<Renewing>,
    unsettled: Vec<Unsettled>,
    care: Option<Care>,
    /// What looking after certificates wants of the node.
    own_calls: mpsc::Receiver<NodeCall>,
    next_figures: tokio::time::Instant,
    refusals: u32,
}

impl Driver {
    /// A driver that is ready to run.
    pub fn new(mut parts: DriverParts) -> Self {
        let disk = Disk::new(parts.disk.take());
        let (own, own_calls) = mpsc::channel(1);
        let waiting = Waiting::default();
        Self {
            care: Care::begin(&parts, own, waiting.meetings()),
            own_calls,
            parts,
            disk,
            confirmations: Confirmations::default(),
            waiting,
            last_request: 0,
            renewed: None,
            renewing: None,
            unsettled: Vec::new(),
            tickets: HashMap::new(),
            next_figures: tokio::time::Instant::now(),
            refusals: 0,
        }
    }

    /// Runs until `stop` is told or dropped, then says goodbye to the peers, writes what is to be written and closes the
    /// mesh.
    pub async fn run(mut self, mut stop: oneshot::Receiver<()>) -> LastCommit {
        if let Some(care) = &self.care {
            care.start();
        }
        loop {
            // Here and nowhere else: whatever hangs in this loop, nobody is told that it is alive.
            if let Some(pulse) = &mut self.parts.pulse {
                pulse.beat_if_due();
            }
            // Peers that say more than this thread can take in must not keep an operator waiting.
            if let Ok(call) = self.parts.calls.try_recv() {
                self.take_call(call);
            }
            if let Some((cycle, record)) = self.disk.take_committed() {
                self.input(Input::Committed { cycle, record });
            }
            let now = self.parts.clock.moment();
            self.parts.node.tick(now);
            self.carry_out().await;
            // First ask to be woken, then look: news that comes in between is seen by one or the other.
            self.parts.node.listen(now.monotonic);
            let deadline = self.next_deadline();
            tokio::select! {
                biased;
                _ = &mut stop => break,
                Some(event) = self.parts.events.recv() => self.take_events(event),
                Some(call) = self.parts.calls.recv() => self.take_call(call),
                Some(call) = self.own_calls.recv() => self.take_call(call),
                happened = self.disk.next() => self.take_from_disk(happened),
                () = self.parts.wake.notified() => {}
                () = tokio::time::sleep_until(deadline) => {}
            }
            if self.next_figures <= tokio::time::Instant::now() {
                self.next_figures = tokio::time::Instant::now() + FIGURES_INTERVAL;
                self.every_second();
            }
        }
        self.stop().await
    }

    async fn stop(mut self) -> LastCommit {
        self.parts.node.say_goodbye(self.parts.clock.moment());
        self.carry_out().await;
        // The last commit takes its time, and the manager is not to take that for being stuck.
        let last = Pulse::during(&mut self.parts.pulse, self.disk.close()).await;
        // What was held back until it is on disk may leave now.
        if let Some((cycle, record)) = self.disk.take_committed() {
            self.take_from_disk(FromDisk::Committed { cycle, record });
            self.carry_out().await;
        }
        self.parts.mesh.shutdown(CloseReason::Shutdown).await;
        self.parts.keeper.finish();
        last
    }

    fn next_deadline(&self) -> tokio::time::Instant {
        let node = self.parts.clock.instant(self.parts.node.next_deadline());
        let client = self.confirmations.next_deadline();
        let pulse = self.parts.pulse.as_ref().map(Pulse::due);
        [client, pulse].into_iter().flatten().fold(node.min(self.next_figures), tokio::time::Instant::min)
    }

    fn take_from_disk(&mut self, happened: FromDisk) {
        match happened {
            FromDisk::Loaded => self.input(Input::Loaded),
            FromDisk::Committed { cycle, record } => {
                if self.renewed == Some(record.own.node) {
                    self.take_next_key();
                }
                self.input(Input::Committed { cycle, record });
            }
        }
    }

    fn take_events(&mut self, first: MeshEvent) {
        let begin = self.parts.clock.monotonic();
        self.take_event(first);
        for _ in 1..EVENTS_A_TURN {
            if self.parts.clock.monotonic().since(begin) >= LONGEST_TURN {
                break;
            }
            match self.parts.events.try_recv() {
                Ok(event) => self.take_event(event),
                Err(_) => break,
            }
        }
    }

    fn input(&mut self, input: Input<'_>) {
        self.parts.node.handle(input, self.parts.clock.moment());
    }

    fn take_event(&mut self, event: MeshEvent) {
        match event {
            MeshEvent::Datagram { from, bytes } => self.input(Input::Datagram { from, bytes: &bytes }),
            MeshEvent::Message { from, bytes } => self.input(Input::Message { from, bytes: &bytes }),
            MeshEvent::Sent { to, ticket } => {
                if self.tickets.remove(&ticket).is_some() {
                    self.input(Input::Sent { to });
                }
            }
            MeshEvent::LinkUp { peer, address, dial, protocol } => {
                let dial = dial.map(|dial| DialNumber(dial.0));
                self.input(Input::LinkUp { peer, address: address.ip(), dial, protocol });
                self.tell_figures(peer);
                if let Some(care) = &self.care {
                    care.linked(peer);
                }
            }
            MeshEvent::LinkDown { peer, reason } => {
                self.tickets.retain(|_, to| *to != peer);
                self.input(Input::LinkDown { peer, end: link_end(reason) });
            }
            MeshEvent::AlreadyLinked { dial, peer } => {
                self.input(Input::AlreadyLinked { dial: DialNumber(dial.0), peer });
            }
            MeshEvent::DialFailed { dial, error } => {
                let is_incompatible = matches!(error, DialError::Incompatible { .. });
                let reason = error.to_string();
                self.input(Input::DialFailed { dial: DialNumber(dial.0), reason, is_incompatible });
            }
            MeshEvent::AuthoritiesChanged => {
                if let Some(care) = &self.care {
                    care.look_now();
                }
            }
            MeshEvent::Incompatible { peer, reason } => self.input(Input::Incompatible { peer, reason }),
            MeshEvent::Refused { address, reason } => self.tell_refusal(address, &reason),
        }
    }

    fn tell_refusal(&mut self, address: std::net::SocketAddr, reason: &str) {
        self.refusals += 1;
        if self.refusals <= REFUSALS_TOLD_A_SECOND {
            tracing::warn!(event = "mesh_refused", %address, "refused a connection to the mesh from {address}: {reason}");
        }
    }

    fn every_second(&mut self) {
        for peer in self.parts.mesh.peers() {
            self.tell_figures(peer);
        }
        let untold = self.refusals.saturating_sub(REFUSALS_TOLD_A_SECOND);
        if untold > 0 {
            tracing::warn!("refused {untold} more connections to the mesh within the last second");
        }
        self.refusals = 0;
    }

    fn tell_figures(&mut self, peer: NodeId) {
        let mesh = &self.parts.mesh;
        if let (Some(round_trip), Some(max_datagram_bytes)) = (mesh.round_trip(peer), mesh.max_datagram_bytes(peer)) {
            let counts = mesh.figures(peer).map(link_counts).unwrap_or_default();
            self.input(Input::LinkFigures { peer, round_trip, max_datagram_bytes, counts });
        }
    }

    fn take_call(&mut self, call: NodeCall) {
        self.last_request += 1;
        let request = RequestNumber(self.last_request);
        let call = match call {
            NodeCall::Change(call) => call,
            NodeCall::Acknowledgement(call) => {
                self.confirmations.begin(request, call, tokio::time::Instant::now());
                return self.input(Input::Confirm { request });
            }
            NodeCall::Identity(call) => {
                if let Some(care) = &self.care {
                    care.take(call);
                }
                return;
            }
        };
        if let ClusterRequest::Reset { hard: true } = call.request
            && let Some(care) = &self.care
            && let Err(reason) = care.check_renewable()
        {
            // A client that has gone needs no answer.
            let _ = call.answer.send(Err(reason));
            return;
        }
        if !self.waiting.begin(request, &call.request, call.answer) {
            return;
        }
        match call.request {
            ClusterRequest::Meet { host, port } => self.input(Input::Meet { request, host, port }),
            ClusterRequest::Forget { node, ban } => self.input(Input::Forget { request, node, ban }),
            ClusterRequest::Reset { hard } => {
                if let Some(care) = &self.care {
                    care.leaving();
                }
                self.input(Input::Reset { request, hard });
            }
            ClusterRequest::BeginBackup => self.input(Input::BeginBackup { request }),
        }
    }
}
