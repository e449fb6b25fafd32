//! The other nodes, and what passes between them and this one.

use super::exposition::{Exposition, Kind};
use super::figure;
use crate::base::{Moment, Monotonic};
use crate::command::Environment;
use crate::counter::MemberStanding;
use crate::node::{LinkView, MemberView};

pub(super) fn write(environment: &Environment, now: Moment, out: &mut Exposition) {
    let cluster = &environment.cluster;
    let (view, traffic) = (cluster.view(), &cluster.traffic);
    let linked = view.members.iter().filter(|member| member.link == LinkView::Linked).count();
    out.one(Kind::Gauge, "discnt_cluster_nodes", "Members of the cluster, this node included.", view.members.len());
    out.one(Kind::Gauge, "discnt_cluster_links", "Members that this node is linked with.", linked);
    let failed = view.members.iter().filter(|member| member.failed).count();
    out.one(Kind::Gauge, "discnt_cluster_failed_nodes", "Members that are held for failed.", failed);
    let incompatible = view.members.iter().filter(|member| member.is_incompatible).count();
    let help = "Members that speak no version of the protocol that this node does.";
    out.one(Kind::Gauge, "discnt_cluster_incompatible_nodes", help, incompatible);
    let help = "Nodes and their earlier lives that have counted.";
    out.one(Kind::Gauge, "discnt_cluster_replicas", help, view.replicas_known);
    let help = "Whether other nodes have told more than is here by now.";
    out.one(Kind::Gauge, "discnt_cluster_catching_up", help, u8::from(view.catching_up));
    let mut family = out.family(
        Kind::Gauge,
        "discnt_certificate_expiry_timestamp_seconds",
        "When the certificate ends, in seconds since 1970: of this node, and of the last authority that it trusts.",
    );
    for (of, ends) in [("node", &cluster.certificate_ends), ("authority", &cluster.authorities_end)] {
        // 0 where that is not known.
        if figure(ends) > 0 {
            family.sample(&[("certificate", of)], figure(ends));
        }
    }
    out.one(
        Kind::Gauge,
        "discnt_time_seconds",
        "The clock of this node, in seconds since 1970.",
        now.wall.0 as f64 / 1e3,
    );
    for (name, help, value) in [
        ("discnt_mesh_datagrams_sent", "Datagrams handed to the mesh.", &traffic.datagrams_sent),
        ("discnt_mesh_datagrams_received", "Datagrams taken from the mesh.", &traffic.datagrams_received),
        ("discnt_mesh_datagrams_dropped", "Datagrams that the mesh had no room for.", &traffic.datagrams_lost),
        (
            "discnt_mesh_repaired_items",
            "Items that came in answer to pulls: what was lost, or said while this node was away.",
            &traffic.repair_items_received,
        ),
        ("discnt_mesh_messages_sent", "Messages handed to the mesh.", &traffic.messages_sent),
        ("discnt_mesh_messages_received", "Messages taken from the mesh.", &traffic.messages_received),
        ("discnt_mesh_refused", "Datagrams and messages not understood, or not taken.", &traffic.messages_refused),
        (
            "discnt_mesh_parts_passed_over",
            "Parts of kinds that this version does not know.",
            &traffic.parts_passed_over,
        ),
        ("discnt_mesh_record_sent_bytes", "Bytes of what carried announcements.", &traffic.record_bytes_sent),
        ("discnt_mesh_digest_sent_bytes", "Bytes of the digests sent.", &traffic.digest_bytes_sent),
        ("discnt_mesh_repair_sent_bytes", "Bytes asked for and sent again for repair.", &traffic.repair_bytes_sent),
    ] {
        out.one(Kind::Counter, name, help, figure(value));
    }
    write_kinds(environment, out);
}

fn write_kinds(environment: &Environment, out: &mut Exposition) {
    let kinds = &environment.cluster.traffic.kinds;
    let mut family = out.family(Kind::Counter, "discnt_mesh_sent", "Datagrams and messages sent, by kind.");
    kinds.iter().for_each(|(kind, counts)| family.sample(&[("kind", kind.name())], figure(&counts.sent)));
    let mut family = out.family(Kind::Counter, "discnt_mesh_received", "Datagrams and messages received, by kind.");
    kinds.iter().for_each(|(kind, counts)| family.sample(&[("kind", kind.name())], figure(&counts.received)));
    let mut family = out.family(Kind::Counter, "discnt_mesh_sent_bytes", "Bytes sent to other nodes, by kind.");
    kinds.iter().for_each(|(kind, counts)| family.sample(&[("kind", kind.name())], figure(&counts.sent_bytes)));
    let mut family = out.family(Kind::Counter, "discnt_mesh_received_bytes", "Bytes received of other nodes, by kind.");
    kinds.iter().for_each(|(kind, counts)| family.sample(&[("kind", kind.name())], figure(&counts.received_bytes)));
}

/// A figure of the links: its kind, name and help, and what it is of one member.
type OfPeer = (Kind, &'static str, &'static str, fn(&MemberView, &Seen<'_>) -> Option<f64>);

/// What is known of the members beside what is in their views.
struct Seen<'a> {
    environment: &'a Environment,
    now: Moment,
}

impl Seen<'_> {
    fn standing(&self, member: &MemberView) -> Option<MemberStanding> {
        let standings = self.environment.table.progress().standings();
        standings.members.iter().find(|known| known.node == member.id).cloned()
    }

    fn seconds_since(&self, at: Monotonic) -> f64 {
        self.now.monotonic.since(at).as_secs_f64()
    }
}

const OF_PEERS: &[OfPeer] = &[
    (Kind::Gauge, "discnt_peer_linked", "Whether this node is linked with the other.", |peer, _| {
        Some(f64::from(u8::from(peer.link == LinkView::Linked)))
    }),
    (Kind::Gauge, "discnt_peer_failed", "Whether the other node is held for failed.", |peer, _| {
        Some(f64::from(u8::from(peer.failed)))
    }),
    (
        Kind::Gauge,
        "discnt_peer_within_lease",
        "Whether the other node was heard so lately that its counters are extrapolated.",
        |peer, seen| {
            let is_within = |known: MemberStanding| seen.environment.table.is_within_lease(&known, seen.now.monotonic);
            Some(f64::from(u8::from(seen.standing(peer).is_some_and(is_within))))
        },
    ),
    (Kind::Gauge, "discnt_peer_round_trip_seconds", "Round-trip time of the link.", |peer, _| {
        Some(peer.round_trip?.as_secs_f64())
    }),
    (Kind::Gauge, "discnt_peer_silent_seconds", "For how long nothing was heard of the other node.", |peer, seen| {
        Some(seen.seconds_since(peer.last_heard?))
    }),
    (
        Kind::Gauge,
        "discnt_peer_lag_records",
        "Announcements of the other node of which is known that they are not here.",
        |peer, _| Some(peer.lag_records? as f64),
    ),
    (
        Kind::Gauge,
        "discnt_peer_lag_seconds",
        "How old the moment is up to which all that the other node counted is known here.",
        |peer, seen| Some(seen.seconds_since(seen.standing(peer)?.told?.as_of)),
    ),
    (Kind::Counter, "discnt_peer_datagrams_sent", "UDP datagrams sent over the present link.", |peer, _| {
        Some(peer.link_counts?.datagrams_sent as f64)
    }),
    (Kind::Counter, "discnt_peer_datagrams_received", "UDP datagrams received over the present link.", |peer, _| {
        Some(peer.link_counts?.datagrams_received as f64)
    }),
    (
        Kind::Counter,
        "discnt_peer_packets_lost",
        "Packets sent over the present link that are held for lost.",
        |peer, _| Some(peer.link_counts?.packets_lost as f64),
    ),
    (Kind::Counter, "discnt_peer_sent_bytes", "Bytes sent over the present link.", |peer, _| {
        Some(peer.link_counts?.bytes_sent as f64)
    }),
    (Kind::Counter, "discnt_peer_received_bytes", "Bytes received over the present link.", |peer, _| {
        Some(peer.link_counts?.bytes_received as f64)
    }),
];

pub(super) fn write_peers(environment: &Environment, now: Moment, out: &mut Exposition) {
    let (view, seen) = (environment.cluster.view(), Seen { environment, now });
    let peers = view.members.iter().filter(|member| !member.myself).map(|member| (member.id.to_string(), member));
    let peers: Vec<(String, &MemberView)> = peers.collect();
    let help = "What is known of the other nodes; the labels to join with other figures of theirs.";
    let mut family = out.family(Kind::Info, "discnt_peer", help);
    for (id, peer) in &peers {
        let protocol = peer.protocol.as_ref().map(|protocol| protocol.version.to_string()).unwrap_or_default();
        let labels = [
            ("peer", id.as_str()),
            ("name", peer.labels.name.as_deref().unwrap_or_default()),
            ("datacentre", peer.labels.datacentre.as_deref().unwrap_or_default()),
            ("protocol", protocol.as_str()),
            ("version", peer.protocol.as_ref().map_or("", |protocol| protocol.software.as_str())),
        ];
        family.sample(&labels, 1);
    }
    for (kind, name, help, of) in OF_PEERS {
        let mut family = out.family(*kind, name, help);
        for (id, peer) in &peers {
            if let Some(value) = of(peer, &seen) {
                family.sample(&[("peer", id)], value);
            }
        }
    }
}
