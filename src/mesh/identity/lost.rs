//! What was there and is missing: a node must not silently become another one, or one of another cluster, for the want of a file.

use super::{Identity, KeyPaths, previous};
use crate::base::NodeId;
use crate::mesh::authorities;
use crate::mesh::authority::{self, AUTHORITY_CERTIFICATE_FILE, read_key_pair};
use crate::mesh::certificate;
use crate::mesh::config::Config;
use crate::mesh::error::IdentityError;
use std::path::Path;

impl Identity {
    /// The id of the node's key in its data directory; none where there is no key yet.
    ///
    /// # Errors
    /// [`IdentityError`] when it is there and cannot be read.
    pub fn own_id(data_directory: &Path) -> Result<Option<NodeId>, IdentityError> {
        Ok(read_key_pair(&KeyPaths::present(data_directory).key)?.as_ref().map(authority::id_of))
    }

    /// The id of the key that the configuration names, or of the one in the data directory; none where there is none yet.
    ///
    /// # Errors
    /// [`IdentityError`] when it cannot be read.
    pub fn id_to_be(config: &Config, data_directory: &Path) -> Result<Option<NodeId>, IdentityError> {
        match config.certificate_files()? {
            Some(files) => Ok(certificate::describe(&files.cert)?.first().map(|details| details.node_id)),
            None => Self::own_id(data_directory),
        }
    }

    /// Refuses a node whose certificate is of a cluster's authority when it does not know that authority any more: it would
    /// be certified by the one in its own hands, of which no other member is. To be asked for a node that has members,
    /// before it is opened.
    ///
    /// # Errors
    /// [`IdentityError`]; nothing was changed.
    pub fn refuse_lost_authorities(config: &Config, data_directory: &Path) -> Result<(), IdentityError> {
        let path = authorities::path(data_directory);
        if path.exists() || config.certificate_files()?.is_some() {
            return Ok(());
        }
        let own = KeyPaths::present(data_directory).certificate;
        // Where none can be read, there is nothing that says of which authority it is.
        let chain = certificate::read_certificates(&own).unwrap_or_default();
        let Some(first) = chain.first() else { return Ok(()) };
        let held = config.certs_dir.join(AUTHORITY_CERTIFICATE_FILE);
        let held = certificate::read_certificates(&held).unwrap_or_default();
        let mut known = held.into_iter().chain(previous(&config.certs_dir));
        if known.any(|one| authorities::is_signer_of(&one, first)) {
            return Ok(());
        }
        Err(IdentityError::File {
            what: format!(
                "the file is missing, and {} is not of the authority in {}: with another one this node would be shut out of its cluster",
                own.display(),
                config.certs_dir.display()
            ),
            remedy: format!(
                "restore it, or copy it from the data directory of another member (from where the authority was made, {AUTHORITY_CERTIFICATE_FILE} under this name); if the authority was replaced by hand on all members, remove {}",
                own.display()
            ),
            path,
        })
    }
}

/// A certificate whose key is gone says that this was a node: it must not silently become another one.
pub(super) fn refuse_lost_key(KeyPaths { key, certificate }: &KeyPaths) -> Result<(), IdentityError> {
    if key.exists() || !certificate.exists() {
        return Ok(());
    }
    Err(IdentityError::File {
        path: key.to_owned(),
        what: format!("the key is missing, but its certificate {} is there", certificate.display()),
        remedy: "restore the key, or use a new data directory to start as a new node".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::authorities::Trusted;
    use crate::mesh::authority::{AUTHORITY_KEY_FILE, make_authority};
    use std::fs;

    #[test]
    fn without_its_clusters_authorities_a_node_is_known_to_be_of_another_than_its_own() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        let (config, data) = (Config { certs_dir: path("certs"), ..Config::default() }, path("data"));
        fs::create_dir(&data).expect("it is new");
        let refusal = || Identity::refuse_lost_authorities(&config, &data).err().map(|error| error.to_string());
        assert_eq!(refusal(), None, "it never was a node");
        Identity::open(&config, &data).expect("it is made");
        assert_eq!(refusal(), None, "it is of its own authority");
        let cluster = make_authority(&path("cluster"), "Cluster", 30).expect("made");
        fs::remove_file(data.join("node.key")).expect("removed");
        cluster.issue_to_files(&data.join("node.crt"), &data.join("node.key"), 30).expect("issued");
        authorities::write(&data, &[Trusted::always(cluster.certificate().clone())]).expect("written");
        assert_eq!(refusal(), None, "it is of its cluster's");
        fs::remove_file(data.join("authorities.crt")).expect("removed");
        let text = refusal().expect("it is of neither");
        assert!(text.contains("authorities.crt: the file is missing") && text.contains("another member"), "{text}");
        fs::remove_dir_all(&config.certs_dir).expect("removed");
        assert!(refusal().is_some(), "a new one would not be the cluster's either");
        // What the remedy says.
        fs::copy(path("cluster/ca.crt"), data.join("authorities.crt")).expect("copied");
        assert_eq!(refusal(), None);
        Identity::open(&config, &data).expect("it is a node again");
        // An authority that was replaced here is not foreign.
        fs::remove_file(data.join("authorities.crt")).expect("removed");
        fs::create_dir_all(&config.certs_dir).expect("a directory");
        for file in [AUTHORITY_CERTIFICATE_FILE, AUTHORITY_KEY_FILE] {
            fs::copy(path("cluster").join(file), config.certs_dir.join(file)).expect("copied");
        }
        assert_eq!(refusal(), None);
    }
}
