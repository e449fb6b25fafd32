//! What sessions leave to others, hold back and are cut off for.

use super::*;

#[tokio::test]
async fn all_replies_of_a_batch_are_held_until_what_one_of_them_tells_is_safe() {
    let mut client = connect(4096);
    client.send(b"PING\r\nHOLD\r\nECHO a\r\n").await;
    assert_eq!(client.settle().await, 3);
    assert_eq!(client.service.written.load(Ordering::Relaxed), 0);
    // What comes meanwhile waits, too.
    client.send(b"ECHO b\r\n").await;
    assert_eq!(client.settle().await, 3);
    client.service.commit();
    client.expect(b"+PONG\r\n+HELD\r\n$1\r\na\r\n$1\r\nb\r\n").await;
}

#[tokio::test]
async fn one_commit_is_asked_for_what_all_clients_of_a_thread_changed_in_one_turn() {
    let mut clients = connect_all::<5>(4096);
    for client in &mut clients {
        client.send(b"HOLD\r\n").await;
    }
    assert_eq!(clients[0].settle().await, 5);
    assert_eq!(clients[0].service.asked.load(Ordering::Relaxed), 1);
    clients[0].service.commit();
    for client in &mut clients {
        client.expect(b"+HELD\r\n").await;
    }
    clients[3].send(b"HOLD\r\n").await;
    assert_eq!(clients[3].settle().await, 6);
    assert_eq!(clients[3].service.asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn replies_that_belong_to_a_later_commit_are_held_on() {
    let [mut early, mut late] = connect_all(4096);
    early.send(b"HOLD\r\n").await;
    assert_eq!(early.settle().await, 1);
    // It has begun; what is changed now is not in it.
    early.service.unfinished_commits.store(2, Ordering::Relaxed);
    late.send(b"HOLD\r\n").await;
    assert_eq!(late.settle().await, 2);
    early.service.commits.store(1, Ordering::Relaxed);
    early.service.committed.notify_one();
    early.expect(b"+HELD\r\n").await;
    assert_eq!(late.service.written.load(Ordering::Relaxed), b"+HELD\r\n".len());
    late.service.commit();
    late.expect(b"+HELD\r\n").await;
}

#[tokio::test]
async fn a_client_that_is_cut_off_while_its_replies_are_held_holds_up_nobody() {
    let [mut gone, mut stays] = connect_all(4096);
    gone.send(b"HOLD\r\n").await;
    assert_eq!(gone.settle().await, 1);
    stays.send(b"HOLD\r\n").await;
    assert_eq!(stays.settle().await, 2);
    gone.served.abort();
    stays.service.commit();
    stays.expect(b"+HELD\r\n").await;
}

#[tokio::test]
async fn the_reply_speaks_the_version_that_the_request_chose() {
    let mut client = connect(4096);
    client.send(b"NULL\r\nRESP3\r\nNULL\r\n").await;
    client.expect(b"$-1\r\n_\r\n_\r\n").await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_held_back_and_loses_nothing() {
    let client = connect(4096);
    let requests = 3000;
    // The pipe and the input buffer take the first requests; then the session must stop taking more.
    let (mut reader, mut writer) = tokio::io::split(client.stream);
    let written = Arc::new(AtomicUsize::new(0));
    let sending = tokio::spawn({
        let written = Arc::clone(&written);
        async move {
            for _ in 0..requests {
                writer.write_all(b"LARGE\r\n").await.expect("connected");
                written.fetch_add(1, Ordering::Relaxed);
            }
            writer
        }
    });
    let mut last = usize::MAX;
    while last != written.load(Ordering::Relaxed) {
        last = written.load(Ordering::Relaxed);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    assert!(last < requests, "all {requests} requests were taken");
    // 4096 bytes of replies are the bound; one more reply may have been begun before it was reached, and the
    // pipe holds another 4096.
    let executed = client.service.executed.load(Ordering::Relaxed);
    assert!(executed <= 10, "{executed} requests were run for a client that reads nothing");

    let reply_bytes = b"$1000\r\n".len() + 1002;
    let mut replies = vec![0; requests * reply_bytes];
    timeout(PATIENCE, reader.read_exact(&mut replies)).await.expect("all replies arrive").expect("connected");
    assert!(replies.chunks(reply_bytes).all(|reply| reply.starts_with(b"$1000\r\nxxx")));
    sending.await.expect("no panic");
    client.stop.send_replace(Some(std::time::Instant::now()));
    client.served.await.expect("no panic").expect("in good order");
}

#[tokio::test]
async fn an_idle_connection_holds_no_buffers() {
    let mut client = connect(1 << 20);
    client.send(b"PING\r\n").await;
    client.expect(b"+PONG\r\n").await;
    client.settle().await;
    // Both buffers are back where the next session finds them.
    assert_eq!(client.pool.spare(), (1, 1));
    client.send(b"PI").await;
    client.settle().await;
    assert_eq!(client.pool.spare().0, 0, "half a request is held");
    client.send(b"NG\r\n").await;
    client.expect(b"+PONG\r\n").await;
    client.settle().await;
    assert_eq!(client.pool.spare(), (1, 1));
}

#[tokio::test]
async fn stopping_answers_what_has_arrived_and_closes() {
    let mut client = connect(4096);
    client.send(b"ECHO last\r\nPI").await;
    client.stop.send_replace(Some(std::time::Instant::now()));
    client.expect(b"$4\r\nlast\r\n").await;
    client.expect_end().await;
    client.served.await.expect("no panic").expect("in good order");
}

#[tokio::test]
async fn a_client_without_the_password_may_send_little() {
    let mut client = connect(4096);
    client.send(b"DEAUTHENTICATE\r\n*11\r\n").await;
    client.expect(b"+OK\r\n-ERR Protocol error: unauthenticated multibulk length\r\n").await;
    client.expect_end().await;
}

#[tokio::test]
async fn a_refused_client_is_told_even_if_it_has_already_sent() {
    let (mut client, server) = tokio::io::duplex(64);
    let refused = tokio::spawn(refuse(server, "ERR no room"));
    client.write_all(b"PING\r\n").await.expect("connected");
    let mut said = Vec::new();
    client.read_to_end(&mut said).await.expect("connected");
    assert_eq!(said, b"-ERR no room\r\n");
    drop(client);
    refused.await.expect("no panic").expect("in good order");
}

#[tokio::test]
async fn messages_are_sent_without_a_request_and_behind_the_replies_of_one() {
    let mut client = connect(4096);
    client.settle().await;
    client.service.tell("one");
    client.expect(b"*1\r\n$3\r\none\r\n").await;
    client.send(b"PING\r\nRESP3\r\nWAIT\r\n").await;
    client.expect(b"+PONG\r\n_\r\n").await;
    client.service.tell("two");
    assert_eq!(client.settle().await, 3);
    client.service.go.notify_one();
    client.expect(b"+WAITED\r\n>1\r\n$3\r\ntwo\r\n").await;
    let written = client.service.written.load(Ordering::Relaxed);
    assert_eq!(written, 13 + 10 + 9 + 13, "messages count as what was written");
}

#[tokio::test]
async fn a_session_that_is_to_get_no_more_messages_is_closed() {
    let mut client = connect(4096);
    client.send(b"PING\r\n").await;
    client.expect(b"+PONG\r\n").await;
    client.service.tell("CLOSE");
    client.expect_end().await;
}

#[tokio::test]
async fn a_request_that_is_put_off_is_run_once_when_requests_may_go_on() {
    let mut client = connect(4096);
    client.service.paused.store(true, Ordering::Relaxed);
    client.send(b"ECHO a\r\nPAUSABLE\r\nECHO b\r\n").await;
    client.expect(b"$1\r\na\r\n").await;
    client.settle().await;
    client.service.paused.store(false, Ordering::Relaxed);
    client.service.go.notify_one();
    client.expect(b"+RESUMED\r\n$1\r\nb\r\n").await;
    assert_eq!(client.service.resumed.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_request_that_is_put_off_for_good_closes_the_connection() {
    let mut client = connect(4096);
    client.service.paused.store(true, Ordering::Relaxed);
    client.send(b"PAUSABLE\r\nPING\r\n").await;
    client.settle().await;
    client.service.go.notify_one();
    client.expect_end().await;
    assert_eq!(client.service.resumed.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_long_pipeline_leaves_the_others_their_turns() {
    let [mut greedy, mut modest] = connect_all(1 << 20);
    let requests = 50 * REQUESTS_PER_TURN as usize;
    greedy.send(&b"PING\r\n".repeat(requests)).await;
    modest.send(b"PING\r\n").await;
    modest.expect(b"+PONG\r\n").await;
    let run = modest.service.executed.load(Ordering::Relaxed);
    assert!(run <= 4 * REQUESTS_PER_TURN as usize, "{run} requests were run before the other's one");
    greedy.expect(&b"+PONG\r\n".repeat(requests)).await;
}

#[tokio::test]
async fn replies_that_nobody_wants_are_not_sent() {
    let mut client = connect(4096);
    client.send(b"MUTE\r\nECHO a\r\nWAIT\r\nECHO b\r\n").await;
    client.settle().await;
    client.service.go.notify_one();
    client.expect(b"$1\r\nb\r\n").await;
}

#[tokio::test]
async fn a_client_whose_replies_pass_its_limit_is_cut_off() {
    let mut client = connect(1 << 20);
    client.service.output_limit.store(2500, Ordering::Relaxed);
    client.send(b"LARGE\r\nLARGE\r\n").await;
    client.expect(&format!("$1000\r\n{}\r\n", "x".repeat(1000)).repeat(2).into_bytes()).await;
    client.send(b"LARGE\r\nLARGE\r\nLARGE\r\n").await;
    client.expect_end().await;
}

#[tokio::test]
async fn a_client_whose_messages_pass_its_limit_is_cut_off() {
    let mut client = connect(4096);
    client.service.output_limit.store(13, Ordering::Relaxed);
    client.service.tell("one");
    client.expect(b"*1\r\n$3\r\none\r\n").await;
    client.service.tell("four");
    client.expect_end().await;
}

#[tokio::test]
async fn what_a_client_leaves_unread_is_told() {
    let mut client = connect(64);
    client.send(b"LARGE\r\n").await;
    client.settle().await;
    let told = *client.service.holding.lock().expect("no panic");
    assert_eq!(told.output, 1009 - 64);
    let mut rest = vec![0; 1009];
    timeout(PATIENCE, client.stream.read_exact(&mut rest)).await.expect("all of it").expect("connected");
    client.settle().await;
    assert_eq!(*client.service.holding.lock().expect("no panic"), Holding::default());
    client.send(b"PIN").await;
    client.settle().await;
    assert_eq!(client.service.holding.lock().expect("no panic").query, 3);
}
