//! What the server says once it serves: a few lines for a person, one `name  value` each.
//!
//! A function from facts to text. It finds out nothing by itself.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::base::{Durability, Labels, NodeId};

/// Which authority this node's certificate is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// The one for development that lies in the directory, made by this start or found there.
    Development {
        /// Where it is.
        directory: PathBuf,
        /// Whether this start made it.
        made_now: bool,
    },
    /// The cluster's, which the node has joined with a token or seen replaced.
    Joined {
        /// The authorities that are trusted.
        certificates: PathBuf,
        /// Whether this node holds the key of one.
        issues: bool,
    },
    /// The files of `[mesh] ca_cert`, `cert` and `key`.
    Given {
        /// The node's certificate.
        certificate: PathBuf,
    },
}

/// What was on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CountersLoaded {
    /// How many counters.
    pub counters: u64,
    /// How long it took to load them.
    pub took: Duration,
}

impl fmt::Display for CountersLoaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.counters {
            0 => f.write_str("none on disk yet"),
            counters => write!(f, "{counters} loaded from disk in {:.1} s", self.took.as_secs_f64()),
        }
    }
}

/// What is told at the start. Addresses are those that are bound, so a port that the system chose is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartReport {
    /// The version of the program.
    pub version: &'static str,
    /// Who this node is.
    pub node: NodeId,
    /// What its operator says of it.
    pub labels: Labels,
    /// Where clients connect without TLS.
    pub clients: Vec<SocketAddr>,
    /// Where clients connect that speak TLS.
    pub tls_clients: Vec<SocketAddr>,
    /// The path of a socket where clients connect as well.
    pub unix_socket: Option<PathBuf>,
    /// Whether clients of other machines are refused as long as there is no password.
    pub protected_mode: bool,
    /// Where health, figures and the status page are answered, and whether with TLS.
    pub http: Option<(SocketAddr, bool)>,
    /// How many threads serve clients.
    pub threads: usize,
    /// Where other nodes connect.
    pub mesh: SocketAddr,
    /// What other nodes are told instead, if that was set.
    pub advertised: Option<String>,
    /// Members that are remembered and redialled, without this node.
    pub members_known: usize,
    /// The data directory.
    pub data_directory: PathBuf,
    /// Whose certificates are accepted.
    pub authority: Authority,
    /// Whether clients must say a password.
    pub password_is_set: bool,
    /// What was loaded.
    pub counters: CountersLoaded,
    /// When what is counted is on disk.
    pub durability: Durability,
}

impl fmt::Display for StartReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, value: String| writeln!(f, "{name:<13}{value}");
        line("discnt-server", format!(" {}", self.version))?;
        line("node", self.node.to_string())?;
        if !self.labels.is_empty() {
            line("labels", self.labels.to_string())?;
        }
        let threads = if self.threads == 1 { "thread" } else { "threads" };
        for (addresses, kind) in [(&self.clients, "TCP"), (&self.tls_clients, "TLS")] {
            if !addresses.is_empty() {
                let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
                line("clients", format!("{} ({kind}, {} {threads})", addresses.join(" "), self.threads))?;
            }
        }
        if let Some(path) = &self.unix_socket {
            line("unix socket", path.display().to_string())?;
        }
        if self.refuses_other_machines() {
            let why =
                "clients of other machines are refused, as no password is set; see [resp] password and protected_mode";
            line("protected", why.to_owned())?;
        }
        if let Some((address, has_tls)) = self.http {
            let scheme = if has_tls { "https" } else { "http" };
            line("http", format!("{scheme}://{address}/ (status page, /metrics, /readyz)"))?;
        }
        let advertised = self.advertised.as_ref().map_or_else(String::new, |told| format!(", others are told {told}"));
        line("mesh", format!("{} (UDP{advertised})", self.mesh))?;
        let members = match self.members_known {
            0 => "none yet; to join another node: CLUSTER MEET host port".to_owned(),
            1 => "1 other known, dialling".to_owned(),
            count => format!("{count} others known, dialling"),
        };
        line("members", members)?;
        line("data", self.data_directory.display().to_string())?;
        line("counters", format!("{}; durability {}, {}", self.counters, self.durability, promise(self.durability)))?;
        match &self.authority {
            Authority::Development { directory, made_now } => {
                let made = if *made_now { ", made just now" } else { "" };
                let what = "whoever has its ca.key makes nodes; others join with `discnt-cli cluster invite`";
                line("certificates", format!("{} (own authority{made}: {what})", directory.display()))?;
            }
            Authority::Joined { certificates, issues } => {
                let what =
                    if *issues { "the cluster's authority, whose key is here" } else { "the cluster's authority" };
                line("certificates", format!("{} ({what})", certificates.display()))?;
            }
            Authority::Given { certificate } => line("certificates", certificate.display().to_string())?,
        }
        line("connect", self.how_to_connect())
    }
}

/// What a crash may take along.
fn promise(durability: Durability) -> &'static str {
    match durability {
        Durability::Always => "a crash loses nothing that was answered",
        Durability::EverySecond => "a crash loses at most the last second",
        Durability::Memory => "a crash loses what was not saved",
    }
}

impl StartReport {
    /// Whether there are addresses for clients of other machines at which they are refused.
    fn refuses_other_machines(&self) -> bool {
        let is_reachable = self.clients.iter().chain(&self.tls_clients).any(|address| !address.ip().is_loopback());
        is_reachable && self.protected_mode && !self.password_is_set
    }

    fn how_to_connect(&self) -> String {
        let (first, tls) = match (self.clients.first(), self.tls_clients.first()) {
            (Some(first), _) => (first, ""),
            (None, Some(first)) => (first, " --tls --cacert FILE"),
            (None, None) => return "no address for clients".to_owned(),
        };
        let host = match first.ip() {
            // What is bound to every address can be reached on this machine at the usual one.
            ip if ip.is_unspecified() || ip.to_string() == "127.0.0.1" => String::new(),
            ip => format!(" -h {ip}"),
        };
        let password = if self.password_is_set { " -a PASSWORD" } else { "" };
        format!("discnt-cli{host} -p {}{tls}{password}", first.port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> StartReport {
        StartReport {
            version: "0.1.0",
            node: "00112233445566778899aabbccddeeff00112233".parse().expect("40 hex digits"),
            labels: Labels::default(),
            clients: vec!["127.0.0.1:7711".parse().expect("an address")],
            tls_clients: Vec::new(),
            http: Some(("127.0.0.1:17711".parse().expect("an address"), false)),
            unix_socket: None,
            protected_mode: true,
            threads: 2,
            mesh: "127.0.0.1:7711".parse().expect("an address"),
            advertised: None,
            members_known: 0,
            data_directory: "./discnt-data/7711".into(),
            authority: Authority::Development { directory: "./certs/dev".into(), made_now: true },
            password_is_set: false,
            counters: CountersLoaded::default(),
            durability: Durability::EverySecond,
        }
    }

    #[test]
    fn a_first_start_is_told_in_ten_lines() {
        let golden = "\
discnt-server 0.1.0
node         00112233445566778899aabbccddeeff00112233
clients      127.0.0.1:7711 (TCP, 2 threads)
http         http://127.0.0.1:17711/ (status page, /metrics, /readyz)
mesh         127.0.0.1:7711 (UDP)
members      none yet; to join another node: CLUSTER MEET host port
data         ./discnt-data/7711
counters     none on disk yet; durability everysec, a crash loses at most the last second
certificates ./certs/dev (own authority, made just now: whoever has its ca.key makes nodes; others join with `discnt-cli cluster invite`)
connect      discnt-cli -p 7711
";
        assert_eq!(report().to_string(), golden);
    }

    #[test]
    fn a_deployed_node_tells_what_is_different() {
        let report = StartReport {
            labels: Labels::of("berlin-1", "eu"),
            clients: vec!["10.0.0.1:5262".parse().expect("an address"), "[::1]:5262".parse().expect("an address")],
            http: None,
            threads: 1,
            mesh: "[::]:5262".parse().expect("an address"),
            advertised: Some("node1.example.net:5262".into()),
            members_known: 2,
            data_directory: "/var/lib/discnt".into(),
            authority: Authority::Given { certificate: "/etc/discnt/node.crt".into() },
            password_is_set: true,
            counters: CountersLoaded { counters: 1_000_000, took: Duration::from_millis(1830) },
            durability: Durability::Always,
            ..report()
        };
        let golden = "\
discnt-server 0.1.0
node         00112233445566778899aabbccddeeff00112233
labels       berlin-1 in eu
clients      10.0.0.1:5262 [::1]:5262 (TCP, 1 thread)
mesh         [::]:5262 (UDP, others are told node1.example.net:5262)
members      2 others known, dialling
data         /var/lib/discnt
counters     1000000 loaded from disk in 1.8 s; durability always, a crash loses nothing that was answered
certificates /etc/discnt/node.crt
connect      discnt-cli -h 10.0.0.1 -p 5262 -a PASSWORD
";
        assert_eq!(report.to_string(), golden);
    }

    #[test]
    fn what_is_reachable_without_a_password_is_told_to_be_protected() {
        let clients = vec!["10.0.0.1:5262".parse().expect("an address")];
        let open = StartReport { clients, unix_socket: Some("/run/discnt.sock".into()), ..report() };
        let told = open.to_string();
        assert!(told.contains("\nunix socket  /run/discnt.sock\n"), "{told}");
        assert!(told.contains("\nprotected    clients of other machines are refused, as no password is set"), "{told}");
        for unprotected in
            [StartReport { protected_mode: false, ..open.clone() }, StartReport { password_is_set: true, ..open }]
        {
            assert!(!unprotected.to_string().contains("protected"));
        }
    }

    #[test]
    fn every_line_is_a_name_and_a_value() {
        for line in report().to_string().lines() {
            let mut words = line.split_whitespace();
            assert!(words.next().is_some() && words.next().is_some(), "{line:?}");
        }
    }
}
