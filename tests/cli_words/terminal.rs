//! The client on a terminal: a pseudo-terminal of which the test is the person.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::server_support::{Ground, PATIENCE, eventually};

/// A client that runs on a terminal.
pub(crate) struct Terminal {
    child: Child,
    keyboard: File,
    screen: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
    lines: usize,
}

/// What the line editor sends when it is ready for a line.
const READY: &str = "\x1b[?2004h";

impl Terminal {
    /// Starts it, with the ground as the home directory and nothing in the environment but these variables.
    pub(crate) fn start(ground: &Ground, variables: &[(&str, &str)], words: &[&str]) -> Self {
        let controller: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&controller).expect("a pseudo-terminal");
        unlockpt(&controller).expect("a pseudo-terminal");
        let size = Winsize { ws_row: 200, ws_col: 200, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&controller, size).expect("a terminal has a size");
        let name = ptsname(&controller, Vec::new()).expect("a name").into_string().expect("UTF-8");
        let end = OpenOptions::new().read(true).write(true).open(name).expect("its other end");
        let stdio = || Stdio::from(end.try_clone().expect("a handle"));
        let child = Command::new(env!("CARGO_BIN_EXE_discnt-cli"))
            .args(words)
            .env_clear()
            .env("TERM", "xterm")
            .env("HOME", ground.path(""))
            .envs(variables.iter().copied())
            .current_dir(ground.path(""))
            .stdin(stdio())
            .stdout(stdio())
            .stderr(stdio())
            .spawn()
            .expect("the client starts");
        drop(end);
        let mut output = File::from(controller.try_clone().expect("a handle"));
        let screen = Arc::new(Mutex::new(Vec::new()));
        let shown = Arc::clone(&screen);
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            // An error is what comes when the client has ended.
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                shown.lock().expect("no panic").extend_from_slice(&buffer[..count]);
            }
        });
        Self { child, keyboard: File::from(controller), screen, reader: Some(reader), lines: 0 }
    }

    /// Everything that was shown so far, with escape sequences and with plain line ends.
    pub(crate) fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().expect("no panic")).replace("\r\n", "\n")
    }

    /// Types keys at the prompt, once there is one: what is typed before is lost.
    pub(crate) fn press(&mut self, keys: &str) {
        eventually("there is a prompt for the next line", || {
            let screen = self.screen();
            if screen.matches(READY).count() > self.lines { Ok(()) } else { Err(screen) }
        });
        self.keyboard.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Types what is left of a line, and ends it.
    pub(crate) fn line(&mut self, text: &str) {
        self.press(&format!("{text}\r"));
        self.lines += 1;
    }

    /// Waits until this was shown.
    #[track_caller]
    pub(crate) fn shows(&self, text: &str) {
        eventually(&format!("the terminal shows {text:?}"), || {
            let screen = self.screen();
            if screen.contains(text) { Ok(()) } else { Err(screen) }
        });
    }

    /// Waits until it has ended, and answers how it did and what it has shown.
    #[track_caller]
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(begin.elapsed() < PATIENCE, "it does not end: {}", self.screen());
            thread::yield_now();
        };
        self.reader.take().expect("a reader").join().expect("no panic");
        (status.code(), self.screen())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that failed leaves nothing that runs.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
