//! The words of the command line and what `--help` says of them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser};

use super::colour::ColourChoice;
use super::live::ModeArguments;
use super::uri::Uri;

const EXAMPLES: &str = "\
Without a command there is a prompt, with history, completion by Tab and hints. Where the input is no terminal, each \
line of it is a command: empty lines are left out, an error reply does not stop the rest, a lost connection does.

On a terminal, replies are shown with their types as redis-cli does, except that amounts are not quoted: 0.1, not \
\"0.1\", and that CLUSTER NODES, CLUSTER INFO and INFO are tables, with what is wrong first; --raw shows them as the server \
said them. Into a pipe or a file go the bare values, one a line, and error replies to the standard error, so that \
`total=$(discnt-cli incrby visits 1)` does what it looks like.

After SUBSCRIBE, PSUBSCRIBE, ISUBSCRIBE and MONITOR, messages are shown as they come, until Ctrl-C; with --json each is one \
line. At the prompt, Ctrl-C leads back to it, on a new connection that is subscribed to nothing.

Commands of the client itself:
  certs init    Make an authority that issues certificates to nodes
  certs issue   Make a key and a certificate for a node
  certs show    Print what a certificate says
  certs rotate  Have a running node's certificate, or the cluster's authority,
                made anew
  cluster invite, cluster join
                Print a token on a member, and join with it on another machine
  export        Write all counters to a file, as CSV or JSON lines
  import        Set counters from a file, from Redis, or from a node of the C
                program Discnt; `discnt-cli import --help` tells more
  backup        Write all that a node holds into a directory, from which
                `discnt-server --restore` makes a node again
  watch         Show counters as they change; `discnt-cli watch --help` tells
                more, and docs/LIVE.md of all live modes
  bench         Measure how fast the server answers
  completions   Print completions for bash, zsh or fish

Examples:
  discnt-cli incrby visits 0.1
  discnt-cli -p 7711 cluster meet 127.0.0.1 7712
  discnt-cli -h counters.example.org --tls --cacert ca.crt get visits
  discnt-cli -u discnt://app:secret@counters.example.org:5262 info
  discnt-cli -s /run/discnt/discnt.sock info
  discnt-cli --json mget visits sales
  discnt-cli -r 10 -i 0.5 get visits
  printf 'any\\0bytes' | discnt-cli -x get
  discnt-cli < commands.txt
  discnt-cli --pipe < requests.txt
  discnt-cli --scan --pattern 'visits:*'
  discnt-cli watch visits sales
  discnt-cli --top

Environment:
  DISCNT_URL           The server, as -u has it; not looked at where -u, -h, -p
                       or -s is given.
  DISCNT_AUTH          The password, where neither -a nor the server's address
                       has one; then DISCNT_CLI_AUTH, then REDISCLI_AUTH.
  NO_COLOR             No colours, unless --color says otherwise.
  DISCNT_CLI_RCFILE    What the prompt reads first, instead of ~/.discnt_clirc:
                       lines such as `:set nohints`; `help :set` tells more.
  DISCNT_CLI_HISTFILE  The prompt's history, instead of ~/.discnt_cli_history.
                       Empty for none. Lines with passwords, and lines that
                       begin with a space, are never kept.

Exit status:
  0  every command was answered
  1  a command was answered with an error
  2  no connection, or wrong usage
  130  ended by Ctrl-C while messages were shown";

/// What was given on the command line, word by word.
#[derive(Debug, Parser)]
#[command(
    name = "discnt-cli",
    version,
    about = "Talks to a Discnt node, or to any server that speaks the Redis protocol",
    after_help = EXAMPLES,
    disable_help_flag = true,
    disable_version_flag = true,
    override_usage = "discnt-cli [OPTIONS] [COMMAND [ARGUMENT]...]\n       discnt-cli [OPTIONS] watch [-i SECONDS] [-r N] NAME...\n       discnt-cli certs <init|issue|show|rotate> [OPTIONS]\n       discnt-cli [OPTIONS] cluster <invite|join> [OPTIONS]\n       discnt-cli [OPTIONS] <export|import|backup|bench> [OPTIONS]\n       discnt-cli completions <SHELL>",
    max_term_width = 110
)]
pub(super) struct Arguments {
    /// The node's host name or address [default: 127.0.0.1]
    #[arg(short = 'h', long = "host", value_name = "HOST", help_heading = "Connection")]
    pub(super) host: Option<String>,

    /// The node's port for clients [default: 5262]
    #[arg(short = 'p', long = "port", value_name = "PORT", help_heading = "Connection")]
    pub(super) port: Option<u16>,

    /// The node's unix socket, instead of host and port
    #[arg(short = 's', long = "socket", value_name = "PATH", conflicts_with_all = ["host", "port", "uri"], help_heading = "Connection")]
    pub(super) socket: Option<PathBuf>,

    /// All in one: discnt://[[USER]:PASSWORD@]HOST[:PORT] or redis://..., with TLS discnts:// or rediss://; or
    /// unix://[[USER]:PASSWORD@]/PATH
    #[arg(short = 'u', long = "uri", value_name = "URI", conflicts_with_all = ["host", "port"], help_heading = "Connection")]
    pub(super) uri: Option<Uri>,

    /// The password; DISCNT_AUTH keeps it out of the list of processes
    #[arg(
        short = 'a',
        long = "pass",
        value_name = "PASSWORD",
        allow_hyphen_values = true,
        help_heading = "Connection"
    )]
    pub(super) password: Option<String>,

    /// Do not warn of a password on the command line
    #[arg(long, help_heading = "Connection")]
    pub(super) no_auth_warning: bool,

    /// The user that the password is for [default: the server's default user]
    #[arg(long, value_name = "NAME", help_heading = "Connection")]
    pub(super) user: Option<String>,

    /// How long to wait for a connection, in seconds
    #[arg(short = 't', long = "timeout", value_name = "SECONDS", default_value = "5", value_parser = seconds, help_heading = "Connection")]
    pub(super) timeout: Duration,

    /// Encrypt the connection
    #[arg(long, help_heading = "TLS")]
    pub(super) tls: bool,

    /// The certificates (PEM) of the authorities that the server's certificate may be from
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    pub(super) cacert: Option<PathBuf>,

    /// The certificate (PEM) to show to the server
    #[arg(long, value_name = "FILE", requires = "key", help_heading = "TLS")]
    pub(super) cert: Option<PathBuf>,

    /// The private key (PEM) of --cert
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = "TLS")]
    pub(super) key: Option<PathBuf>,

    /// The name that the server's certificate has to be for [default: the host]
    #[arg(long, value_name = "NAME", help_heading = "TLS")]
    pub(super) sni: Option<String>,

    /// Take any certificate: encrypted, but it could be anyone
    #[arg(long, help_heading = "TLS")]
    pub(super) insecure: bool,

    /// Speak RESP2 [default, except with --json]
    #[arg(short = '2', long = "resp2", conflicts_with = "resp3", help_heading = "Protocol and output")]
    pub(super) resp2: bool,

    /// Speak RESP3, with maps, sets, truth values and doubles
    #[arg(short = '3', long = "resp3", help_heading = "Protocol and output")]
    pub(super) resp3: bool,

    /// Bare values, on a terminal too
    #[arg(long, conflicts_with_all = ["no_raw", "json"], help_heading = "Protocol and output")]
    pub(super) raw: bool,

    /// Typed values, into a pipe or a file too
    #[arg(long, conflicts_with = "json", help_heading = "Protocol and output")]
    pub(super) no_raw: bool,

    /// One line of JSON for each reply: maps as objects, amounts as strings, an error as {"error": "..."}
    #[arg(long, help_heading = "Protocol and output")]
    pub(super) json: bool,

    /// When to use colours; NO_COLOR in the environment is --color never
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, help_heading = "Protocol and output")]
    pub(super) color: ColourChoice,

    /// Read the last argument of the command from the input, to its end and as it is
    #[arg(short = 'x', help_heading = "Command")]
    pub(super) last_from_input: bool,

    /// Run the command N times, on one connection; end a live mode after N lines or pictures; -1 is for ever
    #[arg(short = 'r', long = "repeat", value_name = "N", allow_negative_numbers = true, value_parser = times, help_heading = "Command")]
    pub(super) repeat: Option<u64>,

    /// Wait between the runs of -r, in seconds; the interval of a live mode
    #[arg(short = 'i', long = "interval", value_name = "SECONDS", default_value = "0", value_parser = seconds, help_heading = "Command")]
    pub(super) interval: Duration,

    /// Print this help
    #[arg(long, action = ArgAction::Help, help_heading = "Command")]
    pub(super) help: Option<bool>,

    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version, help_heading = "Command")]
    pub(super) version: Option<bool>,

    /// What to show or to do instead of running a command
    #[command(flatten)]
    pub(super) mode: ModeArguments,

    /// The command and its arguments, as they are: `discnt-cli incrby visits -1`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub(super) command: Vec<OsString>,
}

/// How often something is done, as it is written on the command line.
///
/// # Errors
/// In words for the user.
pub(super) fn times(text: &str) -> Result<u64, String> {
    // Nobody sees the end of so many.
    let number = if text == "-1" { Some(u64::MAX) } else { text.parse().ok() };
    number.ok_or_else(|| "a number of times is expected, or -1 for ever".to_owned())
}

/// The most seconds that are taken, some thirty years: what is reckoned with them stays far from where it overflows.
const MOST_SECONDS: f64 = 1e9;

/// A number of seconds, as it is written on the command line.
///
/// # Errors
/// In words for the user.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .filter(|seconds| *seconds <= MOST_SECONDS)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| format!("a number of seconds is expected, such as 0.5, and up to {MOST_SECONDS}"))
}
