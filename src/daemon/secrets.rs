//! Secrets that lie in files: passwords, and the paths of keys. A path may name a credential that the service manager gives.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::command::PasswordHash;
use crate::mesh;

/// What stands before the name of a credential, in place of a path.
const CREDENTIAL: &str = "credential:";
/// The credential that is the password, where no other is set.
const PASSWORD_CREDENTIAL: &str = "discnt-resp-password";
/// No password is longer; a file that is, is another one.
const MAX_PASSWORD_BYTES: u64 = 4096;

/// Where credentials lie, if the service manager gave any.
#[derive(Clone, Debug, Default)]
pub(super) struct Credentials(pub(super) Option<PathBuf>);

impl Credentials {
    /// The path that is meant.
    ///
    /// # Errors
    /// A line for an operator, where a credential is named and there are none.
    pub(super) fn resolve(&self, path: &Path) -> Result<PathBuf, String> {
        let Some(name) = path.to_str().and_then(|text| text.strip_prefix(CREDENTIAL)) else {
            return Ok(path.to_owned());
        };
        if name.is_empty() || name.contains('/') || name == ".." {
            return Err(format!("{name:?} is no name of a credential"));
        }
        let directory = self.0.as_ref().ok_or_else(|| {
            format!(
                "the credential {name} cannot be read: CREDENTIALS_DIRECTORY is not set, see LoadCredential= of systemd"
            )
        })?;
        Ok(directory.join(name))
    }

    /// Whether the path names a credential where no service manager has given any, as in an operator's shell.
    pub(super) fn is_for_the_service_alone(&self, path: &Path) -> bool {
        self.0.is_none() && path.to_str().is_some_and(|text| text.starts_with(CREDENTIAL))
    }

    /// `[mesh]` with the paths that are meant.
    ///
    /// # Errors
    /// A line for an operator.
    pub(super) fn resolve_mesh(&self, mesh: &mesh::Config) -> Result<mesh::Config, String> {
        let mut config = mesh.clone();
        for (key, path) in [("ca_cert", &mut config.ca_cert), ("cert", &mut config.cert), ("key", &mut config.key)] {
            if let Some(path) = path {
                *path = self.resolve(path).map_err(|error| format!("[mesh] {key}: {error}"))?;
            }
        }
        Ok(config)
    }

    /// The password in the first line of a file.
    ///
    /// # Errors
    /// A line for an operator, without anything of what is in the file.
    pub(super) fn read_password(&self, path: &Path) -> Result<PasswordHash, String> {
        read(&self.resolve(path)?)
    }

    /// The password that the service manager gives by itself, if it does.
    ///
    /// # Errors
    /// As [`Self::read_password`].
    pub(super) fn password(&self) -> Result<Option<PasswordHash>, String> {
        let Some(directory) = &self.0 else { return Ok(None) };
        let path = directory.join(PASSWORD_CREDENTIAL);
        // Whatever else keeps it from being read is no reason to let everybody in.
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            _ => read(&path).map(Some),
        }
    }
}

fn read(path: &Path) -> Result<PasswordHash, String> {
    let told = |what: String| format!("no password was read from {}: {what}", path.display());
    let metadata = fs::metadata(path).map_err(|error| told(error.to_string()))?;
    if metadata.len() > MAX_PASSWORD_BYTES {
        return Err(told(format!("it has more than {MAX_PASSWORD_BYTES} bytes")));
    }
    let bytes = fs::read(path).map_err(|error: io::Error| told(error.to_string()))?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() { Err(told("its first line is empty".to_owned())) } else { Ok(PasswordHash::of(line)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_of_a_file_or_of_a_credential() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(PASSWORD_CREDENTIAL);
        let credentials = Credentials(Some(directory.path().to_owned()));
        assert_eq!(credentials.password(), Ok(None));
        let hash = PasswordHash::of(b"a secret");
        for text in ["a secret", "a secret\n", "a secret\r\nand a comment\n"] {
            fs::write(&path, text).expect("written");
            assert_eq!(credentials.read_password(&path), Ok(hash));
            assert_eq!(credentials.password(), Ok(Some(hash)));
            let named = Path::new("credential:discnt-resp-password");
            assert_eq!(credentials.read_password(named), Ok(hash));
            let error = Credentials(None).read_password(named).expect_err("there are none");
            assert!(error.contains("CREDENTIALS_DIRECTORY is not set"), "{error}");
        }
        for bad in ["", "\nsecret", &"x".repeat(5000)] {
            fs::write(&path, bad).expect("written");
            let error = credentials.password().expect_err("no password");
            assert!(error.contains("no password was read from") && !error.contains("secret\n"), "{error}");
        }
        assert!(credentials.resolve(Path::new("credential:../x")).is_err());
        let key = Some(PathBuf::from("credential:discnt-resp-password"));
        let config = mesh::Config { key, cert: Some("/etc/discnt/node.crt".into()), ..mesh::Config::default() };
        let resolved = credentials.resolve_mesh(&config).expect("there are some");
        assert_eq!((resolved.key, resolved.cert), (Some(path), config.cert.clone()));
        let error = Credentials(None).resolve_mesh(&config).expect_err("there are none");
        assert!(error.starts_with("[mesh] key: the credential"), "{error}");
    }

    #[test]
    fn a_credential_that_cannot_be_looked_at_is_not_one_that_is_not_there() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(PASSWORD_CREDENTIAL);
        // To itself, so that nobody can follow it, whatever rights a test is run with.
        std::os::unix::fs::symlink(&path, &path).expect("a link");
        let error = Credentials(Some(directory.path().to_owned())).password().expect_err("it may be there");
        assert!(error.contains("no password was read from"), "{error}");
    }
}
