//! The node, its cluster and its totals, at a glance.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::super::rates::Totals;
use super::super::shown::Shown;
use super::{myself, problems, rounded};
use crate::base::Moment;
use crate::command::{Environment, Stage};
use crate::node::{ClusterView, LinkView, MemberView};

const SECONDS_A_DAY: u64 = 86_400;

pub(in crate::http) fn summary(shown: &Shown) -> Value {
    let (environment, now) = (shown.source.environment(), shown.source.now());
    let view = environment.cluster.view();
    let rates = shown.rates.lock().now;
    let totals = Totals::of(environment);
    let outcomes = environment.table.prediction_outcomes();
    json!({
        "node": node(environment, &view, now),
        "cluster": {
            "state": state(environment, &view),
            "nodes": view.members.len(),
            "reachable_nodes": view.members.iter().filter(|member| is_reachable(member)).count(),
            "replicas": view.replicas_known,
            "lease_ms": u64::try_from(environment.table.lease().as_millis()).unwrap_or(u64::MAX),
        },
        "counters": {
            "held": environment.table.len(),
            "waiting": environment.table.waiting(),
            "beyond_precision": environment.table.counters_beyond_precision(now.monotonic),
        },
        "rates": {
            "commands_per_second": rounded(rates.commands),
            "increments_per_second": rounded(rates.increments),
            "records_sent_per_second": rounded(rates.records_sent),
            "records_received_per_second": rounded(rates.records_received),
            "bytes_sent_per_second": rounded(rates.bytes_sent),
            "bytes_received_per_second": rounded(rates.bytes_received),
        },
        "totals": {
            "commands": totals.commands,
            "increments": totals.increments,
            "records_sent": totals.records_sent,
            "records_received": totals.records_received,
            "prediction_hits": outcomes.hits,
            "prediction_misses": outcomes.misses,
            "records_saved_ratio": outcomes.saved().and_then(rounded),
        },
        "clients": { "connected": environment.clients.len() },
        "memory": { "resident_bytes": known(&environment.process.resident_bytes) },
        "storage": storage(environment, now),
        "certificate_days_left": days_left(&environment.cluster.certificate_ends, now),
        "authority_days_left": days_left(&environment.cluster.authorities_end, now),
        "problems": problems(shown),
    })
}

fn node(environment: &Environment, view: &ClusterView, now: Moment) -> Value {
    let (myself, process) = (myself(view), &environment.process);
    let uptime_seconds = now.monotonic.as_nanos().saturating_sub(figure(&process.started_nanos)) / 1_000_000_000;
    json!({
        "id": myself.map(|member| member.id.to_string()),
        "name": myself.and_then(|member| member.labels.name.as_deref()),
        "datacentre": myself.and_then(|member| member.labels.datacentre.as_deref()),
        "version": environment.settings.version,
        "host": myself.map(|member| member.host.as_str()),
        "client_port": figure(&process.tcp_port),
        "mesh_port": figure(&process.mesh_port),
        "uptime_seconds": uptime_seconds,
        "started_at_ms": figure(&process.started_at_ms),
        "incarnation": myself.and_then(|member| Some(member.incarnation?.0)),
    })
}

fn storage(environment: &Environment, now: Moment) -> Value {
    let figures = &environment.persistence;
    let failing = figures.is_failing().then(|| figures.pending_for(now.monotonic).unwrap_or_default().as_secs());
    json!({
        "durability": figures.durability().to_string(),
        "last_commit_usec": known(&figures.last_commit_micros),
        "commit_failing_seconds": failing,
        "refusing_writes": figures.refuses_changes(),
        "store_bytes": known(&figures.store_bytes),
    })
}

/// One word for how the cluster does, as this node sees it; the worst one.
fn state(environment: &Environment, view: &ClusterView) -> &'static str {
    match environment.persistence.stage() {
        Stage::Loading => "loading",
        Stage::Rejoining => "rejoining",
        Stage::Serving if environment.persistence.refuses_changes() => "refusing_writes",
        Stage::Serving if view.catching_up => "catching_up",
        Stage::Serving if !view.members.iter().all(is_reachable) => "degraded",
        Stage::Serving => "ok",
    }
}

fn is_reachable(member: &MemberView) -> bool {
    member.myself || (member.link == LinkView::Linked && !member.failed)
}

fn figure(value: &AtomicU64) -> u64 {
    value.load(Ordering::Relaxed)
}

/// 0 stands for what is not known yet.
fn known(value: &AtomicU64) -> Option<u64> {
    Some(figure(value)).filter(|value| *value > 0)
}

pub(super) fn days_left(ends: &AtomicU64, now: Moment) -> Option<u64> {
    Some(known(ends)?.saturating_sub(now.wall.0 / 1_000) / SECONDS_A_DAY)
}
