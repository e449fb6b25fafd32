//! CLUSTER: the nodes that count together.

use super::call::{Call, bulk, shown};
use super::environment::figure;
use super::error::CommandError;
use super::help;
use super::joining;
use super::keyspace::parse_integer;
use super::outcome::{ClusterRequest, Outcome};
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Flag, Group};
use super::values::{is_consistent, is_reachable};
use crate::base::{Moment, NodeId};
use crate::node::{ClusterView, LinkView, MemberView, RepairView};
use crate::resp::Reply;
use crate::wire::{ProtocolVersions, SOFTWARE_VERSION};
use std::fmt::Write;

/// The longest host name that the domain name system has.
const MAX_HOST_BYTES: usize = 253;

const SUBCOMMAND: CommandSpecification =
    CommandSpecification { flags: &[Flag::Loading, Flag::Stale], group: Group::Cluster, ..BASE };

const CHANGING: CommandSpecification = CommandSpecification {
    flags: &[Flag::Admin, Flag::Stale, Flag::NoScript, Flag::NoMulti],
    arity: 4,
    replies: "OK once it is done.",
    ..SUBCOMMAND
};

pub(super) const CLUSTER: CommandSpecification = CommandSpecification {
    name: "cluster",
    summary: "Joins nodes and shows them",
    arity: -2,
    flags: &[],
    complexity: "Depends on the subcommand",
    subcommands: &[
        CommandSpecification {
            name: "forget",
            summary: "Keeps a node out of the cluster until it is met again, or for good; its counts stay",
            arity: -3,
            complexity: "O(1), answered when it is on disk here; the other members hear of it from this one",
            arguments: &[Argument::new("node-id", ArgumentKind::Text), Argument::word("ban", "BAN").optional()],
            replies: "OK, also where the node is there and counting: it is told, its link is closed, and it goes on by itself. One node is enough to ask: it tells all members, and those that are away when they are back. CLUSTER MEET lets the node in again, from either side. A node that is not known, or is this node itself, is an error. With BAN its key is barred for good, on every member and across restarts: no handshake gets through with it, CLUSTER MEET does not let it in, and nothing takes that back. Any id but this node's own may be banned. The machine joins again with a new key: with an empty data directory and a new token.",
            handler: forget,
            ..CHANGING
        },
        help::specification(Group::Cluster),
        CommandSpecification {
            name: "info",
            summary: "Shows how the cluster is",
            complexity: "O(N) for N nodes",
            replies: "Lines of name:value. cluster_state is ok while every member is reachable and caught up with, otherwise fail; cluster_known_nodes counts this node, cluster_reachable_nodes does not; cluster_size counts the members that have not failed. cluster_catching_up is 1 while this node lacks something that a member had when the two were linked; cluster_catch_up_items_received and cluster_catch_up_items_estimated say how far what it has asked for has come, and are 0 when it has asked for nothing. cluster_stats_messages_sent and _received count what went to and came from other nodes since the start, datagrams and messages on streams, and with a kind before the last word those of that kind; what came of a kind that this version does not know is only in the total.",
            handler: |call| {
                let mut text = String::new();
                write_info(call, &mut text);
                Ok(Reply::Verbatim(text).into())
            },
            ..SUBCOMMAND
        },
        joining::INVITATIONS,
        joining::INVITE,
        joining::JOIN,
        CommandSpecification {
            name: "meet",
            summary: "Joins this node's cluster with that of another node",
            complexity: "O(1), answered when the other node has taken this one in or has not",
            arguments: &[Argument::new("ip", ArgumentKind::Text), Argument::new("port", ArgumentKind::Integer)],
            handler: meet,
            ..CHANGING
        },
        CommandSpecification {
            name: "myid",
            summary: "Shows this node's id",
            replies: "40 hexadecimal digits as a bulk string.",
            handler: |call| Ok(bulk(own_id(&call.environment.cluster.view())).into()),
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "nodes",
            summary: "Lists the nodes that this node knows",
            complexity: "O(N) for N nodes",
            replies: "A line for each node, this one first: id, host:port@meshport, flags, -, 0, when it was last heard (Unix time in milliseconds, 0 for never and for this node), its incarnation, connected or disconnected, for a linked node rtt= with the round trip in microseconds, and protocol= and software=: the version of the protocol that is spoken with it and the version of its program (of this node all versions that it speaks); then name= and datacentre=, where its operator has set [node] name and datacentre. Flags are myself, fail?, fail, handshake, noaddr, incompatible (it speaks no version of the protocol that this node does) and noflags.",
            handler: |call| {
                let view = call.environment.cluster.view();
                let lines = view.members.iter().map(|member| describe(member, call.now));
                Ok(Reply::Verbatim(lines.collect()).into())
            },
            ..SUBCOMMAND
        },
        CommandSpecification {
            name: "reset",
            summary: "Leaves the cluster and keeps all counters; HARD also takes a new identity",
            arity: -2,
            arguments: &[Argument::new(
                "mode",
                ArgumentKind::OneOf(&[Argument::word("hard", "HARD"), Argument::word("soft", "SOFT")]),
            )
            .optional()],
            handler: reset,
            ..CHANGING
        },
        joining::ROTATE,
        joining::UNINVITE,
    ],
    ..SUBCOMMAND
};

fn meet(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let (host, port) = parse_address(call.argument(2), call.argument(3))?;
    Ok(ClusterRequest::Meet { host, port }.into())
}

pub(super) fn parse_address(host: &[u8], port: &[u8]) -> Result<(String, u16), CommandError> {
    let refuse = |expected| CommandError::NodeAddress { host: shown(host), port: shown(port), expected };
    let port = parse_integer(port).and_then(|port| u16::try_from(port).ok());
    let port = port.filter(|port| *port != 0).ok_or_else(|| refuse("a port is a number from 1 to 65535"))?;
    let host = parse_host(host).ok_or_else(|| refuse("a host is an address or a host name"))?;
    Ok((host, port))
}

/// An address or a name, without the brackets that an IPv6 address may come in.
fn parse_host(text: &[u8]) -> Option<String> {
    let inner = text.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]"));
    let host = inner.unwrap_or(text);
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_:%".contains(byte);
    let fits = !host.is_empty() && host.len() <= MAX_HOST_BYTES && host.iter().all(allowed);
    let host = std::str::from_utf8(host).ok().filter(|_| fits)?;
    Some(host.to_owned())
}

fn forget(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let text = call.argument(2);
    let node = std::str::from_utf8(text).ok().and_then(|text| text.parse::<NodeId>().ok());
    let node = node.ok_or_else(|| CommandError::NodeId(shown(text)))?;
    let ban = match (call.arguments.get(3), call.arguments.len()) {
        (None, _) => false,
        (Some(word), 4) if word.eq_ignore_ascii_case(b"BAN") => true,
        // The word may be wanted for good: nobody is to guess what was wrong with it.
        (Some(word), _) => {
            let takes = "BAN or nothing after the id";
            return Err(CommandError::Option { command: "CLUSTER FORGET", takes, option: shown(word) });
        }
    };
    Ok(ClusterRequest::Forget { node, ban }.into())
}

fn reset(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let hard = match (call.arguments.get(2), call.arguments.len()) {
        (None, _) => false,
        (Some(mode), 3) if mode.eq_ignore_ascii_case(b"SOFT") => false,
        (Some(mode), 3) if mode.eq_ignore_ascii_case(b"HARD") => true,
        _ => return Err(CommandError::Syntax),
    };
    Ok(ClusterRequest::Reset { hard }.into())
}

/// This node's id, empty before the node has started.
pub(super) fn own_id(view: &ClusterView) -> String {
    let myself = view.members.iter().find(|member| member.myself);
    myself.map_or_else(String::new, |member| member.id.to_string())
}

/// The fields of CLUSTER INFO.
pub(super) fn write_info(call: &Call<'_>, text: &mut String) {
    let cluster = &call.environment.cluster;
    let view = cluster.view();
    let reachable = view.members.iter().filter(|m| !m.myself && is_reachable(m));
    let standing = view.members.iter().filter(|m| m.myself || !m.failed);
    let traffic = &cluster.traffic;
    let sent = figure(&traffic.datagrams_sent) + figure(&traffic.messages_sent);
    let received = figure(&traffic.datagrams_received) + figure(&traffic.messages_received);
    let state = if is_consistent(call) { "ok" } else { "fail" };
    let repair = |figure: fn(&RepairView) -> u64| view.repair.as_ref().map_or(0, figure);
    let fields: [(&str, &dyn std::fmt::Display); 8] = [
        ("cluster_state", &state),
        ("cluster_known_nodes", &view.members.len()),
        ("cluster_reachable_nodes", &reachable.count()),
        ("cluster_size", &standing.count()),
        ("cluster_known_replicas", &view.replicas_known),
        ("cluster_catching_up", &u8::from(view.catching_up)),
        ("cluster_catch_up_items_received", &repair(|repair| repair.items_received)),
        ("cluster_catch_up_items_estimated", &repair(|repair| repair.items_estimated)),
    ];
    for (name, value) in fields {
        // Writing to a string cannot fail, here and below.
        let _ = write!(text, "{name}:{value}\r\n");
    }
    for (kind, counts) in traffic.kinds.iter() {
        let _ = write!(text, "cluster_stats_messages_{}_sent:{}\r\n", kind.name(), figure(&counts.sent));
    }
    let _ = write!(text, "cluster_stats_messages_sent:{sent}\r\n");
    for (kind, counts) in traffic.kinds.iter() {
        let _ = write!(text, "cluster_stats_messages_{}_received:{}\r\n", kind.name(), figure(&counts.received));
    }
    let _ = write!(text, "cluster_stats_messages_received:{received}\r\n");
}

/// A line of CLUSTER NODES, with its line break.
fn describe(member: &MemberView, now: Moment) -> String {
    let host = match member.host.contains(':') {
        true => format!("[{}]", member.host),
        false => member.host.clone(),
    };
    let heard = match member.last_heard {
        Some(heard) if !member.myself => {
            let ago = now.monotonic.since(heard).as_millis();
            now.wall.0.saturating_sub(u64::try_from(ago).unwrap_or(u64::MAX))
        }
        _ => 0,
    };
    let connected = member.myself || member.link == LinkView::Linked;
    let round_trip = member.round_trip.filter(|_| connected && !member.myself);
    format!(
        "{} {host}:{}@{} {} - 0 {heard} {} {}{}{}{}\n",
        member.id,
        member.client_port,
        member.mesh_port,
        flags(member),
        member.incarnation.map_or(0, |incarnation| incarnation.0),
        if connected { "connected" } else { "disconnected" },
        round_trip.map_or_else(String::new, |time| format!(" rtt={}", time.as_micros())),
        spoken(member),
        labels(member),
    )
}

/// What its operator says of it.
fn labels(member: &MemberView) -> String {
    let labels = [("name", &member.labels.name), ("datacentre", &member.labels.datacentre)];
    let told = labels.into_iter().filter_map(|(key, label)| Some(format!(" {key}={}", label.as_ref()?)));
    told.collect()
}

/// Which version of the protocol is spoken with the member, and which program it runs; of this node, all that it speaks.
fn spoken(member: &MemberView) -> String {
    match &member.protocol {
        _ if member.myself => format!(" protocol={} software={SOFTWARE_VERSION}", ProtocolVersions::SPOKEN),
        Some(protocol) => {
            let software = if protocol.software.is_empty() { "unknown" } else { &protocol.software };
            format!(" protocol={} software={software}", protocol.version)
        }
        None => String::new(),
    }
}

fn flags(member: &MemberView) -> String {
    let flags: Vec<&str> = [
        (member.myself, "myself"),
        (member.suspected && !member.failed, "fail?"),
        (member.failed, "fail"),
        (member.link == LinkView::Handshake, "handshake"),
        (member.host.is_empty(), "noaddr"),
        (member.is_incompatible, "incompatible"),
    ]
    .into_iter()
    .filter_map(|(set, name)| set.then_some(name))
    .collect();
    if flags.is_empty() { "noflags".to_owned() } else { flags.join(",") }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::answer;
    use super::super::testing::{Bench, member};
    use super::*;
    use crate::base::{Incarnation, Labels};
    use crate::wire::{LinkProtocol, ProtocolVersion};
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    #[test]
    fn meet_asks_for_a_dial() {
        let mut bench = Bench::new();
        for (line, host, port) in [
            ("cluster meet 127.0.0.1 7712", "127.0.0.1", 7712),
            ("CLUSTER MEET node-1.example 65535", "node-1.example", 65535),
            ("cluster meet [::1] 1", "::1", 1),
            ("cluster meet fe80::1%eth0 1", "fe80::1%eth0", 1),
        ] {
            let host = host.to_owned();
            assert_eq!(bench.request(line), ClusterRequest::Meet { host, port }, "{line}");
        }
    }

    #[test]
    fn meet_refuses_what_is_no_address() {
        let mut bench = Bench::new();
        for line in ["a 0", "a 65536", "a -1", "a x", "a ", " 7711", "[] 7711", "a/b 7711", "a\nb 1"] {
            let error = bench.run(&format!("cluster meet {line}"));
            assert!(error.starts_with("-ERR Invalid node address specified: "), "{error}");
            assert!(error.ends_with("; nothing was changed ('cluster|meet' command)"), "{error}");
        }
        let long = "a".repeat(254);
        assert!(bench.run(&format!("cluster meet {long} 1")).starts_with("-ERR Invalid node"));
        for line in ["cluster meet a", "cluster meet a 1 2"] {
            let error = "-ERR wrong number of arguments for 'cluster|meet' command";
            assert_eq!(bench.run(line), error);
        }
        assert_eq!(bench.run("cluster slots"), "-ERR unknown subcommand 'slots'. Try CLUSTER HELP.");
    }

    #[test]
    fn forget_takes_an_id() {
        let mut bench = Bench::new();
        let node = NodeId::new([0xab; 20]);
        for text in [node.to_string(), node.to_string().to_uppercase()] {
            assert_eq!(bench.request(&format!("cluster forget {text}")), ClusterRequest::Forget { node, ban: false });
            assert_eq!(
                bench.request(&format!("cluster forget {text} ban")),
                ClusterRequest::Forget { node, ban: true }
            );
            assert_eq!(
                bench.run(&format!("cluster forget {text} all")),
                "-ERR CLUSTER FORGET takes BAN or nothing after the id; option 'all' is not supported"
            );
        }
        for text in ["abc", &"g".repeat(40), &"a".repeat(41)] {
            let error = bench.run(&format!("cluster forget {text}"));
            assert!(error.starts_with(&format!("-ERR Unknown node {text}: a node's id is 40 hex")), "{error}");
        }
        let error = "-ERR wrong number of arguments for 'cluster|forget' command";
        assert_eq!(bench.run("cluster forget"), error);
    }

    #[test]
    fn reset_is_soft_unless_it_is_told() {
        let mut bench = Bench::new();
        for (line, hard) in [("cluster reset", false), ("cluster reset soft", false), ("cluster reset HARD", true)] {
            assert_eq!(bench.request(line), ClusterRequest::Reset { hard }, "{line}");
        }
        for line in ["cluster reset what", "cluster reset hard soft"] {
            assert_eq!(bench.run(line), "-ERR syntax error ('cluster|reset' command)");
        }
    }

    #[test]
    fn a_request_that_waited_is_answered() {
        assert_eq!(answer(Ok(())), Reply::Simple("OK"));
        let refused = answer(Err("no\r\nanswer".to_owned()));
        assert_eq!(format!("{refused:?}"), "Error(ErrorReply(\"ERR no  answer\"))");
    }

    #[test]
    fn nodes_are_listed_in_the_columns_of_redis() {
        let mut bench = Bench::new();
        assert_eq!(bench.text("cluster nodes"), "");
        assert_eq!(bench.text("cluster myid"), "");
        let mut members: Vec<MemberView> = (1..=5).map(member).collect();
        members[0].incarnation = Some(Incarnation(3));
        members[1].round_trip = Some(Duration::from_micros(312));
        members[1].last_heard = Some(bench.now.monotonic.before(Duration::from_millis(23)));
        members[2].link = LinkView::Handshake;
        members[2].host.clear();
        let protocol =
            |version, software: &str| LinkProtocol { version: ProtocolVersion(version), software: software.into() };
        (members[1].protocol, members[2].protocol) = (Some(protocol(2, "0.9.1")), Some(protocol(1, "")));
        members[3].is_incompatible = true;
        (members[3].suspected, members[3].link) = (true, LinkView::Unlinked);
        members[4].failed = true;
        members[4].labels = Labels::of("berlin-1", "eu");
        members[4].host = "::1".to_owned();
        let ids: Vec<String> = members.iter().map(|m| m.id.to_string()).collect();
        bench.environment.cluster.publish(ClusterView { members, ..ClusterView::default() });
        let expected = [
            format!(
                "{} 10.0.0.1:7711@8811 myself - 0 0 3 connected protocol=1-2 software={SOFTWARE_VERSION}\n",
                ids[0]
            ),
            format!(
                "{} 10.0.0.2:7712@8812 noflags - 0 1700000000100 0 connected rtt=312 protocol=2 software=0.9.1\n",
                ids[1]
            ),
            format!("{} :7713@8813 handshake,noaddr - 0 0 0 disconnected protocol=1 software=unknown\n", ids[2]),
            format!("{} 10.0.0.4:7714@8814 fail?,incompatible - 0 0 0 disconnected\n", ids[3]),
            format!("{} [::1]:7715@8815 fail - 0 0 0 connected name=berlin-1 datacentre=eu\n", ids[4]),
        ];
        assert_eq!(bench.text("cluster nodes"), expected.concat());
        assert_eq!(bench.text("cluster myid"), ids[0]);
        let traffic = &bench.environment.cluster.traffic;
        traffic.datagrams_sent.store(5, Ordering::Relaxed);
        traffic.messages_sent.store(2, Ordering::Relaxed);
        traffic.kinds.count_sent(Some(crate::wire::MessageKind::Pull), 5);
        traffic.kinds.count_received(&crate::wire::encode_membership(b"x"));
        traffic.kinds.count_received(b"of no kind");
        let info = bench.text("cluster info");
        for line in [
            "cluster_state:fail\r\n",
            "cluster_known_nodes:5\r\n",
            "cluster_reachable_nodes:1\r\n",
            "cluster_size:4\r\n",
            "cluster_stats_messages_sent:7\r\n",
            "cluster_stats_messages_received:0\r\n",
            "cluster_stats_messages_pull_sent:1\r\n",
            "cluster_stats_messages_repair_items_sent:0\r\n",
            "cluster_stats_messages_membership_received:1\r\n",
            "cluster_stats_messages_records_received:0\r\n",
        ] {
            assert!(info.contains(line), "{line} {info}");
        }
    }
}
