//! The client on a terminal: a pseudo-terminal of its own, what it drew there, and keys to press.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(10);
/// What the Ctrl-C key sends.
pub(crate) const CTRL_C: &str = "\x03";

/// A terminal with the client on it; ended when dropped.
pub(crate) struct Terminal {
    keys: File,
    device: File,
    drawn: Arc<Mutex<String>>,
    client: Child,
}

impl Terminal {
    /// Starts the client with these words on a terminal of 80 columns and 24 rows.
    pub(crate) fn start(words: &[&str]) -> Self {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&controller).and_then(|()| unlockpt(&controller)).expect("a terminal");
        let name = ptsname(&controller, Vec::new()).expect("its name");
        let device = File::options().read(true).write(true).open(name.to_str().expect("UTF-8")).expect("its device");
        resize(&device, 80, 24);
        let end = || Stdio::from(device.try_clone().expect("its device once more"));
        // A session of its own, with this as its terminal, so that Ctrl-C and a change of size are signals.
        let mut command = Command::new("setsid");
        // What runs in the background of a shell was told to take no notice of Ctrl-C, and hands that on.
        command.args(["--ctty", "env", "--default-signal=INT", env!("CARGO_BIN_EXE_discnt-cli")]).args(words);
        command
            .env("TERM", "xterm")
            .env("DISCNT_CLI_HISTFILE", "")
            .env("DISCNT_CLI_RCFILE", "")
            .stdin(end())
            .stdout(end())
            .stderr(end());
        for name in ["DISCNT_CLI_AUTH", "REDISCLI_AUTH", "NO_COLOR", "DISCNT_AUTH", "DISCNT_URL"] {
            command.env_remove(name);
        }
        let client = command.spawn().expect("setsid of util-linux and the client start");
        let drawn = Arc::new(Mutex::new(String::new()));
        let (keys, screen) = (File::from(controller), Arc::clone(&drawn));
        let from = keys.try_clone().expect("the terminal once more");
        thread::spawn(move || read(from, &screen));
        Self { keys, device, drawn, client }
    }

    /// All that was drawn so far, with the sequences that moved the cursor.
    pub(crate) fn drawn(&self) -> String {
        self.drawn.lock().expect("no panic").clone()
    }

    /// How much was drawn so far: what is expected next can be looked for behind it.
    pub(crate) fn mark(&self) -> usize {
        self.drawn.lock().expect("no panic").len()
    }

    /// Waits until something behind `mark` is as it should be.
    #[track_caller]
    pub(crate) fn wait_until(&self, mark: usize, what: &str, mut is_so: impl FnMut(&str) -> bool) {
        let begin = Instant::now();
        while !is_so(&self.drawn()[mark..]) {
            assert!(begin.elapsed() < PATIENCE, "{what}: not in {:?}", latest(&self.drawn()[mark..]));
            thread::sleep(PAUSE);
        }
    }

    /// Waits until this was drawn behind `mark`.
    #[track_caller]
    pub(crate) fn wait_for(&self, mark: usize, text: &str) {
        self.wait_until(mark, text, |drawn| drawn.contains(text));
    }

    /// Presses these keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Makes it larger or smaller, which the client is told by a signal.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        resize(&self.device, columns, rows);
    }

    /// Whether it shows what is typed and waits for whole lines, as a shell expects to find it.
    pub(crate) fn is_as_a_shell_left_it(&self) -> bool {
        let modes = tcgetattr(&self.device).expect("a terminal").local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }

    /// Sends the client a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.client);
        rustix::process::kill_process(id, signal).expect("an own child");
    }

    /// Waits for the end of the client, and answers its status.
    #[track_caller]
    pub(crate) fn wait_for_end(&mut self) -> Option<i32> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.client.try_wait().expect("a child") {
                return status.code();
            }
            assert!(begin.elapsed() < PATIENCE, "it does not end: {:?}", latest(&self.drawn()));
            thread::sleep(PAUSE);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

/// As much of it as tells a reader what is wrong.
fn latest(drawn: &str) -> &str {
    let begin = drawn.char_indices().rev().nth(2_000).map_or(0, |(at, _)| at);
    &drawn[begin..]
}

fn resize(device: &File, columns: u16, rows: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(device, size).expect("a terminal");
}

fn read(mut from: File, screen: &Mutex<String>) {
    let (mut buffer, mut rest) = ([0; 4096], Vec::new());
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        rest.extend_from_slice(&buffer[..count]);
        // A character may be cut in two.
        let whole = match std::str::from_utf8(&rest) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        let text = String::from_utf8(rest.drain(..whole).collect()).expect("checked");
        screen.lock().expect("no panic").push_str(&text);
    }
}
