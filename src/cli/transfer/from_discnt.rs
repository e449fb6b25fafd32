//! An import from a running node of the C program Discnt: every counter, by KEYS and GET.

use super::arguments::Import;
use super::error::TransferError;
use super::interrupt::Interrupt;
use super::pipeline::{Pipeline, unexpected};
use super::record::shown;
use super::scan::names_of;
use super::sink::BATCH;
use super::taking::{Taking, open_source};
use crate::cli::exit::Exit;
use crate::cli::settings::Settings;
use crate::cli::uri::Uri;
use crate::cli::value::Value;

const DEFAULT_PORT: u16 = 5262;

/// Imports all counters.
///
/// # Errors
/// [`TransferError`].
pub(super) fn run(
    settings: &Settings,
    arguments: &Import,
    uri: &Uri,
    interrupt: &Interrupt,
) -> Result<Exit, TransferError> {
    let mut source = open_source(settings, arguments, uri, DEFAULT_PORT)?;
    let reply = source.ask(&["KEYS", arguments.pattern.as_deref().unwrap_or("*")])?;
    let names = names_of(&reply).ok_or_else(|| source.unexpected("KEYS", &reply))?;
    drop(reply);
    let mut taking = Taking::new(settings, arguments, interrupt, names.len() as u64, true)?;
    let result = names.chunks(BATCH).try_for_each(|some| take(&mut source, &mut taking, some));
    taking.finish(result, None)
}

fn take(source: &mut Pipeline, taking: &mut Taking<'_>, names: &[Vec<u8>]) -> Result<(), TransferError> {
    for name in names {
        source.add(&[b"GET", &name[..]]);
    }
    let address = source.address().to_owned();
    let mut records = Vec::with_capacity(names.len());
    source.run(&mut |at, reply| {
        let name = names.get(at).cloned().unwrap_or_default();
        // Its replies are texts such as 12.34000; with another program's shape of replies they may be integers.
        let text = match reply {
            Value::Integer(number) => number.to_string().into_bytes(),
            other => match other.bytes() {
                Some(text) => text.to_vec(),
                None => return Err(unexpected(&address, &format!("GET of {}", shown(&name)), &other)),
            },
        };
        records.extend(taking.record(name, &text));
        Ok(())
    })?;
    taking.set(&records, names.len())
}
