//! Packs records into datagrams that fit the connection.

use super::FORMAT_VERSION;
use super::decimal::Writer;
use super::record::{MEMBERSHIP, NAMES_WANTED, RECORDS, Record};
use crate::base::{Incarnation, Location};
use minicbor::Encoder;

/// The ends of the run and of the datagram.
const CLOSING_BYTES: usize = 2;

/// What most records are shorter than: room for the one that turns out to be one too many.
const RECORD_BYTES: usize = 64;

/// Bytes that are ready to leave.
#[derive(Debug, PartialEq, Eq)]
pub enum Packed {
    /// Fits a datagram.
    Datagram(Vec<u8>, usize),
    /// One record that is too long for any datagram; goes by stream.
    Message(Vec<u8>),
}

/// Gathers records of one replica until a datagram is full.
#[derive(Debug)]
pub struct RecordPacker {
    incarnation: Incarnation,
    clock: u64,
    limit: usize,
    buffer: Vec<u8>,
    /// The number that the next record must have to belong to the open run.
    next: Option<u64>,
    records: usize,
}

impl RecordPacker {
    /// A packer of datagrams of at most `limit` bytes, which leave at `clock`.
    pub fn new(incarnation: Incarnation, clock: u64, limit: usize) -> Self {
        Self { incarnation, clock, limit, buffer: Vec::new(), next: None, records: 0 }
    }

    /// Adds a record, and hands over what is full because of it.
    pub fn push(&mut self, number: u64, record: &Record<'_>, ready: &mut Vec<Packed>) {
        let (before, run) = (self.buffer.len(), self.next);
        self.append(number, record);
        if before > 0 && self.buffer.len() + CLOSING_BYTES > self.limit {
            // It was one too many: it opens the next datagram instead.
            self.buffer.truncate(before);
            self.next = run;
            self.finish(ready);
            self.append(number, record);
        }
        self.records += 1;
        if self.buffer.len() + CLOSING_BYTES > self.limit {
            let bytes = self.close();
            ready.push(Packed::Message(bytes));
        }
    }

    /// Writes a record behind what is there, in a run of its own where the open one does not lead to it.
    fn append(&mut self, number: u64, record: &Record<'_>) {
        if self.buffer.is_empty() {
            self.buffer.reserve(self.limit + RECORD_BYTES);
            open(&mut self.buffer, RECORDS, |out| {
                let _ = out.u64(self.incarnation.0).and_then(|out| out.u64(self.clock));
            });
        }
        if self.next != Some(number) {
            if self.next.is_some() {
                self.buffer.push(BREAK);
            }
            let _ = Encoder::new(&mut self.buffer).begin_array().and_then(|out| out.u64(number));
        }
        record.encode(&mut Encoder::new(&mut self.buffer));
        self.next = Some(number.wrapping_add(1));
    }

    /// Hands over what has been gathered.
    pub fn finish(&mut self, ready: &mut Vec<Packed>) {
        if !self.buffer.is_empty() {
            let records = self.records;
            let bytes = self.close();
            ready.push(Packed::Datagram(bytes, records));
        }
    }

    fn close(&mut self) -> Vec<u8> {
        if self.next.take().is_some() {
            self.buffer.push(BREAK);
        }
        self.buffer.push(BREAK);
        self.records = 0;
        std::mem::take(&mut self.buffer)
    }
}

/// The end of an open-ended array.
const BREAK: u8 = 0xff;

/// Opens a datagram or message: an open array, the version, the kind.
pub(super) fn open(buffer: &mut Vec<u8>, kind: u8, more: impl FnOnce(&mut Writer<'_>)) {
    let mut out = Encoder::new(buffer);
    let _ = out.begin_array().and_then(|out| out.u8(FORMAT_VERSION)?.u8(kind));
    more(&mut out);
}

/// A whole datagram or message of one kind.
pub(super) fn sealed(kind: u8, body: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(64);
    open(&mut buffer, kind, body);
    buffer.push(BREAK);
    buffer
}

/// The membership protocol's bytes as a datagram.
pub fn encode_membership(bytes: &[u8]) -> Vec<u8> {
    sealed(MEMBERSHIP, |out| {
        let _ = out.bytes(bytes);
    })
}

/// Asks a peer for the names behind places of its table. At most 200 to a datagram.
pub fn encode_names_wanted(places: &[(Location, u64)]) -> Vec<u8> {
    sealed(NAMES_WANTED, |out| {
        let _ = out.array(places.len() as u64);
        for (location, born) in places {
            let _ = out.array(2).and_then(|out| out.u32(location.0)?.u64(*born));
        }
    })
}
