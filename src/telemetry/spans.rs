//! Spans as OTLP has them in JSON.

use serde_json::{Value, json};

use crate::command::SlowSpan;
use crate::node::NotedRepair;

/// The kinds of OTLP: something inside of the node, and something that was asked for by a client.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;

/// Ids of a trace and its one span, drawn by chance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ids {
    pub(super) trace: u128,
    pub(super) span: u64,
}

/// Who sends.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    pub(super) node: String,
    pub(super) version: String,
    pub(super) name: Option<String>,
    pub(super) datacentre: Option<String>,
}

/// A request that took longer than SLOWLOG's limit.
pub(super) fn of_request(request: &SlowSpan, ids: Ids) -> Value {
    let end_nanos = u128::from(request.ended_at.0) * 1_000_000;
    let begin_nanos = end_nanos.saturating_sub(u128::from(request.micros) * 1_000);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let command = request.arguments.first().map(|name| text(name).to_ascii_uppercase()).unwrap_or_default();
    let all: Vec<String> = request.arguments.iter().map(|argument| text(argument)).collect();
    let attributes = [
        ("db.system.name", "discnt".to_owned()),
        ("db.operation.name", command.clone()),
        ("db.query.text", all.join(" ")),
        ("client.address", request.client.clone()),
        ("discnt.client.name", request.client_name.clone()),
    ];
    span(&command, SERVER, (begin_nanos, end_nanos), &attributes, ids)
}

/// A repair, from the first request to the last item.
pub(super) fn of_repair(repair: &NotedRepair, ids: Ids) -> Value {
    let end_nanos = u128::from(repair.at.0) * 1_000_000;
    let begin_nanos = end_nanos.saturating_sub(u128::from(repair.milliseconds) * 1_000_000);
    let attributes = [
        ("discnt.repair.peer", repair.peer.to_string()),
        ("discnt.repair.items", repair.items.to_string()),
        ("discnt.repair.is_first", repair.is_first.to_string()),
    ];
    span("repair", INTERNAL, (begin_nanos, end_nanos), &attributes, ids)
}

fn span(name: &str, kind: u8, (begin, end): (u128, u128), attributes: &[(&str, String)], ids: Ids) -> Value {
    json!({
        "traceId": format!("{:032x}", ids.trace),
        "spanId": format!("{:016x}", ids.span),
        "name": name,
        "kind": kind,
        "startTimeUnixNano": begin.to_string(),
        "endTimeUnixNano": end.to_string(),
        "attributes": attributes.iter().map(|(key, value)| attribute(key, value)).collect::<Vec<_>>(),
    })
}

fn attribute(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

/// A whole request to a collector.
pub(super) fn request(sender: &Sender, spans: &[Value]) -> Value {
    let labels = [("host.name", &sender.name), ("discnt.datacentre", &sender.datacentre)];
    let labels = labels.into_iter().filter_map(|(key, label)| Some(attribute(key, label.as_ref()?)));
    let who = [("service.name", "discnt"), ("service.version", &sender.version), ("service.instance.id", &sender.node)];
    let attributes: Vec<Value> = who.into_iter().map(|(key, value)| attribute(key, value)).chain(labels).collect();
    json!({
        "resourceSpans": [{
            "resource": { "attributes": attributes },
            "scopeSpans": [{ "scope": { "name": "discnt", "version": sender.version }, "spans": spans }],
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{NodeId, WallMillis};

    #[test]
    fn a_request_is_a_span_that_ends_when_it_was_noted() {
        let request = SlowSpan {
            id: 1,
            ended_at: WallMillis(1_700_000_000_000),
            micros: 2_500,
            arguments: vec![b"keys".to_vec(), b"*".to_vec()],
            client: "127.0.0.1:5".to_owned(),
            client_name: String::new(),
        };
        let span = of_request(&request, Ids { trace: 0xabc, span: 7 });
        assert_eq!((&span["name"], &span["kind"]), (&"KEYS".into(), &2.into()));
        assert_eq!(span["startTimeUnixNano"], "1699999999997500000");
        assert_eq!(span["endTimeUnixNano"], "1700000000000000000");
        assert_eq!((span["traceId"].as_str().map(str::len), &span["spanId"]), (Some(32), &"0000000000000007".into()));
        assert_eq!(span["attributes"][2]["value"]["stringValue"], "keys *");
    }

    #[test]
    fn a_repair_is_a_span_with_whom_and_how_much() {
        let (peer, at) = (NodeId::new([1; 20]), WallMillis(5_000));
        let repair = NotedRepair { sequence: 1, at, peer, items: 12, milliseconds: 40, is_first: true };
        let span = of_repair(&repair, Ids { trace: 1, span: 1 });
        assert_eq!((&span["startTimeUnixNano"], &span["kind"]), (&"4960000000".into(), &1.into()));
        let sender =
            Sender { node: "n".to_owned(), version: "v".to_owned(), name: None, datacentre: Some("eu".to_owned()) };
        let request = request(&sender, &[span]);
        let resource = &request["resourceSpans"][0];
        assert_eq!(resource["scopeSpans"][0]["spans"][0]["name"], "repair");
        assert_eq!(resource["resource"]["attributes"].as_array().map(Vec::len), Some(4));
    }
}
