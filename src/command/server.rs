//! INFO and TIME: the node as a server.

use super::call::bulk;
use super::info;
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Flag};
use crate::resp::Reply;

pub(super) const INFO: CommandSpecification = CommandSpecification {
    name: "info",
    summary: "Shows figures about the node",
    arity: -1,
    flags: &[Flag::Loading, Flag::Stale],
    is_dangerous: true,
    complexity: "O(N) for N sections",
    arguments: &[Argument::new("section", ArgumentKind::Text).multiple().optional()],
    replies: "Lines of name:value under a heading for each section. Sections are server, clients, memory, persistence, stats, replication, cpu, commandstats, latencystats, errorstats, cluster, keyspace, mesh, counters and predictions; default leaves commandstats and latencystats out, all and everything do not.",
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

#[cfg(test)]
mod tests {
    use super::super::environment::Settings;
    use super::super::live::LiveNumber;
    use super::super::testing::{Bench, member};
    use crate::node::ClusterView;
    use std::sync::atomic::Ordering;

    fn bench_with_config() -> Bench {
        let bench = Bench::with(Settings { max_clients: LiveNumber::new(77), ..Settings::default() });
        bench.environment.process.tcp_port.store(7711, Ordering::Relaxed);
        bench
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
            "total_commands_processed:5\r\n",
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
