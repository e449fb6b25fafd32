//! The loop: what the mesh, the clients and the clock say goes into the node, what the node wants is carried out.

use super::certificates::{Care, IdentityCall, banned};
use super::clock::Clock;
use super::confirming::Confirmations;
use super::disk::{Disk, DiskParts, FromDisk, LastCommit};
use super::keeper::Keeper;
use super::meetings::Renewing;
use super::pulse::Pulse;
use super::translating::{close_reason, link_counts, link_end, tell};
use super::waiting::{Answer, Waiting};
use crate::base::NodeId;
use crate::command::{AcknowledgementRequest, ClusterRequest};
use crate::mesh::{
    CloseReason, Config as MeshConfig, DialError, DialId, Identity, Mesh, MeshEvent, MessageTicket, SendError,
};
use crate::node::{DialNumber, Input, Node, Output, RequestNumber};
use crate::storage::{DataDirectory, KeptOut};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
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

/// Members that those who join are told of.
const MEMBERS_TOLD: usize = 8;

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
            self.carry_out();
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
        self.carry_out();
        // The last commit takes its time, and the manager is not to take that for being stuck.
        let last = Pulse::during(&mut self.parts.pulse, self.disk.close()).await;
        // What was held back until it is on disk may leave now.
        if let Some((cycle, record)) = self.disk.take_committed() {
            self.take_from_disk(FromDisk::Committed { cycle, record });
            self.carry_out();
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

    /// Does all that the node wants done.
    fn carry_out(&mut self) {
        let node = &self.parts.node;
        self.disk.follow(&node.state(), &node.table(), self.parts.clock);
        self.answer_confirmations();
        while let Some(output) = self.parts.node.poll_output() {
            match output {
                Output::Datagram { to, bytes } => {
                    if self.parts.mesh.send_datagram(to, bytes).is_err() {
                        // Repair brings what it said; that it was lost is worth counting.
                        self.parts.node.state().traffic.datagrams_lost.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Output::Message { to, bytes, wants_sent } => self.send_message(to, bytes, wants_sent),
                Output::Dial { dial, host, port } => self.parts.mesh.dial(DialId(dial.0), &host, port),
                Output::Close { peer, cause } => self.parts.mesh.close(peer, close_reason(cause)),
                Output::Remember(members) => {
                    self.parts.mesh.set_members(
                        members
                            .iter()
                            .filter(|member| !member.host.is_empty())
                            .take(MEMBERS_TOLD)
                            .map(|member| (member.host.clone(), member.mesh_port))
                            .collect(),
                    );
                    self.parts.keeper.remember(members);
                }
                Output::KeepOut { barred, admissions } => {
                    self.parts.mesh.set_banned(banned(&admissions));
                    self.parts.keeper.keep_out(KeptOut { barred, admissions });
                }
                Output::Answer { request, result } => {
                    if let Some(answer) = self.waiting.end(request, result.is_ok()) {
                        // An identity that a crash would take back is not answered for.
                        match self.renewed {
                            Some(_) => self.unsettled.push((answer, result)),
                            None => self.parts.keeper.answer(answer, result),
                        }
                    }
                }
                Output::CommitNow => self.disk.request(),
                Output::Confirmed { request, members, .. } => {
                    self.confirmations.confirmed(request, members as u64);
                    self.answer_confirmations();
                }
                Output::NewIdentity => self.renew_identity(),
                Output::NewIncarnation(heard) => match self.parts.directory.next_incarnation_above(heard) {
                    Ok(incarnation) => {
                        let node = self.parts.node.replica().node;
                        self.input(Input::Reborn { node, incarnation });
                    }
                    Err(error) => tracing::error!("no incarnation above {} could be had: {error}", heard.0),
                },
                Output::Event(event) => {
                    let (state, at) = (self.parts.node.state(), self.parts.clock.moment().wall);
                    tell(&event, &state.view());
                    state.events.note(&event, at);
                }
            }
        }
    }

    fn answer_confirmations(&mut self) {
        for request in self.confirmations.answer_due(tokio::time::Instant::now()) {
            self.input(Input::EndConfirm { request });
        }
    }

    fn send_message(&mut self, to: NodeId, bytes: bytes::Bytes, wants_sent: bool) {
        match self.parts.mesh.send_message(to, bytes) {
            Ok(ticket) if wants_sent => {
                self.tickets.insert(ticket, to);
            }
            Ok(_) | Err(SendError::NotLinked(_)) => {}
            Err(error) => {
                // A stream with a hole would claim what did not arrive. A new link starts from what both sides have.
                tracing::warn!("closing the link to {to}, which is to be made again: {error}");
                self.parts.mesh.close(to, CloseReason::Protocol("a message could not be sent".to_owned()));
            }
        }
    }

    /// A new key, certificate and incarnation, for a node that has left its cluster.
    fn renew_identity(&mut self) {
        match self.try_renew_identity() {
            Ok((node, incarnation)) => {
                self.renewed = Some(node);
                self.input(Input::Reborn { node, incarnation });
                match self.disk.is_kept() {
                    true => self.disk.request(),
                    false => self.take_next_key(),
                }
            }
            Err(reason) => self.input(Input::NotReborn { reason }),
        }
    }

    /// The counters are on disk under the new id.
    fn take_next_key(&mut self) {
        (self.renewed, self.renewing) = (None, None);
        if let Err(error) = Identity::take_next(self.parts.directory.path()) {
            tracing::warn!("the new key has not taken the place of the old, which the next start will see to: {error}");
        }
        for (answer, result) in self.unsettled.drain(..) {
            self.parts.keeper.answer(answer, result);
        }
    }

    fn try_renew_identity(&mut self) -> Result<(NodeId, crate::base::Incarnation), String> {
        if self.renewed.is_some() {
            return Err("the identity before this is not on disk yet".to_owned());
        }
        let renewing = self.waiting.meetings().begin_renewing()?;
        let parts = &self.parts;
        let incarnation = parts.directory.next_incarnation().map_err(|error| error.to_string())?;
        let opened = Identity::renew(&parts.mesh_config, parts.directory.path()).map_err(|error| error.to_string())?;
        parts.mesh.replace_identity(&opened.identity).map_err(|error| error.to_string())?;
        if let Some(care) = &self.care {
            care.replaced(&opened.identity);
        }
        self.renewing = Some(renewing);
        Ok((opened.identity.id, incarnation))
    }
}
