//! Counters into a server.

use std::time::Duration;

use super::error::TransferError;
use super::pipeline::{Pipeline, unexpected};
use super::record::{Record, shown};
use crate::cli::value::Value;

/// How many counters are handed to [`Sink::write`] at a time.
pub(super) const BATCH: usize = 4096;
/// How long a server may take to say that everything is on its disk.
pub(super) const CONFIRMATION: Duration = Duration::from_secs(5);

/// What of all that was set is on the server's disk.
pub(super) enum OnDisk {
    /// Everything.
    All,
    /// Not everything within [`CONFIRMATION`].
    NotYet,
    /// It does not tell; why.
    Unknown(String),
}

/// The server that counters go to.
pub(super) struct Sink {
    pipeline: Pipeline,
    skip_existing: bool,
    /// How many counters were set.
    pub(super) set: u64,
    /// How many were left as they are, because they existed.
    pub(super) skipped: u64,
}

impl Sink {
    /// Sets all counters, or only those that do not exist.
    pub(super) fn new(pipeline: Pipeline, skip_existing: bool) -> Self {
        Self { pipeline, skip_existing, set: 0, skipped: 0 }
    }

    /// Where they go.
    pub(super) fn address(&self) -> &str {
        self.pipeline.address()
    }

    /// Asks the server to write what was set, and whether that is on its disk.
    ///
    /// # Errors
    /// [`TransferError::Lost`].
    pub(super) fn ask_for_disk(&mut self) -> Result<OnDisk, TransferError> {
        let timeout = CONFIRMATION.as_millis().to_string();
        match self.pipeline.ask(&["WAITAOF", "1", "0", &timeout]) {
            Ok(answer) => Ok(match answer.elements() {
                Some([Value::Integer(0), _]) => OnDisk::NotYet,
                Some([Value::Integer(_), _]) => OnDisk::All,
                _ => OnDisk::Unknown("it was answered with something else than was expected".to_owned()),
            }),
            // Not every server knows it, and one that writes nothing by itself has nothing to say.
            Err(TransferError::Refused { reason, .. }) => Ok(OnDisk::Unknown(reason)),
            Err(error) => Err(error),
        }
    }

    /// Sets these counters, in their order.
    ///
    /// # Errors
    /// How many of them are certainly done, and what happened. Some of the others may be done as well.
    pub(super) fn write(&mut self, records: &[Record]) -> Result<(), (usize, TransferError)> {
        let exist = if self.skip_existing { self.existing(records).map_err(|error| (0, error))? } else { Vec::new() };
        // Two answers for a counter with a precision: it is done with its second.
        let mut last_of = Vec::new();
        let mut request_of = Vec::new();
        for (at, record) in records.iter().enumerate() {
            if exist.get(at) == Some(&true) {
                continue;
            }
            self.pipeline.add(&[b"SET", &record.name[..], record.value.to_string().as_bytes()]);
            request_of.push((at, "SET"));
            if let Some(precision) = record.precision {
                self.pipeline.add(&[b"PRECISION", &record.name[..], precision.to_string().as_bytes()]);
                request_of.push((at, "PRECISION"));
            }
            last_of.push(request_of.len() - 1);
        }
        let address = self.pipeline.address().to_owned();
        let mut answered = 0;
        let result = self.pipeline.run(&mut |at, reply| {
            if reply.bytes().is_none() {
                let (record, request) = request_of.get(at).copied().unwrap_or_default();
                let name = records.get(record).map_or(&[][..], |record| &record.name);
                return Err(unexpected(&address, &format!("{request} of {}", shown(name)), &reply));
            }
            answered = at + 1;
            Ok(())
        });
        self.set += last_of.partition_point(|last| *last < answered) as u64;
        let done = request_of.get(answered).map_or(records.len(), |(record, _)| *record);
        self.skipped += exist.iter().take(done).filter(|exists| **exists).count() as u64;
        result.map_err(|error| (done, error))
    }

    fn existing(&mut self, records: &[Record]) -> Result<Vec<bool>, TransferError> {
        for record in records {
            self.pipeline.add(&[b"EXISTS", &record.name[..]]);
        }
        let address = self.pipeline.address().to_owned();
        let mut exist = Vec::with_capacity(records.len());
        self.pipeline.run(&mut |_, reply| match reply {
            Value::Integer(count) => {
                exist.push(count != 0);
                Ok(())
            }
            other => Err(unexpected(&address, "EXISTS", &other)),
        })?;
        Ok(exist)
    }
}
