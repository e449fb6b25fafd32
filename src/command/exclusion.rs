//! Who runs commands now: all threads side by side, or one of them alone.
//!
//! A thread enters for each batch of requests, which costs two atomic additions in a cache line of its own. EXEC waits until no
//! other thread is inside, and meanwhile none enters. So no client of this node sees a part of what EXEC does, and commands
//! cost the same with and without it.

use parking_lot::{Condvar, Mutex};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Which of a node's threads run commands.
#[derive(Debug)]
pub struct Exclusion {
    lanes: Box<[Lane]>,
    /// Somebody is alone, or waits to be.
    wanted: AtomicBool,
    /// Held by who is alone, or waits for the others to leave.
    alone: Mutex<()>,
    leaving: Mutex<()>,
    left: Condvar,
}

/// Two cache lines' alignment, as processors fetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Lane {
    entered: AtomicU32,
}

/// One thread's right to run commands; given back when dropped.
#[derive(Debug)]
pub struct Entry<'a> {
    exclusion: &'a Exclusion,
    thread: usize,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.exclusion.step_out(self.thread);
    }
}

impl Exclusion {
    /// For threads with the numbers below this. A thread is inside once at a time.
    pub fn new(threads: usize) -> Self {
        Self {
            lanes: (0..threads.max(1)).map(|_| Lane::default()).collect(),
            wanted: AtomicBool::default(),
            alone: Mutex::default(),
            leaving: Mutex::default(),
            left: Condvar::default(),
        }
    }

    /// Lets a thread run commands; waits while another is alone.
    pub fn enter(&self, thread: usize) -> Entry<'_> {
        self.step_in(thread);
        Entry { exclusion: self, thread }
    }

    /// Runs this while no other thread is inside. The caller leaves for that, if it is, and enters again.
    pub(super) fn alone<R>(&self, thread: usize, run: impl FnOnce() -> R) -> R {
        // Two that want to be alone must not wait for each other.
        let _outside = self.is_inside(thread).then(|| Outside::new(self, thread));
        let _alone = self.alone.lock();
        let _wanted = Wanted::new(&self.wanted);
        self.wait_for_all();
        run()
    }

    /// Lets who wants to be alone go first. For long work between two of its parts.
    pub(super) fn make_way(&self, thread: usize) {
        if self.wanted.load(Ordering::SeqCst) && self.is_inside(thread) {
            drop(Outside::new(self, thread));
        }
    }

    fn lane(&self, thread: usize) -> &Lane {
        &self.lanes[thread % self.lanes.len()]
    }

    fn is_inside(&self, thread: usize) -> bool {
        self.lane(thread).entered.load(Ordering::SeqCst) > 0
    }

    fn step_in(&self, thread: usize) {
        loop {
            // Whoever wants to be alone says so before it looks here, so one of the two sees the other.
            self.lane(thread).entered.fetch_add(1, Ordering::SeqCst);
            if !self.wanted.load(Ordering::SeqCst) {
                return;
            }
            self.step_out(thread);
            drop(self.alone.lock());
        }
    }

    fn step_out(&self, thread: usize) {
        self.lane(thread).entered.fetch_sub(1, Ordering::SeqCst);
        if self.wanted.load(Ordering::SeqCst) {
            let _leaving = self.leaving.lock();
            self.left.notify_all();
        }
    }

    fn wait_for_all(&self) {
        for lane in &self.lanes {
            let mut leaving = self.leaving.lock();
            while lane.entered.load(Ordering::SeqCst) > 0 {
                self.left.wait(&mut leaving);
            }
        }
    }
}

/// A thread that has left for a while; it enters again when this is dropped, also by a panic.
struct Outside<'a>(&'a Exclusion, usize);

impl<'a> Outside<'a> {
    fn new(exclusion: &'a Exclusion, thread: usize) -> Self {
        exclusion.step_out(thread);
        Self(exclusion, thread)
    }
}

impl Drop for Outside<'_> {
    fn drop(&mut self) {
        self.0.step_in(self.1);
    }
}

/// Says that somebody wants to be alone, until it is dropped, also by a panic.
struct Wanted<'a>(&'a AtomicBool);

impl<'a> Wanted<'a> {
    fn new(flag: &'a AtomicBool) -> Self {
        flag.store(true, Ordering::SeqCst);
        Self(flag)
    }
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;
    use std::thread;

    const THREADS: usize = 4;
    const ROUNDS: u64 = 20_000;

    #[test]
    fn nobody_sees_a_part_of_what_is_done_alone() {
        let exclusion = Exclusion::new(THREADS);
        let pair = [AtomicU64::new(0), AtomicU64::new(0)];
        let add = || {
            for half in &pair {
                half.fetch_add(1, Ordering::Relaxed);
            }
        };
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (exclusion, pair, add) = (&exclusion, &pair, &add);
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        let _entry = exclusion.enter(thread);
                        let read = || pair.each_ref().map(|half| half.load(Ordering::Relaxed));
                        let [first, second] = read();
                        assert_eq!(first, second);
                        if round % 8 == 0 {
                            exclusion.alone(thread, add);
                        } else {
                            assert_eq!(read(), [first, second], "somebody was alone meanwhile");
                        }
                        exclusion.make_way(thread);
                    }
                });
            }
        });
        let done = THREADS as u64 * ROUNDS / 8;
        assert_eq!(pair.each_ref().map(|half| half.load(Ordering::Relaxed)), [done, done]);
    }

    #[test]
    fn a_panic_alone_lets_the_others_go_on() {
        let exclusion = Exclusion::new(2);
        let panicked = thread::scope(|scope| {
            let all = scope.spawn(|| {
                let _entry = exclusion.enter(0);
                exclusion.alone(0, || panic!("as asked"));
            });
            all.join().is_err()
        });
        assert!(panicked);
        drop(exclusion.enter(1));
        assert_eq!(exclusion.alone(1, || 7), 7);
    }
}
