//! The parameters of Redis and of the C program Discnt that are understood, and which settings of ours they are.

use crate::base::parse_bytes;

/// One parameter.
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) source: Source,
}

impl Parameter {
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        PARAMETERS.iter().find(|parameter| parameter.name == name)
    }
}

/// Where the value of a parameter comes from, and goes to.
#[derive(Clone, Copy)]
pub(super) enum Source {
    /// The setting of ours that means the same.
    Setting(&'static str),
    /// The same; empty where it is not set.
    Optional(&'static str),
    /// A port, 0 where there is none.
    OptionalPort(&'static str),
    /// Whether clients show certificates, with `yes` for required.
    ClientCertificates(&'static str),
    /// The same, with `yes` for true.
    Switch(&'static str),
    /// The same, with Redis' words for how much is logged taken as well.
    Level(&'static str),
    /// What holds for every node, as the node does not have what the parameter turns on.
    Always(&'static str),
    /// The port that clients connect to.
    Port,
    /// The password, which is not shown.
    Password,
    /// How often what is counted is made safe.
    Durability,
    /// Whether what is counted is written without being asked for.
    WritesByItself,
    /// What each class of clients may leave unread: hard and soft limit, and seconds.
    OutputLimits(&'static [(&'static str, [&'static str; 3])]),
}

const fn parameter(name: &'static str, source: Source) -> Parameter {
    Parameter { name, source }
}

pub(super) const PARAMETERS: &[Parameter] = &[
    parameter("aclfile", Source::Optional("resp.acl_file")),
    parameter("appendfsync", Source::Durability),
    parameter("appendonly", Source::WritesByItself),
    parameter("bind", Source::Setting("resp.bind")),
    parameter(
        "client-output-buffer-limit",
        Source::OutputLimits(&[
            (
                "normal",
                ["resp.normal_output_hard_bytes", "resp.normal_output_soft_bytes", "resp.normal_output_soft_seconds"],
            ),
            (
                "pubsub",
                ["resp.pubsub_output_hard_bytes", "resp.pubsub_output_soft_bytes", "resp.pubsub_output_soft_seconds"],
            ),
        ]),
    ),
    parameter("client-query-buffer-limit", Source::Setting("resp.max_request_bytes")),
    parameter("cluster-enabled", Source::Always("no")),
    parameter("cluster-node-timeout", Source::Setting("cluster.node_timeout_ms")),
    parameter("daemonize", Source::Always("no")),
    parameter("databases", Source::Always("1")),
    // There is a store of many files in place of a dump, and all of them have checksums.
    parameter("dbfilename", Source::Always("")),
    parameter("ddbchecksum", Source::Always("yes")),
    parameter("default-precision", Source::Setting("counters.default_precision")),
    parameter("dir", Source::Setting("storage.data_dir")),
    // Predictions are not made from a history.
    parameter("history-size", Source::Always("0")),
    parameter("latency-monitor-threshold", Source::Setting("commands.latency_threshold_ms")),
    // The log goes to the journal or to standard error.
    parameter("logfile", Source::Always("")),
    parameter("loglevel", Source::Level("log.level")),
    parameter("maxclients", Source::Setting("resp.max_clients")),
    parameter("maxmemory", Source::Setting("counters.max_memory")),
    parameter("maxmemory-policy", Source::Always("noeviction")),
    parameter("pidfile", Source::Always("")),
    parameter("port", Source::Port),
    parameter("proto-max-bulk-len", Source::Setting("resp.max_bulk_bytes")),
    parameter("protected-mode", Source::Switch("resp.protected_mode")),
    parameter("requirepass", Source::Password),
    parameter("save", Source::Always("")),
    parameter("slowlog-log-slower-than", Source::Setting("commands.slowlog_slower_than_micros")),
    parameter("slowlog-max-len", Source::Setting("commands.slowlog_max_len")),
    parameter("tcp-keepalive", Source::Setting("resp.tcp_keepalive_secs")),
    parameter("timeout", Source::Setting("resp.timeout_seconds")),
    parameter("tls-auth-clients", Source::ClientCertificates("resp.tls_client_certificates")),
    parameter("tls-ca-cert-file", Source::Optional("resp.tls_ca_cert")),
    parameter("tls-cert-file", Source::Optional("resp.tls_cert")),
    parameter("tls-key-file", Source::Optional("resp.tls_key")),
    parameter("tls-port", Source::OptionalPort("resp.tls_port")),
    parameter("unixsocket", Source::Optional("resp.unix_socket")),
    parameter("unixsocketperm", Source::Setting("resp.unix_socket_mode")),
];

impl Source {
    /// What the parameter having this value means in settings of ours. `is_now` is the value that it has.
    pub(super) fn settings_for(self, value: &str, is_now: Option<&str>) -> Result<Vec<(String, String)>, String> {
        let one = |key: &str, value: &str| Ok(vec![(key.to_owned(), value.to_owned())]);
        let word = value.to_ascii_lowercase();
        match self {
            Self::Setting(key) | Self::Optional(key) => one(key, value),
            Self::OptionalPort(key) => one(key, if value == "0" { "" } else { value }),
            Self::ClientCertificates(key) => one(key, if word == "yes" { "required" } else { &word }),
            Self::Password => one("resp.password", value),
            Self::Port if is_now == Some(value) => Ok(Vec::new()),
            Self::Port => one("resp.port", value),
            Self::Always(always) if always == value => Ok(Vec::new()),
            Self::Always(always) => Err(format!("it is always '{always}' here")),
            Self::Switch(key) => match word.as_str() {
                "yes" => one(key, "true"),
                "no" => one(key, "false"),
                _ => Err("argument must be 'yes' or 'no'".to_owned()),
            },
            Self::Level(key) => one(
                key,
                match word.as_str() {
                    "verbose" => "debug",
                    "notice" => "info",
                    "warning" => "warn",
                    "nothing" => "off",
                    _ => value,
                },
            ),
            Self::Durability => match word.as_str() {
                "always" | "everysec" => one("storage.durability", &word),
                "no" => one("storage.durability", "memory"),
                _ => Err("argument must be one of 'always', 'everysec' and 'no'".to_owned()),
            },
            Self::WritesByItself => match word.as_str() {
                now @ ("yes" | "no") if is_now == Some(now) => Ok(Vec::new()),
                "yes" => one("storage.durability", "everysec"),
                "no" => one("storage.durability", "memory"),
                _ => Err("argument must be 'yes' or 'no'".to_owned()),
            },
            Self::OutputLimits(classes) => output_limits(value, classes),
        }
    }
}

/// `normal 0 0 0 pubsub 32mb 8mb 60`, with one class or more.
fn output_limits(value: &str, classes: &[(&str, [&str; 3])]) -> Result<Vec<(String, String)>, String> {
    const EXPECTED: &str = "argument must be a class, hard limit, soft limit and seconds, once or more";
    let words: Vec<&str> = value.split_whitespace().collect();
    if words.is_empty() || !words.len().is_multiple_of(4) {
        return Err(EXPECTED.to_owned());
    }
    let mut settings = Vec::new();
    for group in words.chunks_exact(4) {
        let (class, limits) = (group[0].to_ascii_lowercase(), &group[1..]);
        if ["replica", "slave"].contains(&class.as_str()) {
            // Nodes have a port of their own, and limits of their own there.
            continue;
        }
        let known = classes.iter().find(|(name, _)| *name == class);
        let (_, keys) = known.ok_or_else(|| format!("'{class}' is not a class; {EXPECTED}"))?;
        for (key, limit) in keys.iter().zip(limits) {
            let bytes = parse_bytes(limit).ok_or_else(|| format!("'{limit}' is not a number; {EXPECTED}"))?;
            settings.push(((*key).to_owned(), bytes.to_string()));
        }
    }
    Ok(settings)
}
