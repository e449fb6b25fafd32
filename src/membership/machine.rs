//! The membership as a state machine: packets, links and time in, [`Output`]s out.

use std::collections::{BTreeSet, VecDeque};
use std::iter;
use std::time::Duration;

use foca::{Foca, Header, Member, Message, NoCustomBroadcast, State, Timer};
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::codec::CborCodec;
use super::identity::Announced;
use super::links::Links;
use super::packet::Packet;
use super::roster::Roster;
use super::runtime::Collected;
use super::timers::Timers;
use super::{Config, MAX_GENERATION, MemberIdentity, MemberStatus, MembershipError, Output};
use crate::base::{Monotonic, NodeId};

/// Who is in the cluster, as seen from one node.
///
/// After each call, take all outputs with [`Membership::poll_output`] and ask for [`Membership::next_deadline`] anew.
/// A node that has left, or was reset, starts anew with a new value and a higher generation.
pub struct Membership {
    pub(super) detector: Foca<Announced, CborCodec, SmallRng, NoCustomBroadcast>,
    config: Config,
    pub(super) roster: Roster,
    links: Links,
    pub(super) barred: BTreeSet<NodeId>,
    pub(super) timers: Timers,
    pub(super) outputs: VecDeque<Output>,
    /// For how long this process was not running. The detector's clock stands still meanwhile: silence that
    /// this node could not have heard through says nothing about the others.
    stood_still: Duration,
    left: bool,
}

impl Membership {
    /// A node that knows only itself. `seed` decides whom it probes and gossips to: give each node its own.
    ///
    /// # Errors
    /// When the identity or a setting is out of range.
    pub fn new(me: MemberIdentity, config: Config, seed: u64) -> Result<Self, MembershipError> {
        me.check()?;
        config.check()?;
        let random = SmallRng::seed_from_u64(seed);
        let me = Announced::present(me);
        let detector = Foca::new(me, config.detector(), random, CborCodec::default());
        Ok(Self {
            detector,
            config,
            roster: Roster::default(),
            links: Links::default(),
            barred: BTreeSet::new(),
            timers: Timers::default(),
            outputs: VecDeque::new(),
            stood_still: Duration::ZERO,
            left: false,
        })
    }

    /// This node as it presents itself now. Its generation grows with each renewal.
    pub fn me(&self) -> &MemberIdentity {
        &self.detector.identity().identity
    }

    /// The settings given at the start.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// All other members that are known, by node id.
    pub fn members(&self) -> impl Iterator<Item = &MemberStatus> {
        self.roster.iter()
    }

    /// The next thing to carry out or to react to.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Membership::tick`] at the latest; [`Monotonic::NEVER`] if nothing is waited for.
    pub fn next_deadline(&self) -> Monotonic {
        let due = [self.timers.next_due(), self.links.next_due()];
        match due.into_iter().flatten().min() {
            Some(due) if !self.left => due.after(self.stood_still),
            _ => Monotonic::NEVER,
        }
    }

    /// A link to this node is up, whoever dialled: introduces this node, again and again until it is answered.
    pub fn link_up(&mut self, peer: NodeId, now: Monotonic) {
        let now = self.clock(now);
        if self.left || peer == self.me().node || self.barred.contains(&peer) {
            return;
        }
        self.links.add(peer);
        self.introduce(peer, now);
        self.settle(now);
    }

    /// The link to this node is down. Whether the node is down is for the probes to find out.
    pub fn link_down(&mut self, peer: NodeId) {
        self.links.remove(peer);
    }

    /// Takes in a packet from `from`, who is the sender by the link's certificate.
    ///
    /// # Errors
    /// When the packet is not one, names another sender, or comes from who is not to be heard. Nothing has changed
    /// then, but that [`MembershipError::Protocol`] may come after the packet's news was taken in.
    pub fn handle(&mut self, from: NodeId, bytes: &[u8], now: Monotonic) -> Result<(), MembershipError> {
        let now = self.clock(now);
        if self.left {
            return Err(MembershipError::Left);
        }
        if from == self.me().node {
            return Err(MembershipError::Myself);
        }
        if self.barred.contains(&from) {
            return Err(MembershipError::Barred(from));
        }
        let result = match Packet::decode(bytes)? {
            Packet::Outlived { generation } => {
                self.renew_to(generation, now);
                Ok(())
            }
            Packet::Protocol { header, members } => self.handle_protocol(from, bytes, header, members, now),
        };
        self.settle(now);
        result
    }

    /// Lets time pass: does everything that is due. Late is fine.
    pub fn tick(&mut self, now: Monotonic) {
        let now = self.clock(now);
        if self.left {
            return;
        }
        while let Some(timer) = self.timers.pop_due(now) {
            if self.is_settled_suspicion(&timer) {
                continue;
            }
            let removed = match &timer {
                Timer::RemoveDown(member) => Some(member.node()),
                _ => None,
            };
            let result = self.detect(now, |detector, collected| detector.handle_timer(timer, collected));
            if let Err(error) = result {
                self.outputs.push_back(Output::Trouble(error));
            }
            // It may have come back meanwhile, and then it stays.
            if let Some(removed) = removed.filter(|node| self.known(*node).is_none()) {
                self.roster.remove(removed);
            }
        }
        for peer in self.links.due(now) {
            self.introduce(peer, now);
        }
        self.settle(now);
    }

    /// Presents this node under another address from now on.
    ///
    /// # Errors
    /// When the host cannot be told, or no generation is left. Nothing has changed then.
    pub fn set_address(
        &mut self,
        host: String,
        client_port: u16,
        mesh_port: u16,
        now: Monotonic,
    ) -> Result<(), MembershipError> {
        let now = self.clock(now);
        let me = self.me();
        let same = me.host == host && me.client_port == client_port && me.mesh_port == mesh_port;
        if same || self.left {
            return Ok(());
        }
        let identity = MemberIdentity { node: me.node, generation: me.generation + 1, host, client_port, mesh_port };
        identity.check()?;
        self.become_identity(Announced::present(identity), now);
        self.settle(now);
        Ok(())
    }

    /// Says goodbye to all linked members and takes no further part. They report [`Output::Left`].
    pub fn leave(&mut self, now: Monotonic) {
        self.clock(now);
        if self.left {
            return;
        }
        let mut leaving = self.detector.identity().clone();
        leaving.leaving = true;
        let members: Vec<_> = self.detector.iter_members().cloned().collect();
        for member in members {
            let packet = Packet::Protocol {
                header: Header {
                    src: leaving.clone(),
                    src_incarnation: 0,
                    dst: member.id().clone(),
                    message: Message::Gossip,
                },
                members: vec![Member::down(leaving.clone())],
            };
            self.send_packet(member.id().node(), &packet);
        }
        self.left = true;
    }

    /// Drops a member and bars it: nothing from it or about it is taken in until [`Membership::allow`].
    /// Other members are not told. Answers whether it was known.
    ///
    /// # Errors
    /// [`MembershipError::Myself`].
    pub fn forget(&mut self, node: NodeId, now: Monotonic) -> Result<bool, MembershipError> {
        let now = self.clock(now);
        self.bar(node)?;
        let known = self.known(node).cloned();
        let Some(member) = known else {
            return Ok(false);
        };
        let down = Member::new(member.id().clone(), member.incarnation(), State::Down);
        let result = self.detect(now, |detector, collected| {
            detector.apply_many(iter::once(down), false, &mut *collected)?;
            detector.handle_timer(Timer::RemoveDown(member.id().clone()), collected)
        });
        if let Err(error) = result {
            self.outputs.push_back(Output::Trouble(error));
        }
        self.roster.remove(node);
        self.settle(now);
        Ok(true)
    }

    /// Bars a node that is not a member, as remembered from before a restart.
    ///
    /// # Errors
    /// [`MembershipError::Myself`].
    pub fn bar(&mut self, node: NodeId) -> Result<(), MembershipError> {
        if node == self.me().node {
            return Err(MembershipError::Myself);
        }
        self.links.remove(node);
        self.barred.insert(node);
        Ok(())
    }

    /// Lets a barred node in again: it has been met. Report its link with [`Membership::link_up`] after this.
    pub fn allow(&mut self, node: NodeId) {
        self.barred.remove(&node);
    }

    /// The nodes that are kept out.
    pub fn barred(&self) -> impl Iterator<Item = NodeId> {
        self.barred.iter().copied()
    }

    pub(super) fn known(&self, node: NodeId) -> Option<&Member<Announced>> {
        let mut members = self.detector.iter_membership_state();
        members.find(|member| member.id().node() == node)
    }

    fn introduce(&mut self, peer: NodeId, now: Monotonic) {
        let to = match self.known(peer) {
            Some(member) => member.id().clone(),
            None => Announced::unknown(peer),
        };
        let result = self.detect(now, |detector, collected| detector.announce(to, collected));
        if let Err(error) = result {
            self.outputs.push_back(Output::Trouble(error));
        }
        let interval = self.config.announce_interval();
        self.links.introduced(peer, now, interval);
    }

    fn renew_to(&mut self, generation: u64, now: Monotonic) {
        let me = self.detector.identity();
        if me.identity.generation < generation && generation <= MAX_GENERATION {
            self.become_identity(me.with_generation(generation), now);
        }
    }

    fn become_identity(&mut self, identity: Announced, now: Monotonic) {
        let result = self.detect(now, |detector, collected| detector.change_identity(identity, collected));
        if let Err(error) = result {
            self.outputs.push_back(Output::Trouble(error));
        }
    }

    /// Runs the detector and carries out what it asks for.
    pub(super) fn detect(
        &mut self,
        now: Monotonic,
        run: impl FnOnce(
            &mut Foca<Announced, CborCodec, SmallRng, NoCustomBroadcast>,
            &mut Collected,
        ) -> Result<(), foca::Error>,
    ) -> Result<(), MembershipError> {
        let protocol_error = |error: foca::Error| MembershipError::Protocol(error.to_string());
        let before = self.detector.identity().clone();
        let mut collected = Collected::default();
        let result = run(&mut self.detector, &mut collected).map_err(protocol_error);
        // A detector that has changed its identity sets no timers before it is told of a member again, so that a
        // lost first word would never be repeated. Told of none, it looks at those it has and goes on probing.
        let resumed = self.detector.apply_many(iter::empty(), true, &mut collected).map_err(protocol_error);
        self.carry_out(collected, now);
        if *self.detector.identity() != before {
            let identity = self.me().clone();
            self.outputs.push_back(Output::Renewed(identity));
        }
        result.and(resumed)
    }

    fn carry_out(&mut self, collected: Collected, now: Monotonic) {
        for (to, bytes) in collected.sends {
            self.send(to, bytes);
        }
        for (after, timer) in collected.timers {
            self.timers.set(now.after(after), timer);
        }
        if collected.defunct {
            self.outputs.push_back(Output::Defunct);
        }
    }

    pub(super) fn send_packet(&mut self, to: NodeId, packet: &Packet) {
        match packet.encode() {
            Ok(bytes) => self.send(to, bytes),
            Err(error) => {
                let error = MembershipError::Protocol(error.to_string());
                self.outputs.push_back(Output::Trouble(error));
            }
        }
    }

    /// The detector speaks to any member; only a linked one can be reached.
    fn send(&mut self, to: NodeId, bytes: Vec<u8>) {
        if self.links.contains(to) {
            self.outputs.push_back(Output::Send { to, bytes });
        }
    }

    /// Reports what has changed about the others, and sees to introductions.
    pub(super) fn settle(&mut self, now: Monotonic) {
        let me = self.me().node;
        for member in self.detector.iter_membership_state() {
            if member.id().node() != me {
                let outputs = &mut self.outputs;
                self.roster.observe(member, |output| outputs.push_back(output));
            }
        }
        for peer in self.links.nodes() {
            self.links.observe(peer, self.roster.is_active(peer), now);
        }
    }

    /// The detector's time. If timers are so late that a probe's stages would run together, this process was not
    /// running: its clock is put back by as much.
    pub(super) fn clock(&mut self, now: Monotonic) -> Monotonic {
        let clock = now.before(self.stood_still);
        let late = match self.timers.next_due() {
            Some(due) => clock.since(due),
            None => Duration::ZERO,
        };
        if late <= self.config.pause() {
            return clock;
        }
        self.stood_still += late;
        now.before(self.stood_still)
    }
}
