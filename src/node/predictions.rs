//! What is extrapolated is kept on no disk: who comes back asks each peer to say again how its shares move.

use super::clock_offset::clock_micros;
use super::machine::Node;
use crate::base::{Location, Monotonic, NodeId};
use crate::counter::{Forecast, Share};
use crate::wire::{Message, Packed, Record, RecordPacker};

/// Bytes to one message.
const MESSAGE_BYTES: usize = 32 << 10;
/// Parts of the table looked at for one message.
const SHARDS_A_STEP: u16 = 16;

impl Node {
    /// Asks a peer that has greeted, unless this process of it has said so already.
    pub(super) fn ask_for_predictions(&mut self, of: NodeId) {
        let Some(peer) = self.peers.get_mut(&of) else { return };
        let is_known = !self.is_restored || peer.predictions_of == peer.instance;
        let Some(link) = peer.link.as_mut().filter(|_| !is_known) else { return };
        link.awaits_predictions = true;
        self.message(of, Message::encode_tell_predictions());
    }

    pub(super) fn take_predictions_told(&mut self, from: NodeId, now: Monotonic) {
        let Some(peer) = self.peers.get_mut(&from) else { return };
        peer.predictions_of = peer.instance;
        if let Some(link) = &mut peer.link {
            link.awaits_predictions = false;
        }
        self.verify_digests(now);
        self.members_changed();
    }

    /// A peer came back without what it is to extrapolate.
    pub(super) fn tell_predictions(&mut self, to: NodeId, now: Monotonic) {
        let link = self.peers.get_mut(&to).and_then(|peer| peer.link.as_mut());
        let Some(link) = link else { return };
        if link.telling_from.replace(0).is_none() {
            self.tell_more_predictions(to, now);
        }
    }

    /// Says how the shares of a part of the table move; the next part follows when that has left.
    pub(super) fn tell_more_predictions(&mut self, to: NodeId, now: Monotonic) {
        let link = self.peers.get(&to).and_then(|peer| peer.link.as_ref());
        let Some(first) = link.and_then(|link| link.telling_from) else { return };
        let next = first + SHARDS_A_STEP;
        let mut found: Vec<(Location, Vec<u8>, Share, Forecast)> = Vec::new();
        for shard in (first..next).filter_map(|shard| u8::try_from(shard).ok()) {
            self.table.visit_predicted(shard, &mut |own| {
                found.push((own.location, own.name.to_vec(), own.share, own.forecast));
            });
        }
        found.sort_unstable_by_key(|(_, _, share, _)| share.revision);
        let mut packer = RecordPacker::new(self.own.incarnation, clock_micros(now), MESSAGE_BYTES);
        let mut packed = Vec::new();
        for (location, name, share, forecast) in &found {
            let record = Record::Share {
                location: *location,
                born: share.born,
                total: share.total,
                rate: forecast.rate,
                age: now.since(forecast.since),
                whole: forecast.whole,
                name: crate::base::Name::new(name).ok(),
            };
            packer.push(share.revision, &record, &mut packed);
        }
        packer.finish(&mut packed);
        for one in packed {
            let (Packed::Datagram(bytes, _) | Packed::Message(bytes)) = one;
            self.state_message(to, bytes, false, now);
        }
        let is_done = u8::try_from(next).is_err();
        if let Some(link) = self.peers.get_mut(&to).and_then(|peer| peer.link.as_mut()) {
            link.telling_from = (!is_done).then_some(next);
        }
        let last =
            if is_done { Message::encode_predictions_told() } else { Message::encode_empty_repair(clock_micros(now)) };
        self.state_message(to, last, !is_done, now);
    }
}
