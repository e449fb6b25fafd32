//! `--check-config`, beyond the settings themselves: whether the files that a start reads are there and can be used.
//!
//! Nothing is made and nothing is changed. The counters are left alone: a server that runs has them, and to read them takes long.

use std::path::{Path, PathBuf};

use super::door::{AclFile, now_seconds, password};
use super::http::resolved;
use super::{Configuration, LoadedConfiguration};
use crate::http::PreparedAccess;
use crate::listener::PreparedTls;
use crate::mesh::{self, Identity};
use crate::storage::{DataDirectory, StorageError, Store};

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CheckedFiles {
    /// What keeps a start from using them, a line each.
    pub(super) problems: Vec<String>,
    /// Credentials that only the service is given, so nobody else can look at them.
    pub(super) left_out: Vec<PathBuf>,
}

/// Looks at all of them.
pub(super) fn check_files(loaded: &LoadedConfiguration) -> CheckedFiles {
    let mut checked = CheckedFiles::default();
    checked.look_at_tls(loaded);
    checked.look_at_passwords(loaded);
    checked.look_at_mesh(loaded);
    checked.look_at_http(loaded);
    checked
}

/// Why a member would be shut out of its cluster, if that is so.
fn lost_authorities(mesh: &mesh::Config, directory: &Path) -> Option<String> {
    match DataDirectory::knows_members(directory) {
        Ok(true) => Identity::refuse_lost_authorities(mesh, directory).err().map(|error| error.to_string()),
        Ok(false) => None,
        Err(error) => Some(error.to_string()),
    }
}

/// Whose counters are there, if they are not those of the node's key.
fn other_owner(mesh: &mesh::Config, directory: &Path) -> Option<String> {
    let node = Identity::id_to_be(mesh, directory).ok()??;
    let refusal = || match Store::check_owner(directory, node) {
        // A key that is about to take the place of the present one is seen to at the start.
        Err(StorageError::OtherNode { found, .. }) if Identity::next_id(directory).ok().flatten() == Some(found) => {
            None
        }
        Err(error @ (StorageError::OtherNode { .. } | StorageError::Newer { .. })) => Some(error.to_string()),
        // A server that runs may be about to change what is read.
        _ => None,
    };
    refusal().and_then(|_| refusal())
}

impl CheckedFiles {
    fn look_at_tls(&mut self, loaded: &LoadedConfiguration) {
        let mut config = loaded.configuration.resp.clone();
        let (problems_before, left_out_before) = (self.problems.len(), self.left_out.len());
        for (key, path) in [
            ("tls_cert", &mut config.tls_cert),
            ("tls_key", &mut config.tls_key),
            ("tls_ca_cert", &mut config.tls_ca_cert),
        ] {
            let Some(given) = path.take().filter(|_| config.tls_port.is_some()) else { continue };
            if loaded.credentials.is_for_the_service_alone(&given) {
                self.left_out.push(given);
                continue;
            }
            match loaded.credentials.resolve(&given) {
                Ok(resolved) => *path = Some(resolved),
                Err(error) => self.problems.push(format!("[resp] {key}: {error}")),
            }
        }
        self.problems.extend(PreparedTls::problems(&config).iter().map(ToString::to_string));
        // What is right by itself may not fit together.
        if (self.problems.len(), self.left_out.len()) == (problems_before, left_out_before) {
            // A start takes one that has ended, and warns, as it has more to serve; a reload does not.
            let problem = match PreparedTls::read(&config) {
                Ok(read) => read.and_then(|read| read.validity_problem(now_seconds())),
                Err(error) => Some(error),
            };
            self.problems.extend(problem.map(|problem| problem.to_string()));
        }
    }

    fn look_at_mesh(&mut self, loaded: &LoadedConfiguration) {
        let (configuration, credentials) = (&loaded.configuration, &loaded.credentials);
        let Configuration { mesh, .. } = configuration;
        let named = [&mesh.ca_cert, &mesh.cert, &mesh.key].into_iter().flatten();
        let left_out: Vec<PathBuf> = named.filter(|path| credentials.is_for_the_service_alone(path)).cloned().collect();
        // Without one of the three, the others say little.
        if !left_out.is_empty() {
            return self.left_out.extend(left_out);
        }
        let (mesh, directory) = match credentials.resolve_mesh(mesh) {
            Ok(mesh) => (mesh, configuration.data_directory()),
            Err(problem) => return self.problems.push(problem),
        };
        let mut problems: Vec<String> = Identity::problems(&mesh, &directory).iter().map(ToString::to_string).collect();
        if problems.is_empty() {
            // What is right by itself may be another cluster's, or another node's.
            problems.extend(lost_authorities(&mesh, &directory).or_else(|| other_owner(&mesh, &directory)));
        }
        self.problems.extend(problems.iter().map(|problem| format!("[mesh] {problem}")));
    }

    fn look_at_http(&mut self, loaded: &LoadedConfiguration) {
        let mut config = loaded.configuration.http.clone();
        // Whoever does not listen reads none.
        if config.listen.as_deref() == Some("") {
            return;
        }
        let is_left_out = |path: &PathBuf| loaded.credentials.is_for_the_service_alone(path);
        let left_out: Vec<PathBuf> = config.files_mut().map(|(_, path)| path.clone()).filter(is_left_out).collect();
        // Without one of them, the others say little.
        if !left_out.is_empty() {
            return self.left_out.extend(left_out);
        }
        let read = |config| PreparedAccess::read(&config).map(drop).map_err(|error| error.to_string());
        self.problems.extend(resolved(&config, &loaded.credentials).and_then(read).err());
    }

    fn look_at_passwords(&mut self, loaded: &LoadedConfiguration) {
        let (configuration, credentials) = (&loaded.configuration, &loaded.credentials);
        let resp = &configuration.resp;
        match &resp.password_file {
            Some(path) if credentials.is_for_the_service_alone(path) => self.left_out.push(path.clone()),
            _ => self.problems.extend(password(resp, credentials).err()),
        }
        if resp.acl_file.is_some() {
            let loaded = AclFile::new(resp.acl_file.clone()).read();
            self.problems.extend(loaded.err().map(|error| format!("[resp] acl_file: {error}")));
        }
        for (name, user) in &configuration.users {
            for path in &user.password_files {
                if credentials.is_for_the_service_alone(path) {
                    self.left_out.push(path.clone());
                } else if let Err(error) = credentials.read_password(path) {
                    self.problems.push(format!("users.{name}.password_files: {error}"));
                }
            }
        }
    }
}
