//! Commits in cycles: shared by all who wait, when they are due, and nothing forgotten.

use crate::running::{Running, run, wait_until};
use discnt::base::{Amount, Durability};
use std::sync::atomic::Ordering;

const WAITERS: u64 = 50;
const ROUNDS: u64 = 20;

#[test]
fn many_who_wait_share_a_cycle_and_find_what_they_waited_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let (running, _) = Running::start(directory.path(), Durability::Always);
    run(async {
        let waiter = async |number: u64| {
            for _ in 0..ROUNDS {
                running.increment(&format!("waiter:{}", number % 7));
                let ticket = running.table.commits().ticket();
                running.commits.committed(ticket).await;
                assert!(running.table.commits().is_durable(ticket));
            }
        };
        let mut waiters: Vec<_> = (0..WAITERS).map(|number| Box::pin(waiter(number))).collect();
        std::future::poll_fn(|context| {
            waiters.retain_mut(|waiter| waiter.as_mut().poll(context).is_pending());
            if waiters.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    });
    let cycles = running.commits.figures().cycles.load(Ordering::Relaxed);
    assert!(cycles < WAITERS * ROUNDS / 4, "{cycles} cycles for {} waits", WAITERS * ROUNDS);
    let values = running.values();
    running.committer.abandon();
    let (again, opened) = Running::start(directory.path(), Durability::Always);
    assert!(!opened.clean && opened.standing.whole);
    assert_eq!(again.values(), values);
    let sum: i64 = values.values().filter_map(|value| value.to_i64()).sum();
    assert_eq!(sum as u64, WAITERS * ROUNDS);
    again.committer.abandon();
}

#[test]
fn every_second_what_changed_is_written_without_anybody_asking() {
    let directory = tempfile::tempdir().expect("a directory");
    let (running, _) = Running::start(directory.path(), Durability::EverySecond);
    running.increment("clicks");
    let ticket = running.table.commits().ticket();
    wait_until("it is durable", || running.table.commits().is_durable(ticket));
    running.committer.abandon();
    let (again, opened) = Running::start(directory.path(), Durability::EverySecond);
    assert_eq!((opened.clean, again.values().len()), (false, 1));
    again.committer.abandon();
}

#[test]
fn in_memory_nothing_is_written_until_somebody_asks_or_the_server_stops() {
    let directory = tempfile::tempdir().expect("a directory");
    let (running, _) = Running::start(directory.path(), Durability::Memory);
    running.increment("asked");
    run(running.commits.save()).expect("saved");
    assert_eq!(running.commits.figures().cycles.load(Ordering::Relaxed), 1);
    running.increment("lost");
    running.committer.abandon();

    let (running, opened) = Running::start(directory.path(), Durability::Memory);
    assert!(!opened.clean && opened.standing.stale, "who knows what was said meanwhile");
    assert_eq!(running.values().keys().collect::<Vec<_>>(), [b"asked"]);
    running.increment("kept");
    running.committer.close_clean().expect("closed");

    let (running, opened) = Running::start(directory.path(), Durability::Memory);
    assert!(opened.clean);
    assert_eq!(running.values().len(), 2);
    assert!(running.values().values().all(|value| *value == Amount::ONE));
    running.committer.abandon();
}

#[test]
fn a_record_that_reserves_more_is_written_and_told_though_no_counter_changed() {
    let directory = tempfile::tempdir().expect("a directory");
    let (running, _) = Running::start(directory.path(), Durability::Memory);
    let more = running.reserved.fetch_add(1 << 20, Ordering::SeqCst) + (1 << 20);
    let ticket = running.table.commits().ticket();
    running.commits.request();
    run(running.commits.committed(ticket));
    assert_eq!(running.told.lock().expect("no panic").last(), Some(&(ticket, more)));
    running.committer.abandon();
    let (again, opened) = Running::start(directory.path(), Durability::Memory);
    assert_eq!(opened.previous.expect("a record").reserved, more);
    again.committer.abandon();
}
