//! Small disks that can be filled: a file system in memory, mounted for one test. Needs root.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Set to `required`, tests that cannot have a disk of their own fail instead of doing nothing.
const VARIABLE: &str = "DISCNT_TEST_MOUNTS";

/// A disk, unmounted when dropped.
pub(crate) struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// None, and a line that says why, on a machine that cannot have one.
    ///
    /// # Panics
    /// When it cannot be and [`VARIABLE`] requires it.
    pub(crate) fn mount(path: PathBuf, mebibytes: u32, name: &str) -> Option<Self> {
        fs::create_dir_all(&path).expect("a directory to mount on");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs"]).arg(&path);
        let output = mount.stdin(Stdio::null()).output();
        let reason = match &output {
            Ok(output) if output.status.success() => return Some(Self { path }),
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        let is_required = std::env::var(VARIABLE).is_ok_and(|value| value == "required");
        assert!(!is_required, "{name} needs to mount a file system: {reason}");
        // Past the test runner, which would hide it.
        let _ = writeln!(std::io::stderr(), "NOT RUN: {name} needs to mount a file system: {reason}");
        None
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes all the space that is left, also what was given back since.
    pub(crate) fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(self.filler()).expect("a file");
        let mut chunk = vec![0_u8; 1 << 20];
        while !chunk.is_empty() {
            // Less and less fits.
            if file.write_all(&chunk).is_err() {
                chunk.truncate(chunk.len() / 2);
            }
        }
    }

    /// Gives it back.
    pub(crate) fn free(&self) {
        fs::remove_file(self.filler()).expect("the file that fills the disk");
    }

    fn filler(&self) -> PathBuf {
        self.path.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server may still be ending.
        let _ = Command::new("umount").arg("-l").arg(&self.path).stdin(Stdio::null()).output();
    }
}
