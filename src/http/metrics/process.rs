//! What the process uses, who is connected, and what is on disk.

use super::exposition::{Exposition, Kind};
use super::figure;
use crate::base::Moment;
use crate::command::{COMMIT_BOUNDS_MICROS, Environment, Stage};

pub(super) fn write(environment: &Environment, out: &mut Exposition) {
    let process = &environment.process;
    let view = environment.cluster.view();
    let id = view.members.iter().find(|member| member.myself).map(|member| member.id.to_string()).unwrap_or_default();
    let labels =
        view.members.iter().find(|member| member.myself).map(|member| member.labels.clone()).unwrap_or_default();
    let labels = [
        ("version", environment.settings.version.as_str()),
        ("node", id.as_str()),
        ("name", labels.name.as_deref().unwrap_or_default()),
        ("datacentre", labels.datacentre.as_deref().unwrap_or_default()),
    ];
    out.family(Kind::Info, "discnt_build", "The version that runs, and which node it is.").sample(&labels, 1);
    let micros = |value| figure(value) as f64 / 1e6;
    let started = figure(&process.started_at_ms) as f64 / 1e3;
    out.one(Kind::Gauge, "process_start_time_seconds", "When the process started, in seconds since 1970.", started);
    let processor = micros(&process.cpu_user_micros) + micros(&process.cpu_system_micros);
    out.one(Kind::Counter, "process_cpu_seconds", "Processor time of the process.", processor);
    let resident = figure(&process.resident_bytes);
    out.one(Kind::Gauge, "process_resident_memory_bytes", "Resident memory of the process.", resident);
    let peak = figure(&process.peak_resident_bytes).max(resident);
    out.one(Kind::Gauge, "discnt_memory_peak_bytes", "The most resident memory there ever was.", peak);
    write_clients(environment, out);
}

fn write_clients(environment: &Environment, out: &mut Exposition) {
    let (clients, statistics) = (&environment.clients, &environment.statistics);
    out.one(Kind::Gauge, "discnt_clients_connected", "Clients that are connected.", clients.len());
    let most = &environment.settings.max_clients;
    out.one(Kind::Gauge, "discnt_clients_max", "The most clients that may be connected.", most);
    let subscribers = environment.subscriptions.clients();
    out.one(Kind::Gauge, "discnt_clients_subscribed", "Clients that are subscribed to something.", subscribers);
    let connections = clients.ever_connected();
    out.one(Kind::Counter, "discnt_connections", "Clients that have connected.", connections);
    let rejected = statistics.rejected_connections();
    out.one(Kind::Counter, "discnt_connections_rejected", "Clients turned away as there were too many.", rejected);
    let (received, sent) = (statistics.input_bytes(), statistics.output_bytes());
    out.one(Kind::Counter, "discnt_client_received_bytes", "Bytes received from clients.", received);
    out.one(Kind::Counter, "discnt_client_sent_bytes", "Bytes sent to clients.", sent);
    let mut refusals = out.family(Kind::Counter, "discnt_access_denied", "Logins, commands and counters refused.");
    let kinds = ["login", "command", "counter", "channel"];
    for (kind, count) in kinds.into_iter().zip(environment.settings.access.refusals()) {
        refusals.sample(&[("kind", kind)], count);
    }
}

pub(super) fn write_storage(environment: &Environment, now: Moment, out: &mut Exposition) {
    let figures = &environment.persistence;
    let stage = figures.stage();
    let is_ready = stage == Stage::Serving && !environment.cluster.view().catching_up && !figures.refuses_changes();
    out.one(Kind::Gauge, "discnt_ready", "Whether /readyz answers that the node is ready.", u8::from(is_ready));
    let mut stages = out.family(Kind::Gauge, "discnt_stage", "How far the start has come: 1 for the present stage.");
    for (name, this) in [("loading", Stage::Loading), ("rejoining", Stage::Rejoining), ("serving", Stage::Serving)] {
        stages.sample(&[("stage", name)], u8::from(stage == this));
    }
    let durability = figures.durability().to_string();
    let labels = [("durability", durability.as_str())];
    out.family(Kind::Info, "discnt_storage", "When what is counted is on disk.").sample(&labels, 1);
    let loaded = figure(&figures.counters_loaded);
    out.one(Kind::Gauge, "discnt_storage_counters_loaded", "Counters read from disk at the start.", loaded);
    let unsaved = environment.table.unsaved();
    out.one(Kind::Gauge, "discnt_storage_counters_unsaved", "Counters with changes that are not on disk.", unsaved);
    let commits = figure(&figures.commits);
    out.one(Kind::Counter, "discnt_storage_commits", "Commits that are on disk.", commits);
    let written = figure(&figures.counters_written);
    out.one(Kind::Counter, "discnt_storage_counters_written", "Counters written with commits.", written);
    let last = figure(&figures.last_commit_micros) as f64 / 1e6;
    out.one(Kind::Gauge, "discnt_storage_last_commit_duration_seconds", "How long the last commit took.", last);
    let help = "How long commits took, from when one begins until it is on disk.";
    let mut seen = 0;
    let bounds = COMMIT_BOUNDS_MICROS.iter().zip(&figures.commit_times).map(|(bound, count)| {
        seen += figure(count);
        (*bound as f64 / 1e6, seen)
    });
    let bounds: Vec<(f64, u64)> = bounds.collect();
    // Figures are taken one after the other: none is to be larger than the whole.
    let count = commits.max(bounds.last().map_or(0, |(_, seen)| *seen));
    let sum = figure(&figures.commit_micros) as f64 / 1e6;
    let mut family = out.family(Kind::Histogram, "discnt_storage_commit_duration_seconds", help);
    family.histogram(&[], &bounds, count, sum);
    let last = figures.last_commit().0 as f64 / 1e3;
    let help = "When anything was last written, in seconds since 1970; 0 for never since the start.";
    out.one(Kind::Gauge, "discnt_storage_last_commit_timestamp_seconds", help, last);
    let pending = figures.pending_for(now.monotonic).unwrap_or_default().as_secs_f64();
    let help = "Age of the oldest commit that is under way or has failed; 0 where all are on disk.";
    out.one(Kind::Gauge, "discnt_storage_commit_pending_seconds", help, pending);
    out.one(Kind::Counter, "discnt_storage_commit_failures", "Commits that failed.", figures.failures());
    let refuses = u8::from(figures.refuses_changes());
    out.one(Kind::Gauge, "discnt_storage_refusing_writes", "Whether changes are refused for the disk's sake.", refuses);
    let renewals = figure(&figures.renewals.done);
    let help = "Times that damage was found on disk and the store written anew from memory.";
    out.one(Kind::Counter, "discnt_storage_renewals", help, renewals);
    let bytes = figure(&figures.store_bytes);
    out.one(Kind::Gauge, "discnt_storage_size_bytes", "What the data directory takes on disk.", bytes);
}
