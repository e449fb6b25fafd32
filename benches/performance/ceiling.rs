//! What the generator can show at most: a server that does nothing but answer.
//!
//! It looks for no command and counts nothing. As redis-benchmark sends requests of one length, the bytes that came tell how
//! many replies are due. No server can be shown faster than this one on the same machine: the rest is the generator's
//! own work and the kernel's.

use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::support::Outcome;

/// Larger than any pipeline's requests.
const BUFFER_BYTES: usize = 64 << 10;
const REPLY: &[u8] = b":1\r\n";

/// The server, on a thread of its own, until it is dropped.
pub(crate) struct Ceiling {
    pub(crate) port: u16,
    end: Arc<Notify>,
}

impl Ceiling {
    pub(crate) fn start() -> Outcome<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let port = listener.local_addr()?.port();
        let end = Arc::new(Notify::new());
        let ended = Arc::clone(&end);
        std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener) => {}
                    () = ended.notified() => {}
                }
            });
        });
        Ok(Self { port, end })
    }
}

impl Drop for Ceiling {
    fn drop(&mut self) {
        self.end.notify_one();
    }
}

async fn accept(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            // The generator has gone.
            let _ = answer(stream).await;
        });
    }
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = vec![0; BUFFER_BYTES];
    let replies = REPLY.repeat(BUFFER_BYTES / REPLY.len());
    let (mut length, mut pending) = (None, 0);
    loop {
        let received = stream.read(&mut bytes).await?;
        if received == 0 {
            return Ok(());
        }
        let length = *length.get_or_insert_with(|| request_length(&bytes[..received]));
        pending += received;
        let due = pending / length;
        pending %= length;
        stream.write_all(&replies[..due * REPLY.len()]).await?;
    }
}

/// How long the first request is, of requests that are all of one length.
fn request_length(bytes: &[u8]) -> usize {
    let next = bytes.iter().skip(1).position(|byte| *byte == b'*');
    next.map_or(bytes.len(), |at| at + 1)
}
