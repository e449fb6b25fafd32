//! What was counted of each command, for those who watch over many nodes.

use super::statistics::{CommandCounts, Statistics};
use super::table;

/// What was counted of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandFigures {
    /// The command, or `command|subcommand`.
    pub name: String,
    /// How often it was asked for.
    pub counts: CommandCounts,
    /// How many of those were timed.
    pub timed: u64,
    /// How long these took together, in nanoseconds.
    pub timed_nanos: u64,
    /// How many of these took at most each of the times asked for.
    pub at_most: Vec<u64>,
}

impl Statistics {
    /// All commands that were ever asked for, with how many took at most each of these times in nanoseconds, which go up.
    pub fn figures(&self, bounds_nanos: &[u64]) -> Vec<CommandFigures> {
        let asked_for = table::all().filter_map(|found| {
            let counts = self.command(found.ordinal.into());
            if counts.calls() + counts.rejected == 0 {
                return None;
            }
            let times = self.times(found.ordinal.into());
            Some(CommandFigures {
                name: found.full_name(),
                counts,
                timed: times.count(),
                timed_nanos: times.total_nanos(),
                at_most: times.at_most(bounds_nanos),
            })
        });
        asked_for.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::execute;
    use super::super::testing::Bench;
    use crate::resp::{Decoder, Limits};

    #[test]
    fn commands_are_told_with_their_times_within_bounds() {
        let mut bench = Bench::new();
        assert_eq!(bench.environment.statistics.figures(&[]), []);
        for micros in [1, 3, 900] {
            bench.run_for("get a", micros);
        }
        bench.run_for("incr", 5);
        let figures = bench.environment.statistics.figures(&[2_000, 4_000, 1_000_000]);
        let of = |name: &str| figures.iter().find(|figures| figures.name == name).expect("it was asked for").clone();
        assert_eq!((of("get").counts.succeeded, of("get").timed, of("get").timed_nanos), (3, 3, 904_000));
        assert_eq!(of("get").at_most, [1, 2, 3]);
        assert_eq!((of("incr").counts.rejected, of("incr").timed), (1, 0));
        assert_eq!(bench.environment.statistics.unknown(), 0);
        bench.run("nosuch");
        assert_eq!(bench.environment.statistics.unknown(), 1);
    }

    #[test]
    fn what_succeeded_stays_counted_while_everything_fails() {
        let mut bench = Bench::new();
        bench.run("incrby a 1");
        let mut session = Bench::connect(&bench.environment, bench.now);
        let (environment, now) = (bench.environment.clone(), bench.now);
        let failing = std::thread::spawn(move || {
            let request = b"*3\r\n$6\r\nincrby\r\n$1\r\na\r\n$1\r\nx\r\n";
            let mut decoder = Decoder::new(Limits::default());
            decoder.decode(request).expect("a well-formed request");
            for _ in 0..100_000 {
                execute(&environment, &mut session, decoder.arguments(request), now);
            }
        });
        let mut failed = 0;
        while !failing.is_finished() {
            for command in bench.environment.statistics.figures(&[]) {
                assert_eq!(command.counts.succeeded, 1, "{command:?}");
                assert!(command.counts.failed >= failed, "{failed} and then {command:?}");
                failed = command.counts.failed;
            }
        }
        failing.join().expect("it ends");
        assert_eq!(bench.environment.statistics.figures(&[])[0].counts.calls(), 100_001);
    }
}
