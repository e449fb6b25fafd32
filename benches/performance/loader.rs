//! Many requests as fast as a server takes them, each once.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use crate::replies::Replies;
use crate::support::{Outcome, Server};

/// Requests that are sent before their replies are read.
const BATCH: usize = 500;

/// Longest wait until a node has heard of all counters.
const PATIENCE: Duration = Duration::from_secs(300);

/// A name of 16 bytes, as redis-benchmark writes it.
pub(crate) fn write_name(number: u64, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(b"$16\r\nkey:000000000000\r\n");
    let (mut rest, mut at) = (number, bytes.len() - 3);
    while rest > 0 {
        bytes[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        at -= 1;
    }
}

/// A request of a command and one name.
pub(crate) fn write_request(command: &str, name: u64, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(b"*2\r\n$");
    bytes.extend_from_slice(command.len().to_string().as_bytes());
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(command.as_bytes());
    bytes.extend_from_slice(b"\r\n");
    write_name(name, bytes);
}

/// Sends this command for all these names, on four connections.
pub(crate) fn send_each(port: u16, command: &str, names: Range<u64>) -> Outcome<()> {
    const CONNECTIONS: u64 = 4;
    let part = (names.end - names.start).div_ceil(CONNECTIONS);
    let parts = (0..CONNECTIONS).map(|at| {
        let begin = (names.start + at * part).min(names.end);
        begin..(begin + part).min(names.end)
    });
    thread::scope(|scope| {
        let threads: Vec<_> = parts
            .map(|part| scope.spawn(|| send_part(port, command, part).map_err(|error| error.to_string())))
            .collect();
        threads.into_iter().try_for_each(|thread| Ok(thread.join().map_err(|_| "a loader panicked")??))
    })
}

fn send_part(port: u16, command: &str, names: Range<u64>) -> Outcome<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    let (mut request, mut buffer, mut replies) = (Vec::new(), vec![0; 64 << 10], Replies::new());
    for first in names.clone().step_by(BATCH) {
        let batch = first..names.end.min(first + BATCH as u64);
        let mut waiting = batch.end - batch.start;
        request.clear();
        batch.for_each(|name| write_request(command, name, &mut request));
        stream.write_all(&request)?;
        while waiting > 0 {
            match stream.read(&mut buffer)? {
                0 => return Err("the server closed a connection".into()),
                length => waiting -= replies.take(&buffer[..length]),
            }
        }
        if replies.errors > 0 {
            return Err(format!("{command}: {}", replies.first_error).into());
        }
    }
    Ok(())
}

/// Waits until a server has so many counters, and this one stands at this value.
pub(crate) fn await_counters(server: &Server, counters: u64, name: u64, value: usize) -> Outcome<()> {
    let (begin, mut client, name) = (Instant::now(), server.client()?, format!("key:{name:012}"));
    let wanted = [counters.to_string(), value.to_string()];
    loop {
        let found = [client.call(&["DBSIZE"])?, client.call(&["GET", &name])?];
        if found == wanted {
            return Ok(());
        }
        if begin.elapsed() > PATIENCE {
            return Err(format!("{found:?} counters and the value of {name} should be {wanted:?}").into());
        }
        thread::sleep(Duration::from_millis(50));
    }
}
