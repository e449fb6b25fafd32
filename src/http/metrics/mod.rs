//! Figures for Prometheus. Names and units follow its conventions; docs/MONITORING.md tells of them.

mod cluster;
mod commands;
mod exposition;
mod process;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use self::exposition::{Exposition, Format};
use super::Source;
use super::answers::typed;
use super::shown::Shown;

pub(super) async fn answer(State(shown): State<Arc<Shown>>, headers: HeaderMap) -> Response {
    let format = Format::of(headers.get(ACCEPT).and_then(|value| value.to_str().ok()));
    typed(StatusCode::OK, format.content_type(), expose(&shown.source, format))
}

fn expose(source: &Source, format: Format) -> String {
    let (environment, now) = (source.environment(), source.now());
    let mut out = Exposition::new(format);
    process::write(environment, &mut out);
    process::write_storage(environment, now, &mut out);
    commands::write(environment, &mut out);
    commands::write_counters(environment, now, &mut out);
    cluster::write(environment, now, &mut out);
    cluster::write_peers(environment, now, &mut out);
    out.finish()
}

/// Figures are independent of each other, so no order is needed.
fn figure(value: &AtomicU64) -> u64 {
    value.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::testing;

    /// Families that were begun, and those of which there is a sample.
    fn families(text: &str) -> Vec<String> {
        text.lines()
            .filter_map(|line| line.strip_prefix("# TYPE "))
            .map(|rest| rest.split(' ').next().unwrap_or_default().to_owned())
            .collect()
    }

    #[test]
    fn every_family_is_written_once_and_goes_by_the_name_of_the_program() {
        let source = testing::source(testing::environment());
        for format in [Format::Text, Format::OpenMetrics] {
            let text = expose(&source, format);
            let all = families(&text);
            let mut once = all.clone();
            once.sort();
            once.dedup();
            assert_eq!(once.len(), all.len(), "{all:?}");
            assert!(all.len() > 40, "{all:?}");
            let is_ours = |name: &String| name.starts_with("discnt_") || name.starts_with("process_");
            assert!(all.iter().all(is_ours), "{all:?}");
        }
    }
}
