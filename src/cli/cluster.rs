//! `discnt-cli cluster invite` and `cluster join`, and `certs rotate`: what a server does, asked for as people type it.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgGroup, CommandFactory, Parser, Subcommand};

use super::client::Client;
use super::exit::Exit;
use super::output::{output_ended, say, warn};
use super::quote::printable;
use super::settings::Settings;
use super::value::Value;
use crate::mesh::Token;

/// Far above what a token can be.
const MAX_TOKEN_BYTES: u64 = 2048;

const EXAMPLES: &str = "\
`invite` is for a member that holds the key of the cluster's authority, as the first node does; `join` is for the new machine. All other \
subcommands of CLUSTER go to the server as they are: `discnt-cli cluster nodes`.

Examples:
  discnt-cli cluster invite --ttl 1h
  discnt-cli cluster join discnt1-AQAAAABqu...
  ssh member discnt-cli cluster invite | discnt-cli cluster join --token-file -

Exit status:
  0  done
  1  refused; the message says why
  2  no connection, or wrong usage";

/// What `cluster` was asked for.
#[derive(Debug, Parser)]
#[command(
    name = "discnt-cli cluster",
    bin_name = "discnt-cli cluster",
    about = "Lets machines join the cluster, and shows and changes who is in it",
    after_help = EXAMPLES,
    max_term_width = 110,
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, PartialEq, Eq, Subcommand)]
enum Action {
    /// Print a token with which another machine joins; it is a secret until it was used or has expired
    Invite {
        /// How many nodes may join with it
        #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=1000))]
        uses: u32,
        /// For how long: seconds, or 30m, 12h, 7d
        #[arg(long, value_name = "TIME", default_value = "1h", value_parser = lifetime)]
        ttl: Duration,
        /// Where the new machine reaches this member, HOST:PORT (UDP) [default: what the member knows of itself]
        #[arg(long, value_name = "ADDRESS", value_parser = address)]
        address: Option<(String, u16)>,
    },
    /// Have the node that is asked join the cluster of a token; it keeps its id and its counts, and its key stays where it is
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

/// The command, for manuals and completions.
pub(super) fn definition() -> clap::Command {
    Arguments::command().name("cluster")
}

/// Whether these words, `cluster` first, are for this and not for the server as they are: those that have options here.
pub(super) fn is_own(words: &[OsString]) -> bool {
    let [_, subcommand, rest @ ..] = words else { return false };
    let is_option = |word: &OsString| word.as_encoded_bytes().starts_with(b"-");
    match subcommand.to_str() {
        Some("--help") => true,
        Some(word) if word.eq_ignore_ascii_case("invite") => rest.is_empty() || rest.iter().any(is_option),
        Some(word) if word.eq_ignore_ascii_case("join") => true,
        _ => false,
    }
}

/// Does what the words say, `cluster` first.
pub(super) fn run(settings: &Settings, words: Vec<OsString>) -> Exit {
    let words = words.into_iter().enumerate().map(|(at, word)| match at {
        1 => word.to_ascii_lowercase(),
        _ => word,
    });
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(error) => return Exit::of_usage(error),
    };
    match arguments.action {
        Action::Invite { uses, ttl, address } => invite(settings, uses, ttl, address),
        Action::Join { token, token_file } => match token.map_or_else(|| read_token(token_file.as_deref()), Ok) {
            Ok(token) => match Token::parse(&token) {
                Ok(_) => ask_and_say(settings, &["CLUSTER", "JOIN", token.trim()]),
                Err(error) => refused(error),
            },
            Err(error) => {
                warn(format_args!("cannot read the token: {error}"));
                Exit::Unusable
            }
        },
    }
}

/// Has a node's certificate, or its cluster's authority, made anew.
pub(super) fn rotate(settings: &Settings, authority: bool) -> Exit {
    let words = ["CLUSTER", "ROTATE", "AUTHORITY"];
    ask_and_say(settings, if authority { &words } else { &words[..2] })
}

fn invite(settings: &Settings, uses: u32, ttl: Duration, address: Option<(String, u16)>) -> Exit {
    let (uses, seconds) = (uses.to_string(), ttl.as_secs().to_string());
    let mut words = vec!["CLUSTER", "INVITE", "USES", &uses, "TTL", &seconds];
    let port = address.as_ref().map(|(_, port)| port.to_string()).unwrap_or_default();
    if let Some((host, _)) = &address {
        words.extend(["ADDRESS", host, &port]);
    }
    let text = match ask(settings, &words) {
        Ok(text) => text,
        Err(exit) => return exit,
    };
    // The token alone goes to the output, for a pipe; what is to be known of it to whoever looks on.
    if let (Ok(token), true) = (Token::parse(&text), io::stderr().is_terminal()) {
        tell_of(&token);
    }
    say(text).map_or_else(|error| output_ended(&error), |()| Exit::Answered)
}

fn tell_of(token: &Token) {
    let places: Vec<String> = token.addresses.iter().map(|(host, port)| format!("{host} port {port} (UDP)")).collect();
    warn(format_args!("the new machine reaches this member at {}", places.join(", ")));
    warn(format_args!("the authority's fingerprint is {}", token.fingerprint_text()));
    if token.addresses.iter().all(|(host, _)| host.starts_with("127.") || host == "::1") {
        warn("that is this machine alone: set [mesh] bind and advertise, or give --address");
    }
    warn("on the new machine: discnt-cli cluster join TOKEN, or discnt-server join TOKEN before it is started");
}

fn read_token(file: Option<&Path>) -> io::Result<String> {
    let mut text = String::new();
    match file {
        Some(path) if path.as_os_str() != "-" => File::open(path)?.take(MAX_TOKEN_BYTES).read_to_string(&mut text)?,
        _ => io::stdin().lock().take(MAX_TOKEN_BYTES).read_to_string(&mut text)?,
    };
    Ok(text)
}

fn ask_and_say(settings: &Settings, words: &[&str]) -> Exit {
    match ask(settings, words) {
        Ok(text) => say(text).map_or_else(|error| output_ended(&error), |()| Exit::Answered),
        Err(exit) => exit,
    }
}

/// The text that a server answers; what else it answers was told.
fn ask(settings: &Settings, words: &[&str]) -> Result<String, Exit> {
    let mut client = Client::new(settings.clone());
    let unusable = |error: &dyn std::fmt::Display| {
        warn(error);
        Exit::Unusable
    };
    client.connect().map_err(|error| unusable(&error))?.texts.iter().for_each(warn);
    let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    match client.run(&words, &mut |_| ()).map_err(|error| unusable(&error))? {
        Value::Bulk(bytes) | Value::Verbatim(bytes) => Ok(printable(&bytes)),
        Value::Error(bytes) => {
            let text = printable(&bytes);
            Err(refused(text.strip_prefix("ERR ").unwrap_or(&text)))
        }
        reply => Err(refused(format_args!("the server answered something else than a text: {reply:?}"))),
    }
}

fn refused(reason: impl std::fmt::Display) -> Exit {
    warn(reason);
    Exit::Failed
}

/// A time with its unit.
fn lifetime(text: &str) -> Result<Duration, String> {
    let wrong = || "a time is expected, as 3600 (seconds), 30m, 12h or 7d, of 1 second to 30 days".to_owned();
    let unit = text.chars().last().filter(char::is_ascii_alphabetic);
    let seconds_a_unit = match unit {
        None | Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        Some(_) => return Err(wrong()),
    };
    let number = unit.and_then(|unit| text.strip_suffix(unit)).unwrap_or(text);
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds_a_unit));
    let seconds = seconds.filter(|seconds| (1..=30 * 86_400).contains(seconds)).ok_or_else(wrong)?;
    Ok(Duration::from_secs(seconds))
}

fn address(text: &str) -> Result<(String, u16), String> {
    let wrong = || "HOST:PORT is expected, as node1.example.net:5262 or [2001:db8::1]:5262".to_owned();
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse::<u16>().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match (bare, host) {
        (Some(bare), _) if !bare.is_empty() => Ok((bare.to_owned(), port)),
        (None, host) if !host.is_empty() && !host.contains([':', '[', ']']) => Ok((host.to_owned(), port)),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn what_the_server_understands_by_itself_goes_to_it_as_it_is() {
        for own in ["cluster invite", "cluster INVITE --uses 3", "cluster join a", "cluster --help"] {
            assert!(is_own(&words(own)), "{own}");
        }
        for servers in ["cluster", "cluster nodes", "cluster invite uses 3", "cluster help", "cluster meet a 1"] {
            assert!(!is_own(&words(servers)), "{servers}");
        }
    }

    #[test]
    fn times_and_addresses_are_read_as_people_write_them() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("30m", 1800), ("12h", 43_200), ("7d", 604_800)] {
            assert_eq!(lifetime(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["", "h", "0", "-1", "1w", "31d", "1.5h", "99999999999999999999d", "1hh"] {
            assert!(lifetime(text).is_err(), "{text}");
        }
        assert_eq!(address("a.example:1"), Ok(("a.example".to_owned(), 1)));
        assert_eq!(address("[::1]:65535"), Ok(("::1".to_owned(), 65_535)));
        for text in ["a", "a:", "a:0", ":1", "::1:5262", "[]:1", "[::1:5262"] {
            assert!(address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_token_is_wanted_once() {
        for line in ["cluster join", "cluster join a --token-file b", "cluster invite --uses 0", "cluster invite x"] {
            assert_eq!(Arguments::try_parse_from(words(line)).expect_err("refused").exit_code(), 2, "{line}");
        }
        let refused = Arguments::try_parse_from(words("cluster join")).expect_err("no token").to_string();
        assert!(refused.contains("<TOKEN|--token-file <FILE>>"), "{refused}");
        Arguments::command().debug_assert();
    }
}
