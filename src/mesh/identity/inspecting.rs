//! Whether an identity can be opened, for whoever checks a configuration: everything is read, nothing is made or changed.

use super::joined::{certified, certifies_itself, is_needed};
use super::{
    CertificateFiles, Identity, KeyPaths, open_configured, open_without_authority_key, read_authorities,
    refuse_lost_key,
};
use crate::mesh::authorities;
use crate::mesh::authority::{
    AUTHORITY_CERTIFICATE_FILE, AUTHORITY_KEY_FILE, Authority, NEXT_KEY_FILE, read_authority, read_key_pair,
};
use crate::mesh::certificate;
use crate::mesh::config::Config;
use crate::mesh::error::IdentityError;
use crate::mesh::joining::Invitations;
use std::path::Path;

impl Identity {
    /// All that keeps [`Self::open`] from opening the identity. What is missing and would be made is no problem.
    pub fn problems(config: &Config, data_directory: &Path) -> Vec<IdentityError> {
        match config.certificate_files() {
            Ok(Some(files)) => of_configured(files),
            Ok(None) => of_unconfigured(config, data_directory),
            Err(error) => vec![error.into()],
        }
    }
}

fn of_configured(files: CertificateFiles) -> Vec<IdentityError> {
    let problems = [
        read_authorities(&files.ca_cert).err(),
        certificate::read_certificates(&files.cert).err(),
        certificate::read_key(&files.key).err(),
    ];
    let problems: Vec<IdentityError> = problems.into_iter().flatten().collect();
    // Whether they belong together is asked where each is right by itself.
    if problems.is_empty() { open_configured(files).err().into_iter().collect() } else { problems }
}

fn of_unconfigured(config: &Config, data_directory: &Path) -> Vec<IdentityError> {
    let paths = KeyPaths::present(data_directory);
    let kept = authorities::read(data_directory);
    let held = match (held(&config.certs_dir), &kept) {
        (Err(_), Ok(Some(kept))) if !is_needed(config, kept) => Ok(None),
        (held, _) => held,
    };
    let own = match (&held, &kept) {
        // A start ends what joining had begun, or has the certificate that is there.
        (_, Ok(Some(_))) if paths.waiting().exists() => read_key_pair(&paths.key).err(),
        (Ok(None), Ok(None)) if config.certs_dir.join(AUTHORITY_CERTIFICATE_FILE).exists() => {
            open_without_authority_key(config, &paths).err()
        }
        (Ok(Some(authority)), Ok(Some(kept))) if !certifies_itself(kept, authority) => certified(&paths, kept).err(),
        (Ok(None), Ok(Some(kept))) => certified(&paths, kept).err(),
        // The node certifies itself, if it can be told at all; it needs a key that can be used, or makes one.
        _ => refuse_lost_key(&paths).err().or_else(|| read_key_pair(&paths.key).err()),
    };
    let next = Identity::next_id(data_directory).err();
    // A start goes on without them, and then nobody joins and no other node's certificate is renewed.
    let invitations = Invitations::load(data_directory).err();
    [held.err(), kept.err(), own, next, invitations].into_iter().flatten().collect()
}

/// The authority of a directory with its key; none where a start would make one, or has none to make.
fn held(directory: &Path) -> Result<Option<Authority>, IdentityError> {
    let has = |file| directory.join(file).exists();
    let key = directory.join(AUTHORITY_KEY_FILE);
    match has(AUTHORITY_CERTIFICATE_FILE) {
        // Whoever starts next ends how one takes the other's place.
        true if has(NEXT_KEY_FILE) => read_key_pair(&directory.join(NEXT_KEY_FILE)).map(|_| None),
        true if has(AUTHORITY_KEY_FILE) => read_authority(directory).map(Some),
        true => Ok(None),
        false => read_key_pair(&key).map(|_| None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::authority::make_authority;
    use std::fs;
    use std::path::PathBuf;

    fn texts(config: &Config, data_directory: &Path) -> Vec<String> {
        Identity::problems(config, data_directory).iter().map(ToString::to_string).collect()
    }

    /// All files below a directory, with what is in them.
    fn contents(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                found.extend(contents(&path));
            } else {
                found.push((path.clone(), fs::read(path).expect("a file")));
            }
        }
        found.sort();
        found
    }

    #[test]
    fn of_configured_files_each_that_cannot_be_used_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        let authority = make_authority(&path("ca"), "Example", 30).expect("made");
        authority.issue_to_files(&path("node.crt"), &path("node.key"), 30).expect("issued");
        let config = Config {
            ca_cert: Some(path("ca/ca.crt")),
            cert: Some(path("node.crt")),
            key: Some(path("node.key")),
            ..Config::default()
        };
        assert_eq!(texts(&config, &path("data")), Vec::<String>::new());
        fs::write(path("ca/ca.crt"), "nonsense").expect("written");
        fs::remove_file(path("node.key")).expect("removed");
        let told = texts(&config, &path("data"));
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("ca.crt") && told[1].contains("node.key"), "{told:?}");
        // Each is right, and they are not of each other.
        let other = make_authority(&path("other"), "Other", 30).expect("made");
        other.issue_to_files(&path("node.crt"), &path("node.key"), 30).expect("issued");
        let config = Config { ca_cert: Some(path("third/ca.crt")), ..config };
        make_authority(&path("third"), "Third", 30).expect("made");
        let told = texts(&config, &path("data"));
        assert!(told.len() == 1 && told[0].contains("node.crt"), "{told:?}");
    }

    #[test]
    fn what_a_start_would_make_is_no_problem_and_nothing_is_made() {
        let directory = tempfile::tempdir().expect("a directory");
        let (certs, data) = (directory.path().join("certs"), directory.path().join("data"));
        let config = Config { certs_dir: certs.clone(), ..Config::default() };
        assert_eq!(texts(&config, &data), Vec::<String>::new());
        assert_eq!(contents(directory.path()), []);
        fs::create_dir(&data).expect("a directory");
        Identity::open(&config, &data).expect("it is made");
        let before = contents(directory.path());
        assert_eq!(texts(&config, &data), Vec::<String>::new());
        assert_eq!(contents(directory.path()), before);
        for (file, damage) in
            [("certs/ca.crt", "nonsense"), ("certs/ca.key", "nonsense"), ("data/node.key", "nonsense")]
        {
            let path = directory.path().join(file);
            let whole = fs::read(&path).expect("a file");
            fs::write(&path, damage).expect("written");
            let told = texts(&config, &data);
            assert!(told.len() == 1 && told[0].contains(file), "{file}: {told:?}");
            fs::write(&path, whole).expect("written");
        }
        fs::remove_file(data.join("node.key")).expect("removed");
        let told = texts(&config, &data);
        assert!(told.len() == 1 && told[0].contains("the key is missing"), "{told:?}");
    }

    #[test]
    fn of_a_node_that_has_joined_its_certificate_and_authorities_are_looked_at() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        let authority = make_authority(&path("ca"), "Example", 30).expect("made");
        fs::create_dir(path("data")).expect("a directory");
        let issue = |authority: &Authority| {
            let _ = fs::remove_file(path("data/node.key"));
            authority.issue_to_files(&path("data/node.crt"), &path("data/node.key"), 30).expect("issued");
        };
        issue(&authority);
        let trusted = [authorities::Trusted::always(authority.certificate().clone())];
        authorities::write(&path("data"), &trusted).expect("written");
        let config = Config { certs_dir: path("none"), ..Config::default() };
        assert_eq!(texts(&config, &path("data")), Vec::<String>::new());
        let other = make_authority(&path("other"), "Other", 30).expect("made");
        issue(&other);
        let told = texts(&config, &path("data"));
        assert!(told.len() == 1 && told[0].contains("node.crt") && told[0].contains("join again"), "{told:?}");
        // One of its own from before it joined is not needed.
        issue(&authority);
        fs::create_dir(path("none")).expect("a directory");
        for file in ["none/ca.crt", "none/ca.key"] {
            fs::write(path(file), "nonsense").expect("written");
            assert_eq!(texts(&config, &path("data")), Vec::<String>::new());
        }
        let opened = Identity::open(&config, &path("data")).expect("a member");
        assert!(opened.warnings.len() == 1 && opened.warnings[0].contains("ca.crt"), "{:?}", opened.warnings);
        // The cluster's is.
        for (file, other) in [("ca.crt", "ca.key"), ("ca.key", "ca.crt")] {
            fs::copy(path("ca").join(file), path("none").join(file)).expect("copied");
            fs::write(path("none").join(other), "nonsense").expect("written");
            let told = texts(&config, &path("data"));
            assert!(told.len() == 1 && told[0].contains(other), "{told:?}");
            assert!(Identity::open(&config, &path("data")).is_err());
        }
        fs::remove_dir_all(path("none")).expect("removed");
        fs::write(path("data/authorities.crt"), "nonsense").expect("written");
        let told = texts(&config, &path("data"));
        assert!(told.len() == 1 && told[0].contains("authorities.crt"), "{told:?}");
        assert!(!path("none").exists());
    }
}
