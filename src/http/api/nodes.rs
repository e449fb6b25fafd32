//! The members of the cluster, and the links of this node with them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::shown::Shown;
use super::{millis_ago, rounded, wall_millis};
use crate::base::Moment;
use crate::command::Environment;
use crate::counter::MemberStanding;
use crate::node::{ClusterView, LinkView, MemberView};
use crate::wire::{ProtocolVersions, SOFTWARE_VERSION};

pub(in crate::http) fn nodes(shown: &Shown) -> Value {
    let (environment, now) = (shown.source.environment(), shown.source.now());
    let view: Arc<ClusterView> = environment.cluster.view();
    let nodes: Vec<Value> = view.members.iter().map(|member| node(member, environment, now)).collect();
    json!({ "nodes": nodes })
}

fn node(member: &MemberView, environment: &Environment, now: Moment) -> Value {
    let table = &environment.table;
    let standing = standing_of(member, environment);
    let in_lease = member.myself || standing.as_ref().is_some_and(|known| table.is_within_lease(known, now.monotonic));
    let told = standing.and_then(|known| known.told);
    let counts = member.link_counts.as_ref();
    json!({
        "id": member.id.to_string(),
        "name": member.labels.name,
        "datacentre": member.labels.datacentre,
        "host": member.host,
        "client_port": member.client_port,
        "mesh_port": member.mesh_port,
        "myself": member.myself,
        "state": state(member),
        "in_lease": in_lease,
        "round_trip_ms": member.round_trip.and_then(|time| rounded(time.as_secs_f64() * 1e3)),
        "last_heard_ms_ago": member.last_heard.and_then(|at| rounded(millis_ago(at, now))),
        "linked_since_ms": member.linked_since.map(|at| wall_millis(at, now)),
        "lag_records": member.lag_records,
        "lag_seconds": told.and_then(|told| rounded(now.monotonic.since(told.as_of).as_secs_f64())),
        "protocol": if member.myself {
            Some(ProtocolVersions::SPOKEN.newest().0)
        } else {
            member.protocol.as_ref().map(|protocol| protocol.version.0)
        },
        "version": if member.myself {
            Some(SOFTWARE_VERSION)
        } else {
            member.protocol.as_ref().map(|protocol| protocol.software.as_str()).filter(|version| !version.is_empty())
        },
        "datagrams_sent": counts.map(|counts| counts.datagrams_sent),
        "datagrams_received": counts.map(|counts| counts.datagrams_received),
        "datagrams_lost": counts.map(|counts| counts.packets_lost),
        "bytes_sent": counts.map(|counts| counts.bytes_sent),
        "bytes_received": counts.map(|counts| counts.bytes_received),
    })
}

/// What readers are promised of what a member has counted.
pub(in crate::http) fn standing_of(member: &MemberView, environment: &Environment) -> Option<MemberStanding> {
    let standings = environment.table.progress().standings();
    standings.members.iter().find(|known| known.node == member.id).cloned()
}

pub(in crate::http) fn state(member: &MemberView) -> &'static str {
    match member.link {
        LinkView::Myself => "ok",
        _ if member.failed => "failed",
        _ if member.suspected => "suspected",
        LinkView::Linked => "ok",
        LinkView::Handshake => "handshake",
        LinkView::Unlinked => "unlinked",
    }
}
