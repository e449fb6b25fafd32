//! The `[resp]` section of the configuration.

use std::fmt;
use std::num::NonZero;
use std::path::PathBuf;
use std::thread;

use serde::{Deserialize, Serialize};

use super::ListenerError;
use super::tls::{CertificateUser, ClientCertificates};
use super::unix::{self, SocketMode};
use crate::command::{DEFAULT_FREE_FAILURES, ReplyShape, SubscriptionLimits};
use crate::resp::Limits;

/// How clients are served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Addresses to listen on, IPv4 or IPv6, separated by commas or blanks.
    pub bind: String,
    /// TCP port; 0 lets the system choose.
    pub port: u16,
    /// What clients must say with AUTH before anything else; none means that nobody is asked.
    pub password: Option<Password>,
    /// A file whose first line is that password.
    pub password_file: Option<PathBuf>,
    /// So many wrong logins of one address are taken before it has to wait, and then one in six seconds; 0 for any number.
    pub max_login_failures: u32,
    /// A file of users, for ACL LOAD and ACL SAVE.
    pub acl_file: Option<PathBuf>,
    /// Whether clients may connect over TCP without TLS.
    pub plaintext: bool,
    /// TCP port for clients that speak TLS; 0 lets the system choose, none means that there is no such port.
    pub tls_port: Option<u16>,
    /// The server's certificate and what leads to its authority, in PEM.
    pub tls_cert: Option<PathBuf>,
    /// The key of that certificate, in PEM.
    pub tls_key: Option<PathBuf>,
    /// The authorities of the certificates that clients show, in PEM.
    pub tls_ca_cert: Option<PathBuf>,
    /// Which certificates clients show.
    pub tls_client_certificates: ClientCertificates,
    /// Which name in a client's certificate is that of its user.
    pub tls_certificate_user: CertificateUser,
    /// The most clients that may be in the middle of a handshake; one more is closed.
    pub tls_max_handshakes: u32,
    /// How long a handshake may take.
    pub tls_handshake_seconds: u32,
    /// Which replies the counting commands give: those of Redis, or those of the C program Discnt.
    pub replies: ReplyShape,
    /// The most clients at once; one more is refused with an error.
    pub max_clients: u32,
    /// The most arguments of one request.
    pub max_arguments: u32,
    /// The longest argument, in bytes.
    pub max_bulk_bytes: u32,
    /// The longest inline request, in bytes.
    pub max_inline_bytes: u32,
    /// The longest request as a whole, in bytes.
    pub max_request_bytes: u32,
    /// A client that leaves more than this many bytes of replies unread is not read from until it has caught up.
    pub output_buffer_bytes: u32,
    /// The most names and patterns that one client may be subscribed to.
    pub max_subscriptions: u32,
    /// The most names and patterns that all clients together may be subscribed to.
    pub max_subscriptions_in_all: u32,
    /// The most messages of patterns that may wait for one client; with more the connection is closed.
    pub max_unsent_messages: u32,
    /// Threads that serve clients; 0 is one for each core but one.
    pub threads: u16,
    /// Microseconds for which a thread that is busy but not full lets requests gather, beside the system's timer slack; 0 is
    /// not at all.
    pub coalesce_usec: u32,
    /// Seconds of silence after which the system asks whether the client is still there; 0 never asks.
    pub tcp_keepalive_secs: u32,
    /// Whether clients of other machines are refused while there is no password.
    pub protected_mode: bool,
    /// The path of a socket to listen on as well.
    pub unix_socket: Option<PathBuf>,
    /// Who may connect there, as `chmod` has it.
    pub unix_socket_mode: SocketMode,
    /// A client that is silent for this many seconds is closed; 0 never.
    pub timeout_seconds: u32,
    /// So many requests of one client are run before the thread's other clients have their turn.
    pub requests_per_turn: u32,
    /// A client that is not subscribed is closed when it leaves more than this unread; 0 for any number.
    pub normal_output_hard_bytes: u64,
    /// The same for who leaves more than this unread for long; 0 for any number.
    pub normal_output_soft_bytes: u64,
    /// How long that is.
    pub normal_output_soft_seconds: u32,
    /// A subscriber is closed when it leaves more than this unread; 0 for any number.
    pub pubsub_output_hard_bytes: u64,
    /// The same for who leaves more than this unread for long; 0 for any number.
    pub pubsub_output_soft_bytes: u64,
    /// How long that is.
    pub pubsub_output_soft_seconds: u32,
}

impl Default for Config {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            bind: "127.0.0.1".to_owned(),
            port: 5262,
            password: None,
            password_file: None,
            max_login_failures: DEFAULT_FREE_FAILURES,
            acl_file: None,
            plaintext: true,
            tls_port: None,
            tls_cert: None,
            tls_key: None,
            tls_ca_cert: None,
            tls_client_certificates: ClientCertificates::No,
            tls_certificate_user: CertificateUser::No,
            tls_max_handshakes: 256,
            tls_handshake_seconds: 10,
            replies: ReplyShape::Redis,
            max_clients: 10_000,
            max_arguments: limits.max_arguments,
            max_bulk_bytes: limits.max_bulk_bytes,
            max_inline_bytes: limits.max_inline_bytes,
            max_request_bytes: limits.max_request_bytes,
            output_buffer_bytes: 1 << 20,
            max_subscriptions: 10_000,
            max_subscriptions_in_all: 1_000_000,
            max_unsent_messages: 100_000,
            threads: 0,
            coalesce_usec: 1,
            tcp_keepalive_secs: 300,
            protected_mode: true,
            unix_socket: None,
            unix_socket_mode: SocketMode::default(),
            timeout_seconds: 0,
            requests_per_turn: 256,
            normal_output_hard_bytes: 0,
            normal_output_soft_bytes: 0,
            normal_output_soft_seconds: 0,
            pubsub_output_hard_bytes: 32 << 20,
            pubsub_output_soft_bytes: 8 << 20,
            pubsub_output_soft_seconds: 60,
        }
    }
}

impl Config {
    /// Refuses settings that are out of bounds or contradict each other.
    ///
    /// # Errors
    /// [`ListenerError::Setting`], which names the key, what was given and what is allowed.
    pub fn check(&self) -> Result<(), ListenerError> {
        at_least("max_clients", self.max_clients, 1)?;
        at_least("max_arguments", self.max_arguments, 16)?;
        at_least("max_bulk_bytes", self.max_bulk_bytes, 1024)?;
        at_least("max_inline_bytes", self.max_inline_bytes, 1024)?;
        at_least("output_buffer_bytes", self.output_buffer_bytes, 1024)?;
        within("max_subscriptions", self.max_subscriptions, 1, 10_000_000)?;
        within("max_subscriptions_in_all", self.max_subscriptions_in_all, 1, 10_000_000)?;
        within("max_unsent_messages", self.max_unsent_messages, 100, 100_000_000)?;
        // Spans are 32 bits wide, and a reader must be able to hold one request.
        within("max_request_bytes", self.max_request_bytes, 4096, 1 << 30)?;
        within("threads", u32::from(self.threads), 0, 256)?;
        within("coalesce_usec", self.coalesce_usec, 0, 10_000)?;
        within("requests_per_turn", self.requests_per_turn, 1, 1 << 30)?;
        within("normal_output_soft_seconds", self.normal_output_soft_seconds, 0, 86_400)?;
        within("pubsub_output_soft_seconds", self.pubsub_output_soft_seconds, 0, 86_400)?;
        within("max_login_failures", self.max_login_failures, 0, 1_000_000)?;
        within("tls_max_handshakes", self.tls_max_handshakes, 1, 100_000)?;
        within("tls_handshake_seconds", self.tls_handshake_seconds, 1, 300)?;
        self.check_output_limits()?;
        self.check_access()?;
        if let Some(path) = &self.unix_socket {
            let given = path.display().to_string();
            unix::check_path(path).map_err(|allowed| ListenerError::Setting { key: "unix_socket", given, allowed })?;
        }
        if self.max_bulk_bytes >= self.max_request_bytes {
            return Err(ListenerError::Setting {
                key: "max_bulk_bytes",
                given: self.max_bulk_bytes.to_string(),
                allowed: format!("less than max_request_bytes, which is {}", self.max_request_bytes),
            });
        }
        Ok(())
    }

    /// Which settings of passwords and TLS fit together. The files are not looked at.
    fn check_access(&self) -> Result<(), ListenerError> {
        let refuse = |key, given: &str, allowed: &str| {
            Err(ListenerError::Setting { key, given: given.to_owned(), allowed: allowed.to_owned() })
        };
        if self.password.as_ref().is_some_and(Password::is_empty) {
            return refuse("password", "\"\"", "a text that is not empty, or no such line at all");
        }
        if self.password.is_some()
            && let Some(path) = &self.password_file
        {
            return refuse("password_file", &path.display().to_string(), "one of password and password_file");
        }
        let Some(tls_port) = self.tls_port else {
            return match self.plaintext {
                true => Ok(()),
                false => refuse("plaintext", "false", "true, unless tls_port is set"),
            };
        };
        if tls_port != 0 && self.plaintext && tls_port == self.port {
            return refuse("tls_port", &tls_port.to_string(), "another port than port, unless plaintext = false");
        }
        if self.tls_cert.is_none() || self.tls_key.is_none() {
            let key = if self.tls_cert.is_none() { "tls_cert" } else { "tls_key" };
            return refuse(key, "not set", "a file in PEM, as tls_port is set");
        }
        let asks = self.tls_client_certificates != ClientCertificates::No;
        if asks && self.tls_ca_cert.is_none() {
            return refuse("tls_ca_cert", "not set", "a file in PEM, as tls_client_certificates are asked for");
        }
        if !asks && self.tls_certificate_user != CertificateUser::No {
            return refuse("tls_certificate_user", "a name", "\"no\", unless tls_client_certificates are asked for");
        }
        Ok(())
    }

    fn check_output_limits(&self) -> Result<(), ListenerError> {
        for (keys, hard, soft) in [
            (
                ["normal_output_hard_bytes", "normal_output_soft_bytes"],
                self.normal_output_hard_bytes,
                self.normal_output_soft_bytes,
            ),
            (
                ["pubsub_output_hard_bytes", "pubsub_output_soft_bytes"],
                self.pubsub_output_hard_bytes,
                self.pubsub_output_soft_bytes,
            ),
        ] {
            let refuse =
                |key, given: u64, allowed| Err(ListenerError::Setting { key, given: given.to_string(), allowed });
            let most = 1 << 40;
            for (key, given) in keys.into_iter().zip([hard, soft]) {
                if given > most {
                    return refuse(key, given, format!("0 to {most}"));
                }
            }
            // Replies are gathered up to there before they are written at all.
            let gathered = u64::from(self.output_buffer_bytes);
            if hard > 0 && hard < gathered {
                let allowed = format!("0, or at least output_buffer_bytes, which is {gathered}");
                return refuse(keys[0], hard, allowed);
            }
            if hard > 0 && soft > hard {
                return refuse(keys[1], soft, format!("at most {}, which is {hard}", keys[0]));
            }
        }
        Ok(())
    }

    /// How many threads serve clients.
    pub fn thread_count(&self) -> usize {
        match self.threads {
            // The node's own thread, the disk and the network share the last core.
            0 => thread::available_parallelism().map_or(1, NonZero::get).saturating_sub(1).max(1),
            threads => usize::from(threads),
        }
    }

    /// How many subscriptions there may be.
    pub fn subscription_limits(&self) -> SubscriptionLimits {
        SubscriptionLimits {
            per_client: self.max_subscriptions as usize,
            in_all: self.max_subscriptions_in_all as usize,
            unsent_messages: self.max_unsent_messages as usize,
        }
    }

    /// What one request may ask for.
    pub fn limits(&self) -> Limits {
        Limits {
            max_arguments: self.max_arguments,
            max_bulk_bytes: self.max_bulk_bytes,
            max_inline_bytes: self.max_inline_bytes,
            max_request_bytes: self.max_request_bytes,
        }
    }
}

fn at_least(key: &'static str, given: u32, least: u32) -> Result<(), ListenerError> {
    within(key, given, least, u32::MAX)
}

fn within(key: &'static str, given: u32, least: u32, most: u32) -> Result<(), ListenerError> {
    if (least..=most).contains(&given) {
        return Ok(());
    }
    Err(ListenerError::Setting { key, given: given.to_string(), allowed: format!("{least} to {most}") })
}

/// A secret that logs do not show.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Password {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_bounds() {
        assert!(Config::default().check().is_ok());
    }

    #[test]
    fn the_replies_take_one_of_two_shapes() {
        let config: Config = toml::from_str("replies = \"discnt\"").expect("a shape");
        assert_eq!(config.replies, ReplyShape::Discnt);
        let error = toml::from_str::<Config>("replies = \"resp\"").expect_err("no such shape");
        assert!(error.to_string().contains("expected `redis` or `discnt`"), "{error}");
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let error = toml::from_str::<Config>("prot = 1").expect_err("no such key");
        assert!(error.to_string().contains("unknown field `prot`"), "{error}");
    }

    #[test]
    fn a_setting_out_of_bounds_is_refused_with_its_bounds() {
        for (text, message) in [
            ("max_clients = 0", "[resp] max_clients = 0: allowed is 1 to 4294967295"),
            ("requests_per_turn = 0", "[resp] requests_per_turn = 0: allowed is 1 to 1073741824"),
            ("normal_output_soft_seconds = 86401", "[resp] normal_output_soft_seconds = 86401: allowed is 0 to 86400"),
            (
                "normal_output_hard_bytes = 2000000\nnormal_output_soft_bytes = 3000000",
                "[resp] normal_output_soft_bytes = 3000000: allowed is at most normal_output_hard_bytes, which is 2000000",
            ),
            (
                "pubsub_output_hard_bytes = 1048575",
                "[resp] pubsub_output_hard_bytes = 1048575: allowed is 0, or at least output_buffer_bytes, which is 1048576",
            ),
            (
                "pubsub_output_soft_bytes = 1099511627777",
                "[resp] pubsub_output_soft_bytes = 1099511627777: allowed is 0 to 1099511627776",
            ),
            ("unix_socket = \"\"", "[resp] unix_socket = : allowed is a path of 1 to 107 bytes"),
            ("threads = 300", "[resp] threads = 300: allowed is 0 to 256"),
            (
                "max_bulk_bytes = 5000\nmax_request_bytes = 5000",
                "[resp] max_bulk_bytes = 5000: allowed is less than max_request_bytes, which is 5000",
            ),
            ("password = \"\"", "[resp] password = \"\": allowed is a text that is not empty, or no such line at all"),
        ] {
            let config: Config = toml::from_str(text).expect("well-formed");
            let error = config.check().expect_err(text);
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn a_password_is_not_shown_to_whoever_prints_the_configuration() {
        let config: Config = toml::from_str("password = \"hunter2\"").expect("well-formed");
        assert!(!format!("{config:?}").contains("hunter2"));
        assert_eq!(config.password.as_ref().map(Password::reveal), Some("hunter2"));
    }
}
