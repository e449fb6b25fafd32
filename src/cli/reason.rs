//! What went wrong with a connection, in words for people.

use std::io;

use super::protocol::ReplyError;

/// What happened, without the system's number for it.
pub(super) fn plain_reason(error: &io::Error) -> String {
    let text = error.to_string();
    match (error.kind(), text.split_once(" (os error")) {
        // A read that timed out is reported as one that would have to wait.
        (io::ErrorKind::WouldBlock, _) => "no answer in time".to_owned(),
        (_, Some((reason, _))) => reason.to_owned(),
        (_, None) => text,
    }
}

/// The same for a reply that did not come.
pub(super) fn describe(error: &ReplyError) -> String {
    match error {
        ReplyError::Connection(error) => plain_reason(error),
        ReplyError::Malformed(_) => error.to_string(),
    }
}
