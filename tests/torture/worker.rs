//! Many connections at once on one thread, and a look at what each of them has left.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::model::Values;
use super::plan::{Outcome, Plan};
use super::server_support::{Client, Server, eventually};
use super::talk::{Step, Talk};

/// Connections of one thread at once.
const LANES: usize = 12;

/// The inputs that are still to be carried out.
pub(crate) struct Seeds {
    next: AtomicU64,
    end: u64,
    has_failed: AtomicBool,
}

impl Seeds {
    pub(crate) fn new(seeds: Range<u64>) -> Self {
        Self { next: AtomicU64::new(seeds.start), end: seeds.end, has_failed: AtomicBool::new(false) }
    }

    fn take(&self) -> Option<u64> {
        if self.has_failed.load(Ordering::Relaxed) {
            return None;
        }
        let seed = self.next.fetch_add(1, Ordering::Relaxed);
        (seed < self.end).then_some(seed)
    }
}

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    kinds: BTreeMap<&'static str, u64>,
    bytes: u64,
    replies: u64,
    messages: u64,
    /// How often the shared counter was counted.
    pub(crate) shared: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        for (kind, count) in other.kinds {
            *self.kinds.entry(kind).or_default() += count;
        }
        self.bytes += other.bytes;
        self.replies += other.replies;
        self.messages += other.messages;
        self.shared += other.shared;
    }

    fn note(&mut self, talk: &Talk) {
        *self.kinds.entry(talk.plan.kind).or_default() += 1;
        self.bytes += talk.plan.bytes.len() as u64;
        self.replies += talk.replies;
        self.messages += talk.messages;
        self.shared += talk.plan.shared;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kinds, bytes, replies, messages, shared } = self;
        write!(f, "{bytes} bytes, {replies} replies, {messages} messages, {shared} shared increments, {kinds:?}")
    }
}

/// Carries out inputs until there are no more, or one fails.
pub(crate) fn run(server: &Server, socket: &Path, number: usize, seeds: &Seeds) -> Result<Tally, String> {
    let mut control = server.try_client()?;
    let mut tally = Tally::default();
    let mut lanes: Vec<Option<Talk>> = (0..LANES).map(|_| None).collect();
    loop {
        let (mut moved, mut busy) = (false, false);
        for (at, lane) in lanes.iter_mut().enumerate() {
            if lane.is_none() {
                let Some(seed) = seeds.take() else { continue };
                let plan = Plan::new(seed, &format!("t{number}.{at:02}"));
                *lane = Some(Talk::begin(seed, plan, server.address(), socket).map_err(|error| {
                    seeds.has_failed.store(true, Ordering::Relaxed);
                    format!("seed {seed}: no connection: {error}")
                })?);
            }
            let Some(talk) = lane else { continue };
            busy = true;
            let stepped = talk.step().map_err(|error| fail(seeds, talk, &error))?;
            moved |= stepped != Step::Still;
            if stepped == Step::Done
                && let Some(talk) = lane.take()
            {
                finish(talk, &mut control, &mut tally)
                    .inspect_err(|_| seeds.has_failed.store(true, Ordering::Relaxed))?;
            }
        }
        if !busy {
            return Ok(tally);
        }
        if !moved {
            thread::sleep(Duration::from_micros(200));
        }
    }
}

fn fail(seeds: &Seeds, talk: &Talk, error: &str) -> String {
    seeds.has_failed.store(true, Ordering::Relaxed);
    let Talk { seed, plan, .. } = talk;
    let shown = String::from_utf8_lossy(&plan.bytes[..plan.bytes.len().min(600)]);
    format!("DISCNT_TORTURE_FIRST={seed} DISCNT_TORTURE_INPUTS=1, a {} input: {error}\nIt sends {shown:?}", plan.kind)
}

/// The connection has ended: are its counters what they should be?
fn finish(talk: Talk, control: &mut Client, tally: &mut Tally) -> Result<(), String> {
    tally.note(&talk);
    let Talk { seed, plan, address, .. } = &talk;
    let (seed, names, address) = (*seed, plan.names.clone(), *address);
    let allowed: Vec<Values> = match &plan.outcome {
        Outcome::Known(values) => vec![*values],
        Outcome::OneOf(states) => states.clone(),
        Outcome::Unknown => return Ok(()),
    };
    let is_abandoned = matches!(plan.outcome, Outcome::OneOf(_));
    let kind = plan.kind;
    drop(talk);
    if let (true, Some(address)) = (is_abandoned, address) {
        let shown = format!(" addr={address} ");
        eventually(&format!("seed {seed}: the server has noticed that {address} is gone"), || {
            let list = control.try_ask("CLIENT LIST")?;
            if list.contains(&shown) { Err(list) } else { Ok(()) }
        });
    }
    let names: Vec<String> = names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    let found = control.try_ask(&format!("MGET {}", names.join(" ")))?;
    let text = |values: &Values| {
        let values: Vec<String> = values.iter().map(|value| value.unwrap_or(0).to_string()).collect();
        format!("[{}]", values.join(" "))
    };
    if allowed.iter().any(|values| text(values) == found) {
        return Ok(());
    }
    let allowed: Vec<String> = allowed.iter().map(text).collect();
    Err(format!(
        "DISCNT_TORTURE_FIRST={seed} DISCNT_TORTURE_INPUTS=1, a {kind} input: the counters are {found}, not {allowed:?}"
    ))
}
