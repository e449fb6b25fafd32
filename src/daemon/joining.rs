//! `discnt-server join`: makes a data directory that of a node of a cluster, before the server is started.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::owner::become_owner;
use super::renewing::settle_identity;
use super::serve::{ServeError, current_thread_runtime};
use super::{Arguments, LoadedConfiguration};
use crate::base::NodeId;
use crate::mesh::{Config, Identity, JoinError, Joined, Token, TokenError, remember_to_meet};
use crate::storage::{DataDirectory, StorageError, Store};

/// Far above what a token can be.
const MAX_TOKEN_BYTES: u64 = 2048;

/// Why the machine has not joined. Its data directory is as it was, but for a key that it may have been given.
#[derive(Debug, thiserror::Error)]
pub enum JoinRefused {
    /// The token cannot be read from where it is said to be.
    #[error("cannot read the token from {place}: {error}")]
    Input {
        /// A path, or the input.
        place: String,
        /// What the system says.
        error: io::Error,
    },
    /// What was read is no token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The data directory cannot be used: a server may be running with it, which can join by itself.
    #[error("{0} (a node that runs joins with `discnt-cli cluster join`)")]
    Serve(#[from] ServeError),
    /// The counters there are another node's.
    #[error(transparent)]
    Store(#[from] StorageError),
    /// There are counters and no key.
    #[error(
        "{} holds the counters of node {node}, and no key: bring back its node.key, or give this node a --data-dir of its own",
        directory.display()
    )]
    LostKey {
        /// The data directory.
        directory: PathBuf,
        /// Whose counters they are.
        node: NodeId,
    },
    /// No certificate could be had.
    #[error(transparent)]
    Join(#[from] JoinError),
}

/// Where a token comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// The word itself.
    Word(String),
    /// A file; `-` is the standard input.
    File(PathBuf),
}

impl TokenSource {
    /// Reads it.
    ///
    /// # Errors
    /// [`JoinRefused::Input`] or [`JoinRefused::Token`].
    pub fn read(&self) -> Result<Token, JoinRefused> {
        let text = match self {
            Self::Word(word) => word.clone(),
            Self::File(path) if path.as_os_str() == "-" => read(&mut io::stdin().lock(), "the input")?,
            Self::File(path) => {
                let place = path.display().to_string();
                let mut file = File::open(path).map_err(|error| JoinRefused::Input { place: place.clone(), error })?;
                read(&mut file, &place)?
            }
        };
        Ok(Token::parse(&text)?)
    }
}

fn read(input: &mut dyn Read, place: &str) -> Result<String, JoinRefused> {
    let mut text = String::new();
    let result = input.take(MAX_TOKEN_BYTES).read_to_string(&mut text);
    result.map_err(|error| JoinRefused::Input { place: place.to_owned(), error })?;
    Ok(text)
}

/// Has the node's key certified by a member, and answers what to say of that. The node meets the cluster when it is started.
/// Root does it as the owner of the data directory.
///
/// # Errors
/// [`JoinRefused`].
pub fn join(loaded: &LoadedConfiguration, arguments: &Arguments, source: &TokenSource) -> Result<String, JoinRefused> {
    let token = source.read()?;
    let configuration = &loaded.configuration;
    become_owner(&configuration.data_directory(), arguments, &token.text())?;
    let directory = DataDirectory::open(configuration.data_directory()).map_err(ServeError::from)?;
    settle_identity(&directory)?;
    let is_member = !directory.load_members().map_err(ServeError::from)?.is_empty();
    check_files(&configuration.mesh, directory.path(), is_member)?;
    let runtime = current_thread_runtime()?;
    let joined = runtime.block_on(Identity::join(&configuration.mesh, directory.path(), &token, is_member))?;
    let Joined { opened, member: (host, port) } = joined;
    remember(directory.path(), &token, (host.clone(), port))?;
    Ok(format!(
        "node {} was certified by the member at {host} port {port}.\nIts key and certificate are in {}.\nStart discnt-server with the same settings, and it meets the cluster.\n",
        opened.identity.id,
        directory.path().display()
    ))
}

/// What would keep the node from starting once it has joined: looked at before a use of the token is taken for it.
fn check_files(mesh: &Config, directory: &Path, is_member: bool) -> Result<(), JoinRefused> {
    if is_member {
        Identity::refuse_lost_authorities(mesh, directory).map_err(JoinError::from)?;
    }
    match (Identity::own_id(directory).map_err(JoinError::from)?, Store::owner(directory)?) {
        (Some(node), _) => Store::check_owner(directory, node)?,
        (None, Some(node)) => return Err(JoinRefused::LostKey { directory: directory.to_owned(), node }),
        (None, None) => {}
    }
    Ok(())
}

/// The one that answered comes first.
fn remember(directory: &Path, token: &Token, member: (String, u16)) -> Result<(), ServeError> {
    let others = token.addresses.iter().filter(|address| **address != member).cloned();
    let members: Vec<(String, u16)> = std::iter::once(member.clone()).chain(others).collect();
    Ok(remember_to_meet(directory, &members)?)
}
