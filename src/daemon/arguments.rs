//! The flags of `discnt-server`.
//!
//! They only say what was typed: what the values mean, and whether they fit together, is the configuration's part.

use std::path::PathBuf;

use clap::{ArgGroup, Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  discnt-server
      A node for development: clients on 127.0.0.1:5262 (TCP), other nodes on 127.0.0.1:5262 (UDP).
  discnt-server --port 7711
      The same on port 7711, with its data in ./discnt-data/7711.
  discnt-server --config /etc/discnt/discnt.toml --check-config
      Says whether the file is valid and those that it names can be used, with everything that is wrong, and starts nothing.
  discnt-server --set cluster.lease_ms=2000 --set log.level=info,discnt::mesh=debug
      Any setting of the configuration file, from the command line.
  discnt-server --set storage.durability=always
      A node that answers an increment when it is on disk.
  discnt-server --config /etc/discnt/discnt.toml join discnt1-AQAAAABqu...
      Makes the data directory that of a node of the cluster whose member printed this token; starts nothing.
  DISCNT_RESP__PASSWORD=secret discnt-server --print-config
      Any setting from the environment, and what is in effect with where each value came from.

Settings come from the built-in defaults, then the file, then DISCNT_SECTION__KEY variables, then flags;
what comes later wins. --set wins over the other flags.";

/// Exact counters that can be incremented in every datacentre at once.
///
/// Starts one node. Clients speak RESP, the protocol of Redis, over TCP; nodes speak QUIC with mutual TLS over UDP.
#[derive(Clone, Debug, Default, Parser)]
#[command(name = "discnt-server", version, max_term_width = 110, after_help = EXAMPLES)]
pub struct Arguments {
    /// Read settings from this TOML file. Without it no file is read; the service passes /etc/discnt/discnt.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// TCP port for clients and UDP port for other nodes: resp.port and mesh.port; 0 lets the system choose
    #[arg(long, global = true, value_name = "N")]
    pub port: Option<u16>,

    /// IP address to listen on, for clients and for other nodes: resp.bind and mesh.bind
    #[arg(long, global = true, value_name = "ADDR")]
    pub bind: Option<String>,

    /// Where this node keeps its key and what it remembers: storage.data_dir [default: ./discnt-data/PORT]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Where the authority of the node's own making is kept: mesh.certs_dir [default: ./certs/dev]
    #[arg(long, global = true, value_name = "DIR")]
    pub certs_dir: Option<PathBuf>,

    /// Begin with the counters of a backup that `discnt-cli backup` made; the data directory must have none
    #[arg(long, value_name = "DIR", conflicts_with = "repair")]
    pub restore: Option<PathBuf>,

    /// Set any key of the configuration; may be repeated
    #[arg(long = "set", global = true, value_name = "SECTION.KEY=VALUE")]
    pub settings: Vec<String>,

    /// Say whether the configuration is valid and the certificates, keys, passwords and users in the files that it names can
    /// be used, then exit: 0 if so, 1 if not. Makes and changes nothing, and does not read the counters
    #[arg(long)]
    pub check_config: bool,

    /// Set aside what is damaged of the counters in the data directory, save what can still be read of them, say what was
    /// lost and what to do next, then exit. Deletes nothing, and changes nothing where nothing is damaged
    #[arg(long, conflicts_with_all = ["check_config", "print_config"])]
    pub repair: bool,

    /// Print the configuration in effect as TOML, with where each value came from, then exit
    #[arg(long, conflicts_with = "check_config")]
    pub print_config: bool,

    /// What to do instead of starting a server
    #[command(subcommand)]
    pub action: Option<Action>,
}

/// What the program does instead of starting a server.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Action {
    /// Have this node's key certified by a cluster, with a token that `discnt-cli cluster invite` printed on a member. The
    /// node meets the cluster when the server is started. One that runs joins with `discnt-cli cluster join`
    #[command(group(ArgGroup::new("given").args(["token", "token_file"]).required(true)))]
    Join {
        /// The token; others of this machine see it in the list of processes, so rather use --token-file
        #[arg(value_name = "TOKEN")]
        token: Option<String>,
        /// Read the token from a file; - is the standard input
        #[arg(long, value_name = "FILE")]
        token_file: Option<PathBuf>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_flag_is_read() {
        let arguments = Arguments::try_parse_from([
            "discnt-server",
            "--config=a.toml",
            "--port=7711",
            "--bind=::1",
            "--data-dir=d",
            "--certs-dir=c",
            "--set=log.level=debug",
            "--set=resp.threads=2",
            "--repair",
        ])
        .expect("all are flags");
        assert_eq!(arguments.config, Some(PathBuf::from("a.toml")));
        assert_eq!(arguments.port, Some(7711));
        assert_eq!(arguments.bind.as_deref(), Some("::1"));
        assert_eq!(arguments.data_dir, Some(PathBuf::from("d")));
        assert_eq!(arguments.certs_dir, Some(PathBuf::from("c")));
        assert_eq!(arguments.settings, ["log.level=debug", "resp.threads=2"]);
        assert!(arguments.repair);
    }

    #[test]
    fn flags_may_follow_what_is_to_be_done() {
        let parse = |line: &str| Arguments::try_parse_from(line.split(' '));
        let arguments = parse("discnt-server --port 7711 join discnt1-abc --data-dir d").expect("accepted");
        assert_eq!((arguments.port, arguments.data_dir), (Some(7711), Some(PathBuf::from("d"))));
        let join = Action::Join { token: Some("discnt1-abc".to_owned()), token_file: None };
        assert_eq!(arguments.action, Some(join));
        let arguments = parse("discnt-server join --token-file -").expect("accepted");
        assert_eq!(arguments.action, Some(Action::Join { token: None, token_file: Some(PathBuf::from("-")) }));
        for line in ["discnt-server join", "discnt-server join a --token-file b", "discnt-server what"] {
            assert_eq!(parse(line).expect_err("refused").exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn a_port_that_is_none_is_refused_with_what_is_allowed() {
        let error = Arguments::try_parse_from(["discnt-server", "--port", "70000"]).expect_err("no such port");
        assert!(error.to_string().contains("70000 is not in 0..=65535"), "{error}");
    }

    #[test]
    fn help_shows_examples() {
        let help = Arguments::command().render_help().to_string();
        assert!(help.contains("discnt-server --port 7711"), "{help}");
        assert!(help.contains("DISCNT_SECTION__KEY"), "{help}");
    }
}
