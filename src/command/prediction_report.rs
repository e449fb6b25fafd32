//! What DEBUG PREDICTION answers: what this node knows of how a counter moves, and what it hears of that from others.

use super::call::{Call, bulk};
use super::error::CommandError;
use crate::base::{Amount, Monotonic};
use crate::counter::{Band, Forecast, PredictorKnowledge};
use crate::resp::Reply;
use std::time::Duration;

/// The report on the counter that the call names.
pub(super) fn report(call: &Call<'_>) -> Result<Reply, CommandError> {
    let (name, now) = (call.name(2)?, call.now.monotonic);
    let found = call.environment.table.examine(name, now).ok_or(CommandError::NoSuchKey)?;
    let own = call.environment.table.predictor_knowledge(name);
    let predicted = found.others.iter().filter_map(|(held, read)| {
        let forecast = held.forecast.as_ref().filter(|_| !found.state.is_frozen(held))?;
        let replica = call.environment.cluster.replica(held.replica);
        Some(map([
            ("replica", replica.map_or(Reply::Null, |replica| bulk(replica.to_string()))),
            ("told", bulk(held.share.total.to_string())),
            ("rate", Reply::Double(forecast.rate.into())),
            ("told-ms-ago", millis(now.since(forecast.since))),
            ("read-as", bulk(read.to_string())),
        ]))
    });
    Ok(map([
        ("precision", Reply::Amount(found.precision.amount())),
        ("band", band(found.band)),
        ("own-share", own.map_or(Reply::Null, |knowledge| own_share(&knowledge, now))),
        ("other-shares", Reply::Array(predicted.collect())),
    ]))
}

fn own_share(knowledge: &PredictorKnowledge, now: Monotonic) -> Reply {
    let Forecast { rate, since, .. } = knowledge.believed;
    let believed = knowledge.believed.at(now);
    let look = (knowledge.look_at != Monotonic::NEVER).then(|| knowledge.look_at.since(now));
    map([
        ("total", bulk(knowledge.total.to_string())),
        ("believed-by-peers", bulk(believed.to_string())),
        ("told-rate", Reply::Double(rate.into())),
        ("told-ms-ago", millis(now.since(since))),
        ("estimated-rate", Reply::Double(knowledge.estimated_rate.into())),
        ("observed-seconds", Reply::Double(knowledge.observed_seconds.into())),
        ("increments-since-told", Reply::Integer(knowledge.increments.into())),
        ("longest-gap-ms", millis(knowledge.longest_gap)),
        ("last-increment-ms-ago", millis(now.since(knowledge.last_increment))),
        ("suspicious", Reply::Boolean(knowledge.is_suspicious)),
        ("looked-at-in-ms", look.map_or(Reply::Null, millis)),
    ])
}

fn map<const N: usize>(fields: [(&'static str, Reply); N]) -> Reply {
    Reply::Map(fields.into_iter().map(|(name, value)| (Reply::Text(name), value)).collect())
}

fn millis(time: Duration) -> Reply {
    Reply::Integer(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

fn band(band: Band) -> Reply {
    // A band is a part of a precision, and that is an amount.
    Amount::from_units(band.units()).map_or(Reply::Null, Reply::Amount)
}
