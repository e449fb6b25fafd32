//! Heartbeats, and what they allow readers to be promised: up to when everything that a member counted is known here.
//!
//! A member vouches for its own present replica. For what replicas that have ended said last, all members' digests must
//! show that nobody has more of it. Nothing here may rest on a packet's delay being short.

use super::clock_offset::clock_micros;
use super::machine::Node;
use super::peer::Peer;
use super::view::Phase;
use crate::base::{Monotonic, NodeId, ReplicaIndex};
use crate::counter::{MemberStanding, Told};
use crate::replication::Digest;
use crate::wire::Heartbeat;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Heartbeats that wait for what was lost before them.
const MAX_WAITING: usize = 128;
/// Words of a replica that ended are on their way for no longer than this.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What a peer's heartbeats on one link have shown.
#[derive(Debug, Default)]
pub(super) struct Vouching {
    /// The clock of the last heartbeat, and when it came.
    last: Option<(u64, Monotonic)>,
    /// Who its members are, as a hash.
    cluster: Option<u64>,
    /// Those that speak of numbers that have not all arrived.
    waiting: VecDeque<Heartbeat>,
    /// When the present digest was said, on the peer's clock.
    pub(super) digest_said: u64,
    /// The one that the peer is known to go by.
    confirmed_said: Option<u64>,
    /// The peer's digest of this link has shown, after the last replica ended, that nothing of such is lacking here.
    is_verified: bool,
}

impl Vouching {
    /// How many numbers its last heartbeat speaks of beyond this one; none before the first.
    pub(super) fn lacking_beyond(&self, contiguous: u64) -> Option<u64> {
        let newest = self.waiting.back().map_or(0, |heartbeat| heartbeat.newest);
        self.last.map(|_| newest.saturating_sub(contiguous))
    }
}

impl Node {
    /// So many numbers of a peer's that are not here, as it said last.
    pub(super) fn lag_behind(&self, peer: &Peer) -> Option<u64> {
        let link = peer.link.as_ref()?;
        let sequence = self.sequences.get(link.replica?.0.as_usize())?;
        link.vouching.lacking_beyond(sequence.held.contiguous())
    }

    /// Tells every linked peer that this node lives, and up to when it has told everything.
    pub(super) fn send_heartbeats(&mut self, now: Monotonic) {
        let linked: Vec<NodeId> = self.peers.values().filter(|peer| peer.is_linked()).map(|peer| peer.id).collect();
        self.send_heartbeat_to(&linked, now);
    }

    pub(super) fn send_heartbeat_to(&mut self, peers: &[NodeId], now: Monotonic) {
        self.note_if_all_told(now);
        let (told_at, members) = self.told_until;
        let (clock, told_until) = (clock_micros(now), clock_micros(told_at));
        // Bands have widened if there are fewer members by now.
        let members = members.min(self.member_count());
        let newest = self.table.last_number().max(self.drawn_before);
        let cluster = self.cluster_hash();
        let incarnation = self.own.incarnation;
        for peer in peers {
            let link = self.peers.get(peer).and_then(|peer| peer.link.as_ref());
            let last = link.and_then(|link| link.vouching.last);
            let echo = last.map(|(clock, came)| (clock, clock_micros(now).saturating_sub(clock_micros(came) + 1)));
            let heartbeat = Heartbeat { incarnation, clock, newest, told_until, members, cluster, echo };
            self.datagram(*peer, heartbeat.encode().into());
        }
    }

    /// If nothing waits to be said, whatever was counted before `now` is in the numbers drawn.
    pub(super) fn note_if_all_told(&mut self, now: Monotonic) {
        let is_serving = self.state.phase() == Phase::Serving;
        if is_serving && !self.table.has_news() && self.table.next_timer() > now {
            self.note_told(now);
        }
    }

    /// Whatever was counted before `now` is in the numbers drawn.
    pub(super) fn note_told(&mut self, now: Monotonic) {
        self.told_until = (now, self.member_count());
    }

    fn member_count(&self) -> u32 {
        u32::try_from(self.peers.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    pub(super) fn take_heartbeat(&mut self, from: NodeId, heartbeat: Heartbeat, now: Monotonic) {
        let Some(peer) = self.peers.get_mut(&from) else { return };
        let Some(link) = peer.link.as_mut() else { return };
        let Some((replica, incarnation)) = link.replica else { return };
        if incarnation != heartbeat.incarnation {
            return;
        }
        let vouching = &mut link.vouching;
        let is_first = vouching.last.is_none();
        let earliest = heartbeat.echo.map(|(asked, held)| {
            Monotonic::from_nanos(asked.saturating_add(held).saturating_mul(1_000).min(now.as_nanos()))
        });
        let shift = peer.offset.learn(heartbeat.clock, earliest, now);
        let is_measured = earliest.is_some() && peer.offset.moment(heartbeat.clock).is_some();
        if vouching.last.is_none_or(|(clock, _)| clock < heartbeat.clock) {
            vouching.cluster = Some(heartbeat.cluster);
            vouching.last = Some((heartbeat.clock, now));
        }
        if vouching.waiting.len() == MAX_WAITING {
            vouching.waiting.pop_front();
        }
        vouching.waiting.push_back(heartbeat);
        let is_new = |member: &MemberStanding| member.node == from && member.shifted.0 == Monotonic::NEVER;
        let is_first_measured = is_measured && self.table.progress().standings().members.iter().any(is_new);
        // What a first measurement bears out was right all along.
        if let Some(shift) = shift.or(is_first_measured.then_some(Duration::ZERO)) {
            self.table.progress().update_standings(|standings| {
                if let Some(member) = standings.members.iter_mut().find(|member| member.node == from) {
                    member.shifted = (now, shift);
                }
            });
        }
        self.hear_said(from, replica, heartbeat.clock, now);
        if is_first && heartbeat.echo.is_none() {
            // The sooner clocks are compared, the less is read by a guess.
            self.send_heartbeat_to(&[from], now);
        }
        self.credit(from, now);
    }

    /// Something that the peer said at `clock` has arrived: its lease runs from then.
    pub(super) fn hear_said(&mut self, from: NodeId, replica: ReplicaIndex, clock: u64, now: Monotonic) {
        let said_at = self.said_at(from, clock, Duration::ZERO, now);
        self.table.progress().set_heard_at(replica, said_at);
    }

    /// Counts the heartbeats of a peer whose numbers have all arrived.
    pub(super) fn credit(&mut self, from: NodeId, now: Monotonic) {
        let Some(peer) = self.peers.get_mut(&from) else { return };
        let Some(link) = peer.link.as_mut().filter(|link| link.vouching.is_verified && !link.awaits_predictions) else {
            return;
        };
        let Some((replica, _)) = link.replica else { return };
        let contiguous = self.sequences[replica.as_usize()].held.contiguous();
        let mut newest = None;
        while let Some(heartbeat) = link.vouching.waiting.pop_front_if(|heartbeat| heartbeat.newest <= contiguous) {
            newest = Some(heartbeat);
        }
        let Some(heartbeat) = newest else { return };
        let offset = &peer.offset;
        let told_until = heartbeat.told_until.min(heartbeat.clock);
        let (Some(as_of), Some(evaluate_at)) = (offset.earliest(told_until), offset.moment(told_until)) else { return };
        let told = Told { as_of: as_of.min(now), evaluate_at: evaluate_at.min(now), members: heartbeat.members.max(1) };
        // What the peer said it had before it said that it had told everything, it goes by.
        let said = link.vouching.digest_said;
        if said <= told_until && link.vouching.confirmed_said != Some(said) && link.digest.is_some() {
            link.vouching.confirmed_said = Some(said);
            peer.confirmed.clone_from(&link.digest);
        }
        let is_first = self.table.progress().update_standings(|standings| {
            let member = standings.members.iter_mut().find(|member| member.node == from);
            member.is_some_and(|member| member.told.replace(told).is_none())
        });
        if is_first {
            self.members_changed();
        }
    }

    /// A hash of who the members are, in no order (FNV-1a of each id, added up).
    fn cluster_hash(&self) -> u64 {
        let of = |node: &NodeId| {
            let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
            node.as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, hash)
        };
        self.peers.keys().chain([&self.own.node]).map(of).fold(0, u64::wrapping_add)
    }

    /// Whether all members know the same members. A newcomer may not have heard of one that is away, and must not decide
    /// without it what nobody needs any more.
    pub(super) fn agrees_on_members(&self) -> bool {
        let mine = Some(self.cluster_hash());
        self.peers.values().all(|peer| peer.link.as_ref().is_some_and(|link| link.vouching.cluster == mine))
    }

    /// Looks whether the peers' digests show that nothing is lacking of the replicas that nobody speaks for any more.
    pub(super) fn verify_digests(&mut self, now: Monotonic) {
        let ended: Vec<ReplicaIndex> = self
            .registry
            .iter()
            .map(|(index, _)| index)
            .filter(|index| self.table.progress().has_ended(*index))
            .collect();
        let mine = self.digest(now);
        let nothing_lacks = |digest: &Digest| {
            ended.iter().all(|replica| {
                let (theirs, have) = (digest.entry(*replica), mine.entry(*replica));
                theirs.received <= have.received && (theirs.beyond == 0 || theirs.beyond == have.beyond)
            })
        };
        let mut verified = Vec::new();
        for peer in self.peers.values_mut() {
            let Some(link) = peer.link.as_mut() else { continue };
            let is_fresh = self.last_ended.is_none_or(|ended| link.digest_at >= ended.after(LAST_WORDS));
            link.vouching.is_verified = match &link.digest {
                // What was verified stays so until a replica ends or a digest shows more.
                Some(digest) if nothing_lacks(digest) => is_fresh || link.vouching.is_verified,
                _ => false,
            };
            if link.vouching.is_verified {
                verified.push(peer.id);
            }
        }
        for peer in verified {
            self.credit(peer, now);
        }
    }

    /// Brings up to date which replicas count, and who the members are.
    pub(super) fn refresh_standings(&mut self, now: Monotonic) {
        let mut latest: HashMap<NodeId, ReplicaIndex> = HashMap::new();
        for (index, replica) in self.registry.iter() {
            let newest = latest.entry(replica.node).or_insert(index);
            if self.registry.replica(*newest).is_some_and(|known| known.incarnation < replica.incarnation) {
                *newest = index;
            }
        }
        // Who comes back may go on as a replica before the last that was heard of.
        for (node, peer) in self.peers.iter().filter(|(_, peer)| peer.is_linked()) {
            latest.extend(peer.present.map(|(present, _)| (*node, present)));
        }
        latest.extend(self.registry.index(self.own).map(|own| (self.own.node, own)));
        let mut any_ended = false;
        for (index, replica) in self.registry.iter() {
            let is_member = replica.node == self.own.node || self.peers.contains_key(&replica.node);
            let has_ended = !is_member || latest.get(&replica.node) != Some(&index);
            any_ended |= has_ended && !self.table.progress().has_ended(index);
            self.table.progress().set_ended(index, has_ended);
        }
        if any_ended {
            self.last_ended = Some(now);
            for link in self.peers.values_mut().filter_map(|peer| peer.link.as_mut()) {
                link.vouching.is_verified = false;
            }
        }
        let confirmed = self.confirmed(now);
        let peers = &self.peers;
        self.table.progress().update_standings(|standings| {
            let before = std::mem::take(&mut standings.members);
            standings.members = peers.values().map(|peer| standing_of(peer, &before)).collect();
            standings.confirmed = confirmed;
        });
    }

    /// By replica: what every member within its lease has taken in and goes by.
    fn confirmed(&self, now: Monotonic) -> Vec<u64> {
        let lease = self.settings.cluster.lease();
        let present = self.peers.values().filter(|peer| {
            let heard_at = peer.present.map(|(replica, _)| self.table.progress().heard_at(replica));
            heard_at.is_some_and(|at| now.since(at) <= lease)
        });
        let present: Vec<Option<&Digest>> = present.map(|peer| peer.confirmed.as_ref()).collect();
        let by_all = |replica: ReplicaIndex| {
            let by = |digest: &Option<&Digest>| digest.map_or(0, |digest| digest.entry(replica).received);
            present.iter().map(by).min().unwrap_or(u64::MAX)
        };
        self.registry.iter().map(|(index, _)| by_all(index)).collect()
    }
}

fn standing_of(peer: &Peer, before: &[MemberStanding]) -> MemberStanding {
    let replica = peer.present.map(|(replica, _)| replica);
    let known = before.iter().find(|member| member.node == peer.id && member.replica == replica);
    MemberStanding {
        node: peer.id,
        replica,
        default_precision: peer.default_precision,
        told: known.and_then(|member| member.told),
        shifted: known.map_or((Monotonic::NEVER, Duration::MAX), |member| member.shifted),
    }
}
