//! One counter opened up: its value with its bound, and what each replica has in it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde_json::{Value, json};

use super::super::answers::{self, refusal};
use super::super::opened::Observed;
use super::super::percent;
use super::super::shown::Shown;
use super::{bad_request, millis_ago, rounded};
use crate::base::{Moment, Name, ReplicaIndex, Total};
use crate::command::Environment;
use crate::counter::{Examination, HeldShare, Share};

const PREFIX: &str = "/api/v1/counters/";
const BY_NAME: &str = "/api/v1/counter";

/// Where a counter is told. Of two names browsers make another path, however they are encoded.
pub(super) fn path(name: &[u8]) -> String {
    match name {
        b"." | b".." => format!("{BY_NAME}?name={}", percent::encoded(name)),
        name => format!("{PREFIX}{}", percent::encoded(name)),
    }
}

/// By a parameter, which is for any name.
pub(super) async fn named(State(shown): State<Arc<Shown>>, uri: Uri) -> Response {
    match uri.query().and_then(|query| percent::parameter(query, "name")) {
        Some(name) => answer(&shown, &name),
        None => bad_request("name: the name of a counter is missing, or not encoded well: %25 stands for %"),
    }
}

pub(super) async fn one(State(shown): State<Arc<Shown>>, uri: Uri) -> Response {
    // As it stands in the path: names may be any bytes.
    let name = uri.path().strip_prefix(PREFIX).and_then(percent::decoded);
    let Some(name) = name else { return bad_request("the name of the counter is not encoded well: %25 stands for %") };
    answer(&shown, &name)
}

fn answer(shown: &Shown, name: &[u8]) -> Response {
    match counter(shown, name) {
        Some(found) => answers::json(StatusCode::OK, &found),
        None => refusal(StatusCode::NOT_FOUND, "no_such_counter", "there is no counter of this name"),
    }
}

/// The counter of this name; none where there is none.
pub(super) fn counter(shown: &Shown, name: &[u8]) -> Option<Value> {
    let (environment, now) = (shown.source.environment(), shown.source.now());
    let table = &environment.table;
    let checked = Name::new(name).ok()?;
    let found = table.examine(checked, now.monotonic).filter(|found| found.exists)?;
    let reading = table.read_bounded(checked, now.monotonic);
    let observed = shown.opened.lock().ask(name, environment, now);
    let rate = shown.busiest.lock().get(name).map(|busy| busy.rate);
    let rate = observed.as_ref().and_then(Observed::rate).or(rate);
    let bound = json!({
        "below": reading.bound.to_string(),
        "above": reading.bound.to_string(),
        "certain": reading.outside_lease.is_empty(),
        "value": reading.value.map(|value| value.to_string()),
        "as_of_ms_ago": rounded(millis_ago(reading.as_of, now)),
    });
    Some(json!({
        "name": String::from_utf8_lossy(name),
        "path": path(name),
        "at_usec": now.monotonic.as_nanos() / 1_000,
        "value": found.value.to_string(),
        "bound": bound,
        "precision": found.precision.amount().to_string(),
        "rate_per_second": rate.and_then(rounded),
        "predictions": observed.as_ref().filter(|observed| observed.is_told_from_here()).map(predictions),
        "replicas": replicas(&found, observed.as_ref(), environment, now),
        "last_assignment": assignment(&found, environment),
    }))
}

/// What announcing this node's share has cost since the counter was opened.
fn predictions(observed: &Observed) -> Value {
    let counted = &observed.counted;
    let saved = counted.changes_made.saturating_sub(counted.records_sent);
    let saved = (counted.changes_made > 0).then(|| saved as f64 / counted.changes_made as f64);
    json!({
        "records_sent": counted.records_sent,
        "changes_made": counted.changes_made,
        "saved_ratio": saved.and_then(rounded),
        "since_ms": observed.since_ms,
    })
}

fn replicas(found: &Examination, observed: Option<&Observed>, environment: &Environment, now: Moment) -> Vec<Value> {
    let own = found.state.own().map(|share| {
        let knowledge = found.believed.map(|believed| believed.since);
        let rate = observed.and_then(|observed| observed.rate().filter(|_| found.state.has_no_others()));
        let told = rate.or(found.believed.map(|believed| believed.rate.into()));
        let added = added(found, found.own, &share, share.total);
        let mut row = replica(found.own, environment, &added, &added);
        row["rate_per_second"] = json!(told.and_then(rounded));
        row["as_of_ms_ago"] = json!(knowledge.and_then(|at| rounded(millis_ago(at, now))));
        row
    });
    let others = found.others.iter().map(|(held, read)| {
        let arrived = added(found, held.replica, &held.share, held.share.total);
        let expected = added(found, held.replica, &held.share, *read);
        let mut row = replica(held.replica, environment, &arrived, &expected);
        row["rate_per_second"] = json!(held.forecast.as_ref().and_then(|forecast| rounded(forecast.rate.into())));
        row["as_of_ms_ago"] = json!(as_of(held, environment, now));
        if let Some(observed) = observed {
            let seen = observed.counted.arrivals.get(&held.replica).copied().unwrap_or_default();
            row["records_received"] = json!(seen.records_received);
            row["last_error"] = json!(seen.last_error.map(|error| error.to_string()));
            row["largest_error"] = json!(seen.largest_error.map(|error| error.to_string()));
        }
        row
    });
    own.into_iter().chain(others).collect()
}

/// What a share with this total adds to the value: without what the last SET has replaced.
fn added(found: &Examination, replica: ReplicaIndex, share: &Share, total: Total) -> String {
    Total::from_units(total.units().saturating_sub(found.cut_of(replica, share).units())).to_string()
}

/// When it was last announced, where that is known, or its node heard.
fn as_of(held: &HeldShare, environment: &Environment, now: Moment) -> Option<f64> {
    let heard_at = environment.table.progress().heard_at(held.replica);
    let at = held.forecast.as_ref().map_or(heard_at, |forecast| forecast.since);
    if at.as_nanos() == 0 { None } else { rounded(millis_ago(at, now)) }
}

fn replica(index: ReplicaIndex, environment: &Environment, share: &str, predicted: &str) -> Value {
    let view = environment.cluster.view();
    let id = environment.cluster.replica(index);
    let member = id.and_then(|id| view.members.iter().find(|member| member.id == id.node));
    let is_present = |id: &crate::base::ReplicaId| member.and_then(|member| member.incarnation) == Some(id.incarnation);
    json!({
        "node_id": id.map(|id| id.node.to_string()),
        "incarnation": id.map(|id| id.incarnation.0),
        "node_name": member.and_then(|member| member.labels.name.as_deref()),
        "datacentre": member.and_then(|member| member.labels.datacentre.as_deref()),
        "share": share,
        "rate_per_second": null,
        "predicted": predicted,
        "as_of_ms_ago": null,
        "myself": member.is_some_and(|member| member.myself) && id.as_ref().is_some_and(is_present),
        "records_received": null,
        "last_error": null,
        "largest_error": null,
    })
}

fn assignment(found: &Examination, environment: &Environment) -> Option<Value> {
    let assignment = found.state.assignment()?;
    let origin = environment.cluster.replica(assignment.origin);
    let view = environment.cluster.view();
    let member = origin.and_then(|origin| view.members.iter().find(|member| member.id == origin.node));
    Some(json!({
        "value": assignment.base.to_string(),
        "at_ms": assignment.stamp.time.wall_millis(),
        "deleted": assignment.deleted,
        "node_id": origin.map(|origin| origin.node.to_string()),
        "incarnation": origin.map(|origin| origin.incarnation.0),
        "node_name": member.and_then(|member| member.labels.name.as_deref()),
    }))
}
