//! One server process: started, asked, killed, started again.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use super::client::Client;
use super::ground::Ran;
use super::network::Host;
use super::{PATIENCE, PAUSE, eventually};

/// How a server is to be started.
#[derive(Clone)]
pub(crate) struct Start {
    name: String,
    directory: PathBuf,
    data_directory: PathBuf,
    port: u16,
    arguments: Vec<OsString>,
    variables: Vec<(String, OsString)>,
    host: Option<Host>,
    program: PathBuf,
}

impl Start {
    pub(crate) fn new(name: &str, directory: PathBuf, certs: PathBuf) -> Self {
        let data_directory = directory.join("data");
        let (arguments, variables) = (Vec::new(), Vec::new());
        let program = PathBuf::from(env!("CARGO_BIN_EXE_discnt-server"));
        let name = name.to_owned();
        let start = Self { name, directory, data_directory, port: 0, arguments, variables, host: None, program };
        start.argument("--certs-dir").argument(certs)
    }

    /// One more argument.
    pub(crate) fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// One setting, as `section.key=value`.
    pub(crate) fn set(self, setting: impl Into<OsString>) -> Self {
        self.argument("--set").argument(setting)
    }

    pub(crate) fn set_all(self, settings: &[&str]) -> Self {
        settings.iter().fold(self, |start, setting| start.set(setting))
    }

    /// This port instead of one that the system chooses.
    pub(crate) fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Runs on this host, bound to its address.
    pub(crate) fn on(mut self, host: &Host) -> Self {
        self.host = Some(host.clone());
        // Its clients come from that address, too, and have no password.
        self.argument("--bind").argument(host.address().to_string()).set("resp.protected_mode=false")
    }

    /// With these variables in its environment.
    pub(crate) fn variables(mut self, variables: Vec<(String, OsString)>) -> Self {
        self.variables = variables;
        self
    }

    /// Another program than the present one.
    pub(crate) fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// This data directory instead of one of its own.
    pub(crate) fn data_directory(mut self, directory: PathBuf) -> Self {
        self.data_directory = directory;
        self
    }

    fn command(&self) -> Command {
        fs::create_dir_all(&self.directory).expect("a directory for the server");
        let program = &self.program;
        let on_host = |host: &Host| host.command(&program.to_string_lossy());
        let mut command = self.host.as_ref().map_or_else(|| Command::new(program), on_host);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.args(["--port", &self.port.to_string()]).args(&self.arguments).current_dir(&self.directory);
        command.arg("--data-dir").arg(&self.data_directory).stdin(Stdio::null());
        command
    }

    /// Starts a server that is to serve.
    #[track_caller]
    pub(crate) fn run(self) -> Server {
        let name = self.name.clone();
        self.try_run().unwrap_or_else(|refusal| panic!("{name} did not start: {refusal}"))
    }

    /// Starts a server, or answers what it said and logged when it refused to serve.
    pub(crate) fn try_run(self) -> Result<Server, String> {
        let begin = Instant::now();
        loop {
            match Server::start(self.clone()) {
                Ok(server) => return Ok(server),
                // Somebody's connection may have been given the port meanwhile.
                Err(refusal) if self.port != 0 && refusal.contains("in use") && begin.elapsed() < PATIENCE => {
                    thread::sleep(PAUSE);
                }
                Err(refusal) => return Err(refusal),
            }
        }
    }

    /// Starts a server on a port of its own choosing without waiting until it serves.
    #[track_caller]
    pub(crate) fn run_unready(self) -> Server {
        assert_ne!(self.port, 0, "nobody could know where it is");
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let process = Server::spawn(&self);
        Server { start: self, process, report: String::new(), address }
    }

    /// Starts a server that is to refuse to serve.
    #[track_caller]
    pub(crate) fn run_refused(self) -> Ran {
        let mut child = self.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a process");
        let begin = Instant::now();
        while child.try_wait().expect("a child").is_none() {
            if begin.elapsed() > PATIENCE {
                let _ = child.kill();
                panic!("{} serves instead of refusing", self.name);
            }
            thread::sleep(PAUSE);
        }
        let output = child.wait_with_output().expect("output");
        Ran {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A server that runs; killed when dropped, and then its log is printed if the test failed.
pub(crate) struct Server {
    start: Start,
    process: Child,
    report: String,
    address: SocketAddr,
}

impl Server {
    fn spawn(start: &Start) -> Child {
        let mut command = start.command();
        let output = File::create(start.directory.join("output")).expect("a file for the output");
        // The log goes on where the server is started again.
        let log = File::options().create(true).append(true).open(start.directory.join("log"));
        command.stdout(output).stderr(log.expect("a file for the log")).spawn().expect("a process")
    }

    fn start(start: Start) -> Result<Self, String> {
        let mut process = Self::spawn(&start);
        let output = start.directory.join("output");
        let begin = Instant::now();
        loop {
            let report = fs::read_to_string(&output).expect("the output");
            if report.lines().any(|line| line.starts_with("connect ")) && report.ends_with('\n') {
                let address = clients_address(&report);
                return Ok(Self { start, process, report, address });
            }
            let ended = process.try_wait().expect("a child");
            if ended.is_some() || begin.elapsed() > PATIENCE {
                let _ = process.kill();
                let _ = process.wait();
                let log = fs::read_to_string(start.directory.join("log")).unwrap_or_default();
                return Err(format!("{ended:?}\noutput:\n{report}\nlog:\n{log}"));
            }
            thread::sleep(PAUSE);
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.start.name
    }

    /// What it printed when it began to serve.
    pub(crate) fn report(&self) -> &str {
        &self.report
    }

    /// The value of a line of the report.
    #[track_caller]
    pub(crate) fn reported(&self, name: &str) -> &str {
        let line = self.report.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no line {name} in:\n{}", self.report)).trim()
    }

    /// Its id as it said at the start.
    pub(crate) fn id(&self) -> String {
        self.reported("node").to_owned()
    }

    /// Where clients and, with the same number, nodes reach it.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn host(&self) -> String {
        self.address.ip().to_string()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Its data directory.
    pub(crate) fn data_directory(&self) -> PathBuf {
        self.start.data_directory.clone()
    }

    #[track_caller]
    pub(crate) fn client(&self) -> Client {
        self.try_client().unwrap_or_else(|error| panic!("{}: {error}", self.name()))
    }

    pub(crate) fn try_client(&self) -> Result<Client, String> {
        self.start
            .host
            .as_ref()
            .map_or_else(|| Client::connect(self.address), |host| Client::connect_on(host, self.address, PATIENCE))
    }

    /// The reply to one request on a connection of its own.
    #[track_caller]
    pub(crate) fn ask(&self, request: &str) -> String {
        self.client().ask(request)
    }

    /// All that it has logged, since before it was started again too.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.start.directory.join("log")).expect("the log")
    }

    /// Waits for a line of the log that holds all of these, and answers it.
    #[track_caller]
    pub(crate) fn eventually_logs(&self, words: &[&str]) -> String {
        eventually(&format!("{} logs {words:?}", self.name()), || {
            let log = self.log();
            let found = log.lines().find(|line| words.iter().all(|word| line.contains(word)));
            found.map(str::to_owned).ok_or(log)
        })
    }

    /// Its process.
    pub(crate) fn process_id(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, signal).expect("a signal to an own child");
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let name = self.start.name.clone();
        eventually(&format!("{name} ends"), || match self.process.try_wait() {
            Ok(Some(status)) => Ok(status),
            other => Err(format!("{other:?}")),
        })
    }

    /// Ends it without a word, as a crash does. Answers how it is started again: on the same port.
    pub(crate) fn kill(mut self) -> Start {
        self.process.kill().expect("a child");
        self.process.wait().expect("a child");
        self.start.clone().port(self.port())
    }

    /// Ends it with a signal, and expects a clean end.
    #[track_caller]
    pub(crate) fn stop(mut self, signal: Signal) -> Start {
        self.signal(signal);
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "{}\n{}", status, self.log());
        self.start.clone().port(self.port())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            let log = fs::read_to_string(self.start.directory.join("log")).unwrap_or_default();
            eprintln!("--- {} at {}\n{}\n{log}", self.start.name, self.address, self.report);
        }
    }
}

/// Where a client on this machine connects, out of the report.
fn clients_address(report: &str) -> SocketAddr {
    let line = report.lines().find_map(|line| line.strip_prefix("clients "));
    let first = line.and_then(|line| line.split_whitespace().next());
    let mut address: SocketAddr = first.and_then(|word| word.parse().ok()).expect("an address for clients");
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    address
}
