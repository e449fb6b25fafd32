//! Commits in cycles: shared by all who wait, when they are due, and nothing forgotten.

use crate::history::counter;
use crate::running::{Running, run, wait_until};
use discnt::base::{Amount, Durability, Name, ReplicaIndex};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

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

#[test]
fn what_is_on_disk_is_read_back_while_counting_goes_on() {
    for durability in [Durability::Always, Durability::EverySecond, Durability::Memory] {
        let directory = tempfile::tempdir().expect("a directory");
        let (running, _) = Running::start(directory.path(), durability);
        (0..2_000).for_each(|number| running.increment(&format!("quiet:{number}")));
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in (0..500_u64).cycle().take_while(|_| !is_over.load(Ordering::Relaxed)) {
                    running.increment(&format!("busy:{number}"));
                }
            });
            for _ in 0..5 {
                let agreement = run(running.commits.read_again()).expect("both agree");
                assert!(agreement.same >= 2_000, "{agreement:?}");
            }
            is_over.store(true, Ordering::Relaxed);
        });
        run(running.commits.save()).expect("it is written as before");
        let values = running.values();
        running.committer.abandon();
        let (again, _) = Running::start(directory.path(), durability);
        assert_eq!(again.values(), values);
        again.committer.abandon();
    }
}

#[test]
fn what_is_on_disk_and_is_not_what_is_in_memory_is_told_by_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let (running, _) = Running::start(directory.path(), Durability::EverySecond);
    running.increment("clicks");
    // In memory, and never handed over to be written.
    running.table.restore(Name::new(b"a ghost").expect("a name"), counter(7), ReplicaIndex(0));
    let told = run(running.commits.read_again()).expect_err("they differ");
    assert_eq!(
        told.to_string(),
        "what is on disk is not what is in memory, which was not changed: the counter \"a ghost\" is in memory and not on disk"
    );
    running.committer.abandon();
}

#[test]
fn a_flipped_bit_is_found_when_what_is_on_disk_is_read_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let (running, _) = Running::start(directory.path(), Durability::EverySecond);
    (0..100).for_each(|number| running.increment(&format!("clicks:{number}")));
    run(running.commits.save()).expect("saved");
    let journal = directory.path().join("store").join("0.jnl");
    let file = File::options().read(true).write(true).open(&journal).expect("the journal");
    let mut byte = [0];
    file.read_exact_at(&mut byte, 600).expect("a byte");
    file.write_all_at(&[byte[0] ^ 4], 600).expect("a byte");
    let told = run(running.commits.read_again()).expect_err("damaged");
    assert!(
        told.to_string().starts_with("what is on disk cannot be read back, and memory was not changed: "),
        "{told}"
    );
    assert_eq!(running.values().len(), 100);
    running.committer.abandon();
}
