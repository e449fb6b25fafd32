//! WAIT and WAITAOF: until others, or disks, have what was counted.

use super::call::Call;
use super::error::CommandError;
use super::keyspace::parse_integer;
use super::outcome::{AcknowledgementRequest, Outcome, Pending};
use super::specification::{Argument, ArgumentKind, BASE, CommandSpecification, Flag, Group};
use crate::base::Durability;
use std::time::Duration;

const NODES: Argument = Argument::new("numreplicas", ArgumentKind::Integer);
const TIMEOUT: Argument = Argument::new("timeout", ArgumentKind::Integer);

const WAITING: CommandSpecification = CommandSpecification {
    flags: &[Flag::Blocking, Flag::NoMulti],
    group: Group::Cluster,
    complexity: "O(1), and waits",
    ..BASE
};

pub(super) const WAIT: CommandSpecification = CommandSpecification {
    name: "wait",
    summary: "Waits until other nodes have everything that this connection has counted",
    arity: 3,
    arguments: &[NODES, TIMEOUT],
    replies: "How many other nodes have received everything that this connection wrote before, as an integer, once they are as many as asked for or the timeout (in milliseconds, 0 for none) is over. WAIT 0 answers at once. Nodes say what they have once a second, so this may take that long; until the connection's counters are announced, at most settle_ms longer.",
    handler: |call| {
        let nodes = parse_integer(call.argument(1)).ok_or(CommandError::NotInteger)?;
        wait(call, None, nodes, 2)
    },
    ..WAITING
};

pub(super) const WAITAOF: CommandSpecification = CommandSpecification {
    name: "waitaof",
    summary: "Waits until disks, here and on other nodes, have everything that this connection has counted",
    arity: 4,
    arguments: &[Argument::new("numlocal", ArgumentKind::Integer), NODES, TIMEOUT],
    replies: "Two integers: 1 if this node has on disk everything that this connection wrote before, otherwise 0; and how many other nodes have it on disk. Answered once there are as many as asked for, or the timeout (in milliseconds, 0 for none) is over. numlocal is 0 or 1; with durability = \"memory\" 1 is an error, as nothing is written by itself.",
    handler: |call| {
        let local = match parse_integer(call.argument(1)) {
            Some(local @ 0..=1) => local == 1,
            _ => return Err(CommandError::NotInteger),
        };
        if local && call.environment.persistence.durability() == Durability::Memory {
            return Err(CommandError::NothingWritten);
        }
        let nodes = parse_integer(call.argument(2)).ok_or(CommandError::NotInteger)?;
        wait(call, Some(local), nodes, 3)
    },
    ..WAITING
};

fn wait(call: &Call<'_>, local: Option<bool>, nodes: u64, timeout_at: usize) -> Result<Outcome, CommandError> {
    let text = call.argument(timeout_at);
    if text.strip_prefix(b"-").is_some_and(|rest| parse_integer(rest).is_some()) {
        return Err(CommandError::TimeoutNegative);
    }
    let timeout = parse_integer(text).ok_or(CommandError::TimeoutNotInteger)?;
    let timeout = (timeout != 0).then(|| Duration::from_millis(timeout));
    Ok(Outcome::Wait(Pending::Acknowledgement(AcknowledgementRequest { local, nodes, timeout })))
}

#[cfg(test)]
mod tests {
    use super::super::outcome::Acknowledged;
    use super::super::testing::Bench;
    use super::*;
    use crate::command::PersistenceFigures;
    use crate::resp::Reply;
    use std::sync::Arc;

    fn request(bench: &mut Bench, line: &str) -> AcknowledgementRequest {
        match bench.pending(line) {
            Pending::Acknowledgement(request) => request,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn wait_asks_for_nodes_and_answers_how_many() {
        let mut bench = Bench::new();
        let asked = request(&mut bench, "wait 2 1500");
        let timeout = Some(Duration::from_millis(1500));
        assert_eq!(asked, AcknowledgementRequest { local: None, nodes: 2, timeout });
        assert_eq!(asked.reply(Acknowledged { local: true, nodes: 1 }), Reply::Integer(1));
        assert_eq!(request(&mut bench, "WAIT 0 0").timeout, None);
        for (line, error) in [
            ("wait x 0", "value is not an integer or out of range"),
            ("wait -1 0", "value is not an integer or out of range"),
            ("wait 1 x", "timeout is not an integer or out of range"),
            ("wait 1 -1", "timeout is negative"),
        ] {
            assert_eq!(bench.run(line), format!("-ERR {error} ('wait' command)"), "{line}");
        }
    }

    #[test]
    fn waitaof_asks_for_disks_and_answers_both() {
        let mut bench = Bench::new();
        let asked = request(&mut bench, "waitaof 1 2 0");
        assert_eq!(asked, AcknowledgementRequest { local: Some(true), nodes: 2, timeout: None });
        let reply = asked.reply(Acknowledged { local: true, nodes: 2 });
        assert_eq!(reply, Reply::Array(vec![Reply::Integer(1), Reply::Integer(2)]));
        assert_eq!(request(&mut bench, "waitaof 0 1 5").local, Some(false));
        let error = "-ERR value is not an integer or out of range ('waitaof' command)";
        assert_eq!(bench.run("waitaof 2 0 0"), error);
        bench.environment.persistence = Arc::new(PersistenceFigures::new(Durability::Memory, None));
        let error = bench.run("waitaof 1 0 0");
        assert!(error.starts_with("-ERR WAITAOF cannot be used when numlocal is set"), "{error}");
        assert_eq!(request(&mut bench, "waitaof 0 1 5").local, Some(false));
    }
}
