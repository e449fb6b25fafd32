//! The sections of INFO that are about the counters and the other nodes.

use super::call::Call;
use super::environment::figure;
use super::info::put;
use super::values::is_reachable;
use crate::node::LinkView;
use crate::wire::ProtocolVersions;
use std::fmt::Write;

pub(super) fn mesh(call: &Call<'_>, text: &mut String) {
    let cluster = &call.environment.cluster;
    let view = cluster.view();
    let traffic = &cluster.traffic;
    let linked = view.members.iter().filter(|m| m.link == LinkView::Linked);
    put(text, &[("mesh_links", &linked.count()), ("mesh_protocol", &ProtocolVersions::SPOKEN)]);
    put(text, &[("mesh_incompatible_nodes", &view.members.iter().filter(|m| m.is_incompatible).count())]);
    for (name, end) in [
        ("mesh_certificate_days_left", figure(&cluster.certificate_ends)),
        ("mesh_authority_days_left", figure(&cluster.authorities_end)),
    ] {
        if end > 0 {
            put(text, &[(name, &(end.saturating_sub(call.now.wall.0 / 1000) / 86_400))]);
        }
    }
    for (name, value) in [
        ("mesh_datagrams_sent", &traffic.datagrams_sent),
        ("mesh_datagrams_received", &traffic.datagrams_received),
        ("mesh_datagrams_lost", &traffic.datagrams_lost),
        ("mesh_records_sent", &traffic.records_sent),
        ("mesh_records_received", &traffic.records_received),
        ("mesh_record_bytes_sent", &traffic.record_bytes_sent),
        ("mesh_digest_bytes_sent", &traffic.digest_bytes_sent),
        ("mesh_repair_bytes_sent", &traffic.repair_bytes_sent),
        ("mesh_messages_sent", &traffic.messages_sent),
        ("mesh_messages_received", &traffic.messages_received),
        ("mesh_messages_refused", &traffic.messages_refused),
        ("mesh_parts_passed_over", &traffic.parts_passed_over),
    ] {
        put(text, &[(name, &figure(value))]);
    }
    for (kind, counts) in traffic.kinds.iter() {
        let _ = write!(
            text,
            "mesh_kind_{}:sent={},received={},sent_bytes={},received_bytes={}\r\n",
            kind.name(),
            figure(&counts.sent),
            figure(&counts.received),
            figure(&counts.sent_bytes),
            figure(&counts.received_bytes)
        );
    }
    let others = view.members.iter().filter(|member| !member.myself);
    for (number, member) in others.enumerate() {
        let state = if is_reachable(member) { "up" } else { "down" };
        let round_trip = member.round_trip.map_or(0, |time| time.as_micros());
        let _ = write!(
            text,
            "peer{number}:id={},host={},port={},state={state},rtt_usec={round_trip},protocol={},software={},name={},datacentre={}\r\n",
            member.id,
            member.host,
            member.mesh_port,
            member.protocol.as_ref().map_or(0, |protocol| protocol.version.0),
            member.protocol.as_ref().map_or("", |protocol| &protocol.software),
            member.labels.name.as_deref().unwrap_or_default(),
            member.labels.datacentre.as_deref().unwrap_or_default(),
        );
    }
}

pub(super) fn counters(call: &Call<'_>, text: &mut String) {
    let statistics = &call.environment.statistics;
    put(
        text,
        &[
            ("counters", &call.environment.table.len()),
            ("hits", &statistics.hits()),
            ("misses", &statistics.misses()),
            ("counters_held", &call.environment.table.held()),
            ("counters_waiting", &call.environment.table.waiting()),
            ("counters_beyond_precision", &call.environment.table.counters_beyond_precision(call.now.monotonic)),
        ],
    );
}

/// How often what the other nodes expect was right, and what telling them costs.
pub(super) fn predictions(call: &Call<'_>, text: &mut String) {
    let table = &call.environment.table;
    let traffic = &call.environment.cluster.traffic;
    let (records, bytes) = (figure(&traffic.records_sent), figure(&traffic.record_bytes_sent));
    let bytes_a_record = if records == 0 { 0.0 } else { bytes as f64 / records as f64 };
    let outcomes = table.prediction_outcomes();
    put(
        text,
        &[
            ("prediction_hits", &outcomes.hits),
            ("prediction_misses", &outcomes.misses),
            ("prediction_records_sent", &records),
            ("prediction_bytes_per_record", &format_args!("{bytes_a_record:.2}")),
            ("prediction_default_precision", &table.default_precision().amount()),
            ("prediction_effective_precision", &table.largest_effective_precision(call.now.monotonic).amount()),
        ],
    );
}
