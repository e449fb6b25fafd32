//! What is remembered about others, as lines of JSON.

use crate::base::NodeId;
use serde::{Deserialize, Serialize};

/// A member as it was last known, to be redialled at the next start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RememberedMember {
    /// Who.
    pub id: NodeId,
    /// Where: a name or an address, as it was told.
    pub host: String,
    /// Its TCP port for clients.
    pub client_port: u16,
    /// Its UDP port on the mesh.
    pub mesh_port: u16,
}

/// How a member is written. The order of the fields is that of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberLine {
    id: String,
    host: String,
    client_port: u16,
    mesh_port: u16,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BarredLine {
    id: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IncarnationLine {
    incarnation: u64,
}

pub(super) fn member_to_line(member: &RememberedMember) -> String {
    to_line(&MemberLine {
        id: member.id.to_string(),
        host: member.host.clone(),
        client_port: member.client_port,
        mesh_port: member.mesh_port,
    })
}

pub(super) fn member_from_line(line: &str) -> Result<RememberedMember, String> {
    let line: MemberLine = from_line(line)?;
    Ok(RememberedMember {
        id: parse_id(&line.id)?,
        host: line.host,
        client_port: line.client_port,
        mesh_port: line.mesh_port,
    })
}

pub(super) fn barred_to_line(id: &NodeId) -> String {
    to_line(&BarredLine { id: id.to_string() })
}

pub(super) fn barred_from_line(line: &str) -> Result<NodeId, String> {
    let line: BarredLine = from_line(line)?;
    parse_id(&line.id)
}

pub(super) fn incarnation_to_line(incarnation: u64) -> String {
    to_line(&IncarnationLine { incarnation })
}

pub(super) fn incarnation_from_line(line: &str) -> Result<u64, String> {
    let line: IncarnationLine = from_line(line)?;
    Ok(line.incarnation)
}

fn to_line<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("structs of texts and numbers are always JSON")
}

fn from_line<'a, T: Deserialize<'a>>(line: &'a str) -> Result<T, String> {
    serde_json::from_str(line).map_err(|error| format!("not the expected JSON: {error}"))
}

fn parse_id(text: &str) -> Result<NodeId, String> {
    text.parse().map_err(|error| format!("{text:?} is not a node id: {error}"))
}
