//! SAVE, BGSAVE, LASTSAVE and SHUTDOWN: what is on disk, and the end of the server.

use super::call::Call;
use super::error::CommandError;
use super::outcome::{Outcome, Shutdown, StorageRequest};
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Flag};
use crate::resp::Reply;

const SAVING: CommandSpecification = CommandSpecification {
    arity: 1,
    flags: &[Flag::Admin, Flag::NoScript, Flag::NoMulti],
    complexity: "O(N) for N counters that changed since they were last written",
    ..BASE
};

pub(super) const SAVE: CommandSpecification = CommandSpecification {
    name: "save",
    summary: "Writes all that changed to disk, and answers when it is there",
    replies: "OK once everything that was counted before is on disk, whatever the durability. Other clients are served meanwhile.",
    handler: |_| Ok(StorageRequest::Save.into()),
    ..SAVING
};

pub(super) const BGSAVE: CommandSpecification = CommandSpecification {
    name: "bgsave",
    summary: "Writes all that changed to disk, and answers at once",
    arity: -1,
    arguments: &[Argument::word("schedule", "SCHEDULE").optional()],
    replies: "Background saving started. LASTSAVE and INFO persistence tell when it is done, and whether it went well. SCHEDULE changes nothing: a save never has to wait for another.",
    handler: |call| match (call.arguments.get(1), call.arguments.len()) {
        (None, _) => Ok(StorageRequest::SaveInBackground.into()),
        (Some(word), 2) if word.eq_ignore_ascii_case(b"SCHEDULE") => Ok(StorageRequest::SaveInBackground.into()),
        _ => Err(CommandError::Syntax),
    },
    ..SAVING
};

pub(super) const LASTSAVE: CommandSpecification = CommandSpecification {
    name: "lastsave",
    summary: "Tells when everything was last on disk",
    flags: &[Flag::Loading, Flag::Stale, Flag::Fast],
    complexity: "O(1)",
    replies: "Seconds since 1970, as an integer: when the last SAVE, BGSAVE or clean stop was written, or with durability always or everysec the last commit; 0 if nothing ever was.",
    handler: |call| {
        let seconds = call.environment.persistence.last_save().0 / 1000;
        Ok(Reply::Integer(i64::try_from(seconds).unwrap_or(i64::MAX)).into())
    },
    ..SAVING
};

pub(super) const SHUTDOWN: CommandSpecification = CommandSpecification {
    name: "shutdown",
    summary: "Stops the server, as SIGTERM does",
    arity: -1,
    flags: &[Flag::Admin, Flag::NoScript, Flag::NoMulti, Flag::Loading, Flag::Stale],
    arguments: &[
        Argument::new(
            "save",
            ArgumentKind::OneOf(&[Argument::word("nosave", "NOSAVE"), Argument::word("save", "SAVE")]),
        )
        .optional(),
        Argument::word("now", "NOW").optional(),
        Argument::word("force", "FORCE").optional(),
        Argument::word("abort", "ABORT").optional(),
    ],
    replies: "None: the connection is closed when the server has stopped. Before that all is written. An error says that it could not be written, and the server goes on; FORCE stops it all the same, and so does NOSAVE. With durability = \"memory\" NOSAVE writes nothing: what was counted since the last save is lost then if no other node has heard it. Otherwise NOSAVE leaves nothing out: what changed is written at the end, but where the disk does not take it the server ends all the same, and loses it if no other node has heard it; the log says how many counters that are. NOW changes nothing, as a stop waits for nobody. ABORT always is an error: a stop that has begun is not taken back.",
    handler: shutdown,
    ..SAVING
};

fn shutdown(call: &mut Call<'_>) -> Result<Outcome, CommandError> {
    let (mut save, mut force, mut now, mut abort) = (None, false, false, false);
    for word in call.arguments_from(1) {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("SAVE") && save != Some(false) {
            save = Some(true);
        } else if is("NOSAVE") && save != Some(true) {
            save = Some(false);
        } else if is("NOW") {
            now = true;
        } else if is("FORCE") {
            force = true;
        } else if is("ABORT") {
            abort = true;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    if abort {
        let alone = !now && !force && save.is_none();
        return Err(if alone { CommandError::NoShutdown } else { CommandError::Syntax });
    }
    Ok(StorageRequest::Shutdown(Shutdown { save: save.unwrap_or(true), force }).into())
}

#[cfg(test)]
mod tests {
    use super::super::outcome::{Pending, answer};
    use super::super::testing::Bench;
    use super::*;
    use crate::base::WallMillis;

    fn storage(bench: &mut Bench, line: &str) -> StorageRequest {
        match bench.pending(line) {
            Pending::Storage(request) => request,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn saves_are_asked_for() {
        let mut bench = Bench::new();
        assert_eq!(storage(&mut bench, "save"), StorageRequest::Save);
        for line in ["bgsave", "BGSAVE schedule"] {
            assert_eq!(storage(&mut bench, line), StorageRequest::SaveInBackground);
        }
        assert_eq!(bench.run("bgsave now"), "-ERR syntax error ('bgsave' command)");
        assert_eq!(bench.run("save now"), "-ERR wrong number of arguments for 'save' command");
        assert_eq!(answer(Ok(())), Reply::Simple("OK"));
    }

    #[test]
    fn the_last_save_is_told_in_seconds() {
        let mut bench = Bench::new();
        assert_eq!(bench.run("lastsave"), ":0");
        bench.environment.persistence.commit_succeeded(WallMillis(1_700_000_000_999));
        assert_eq!(bench.run("lastsave"), ":1700000000");
    }

    #[test]
    fn a_shutdown_saves_unless_it_is_told_not_to() {
        let mut bench = Bench::new();
        for (line, save, force) in [
            ("shutdown", true, false),
            ("SHUTDOWN SAVE", true, false),
            ("shutdown nosave", false, false),
            ("shutdown now", true, false),
            ("shutdown nosave now force", false, true),
        ] {
            assert_eq!(storage(&mut bench, line), StorageRequest::Shutdown(Shutdown { save, force }), "{line}");
        }
        assert_eq!(bench.run("shutdown abort"), "-ERR No shutdown in progress. ('shutdown' command)");
        for line in ["shutdown save nosave", "shutdown nosave save", "shutdown abort now", "shutdown what"] {
            assert_eq!(bench.run(line), "-ERR syntax error ('shutdown' command)", "{line}");
        }
    }
}
