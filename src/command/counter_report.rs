//! What DEBUG COUNTER answers: all that this node holds of one counter, and what the others have of it.

use super::call::{Call, bulk};
use crate::base::{Amount, Monotonic, NodeId, ReplicaId, ReplicaIndex, Stamp, Total};
use crate::counter::{Assignment, Band, Examination, Forecast, HeldShare, Retired, Share};
use crate::node::{ClusterState, ClusterView, MemberView};
use crate::replication::DigestEntry;
use crate::resp::Reply;
use std::sync::Arc;
use std::time::Duration;

/// Turns an examination into a reply.
pub(super) struct CounterReport<'a> {
    found: &'a Examination,
    cluster: &'a ClusterState,
    view: Arc<ClusterView>,
    now: Monotonic,
}

impl<'a> CounterReport<'a> {
    pub(super) fn new(call: &Call<'a>, found: &'a Examination) -> Self {
        let cluster = &call.environment.cluster;
        Self { found, cluster, view: cluster.view(), now: call.now.monotonic }
    }

    pub(super) fn reply(&self) -> Reply {
        let state = &self.found.state;
        let others = self.found.others.iter();
        let members = self.view.members.iter().filter(|member| !member.myself);
        map([
            ("exists", Reply::Boolean(self.found.exists)),
            ("value", Reply::Amount(self.found.value)),
            ("value-as-told", Reply::Amount(self.found.value_told)),
            ("precision", self.precision()),
            ("own-share", state.own().map_or(Reply::Null, |share| self.own_share(&share))),
            ("other-shares", Reply::Array(others.map(|(held, read)| self.other_share(held, *read)).collect())),
            ("assignment", state.assignment().map_or(Reply::Null, |assignment| self.assignment(assignment))),
            ("given-up", Reply::Array(state.retired().iter().map(|retired| self.given_up(retired)).collect())),
            ("members", Reply::Array(members.map(|member| self.member(member)).collect())),
        ])
    }

    fn precision(&self) -> Reply {
        let value = ("value", Reply::Amount(self.found.precision.amount()));
        match self.found.state.precision() {
            None => map([value, ("set-by", Reply::Text("default"))]),
            Some(register) => {
                let [time, logical, replica, number] = stamp(&register.stamp);
                map([value, ("set-by", replica.1), time, logical, number])
            }
        }
    }

    fn own_share(&self, share: &Share) -> Reply {
        let found = self.found;
        let believed = match &found.believed {
            Some(forecast) => total(forecast.at(self.now)),
            // What waits without a prediction was told at another time, and nobody has kept it.
            None if found.waits || share.revision == 0 => Reply::Null,
            None => total(share.total),
        };
        let look = (found.looked_at != Monotonic::NEVER).then(|| found.looked_at.since(self.now));
        map([
            ("replica", self.replica(found.own)),
            ("born", number(share.born)),
            ("revision", number(share.revision)),
            ("total", total(share.total)),
            ("covered-by-cut", total(found.cut_of(found.own, share))),
            ("believed-by-peers", believed),
            ("band", band(found.band)),
            ("rate", Reply::Double(found.believed.map_or(0.0, |forecast| forecast.rate.into()))),
            ("told-ms-ago", self.age(found.believed.as_ref())),
            ("waits-to-be-told", Reply::Boolean(found.waits)),
            ("looked-at-in-ms", look.map_or(Reply::Null, millis)),
        ])
    }

    fn other_share(&self, held: &HeldShare, read: Total) -> Reply {
        // An assignment stops what it had seen until its owner speaks again.
        let forecast = held.forecast.as_ref().filter(|_| !self.found.state.is_frozen(held));
        map([
            ("replica", self.replica(held.replica)),
            ("address", self.address(held.replica)),
            ("born", number(held.share.born)),
            ("revision", number(held.share.revision)),
            ("total", total(held.share.total)),
            ("covered-by-cut", total(self.found.cut_of(held.replica, &held.share))),
            ("read-as", total(read)),
            ("rate", Reply::Double(forecast.map_or(0.0, |forecast| forecast.rate.into()))),
            ("told-ms-ago", self.age(forecast)),
        ])
    }

    fn assignment(&self, assignment: &Assignment) -> Reply {
        let cut = assignment.cut.iter().map(|(of, share)| {
            map([
                ("replica", self.replica(*of)),
                ("born", number(share.born)),
                ("revision", number(share.revision)),
                ("total", total(share.total)),
            ])
        });
        let context = assignment.context.iter().map(|(of, up_to)| (self.replica(of), number(up_to)));
        let [time, logical, replica, sequence] = stamp(&assignment.stamp);
        map([
            ("base", Reply::Amount(assignment.base)),
            ("deletes", Reply::Boolean(assignment.deleted)),
            ("set-by", replica.1),
            time,
            logical,
            sequence,
            ("cut", Reply::Array(cut.collect())),
            ("context", Reply::Map(context.collect())),
        ])
    }

    fn given_up(&self, retired: &Retired) -> Reply {
        map([
            ("replica", self.replica(retired.replica)),
            ("born", number(retired.born)),
            ("told-by", self.replica(retired.by)),
            ("number", number(retired.number)),
        ])
    }

    /// What a member has acknowledged of what this node holds.
    fn member(&self, member: &MemberView) -> Reply {
        let state = &self.found.state;
        let own = state.own().filter(|share| share.revision > 0).map(|share| (self.found.own, share.revision));
        let assignment = state.assignment().map(|assignment| (assignment.origin, assignment.stamp.number));
        let precision = state.precision().map(|register| (register.origin, register.stamp.number));
        map([
            ("node", bulk(member.id.to_string())),
            ("own-share", self.acknowledged(member.id, own)),
            ("assignment", self.acknowledged(member.id, assignment)),
            ("precision", self.acknowledged(member.id, precision)),
        ])
    }

    /// Whether a member has everything of a replica up to a number; nothing where there is nothing to have.
    fn acknowledged(&self, member: NodeId, item: Option<(ReplicaIndex, u64)>) -> Reply {
        let Some((origin, number)) = item else { return Reply::Null };
        let digest = self.view.digests.iter().find(|(id, _)| *id == member).map(|(_, digest)| digest);
        Reply::Text(match digest.map(|digest| digest.entry(origin)) {
            None => "not linked",
            Some(DigestEntry { durable, .. }) if durable >= number => "durable",
            Some(DigestEntry { received, .. }) if received >= number => "received",
            Some(_) => "not yet",
        })
    }

    fn replica(&self, index: ReplicaIndex) -> Reply {
        self.cluster.replica(index).map_or(Reply::Null, |replica| bulk(replica.to_string()))
    }

    /// Where clients reach the replica's node, if that is a member and this is its present life.
    fn address(&self, index: ReplicaIndex) -> Reply {
        let is_this = |replica: ReplicaId, member: &&MemberView| {
            member.id == replica.node && member.incarnation == Some(replica.incarnation)
        };
        let replica = self.cluster.replica(index);
        let member = replica.and_then(|replica| self.view.members.iter().find(|member| is_this(replica, member)));
        member.map_or(Reply::Null, |member| bulk(format!("{}:{}", member.host, member.client_port)))
    }

    fn age(&self, forecast: Option<&Forecast>) -> Reply {
        forecast.map_or(Reply::Null, |forecast| millis(self.now.since(forecast.since)))
    }
}

fn map<const N: usize>(fields: [(&'static str, Reply); N]) -> Reply {
    Reply::Map(fields.into_iter().map(|(name, value)| (Reply::Text(name), value)).collect())
}

fn stamp(stamp: &Stamp) -> [(&'static str, Reply); 4] {
    [
        ("time-ms", number(stamp.time.wall_millis())),
        ("time-logical", number(stamp.time.logical())),
        ("replica", bulk(stamp.replica.to_string())),
        ("number", number(stamp.number)),
    ]
}

fn number(value: u64) -> Reply {
    Reply::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

fn millis(time: Duration) -> Reply {
    number(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn total(total: Total) -> Reply {
    bulk(total.to_string())
}

fn band(band: Band) -> Reply {
    // A band is a part of a precision, and that is an amount.
    Amount::from_units(band.units()).map_or(Reply::Null, Reply::Amount)
}
