//! The unix socket: listening at a path, and cleaning up after oneself and after those who could not.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use socket2::{Domain, SockAddr, Socket, Type};

use super::ListenerError;

/// Connections that wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 1024;

/// Who may connect at a unix socket, as `chmod` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketMode(u32);

impl Default for SocketMode {
    fn default() -> Self {
        Self(0o700)
    }
}

const MODE_EXPECTED: &str = "a file mode in octal digits from \"0\" to \"777\"";

impl SocketMode {
    fn parse(text: &str) -> Option<Self> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let mode = u32::from_str_radix(text, 8).ok().filter(|mode| digits && *mode <= 0o777)?;
        Some(Self(mode))
    }
}

impl Serialize for SocketMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{:o}", self.0))
    }
}

impl<'de> Deserialize<'de> for SocketMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::{Error, Unexpected};
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Given {
            Text(String),
            // The digits are meant as they stand, as everywhere where modes are written.
            Digits(u32),
        }
        let text = match Given::deserialize(deserializer) {
            Ok(Given::Text(text)) => text,
            Ok(Given::Digits(digits)) => digits.to_string(),
            Err(_) => return Err(Error::custom(format!("expected {MODE_EXPECTED}"))),
        };
        Self::parse(&text).ok_or_else(|| Error::invalid_value(Unexpected::Str(&text), &MODE_EXPECTED))
    }
}

/// A socket that listens at a path. A path of ours is taken away with it, unless somebody else has taken the place.
#[derive(Debug)]
pub(super) struct UnixSocket {
    pub(super) listener: UnixListener,
    pub(super) path: Arc<Path>,
    pub(super) file: Option<SocketFile>,
}

/// The path of a socket of ours.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: Arc<Path>,
    device: u64,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = |metadata: fs::Metadata| metadata.dev() == self.device && metadata.ino() == self.inode;
        if fs::symlink_metadata(&self.path).is_ok_and(is_ours) {
            // What stays is found and taken away by the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl UnixSocket {
    /// Listens at `path`. A socket that a crashed server left behind is replaced; a live one, or another file, is not.
    ///
    /// # Errors
    /// [`ListenerError::Unix`].
    pub(super) fn bind(path: &Path, mode: SocketMode) -> Result<Self, ListenerError> {
        let failed = |reason: String| ListenerError::Unix { path: path.to_owned(), reason };
        let told = |what: &'static str| move |error: io::Error| failed(format!("{what}: {error}"));
        remove_stale(path).map_err(failed)?;
        let address = SockAddr::unix(path).map_err(told("the path is not one for a socket"))?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(told("no socket"))?;
        socket.set_nonblocking(true).map_err(told("no socket"))?;
        socket.bind(&address).map_err(told("cannot be made"))?;
        let metadata = fs::symlink_metadata(path).map_err(told("cannot be read"))?;
        let place: Arc<Path> = path.into();
        let file = SocketFile { path: Arc::clone(&place), device: metadata.dev(), inode: metadata.ino() };
        // Before anyone can connect.
        fs::set_permissions(path, Permissions::from_mode(mode.0)).map_err(told("its mode cannot be set"))?;
        socket.listen(BACKLOG).map_err(told("cannot be listened on"))?;
        Ok(Self { listener: socket.into(), path: place, file: Some(file) })
    }

    /// Serves at a socket that somebody else has made and will take away.
    ///
    /// # Errors
    /// [`ListenerError::Inherited`].
    pub(super) fn inherit(listener: UnixListener) -> Result<Self, ListenerError> {
        listener.set_nonblocking(true).map_err(ListenerError::Inherited)?;
        let address = listener.local_addr().map_err(ListenerError::Inherited)?;
        let path = address.as_pathname().unwrap_or(Path::new("(a socket without a path)")).into();
        Ok(Self { listener, path, file: None })
    }
}

/// Takes away a socket that nobody listens on any more.
fn remove_stale(path: &Path) -> Result<(), String> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    if !metadata.file_type().is_socket() {
        return Err("there is a file that is no socket; it was left alone".to_owned());
    }
    match UnixStream::connect(path) {
        Ok(_) => Err("another server listens there".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(|error| format!("what a server left there cannot be removed: {error}"))
        }
        Err(error) => Err(format!("it is not known whether another server listens there: {error}")),
    }
}

/// The path of the configuration as one that can be listened on; the system takes no longer one.
pub(super) fn check_path(path: &Path) -> Result<(), String> {
    const LONGEST: usize = 107;
    let length = PathBuf::from(path).as_os_str().len();
    if (1..=LONGEST).contains(&length) { Ok(()) } else { Err(format!("a path of 1 to {LONGEST} bytes")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal_however_they_are_written() {
        #[derive(Debug, Deserialize, Serialize)]
        struct Table {
            mode: SocketMode,
        }
        let parse = |text: &str| toml::from_str::<Table>(text).map(|table| table.mode.0);
        for (text, mode) in
            [("mode = \"770\"", 0o770), ("mode = \"0660\"", 0o660), ("mode = 700", 0o700), ("mode = \"0\"", 0)]
        {
            assert_eq!(parse(text), Ok(mode), "{text}");
        }
        for text in ["mode = \"1000\"", "mode = \"789\"", "mode = \"\"", "mode = \"+7\"", "mode = -1", "mode = true"] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains("a file mode in octal digits from \"0\" to \"777\""), "{error}");
        }
        assert_eq!(toml::to_string(&Table { mode: SocketMode(0o660) }).expect("TOML"), "mode = \"660\"\n");
    }

    #[test]
    fn a_socket_is_made_with_its_mode_and_goes_with_its_server() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("s");
        let socket = UnixSocket::bind(&path, SocketMode(0o620)).expect("bound");
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o620);
        UnixStream::connect(&path).expect("it listens");
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_crash_left_is_replaced_and_what_is_in_use_or_no_socket_is_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("s");
        drop(UnixListener::bind(&path).expect("bound"));
        assert!(path.exists(), "as after a crash");
        let socket = UnixSocket::bind(&path, SocketMode::default()).expect("the stale one is replaced");
        let refused = |path: &Path| UnixSocket::bind(path, SocketMode::default()).expect_err("refused").to_string();
        assert!(refused(&path).contains("another server listens there"), "{}", refused(&path));
        UnixStream::connect(&path).expect("the live one is unharmed");
        // Somebody takes the place: it is not ours to remove any more.
        fs::remove_file(&path).expect("removed");
        fs::write(&path, "precious").expect("written");
        drop(socket);
        assert!(refused(&path).contains("no socket; it was left alone"), "{}", refused(&path));
        assert_eq!(fs::read_to_string(&path).expect("still there"), "precious");
    }
}
