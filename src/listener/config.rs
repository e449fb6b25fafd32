//! The `[resp]` section of the configuration.

use std::fmt;
use std::num::NonZero;
use std::thread;

use serde::{Deserialize, Serialize};

use super::ListenerError;
use crate::command::ReplyShape;

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
    /// The shape of replies to the counting commands.
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
    /// Threads that serve clients; 0 is one a core.
    pub threads: u16,
    /// Seconds of silence after which the system asks whether the client is still there; 0 never asks.
    pub tcp_keepalive_secs: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind: "127.0.0.1".to_owned(),
            port: 5262,
            password: None,
            replies: ReplyShape::Redis,
            max_clients: 10_000,
            max_arguments: 1 << 20,
            max_bulk_bytes: 1 << 20,
            max_inline_bytes: 64 << 10,
            max_request_bytes: 64 << 20,
            output_buffer_bytes: 1 << 20,
            threads: 0,
            tcp_keepalive_secs: 300,
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
        // Spans are 32 bits wide, and a reader must be able to hold one request.
        within("max_request_bytes", self.max_request_bytes, 4096, 1 << 30)?;
        within("threads", u32::from(self.threads), 0, 256)?;
        if self.max_bulk_bytes >= self.max_request_bytes {
            return Err(ListenerError::Setting {
                key: "max_bulk_bytes",
                given: self.max_bulk_bytes.to_string(),
                allowed: format!("less than max_request_bytes, which is {}", self.max_request_bytes),
            });
        }
        if self.password.as_ref().is_some_and(Password::is_empty) {
            return Err(ListenerError::Setting {
                key: "password",
                given: "\"\"".to_owned(),
                allowed: "a text that is not empty, or no such line at all".to_owned(),
            });
        }
        Ok(())
    }

    /// How many threads serve clients.
    pub fn thread_count(&self) -> usize {
        match self.threads {
            0 => thread::available_parallelism().map_or(1, NonZero::get),
            threads => usize::from(threads),
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
