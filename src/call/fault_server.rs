//! A server that misbehaves on request: it reads whole requests and does with each what its script says.
//!
//! It understands just enough HTTP to find a request's end, and shares no code with what it tests.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What to do with a request.
pub(super) enum Act {
    /// Answer with these bytes and keep the connection.
    Answer(Vec<u8>),
    /// Answer with these bytes and close the connection.
    Last(Vec<u8>),
    /// Answer with these bytes and say no more.
    Stall(Vec<u8>),
}

/// Makes an act, as often as it is asked to.
pub(super) type Fault = fn() -> Act;

/// An answer with a body.
pub(super) fn answer(status: u16, headers: &str, body: &str) -> Act {
    let length = body.len();
    Act::Answer(
        format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{headers}\r\n{body}").into_bytes(),
    )
}

/// Closes the connection without a word.
pub(super) fn reset() -> Act {
    Act::Last(Vec::new())
}

/// Answers 200 with the beginning of a body.
pub(super) fn cut() -> Act {
    Act::Last(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":".to_vec())
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

pub(super) struct FaultServer {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl FaultServer {
    /// Starts a server whose script gets the number of the request, from 0, and the request.
    pub(super) async fn start(script: impl FnMut(usize, &Seen) -> Act + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script = Arc::new(Mutex::new(script));
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, log) = (Arc::clone(&script), Arc::clone(&log));
                let next = move |request: Seen| {
                    let mut log = log.lock().unwrap();
                    log.push(request);
                    (*script.lock().unwrap())(log.len() - 1, &log[log.len() - 1])
                };
                tokio::spawn(serve(stream, next));
            }
        });
        Self { address, seen }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, mut next: impl FnMut(Seen) -> Act) {
    let mut buffer = Vec::new();
    while let Some(request) = read(&mut stream, &mut buffer).await {
        let written = match next(request) {
            Act::Answer(bytes) => stream.write_all(&bytes).await,
            Act::Last(bytes) => {
                stream.write_all(&bytes).await.ok();
                return;
            }
            Act::Stall(bytes) => {
                stream.write_all(&bytes).await.ok();
                return std::future::pending().await;
            }
        };
        if written.is_err() {
            return;
        }
    }
}

/// Reads one request; none where the peer has gone.
async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    loop {
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            let mut seen = Seen { head, body: Vec::new() };
            let length = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
            if buffer.len() >= end + 4 + length {
                seen.body = buffer[end + 4..end + 4 + length].to_vec();
                buffer.drain(..end + 4 + length);
                return Some(seen);
            }
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}
