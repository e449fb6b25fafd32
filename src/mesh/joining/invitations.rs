//! The invitations that this node has given: of each the hash of a public key, never the secret.

use crate::base::NodeId;
use crate::mesh::error::IdentityError;
use crate::mesh::files::{self, Secrecy};
use parking_lot::{Mutex, RwLock};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where they are in the data directory.
const FILE: &str = "invitations";
const VERSION: u64 = 1;
/// The most that are kept, open ones and those of which there is only left to say why they are not.
const MAX_INVITATIONS: usize = 256;
/// For so long it is known of an invitation that it has expired, or was used.
const KEPT_SECONDS: u64 = 7 * 86_400;

/// The hash of an invitation's public key.
pub(in crate::mesh) type KeyHash = [u8; 32];

/// How an invitation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mesh) enum Standing {
    Open,
    Expired,
    UsedUp,
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Invitation {
    /// Hexadecimal.
    key: String,
    uses_left: u32,
    /// Seconds since 1970.
    expires: u64,
    /// Who has joined with it.
    joined: Vec<String>,
}

/// An open invitation as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenInvitation {
    /// The begin of its key's hash, by which it can be taken back.
    pub name: String,
    /// How many nodes may still join with it.
    pub uses_left: u32,
    /// Until when, in seconds since 1970.
    pub expires: u64,
}

/// The first line says what follows.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    discnt: String,
    version: u64,
    sha256: String,
}

/// All invitations of this node. What is changed is on disk before it is so.
#[derive(Debug)]
pub(in crate::mesh) struct Invitations {
    path: PathBuf,
    /// Held while the file is written, which the readers do not wait for.
    writing: Mutex<()>,
    list: RwLock<Arc<[Invitation]>>,
}

impl Invitations {
    /// Those of a data directory.
    pub(in crate::mesh) fn load(data_directory: &Path) -> Result<Self, IdentityError> {
        let path = data_directory.join(FILE);
        let list = match files::read(&path)? {
            Some(text) => parse(&text).map_err(|what| IdentityError::File {
                path: path.clone(),
                what,
                remedy: "remove it: the invitations that were open are void then, and nothing else is lost".into(),
            })?,
            None => Vec::new(),
        };
        Ok(Self { path, writing: Mutex::new(()), list: RwLock::new(list.into()) })
    }

    /// How the invitation with this key stands.
    pub(in crate::mesh) fn standing(&self, key: &KeyHash, now_seconds: u64) -> Standing {
        let list = Arc::clone(&self.list.read());
        let key = hex(key);
        list.iter()
            .find(|invitation| invitation.key == key)
            .map_or(Standing::Unknown, |found| found.standing(now_seconds))
    }

    /// Adds one.
    pub(in crate::mesh) fn add(&self, key: &KeyHash, uses: u32, expires: u64, now_seconds: u64) -> Result<(), String> {
        self.change(|list| {
            list.retain(|invitation| invitation.expires.saturating_add(KEPT_SECONDS) > now_seconds);
            if list.len() >= MAX_INVITATIONS {
                // The oldest is the first.
                let closed = list.iter().position(|invitation| invitation.standing(now_seconds) != Standing::Open);
                let _ = closed.map(|closed| list.remove(closed));
            }
            if list.len() >= MAX_INVITATIONS {
                return Err(format!("this node has {MAX_INVITATIONS} open invitations, the most it may: CLUSTER UNINVITE takes them back"));
            }
            list.push(Invitation { key: hex(key), uses_left: uses, expires, joined: Vec::new() });
            Ok(())
        })
    }

    /// Takes one use for a node, if there is one left.
    pub(in crate::mesh) fn take_use(&self, key: &KeyHash, node: NodeId, now_seconds: u64) -> Result<(), String> {
        let key = hex(key);
        self.change(|list| {
            let invitation = list.iter_mut().find(|invitation| invitation.key == key);
            let invitation = invitation.ok_or("there is no such invitation")?;
            match invitation.standing(now_seconds) {
                Standing::Open => {}
                Standing::Expired => return Err("the token has expired".to_owned()),
                _ => return Err("the token has been used".to_owned()),
            }
            invitation.uses_left -= 1;
            invitation.joined.push(node.to_string());
            Ok(())
        })
    }

    /// Takes back those whose name begins like this. Answers how many.
    pub(in crate::mesh) fn take_back(&self, name: &str) -> Result<usize, String> {
        let mut taken = 0;
        self.change(|list| {
            let before = list.len();
            list.retain(|invitation| !invitation.key.starts_with(name));
            taken = before - list.len();
            Ok(())
        })?;
        Ok(taken)
    }

    /// Closes those that can be used and with which one of these has come: whoever has that token could come again under
    /// another key. Answers their names.
    pub(in crate::mesh) fn close_for(&self, nodes: &BTreeSet<NodeId>, now_seconds: u64) -> Result<Vec<String>, String> {
        let nodes: BTreeSet<String> = nodes.iter().map(ToString::to_string).collect();
        let is_due = |one: &Invitation| {
            one.standing(now_seconds) == Standing::Open && one.joined.iter().any(|node| nodes.contains(node))
        };
        if !self.list.read().iter().any(is_due) {
            return Ok(Vec::new());
        }
        let mut closed = Vec::new();
        self.change(|list| {
            for invitation in list.iter_mut().filter(|one| is_due(one)) {
                invitation.uses_left = 0;
                closed.push(invitation.key.get(..8).unwrap_or_default().to_owned());
            }
            Ok(())
        })?;
        Ok(closed)
    }

    /// Those that can be used.
    pub(in crate::mesh) fn open(&self, now_seconds: u64) -> Vec<OpenInvitation> {
        let list = Arc::clone(&self.list.read());
        let open = list.iter().filter(|invitation| invitation.standing(now_seconds) == Standing::Open);
        let show = |invitation: &Invitation| OpenInvitation {
            name: invitation.key.get(..8).unwrap_or_default().to_owned(),
            uses_left: invitation.uses_left,
            expires: invitation.expires,
        };
        open.map(show).collect()
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Invitation>) -> Result<(), String>) -> Result<(), String> {
        let _writing = self.writing.lock();
        let mut list = self.list.read().to_vec();
        change(&mut list)?;
        files::replace(&self.path, &to_text(&list), Secrecy::Secret).map_err(|error| error.to_string())?;
        *self.list.write() = list.into();
        Ok(())
    }
}

impl Invitation {
    fn standing(&self, now_seconds: u64) -> Standing {
        if self.uses_left == 0 {
            Standing::UsedUp
        } else if self.expires <= now_seconds {
            Standing::Expired
        } else {
            Standing::Open
        }
    }
}

fn to_text(list: &[Invitation]) -> String {
    let mut body = String::new();
    for invitation in list {
        body += &json(invitation);
        body.push('\n');
    }
    let head =
        Head { discnt: FILE.to_owned(), version: VERSION, sha256: hex(digest(&SHA256, body.as_bytes()).as_ref()) };
    format!("{}\n{body}", json(&head))
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("structs of texts and numbers are always JSON")
}

fn parse(text: &str) -> Result<Vec<Invitation>, String> {
    let (head, body) = text.split_once('\n').ok_or("its first line has no end")?;
    let head: Head = serde_json::from_str(head).map_err(|error| format!("its first line cannot be read: {error}"))?;
    if head.discnt != FILE || head.version != VERSION {
        return Err(format!("it is {:?} of version {}, not {FILE:?} of version {VERSION}", head.discnt, head.version));
    }
    if head.sha256 != hex(digest(&SHA256, body.as_bytes()).as_ref()) {
        return Err("its checksum does not match".into());
    }
    body.lines()
        .map(|line| serde_json::from_str(line).map_err(|error| format!("a line cannot be read: {error}")))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: KeyHash = [3; 32];

    fn node(number: u8) -> NodeId {
        NodeId::new([number; 20])
    }

    #[test]
    fn an_invitation_is_good_for_its_uses_and_its_time_across_restarts() {
        let directory = tempfile::tempdir().expect("a directory");
        let load = || Invitations::load(directory.path()).expect("readable");
        let invitations = load();
        assert_eq!(invitations.standing(&KEY, 0), Standing::Unknown);
        invitations.add(&KEY, 2, 100, 0).expect("there is room");
        assert_eq!(load().standing(&KEY, 99), Standing::Open);
        assert_eq!(load().standing(&KEY, 100), Standing::Expired);
        assert_eq!(load().open(99), [OpenInvitation { name: "03030303".to_owned(), uses_left: 2, expires: 100 }]);
        assert_eq!(invitations.take_use(&KEY, node(1), 100), Err("the token has expired".to_owned()));
        assert_eq!(invitations.take_use(&KEY, node(1), 50), Ok(()));
        assert_eq!(load().take_use(&KEY, node(2), 50), Ok(()));
        assert_eq!(load().take_use(&KEY, node(3), 50), Err("the token has been used".to_owned()));
        assert_eq!(load().standing(&KEY, 50), Standing::UsedUp);
        assert_eq!(load().open(50), []);
    }

    #[test]
    fn those_by_which_a_banned_node_came_are_closed_and_no_others() {
        let directory = tempfile::tempdir().expect("a directory");
        let invitations = Invitations::load(directory.path()).expect("there are none");
        let other = [4; 32];
        for key in [KEY, other] {
            invitations.add(&key, 5, 100, 0).expect("there is room");
        }
        invitations.take_use(&KEY, node(1), 1).expect("it is open");
        invitations.take_use(&other, node(2), 1).expect("it is open");
        assert_eq!(invitations.close_for(&[node(3)].into(), 1), Ok(Vec::new()));
        assert_eq!(invitations.close_for(&[node(1), node(3)].into(), 1), Ok(vec!["03030303".to_owned()]));
        assert_eq!(invitations.close_for(&[node(1)].into(), 1), Ok(Vec::new()), "it is closed");
        let loaded = Invitations::load(directory.path()).expect("readable");
        assert_eq!((loaded.standing(&KEY, 1), loaded.standing(&other, 1)), (Standing::UsedUp, Standing::Open));
        assert!(invitations.take_use(&KEY, node(4), 1).is_err());
    }

    #[test]
    fn one_that_was_taken_back_is_unknown() {
        let directory = tempfile::tempdir().expect("a directory");
        let invitations = Invitations::load(directory.path()).expect("there are none");
        invitations.add(&KEY, 1, 100, 0).expect("there is room");
        assert_eq!(invitations.take_back("ff"), Ok(0));
        assert_eq!(invitations.take_back("0303"), Ok(1));
        assert_eq!(invitations.standing(&KEY, 1), Standing::Unknown);
    }

    #[test]
    fn there_are_not_more_than_so_many_and_old_ones_make_room() {
        let directory = tempfile::tempdir().expect("a directory");
        let invitations = Invitations::load(directory.path()).expect("there are none");
        for number in 0..MAX_INVITATIONS {
            let mut key = KEY;
            key[..8].copy_from_slice(&number.to_be_bytes());
            invitations.add(&key, 1, 100, 0).expect("there is room");
        }
        assert!(invitations.add(&KEY, 1, 100, 0).is_err());
        let mut used = KEY;
        used[..8].copy_from_slice(&7_usize.to_be_bytes());
        assert_eq!(invitations.take_use(&used, node(1), 1), Ok(()));
        assert_eq!(invitations.standing(&used, 1), Standing::UsedUp);
        invitations.add(&KEY, 1, 100, 1).expect("one of those that are there is of no use any more");
        assert_eq!((invitations.standing(&used, 1), invitations.open(1).len()), (Standing::Unknown, MAX_INVITATIONS));
        invitations.add(&[4; 32], 1, 1000, 100).expect("all have expired");
        invitations.add(&KEY, 1, 1_000_000, 100 + KEPT_SECONDS).expect("the old ones are gone");
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        let directory = tempfile::tempdir().expect("a directory");
        Invitations::load(directory.path()).expect("none").add(&KEY, 1, 100, 0).expect("there is room");
        let path = directory.path().join(FILE);
        let text = std::fs::read_to_string(&path).expect("it was written");
        std::fs::write(&path, text.replace("\"uses_left\":1", "\"uses_left\":9")).expect("written");
        let error = Invitations::load(directory.path()).expect_err("damaged").to_string();
        assert!(error.contains("checksum") && error.contains("remove it"), "{error}");
    }
}
