//! What this process uses, as Linux tells it.

use super::clock::Clock;
use crate::command::{ProcessFigures, Statistics};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Linux counts processor time in hundredths of a second for its readers, whatever the kernel's tick.
const MICROS_PER_TICK: u64 = 10_000;

/// Raises the soft limit of open files to the hard one: every client takes one. Answers the limit in force.
pub fn raise_file_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

/// Updates the figures once a second, for ever.
pub async fn watch_process(figures: Arc<ProcessFigures>, statistics: Arc<Statistics>, clock: Clock) {
    let count = || [statistics.commands_run(), statistics.input_bytes(), statistics.output_bytes()];
    let rates = [&figures.operations_per_second, &figures.input_bytes_per_second, &figures.output_bytes_per_second];
    let mut before = (count(), clock.monotonic());
    loop {
        update(&figures);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = (count(), clock.monotonic());
        let seconds = now.1.since(before.1).as_secs_f64().max(0.001);
        for ((rate, now), before) in rates.iter().zip(now.0).zip(before.0) {
            let a_second = (now.saturating_sub(before) as f64 / seconds) as u64;
            rate.store(a_second, Ordering::Relaxed);
        }
        before = now;
    }
}

/// The resident memory of this process, in bytes.
pub fn resident_bytes() -> Option<u64> {
    let pages = fs::read_to_string("/proc/self/statm").ok()?.split_whitespace().nth(1)?.parse::<u64>().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

fn update(figures: &ProcessFigures) {
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        let kilobytes = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field))?;
            line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
        };
        if let Some(resident) = kilobytes("VmRSS:") {
            figures.resident_bytes.store(resident * 1024, Ordering::Relaxed);
            // The first time alone: that is before anything is loaded.
            let (first, relaxed) = (resident * 1024, Ordering::Relaxed);
            let _ = figures.startup_resident_bytes.compare_exchange(0, first, relaxed, relaxed);
        }
        if let Some(peak) = kilobytes("VmHWM:") {
            figures.peak_resident_bytes.store(peak * 1024, Ordering::Relaxed);
        }
    }
    if let Some((user, system)) = fs::read_to_string("/proc/self/stat").ok().and_then(|stat| cpu_ticks(&stat)) {
        figures.cpu_user_micros.store(user * MICROS_PER_TICK, Ordering::Relaxed);
        figures.cpu_system_micros.store(system * MICROS_PER_TICK, Ordering::Relaxed);
    }
    if figures.machine_bytes.load(Ordering::Relaxed) == 0 {
        // Not out of /proc/meminfo, which a service may be kept from.
        let system = rustix::system::sysinfo();
        let bytes = system.totalram.saturating_mul(system.mem_unit.into());
        figures.machine_bytes.store(bytes, Ordering::Relaxed);
    }
}

/// User and system time out of `/proc/self/stat`; the program's name before them may hold anything but ends with `)`.
fn cpu_ticks(stat: &str) -> Option<(u64, u64)> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_past_any_program_name() {
        let stat = "7 (odd) name) S 1 7 7 0 -1 4194560 100 0 0 0 12 34 0 0 20 0 3 0 5";
        assert_eq!(cpu_ticks(stat), Some((12, 34)));
        assert_eq!(cpu_ticks("nonsense"), None);
    }

    #[test]
    fn this_process_uses_memory() {
        let figures = ProcessFigures::default();
        update(&figures);
        let resident = figures.resident_bytes.load(Ordering::Relaxed);
        assert!(resident > 1 << 20);
        let again = resident_bytes().expect("Linux tells");
        assert!(again > resident / 4 && again / 4 < resident, "{resident} and {again}");
        assert!(
            figures.peak_resident_bytes.load(Ordering::Relaxed) >= figures.resident_bytes.load(Ordering::Relaxed) / 2
        );
        assert!(figures.machine_bytes.load(Ordering::Relaxed) > 1 << 27);
    }
}
