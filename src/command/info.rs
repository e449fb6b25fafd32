//! The sections of INFO. Fields that Redis has too go by the names that Redis gives them, as tools read those.

use super::call::Call;
use super::cluster::{own_id, write_info};
use super::environment::{REDIS_VERSION, ReplyShape, figure};
use super::persistence_report::persistence;
use super::table;
use super::values::is_reachable;
use crate::node::LinkView;
use std::fmt::{Display, Write};

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
    section("cpu", "CPU", cpu),
    Section { by_default: false, ..section("commandstats", "Commandstats", command_stats) },
    section("keyspace", "Keyspace", keyspace),
    section("cluster", "Cluster", cluster),
    section("mesh", "Mesh", mesh),
    section("counters", "Counters", counters),
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
            ("discnt_replies", &replies),
            ("node_id", &own_id(&call.environment.cluster.view())),
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
    put(
        text,
        &[
            ("connected_clients", &environment.clients.len()),
            ("maxclients", &environment.settings.max_clients),
            ("blocked_clients", &0),
            ("pubsub_clients", &environment.subscriptions.clients()),
        ],
    );
}

fn memory(call: &Call<'_>, text: &mut String) {
    let process = &call.environment.process;
    let resident = figure(&process.resident_bytes);
    let peak = figure(&process.peak_resident_bytes).max(resident);
    put(
        text,
        &[
            ("used_memory", &resident),
            ("used_memory_human", &Human(resident)),
            ("used_memory_rss", &resident),
            ("used_memory_rss_human", &Human(resident)),
            ("used_memory_peak", &peak),
            ("used_memory_peak_human", &Human(peak)),
            ("total_system_memory", &figure(&process.machine_bytes)),
            ("maxmemory", &0),
            ("maxmemory_policy", &"noeviction"),
        ],
    );
}

fn stats(call: &Call<'_>, text: &mut String) {
    let environment = call.environment;
    let statistics = &environment.statistics;
    let per_second = figure(&environment.process.operations_per_second);
    put(
        text,
        &[
            ("total_connections_received", &environment.clients.ever_connected()),
            ("total_commands_processed", &statistics.commands_run()),
            ("instantaneous_ops_per_sec", &per_second),
            ("total_net_input_bytes", &statistics.input_bytes()),
            ("total_net_output_bytes", &statistics.output_bytes()),
            ("rejected_connections", &statistics.rejected_connections()),
            ("expired_keys", &0),
            ("evicted_keys", &0),
            ("keyspace_hits", &statistics.hits()),
            ("keyspace_misses", &statistics.misses()),
            ("pubsub_channels", &environment.subscriptions.names()),
            ("pubsub_patterns", &environment.subscriptions.patterns()),
            ("total_error_replies", &statistics.errors()),
        ],
    );
}

fn cpu(call: &Call<'_>, text: &mut String) {
    let process = &call.environment.process;
    let user = Seconds(figure(&process.cpu_user_micros));
    let system = Seconds(figure(&process.cpu_system_micros));
    put(text, &[("used_cpu_sys", &system), ("used_cpu_user", &user)]);
}

fn command_stats(call: &Call<'_>, text: &mut String) {
    for found in table::all() {
        let counts = call.environment.statistics.command(found.ordinal.into());
        if counts.calls + counts.rejected > 0 {
            let _ = write!(
                text,
                "cmdstat_{}:calls={},rejected_calls={},failed_calls={}\r\n",
                found.full_name(),
                counts.calls,
                counts.rejected,
                counts.failed
            );
        }
    }
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

fn mesh(call: &Call<'_>, text: &mut String) {
    let cluster = &call.environment.cluster;
    let view = cluster.view();
    let traffic = &cluster.traffic;
    let linked = view.members.iter().filter(|m| m.link == LinkView::Linked);
    put(text, &[("mesh_links", &linked.count())]);
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
            "peer{number}:id={},host={},port={},state={state},rtt_usec={round_trip}\r\n",
            member.id, member.host, member.mesh_port
        );
    }
}

fn counters(call: &Call<'_>, text: &mut String) {
    let statistics = &call.environment.statistics;
    put(
        text,
        &[
            ("counters", &call.environment.table.len()),
            ("counters_held", &call.environment.table.held()),
            ("counter_read_hits", &statistics.hits()),
            ("counter_read_misses", &statistics.misses()),
            ("counters_beyond_precision", &call.environment.table.counters_beyond_precision(call.now.monotonic)),
        ],
    );
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

/// Microseconds as seconds with six digits.
struct Seconds(u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}
