//! How often commands were asked for and how long they took, and what the counters came to.

use super::exposition::{Exposition, Kind};
use super::figure;
use crate::base::Moment;
use crate::command::Environment;
use crate::counter::PredictionOutcomes;

/// Upper bounds of the buckets, in nanoseconds. Four to a factor of ten below a millisecond, where most commands are.
const BOUNDS_NANOS: [u64; 15] = [
    1_000,
    2_000,
    4_000,
    8_000,
    16_000,
    32_000,
    64_000,
    128_000,
    256_000,
    1_024_000,
    4_096_000,
    16_384_000,
    65_536_000,
    1_048_576_000,
    16_777_216_000,
];

pub(super) fn write(environment: &Environment, out: &mut Exposition) {
    let statistics = &environment.statistics;
    let all = statistics.figures(&BOUNDS_NANOS);
    let help = "Requests by command and result: ok, failed (answered with an error), rejected (not run).";
    let mut family = out.family(Kind::Counter, "discnt_commands", help);
    for command in &all {
        let counts = command.counts;
        for (result, count) in [("ok", counts.succeeded), ("failed", counts.failed), ("rejected", counts.rejected)] {
            family.sample(&[("command", &command.name), ("result", result)], count);
        }
    }
    family.sample(&[("command", "unknown"), ("result", "rejected")], statistics.unknown());
    let help = "How long commands ran, of those that were timed: alone in their batch, slow ones, and one in a few of the others.";
    let mut family = out.family(Kind::Histogram, "discnt_command_duration_seconds", help);
    for command in all.iter().filter(|command| command.timed > 0) {
        let bounds: Vec<(f64, u64)> =
            BOUNDS_NANOS.iter().zip(&command.at_most).map(|(nanos, count)| (*nanos as f64 / 1e9, *count)).collect();
        let sum = command.timed_nanos as f64 / 1e9;
        family.histogram(&[("command", &command.name)], &bounds, command.timed, sum);
    }
    let mut family = out.family(Kind::Counter, "discnt_errors", "Error replies, by their first word.");
    for (code, count) in statistics.errors_by_code() {
        family.sample(&[("code", code)], count);
    }
    out.one(Kind::Counter, "discnt_reads_found", "Reads of counters that exist.", statistics.hits());
    out.one(Kind::Counter, "discnt_reads_missed", "Reads of counters that do not exist.", statistics.misses());
}

pub(super) fn write_counters(environment: &Environment, now: Moment, out: &mut Exposition) {
    let (table, traffic) = (&environment.table, &environment.cluster.traffic);
    out.one(Kind::Gauge, "discnt_counters", "Counters that exist.", table.len());
    out.one(Kind::Gauge, "discnt_counters_held", "Counters in memory, given-up ones included.", table.held());
    out.one(Kind::Gauge, "discnt_counters_waiting", "Counters with something to announce.", table.waiting());
    let beyond = table.counters_beyond_precision(now.monotonic);
    let help =
        "Counters that cannot keep the precision asked for, as links cannot take all that would have to be said.";
    out.one(Kind::Gauge, "discnt_counters_beyond_precision", help, beyond);
    let precision = table.default_precision().amount().to_f64();
    out.one(Kind::Gauge, "discnt_precision_default", "The precision of counters for which none was set.", precision);
    let effective = table.largest_effective_precision(now.monotonic).amount().to_f64();
    let help = "The largest precision that any counter is kept to now.";
    out.one(Kind::Gauge, "discnt_precision_effective_max", help, effective);
    write_predictions(&table.prediction_outcomes(), out);
    out.one(
        Kind::Counter,
        "discnt_records_sent",
        "Announcements sent, counted once a peer.",
        figure(&traffic.records_sent),
    );
    let received = figure(&traffic.records_received);
    out.one(Kind::Counter, "discnt_records_received", "Announcements received.", received);
}

fn write_predictions(outcomes: &PredictionOutcomes, out: &mut Exposition) {
    let help = "Increments of counters made on this node; one request may make many.";
    out.one(Kind::Counter, "discnt_increments", help, outcomes.increments());
    let help =
        "Increments of which nothing had to be said, as they left the share within what the other nodes may believe.";
    out.one(Kind::Counter, "discnt_prediction_hits", help, outcomes.hits);
    let help =
        "Announcements of shares while there was a node to hear them, each counted once, however many nodes hear it.";
    out.one(Kind::Counter, "discnt_prediction_misses", help, outcomes.misses);
    let help =
        "The part of the increments since the start that took no announcement of their own: 1 - misses / increments.";
    out.one(Kind::Gauge, "discnt_prediction_saved_ratio", help, outcomes.saved().unwrap_or_default());
    let help = "Eta, as estimated: announcements since the start of shares that left their band, as a multiple of the fewest that keep the \
        precision where increments come by chance; 0 while not known.";
    out.one(Kind::Gauge, "discnt_prediction_eta", help, outcomes.eta().unwrap_or_default());
}
