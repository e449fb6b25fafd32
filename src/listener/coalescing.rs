//! Lets requests gather while a thread is busy but not full. A thread that sleeps whenever it has run dry is woken for a few requests
//! at a time, and on one machine it is the clients who pay for each of these wake-ups. So between two busy spells it sleeps for
//! a moment by itself, and finds more to do when it looks again. Network cards know this as adaptive interrupt coalescing.
//!
//! It must never hold up clients who are all waiting for an answer, nor a thread that has no time to sleep.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

/// A shorter spell served a request or two: whoever sent them is waiting, and others are not on their way.
const SHORTEST_SPELL: Duration = Duration::from_micros(25);
/// After a longer one the thread is nearly full. Its clients send without being woken, and a pause would only cost.
const LONGEST_SPELL: Duration = Duration::from_micros(400);
/// Clients that sent something within so long are those that may send soon.
const WINDOW: Duration = Duration::from_millis(5);
/// Those served in a spell may be all of those times this: then most others have something on its way.
const OTHERS: u32 = 3;

/// Who is served by one thread. Only this thread writes it.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Reads that brought something since the thread woke.
    served: AtomicU32,
    /// Counts the windows.
    window: AtomicU32,
    /// Clients served in this window.
    clients: AtomicU32,
    /// Clients served in the window before.
    clients_before: AtomicU32,
}

/// When a client was served last.
#[derive(Debug, Default)]
pub(super) struct LastServed(u32);

impl Activity {
    /// A client has sent something.
    #[inline]
    pub(super) fn served(&self, last: &mut LastServed) {
        add_one(&self.served);
        let window = self.window.load(Ordering::Relaxed).wrapping_add(1);
        if last.0 != window {
            last.0 = window;
            add_one(&self.clients);
        }
    }

    fn begin_spell(&self) {
        self.served.store(0, Ordering::Relaxed);
    }

    fn begin_window(&self) {
        add_one(&self.window);
        self.clients_before.store(self.clients.swap(0, Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Whether requests of others are likely to be on their way after a spell of this length.
    fn is_worth_a_pause(&self, spell: Duration) -> bool {
        let served = self.served.load(Ordering::Relaxed);
        (SHORTEST_SPELL..=LONGEST_SPELL).contains(&spell)
            && served.saturating_mul(OTHERS) <= self.clients_before.load(Ordering::Relaxed)
    }
}

/// Cheaper than an addition that other threads might meet.
fn add_one(count: &AtomicU32) {
    count.store(count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

/// Has the thread of this runtime pause for `pause` before it waits for events, where that is worth it. The system adds its timer slack,
/// 50 µs unless it was set otherwise. Nothing is done for a pause of zero.
pub(super) fn coalesce(builder: &mut Builder, activity: Arc<Activity>, pause: Duration) {
    if pause.is_zero() {
        return;
    }
    let epoch = Instant::now();
    let elapsed = move || u64::try_from(epoch.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let (woken, window_began) = (Arc::new(AtomicU64::new(0)), AtomicU64::new(0));
    builder.on_thread_unpark({
        let (woken, activity) = (Arc::clone(&woken), Arc::clone(&activity));
        move || {
            activity.begin_spell();
            woken.store(elapsed(), Ordering::Relaxed);
        }
    });
    builder.on_thread_park(move || {
        let now = elapsed();
        let since = |time: &AtomicU64| Duration::from_nanos(now.saturating_sub(time.load(Ordering::Relaxed)));
        if since(&window_began) >= WINDOW {
            window_began.store(now, Ordering::Relaxed);
            activity.begin_window();
        }
        if activity.is_worth_a_pause(since(&woken)) {
            thread::sleep(pause);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Duration = Duration::from_micros(100);

    /// What is known after a window in which so many clients were served, and a spell with so many of them.
    fn activity(clients: u32, served: u32) -> Activity {
        let activity = Activity::default();
        let mut last: Vec<LastServed> = (0..clients).map(|_| LastServed::default()).collect();
        for _ in 0..3 {
            last.iter_mut().for_each(|client| activity.served(client));
        }
        activity.begin_window();
        activity.begin_spell();
        for client in last.iter_mut().take(served as usize) {
            activity.served(client);
        }
        activity
    }

    #[test]
    fn a_few_of_many_clients_are_worth_a_pause() {
        assert!(activity(50, 7).is_worth_a_pause(USUAL));
        assert!(activity(9, 3).is_worth_a_pause(USUAL));
    }

    #[test]
    fn clients_that_are_all_waiting_are_not_held_up() {
        assert!(!activity(1, 1).is_worth_a_pause(USUAL));
        assert!(!activity(8, 3).is_worth_a_pause(USUAL));
        assert!(!activity(50, 50).is_worth_a_pause(USUAL));
    }

    #[test]
    fn a_thread_that_is_nearly_idle_or_full_does_not_pause() {
        assert!(!activity(50, 1).is_worth_a_pause(Duration::from_micros(8)));
        assert!(!activity(50, 7).is_worth_a_pause(Duration::from_millis(1)));
    }

    #[test]
    fn clients_that_fell_silent_do_not_count() {
        let activity = activity(50, 1);
        activity.begin_window();
        activity.begin_spell();
        activity.served(&mut LastServed::default());
        assert!(!activity.is_worth_a_pause(USUAL));
    }

    /// A runtime's spells while `clients` are there, of whom one is served each time; how long the shortest and the longest took
    /// up to when the next could begin. On a busy machine some are too long for a pause, and some as long as one.
    fn turns(pause: Duration, clients: u32) -> (Duration, Duration) {
        let (mut builder, activity) = (Builder::new_current_thread(), Arc::new(Activity::default()));
        coalesce(builder.enable_time(), Arc::clone(&activity), pause);
        let runtime = builder.build().expect("a runtime needs nothing but memory and a few descriptors");
        runtime.block_on(async {
            let (mut shortest, mut longest) = (Duration::MAX, Duration::ZERO);
            for _ in 0..20 {
                // A timer that is due soon has the thread park.
                tokio::time::sleep(Duration::from_millis(1)).await;
                activity.clients_before.store(clients, Ordering::Relaxed);
                activity.clients.store(clients, Ordering::Relaxed);
                activity.served(&mut LastServed::default());
                let began = Instant::now();
                while began.elapsed() < USUAL {
                    std::hint::spin_loop();
                }
                tokio::time::sleep(Duration::from_micros(1)).await;
                let took = began.elapsed();
                (shortest, longest) = (shortest.min(took), longest.max(took));
            }
            (shortest, longest)
        })
    }

    #[test]
    fn a_thread_pauses_before_it_waits_for_events() {
        let pause = Duration::from_millis(30);
        assert!(turns(pause, 50).1 >= pause);
        assert!(turns(pause, 1).0 < pause);
        assert!(turns(Duration::ZERO, 50).0 < pause);
    }
}
