//! The node itself: what it holds, and which part of it takes which input.

use super::confirming::Confirming;
use super::doubt::Doubt;
use super::early::EarlyRetirements;
use super::event::Event;
use super::input::{DialNumber, Input, Output, RequestNumber};
use super::keeping::Keeping;
use super::leaving::{Contested, Farewell, identity};
use super::peer::Peer;
use super::pulling::Pulling;
use super::rejoining::{Reconciling, Rejoining};
use super::sequence::Sequence;
use super::serving::Serving;
use super::settings::NodeSettings;
use super::start::{Replicas, StartError};
use super::taking_over::TakingOver;
use super::view::{ClusterState, Phase};
use crate::base::{Moment, Monotonic, NodeId, ReplicaId, ReplicaIndex, WallMillis};
use crate::counter::{Announcement, Table, TableSettings};
use crate::membership::{Admissions, Membership};
use crate::replication::Registry;
use crate::wire::Packed;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// How often a node says what it has.
pub(super) const DIGEST_INTERVAL: Duration = Duration::from_secs(1);

/// A node of a cluster, as a value.
pub struct Node {
    pub(super) table: Arc<Table>,
    pub(super) state: Arc<ClusterState>,
    pub(super) own: ReplicaId,
    pub(super) own_index: ReplicaIndex,
    pub(super) registry: Registry,
    /// By the registry's index.
    pub(super) sequences: Vec<Sequence>,
    pub(super) membership: Membership,
    pub(super) peers: BTreeMap<NodeId, Peer>,
    /// Nobody has told this node where others reach it; its peers do.
    pub(super) learns_address: bool,
    /// Members of a cluster that this node is no longer in: kept out by this node alone, until a new MEET.
    pub(super) barred: Vec<NodeId>,
    /// Who was forgotten and who was met again, as the whole cluster has it.
    pub(super) admissions: Admissions,
    /// With whom this node was parted, so that what it holds may have been given up by them.
    pub(super) doubt: Doubt,
    /// What makes the doubt good, while it is under way.
    pub(super) taking_over: Option<TakingOver>,
    pub(super) meetings: HashMap<DialNumber, RequestNumber>,
    /// It is about to leave its cluster.
    pub(super) farewell: Option<Farewell>,
    pub(super) resetting: Option<RequestNumber>,
    pub(super) pulling: Option<Pulling>,
    /// What was given up under these numbers, to be taken once everything said before them has been.
    pub(super) early_retirements: EarlyRetirements,
    pub(super) serving: BTreeMap<NodeId, Serving>,
    pub(super) settings: NodeSettings,
    pub(super) news_since: Option<Monotonic>,
    pub(super) last_flush: Monotonic,
    /// So much of what is announced goes by stream.
    pub(super) reliable_bytes: usize,
    /// Another for every process.
    pub(super) instance: u64,
    pub(super) next_digest: Monotonic,
    pub(super) next_heartbeat: Monotonic,
    /// When everything counted before was in the numbers drawn, and over how many members precision was split then.
    pub(super) told_until: (Monotonic, u32),
    /// When a replica last ended.
    pub(super) last_ended: Option<Monotonic>,
    pub(super) next_tend: Monotonic,
    /// When to compare digests even if no new one has come: one that comes no more may make way for another's.
    pub(super) next_compare: Monotonic,
    pub(super) tend_from: u8,
    pub(super) next_collect: Monotonic,
    pub(super) outputs: VecDeque<Output>,
    pub(super) announcements: Vec<Announcement>,
    pub(super) packed: Vec<Packed>,
    /// When an operator was last told that another process has this node's key.
    pub(super) twin_told_at: Option<Monotonic>,
    /// Somebody was told what the present replica numbered.
    pub(super) has_told: bool,
    /// As it was last told; for stamps.
    pub(super) wall: WallMillis,
    /// What is on disk, and what waits for that.
    pub(super) keeping: Keeping,
    /// Numbers of the own sequence that an earlier process may have used.
    pub(super) drawn_before: u64,
    /// While it is not known as which replica the node goes on.
    pub(super) rejoining: Option<Rejoining>,
    /// While it is not known whether the others have heard more of this node's replicas than it has.
    pub(super) reconciling: Option<Reconciling>,
    /// Another process has spoken in the name of the present replica.
    pub(super) contested: Option<Contested>,
    /// It came back from disk, and so without what it is to extrapolate.
    pub(super) is_restored: bool,
    pub(super) confirming: Vec<Confirming>,
    /// Replicas that this process has counted as before.
    pub(super) ended_here: Vec<ReplicaIndex>,
    /// It has said goodbye, and takes nothing in any more.
    pub(super) is_gone: bool,
    /// It was said within the last second that there is no room for one more replica.
    pub(super) is_full_told: bool,
    last_dial: u64,
    random: u64,
    pub(super) members_changed: bool,
}

impl Node {
    /// A node that holds no counters and has no links.
    ///
    /// # Errors
    /// [`StartError`] when a setting is out of range.
    pub fn new(mut settings: NodeSettings, now: Monotonic) -> Result<Self, StartError> {
        let Replicas { own, own_index, registry, sequences } = Replicas::of(&settings)?;
        settings.incarnation = own.incarnation;
        let membership = Membership::new(identity(&settings, 0), settings.cluster.clone(), settings.seed)?;
        let wake = std::mem::replace(&mut settings.wake, Box::new(|| ()));
        let table = Arc::new(Table::new(TableSettings {
            config: settings.counters.clone(),
            lease: settings.cluster.lease(),
            replica: own,
            replica_index: own_index,
            hash_seeds: settings.hash_seeds,
            wake,
        }));
        let mut node = Self {
            table,
            state: Arc::default(),
            own,
            own_index,
            registry,
            sequences,
            membership,
            peers: BTreeMap::new(),
            learns_address: settings.host.is_empty(),
            barred: Vec::new(),
            admissions: Admissions::default(),
            doubt: Doubt::default(),
            taking_over: None,
            twin_told_at: None,
            has_told: false,
            wall: WallMillis(0),
            meetings: HashMap::new(),
            farewell: None,
            resetting: None,
            pulling: None,
            early_retirements: EarlyRetirements::default(),
            serving: BTreeMap::new(),
            news_since: None,
            last_flush: Monotonic::ZERO,
            reliable_bytes: 0,
            next_digest: now,
            next_heartbeat: now,
            told_until: (now, 1),
            last_ended: None,
            next_tend: now,
            next_compare: now,
            tend_from: 0,
            next_collect: now,
            outputs: VecDeque::new(),
            announcements: Vec::new(),
            packed: Vec::new(),
            is_full_told: false,
            last_dial: 0,
            instance: 0,
            random: settings.seed | 1,
            members_changed: true,
            keeping: Keeping::new(&settings),
            drawn_before: 0,
            rejoining: None,
            reconciling: None,
            contested: None,
            is_restored: false,
            confirming: Vec::new(),
            ended_here: Vec::new(),
            is_gone: false,
            settings,
        };
        node.begin(now);
        node.publish_replicas();
        node.instance = node.draw();
        for member in std::mem::take(&mut node.settings.members) {
            if member.id != node.own.node {
                node.peers.insert(member.id, Peer::remembered(&member, now));
            }
        }
        node.barred = std::mem::take(&mut node.settings.barred);
        for admission in std::mem::take(&mut node.settings.admissions) {
            node.table.observe(admission.latest());
            node.admissions.take(admission);
        }
        node.peers.retain(|id, _| !node.admissions.is_out(*id));
        node.doubt_as_kept();
        node.bar_again();
        node.after_input(now);
        Ok(node)
    }

    /// The counters, for session threads.
    pub fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table)
    }

    /// What is known of the cluster, for session threads.
    pub fn state(&self) -> Arc<ClusterState> {
        Arc::clone(&self.state)
    }

    /// The replica that this node counts as.
    pub const fn replica(&self) -> ReplicaId {
        self.own
    }

    /// Up to which number everything of a replica has been received.
    pub fn received(&self, replica: ReplicaId) -> u64 {
        self.registry.index(replica).map_or(0, |index| self.sequences[index.as_usize()].held.contiguous())
    }

    /// The replica behind an index, as [`Table::inspect`] shows them.
    pub fn replica_at(&self, index: ReplicaIndex) -> Option<ReplicaId> {
        self.registry.replica(index)
    }

    /// Takes something that happened.
    pub fn handle(&mut self, input: Input<'_>, now: Moment) {
        let at = now.monotonic;
        self.wall = now.wall;
        let Some(input) = self.unless_deaf(input) else { return };
        match input {
            Input::LinkUp { peer, address, dial, protocol } => self.link_up(peer, address, dial, protocol, at),
            Input::LinkDown { peer, end } => self.link_down(peer, &end, at),
            Input::AlreadyLinked { dial, peer } => self.already_linked(dial, peer, at),
            Input::DialFailed { dial, reason, is_incompatible } => self.dial_failed(dial, &reason, is_incompatible, at),
            Input::Incompatible { peer, reason } => self.take_incompatible(peer, &reason, at),
            Input::LinkFigures { peer, round_trip, max_datagram_bytes, counts } => {
                if let Some(link) = self.peers.get_mut(&peer).and_then(|peer| peer.link.as_mut()) {
                    (link.round_trip, link.max_datagram_bytes) = (round_trip, max_datagram_bytes);
                    link.counts = Some(counts);
                }
            }
            Input::Datagram { from, bytes } => self.take_datagram(from, bytes, at),
            Input::Message { from, bytes } => self.take_message(from, bytes, at),
            Input::Sent { to } => {
                self.serve_more(to, at);
                self.tell_more_predictions(to, at);
            }
            Input::Meet { request, host, port } => self.meet(request, host, port),
            Input::Forget { request, node, ban } => self.forget(request, node, ban, at),
            Input::Reset { request, hard } => self.reset(request, hard, at),
            Input::BeginBackup { request } => self.begin_backup(request, at),
            Input::Loaded => self.loaded(at),
            Input::Committed { record, .. } => self.committed(record, at),
            Input::Confirm { request } => self.begin_confirming(request, at),
            Input::EndConfirm { request } => self.end_confirming(request),
            Input::Reborn { node, incarnation } => self.reborn(node, incarnation, at),
            Input::NotReborn { reason } => self.not_reborn(&reason),
        }
        self.after_input(at);
    }

    /// Lets time pass: flushes, digests, timers, dials, whatever is due. Early and late calls are fine.
    pub fn tick(&mut self, now: Moment) {
        let at = now.monotonic;
        self.wall = now.wall;
        if self.is_gone || self.state.phase() == Phase::Loading {
            self.mind_keeping(at);
            return;
        }
        self.membership.tick(at);
        if self.table.next_timer() <= at {
            self.table.run_timers(at);
        }
        self.flush_if_due(at);
        if self.next_tend <= at {
            self.tend_at(now);
            self.table.settle_precisions(at);
        }
        if self.next_heartbeat <= at {
            self.next_heartbeat = at.after(self.settings.cluster.heartbeat_interval());
            self.send_heartbeats(at);
        }
        if self.next_digest <= at {
            self.next_digest = at.after(DIGEST_INTERVAL);
            self.is_full_told = false;
            self.publish_record(at);
            self.send_digests(at);
            self.members_changed = true;
        }
        self.compare_digests(at);
        self.drop_some();
        self.leave_if_told(at);
        self.dial_due(at);
        self.after_input(at);
    }

    /// When [`Self::tick`] must be called next, if nothing happens before.
    pub fn next_deadline(&self) -> Monotonic {
        if self.is_gone || self.state.phase() == Phase::Loading {
            return Monotonic::NEVER;
        }
        if self.is_dropping() {
            return Monotonic::ZERO;
        }
        let news = self.next_flush();
        let peers = self.peers.values().flat_map(|peer| match &peer.link {
            Some(link) => [link.compare_at, Monotonic::NEVER],
            None if peer.dialling.is_none() => [peer.redial_at, Monotonic::NEVER],
            None => [Monotonic::NEVER; 2],
        });
        [
            news,
            self.table.next_timer(),
            self.next_heartbeat,
            self.next_digest,
            self.next_tend,
            self.membership.next_deadline(),
            self.rejoining.as_ref().map_or(Monotonic::NEVER, |rejoining| rejoining.until),
        ]
        .into_iter()
        .chain(peers)
        .min()
        .unwrap_or(Monotonic::NEVER)
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Says goodbye: announces what was not announced yet, and tells the members that this node goes.
    /// The outputs still have to be carried out, and the links closed after that.
    pub fn say_goodbye(&mut self, now: Moment) {
        // What was within its band so far is told exactly: nobody will hear of it again.
        self.table.queue_all_moved();
        self.flush_all(now.monotonic);
        self.membership.leave(now.monotonic);
        self.after_input(now.monotonic);
        self.publish_record(now.monotonic);
        // What came now would not be in the last record, and must not be acknowledged.
        self.is_gone = true;
    }

    pub(super) fn emit(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(super) fn next_dial(&mut self) -> DialNumber {
        self.last_dial += 1;
        DialNumber(self.last_dial)
    }

    /// A number from 0 to 1, to keep nodes from doing things at the same moment.
    pub(super) fn spread(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The next of the numbers that follow from the seed (splitmix64, Steele et al. 2014).
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Something about the members is another than before.
    pub(super) fn members_changed(&mut self) {
        self.members_changed = true;
    }

    fn after_input(&mut self, now: Monotonic) {
        self.drain_membership(now);
        self.mind_reconciling(now);
        self.mind_rejoining(now);
        self.mind_keeping(now);
        if std::mem::take(&mut self.members_changed) {
            self.publish_view(now);
        }
    }
}
