//! What the node wants, carried out.

use super::super::certificates::banned;
use super::super::translating::{close_reason, tell};
use super::Driver;
use super::room::Room;
use crate::base::NodeId;
use crate::mesh::{CloseReason, DialId, SendError};
use crate::node::{Input, Output};
use crate::storage::KeptOut;
use std::sync::atomic::Ordering;

/// Members that those who join are told of.
const MEMBERS_TOLD: usize = 8;

impl Driver {
    /// Does all that the node wants done.
    pub(super) async fn carry_out(&mut self) {
        let node = &self.parts.node;
        self.disk.follow(&node.state(), &node.table(), self.parts.clock);
        self.answer_confirmations();
        let mut room = Room::new();
        while let Some(output) = self.parts.node.poll_output() {
            match output {
                Output::Datagram { to, bytes } => {
                    if !room.send(&self.parts.mesh, to, bytes).await {
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
                self.parts.mesh.close(to, CloseReason::Anew("a message could not be sent".to_owned()));
            }
        }
    }
}
