//! An import from a running Redis: every string that is a number.

use super::arguments::Import;
use super::error::TransferError;
use super::interrupt::Interrupt;
use super::pipeline::{Pipeline, unexpected};
use super::progress::grouped;
use super::record::Record;
use super::scan::{Scan, size};
use super::taking::{Taking, open_source};
use crate::cli::exit::Exit;
use crate::cli::settings::Settings;
use crate::cli::uri::Uri;
use crate::cli::value::Value;

const DEFAULT_PORT: u16 = 6379;
/// How many keys are asked for in one request.
const KEYS_PER_REQUEST: usize = 200;
/// Begins the error reply to a request that does not fit what the key holds.
const WRONG_TYPE: &[u8] = b"WRONGTYPE";

/// Imports all keys.
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
    if let Some(database) = uri.database {
        source.ask(&["SELECT", &database.to_string()])?;
    }
    let total = if arguments.pattern.is_none() { size(&mut source)? } else { 0 };
    let mut taking = Taking::new(settings, arguments, interrupt, total, false)?;
    let mut expiring = 0;
    let result = take_all(&mut source, &mut taking, arguments, &mut expiring);
    let note = (expiring > 0)
        .then(|| format!("set though Redis lets them expire, which counters do not: {}", grouped(expiring)));
    taking.finish(result, note)
}

fn take_all(
    source: &mut Pipeline,
    taking: &mut Taking<'_>,
    arguments: &Import,
    expiring: &mut u64,
) -> Result<(), TransferError> {
    let mut scan = Scan::new(arguments.pattern.clone());
    while let Some(keys) = scan.next(source)? {
        let looked_at = keys.len();
        let values = values(source, &keys)?;
        let mut records = Vec::with_capacity(keys.len());
        let mut others = Vec::new();
        for (key, value) in keys.into_iter().zip(values) {
            match value {
                Some(text) => records.extend(taking.record(key, &text)),
                None => others.push(key),
            }
        }
        leave_out_others(source, taking, &others)?;
        let expire = expire(source, &records)?;
        let mut kept = Vec::with_capacity(records.len());
        for (record, expires) in records.into_iter().zip(expire) {
            if expires && arguments.skip_expiring {
                taking.left_out.add(&mut taking.progress, &record.name, "expires");
            } else {
                *expiring += u64::from(expires);
                kept.push(record);
            }
        }
        taking.set(&kept, looked_at)?;
    }
    Ok(())
}

/// The strings of these keys; nothing for what is no string, or gone.
fn values(source: &mut Pipeline, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, TransferError> {
    for some in keys.chunks(KEYS_PER_REQUEST) {
        let words: Vec<&[u8]> = std::iter::once(&b"MGET"[..]).chain(some.iter().map(Vec::as_slice)).collect();
        source.add(&words);
    }
    let mut values = Vec::with_capacity(keys.len());
    let mut is_refused = false;
    source.run(&mut |_, reply| {
        match reply.elements() {
            Some(elements) => values.extend(elements.iter().map(|value| value.bytes().map(<[u8]>::to_vec))),
            None => is_refused = true,
        }
        Ok(())
    })?;
    // Not every server that speaks this protocol has MGET for all keys of a request.
    if is_refused || values.len() != keys.len() {
        return values_one_by_one(source, keys);
    }
    Ok(values)
}

fn values_one_by_one(source: &mut Pipeline, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, TransferError> {
    for key in keys {
        source.add(&[b"GET", &key[..]]);
    }
    let address = source.address().to_owned();
    let mut values = Vec::with_capacity(keys.len());
    source.run(&mut |_, reply| {
        values.push(match reply {
            Value::Null => None,
            Value::Error(text) if text.starts_with(WRONG_TYPE) => None,
            other => Some(other.bytes().ok_or_else(|| unexpected(&address, "GET", &other))?.to_vec()),
        });
        Ok(())
    })?;
    Ok(values)
}

/// Counts keys that are no strings by what they are.
fn leave_out_others(source: &mut Pipeline, taking: &mut Taking<'_>, keys: &[Vec<u8>]) -> Result<(), TransferError> {
    for key in keys {
        source.add(&[b"TYPE", &key[..]]);
    }
    source.run(&mut |at, reply| {
        let kind = match reply.text() {
            Some("none") => "gone meanwhile".to_owned(),
            // It may have become a string just now.
            Some(kind) => format!("type {kind}"),
            None => "not readable".to_owned(),
        };
        let key = keys.get(at).map_or(&[][..], Vec::as_slice);
        taking.left_out.add(&mut taking.progress, key, &kind);
        Ok(())
    })
}

/// Which of them Redis will let expire.
fn expire(source: &mut Pipeline, records: &[Record]) -> Result<Vec<bool>, TransferError> {
    for record in records {
        source.add(&[b"PTTL", &record.name[..]]);
    }
    let mut expire = Vec::with_capacity(records.len());
    source.run(&mut |_, reply| {
        expire.push(matches!(reply, Value::Integer(left_ms) if left_ms >= 0));
        Ok(())
    })?;
    Ok(expire)
}
