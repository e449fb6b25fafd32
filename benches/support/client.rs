//! A client that sends one request, and waits for one reply.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Outcome;

/// Longest wait for a reply, and for one that is as wanted.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause before the same is asked again. The system makes about twice as much of it. Without one, the asking and the answering
/// would take a processor from what is measured.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_micros(50);

/// Speaks RESP2, and answers every scalar reply as text.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    request: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(port: u16) -> Outcome<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream), request: Vec::new() })
    }

    pub(crate) fn call(&mut self, arguments: &[&str]) -> Outcome<String> {
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
    pub(crate) fn expect(&mut self, arguments: &[&str], wanted: &str) -> Outcome<()> {
        let reply = self.call(arguments)?;
        if reply == wanted { Ok(()) } else { Err(format!("{arguments:?}: {reply}, expected {wanted}").into()) }
    }

    /// Asks again and again; how long it took until the reply was as wanted.
    pub(crate) fn await_reply(&mut self, arguments: &[&str], wanted: &str) -> Outcome<Duration> {
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
            sleep(LOOK_INTERVAL);
        }
    }

    pub(crate) fn info(&mut self, section: &str) -> Outcome<Info> {
        Ok(Info(self.call(&["INFO", section])?))
    }
}

/// What a server says about itself.
pub(crate) struct Info(String);

impl Info {
    /// Not a number where it says nothing of the kind.
    pub(crate) fn number(&self, field: &str) -> f64 {
        let value = self.0.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.and_then(|value| value.trim().parse().ok()).unwrap_or(f64::NAN)
    }

    /// What it says of one kind of messages between nodes: `sent`, `sent_bytes` and so on.
    pub(crate) fn of_kind(&self, kind: &str, field: &str) -> f64 {
        let start = format!("mesh_kind_{kind}:");
        let figures = self.0.lines().find_map(|line| line.strip_prefix(&start));
        let figures = figures.into_iter().flat_map(|figures| figures.trim().split(','));
        let value = figures.filter_map(|figure| figure.split_once('=')).find(|(name, _)| *name == field);
        value.and_then(|(_, value)| value.parse().ok()).unwrap_or(f64::NAN)
    }

    /// Bytes of all kinds of messages that were sent to other nodes.
    pub(crate) fn mesh_bytes_sent(&self) -> f64 {
        let kinds = self.0.lines().filter(|line| line.starts_with("mesh_kind_"));
        let bytes = kinds.filter_map(|line| line.split("sent_bytes=").nth(1)?.split(',').next()?.parse::<f64>().ok());
        bytes.sum()
    }
}
