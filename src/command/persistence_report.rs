//! The section of INFO on what is on disk. Tools read the fields that Redis has too; the others are our own.

use super::call::Call;
use super::environment::{ReplyShape, figure};
use super::info::put;
use super::persistence::{PersistenceFigures, Stage};
use crate::base::{Durability, WallMillis};
use std::sync::atomic::Ordering;

pub(super) fn persistence(call: &Call<'_>, text: &mut String) {
    let figures = &*call.environment.persistence;
    let stage = figures.stage();
    put(text, &[("loading", &u8::from(stage != Stage::Serving)), ("async_loading", &0)]);
    if stage == Stage::Loading {
        loading(figures, call.now.wall, text);
    }
    let unsaved = call.environment.table.unsaved();
    let writes_by_itself = figures.durability() != Durability::Memory;
    let is_failing = figures.is_failing() || figures.refuses_changes();
    put(
        text,
        &[
            ("rdb_changes_since_last_save", &unsaved),
            ("rdb_bgsave_in_progress", &u8::from(figures.is_saving())),
            ("rdb_last_save_time", &(figures.last_save().0 / 1000)),
            ("rdb_last_bgsave_status", &status(figures.last_save_is_ok())),
            ("rdb_last_bgsave_time_sec", &-1),
            ("rdb_current_bgsave_time_sec", &-1),
            ("rdb_last_load_keys_expired", &0),
            ("rdb_last_load_keys_loaded", &figure(&figures.counters_loaded)),
            ("aof_enabled", &u8::from(writes_by_itself)),
            ("aof_rewrite_in_progress", &0),
            ("aof_rewrite_scheduled", &0),
            ("aof_last_rewrite_time_sec", &-1),
            ("aof_current_rewrite_time_sec", &-1),
            ("aof_last_bgrewrite_status", &"ok"),
            ("aof_last_write_status", &status(!is_failing)),
        ],
    );
    if call.environment.settings.shape == ReplyShape::Discnt {
        figures_of_discnt(figures, unsaved, text);
    }
    own_figures(call, text);
}

/// The same as the C program tells it.
fn figures_of_discnt(figures: &PersistenceFigures, unsaved: u64, text: &mut String) {
    put(
        text,
        &[
            ("ddb_changes_since_last_save", &unsaved),
            ("ddb_bgsave_in_progress", &u8::from(figures.is_saving())),
            ("ddb_last_save_time", &(figures.last_save().0 / 1000)),
            ("ddb_last_bgsave_status", &status(figures.last_save_is_ok())),
            ("ddb_last_bgsave_time_sec", &-1),
            ("ddb_current_bgsave_time_sec", &-1),
        ],
    );
}

/// How far loading has come; Redis counts bytes where this counts counters.
fn loading(figures: &PersistenceFigures, now: WallMillis, text: &mut String) {
    let loaded = figure(&figures.counters_loaded);
    let total = figure(&figures.counters_to_load).max(loaded);
    let since = WallMillis(figure(&figures.loading_since_millis));
    let percent = if total == 0 { 0.0 } else { loaded as f64 * 100.0 / total as f64 };
    let left = match loaded {
        0 => -1.0,
        _ => seconds_since(since, now) as f64 * (total - loaded) as f64 / loaded as f64,
    };
    put(
        text,
        &[
            ("loading_start_time", &(since.0 / 1000)),
            ("loading_total_counters", &total),
            ("loading_loaded_counters", &loaded),
            ("loading_loaded_perc", &format_args!("{percent:.2}")),
            ("loading_eta_seconds", &format_args!("{left:.0}")),
        ],
    );
}

fn own_figures(call: &Call<'_>, text: &mut String) {
    let (figures, now) = (&*call.environment.persistence, call.now.wall);
    let ago = |at: WallMillis| match at.0 {
        0 => "never".to_owned(),
        _ => seconds_since(at, now).to_string(),
    };
    let pending = figures.pending_for(call.now.monotonic).map_or(0, |pending| pending.as_secs());
    let failing = if figures.is_failing() { pending.max(1) } else { 0 };
    let (failure, damage) = (figures.failure().unwrap_or_default(), figures.renewals.damage());
    let renewing = figures.renewals.running.load(Ordering::Relaxed);
    put(
        text,
        &[
            ("durability", &figures.durability()),
            ("counters_unsaved", &call.environment.table.unsaved()),
            ("seconds_since_last_commit", &ago(figures.last_commit())),
            ("commits", &figure(&figures.commits)),
            ("counters_written", &figure(&figures.counters_written)),
            ("last_commit_usec", &figure(&figures.last_commit_micros)),
            ("commit_pending_seconds", &pending),
            ("commit_failures", &figures.failures()),
            ("commits_failing_seconds", &failing),
            ("commit_failure", &failure),
            ("refusing_writes", &u8::from(figures.refuses_changes())),
            ("store_bytes", &figure(&figures.store_bytes)),
            ("store_renewing", &u8::from(renewing)),
            ("store_renewals", &figure(&figures.renewals.done)),
            ("store_damage", &damage),
        ],
    );
}

fn seconds_since(at: WallMillis, now: WallMillis) -> u64 {
    now.0.saturating_sub(at.0) / 1000
}

fn status(is_ok: bool) -> &'static str {
    if is_ok { "ok" } else { "err" }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;
    use crate::base::Monotonic;
    use std::sync::Arc;
    use std::time::Duration;

    #[track_caller]
    fn shows(text: &str, fields: &[&str]) {
        for field in fields {
            assert!(text.contains(&format!("\r\n{field}\r\n")), "{field}: {text}");
        }
    }

    #[test]
    fn what_is_on_disk_is_told_in_the_fields_that_tools_read() {
        let mut bench = Bench::new();
        let figures = Arc::clone(&bench.environment.persistence);
        shows(
            &bench.text("info persistence"),
            &["loading:0", "seconds_since_last_commit:never", "rdb_last_save_time:0"],
        );
        figures.commit_succeeded(WallMillis(bench.now.wall.0 - 2_500));
        for (figure, value) in
            [(&figures.commits, 1), (&figures.counters_written, 12), (&figures.last_commit_micros, 345)]
        {
            figure.store(value, Ordering::Relaxed);
        }
        for name in ["a", "b", "c"] {
            bench.run(&format!("incr {name}"));
        }
        shows(
            &bench.text("info"),
            &[
                "# Persistence",
                "loading:0",
                "rdb_changes_since_last_save:3",
                "rdb_last_save_time:1699999997",
                "rdb_last_bgsave_status:ok",
                "aof_enabled:1",
                "aof_last_write_status:ok",
                "durability:everysec",
                "seconds_since_last_commit:2",
                "commits:1",
                "counters_written:12",
                "last_commit_usec:345",
                "refusing_writes:0",
                "store_renewing:0",
                "store_renewals:0",
                "store_damage:",
            ],
        );
        figures.renewals.done.store(1, Ordering::Relaxed);
        figures.renewals.set_damage("/data/store/redo-0: it is missing".to_owned());
        shows(&bench.text("info persistence"), &["store_renewals:1", "store_damage:/data/store/redo-0: it is missing"]);
    }

    #[test]
    fn a_disk_that_takes_nothing_is_told() {
        let mut bench = Bench::new();
        bench.environment.persistence = Arc::new(PersistenceFigures::new(Durability::Always, Some(Duration::ZERO)));
        let failed_at = Monotonic::from_nanos(bench.now.monotonic.as_nanos() - 4_000_000_000);
        bench.environment.persistence.commits_fail("No space left on device", failed_at);
        bench.environment.persistence.save_ended(false, WallMillis(bench.now.wall.0 - 4_000));
        shows(
            &bench.text("info persistence"),
            &[
                "aof_last_write_status:err",
                "rdb_last_bgsave_status:err",
                "commit_failures:1",
                "commit_pending_seconds:4",
                "commits_failing_seconds:4",
                "commit_failure:No space left on device",
                "refusing_writes:1",
            ],
        );
    }

    #[test]
    fn a_commit_that_does_not_come_back_is_told() {
        let mut bench = Bench::new();
        let limit = Some(Duration::from_secs(30));
        bench.environment.persistence = Arc::new(PersistenceFigures::new(Durability::EverySecond, limit));
        let figures = Arc::clone(&bench.environment.persistence);
        shows(&bench.text("info persistence"), &["commit_pending_seconds:0"]);
        figures.commit_began(Monotonic::from_nanos(bench.now.monotonic.as_nanos() - 31_500_000_000));
        shows(&bench.text("info persistence"), &["commit_pending_seconds:31", "aof_last_write_status:ok"]);
        figures.refuse_if_due(bench.now.monotonic);
        let fields = ["aof_last_write_status:err", "commits_failing_seconds:0", "refusing_writes:1"];
        shows(&bench.text("info persistence"), &fields);
    }

    #[test]
    fn loading_is_told_with_how_far_it_has_come() {
        let mut bench = Bench::new();
        let figures = Arc::clone(&bench.environment.persistence);
        figures.set_stage(Stage::Loading);
        for (value, to) in [
            (&figures.counters_to_load, 400),
            (&figures.counters_loaded, 100),
            (&figures.loading_since_millis, bench.now.wall.0 - 2_000),
        ] {
            value.store(to, Ordering::Relaxed);
        }
        shows(
            &bench.text("info persistence"),
            &[
                "loading:1",
                "loading_start_time:1699999998",
                "loading_total_counters:400",
                "loading_loaded_counters:100",
                "loading_loaded_perc:25.00",
                "loading_eta_seconds:6",
            ],
        );
        figures.set_stage(Stage::Rejoining);
        let text = bench.text("info persistence");
        shows(&text, &["loading:1"]);
        assert!(!text.contains("loading_eta"), "{text}");
    }
}
