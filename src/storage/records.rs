//! What is remembered about others, as lines of JSON.

use crate::base::{HybridTime, NodeId};
use crate::membership::Admission;
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

/// Who is kept out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeptOut {
    /// The members of a cluster that this node is no longer in: kept out by this node alone.
    pub barred: Vec<NodeId>,
    /// Who was forgotten and who was met again, as the whole cluster has it.
    pub admissions: Vec<Admission>,
}

/// One line of `barred`. In version 1 there was only the id; it still is all for who is kept out by this node alone.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptOutLine {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forgotten: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    met: Option<u64>,
    /// Since version 3.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    banned: bool,
}

pub(super) enum KeptOutEntry {
    Barred(NodeId),
    Admission(Admission),
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
    to_line(&KeptOutLine { id: id.to_string(), forgotten: None, met: None, banned: false })
}

pub(super) fn admission_to_line(admission: &Admission) -> String {
    let Admission { node, forgotten, met, banned } = *admission;
    to_line(&KeptOutLine { id: node.to_string(), forgotten: Some(forgotten.0), met: Some(met.0), banned })
}

pub(super) fn kept_out_from_line(line: &str) -> Result<KeptOutEntry, String> {
    let line: KeptOutLine = from_line(line)?;
    let node = parse_id(&line.id)?;
    match (line.forgotten, line.met) {
        (None, None) => Ok(KeptOutEntry::Barred(node)),
        (Some(forgotten), Some(met)) => {
            let (forgotten, met) = (HybridTime(forgotten), HybridTime(met));
            Ok(KeptOutEntry::Admission(Admission { node, forgotten, met, banned: line.banned }))
        }
        _ => Err("one of two times is missing".to_owned()),
    }
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
