//! The words behind `export` and `import`, and what their `--help` says.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgGroup, Args, CommandFactory, Parser, Subcommand};

use super::format::Format;
use crate::cli::uri::Uri;

const EXPORT_HELP: &str = "\
What stands before 'export' says which server: `discnt-cli -p 7711 export`. The values are what that node reads: exact for \
every counter that was quiet for a second and of which no member is out of reach. A precision that was set goes along.

A file is written beside its place and put there when it is whole; an export to the output that was cut short has no last \
line, and `import` refuses it. docs/MOVING.md describes both formats.

Examples:
  discnt-cli export --output counters.csv
  discnt-cli -p 7711 export --match 'visits:*' --format jsonl | gzip > visits.jsonl.gz
  discnt-cli -h old.example.org export | discnt-cli -h new.example.org import -

Exit status:
  0    everything was exported
  1    not done; the message says why
  2    no connection, wrong usage, or nowhere to write to
  130  interrupted";

const IMPORT_HELP: &str = "\
What stands before 'import' says which server the counters go to: `discnt-cli -p 7711 import counters.csv`. Each counter is \
SET to its value, so an import that is repeated gives the same values, however often and wherever it was interrupted. \
What clients count in these counters meanwhile may be overwritten: let them count when the import is done. There is no \
import that adds: repeated, it would count twice.

A FILE is what `export` writes, or lines of `name,value` or `name,value,precision`. All of it is checked before the first \
counter is set. docs/MOVING.md describes the formats.

Redis: every string that is a number a counter can hold exactly. Other keys are left out and counted, by their kinds.
The C program Discnt: every counter, by KEYS and GET. It must not count meanwhile.

Examples:
  discnt-cli import counters.csv
  discnt-cli -p 7711 import --resume --skip-existing counters.jsonl
  discnt-cli import --from-redis redis://:secret@old.example.org:6379/2 --match 'visits:*' --verbose
  discnt-cli import --from-discnt old.example.org:5262

Environment:
  DISCNT_CLI_FROM_AUTH  The password of the server that is imported from.

Exit status:
  0    everything was imported
  1    the file was refused, or a number could not be imported
  2    no connection, or wrong usage
  130  interrupted; the message says how to go on";

/// What to move where.
#[derive(Debug, Parser)]
#[command(
    name = "discnt-cli",
    about = "Moves counters between servers and files",
    disable_help_subcommand = true,
    no_binary_name = true,
    max_term_width = 110
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) action: Action,
}

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Write all counters of the server to a file or to the output
    #[command(after_help = EXPORT_HELP, override_usage = "discnt-cli [SERVER OPTIONS] export [OPTIONS]")]
    Export(Export),
    /// Set counters of the server from a file or from another server
    #[command(
        after_help = IMPORT_HELP,
        override_usage = "discnt-cli [SERVER OPTIONS] import [OPTIONS] FILE\n       discnt-cli [SERVER OPTIONS] import [OPTIONS] --from-redis URI\n       discnt-cli [SERVER OPTIONS] import [OPTIONS] --from-discnt HOST:PORT"
    )]
    Import(Box<Import>),
    /// Make a backup of all that the server holds, for discnt-server --restore; docs/BACKUP.md tells more
    #[command(override_usage = "discnt-cli [SERVER OPTIONS] backup DIR")]
    Backup(Backup),
}

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// A new or empty directory
    #[arg(value_name = "DIR")]
    pub(super) directory: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    /// How to write [default: what FILE ends in (.csv, .jsonl), else csv]
    #[arg(long, value_name = "FORMAT")]
    pub(super) format: Option<Format>,
    /// Where to write [default: the output]
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Only counters whose names match, as with SCAN: 'visits:*'
    #[arg(long = "match", value_name = "PATTERN")]
    pub(super) pattern: Option<String>,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("source").required(true).args(["file", "from_redis", "from_discnt"]))]
#[command(group = ArgGroup::new("server").args(["from_redis", "from_discnt"]))]
pub(super) struct Import {
    /// The file; - is the input
    #[arg(value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// Import from Redis: redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], or rediss:// for TLS
    #[arg(long, value_name = "URI", value_parser = uri)]
    pub(super) from_redis: Option<Uri>,
    /// Import from a running node of the C program Discnt
    #[arg(long, value_name = "HOST:PORT", value_parser = place)]
    pub(super) from_discnt: Option<Uri>,
    /// Leave counters alone that exist
    #[arg(long)]
    pub(super) skip_existing: bool,
    /// List on the error output what is left out
    #[arg(long, short, conflicts_with = "file")]
    pub(super) verbose: bool,

    /// How the file is written [default: as its first line looks]
    #[arg(long, value_name = "FORMAT", conflicts_with = "server", help_heading = "Files")]
    pub(super) format: Option<Format>,
    /// Only check the file
    #[arg(long, conflicts_with = "server", help_heading = "Files")]
    pub(super) check: bool,
    /// The export was changed on purpose: do not compare its counters with what its last line tells
    #[arg(long, conflicts_with = "server", help_heading = "Files")]
    pub(super) edited: bool,
    /// Keep in FILE.import-state how far it came, and go on from there
    #[arg(long, conflicts_with_all = ["server", "from_line", "check"], help_heading = "Files")]
    pub(super) resume: bool,
    /// Leave out the lines before this one, as an interrupted import says
    #[arg(long, value_name = "N", conflicts_with = "server", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Files")]
    pub(super) from_line: Option<u64>,

    /// Only names that match: 'visits:*'
    #[arg(long = "match", value_name = "PATTERN", conflicts_with = "file", help_heading = "Servers")]
    pub(super) pattern: Option<String>,
    /// Leave out keys that Redis will let expire; counters never do
    #[arg(long, conflicts_with_all = ["file", "from_discnt"], help_heading = "Servers")]
    pub(super) skip_expiring: bool,
    /// The certificates (PEM) of the authorities that the certificate of a rediss:// server may be from
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "from_discnt"], help_heading = "Servers")]
    pub(super) from_cacert: Option<PathBuf>,
    /// The name that its certificate has to be for [default: the host]
    #[arg(long, value_name = "NAME", conflicts_with_all = ["file", "from_discnt"], help_heading = "Servers")]
    pub(super) from_sni: Option<String>,
    /// Take any certificate of a rediss:// server
    #[arg(long, conflicts_with_all = ["file", "from_discnt"], help_heading = "Servers")]
    pub(super) from_insecure: bool,
}

/// The commands, for manuals and completions.
pub(in crate::cli) fn definitions() -> Vec<clap::Command> {
    Arguments::command().get_subcommands().cloned().collect()
}

/// Reads the words, `export` or `import` first.
pub(super) fn parse(words: Vec<OsString>) -> Result<Action, clap::Error> {
    Ok(Arguments::try_parse_from(words)?.action)
}

fn uri(text: &str) -> Result<Uri, String> {
    text.parse().map_err(|error: crate::cli::uri::UriError| error.to_string())
}

fn place(text: &str) -> Result<Uri, String> {
    let address = if text.contains("://") { text.to_owned() } else { format!("redis://{text}") };
    let uri = uri(&address)?;
    if uri.host.is_none() || uri.port.is_none() {
        return Err("a host and a port are expected, as old.example.org:5262".to_owned());
    }
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Action, clap::Error> {
        parse(line.split(' ').map(OsString::from).collect())
    }

    #[test]
    fn a_source_is_needed_and_its_options_go_with_it() {
        for line in [
            "import a.csv --resume --skip-existing",
            "import - --format jsonl --from-line 7 --edited",
            "import --from-redis redis://h/2 --match a* --skip-expiring --verbose",
            "import --from-discnt h:5262 -v",
            "import --from-discnt [::1]:5262",
            "export",
            "export -o a --format csv --match *",
        ] {
            assert!(parsed(line).is_ok(), "{line}: {:?}", parsed(line));
        }
        for (line, word) in [
            ("import", "--from-redis"),
            ("import a --from-redis redis://h", "cannot be used with"),
            ("import --from-redis redis://h --resume", "--from-redis"),
            ("import a --resume --from-line 2", "cannot be used with"),
            ("import a --match x", "FILE"),
            ("import a --from-line 0", "0"),
            ("import --from-discnt h", "a host and a port"),
            ("import --from-redis h:1", "redis://"),
            ("import --from-discnt h:1 --skip-expiring", "--from-discnt"),
            ("export --format xml", "csv"),
            ("export a", "unexpected"),
        ] {
            let error = parsed(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
            assert!(error.to_string().contains(word), "{line}: {error}");
        }
    }

    #[test]
    fn the_definition_is_consistent_and_has_help() {
        Arguments::command().debug_assert();
        for (line, word) in [("export --help", "docs/MOVING.md"), ("import --help", "DISCNT_CLI_FROM_AUTH")] {
            let help = parsed(line).expect_err("help");
            assert_eq!(help.exit_code(), 0);
            assert!(help.to_string().contains(word), "{help}");
        }
    }
}
