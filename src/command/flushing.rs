//! FLUSHALL and FLUSHDB: every counter of the cluster, deleted in small steps.

use super::call::Call;
use super::environment::Environment;
use super::error::CommandError;
use super::outcome::{Outcome, Pending};
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Flag, Group, KeyAccess};
use crate::base::{Moment, Name};
use crate::counter::CounterError;

/// Places of the table that one step looks at, and so the most counters that it deletes: about 100 microseconds of work.
const PLACES_A_STEP: usize = 128;

const MODE: &[Argument] =
    &[Argument::new("mode", ArgumentKind::OneOf(&[Argument::word("async", "ASYNC"), Argument::word("sync", "SYNC")]))
        .optional()];

pub(super) const FLUSHALL: CommandSpecification = CommandSpecification {
    name: "flushall",
    summary: "Deletes all counters in the whole cluster, each as DEL does: an increment elsewhere that this node has not seen brings its counter back with that increment",
    arity: -1,
    flags: &[Flag::Write, Flag::NoScript, Flag::NoMulti],
    every_counter: KeyAccess::WRITE,
    is_dangerous: true,
    group: Group::Generic,
    complexity: "O(N) for N counters of the node, in steps between which other clients are served",
    arguments: MODE,
    replies: "OK once every counter that existed here when it began is deleted, and with durability always once that is on disk; with ASYNC at once. Counters that are made meanwhile may stay. An error says how many were deleted if it could not go on. Refused where commands.flush = false.",
    handler: flush,
    ..BASE
};

pub(super) const FLUSHDB: CommandSpecification = CommandSpecification {
    name: "flushdb",
    summary: "Deletes all counters in the whole cluster, exactly as FLUSHALL does",
    ..FLUSHALL
};

/// Counters to delete, and who asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlushRequest {
    /// Answer at once and go on in the background.
    pub in_background: bool,
    /// The thread of the session that asked.
    pub thread: usize,
}

/// Deletes all counters, a step at a time.
#[derive(Debug, Default)]
pub struct Flush {
    cursor: u64,
    names: Vec<Box<[u8]>>,
    looked_at_all: bool,
    deleted: u64,
}

/// What came of one step.
#[derive(Debug, PartialEq, Eq)]
pub enum FlushStep {
    /// There is more to do.
    More,
    /// There is more to do once what was done has left for the other nodes.
    Wait,
    /// It cannot go on; the text of the error says what was done.
    Refused(String),
    /// All counters are deleted.
    Done,
}

impl Flush {
    /// Does a little of it.
    pub fn step(&mut self, environment: &Environment, now: Moment) -> FlushStep {
        let gate = environment.persistence.gate();
        if let Err(error) = environment.persistence.admit(gate, &FLUSHALL) {
            let deleted = self.deleted;
            return FlushStep::Refused(format!("{deleted} counters were deleted, then: {}", error.reply("").as_str()));
        }
        if self.names.is_empty() {
            if self.looked_at_all {
                return FlushStep::Done;
            }
            self.cursor = environment.table.scan(self.cursor, PLACES_A_STEP, &mut |name| self.names.push(name.into()));
            self.looked_at_all = self.cursor == 0;
        }
        while let Some(name) = self.names.pop() {
            let Ok(valid) = Name::new(&name) else { continue };
            match environment.table.delete(valid, now) {
                Ok(existed) => self.deleted += u64::from(existed),
                Err(CounterError::Busy) => {
                    self.names.push(name);
                    return FlushStep::Wait;
                }
                Err(error) => {
                    return FlushStep::Refused(format!("{} counters were deleted, then: {error}", self.deleted));
                }
            }
        }
        FlushStep::More
    }
}

pub(super) fn flush(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    check_allowed(call)?;
    let in_background = match call.arguments.get(1) {
        None => false,
        Some(mode) if call.arguments.len() == 2 && mode.eq_ignore_ascii_case(b"SYNC") => false,
        Some(mode) if call.arguments.len() == 2 && mode.eq_ignore_ascii_case(b"ASYNC") => true,
        Some(_) => return Err(CommandError::Syntax),
    };
    Ok(request(call, in_background))
}

/// What DEBUG FLUSHALL and DEBUG RESET do.
pub(super) fn flush_for_debugging(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    check_allowed(call)?;
    Ok(request(call, false))
}

fn check_allowed(call: &Call<'_>) -> Result<(), CommandError> {
    if call.environment.settings.commands.flush { Ok(()) } else { Err(CommandError::FlushNotAllowed) }
}

fn request(call: &Call<'_>, in_background: bool) -> Outcome {
    Outcome::Wait(Pending::Flush(FlushRequest { in_background, thread: call.session.thread() }))
}

#[cfg(test)]
mod tests {
    use super::super::config::CommandsConfig;
    use super::super::environment::Settings;
    use super::super::testing::Bench;
    use super::*;
    use crate::base::Durability;
    use crate::command::PersistenceFigures;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn all_counters_are_deleted_step_by_step() {
        let mut bench = Bench::new();
        for number in 0..40_000 {
            bench.run(&format!("incr name:{number}"));
        }
        let (mut flush, mut steps) = (Flush::default(), 0);
        while flush.step(&bench.environment, bench.now) != FlushStep::Done {
            steps += 1;
        }
        assert!(steps > 300, "{steps} steps");
        assert_eq!((bench.environment.table.len(), flush.deleted), (0, 40_000));
        assert_eq!(bench.run("incr name:7"), ":1");
    }

    #[test]
    fn it_waits_while_too_much_is_to_be_told_and_goes_on_after_that() {
        let mut bench = Bench::new();
        for number in 0..100 {
            bench.run(&format!("incr {number}"));
        }
        // No numbers are left for deletions until more are reserved.
        bench.environment.table.go_on_after(0, 1);
        let mut flush = Flush::default();
        let stopped = loop {
            match flush.step(&bench.environment, bench.now) {
                FlushStep::More => {}
                other => break other,
            }
        };
        assert_eq!((stopped, bench.environment.table.len()), (FlushStep::Wait, 100));
        bench.environment.table.set_number_limit(u64::MAX);
        while flush.step(&bench.environment, bench.now) != FlushStep::Done {}
        assert_eq!(bench.environment.table.len(), 0);
    }

    #[test]
    fn what_cannot_go_on_says_what_was_done() {
        let mut bench = Bench::new();
        let figures = Arc::new(PersistenceFigures::new(Durability::Always, Some(Duration::ZERO)));
        bench.environment.persistence = Arc::clone(&figures);
        bench.run("incr a");
        figures.commits_fail("No space left on device", bench.now.monotonic);
        let FlushStep::Refused(text) = Flush::default().step(&bench.environment, bench.now) else {
            panic!("it goes on");
        };
        assert!(text.starts_with("0 counters were deleted, then: MISCONF Discnt cannot write"), "{text}");
        assert_eq!(bench.environment.table.len(), 1);
    }

    #[test]
    fn it_is_asked_for_in_the_words_of_redis_where_it_is_allowed() {
        let mut bench = Bench::new();
        for (line, in_background) in
            [("flushall", false), ("FLUSHDB sync", false), ("flushall async", true), ("flushdb ASYNC", true)]
        {
            assert_eq!(bench.pending(line), Pending::Flush(FlushRequest { in_background, thread: 0 }), "{line}");
        }
        assert_eq!(bench.run("flushall now"), "-ERR syntax error ('flushall' command)");
        assert_eq!(bench.run("flushdb sync sync"), "-ERR syntax error ('flushdb' command)");
        let commands = CommandsConfig { flush: false, ..CommandsConfig::default() };
        let mut bench = Bench::with(Settings { commands, ..Settings::default() });
        let error = "-ERR FLUSHALL and FLUSHDB are not allowed on this node. To allow them, set flush = true in the section [commands] of the configuration, or DISCNT_COMMANDS__FLUSH=true, and start the server again; nothing was changed";
        assert_eq!(bench.run("flushall"), error);
        assert_eq!(bench.run("flushdb async"), error);
    }
}
