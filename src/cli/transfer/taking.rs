//! What imports from all kinds of servers have in common.

use super::arguments::Import;
use super::confirming::Confirming;
use super::error::TransferError;
use super::import::done;
use super::interrupt::Interrupt;
use super::left_out::{LeftOut, unusable_name, unusable_number};
use super::pipeline::Pipeline;
use super::progress::{Progress, grouped};
use super::record::Record;
use super::sink::Sink;
use crate::base::Amount;
use crate::cli::connection::ConnectError;
use crate::cli::exit::Exit;
use crate::cli::output::{say, warn};
use crate::cli::settings::{Credentials, Settings, TlsSettings, Version};
use crate::cli::uri::Uri;

const NO_NUMBER: &str = "no number";
const PASSWORD_VARIABLE: &str = "DISCNT_CLI_FROM_AUTH";

/// An import from a server under way.
pub(super) struct Taking<'a> {
    pub(super) sink: Sink,
    pub(super) left_out: LeftOut,
    pub(super) progress: Progress,
    /// Whether everything there should be a number.
    expects_numbers: bool,
    interrupt: &'a Interrupt,
    looked_at: u64,
}

impl<'a> Taking<'a> {
    /// Nothing taken yet, of about `total` keys.
    ///
    /// # Errors
    /// [`TransferError::Connect`], where the server that is imported into is not there.
    pub(super) fn new(
        settings: &Settings,
        arguments: &Import,
        interrupt: &'a Interrupt,
        total: u64,
        expects_numbers: bool,
    ) -> Result<Self, TransferError> {
        let sink = Sink::new(Pipeline::open(settings)?, arguments.skip_existing);
        let left_out = LeftOut::new(arguments.verbose);
        Ok(Self { sink, left_out, progress: Progress::new("keys", total), expects_numbers, interrupt, looked_at: 0 })
    }

    /// The counter that a key can be, or nothing: then the key is left out.
    pub(super) fn record(&mut self, name: Vec<u8>, text: &[u8]) -> Option<Record> {
        let unusable = match Amount::parse_exact(text) {
            Ok(value) => match unusable_name(&name) {
                None => return Some(Record { name, value, precision: None }),
                Some(kind) => kind,
            },
            Err(error) => match unusable_number(error) {
                Some(kind) => kind,
                None if self.expects_numbers => NO_NUMBER,
                None => {
                    self.left_out.add(&mut self.progress, &name, NO_NUMBER);
                    return None;
                }
            },
        };
        self.left_out.add_number(&mut self.progress, &name, text, unusable);
        None
    }

    /// Sets counters; so many more keys were looked at for it.
    ///
    /// # Errors
    /// [`TransferError`], and [`TransferError::Interrupted`] when the user wants it to end.
    pub(super) fn set(&mut self, records: &[Record], looked_at: usize) -> Result<(), TransferError> {
        self.sink.write(records).map_err(|(_, error)| error)?;
        self.looked_at += looked_at as u64;
        self.progress.at(self.looked_at);
        self.interrupt.set_last_words(format!("{}, and perhaps some more; {AGAIN}", done(&self.sink)));
        if self.interrupt.is_asked() { Err(TransferError::Interrupted) } else { Ok(()) }
    }

    /// Tells how it went. `note` is what else is to be said.
    ///
    /// # Errors
    /// That of the output.
    pub(super) fn finish(
        mut self,
        result: Result<(), TransferError>,
        note: Option<String>,
    ) -> Result<Exit, TransferError> {
        let mut confirming = Confirming::new();
        let result = result.and_then(|()| confirming.ask_at_end(&mut self.sink, self.interrupt));
        self.progress.clear();
        let left_out = self.left_out.summary();
        if let Err(error) = result {
            left_out.iter().for_each(warn);
            warn(format_args!("{error}; {}; {AGAIN}", done(&self.sink)));
            return Ok(error.exit());
        }
        let seconds = self.progress.elapsed().as_secs_f64();
        let mut text = format!("{}; it took {seconds:.1} s{}", done(&self.sink), confirming.doubt());
        for line in left_out.into_iter().chain(note) {
            text.push('\n');
            text.push_str(&line);
        }
        say(text).map_err(TransferError::Output)?;
        if self.left_out.numbers() == 0 {
            return Ok(Exit::Answered);
        }
        let numbers = grouped(self.left_out.numbers());
        warn(format_args!("numbers that could not be imported: {numbers}; --verbose lists them"));
        Ok(Exit::Failed)
    }
}

const AGAIN: &str = "the same command again sets what is missing, and the rest to the same values";

/// A connection to the server that is imported from.
///
/// # Errors
/// [`TransferError`].
pub(super) fn open_source(
    settings: &Settings,
    arguments: &Import,
    uri: &Uri,
    default_port: u16,
) -> Result<Pipeline, TransferError> {
    let environment = std::env::var(PASSWORD_VARIABLE).ok().filter(|password| !password.is_empty());
    let password = uri.password.clone().or(environment);
    let tls = TlsSettings {
        authorities: arguments.from_cacert.clone(),
        certificate: None,
        server_name: arguments.from_sni.clone(),
        insecure: arguments.from_insecure,
    };
    if !uri.tls && tls != TlsSettings::default() {
        let text = "--from-cacert, --from-sni and --from-insecure are of use with rediss:// only";
        return Err(TransferError::Given(text.to_owned()));
    }
    let source = Settings {
        host: uri.host.clone().unwrap_or_else(|| "127.0.0.1".to_owned()),
        port: uri.port.unwrap_or(default_port),
        socket: uri.socket.clone(),
        credentials: password.map(|password| Credentials { user: uri.user.clone(), password }),
        tls: uri.tls.then_some(tls),
        version: Version::Resp2,
        connect_timeout: settings.connect_timeout,
    };
    Pipeline::open(&source).map_err(|error| match error {
        TransferError::Connect(ConnectError::Refused { address, reason }) => TransferError::Source { address, reason },
        // The options have names of their own here.
        TransferError::Connect(error @ ConnectError::Tls { .. }) => {
            let reason = error.to_string();
            let reason = ["cacert", "sni", "insecure"]
                .iter()
                .fold(reason, |reason, option| reason.replace(&format!("--{option}"), &format!("--from-{option}")));
            TransferError::Source { address: source.address(), reason }
        }
        other => other,
    })
}
