//! The sections of INFO. Fields that Redis has too go by the names that Redis gives them, as tools read those.

use super::call::Call;
use super::clients::Mark;
use super::cluster::{own_id, write_info};
use super::configuration;
use super::environment::{REDIS_VERSION, ReplyShape, figure};
use super::info_commands::{command_stats, error_stats, latency_stats};
use super::info_counters::{counters, mesh, predictions};
use super::persistence_report::persistence;
use crate::node::{KindCounts, LinkView};
use std::fmt::{Display, Write};
use std::sync::atomic::AtomicU64;

/// What this was built from, where whoever built it has said so; Redis has these digits where nobody has.
const GIT_SHA1: &str = match option_env!("DISCNT_GIT_SHA1") {
    Some(given) => given,
    None => "00000000",
};

struct Section {
    name: &'static str,
    heading: &'static str,
    /// Whether INFO without arguments shows it.
    by_default: bool,
    write: fn(&Call<'_>, &mut String),
}

const SECTIONS: &[Section] = &[
    section("server", "Server", server),
    section("clients", "Clients", clients),
    section("memory", "Memory", memory),
    section("persistence", "Persistence", persistence),
    section("stats", "Stats", stats),
    section("replication", "Replication", replication),
    section("cpu", "CPU", cpu),
    Section { by_default: false, ..section("commandstats", "Commandstats", command_stats) },
    Section { by_default: false, ..section("latencystats", "Latencystats", latency_stats) },
    section("errorstats", "Errorstats", error_stats),
    section("cluster", "Cluster", cluster),
    section("keyspace", "Keyspace", keyspace),
    section("mesh", "Mesh", mesh),
    section("counters", "Counters", counters),
    section("predictions", "Predictions", predictions),
];

const fn section(name: &'static str, heading: &'static str, write: fn(&Call<'_>, &mut String)) -> Section {
    Section { name, heading, by_default: true, write }
}

/// The sections that the call asks for, in the order of the table; unknown ones are passed over, as in Redis.
pub(super) fn report(call: &Call<'_>) -> String {
    let asked = |name: &str| {
        let mut arguments = call.arguments_from(1);
        arguments.any(|argument| argument.eq_ignore_ascii_case(name.as_bytes()))
    };
    let default = call.arguments.len() == 1 || asked("default");
    let all = asked("all") || asked("everything");
    let mut text = String::new();
    for section in SECTIONS {
        if all || (default && section.by_default) || asked(section.name) {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            // Writing to a string cannot fail, here and below.
            let _ = write!(text, "# {}\r\n", section.heading);
            (section.write)(call, &mut text);
        }
    }
    text
}

pub(super) fn put(text: &mut String, fields: &[(&str, &dyn Display)]) {
    for (name, value) in fields {
        let _ = write!(text, "{name}:{value}\r\n");
    }
}

fn server(call: &Call<'_>, text: &mut String) {
    let process = &call.environment.process;
    let uptime = (call.now.monotonic.as_nanos()).saturating_sub(figure(&process.started_nanos)) / 1_000_000_000;
    let view = call.environment.cluster.view();
    let labels =
        view.members.iter().find(|member| member.myself).map(|member| member.labels.clone()).unwrap_or_default();
    let replies = match call.environment.settings.shape {
        ReplyShape::Redis => "redis",
        ReplyShape::Discnt => "discnt",
    };
    put(
        text,
        &[
            ("redis_version", &REDIS_VERSION),
            ("redis_mode", &"standalone"),
            ("server_name", &"discnt"),
            ("discnt_version", &call.environment.settings.version),
            ("discnt_git_sha1", &GIT_SHA1),
            ("discnt_replies", &replies),
            ("node_id", &own_id(&call.environment.cluster.view())),
            ("node_name", &labels.name.as_deref().unwrap_or_default()),
            ("node_datacentre", &labels.datacentre.as_deref().unwrap_or_default()),
            // Of Redis a number of the process; here it stays what it is from one process to the next.
            ("run_id", &own_id(&call.environment.cluster.view())),
            ("os", &std::env::consts::OS),
            ("arch_bits", &usize::BITS),
            ("process_id", &figure(&process.process_id)),
            ("tcp_port", &figure(&process.tcp_port)),
            ("mesh_port", &figure(&process.mesh_port)),
            ("server_time_usec", &call.now.wall.0.saturating_mul(1000)),
            ("uptime_in_seconds", &uptime),
            ("uptime_in_days", &(uptime / 86_400)),
            ("io_threads_active", &figure(&process.session_threads)),
        ],
    );
}

fn clients(call: &Call<'_>, text: &mut String) {
    let environment = call.environment;
    let view = environment.cluster.view();
    let linked = view.members.iter().filter(|member| member.link == LinkView::Linked).count();
    let blocked = environment.clients.list().iter().filter(|client| client.has(Mark::Blocked)).count();
    put(
        text,
        &[
            ("connected_clients", &environment.clients.len()),
            ("cluster_connections", &linked),
            ("maxclients", &environment.settings.max_clients),
            ("blocked_clients", &blocked),
            ("pubsub_clients", &environment.subscriptions.clients()),
        ],
    );
    let end = figure(&environment.settings.access.certificate_ends);
    if end > 0 {
        put(text, &[("tls_certificate_days_left", &(end.saturating_sub(call.now.wall.0 / 1000) / 86_400))]);
    }
}

fn memory(call: &Call<'_>, text: &mut String) {
    let process = &call.environment.process;
    let resident = figure(&process.resident_bytes);
    let peak = figure(&process.peak_resident_bytes).max(resident);
    let startup = figure(&process.startup_resident_bytes).min(resident);
    let most = configuration::setting(call.environment, "counters.max_memory");
    let most: u64 = most.and_then(|most| most.parse().ok()).unwrap_or(0);
    put(
        text,
        &[
            ("used_memory", &resident),
            ("used_memory_human", &Human(resident)),
            ("used_memory_rss", &resident),
            ("used_memory_rss_human", &Human(resident)),
            ("used_memory_peak", &peak),
            ("used_memory_peak_human", &Human(peak)),
            ("used_memory_peak_perc", &Percent { part: resident, of: peak }),
            ("used_memory_startup", &startup),
            ("used_memory_dataset", &(resident - startup)),
            ("used_memory_dataset_perc", &Percent { part: resident - startup, of: resident }),
            ("total_system_memory", &figure(&process.machine_bytes)),
            ("total_system_memory_human", &Human(figure(&process.machine_bytes))),
            ("maxmemory", &most),
            ("maxmemory_human", &Human(most)),
            ("maxmemory_policy", &"noeviction"),
            // What is used is taken to be what is resident.
            ("mem_fragmentation_ratio", &"1.00"),
        ],
    );
}

fn stats(call: &Call<'_>, text: &mut String) {
    let environment = call.environment;
    let statistics = &environment.statistics;
    let per_second = figure(&environment.process.operations_per_second);
    let refusals = environment.settings.access.refusals();
    let traffic = &environment.cluster.traffic;
    let mesh_bytes =
        |of: fn(&KindCounts) -> &AtomicU64| -> u64 { traffic.kinds.iter().map(|(_, counts)| figure(of(counts))).sum() };
    put(
        text,
        &[
            ("total_connections_received", &environment.clients.ever_connected()),
            ("total_commands_processed", &statistics.commands_run()),
            ("instantaneous_ops_per_sec", &per_second),
            ("total_net_input_bytes", &statistics.input_bytes()),
            ("total_net_output_bytes", &statistics.output_bytes()),
            ("total_net_repl_input_bytes", &mesh_bytes(|counts| &counts.received_bytes)),
            ("total_net_repl_output_bytes", &mesh_bytes(|counts| &counts.sent_bytes)),
            ("instantaneous_input_kbps", &Kilobytes(figure(&environment.process.input_bytes_per_second))),
            ("instantaneous_output_kbps", &Kilobytes(figure(&environment.process.output_bytes_per_second))),
            ("rejected_connections", &statistics.rejected_connections()),
            ("expired_keys", &0),
            ("evicted_keys", &0),
            ("latest_fork_usec", &0),
            ("keyspace_hits", &statistics.hits()),
            ("keyspace_misses", &statistics.misses()),
            ("pubsub_channels", &environment.subscriptions.names()),
            ("pubsub_patterns", &environment.subscriptions.patterns()),
            ("total_error_replies", &statistics.errors()),
            ("acl_access_denied_auth", &refusals[0]),
            ("acl_access_denied_cmd", &refusals[1]),
            ("acl_access_denied_key", &refusals[2]),
            ("acl_access_denied_channel", &refusals[3]),
        ],
    );
}

/// Every node takes changes, so none is the replica of another.
fn replication(call: &Call<'_>, text: &mut String) {
    put(
        text,
        &[
            ("role", &"master"),
            ("connected_slaves", &0),
            ("master_failover_state", &"no-failover"),
            ("master_replid", &own_id(&call.environment.cluster.view())),
            ("master_replid2", &"0".repeat(40)),
            ("master_repl_offset", &0),
            ("second_repl_offset", &-1),
            ("repl_backlog_active", &0),
        ],
    );
}

fn cpu(call: &Call<'_>, text: &mut String) {
    let process = &call.environment.process;
    let user = Seconds(figure(&process.cpu_user_micros));
    let system = Seconds(figure(&process.cpu_system_micros));
    let none = Seconds(0);
    put(
        text,
        &[
            ("used_cpu_sys", &system),
            ("used_cpu_user", &user),
            // There are no child processes.
            ("used_cpu_sys_children", &none),
            ("used_cpu_user_children", &none),
        ],
    );
}

fn keyspace(call: &Call<'_>, text: &mut String) {
    let counters = call.environment.table.len();
    if counters > 0 {
        let _ = write!(text, "db0:keys={counters},expires=0,avg_ttl=0\r\n");
    }
}

fn cluster(call: &Call<'_>, text: &mut String) {
    // There are no hash slots; clients that saw 1 here would ask for them.
    put(text, &[("cluster_enabled", &0)]);
    write_info(call, text);
}

/// Bytes in the unit that suits them, as Redis writes them: `1.50M`.
struct Human(u64);

impl Display for Human {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut amount = self.0 as f64;
        if self.0 < 1024 {
            return write!(f, "{}B", self.0);
        }
        for unit in ["K", "M", "G"] {
            amount /= 1024.0;
            if amount < 1024.0 {
                return write!(f, "{amount:.2}{unit}");
            }
        }
        write!(f, "{:.2}T", amount / 1024.0)
    }
}

/// A part in hundredths of the whole.
struct Percent {
    part: u64,
    of: u64,
}

impl Display for Percent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = if self.of == 0 { 0.0 } else { self.part as f64 * 100.0 / self.of as f64 };
        write!(f, "{percent:.2}%")
    }
}

/// Bytes as kilobytes with two digits.
struct Kilobytes(u64);

impl Display for Kilobytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2}", self.0 as f64 / 1024.0)
    }
}

/// Microseconds as seconds with six digits.
struct Seconds(u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}
