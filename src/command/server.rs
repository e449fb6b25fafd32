//! INFO, TIME and CONFIG: the node as a server.

use super::call::{Call, bulk};
use super::configuration;
use super::error::CommandError;
use super::help;
use super::info;
use super::outcome::Outcome;
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Flag, Group};
use crate::resp::Reply;

pub(super) const INFO: CommandSpecification = CommandSpecification {
    name: "info",
    summary: "Shows figures about the node",
    arity: -1,
    flags: &[Flag::Loading, Flag::Stale],
    complexity: "O(N) for N sections",
    arguments: &[Argument::new("section", ArgumentKind::Text).multiple().optional()],
    replies: "Lines of name:value under a heading for each section. Sections are server, clients, memory, persistence, stats, cpu, commandstats, keyspace, cluster, mesh and counters; default leaves commandstats out, all and everything do not.",
    handler: |call| Ok(Reply::Verbatim(info::report(call)).into()),
    ..BASE
};

pub(super) const TIME: CommandSpecification = CommandSpecification {
    name: "time",
    summary: "Shows the node's wall clock",
    arity: 1,
    flags: &[Flag::Loading, Flag::Stale, Flag::Fast],
    replies: "Seconds since 1970 and the microseconds beyond, to the millisecond, both as bulk strings.",
    handler: |call| {
        let millis = call.now.wall.0;
        let seconds = bulk((millis / 1000).to_string());
        let micros = bulk((millis % 1000 * 1000).to_string());
        Ok(Reply::Array(vec![seconds, micros]).into())
    },
    ..BASE
};

pub(super) const CONFIG: CommandSpecification = CommandSpecification {
    name: "config",
    summary: "Shows the configuration",
    arity: -2,
    complexity: "Depends on the subcommand",
    subcommands: &[
        CommandSpecification {
            name: "get",
            summary: "Shows the settings whose names match one of the patterns",
            arity: -3,
            flags: &[Flag::Admin, Flag::NoScript, Flag::Loading, Flag::Stale],
            complexity: "O(N) for N patterns",
            arguments: &[Argument::new("parameter", ArgumentKind::Pattern).multiple()],
            replies: "A map of names and values. Names are section.key, and those that Redis has for the same settings. Secrets are shown as asterisks.",
            handler: config_get,
            ..BASE
        },
        help::specification(Group::Server),
    ],
    ..BASE
};

fn config_get(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let patterns: Vec<Vec<u8>> = call.arguments_from(2).map(<[u8]>::to_ascii_lowercase).collect();
    let found = configuration::matching(call.environment, &patterns);
    let pairs = found.into_iter().map(|(name, value)| (bulk(name), bulk(value)));
    Ok(Reply::Map(pairs.collect()).into())
}

#[cfg(test)]
mod tests {
    use super::super::environment::Settings;
    use super::super::testing::{Bench, member};
    use crate::node::ClusterView;
    use std::sync::atomic::Ordering;

    fn bench_with_config() -> Bench {
        let pairs = [
            ("resp.bind", "127.0.0.1"),
            ("resp.password", "secret"),
            ("counters.default_precision", "1"),
            ("storage.data_dir", "./discnt-data/7711"),
        ];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let bench = Bench::with(Settings { config: pairs.to_vec(), max_clients: 77, ..Settings::default() });
        bench.environment.process.tcp_port.store(7711, Ordering::Relaxed);
        bench
    }

    #[test]
    fn settings_are_shown_by_our_names_and_those_of_redis() {
        let mut bench = bench_with_config();
        for (line, reply) in [
            ("config get save", "*2 $4 save $0"),
            ("CONFIG GET appendonly", "*2 $10 appendonly $3 yes"),
            ("CONFIG GET appendfsync", "*2 $11 appendfsync $8 everysec"),
            ("config get MaxClients", "*2 $10 maxclients $2 77"),
            ("config get port", "*2 $4 port $4 7711"),
            ("config get bind", "*2 $4 bind $9 127.0.0.1"),
            ("config get resp.b*", "*2 $9 resp.bind $9 127.0.0.1"),
            ("config get default-precision dir", "*4 $17 default-precision $1 1 $3 dir $18 ./discnt-data/7711"),
            ("config get nosuch", "*0"),
            ("config get", "-ERR wrong number of arguments for 'config|get' command"),
            ("config set save x", "-ERR unknown subcommand 'set'. Try CONFIG HELP."),
        ] {
            assert_eq!(bench.run(line), reply, "{line}");
        }
    }

    #[test]
    fn a_secret_is_never_shown() {
        let mut bench = bench_with_config();
        let all = bench.run("config get * *");
        assert!(all.contains("$13 resp.password $8 ********"), "{all}");
        assert!(all.contains("$11 requirepass $0"), "{all}");
        assert!(!all.contains("secret"), "{all}");
        let mut bench = Bench::with_password("hunter2");
        bench.run("auth hunter2");
        assert_eq!(bench.run("config get requirepass"), "*2 $11 requirepass $8 ********");
        assert!(!bench.text("info everything").contains("hunter2"));
    }

    #[test]
    fn time_is_the_wall_clock() {
        assert_eq!(Bench::new().run("time"), "*2 $10 1700000000 $6 123000");
    }

    #[test]
    fn info_shows_the_sections_asked_for() {
        let mut bench = bench_with_config();
        bench
            .environment
            .cluster
            .publish(ClusterView { members: vec![member(1), member(2)], ..ClusterView::default() });
        for line in ["set a 1", "get a", "get a", "get b", "get", "nosuch", "set a x"] {
            bench.run(line);
        }
        bench.environment.statistics.count_transferred(&bench.session, 30, 0);
        bench.environment.statistics.count_transferred(&bench.session, 12, 7);
        bench.environment.statistics.count_rejected_connection();
        let text = bench.text("info");
        for field in [
            "total_net_input_bytes:42\r\n",
            "total_net_output_bytes:7\r\n",
            "rejected_connections:1\r\n",
            "# Server\r\nredis_version:7.",
            "discnt_version:",
            "\r\nloading:0\r\n",
            "tcp_port:7711\r\n",
            "uptime_in_seconds:60\r\n",
            "\r\n\r\n# Clients\r\nconnected_clients:1\r\ncluster_connections:1\r\nmaxclients:77\r\n",
            "total_connections_received:1\r\n",
            "total_commands_processed:6\r\n",
            "keyspace_hits:2\r\n",
            "keyspace_misses:1\r\n",
            "total_error_replies:3\r\n",
            "db0:keys=1,",
            "cluster_enabled:0\r\ncluster_state:ok\r\n",
            "# Replication\r\nrole:master\r\n",
            "mesh_links:1\r\n",
            "mesh_kind_records:sent=0,received=0,sent_bytes=0,received_bytes=0\r\n",
            "peer0:id=0202",
            "# Counters\r\ncounters:1\r\n",
        ] {
            assert!(text.contains(field), "{field}: {text}");
        }
        assert!(!text.contains("Commandstats"));
        let two = bench.text("INFO cpu Keyspace nosuch");
        assert!(two.starts_with("# CPU\r\nused_cpu_sys:0.000000\r\n"), "{two}");
        assert_eq!(two.matches('#').count(), 2, "{two}");
        assert_eq!(bench.text("info nosuch"), "");
        let stats = bench.text("info commandstats");
        assert!(
            stats.contains("cmdstat_get:calls=3,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0\r\n"),
            "{stats}"
        );
        assert!(
            stats.contains("cmdstat_set:calls=2,usec=0,usec_per_call=0.00,rejected_calls=0,failed_calls=1\r\n"),
            "{stats}"
        );
    }
}
