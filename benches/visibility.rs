//! How long an increment takes to be seen on another node: from the INCR's reply on one to the first GET on
//! another that answers the new value, over loopback, with nothing else running. Three real servers.
//!
//!     cargo bench --bench visibility [-- SAMPLES]
//!
//! The time includes the last GET's own round trip, which is given beside it.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

const SAMPLES: usize = 2_000;
const WARM_UP: usize = 100;
const NODES: usize = 3;
const START: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(10);
const TARGET: Duration = Duration::from_millis(10);

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("nothing to test here; measure with: cargo bench --bench visibility");
        return ExitCode::SUCCESS;
    }
    let samples = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(SAMPLES).max(1);
    match measure(samples) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("visibility: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(samples: usize) -> Outcome<()> {
    let directory = tempfile::tempdir()?;
    // Declared after the directory, so that the servers have stopped before it is removed.
    let mut servers = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..NODES {
        let mut server = Server::start(directory.path())?;
        clients.push(server.await_pong()?);
        servers.push(server);
    }
    for other in &servers[1..] {
        clients[0].expect(&["CLUSTER", "MEET", "127.0.0.1", &other.port.to_string()], "OK")?;
    }
    await_links(&mut clients)?;

    clients[0].expect(&["PRECISION", "lone", "0"], "0")?;
    for client in &mut clients {
        client.await_reply(&["PRECISION", "lone"], "0")?;
    }
    let lone = increments(&mut clients, samples)?;
    let births = births(&mut clients, samples)?;
    let round_trips = round_trips(&mut clients[0], samples)?;

    println!("{NODES} nodes on loopback, {samples} samples a row, milliseconds");
    println!("{:<44} {:>8} {:>8} {:>8} {:>8}", "", "p50", "p90", "p99", "max");
    let rows = [
        ("increment of a counter, precision 0", &lone),
        ("birth of a counter", &births),
        ("(round trip of one GET)", &round_trips),
    ];
    for (name, figures) in rows {
        let Figures { p50, p90, p99, max } = figures;
        println!("{name:<44} {:>8} {:>8} {:>8} {:>8}", millis(*p50), millis(*p90), millis(*p99), millis(*max));
    }
    let met = if lone.p99 <= TARGET && births.p99 <= TARGET { "met" } else { "missed" };
    println!("target: p99 of the first two at most {} ms: {met}", millis(TARGET));
    Ok(())
}

/// Links all pairs of nodes for sure: what one counts, each other node answers.
fn await_links(clients: &mut [Client]) -> Outcome<()> {
    for writer in 0..clients.len() {
        let name = format!("link:{writer}");
        clients[writer].expect(&["INCR", &name], "1")?;
        for client in clients.iter_mut() {
            client.await_reply(&["GET", &name], "1")?;
        }
    }
    Ok(())
}

/// Increments one counter on each node in turn, reading on the next.
fn increments(clients: &mut [Client], samples: usize) -> Outcome<Figures> {
    let mut times = Vec::with_capacity(samples);
    for sample in 0..WARM_UP + samples {
        let (writer, reader) = (sample % NODES, (sample + 1) % NODES);
        let value = (sample + 1).to_string();
        // The writer has to see what the others counted before, so that its reply is the sum.
        clients[writer].await_reply(&["GET", "lone"], &sample.to_string())?;
        out_of_step(sample);
        clients[writer].expect(&["INCR", "lone"], &value)?;
        let took = clients[reader].await_reply(&["GET", "lone"], &value)?;
        times.push(took);
    }
    Ok(Figures::of(&mut times[WARM_UP..]))
}

/// Makes a counter on each node in turn, reading on the next. The precision is the default one: a birth is
/// announced whatever it is.
fn births(clients: &mut [Client], samples: usize) -> Outcome<Figures> {
    let mut times = Vec::with_capacity(samples);
    for sample in 0..WARM_UP + samples {
        let (writer, reader) = (sample % NODES, (sample + 1) % NODES);
        let name = format!("birth:{sample}");
        out_of_step(sample);
        clients[writer].expect(&["INCR", &name], "1")?;
        let took = clients[reader].await_reply(&["GET", &name], "1")?;
        times.push(took);
    }
    Ok(Figures::of(&mut times[WARM_UP..]))
}

fn round_trips(client: &mut Client, samples: usize) -> Outcome<Figures> {
    let mut times = Vec::with_capacity(samples);
    for _ in 0..samples {
        let begin = Instant::now();
        client.call(&["GET", "lone"])?;
        times.push(begin.elapsed());
    }
    Ok(Figures::of(&mut times))
}

/// Waits 0 to 15 ms, spread evenly, so that increments come at all points between two flushes.
fn out_of_step(sample: usize) {
    let micros = sample.wrapping_mul(7_919) % 15_000;
    std::thread::sleep(Duration::from_micros(micros as u64));
}

fn millis(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64() * 1e3)
}

struct Figures {
    p50: Duration,
    p90: Duration,
    p99: Duration,
    max: Duration,
}

impl Figures {
    fn of(times: &mut [Duration]) -> Self {
        times.sort_unstable();
        let last = times.len() - 1;
        let at = |percent: usize| times[(times.len() * percent / 100).min(last)];
        Self { p50: at(50), p90: at(90), p99: at(99), max: times[last] }
    }
}

/// A server process, killed when dropped.
struct Server {
    process: Child,
    port: u16,
    log: PathBuf,
}

impl Server {
    fn start(directory: &Path) -> Outcome<Self> {
        let port = free_port()?;
        let log = directory.join(format!("{port}.log"));
        let output = std::fs::File::create(&log)?;
        let process = Command::new(env!("CARGO_BIN_EXE_discnt-server"))
            .args(["--port", &port.to_string()])
            .arg("--data-dir")
            .arg(directory.join(port.to_string()))
            .arg("--certs-dir")
            .arg(directory.join("certs"))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        Ok(Self { process, port, log })
    }

    /// A connection on which the server answers.
    fn await_pong(&mut self) -> Outcome<Client> {
        let begin = Instant::now();
        let mut last = String::from("no connection was tried");
        while begin.elapsed() < START {
            if let Some(status) = self.process.try_wait()? {
                return Err(self.failed(&format!("ended with {status}")));
            }
            match Client::connect(self.port).and_then(|mut client| client.expect(&["PING"], "PONG").map(|()| client)) {
                Ok(client) => return Ok(client),
                Err(error) => last = error.to_string(),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(self.failed(&format!("did not answer within {} s: {last}", START.as_secs())))
    }

    fn failed(&self, what: &str) -> Box<dyn Error> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_else(|error| error.to_string());
        format!("the server on port {} {what}\nits output:\n{log}", self.port).into()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; there is nothing to be done about an error here.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that is free for TCP and for UDP, as long as nobody takes it meanwhile.
fn free_port() -> Outcome<u16> {
    for _ in 0..100 {
        let stream = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = stream.local_addr()?.port();
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no port is free for both TCP and UDP".into())
}

/// A blocking RESP2 client: one request, one reply. Answers every scalar reply as text.
struct Client {
    stream: BufReader<TcpStream>,
    request: Vec<u8>,
}

impl Client {
    fn connect(port: u16) -> Outcome<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream), request: Vec::new() })
    }

    fn call(&mut self, arguments: &[&str]) -> Outcome<String> {
        self.request.clear();
        write!(self.request, "*{}\r\n", arguments.len())?;
        for argument in arguments {
            write!(self.request, "${}\r\n{argument}\r\n", argument.len())?;
        }
        self.stream.get_mut().write_all(&self.request)?;
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(format!("{arguments:?}: the server closed the connection").into());
        }
        let line = line.trim_end();
        match line.split_at_checked(1) {
            Some(("+" | ":", text)) => Ok(text.to_owned()),
            Some(("-", error)) => Err(format!("{arguments:?}: {error}").into()),
            Some(("$", "-1")) => Ok(String::from("(nil)")),
            Some(("$", len)) => {
                let mut text = vec![0; len.parse::<usize>()? + 2];
                self.stream.read_exact(&mut text)?;
                text.truncate(text.len() - 2);
                Ok(String::from_utf8(text)?)
            }
            _ => Err(format!("{arguments:?}: an unexpected reply {line:?}").into()),
        }
    }

    /// Any other reply is an error.
    fn expect(&mut self, arguments: &[&str], wanted: &str) -> Outcome<()> {
        let reply = self.call(arguments)?;
        if reply == wanted { Ok(()) } else { Err(format!("{arguments:?}: {reply}, expected {wanted}").into()) }
    }

    /// Asks again and again without a pause; how long it took until the reply was as wanted.
    fn await_reply(&mut self, arguments: &[&str], wanted: &str) -> Outcome<Duration> {
        let begin = Instant::now();
        loop {
            let reply = self.call(arguments)?;
            let took = begin.elapsed();
            if reply == wanted {
                return Ok(took);
            }
            if took > PATIENCE {
                let waited = PATIENCE.as_secs();
                return Err(format!("{arguments:?}: still {reply} after {waited} s, expected {wanted}").into());
            }
        }
    }
}
