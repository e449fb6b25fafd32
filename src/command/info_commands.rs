//! The sections of INFO that are about commands: how often, how long, and what went wrong.

use super::call::Call;
use super::table;
use std::fmt::Write;

pub(super) fn command_stats(call: &Call<'_>, text: &mut String) {
    let statistics = &call.environment.statistics;
    for found in table::all() {
        let counts = statistics.command(found.ordinal.into());
        if counts.calls() + counts.rejected == 0 {
            continue;
        }
        // Where not every request was timed, the others are taken to be like those that were.
        let mean = statistics.times(found.ordinal.into()).mean_micros();
        // Writing to a string cannot fail, here and below.
        let _ = write!(
            text,
            "cmdstat_{}:calls={},usec={:.0},usec_per_call={mean:.2},rejected_calls={},failed_calls={}\r\n",
            found.full_name(),
            counts.calls(),
            mean * counts.calls() as f64,
            counts.rejected,
            counts.failed
        );
    }
}

pub(super) fn latency_stats(call: &Call<'_>, text: &mut String) {
    for found in table::all() {
        let times = call.environment.statistics.times(found.ordinal.into());
        if times.count() > 0 {
            let percentile = |percentile| times.percentile_micros(percentile);
            let _ = write!(
                text,
                "latency_percentiles_usec_{}:p50={:.3},p99={:.3},p99.9={:.3}\r\n",
                found.full_name(),
                percentile(50.0),
                percentile(99.0),
                percentile(99.9)
            );
        }
    }
}

pub(super) fn error_stats(call: &Call<'_>, text: &mut String) {
    for (code, count) in call.environment.statistics.errors_by_code() {
        let _ = write!(text, "errorstat_{code}:count={count}\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;

    #[test]
    fn commands_are_counted_and_timed() {
        let mut bench = Bench::new();
        for micros in [1, 2, 3] {
            bench.run_for("get a", micros);
        }
        bench.run_for("incr", 5);
        bench.run_for("incrby a x", 7);
        let stats = bench.text("info commandstats");
        for line in [
            "cmdstat_get:calls=3,usec=6,usec_per_call=2.00,rejected_calls=0,failed_calls=0\r\n",
            "cmdstat_incr:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0\r\n",
            "cmdstat_incrby:calls=1,usec=7,usec_per_call=7.00,rejected_calls=0,failed_calls=1\r\n",
        ] {
            assert!(stats.contains(line), "{line}: {stats}");
        }
        let latency = bench.text("info latencystats");
        assert!(latency.contains("latency_percentiles_usec_get:p50=2.048,p99=3."), "{latency}");
        assert!(!latency.contains("usec_incr:"), "{latency}");
    }

    #[test]
    fn errors_are_counted_by_their_first_word() {
        let mut bench = Bench::with_password("secret");
        for line in ["get a", "auth x", "auth x", "nosuch", "auth secret", "get", "incrby a x", "hello 9"] {
            bench.run(line);
        }
        let errors = bench.text("info errorstats");
        let expected = "# Errorstats\r\nerrorstat_ERR:count=3\r\nerrorstat_NOAUTH:count=1\r\nerrorstat_NOPROTO:count=1\r\nerrorstat_WRONGPASS:count=2\r\n";
        assert_eq!(errors, expected);
        assert_eq!(bench.environment.statistics.errors(), 7);
    }
}
