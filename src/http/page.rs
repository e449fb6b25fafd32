//! The status page and its parts, which are in the program.

use axum::http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::Response;
use xxhash_rust::xxh3::xxh3_64;

use super::answers::{refusal, typed};

/// One file of the page.
struct Part {
    name: &'static str,
    bytes: &'static [u8],
}

/// The files of the folder `page/` by these names.
macro_rules! parts {
    ($($name:literal),+ $(,)?) => { &[$(Part { name: $name, bytes: include_bytes!(concat!("page/", $name)) }),+] };
}

const FRONT: &str = "index.html";

/// What there is at `/page/` and the name; the front is at `/`, too.
const PARTS: &[Part] = parts![
    "amount.js",
    "archivo-narrow.woff2",
    "counter.js",
    "counters.js",
    "dom.js",
    "events.js",
    "feed.js",
    "format.js",
    "icon.svg",
    "index.html",
    "licences.txt",
    "main.js",
    "mesh.js",
    "nodes.js",
    "plots.js",
    "problems.js",
    "ruler.js",
    "spark.js",
    "style.css",
    "theme.js",
    "totals.js",
    "uplot.js",
];

pub(super) async fn front(headers: HeaderMap) -> Response {
    answer(FRONT, &headers)
}

pub(super) async fn part(uri: Uri, headers: HeaderMap) -> Response {
    // As it stands in the path: no part has a name that is to be encoded.
    answer(uri.path().strip_prefix("/page/").unwrap_or_default(), &headers)
}

/// A part; nothing of it where whoever asks has it. It may change with the next version of the program.
fn answer(name: &str, headers: &HeaderMap) -> Response {
    let Some(part) = PARTS.iter().find(|part| part.name == name) else {
        return refusal(StatusCode::NOT_FOUND, "no_such_path", "the page has no such part");
    };
    let tag = format!("\"{:016x}\"", xxh3_64(part.bytes));
    let is_known = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = match is_known {
        true => typed(StatusCode::NOT_MODIFIED, content_type(name), ""),
        false => typed(StatusCode::OK, content_type(name), part.bytes),
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_list_is_what_is_in_the_folder() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/page");
        let files = std::fs::read_dir(folder).expect("the folder");
        let files: BTreeSet<String> =
            files.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned()).collect();
        let list: BTreeSet<String> = PARTS.iter().map(|part| part.name.to_owned()).collect();
        assert_eq!(list, files, "left: PARTS in page.rs, right: the folder");
    }

    #[test]
    fn whoever_has_a_part_is_not_sent_it_again() {
        let first = answer(FRONT, &HeaderMap::new());
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers().get(ETAG).expect("a tag").clone();
        let known = HeaderMap::from_iter([(IF_NONE_MATCH, tag)]);
        assert_eq!(answer(FRONT, &known).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(answer("style.css", &known).status(), StatusCode::OK);
    }
}
