//! What version 1 of the protocol takes, to the letter: every array of exactly so many parts. Written from what it said and
//! not from the decoders, and so strict that it stands for a program of that time.
//!
//! The same walk can write a datagram or message again with one more part at the end of every array of a fixed length: that
//! is how a later version adds to it.

#![allow(dead_code, reason = "the simulation checks and does not extend")]

use ciborium::Value;
use std::io::Cursor;

/// What a place may hold.
enum Shape {
    Number,
    Decimal,
    Float,
    Bytes,
    Id,
    Text,
    Flag,
    Maybe(&'static Shape),
    /// Exactly these.
    Tuple(&'static [Shape]),
    /// Any number of these.
    List(&'static Shape),
    /// What a writer had seen of a replica.
    Observed,
    Item,
    /// A message of the failure detector.
    Probe,
}

use Shape::{Bytes, Decimal, Flag, Float, Id, Item, List, Maybe, Number, Observed, Probe, Text, Tuple};

const RANGE: Shape = Tuple(&[Number, Number]);
const MEMBER: Shape = Tuple(&[Id, Number, Text, Number, Number, Flag]);

/// What follows version and kind.
const fn body(kind: u64) -> Option<&'static [Shape]> {
    Some(match kind {
        2 => &[Bytes],
        3 => &[List(&RANGE)],
        4 => &[Number, Number, Number, Number, Number, Number, Maybe(&RANGE)],
        16 => &[Number, Text, Number, Number, Flag, Text, Number, Decimal, Number],
        17 => &[Number, List(&Tuple(&[Id, Number, Number, Number, Number]))],
        18 => &[List(&Tuple(&[Id, Number, Number, List(&RANGE), Number]))],
        19 => &[Number, List(&Tuple(&[Id, Number])), List(&Item)],
        20 => &[Number, List(&Tuple(&[Id, Number, Number, List(&RANGE)]))],
        21 => &[List(&Tuple(&[Id, Number, Number]))],
        22 | 26 => &[Number],
        23 | 24 | 28 => &[],
        25 => &[Number, Number],
        27 => &[List(&List(&Id))],
        _ => return None,
    })
}

/// What follows the kind of a record.
const fn record(kind: u64) -> Option<&'static [Shape]> {
    Some(match kind {
        0 => &[Number, Number, Decimal],
        1 | 3 => &[Number, Number, Decimal, Float, Number],
        4 => &[Number, Number, Decimal, Bytes],
        5 | 7 => &[Number, Number, Decimal, Float, Number, Bytes],
        8 => &[Bytes, Number, Decimal, Flag, List(&Observed)],
        9 => &[Bytes, Number, Decimal],
        10 => &[Bytes, Id, Number, Number],
        _ => return None,
    })
}

/// What follows the kind of an item of a repair.
const fn item(kind: u64) -> Option<&'static [Shape]> {
    Some(match kind {
        0 => &[Number, Number, Bytes, Maybe(&Number), Number, Decimal],
        1 | 3 => &[Number, Number, Bytes, Maybe(&Number), Number, Decimal, Float, Number],
        8 => &[Number, Number, Bytes, Number, Decimal, Flag, List(&Observed)],
        9 => &[Number, Number, Bytes, Number, Decimal],
        10 => &[Number, Number, Bytes, Number, Number],
        _ => return None,
    })
}

/// Walks over one datagram or message.
struct Walk {
    /// What it is written again as.
    out: Vec<u8>,
    /// One more part for every array of a fixed length.
    further: Option<Value>,
}

/// Whether a program of version 1 takes this; the error says what it would refuse.
pub(crate) fn check(bytes: &[u8]) -> Result<(), String> {
    walk(bytes, None).map(drop)
}

/// The same, with one more part wherever a later version may put one.
pub(crate) fn extend(bytes: &[u8], further: Value) -> Result<Vec<u8>, String> {
    walk(bytes, Some(further))
}

fn walk(bytes: &[u8], further: Option<Value>) -> Result<Vec<u8>, String> {
    if bytes.first() != Some(&0x9f) {
        return Err("it is no open array".into());
    }
    let value: Value = ciborium::from_reader(bytes).map_err(|error| error.to_string())?;
    let parts = value.as_array().ok_or("it is no array")?;
    let [version, kind, rest @ ..] = parts.as_slice() else { return Err("it has no version and kind".into()) };
    if number(version)? != 1 {
        return Err(format!("it is of version {version:?}"));
    }
    let kind = number(kind)?;
    let mut walk = Walk { out: vec![0x9f], further };
    walk.number(1);
    walk.number(kind);
    match kind {
        1 => walk.records(rest)?,
        2 => {
            let [Value::Bytes(inner)] = rest else { return Err("it is no packet of the membership".into()) };
            let inner = walk.membership(inner)?;
            walk.value(&Value::Bytes(inner));
        }
        _ => walk.parts(rest, body(kind).ok_or_else(|| format!("there is no kind {kind}"))?)?,
    }
    let further = walk.further.clone();
    further.iter().for_each(|further| walk.value(further));
    walk.out.push(0xff);
    Ok(walk.out)
}

fn number(value: &Value) -> Result<u64, String> {
    let number = value.as_integer().and_then(|integer| u64::try_from(integer).ok());
    number.ok_or_else(|| format!("{value:?} is no number"))
}

impl Walk {
    fn value(&mut self, value: &Value) {
        match value {
            // The codec writes floats as short as they can be; records have 32 bits.
            Value::Float(float) => {
                self.out.push(0xfa);
                self.out.extend_from_slice(&(*float as f32).to_be_bytes());
            }
            other => ciborium::into_writer(other, &mut self.out).expect("a vector takes all"),
        }
    }

    fn number(&mut self, number: u64) {
        self.value(&Value::Integer(number.into()));
    }

    /// The head of an array of so many parts.
    fn head(&mut self, parts: usize) {
        let mut head = Vec::new();
        ciborium::into_writer(&Value::Integer((parts as u64).into()), &mut head).expect("a vector takes all");
        head[0] |= 0x80;
        self.out.append(&mut head);
    }

    fn records(&mut self, parts: &[Value]) -> Result<(), String> {
        let [incarnation, clock, runs @ ..] = parts else { return Err("there is no clock".into()) };
        self.parts(&[incarnation.clone(), clock.clone()], &[Number, Number])?;
        for run in runs {
            let run = run.as_array().ok_or("a run is no array")?;
            let (first, records) = run.split_first().ok_or("a run has no number")?;
            self.out.push(0x9f);
            self.number(number(first)?);
            for one in records {
                self.of_kind(one, record)?;
            }
            self.out.push(0xff);
        }
        Ok(())
    }

    /// An array that begins with what it is.
    fn of_kind(&mut self, value: &Value, shapes: fn(u64) -> Option<&'static [Shape]>) -> Result<(), String> {
        let parts = value.as_array().ok_or("no array")?;
        let (kind, parts) = parts.split_first().ok_or("an empty array")?;
        let kind = number(kind)?;
        let shapes = shapes(kind).ok_or_else(|| format!("{kind} is no kind of it"))?;
        self.head(shapes.len() + 1 + usize::from(self.further.is_some()));
        self.number(kind);
        self.parts(parts, shapes)?;
        self.add_further();
        Ok(())
    }

    fn add_further(&mut self) {
        let further = self.further.clone();
        further.iter().for_each(|further| self.value(further));
    }

    fn tuple(&mut self, parts: &[Value], shapes: &'static [Shape]) -> Result<(), String> {
        self.head(shapes.len() + usize::from(self.further.is_some()));
        self.parts(parts, shapes)?;
        self.add_further();
        Ok(())
    }

    fn parts(&mut self, parts: &[Value], shapes: &'static [Shape]) -> Result<(), String> {
        if parts.len() != shapes.len() {
            return Err(format!("{} parts instead of {}: {parts:?}", parts.len(), shapes.len()));
        }
        parts.iter().zip(shapes).try_for_each(|(part, shape)| self.part(part, shape))
    }

    fn part(&mut self, value: &Value, shape: &'static Shape) -> Result<(), String> {
        let fits = match (shape, value) {
            (Tuple(shapes), Value::Array(parts)) => return self.tuple(parts, shapes),
            (List(shape), Value::Array(parts)) => {
                self.head(parts.len());
                return parts.iter().try_for_each(|part| self.part(part, shape));
            }
            (Observed, Value::Array(parts)) => {
                let seen: &'static [Shape] = match parts.len() {
                    3 => &[Id, Number, Number],
                    _ => &[Id, Number, Number, Number, Number, Decimal],
                };
                return self.tuple(parts, seen);
            }
            (Item, item_of_repair) => return self.of_kind(item_of_repair, item),
            (Probe, probe) => return self.of_kind(probe, probe_parts),
            (Maybe(_), Value::Null) => true,
            (Maybe(shape), value) => return self.part(value, shape),
            (Number, value) => number(value).is_ok(),
            (Decimal, Value::Integer(integer)) => i64::try_from(*integer).is_ok(),
            (Decimal, Value::Tag(4, parts)) => parts.as_array().is_some_and(|parts| parts.len() == 2),
            (Float, Value::Float(_)) | (Bytes, Value::Bytes(_)) | (Text, Value::Text(_)) | (Flag, Value::Bool(_)) => {
                true
            }
            (Id, Value::Bytes(bytes)) => bytes.len() == 20,
            _ => false,
        };
        if !fits {
            return Err(format!("{value:?} is out of place"));
        }
        self.value(value);
        Ok(())
    }

    /// What the failure detectors say: a byte that says what it is, then values one behind the other.
    fn membership(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let before = std::mem::take(&mut self.out);
        let (kind, body) = bytes.split_first().ok_or("an empty packet")?;
        self.out.push(*kind);
        let mut input = Cursor::new(body);
        let mut next = || ciborium::from_reader::<Value, _>(&mut input).map_err(|error| error.to_string());
        match kind {
            1 => {
                let header = next()?;
                self.part(&header, &Tuple(&[MEMBER, Number, MEMBER, Probe]))?;
                let at = usize::try_from(input.position()).expect("short");
                if let Some((count, mut rest)) = body[at..].split_first_chunk::<2>() {
                    self.out.extend_from_slice(count);
                    for _ in 0..u16::from_be_bytes(*count) {
                        let member: Value = ciborium::from_reader(&mut rest).map_err(|error| error.to_string())?;
                        self.part(&member, &Tuple(&[MEMBER, Number, Number]))?;
                    }
                }
            }
            2 => {
                let generation = next()?;
                self.part(&generation, &Number)?;
            }
            other => return Err(format!("a packet of kind {other}")),
        }
        Ok(std::mem::replace(&mut self.out, before))
    }
}

/// What follows the kind of a failure detector's message.
const fn probe_parts(kind: u64) -> Option<&'static [Shape]> {
    Some(match kind {
        0 | 1 => &[Number],
        2..=5 => &[Number, MEMBER],
        6..=9 => &[],
        _ => return None,
    })
}
