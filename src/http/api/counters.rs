//! Many counters: the busiest, or all of them a page at a time.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::busiest::Busy;
use super::super::shown::Shown;
use super::super::{answers, percent};
use super::search::Search;
use super::{bad_request, rounded};
use crate::base::{Amount, Name};

const DEFAULT_LIMIT: usize = 50;
const MOST: usize = 500;
/// Of the busiest that are told live.
const TOP: usize = 50;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sort {
    /// All, a page at a time, each in the order of its names.
    #[default]
    Name,
    /// The same, in the order of the values.
    Value,
    /// The busiest, of which a bounded list is kept: who asks first is told of none.
    Rate,
}

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    search: Option<String>,
    #[serde(default)]
    sort: Sort,
    limit: Option<usize>,
    #[serde(default)]
    cursor: String,
}

pub(super) async fn list(
    State(shown): State<Arc<Shown>>,
    uri: Uri,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let Ok(Query(asked)) = asked else {
        return bad_request(
            "allowed are search=GLOB, sort=rate, name or value, limit=1 to 500, and cursor= as answered before",
        );
    };
    let limit = asked.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MOST).contains(&limit) {
        return bad_request("limit: allowed is 1 to 500");
    }
    shown.want_counters();
    // Empty stands for the beginning, as no cursor does.
    let Ok(cursor) = (if asked.cursor.is_empty() { Ok(0) } else { asked.cursor.parse() }) else {
        return bad_request("cursor: allowed is what was answered with the page before");
    };
    // Names may be any bytes, and so may what is looked for in them.
    let pattern = uri.query().and_then(|query| percent::parameter(query, "search"));
    let pattern = pattern.or(asked.search.map(String::into_bytes)).unwrap_or_default();
    let Some(search) = Search::new(&pattern) else {
        return bad_request("search: allowed is a glob of up to 1024 bytes");
    };
    let (rows, cursor) = match asked.sort {
        Sort::Rate => (busiest(&shown, &search, limit).await, 0),
        sort => page(&shown, &search, limit, cursor, sort).await,
    };
    let total = search.finds_all().then(|| shown.source.environment().table.len());
    let body = json!({
        "counters": rows,
        "cursor": (cursor != 0).then(|| cursor.to_string()),
        "total_estimate": total,
    });
    answers::json(StatusCode::OK, &body)
}

async fn busiest(shown: &Shown, search: &Search, limit: usize) -> Vec<Value> {
    let names = shown.busiest.lock().list().into_iter().map(|(name, _)| name.into()).collect();
    let _turn = shown.searches.acquire().await;
    let found = search.among(names).await;
    let busiest = shown.busiest.lock();
    let found = found.iter().filter_map(|name| Some((name, busiest.get(name)?))).take(limit);
    found.map(|(name, busy)| row(name, busy.value, Some(busy))).collect()
}

/// A page from `cursor` on, and where the next begins; 0 behind the last.
async fn page(shown: &Shown, search: &Search, limit: usize, cursor: u64, sort: Sort) -> (Vec<Value>, u64) {
    let _turn = shown.searches.acquire().await;
    let table = &shown.source.environment().table;
    let (names, cursor) = search.page(table, limit, cursor).await;
    let now = shown.source.now().monotonic;
    let read = |name: Box<[u8]>| {
        let value = table.read(Name::new(&name).ok()?, now)?;
        Some((name, value))
    };
    let mut found: Vec<(Box<[u8]>, Amount)> = names.into_iter().filter_map(read).collect();
    match sort {
        Sort::Value => found.sort_unstable_by_key(|(_, value)| std::cmp::Reverse(value.units())),
        Sort::Name | Sort::Rate => found.sort_unstable(),
    }
    let busiest = shown.busiest.lock();
    (found.iter().map(|(name, value)| row(name, *value, busiest.get(name))).collect(), cursor)
}

fn row(name: &[u8], value: Amount, busy: Option<&Busy>) -> Value {
    json!({
        "name": String::from_utf8_lossy(name),
        "path": super::counter::path(name),
        "value": value.to_string(),
        "rate_per_second": busy.and_then(|busy| rounded(busy.rate)),
        "history": busy.map(|busy| busy.history.iter().map(|rate| rounded((*rate).into())).collect::<Vec<_>>()),
    })
}

/// The busiest as they are told live, without what they did before.
pub(super) fn top(shown: &Shown) -> Value {
    shown.want_counters();
    let busiest = shown.busiest.lock();
    let rows = busiest.list().into_iter().take(TOP).map(|(name, busy)| {
        json!({
            "name": String::from_utf8_lossy(name),
            "path": super::counter::path(name),
            "value": busy.value.to_string(),
            "rate_per_second": rounded(busy.rate),
        })
    });
    json!({ "counters": rows.collect::<Vec<_>>() })
}
