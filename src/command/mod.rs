//! Stand-in.
use serde::{Deserialize, Serialize};
/// Which replies the counting commands give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplyShape {
    /// As Redis does.
    #[default]
    Redis,
    /// As the C program does.
    Discnt,
}
