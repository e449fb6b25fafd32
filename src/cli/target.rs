//! Which server the command line and the environment mean, and who to be there.

use std::ffi::OsString;

use clap::error::ErrorKind;

use super::arguments::Arguments;
use super::environment::{Environment, URL};
use super::options::usage_error;
use super::settings::{Credentials, Settings, TlsSettings, Version};
use super::uri::{Uri, UriError};

/// Said when a password stands on the command line.
pub(super) const PASSWORD_SHOWN: &str = "a password on the command line may not be safe: other users of this machine \
     can read it in the list of processes; DISCNT_AUTH keeps it out of there, and --no-auth-warning this warning";

impl Arguments {
    /// Whether a password stands on the command line and nobody said that this is fine.
    pub(super) fn shows_password(&self) -> bool {
        let shown = self.password.is_some() || self.uri.as_ref().is_some_and(|uri| uri.password.is_some());
        shown && !self.no_auth_warning
    }

    /// The server and how to talk to it. Options win over the address, and the address over single variables.
    ///
    /// # Errors
    /// What does not fit together, in words for the user.
    pub(super) fn settings(&self, environment: Environment) -> Result<Settings, clap::Error> {
        let uri = self.address(environment.url)?;
        if let Some(database) = uri.database.filter(|number| *number != 0) {
            let text = format!("there is one database only: /{database} cannot be chosen");
            return Err(usage_error(ErrorKind::ValueValidation, &text));
        }
        let given = self.password.clone().or(uri.password);
        if let (None, Some(name)) = (&given, environment.unreadable) {
            return Err(usage_error(ErrorKind::InvalidUtf8, &format!("{name} is no password: it is not UTF-8")));
        }
        let password = given.or(environment.password);
        let credentials = match (self.user.clone().or(uri.user), password) {
            (user, Some(password)) => Some(Credentials { user, password }),
            (None, None) => None,
            (Some(_), None) => {
                let text = "a user needs a password: set DISCNT_AUTH, or give -a";
                return Err(usage_error(ErrorKind::MissingRequiredArgument, text));
            }
        };
        let socket = self.socket.clone().or(uri.socket);
        let version = match (self.resp2, self.resp3, self.json) {
            (_, true, _) => Version::Resp3,
            (false, false, true) => Version::Resp3IfKnown,
            _ => Version::Resp2,
        };
        Ok(Settings {
            host: self.host.clone().or(uri.host).unwrap_or_else(|| "127.0.0.1".into()),
            port: self.port.or(uri.port).unwrap_or(5262),
            tls: self.encryption(uri.tls, socket.is_some())?,
            socket,
            credentials,
            version,
            connect_timeout: self.timeout,
        })
    }

    /// The address of -u, or of the environment where no option says anything of the place.
    fn address(&self, environment: Option<OsString>) -> Result<Uri, clap::Error> {
        if let Some(uri) = &self.uri {
            return Ok(uri.clone());
        }
        if self.host.is_some() || self.port.is_some() || self.socket.is_some() {
            return Ok(Uri::default());
        }
        let Some(text) = environment else {
            return Ok(Uri::default());
        };
        let Some(text) = text.to_str() else {
            let text = format!("{URL} is no address of a server: it is not UTF-8");
            return Err(usage_error(ErrorKind::InvalidUtf8, &text));
        };
        text.parse().map_err(|error: UriError| {
            // The address itself may have a password in it.
            usage_error(ErrorKind::ValueValidation, &format!("{URL} is no address of a server: {error}"))
        })
    }

    fn encryption(&self, of_address: bool, is_unix: bool) -> Result<Option<TlsSettings>, clap::Error> {
        let tls = TlsSettings {
            authorities: self.cacert.clone(),
            certificate: self.cert.clone().zip(self.key.clone()),
            server_name: self.sni.clone(),
            insecure: self.insecure,
        };
        let wanted = self.tls || of_address;
        if !wanted && tls != TlsSettings::default() {
            let text = "--cacert, --cert, --key, --sni and --insecure are of use with --tls only";
            return Err(usage_error(ErrorKind::ArgumentConflict, text));
        }
        if wanted && is_unix {
            let text = "a unix socket is not encrypted: --tls cannot be used with one";
            return Err(usage_error(ErrorKind::ArgumentConflict, text));
        }
        Ok(wanted.then_some(tls))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn settings(line: &str, url: &str, password: &str) -> Result<Settings, clap::Error> {
        let words = std::iter::once("discnt-cli").chain(line.split_whitespace());
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let environment = Environment { url: given(url).map(Into::into), password: given(password), unreadable: None };
        Arguments::try_parse_from(words).expect("options").settings(environment)
    }

    fn address(line: &str, url: &str) -> String {
        settings(line, url, "").expect("accepted").address()
    }

    fn password(line: &str, url: &str, password: &str) -> String {
        settings(line, url, password).expect("accepted").credentials.expect("a password").password
    }

    fn refusal(line: &str, url: &str) -> String {
        settings(line, url, "").expect_err("refused").to_string()
    }

    #[test]
    fn the_address_of_the_environment_counts_where_no_option_names_a_place() {
        assert_eq!(address("", "discnt://counters:7711"), "counters:7711");
        assert_eq!(address("", "unix:///run/discnt.sock"), "/run/discnt.sock");
        for (line, expected) in [
            ("-p 1", "127.0.0.1:1"),
            ("-h other", "other:5262"),
            ("-s /a.sock", "/a.sock"),
            ("-u redis://other:2", "other:2"),
        ] {
            assert_eq!(address(line, "discnt://counters:7711"), expected);
        }
        // What is not used is not looked at.
        assert_eq!(address("-p 1", "nonsense"), "127.0.0.1:1");
        assert!(settings("", "discnts://h", "").expect("accepted").tls.is_some());
    }

    #[test]
    fn options_win_over_the_address_and_the_address_over_the_password_variables() {
        let url = "discnt://app:of-url@h";
        assert_eq!(password("-a own", url, "of-variable"), "own");
        assert_eq!(password("", url, "of-variable"), "of-url");
        assert_eq!(password("-u redis://:of-option@h", url, "of-variable"), "of-option");
        assert_eq!(password("", "discnt://h", "of-variable"), "of-variable");
        assert_eq!(password("-p 1", "", "of-variable"), "of-variable");
        // A password is for the server that it stands with.
        assert_eq!(settings("-p 1", url, "").expect("accepted").credentials, None);
    }

    #[test]
    fn a_password_on_the_command_line_is_noticed() {
        let shows = |line: &str| {
            let words = std::iter::once("discnt-cli").chain(line.split_whitespace());
            Arguments::try_parse_from(words).expect("options").shows_password()
        };
        assert!(shows("-a x get a"));
        assert!(shows("-u redis://:x@h get a"));
        assert!(!shows("-u redis://h get a"));
        assert!(!shows("-a x --no-auth-warning get a"));
        assert!(!shows("get a"));
    }

    #[test]
    fn what_does_not_fit_together_is_refused_without_telling_passwords() {
        let text = refusal("", "http://:secret@h");
        assert!(text.contains("DISCNT_URL is no address of a server: an address begins"), "{text}");
        assert!(!text.contains("secret"), "{text}");
        assert!(refusal("-s /a.sock --tls", "").contains("--tls"));
        assert!(refusal("-u unix:///a.sock --tls", "").contains("--tls"));
        assert!(refusal("", "redis://h/3").contains("/3"));
    }
}
