//! Whether a node runs and whether it serves, also before it does.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::client::{get, http_address, try_ask};
use crate::server_support::{Ground, eventually, eventually_answers};

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

#[test]
fn a_node_that_serves_is_alive_and_ready() {
    let ground = Ground::new();
    let server = ground.start();
    let answer = get(&server, "/livez");
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
    let answer = get(&server, "/readyz");
    assert_eq!((answer.status, answer.body.as_str()), (200, "ready\n"));
    let address = http_address(&server);
    let answer = try_ask(address, "GET", "/readyz", &["Accept: application/json"]).expect("an answer");
    assert_eq!(answer.body, "{\"ready\":true,\"reasons\":[]}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[test]
fn a_node_that_starts_is_alive_and_tells_why_it_is_not_ready() {
    let ground = Ground::new();
    let settings = ["cluster.rejoin_wait_ms=2500", "cluster.node_timeout_ms=2000", "mesh.idle_timeout_ms=2000"];
    let http = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let [first, second, third] = [(); 3].map(|()| ground.server().set_all(&settings));
    let third = third.set(format!("http.listen={http}"));
    let (first, second, third) = (first.run(), second.run(), third.run());
    crate::server_support::link(&[&first, &second, &third]);
    third.ask("INCRBY a 5");
    eventually_answers(&first, "GET a", "5");
    eventually_answers(&second, "GET a", "5");
    let third = third.kill();
    // Nobody can tell what the second has heard.
    drop(second.kill());
    let third = third.run_unready();
    let refused = eventually("it tells that it asks", || {
        let answer = try_ask(http, "GET", "/readyz", &[])?;
        (answer.status == 503 && answer.body.contains("rejoining: ")).then_some(answer).ok_or("not yet".to_owned())
    });
    assert!(refused.body.starts_with("not ready\n"), "{}", refused.body);
    assert_eq!(try_ask(http, "GET", "/livez", &[]).expect("an answer").status, 200);
    let metrics = try_ask(http, "GET", "/metrics", &[]).expect("an answer").body;
    assert!(metrics.contains("discnt_ready 0\n") || metrics.contains("discnt_stage{stage=\"serving\"} 1"), "{metrics}");
    eventually_answers(&third, "GET a", "5");
}

#[test]
fn http_is_beside_the_port_for_clients_unless_it_is_off_or_elsewhere() {
    let ground = Ground::new();
    let port = free_port();
    let off = ground.server().set("http.listen=").run();
    assert!(!off.report().contains("\nhttp "), "{}", off.report());
    if let Some(beside) = port.checked_add(10_000) {
        let server = ground.server().port(port).run();
        // Somebody else may have that one by now; then the server says so, and serves its clients.
        match server.report().contains("\nhttp ") {
            true => assert_eq!(http_address(&server).port(), beside),
            false => drop(server.eventually_logs(&["no HTTP", &beside.to_string()])),
        }
    }
    let held = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = held.local_addr().expect("an address");
    let refused = ground.server().set(format!("http.listen={taken}")).run_refused();
    assert!(refused.errors.contains(&format!("cannot listen for HTTP on {taken}")), "{}", refused.errors);
}

#[test]
fn what_there_is_not_is_said_and_nothing_can_be_changed() {
    let ground = Ground::new();
    let server = ground.start();
    let address = http_address(&server);
    let answer = get(&server, "/nothing");
    assert_eq!((answer.status, answer.header("content-type")), (404, Some("application/json")));
    assert!(answer.body.contains("\"code\":\"no_such_path\""), "{}", answer.body);
    for method in ["POST", "PUT", "DELETE"] {
        let answer = try_ask(address, method, "/metrics", &["Content-Length: 0"]).expect("an answer");
        assert_eq!(answer.status, 405, "{method}");
        assert!(answer.body.contains("\"code\":\"read_only\""), "{}", answer.body);
    }
}

#[test]
fn the_page_comes_with_a_policy_that_lets_nothing_of_others_in() {
    let ground = Ground::new();
    let server = ground.start();
    let page = get(&server, "/");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    // Whatever the page asks for is there, and of this server.
    let parts = page.body.split('"').map(|text| text.trim_start_matches('/'));
    let parts: Vec<&str> = parts.filter(|text| text.starts_with("page/")).collect();
    assert!(!parts.is_empty());
    for part in parts {
        assert_eq!(get(&server, &format!("/{part}")).status, 200, "{part}");
    }
    for outside in ["http://", "https://", "<style", "style=", "<script>"] {
        assert!(!page.body.contains(outside), "{outside}: {}", page.body);
    }
}
