//! The client while it runs, its output read through a pipe as it comes.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const PATIENCE: Duration = Duration::from_secs(30);

/// A client that was started; ended when dropped.
pub(crate) struct Running {
    client: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Receiver<String>,
}

impl Running {
    /// Starts the client with these words behind the port.
    pub(crate) fn start(port: u16, words: &[&str]) -> Self {
        // What runs in the background of a shell was told to take no notice of Ctrl-C, and hands that on.
        let mut command = Command::new("env");
        command
            .args(["--default-signal=INT", env!("CARGO_BIN_EXE_discnt-cli")])
            .arg("-p")
            .arg(port.to_string())
            .args(words);
        for name in ["DISCNT_CLI_AUTH", "REDISCLI_AUTH", "DISCNT_AUTH", "DISCNT_URL"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut client = command.spawn().expect("the client starts");
        let lines = lines_of(client.stdout.take().expect("a pipe"));
        let errors = lines_of(client.stderr.take().expect("a pipe"));
        let input = client.stdin.take();
        Self { client, input, lines, errors }
    }

    /// The next line of the output, without its end.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line of the output")
    }

    /// The next so many lines.
    #[track_caller]
    pub(crate) fn lines(&self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.line()).collect()
    }

    /// The next line, if it is there.
    pub(crate) fn try_line(&self) -> Option<String> {
        self.lines.try_recv().ok()
    }

    /// The next line of the error output.
    #[track_caller]
    pub(crate) fn error(&self) -> String {
        self.errors.recv_timeout(PATIENCE).expect("a line of the error output")
    }

    /// Writes to its input.
    pub(crate) fn feed(&mut self, input: &[u8]) {
        let pipe = self.input.as_mut().expect("an input that is open");
        pipe.write_all(input).expect("the client reads");
    }

    /// Ends its input.
    pub(crate) fn close_input(&mut self) {
        self.input = None;
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        kill_process(Pid::from_child(&self.client), Signal::INT).expect("an own child");
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.client.id()
    }

    /// Waits for its end. Answers its status, and the lines of both outputs that were not read yet.
    #[track_caller]
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<String>, Vec<String>) {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.client.try_wait().expect("a child") {
                return (status.code(), self.lines.iter().collect(), self.errors.iter().collect());
            }
            assert!(begin.elapsed() < PATIENCE, "the client does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

fn lines_of(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}
