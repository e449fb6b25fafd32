//! What the system says about a process. All of it is not a number where it says nothing.

use std::fs::read_to_string;
use std::ops::Sub;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Processor time in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Processor {
    pub(crate) user: f64,
    pub(crate) kernel: f64,
}

impl Processor {
    /// What this process has used so far.
    pub(crate) fn of(process: u32) -> Self {
        // The 14th and 15th field of the line, counted in ticks of 10 ms on all of Linux; the second is a name in parentheses.
        let seconds = read_to_string(format!("/proc/{process}/stat")).ok().and_then(|line| {
            let mut fields = line.rsplit(')').next()?.split_whitespace().skip(11);
            let mut seconds = || Some(fields.next()?.parse::<f64>().ok()? / 100.0);
            Some(Self { user: seconds()?, kernel: seconds()? })
        });
        seconds.unwrap_or(Self { user: f64::NAN, kernel: f64::NAN })
    }

    pub(crate) fn seconds(self) -> f64 {
        self.user + self.kernel
    }
}

impl Sub for Processor {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self { user: self.user - before.user, kernel: self.kernel - before.kernel }
    }
}

/// Seconds that all processors have been at work, whoever for, and seconds of them that there were in all.
pub(crate) fn busy_seconds() -> (f64, f64) {
    // Ticks of 10 ms: user, nice, system, idle, waiting for a disk, interrupts, and what the host took.
    let line = read_to_string("/proc/stat").unwrap_or_default();
    let line = line.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = line.split_whitespace().skip(1).take(8).filter_map(|field| field.parse().ok()).collect();
    let [.., idle, waiting, _, _, _] = ticks[..] else { return (f64::NAN, f64::NAN) };
    let all = ticks.iter().sum::<f64>();
    ((all - idle - waiting) / 100.0, all / 100.0)
}

/// Bytes of memory that this process has in use.
pub(crate) fn resident_bytes(process: u32) -> f64 {
    let kilobytes = read_to_string(format!("/proc/{process}/status")).ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    });
    kilobytes.map_or(f64::NAN, |kilobytes| kilobytes * 1024.0)
}

/// Waits until these processes together take less than a twentieth of a processor, but no longer than `patience`.
pub(crate) fn wait_until_quiet(processes: &[u32], patience: Duration) {
    const LOOK_INTERVAL: Duration = Duration::from_millis(200);
    let used = || processes.iter().map(|process| Processor::of(*process).seconds()).sum::<f64>();
    let (begin, mut before) = (Instant::now(), used());
    while begin.elapsed() < patience {
        sleep(LOOK_INTERVAL);
        let now = used();
        if now - before <= LOOK_INTERVAL.as_secs_f64() / 20.0 {
            return;
        }
        before = now;
    }
}
