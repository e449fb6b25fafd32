//! What a collector of traces is sent.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

use serde_json::Value;

use crate::server_support::{Ground, eventually};

/// Takes one request with this answer, and answers what was asked for and its body.
fn take(listener: &TcpListener, status: &str) -> (String, Value) {
    let (stream, _) = listener.accept().expect("a connection");
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).expect("a line");
    let asked = line.trim().to_owned();
    loop {
        line.clear();
        reader.read_line(&mut line).expect("a line");
        if let Some(given) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = given.trim().parse().expect("a length");
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("the body");
    write!(reader.get_mut(), "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").expect("sent");
    (asked, serde_json::from_slice(&body).expect("JSON"))
}

fn spans(body: &Value) -> Vec<Value> {
    body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().expect("spans").clone()
}

#[test]
fn slow_requests_and_repairs_are_sent_and_none_twice() {
    let ground = Ground::new();
    let collector = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("telemetry.otlp_endpoint=http://{}/otlp", collector.local_addr().expect("an address"));
    let start = ground.server().set(endpoint).set("commands.slowlog_slower_than_micros=0").set("node.name=traced");
    let (server, other, third) = (start.run(), ground.start(), ground.start());
    // What was announced before is pulled by whoever comes later; what nobody has heard is just announced.
    crate::server_support::link(&[&other, &third]);
    other.ask("INCR before");
    crate::server_support::eventually_answers(&third, "GET before", "1");
    server.ask("INCRBY slow 5");
    crate::server_support::link(&[&server, &other, &third]);
    let (mut seen, mut requests) = (Vec::new(), 0);
    // The first is refused: what is in it is left out, and the next goes on behind it.
    let (asked, body) = take(&collector, "503 Service Unavailable");
    assert_eq!(asked, "POST /otlp/v1/traces HTTP/1.1");
    let resource = body["resourceSpans"][0]["resource"]["attributes"].to_string();
    assert!(resource.contains("\"discnt\"") && resource.contains("traced"), "{resource}");
    seen.extend(spans(&body));
    server.eventually_logs(&["traces are not taken", "503"]);
    eventually("spans of both kinds were sent", || {
        server.ask("GET slow");
        let (_, body) = take(&collector, "200 OK");
        requests += 1;
        seen.extend(spans(&body));
        let has = |name: &str| seen.iter().any(|span| span["name"] == name);
        (has("GET") && has("INCRBY") && has("repair") && requests > 1).then_some(()).ok_or(format!("{seen:?}"))
    });
    let mut ids: Vec<&str> = seen.iter().map(|span| span["spanId"].as_str().expect("an id")).collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
    let text = |span: &Value| span["attributes"][2]["value"]["stringValue"].as_str().map(str::to_owned);
    let counted = seen.iter().filter(|span| text(span).as_deref() == Some("INCRBY slow 5")).count();
    assert_eq!(counted, 1);
    server.eventually_logs(&["traces are taken again"]);
}
