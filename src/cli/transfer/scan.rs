//! The names of a server's counters or keys, a page at a time.

use super::error::TransferError;
use super::pipeline::Pipeline;
use crate::cli::value::Value;

/// How many places of its table the server looks at for one page.
const PAGE: &str = "2000";

/// A walk over all names.
pub(super) struct Scan {
    pattern: Option<String>,
    cursor: Vec<u8>,
    is_done: bool,
}

impl Scan {
    /// A walk over the names that match, or over all.
    pub(super) fn new(pattern: Option<String>) -> Self {
        Self { pattern, cursor: b"0".to_vec(), is_done: false }
    }

    /// The next page, perhaps an empty one; `None` behind the last.
    ///
    /// # Errors
    /// [`TransferError`].
    pub(super) fn next(&mut self, pipeline: &mut Pipeline) -> Result<Option<Vec<Vec<u8>>>, TransferError> {
        if self.is_done {
            return Ok(None);
        }
        let mut words = vec![&b"SCAN"[..], &self.cursor, b"COUNT", PAGE.as_bytes()];
        if let Some(pattern) = &self.pattern {
            words.extend([&b"MATCH"[..], pattern.as_bytes()]);
        }
        let reply = pipeline.ask(&words)?;
        let page = page(&reply).ok_or_else(|| pipeline.unexpected("SCAN", &reply))?;
        (self.cursor, self.is_done) = (page.0.clone(), page.0 == b"0");
        let mut names = page.1;
        // Redis may list a key twice on one page.
        names.sort_unstable();
        names.dedup();
        Ok(Some(names))
    }
}

fn page(reply: &Value) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
    let [cursor, names] = reply.elements()? else { return None };
    Some((cursor.bytes()?.to_vec(), names_of(names)?))
}

/// The elements of a reply, if they are all strings.
pub(super) fn names_of(reply: &Value) -> Option<Vec<Vec<u8>>> {
    reply.elements()?.iter().map(|name| name.bytes().map(<[u8]>::to_vec)).collect()
}

/// How many there are, where the server tells it.
pub(super) fn size(pipeline: &mut Pipeline) -> Result<u64, TransferError> {
    Ok(match pipeline.ask(&["DBSIZE"])? {
        Value::Integer(count) => u64::try_from(count).unwrap_or(0),
        _ => 0,
    })
}
