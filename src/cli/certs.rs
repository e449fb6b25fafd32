//! `discnt-cli certs`: authorities and node certificates for real deployments. But for `rotate`, it talks to no server.

use std::ffi::OsString;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::{CommandFactory, Parser, Subcommand};

use super::cluster;
use super::exit::Exit;
use super::output::{output_ended, say, warn};
use super::settings::Settings;
use crate::mesh::{
    AUTHORITY_CERTIFICATE_FILE, AUTHORITY_KEY_FILE, CertificateDetails, IdentityError, describe, load_authority,
    make_authority,
};

const EXAMPLES: &str = "\
Nodes talk to each other only if their certificates are from the same authority. With nothing configured, the first node \
makes one by itself in [mesh] certs_dir, and other machines join with `discnt-cli cluster invite`. For an authority of your \
own, make one on a machine that you trust, and give each node a certificate from it. Only ca.crt and the node's own two \
files go to the node, never ca.key.

Example:
  discnt-cli certs init --dir authority --name 'Example counters'
  discnt-cli certs issue --dir authority --out berlin-1 --name berlin-1
  discnt-cli certs show berlin-1/berlin-1.crt
  discnt-cli -p 7711 certs rotate

Exit status:
  0  done
  1  not done; the message says why
  2  wrong usage";

/// What `certs` was asked for.
#[derive(Debug, Parser)]
#[command(
    name = "discnt-cli certs",
    bin_name = "discnt-cli certs",
    about = "Makes and shows certificate authorities and the certificates of nodes",
    after_help = EXAMPLES,
    max_term_width = 110
)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make an authority: ca.crt, and ca.key that only its owner can read; one that is there is left alone
    Init {
        /// Where to put it
        #[arg(long, value_name = "DIR", default_value = "./certs/dev")]
        dir: PathBuf,
        /// What to call it in its certificate
        #[arg(long, value_name = "TEXT", default_value = "discnt authority")]
        name: String,
        /// How long it is valid
        #[arg(long, value_name = "DAYS", default_value = "3650", value_parser = clap::value_parser!(u32).range(1..=36500))]
        days: u32,
    },
    /// Make a key and a certificate for a node; a key that is there is kept, and with it the node's id
    Issue {
        /// Where the authority is
        #[arg(long, value_name = "DIR", default_value = "./certs/dev")]
        dir: PathBuf,
        /// Where to put the files [default: the authority's directory]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// What to call the files: NAME.crt and NAME.key
        #[arg(long, value_name = "NAME", default_value = "node", value_parser = file_stem)]
        name: String,
        /// How long the certificate is valid; never longer than the authority
        #[arg(long, value_name = "DAYS", default_value = "825", value_parser = clap::value_parser!(u32).range(1..=36500))]
        days: u32,
    },
    /// Have the node that is asked (-h, -p, -u) renew its certificate while it runs; its key and its id stay
    Rotate {
        /// Make the cluster's authority anew instead, on a node that holds its key; old and new are trusted together for 30 days
        #[arg(long)]
        authority: bool,
    },
    /// Print whose a certificate is, from whom, how long it is valid, the node's id and the fingerprint
    Show {
        /// PEM files
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },
}

/// The command, for manuals and completions.
pub(super) fn definition() -> clap::Command {
    Arguments::command().name("certs")
}

/// Does what the words say, `certs` first.
pub(super) fn run(settings: &Settings, words: Vec<OsString>) -> Exit {
    let arguments = match Arguments::try_parse_from(words) {
        Ok(arguments) => arguments,
        Err(error) => return Exit::of_usage(error),
    };
    if let Action::Rotate { authority } = arguments.action {
        return cluster::rotate(settings, authority);
    }
    match perform(arguments.action) {
        Ok(text) => match say(text) {
            Ok(()) => Exit::Answered,
            Err(error) => output_ended(&error),
        },
        Err(error) => {
            warn(error);
            Exit::Failed
        }
    }
}

fn perform(action: Action) -> Result<String, CertsError> {
    match action {
        Action::Init { dir, name, days } => init(&dir, &name, days),
        Action::Issue { dir, out, name, days } => issue(&dir, out.as_deref().unwrap_or(&dir), &name, days),
        // Asked of a server, which is no business of this.
        Action::Rotate { .. } => Ok(String::new()),
        Action::Show { files } => {
            let shown: Result<Vec<String>, CertsError> = files.iter().map(|file| show(file)).collect();
            Ok(shown?.join("\n\n"))
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum CertsError {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("cannot make the directory {}: {error}", path.display())]
    Directory { path: PathBuf, error: std::io::Error },
    #[error("{stem}.crt and {stem}.key would take the place of the authority's files; choose another --name")]
    AuthoritysName { stem: String },
}

fn init(directory: &Path, name: &str, days: u32) -> Result<String, CertsError> {
    let authority = make_authority(directory, name, days)?;
    let certificate = authority.directory().join(AUTHORITY_CERTIFICATE_FILE);
    let key = authority.directory().join(AUTHORITY_KEY_FILE);
    Ok(format!(
        "made an authority:\n{}\n\n\
         certificate  {}\n             goes to every node, as [mesh] ca_cert\n\
         key          {}\n             stays here: whoever has it decides who may be a node",
        show(&certificate)?,
        certificate.display(),
        key.display(),
    ))
}

fn issue(directory: &Path, out: &Path, stem: &str, days: u32) -> Result<String, CertsError> {
    let certificate = out.join(format!("{stem}.crt"));
    let key = out.join(format!("{stem}.key"));
    if certificate.file_name().is_some_and(|name| name == AUTHORITY_CERTIFICATE_FILE) {
        return Err(CertsError::AuthoritysName { stem: stem.to_owned() });
    }
    let authority = load_authority(directory)?;
    std::fs::create_dir_all(out).map_err(|error| CertsError::Directory { path: out.to_owned(), error })?;
    let issued = authority.issue_to_files(&certificate, &key, days)?;
    let mut text = String::new();
    let what = if issued.key_was_kept {
        "issued a new certificate for the key that was there; the node's id is as it was"
    } else {
        "made a key and issued a certificate for it"
    };
    let _ = writeln!(text, "{what}:\n{}\n", show(&issued.certificate)?);
    let _ = writeln!(text, "In the node's configuration, with the paths that the files have there:\n");
    let _ = writeln!(text, "[mesh]");
    let authority_file = authority.directory().join(AUTHORITY_CERTIFICATE_FILE);
    let _ = writeln!(text, "ca_cert = {}", toml_path(&authority_file));
    let _ = writeln!(text, "cert = {}", toml_path(&issued.certificate));
    let _ = write!(text, "key = {}", toml_path(&issued.key));
    Ok(text)
}

fn show(file: &Path) -> Result<String, CertsError> {
    let details = describe(file)?;
    let shown: Vec<String> = details.iter().map(CertificateDetails::to_string).collect();
    Ok(format!("{}\n{}", file.display(), shown.join("\n\n")))
}

/// The absolute path as a TOML string: the configuration is read from another directory than this one.
fn toml_path(path: &Path) -> toml::Value {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    toml::Value::from(absolute.to_string_lossy().into_owned())
}

fn file_stem(text: &str) -> Result<String, String> {
    if text.is_empty() || text.starts_with('.') || text.contains(['/', '\\', '\0']) {
        return Err("a name of a file is expected, without directories or extension".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn perform_line(line: &str, directory: &Path) -> Result<String, CertsError> {
        let place = directory.to_str().expect("UTF-8");
        let words = line.split(' ').map(|word| word.replace("DIR", place));
        perform(Arguments::try_parse_from(words).expect("accepted").action)
    }

    #[test]
    fn an_authority_is_made_once_and_issues_certificates_for_nodes() {
        let directory = tempfile::tempdir().expect("a directory");
        let directory = directory.path();
        let made = perform_line("certs init --dir DIR/ca --name Example", directory).expect("done");
        assert!(made.contains("kind         authority"), "{made}");
        let again = perform_line("certs init --dir DIR/ca", directory).expect_err("refused");
        assert!(again.to_string().contains("left as it is"), "{again}");

        let issue_line = "certs issue --dir DIR/ca --out DIR/new/node --name berlin";
        let issued = perform_line(issue_line, directory).expect("done");
        let settings = &issued[issued.find("[mesh]").expect("a section")..];
        let settings: toml::Table = settings.parse().expect("TOML");
        let paths = settings["mesh"].as_table().expect("a table");
        assert_eq!(paths["ca_cert"].as_str(), directory.join("ca/ca.crt").to_str());
        assert_eq!(paths["cert"].as_str(), directory.join("new/node/berlin.crt").to_str());
        let key = Path::new(paths["key"].as_str().expect("done"));
        assert_eq!(key, directory.join("new/node/berlin.key"));
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(key.metadata().expect("done").permissions().mode() & 0o777, 0o600);

        let id_of = |text: &str| {
            let line = text.lines().find(|line| line.starts_with("node id")).expect("done");
            line.to_owned()
        };
        let shown = perform_line("certs show DIR/new/node/berlin.crt", directory).expect("done");
        assert_eq!(id_of(&shown), id_of(&issued));
        let renewed = perform_line(issue_line, directory).expect("done");
        assert!(renewed.contains("as it was"), "{renewed}");
        assert_eq!(id_of(&renewed), id_of(&issued));
        assert_ne!(renewed, issued);
    }

    #[test]
    fn what_cannot_be_done_is_refused_and_changes_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let directory = directory.path();
        let no_authority = perform_line("certs issue --dir DIR/none --out DIR/out", directory);
        assert!(no_authority.expect_err("refused").to_string().contains("certs init"));
        assert!(!directory.join("out").exists());
        perform_line("certs init --dir DIR", directory).expect("done");
        let before = std::fs::read(directory.join("ca.key")).expect("done");
        assert!(perform_line("certs issue --dir DIR --name ca", directory).is_err());
        assert_eq!(std::fs::read(directory.join("ca.key")).expect("done"), before);
        assert!(perform_line("certs show DIR/ca.key", directory).is_err());
        for line in ["certs issue --name a/b", "certs issue --days 0", "certs", "certs show"] {
            let error = Arguments::try_parse_from(line.split(' ')).expect_err("refused");
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }
}
