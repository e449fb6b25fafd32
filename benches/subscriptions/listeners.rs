//! Clients that subscribe and read what they are sent, all on one thread.

use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedReadHalf;

use super::support::Outcome;

const PATIENCE: Duration = Duration::from_secs(60);

/// What the readers have seen.
#[derive(Default)]
struct Seen {
    /// Lines that begin a list: confirmations and messages.
    lists: AtomicU64,
    ended: AtomicUsize,
}

/// Connections that read all the time.
pub(crate) struct Listeners {
    writers: Vec<std::sync::Mutex<tokio::net::tcp::OwnedWriteHalf>>,
    runtime: tokio::runtime::Handle,
    seen: Arc<Seen>,
}

impl Listeners {
    pub(crate) fn connect(port: u16, count: usize) -> Outcome<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        let seen = Arc::new(Seen::default());
        let mut writers = Vec::with_capacity(count);
        for number in 0..count {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
                format!(
                    "connection {number} of {count} failed: {error}; are there file descriptors enough (ulimit -n)?"
                )
            })?;
            stream.set_nonblocking(true)?;
            let _entered = handle.enter();
            let (reader, writer) = tokio::net::TcpStream::from_std(stream)?.into_split();
            handle.spawn(read(reader, Arc::clone(&seen)));
            writers.push(std::sync::Mutex::new(writer));
        }
        Ok(Self { writers, runtime: handle, seen })
    }

    /// How many messages and confirmations have come.
    pub(crate) fn messages(&self) -> u64 {
        self.seen.lists.load(Ordering::Relaxed)
    }

    /// Has the first `count` say something, and waits until the server has done it.
    pub(crate) fn say(&self, count: usize, request: impl Fn(usize) -> String) -> Outcome<()> {
        for (number, writer) in self.writers.iter().take(count).enumerate() {
            let request = request(number);
            let mut writer = writer.lock().map_err(|_| "a writer panicked")?;
            self.runtime.block_on(writer.write_all(request.as_bytes()))?;
        }
        self.settle()
    }

    /// Waits until nothing comes any more.
    fn settle(&self) -> Outcome<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut before = self.messages();
        let mut quiet = 0;
        while quiet < 2 && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(300));
            let now = self.messages();
            // Nobody counts meanwhile, so what comes are confirmations and first values.
            quiet = if now == before { quiet + 1 } else { 0 };
            before = now;
        }
        if self.seen.ended.load(Ordering::Relaxed) > 0 {
            return Err("the server closed a connection".into());
        }
        Ok(())
    }
}

async fn read(mut reader: OwnedReadHalf, seen: Arc<Seen>) {
    let mut buffer = vec![0; 4 << 10];
    loop {
        match reader.read(&mut buffer).await {
            Ok(length) if length > 0 => {
                // No name and no value has a star in it, but for the one pattern, of which each message has one more.
                let lists = buffer[..length].windows(2).filter(|pair| pair[0] == b'*' && pair[1].is_ascii_digit());
                seen.lists.fetch_add(lists.count() as u64, Ordering::Relaxed);
            }
            _ => {
                seen.ended.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
    }
}
