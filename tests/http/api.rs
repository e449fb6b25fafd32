//! The JSON interface, against nodes that run and its own description.

use serde_json::Value;

use crate::client::{get, get_with, http_address};
use crate::described::Description;
use crate::server_support::{Ground, Server, eventually, eventually_answers};
use crate::stream::Stream;

#[track_caller]
pub(crate) fn ask(server: &Server, path: &str) -> Value {
    let answer = get(server, path);
    assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{path}: {error}: {}", answer.body))
}

fn description(server: &Server) -> Description {
    Description(ask(server, "/api/v1/openapi.json"))
}

/// Three linked nodes with names, each of which has counted.
fn three(ground: &Ground) -> [Server; 3] {
    let start = |number: u8| {
        let start = ground.server().set(format!("node.name=node-{number}"));
        start.set(format!("node.datacentre=dc-{}", number % 2)).run()
    };
    let servers = [start(1), start(2), start(3)];
    crate::server_support::link(&[&servers[0], &servers[1], &servers[2]]);
    for (server, by) in servers.iter().zip([1, 20, 300]) {
        server.ask(&format!("INCRBY a {by}"));
    }
    for server in &servers {
        eventually_answers(server, "GET a", "321");
    }
    servers
}

#[test]
fn every_answer_is_as_it_is_described() {
    let ground = Ground::new();
    let [server, second, third] = three(&ground);
    server.ask("SET b 12.5");
    eventually_answers(&second, "GET b", "12.5");
    second.ask("INCR b");
    eventually_answers(&server, "GET b", "13.5");
    drop(third.kill());
    let description = description(&server);
    // Once the loss is a problem and an event, there is something of everything.
    eventually("the loss is told", || {
        let summary = ask(&server, "/api/v1/summary");
        let problems = summary["problems"].as_array().expect("a list");
        problems.iter().any(|problem| problem["code"] == "node_failed").then_some(()).ok_or(summary.to_string())
    });
    eventually("a busy counter is found", || {
        server.ask("INCR b");
        let list = ask(&server, "/api/v1/counters?sort=rate");
        let is_found = list["counters"].as_array().is_some_and(|counters| !counters.is_empty());
        is_found.then_some(()).ok_or(list.to_string())
    });
    let mut seen = Vec::new();
    for (described, asked, status) in [
        ("/api/v1/summary", "/api/v1/summary", "200"),
        ("/api/v1/nodes", "/api/v1/nodes", "200"),
        ("/api/v1/counters", "/api/v1/counters?sort=rate", "200"),
        ("/api/v1/counters", "/api/v1/counters?sort=name&limit=1", "200"),
        ("/api/v1/counters", "/api/v1/counters?limit=0", "400"),
        ("/api/v1/counters/{name}", "/api/v1/counters/a", "200"),
        ("/api/v1/counters/{name}", "/api/v1/counters/b", "200"),
        ("/api/v1/counters/{name}", "/api/v1/counters/nothing", "404"),
        ("/api/v1/counters/{name}", "/api/v1/counters/%zz", "400"),
        ("/api/v1/counter", "/api/v1/counter?name=b", "200"),
        ("/api/v1/counter", "/api/v1/counter?name=nothing", "404"),
        ("/api/v1/counter", "/api/v1/counter?name=%zz", "400"),
        ("/api/v1/events", "/api/v1/events", "200"),
        ("/api/v1/events", "/api/v1/events?after=x", "400"),
    ] {
        let answer = get(&server, asked);
        assert_eq!(answer.status.to_string(), status, "{asked}: {}", answer.body);
        let value: Value = serde_json::from_str(&answer.body).expect("JSON");
        let mistakes = description.mistakes(description.answer_of(described, status), &value, asked);
        assert!(mistakes.is_empty(), "{mistakes:#?}\n{value:#}");
        seen.push(described);
    }
    let ready = get_with(&server, "/readyz", &["Accept: application/json"]);
    let ready: Value = serde_json::from_str(&ready.body).expect("JSON");
    let schema = description.answer_of("/readyz", "200");
    assert!(description.mistakes(schema, &ready, "/readyz").is_empty(), "{ready}");
    // What answers no JSON has tests of its own.
    seen.extend(["/api/v1/openapi.json", "/api/v1/stream", "/livez", "/metrics", "/readyz"]);
    let paths = description.0["paths"].as_object().expect("paths");
    for path in paths.keys() {
        assert!(seen.contains(&path.as_str()), "{path} is described, and not held against an answer");
    }
}

#[test]
fn what_is_told_live_is_as_it_is_described() {
    let ground = Ground::new();
    let [server, second, third] = three(&ground);
    let description = description(&server);
    let mut stream = Stream::open(http_address(&server), "/api/v1/stream?counter=a");
    let first: Vec<String> = (0..4).map(|_| stream.next().0).collect();
    assert_eq!(first, ["summary", "nodes", "top", "counter"], "all at once, without waiting");
    second.ask("INCRBY a 1000");
    let told = stream.until("counter", |counter| counter["value"] == "1321");
    let mistakes = description.mistakes(description.named("Counter"), &told, "counter");
    assert!(mistakes.is_empty(), "{mistakes:#?}");
    drop(third.kill());
    let event = stream.until("event", |event| event["kind"] == "failed");
    assert_eq!(event["node_name"], "node-3");
    for (kind, path) in [("summary", "/api/v1/summary"), ("nodes", "/api/v1/nodes")] {
        let told = stream.until(kind, |_| true);
        let mistakes = description.mistakes(description.answer_of(path, "200"), &told, kind);
        assert!(mistakes.is_empty(), "{mistakes:#?}");
    }
    assert!(description.mistakes(description.named("Event"), &event, "event").is_empty(), "{event}");
}

#[test]
fn nodes_are_told_with_their_labels_and_links() {
    let ground = Ground::new();
    let servers = three(&ground);
    let nodes = eventually("all links are measured", || {
        let nodes = ask(&servers[0], "/api/v1/nodes");
        let all = nodes["nodes"].as_array().expect("a list");
        let is_told = |node: &Value| node["myself"] == true || node["datagrams_sent"].as_u64() > Some(0);
        all.iter().all(is_told).then_some(nodes.clone()).ok_or(nodes.to_string())
    });
    let of =
        |name: &str| nodes["nodes"].as_array().expect("a list").iter().find(|node| node["name"] == name).expect(name);
    let (first, second) = (of("node-1"), of("node-2"));
    assert_eq!(
        (&first["myself"], &first["datacentre"], &first["id"]),
        (&true.into(), &"dc-1".into(), &servers[0].id().into())
    );
    assert_eq!(
        (&second["state"], &second["in_lease"], &second["datacentre"]),
        (&"ok".into(), &true.into(), &"dc-0".into())
    );
    assert!(second["round_trip_ms"].as_f64() > Some(0.0) && second["lag_seconds"].as_f64() < Some(5.0), "{second}");
    assert_eq!(second["client_port"], servers[1].port());
    // Other ways to see the same.
    assert!(servers[0].ask("CLUSTER NODES").contains(" name=node-2 datacentre=dc-0"));
    assert!(servers[0].ask("INFO server").contains("node_name:node-1\r\n"));
    assert!(servers[0].ask("INFO mesh").contains(",name=node-2,datacentre=dc-0\r\n"));
    servers[0].eventually_logs(&["linked with", "(node-2 in dc-0)"]);
    assert!(servers[0].report().contains("\nlabels       node-1 in dc-1\n"));
}

#[test]
fn a_counter_is_opened_up_into_its_shares() {
    let ground = Ground::new();
    let servers = three(&ground);
    let counter = ask(&servers[0], "/api/v1/counters/a");
    assert_eq!((&counter["value"], &counter["precision"]), (&"321".into(), &"1".into()));
    let replicas = counter["replicas"].as_array().expect("a list");
    let share = |name: &str| replicas.iter().find(|replica| replica["node_name"] == name).expect(name)["share"].clone();
    assert_eq!((share("node-1"), share("node-2"), share("node-3")), ("1".into(), "20".into(), "300".into()));
    assert_eq!((&replicas[0]["myself"], &counter["last_assignment"]), (&true.into(), &Value::Null));
    servers[1].ask("SET a -7.25");
    let set = eventually("the SET is told", || {
        let counter = ask(&servers[0], "/api/v1/counters/a");
        (counter["last_assignment"]["value"] == "-7.25").then_some(counter.clone()).ok_or(counter.to_string())
    });
    assert_eq!((&set["value"], &set["last_assignment"]["node_name"]), (&"-7.25".into(), &"node-2".into()));
    let shares = set["replicas"].as_array().expect("a list").iter().all(|replica| replica["share"] == "0");
    assert!(shares, "the SET has replaced them: {set}");
}

#[test]
fn an_opened_counter_tells_of_every_change_and_every_record() {
    let ground = Ground::new();
    let [first, second, _third] = three(&ground);
    let path = "/api/v1/counters/a";
    for server in [&first, &second] {
        ask(server, path);
    }
    let mut client = first.client();
    for _ in 0..60 {
        client.ask("INCR a");
        // Longer than announcements wait for each other.
        std::thread::sleep(std::time::Duration::from_millis(8));
    }
    let records = eventually("as many records came as were sent", || {
        let (here, there) = (ask(&first, path), ask(&second, path));
        let rows = there["replicas"].as_array().expect("a list");
        let row = rows.iter().find(|row| row["node_id"] == first.id()).cloned().unwrap_or_default();
        let predictions = &here["predictions"];
        let is_all = predictions["changes_made"] == 60 && predictions["records_sent"] == row["records_received"];
        if is_all {
            Ok(row["records_received"].as_u64().expect("a number"))
        } else {
            Err(format!("{predictions} {row}"))
        }
    });
    assert!(records > 20, "{records} records of 60 changes, none of which was to be kept back");
}

#[test]
fn all_counters_are_found_a_page_at_a_time_each_once() {
    let ground = Ground::new();
    let server = ground.start();
    let mut client = server.client();
    for chunk in 0..5 {
        let names: Vec<String> = (0..1000).map(|number| format!("page:{chunk}:{number}")).collect();
        client.ask(&format!("MINCRBY 1 {}", names.join(" ")));
    }
    client.ask("INCRBY big 100");
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = ask(&server, &format!("/api/v1/counters?sort=name&limit=500&cursor={cursor}"));
        let rows = page["counters"].as_array().expect("a list").clone();
        assert!(rows.len() <= 500);
        assert_eq!(page["total_estimate"], 5001);
        found.extend(rows.iter().map(|row| row["name"].as_str().expect("a name").to_owned()));
        match page["cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(found.len(), 5001);
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 5001);
    let some = ask(&server, "/api/v1/counters?search=page:3:99*&sort=value&limit=100");
    assert_eq!((some["counters"].as_array().map(Vec::len), &some["cursor"]), (Some(11), &Value::Null));
    let value = ask(&server, "/api/v1/counters?search=big&sort=value");
    assert_eq!(value["counters"][0]["value"], "100");
}

#[test]
fn a_counter_that_was_just_made_is_listed_at_once() {
    let ground = Ground::new();
    let server = ground.start();
    let mut client = server.client();
    for (at, name) in ["b", "a", "c"].into_iter().enumerate() {
        client.ask(&format!("INCR {name}"));
        let list = ask(&server, "/api/v1/counters");
        let names: Vec<_> = list["counters"].as_array().expect("a list").iter().map(|row| &row["name"]).collect();
        assert_eq!((names.len(), &list["total_estimate"]), (at + 1, &(at + 1).into()), "{list}");
        assert!(names.is_sorted_by_key(|name| name.as_str()) && names.contains(&&name.into()), "{list}");
    }
}

#[test]
fn any_name_can_be_opened_by_its_path() {
    let ground = Ground::new();
    let server = ground.start();
    let mut client = server.client();
    let name: &[u8] = b"a/b %?#\xff\x00";
    client.send_bytes(&[b"*2\r\n$4\r\nINCR\r\n$9\r\n", name, b"\r\n"].concat()).expect("sent");
    client.reply().expect("a reply");
    let list = ask(&server, "/api/v1/counters?sort=name");
    let path = list["counters"][0]["path"].as_str().expect("a path");
    assert_eq!(path, "/api/v1/counters/a%2Fb%20%25%3F%23%FF%00");
    assert_eq!(ask(&server, path)["value"], "1");
}

#[test]
fn names_that_paths_or_texts_cannot_say_are_told_apart() {
    let ground = Ground::new();
    let server = ground.start();
    let mut client = server.client();
    for (name, by) in [(&b"\xff"[..], "1"), ("\u{fffd}".as_bytes(), "42"), (b".", "3"), (b"..", "4")] {
        let head = format!("*3\r\n$6\r\nINCRBY\r\n${}\r\n", name.len());
        let bytes = [head.as_bytes(), name, format!("\r\n${}\r\n{by}\r\n", by.len()).as_bytes()].concat();
        client.send_bytes(&bytes).expect("sent");
        client.reply().expect("a reply");
    }
    let mut stream = Stream::open(http_address(&server), "/api/v1/stream?counter=%FF");
    assert_eq!(stream.until("counter", |_| true)["value"], "1");
    let found = ask(&server, "/api/v1/counters?sort=name&search=%FF");
    assert_eq!((found["counters"].as_array().map(Vec::len), &found["counters"][0]["value"]), (Some(1), &"1".into()));
    for (search, path, value) in [
        (".", "/api/v1/counter?name=.", "3"),
        ("..", "/api/v1/counter?name=..", "4"),
        ("%FF", "/api/v1/counters/%FF", "1"),
    ] {
        let found = ask(&server, &format!("/api/v1/counters?sort=name&search={search}"));
        assert_eq!(found["counters"][0]["path"], path);
        assert_eq!(ask(&server, path)["value"], value);
    }
    assert_eq!(ask(&server, "/api/v1/counter?name=%FF")["value"], "1");
    assert_eq!(get(&server, "/api/v1/counter").status, 400);
    let part = get(&server, "/page/%FF");
    assert!(part.status == 404 && part.body.contains("no_such_path"), "{}", part.body);
}

#[test]
fn the_busiest_come_first_with_their_rates() {
    let ground = Ground::new();
    let server = ground.start();
    let mut client = server.client();
    client.ask("INCRBY idle 1000000");
    let list = eventually("the busiest are told in their order", || {
        for _ in 0..20 {
            client.ask("MINCRBY 5 fast");
            client.ask("MINCRBY 1 slow");
        }
        let list = ask(&server, "/api/v1/counters?sort=rate");
        let rows = list["counters"].as_array().expect("a list");
        let is_told =
            rows.len() == 2 && rows.iter().all(|row| row["history"].as_array().is_some_and(|all| all.len() > 2));
        is_told.then_some(list.clone()).ok_or(list.to_string())
    });
    assert_eq!((&list["counters"][0]["name"], &list["counters"][1]["name"]), (&"fast".into(), &"slow".into()));
    let rate = |at: usize| list["counters"][at]["rate_per_second"].as_f64().expect("a rate");
    assert!(rate(0) > rate(1) * 2.0 && rate(1) > 0.0, "{list}");
}

#[test]
fn no_more_follow_than_may_and_places_come_free() {
    let ground = Ground::new();
    let server = ground.server().set("http.max_streams=2").run();
    let address = http_address(&server);
    let mut followers = [Stream::open(address, "/api/v1/stream"), Stream::open(address, "/api/v1/stream")];
    followers.iter_mut().for_each(|stream| drop(stream.next()));
    let refused = get(&server, "/api/v1/stream");
    assert_eq!(refused.status, 503);
    assert!(refused.body.contains("too_many_streams"), "{}", refused.body);
    let [gone, mut stays] = followers;
    drop(gone);
    eventually("the place is free", || Stream::try_open(address, "/api/v1/stream").map(drop));
    stays.until("summary", |_| true);
}
