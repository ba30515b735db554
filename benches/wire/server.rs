//! A server that does as little as can be: it reads a request to its declared end and answers the same room each
//! time, the same refusal, or a page of a list of such rooms. It counts, so that nobody is fast by leaving calls out.

use std::io::{self, Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf as _, BytesMut};
use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::Result;

/// What a new room looks like, as 100ms answers it.
pub(crate) const ROOM: &str = concat!(
    r#"{"id":"64d0f4b6bb2a7c1f5c7f4a11","name":"room-0000001","enabled":true,"#,
    r#""description":"Weekly planning","customer_id":"627cda25ff688c037a39291b","app_id":"627cda26ff688c037a39291c","#,
    r#""recording_info":{"enabled":false},"template_id":"627cda26ff688c037a39291d","template":"default","#,
    r#""region":"eu","created_at":"2026-01-31T09:00:00.000Z","updated_at":"2026-01-31T09:00:00.000Z","#,
    r#""customer":"627cda25ff688c037a39291b","large_room":false,"size":10}"#
);

/// Behind the base URL: every call is refused.
pub(crate) const REFUSED: &str = "/refused";

/// Behind the base URL, and before how many rooms a list has.
pub(crate) const LIST: &str = "/of/";

/// Rooms of a page.
pub(crate) const PAGE: u64 = 100;

/// Calls received and the bytes of their bodies, since they were last asked for.
#[derive(Debug, Default)]
struct Counts {
    calls: AtomicU64,
    body_bytes: AtomicU64,
}

/// Says its port on stdout and serves until stdin ends, so that it never outlives the bench.
pub(crate) fn serve() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        writeln!(io::stdout(), "{}", listener.local_addr()?.port())?;
        let (end, mut ended) = oneshot::channel::<()>();
        std::thread::spawn(move || {
            let _ = io::stdin().read(&mut [0]);
            drop(end);
        });
        let counts = Arc::new(Counts::default());
        let answers = Arc::new(Answers {
            room: answer("200 OK", ROOM),
            refusal: answer("400 Bad Request", r#"{"code":400,"message":"no"}"#),
            rooms: vec![ROOM; PAGE as usize].join(","),
        });
        loop {
            tokio::select! {
                _ = &mut ended => return Ok(()),
                accepted = listener.accept() => {
                    let (stream, _) = accepted?;
                    stream.set_nodelay(true)?;
                    tokio::spawn(converse(stream, Arc::clone(&counts), Arc::clone(&answers)));
                }
            }
        }
    })
}

/// What can be said, made once.
struct Answers {
    room: Vec<u8>,
    refusal: Vec<u8>,
    /// Of a whole page.
    rooms: String,
}

impl Answers {
    /// A page of a list: as many rooms as there are still, and where the next one begins.
    fn page(&self, request: &str) -> Option<Vec<u8>> {
        let path = request.split(' ').nth(1)?;
        let of: u64 = path.strip_prefix("/v2")?.strip_prefix(LIST)?.split('/').next()?.parse().ok()?;
        let begins = path.split(['?', '&']).find_map(|part| part.strip_prefix("start="));
        let after: u64 = begins.map_or(Some(0), |number| number.parse().ok())?;
        let rooms = of.saturating_sub(after).min(PAGE) as usize;
        // Those of a page with the commas between them.
        let rooms = &self.rooms[..(rooms * (ROOM.len() + 1)).saturating_sub(1)];
        let end = after + PAGE;
        let last = if end < of { format!(r#","last":"{end}""#) } else { String::new() };
        Some(answer("200 OK", &format!(r#"{{"limit":{PAGE},"data":[{rooms}]{last}}}"#)))
    }
}

fn answer(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// Serves one connection until it ends or says something else than expected.
async fn converse(mut stream: TcpStream, counts: Arc<Counts>, answers: Arc<Answers>) -> io::Result<()> {
    let mut buffer = BytesMut::with_capacity(16 * 1024);
    loop {
        while let Some(request) = Head::parse(&buffer)?.filter(|head| head.total() <= buffer.len()) {
            let is_call = buffer.starts_with(b"POST /v2/");
            let is_refused = is_call && buffer[b"POST /v2".len()..].starts_with(REFUSED.as_bytes());
            let page = if is_call {
                None
            } else {
                std::str::from_utf8(&buffer[..request.head]).ok().and_then(|head| answers.page(head))
            };
            buffer.advance(request.total());
            if let Some(page) = page {
                stream.write_all(&page).await?;
                continue;
            }
            if !is_call {
                return stream.write_all(&counts.take()).await;
            }
            counts.calls.fetch_add(1, Ordering::Relaxed);
            counts.body_bytes.fetch_add(request.body as u64, Ordering::Relaxed);
            stream.write_all(if is_refused { &answers.refusal } else { &answers.room }).await?;
        }
        buffer.reserve(4 * 1024);
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

impl Counts {
    /// Tells the counts and begins anew.
    fn take(&self) -> Vec<u8> {
        let [calls, bytes] = [&self.calls, &self.body_bytes].map(|count| count.swap(0, Ordering::Relaxed));
        answer("200 OK", &format!("{calls} {bytes}"))
    }
}

/// The lengths of a request.
struct Head {
    head: usize,
    body: usize,
}

impl Head {
    /// Returns nothing while the head has not come to its end.
    fn parse(bytes: &[u8]) -> io::Result<Option<Self>> {
        const END: &[u8] = b"\r\n\r\n";
        let Some(end) = memmem::find(bytes, END) else { return Ok(None) };
        let mut body = Some(0);
        for line in bytes[..end].split(|byte| *byte == b'\n').skip(1) {
            let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
            let (name, value) = line.split_at(colon);
            if name.eq_ignore_ascii_case(b"content-length") {
                body = std::str::from_utf8(&value[1..]).ok().and_then(|digits| digits.trim().parse().ok());
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                body = None;
            }
        }
        let body = body.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(Some(Self { head: end + END.len(), body }))
    }

    fn total(&self) -> usize {
        self.head + self.body
    }
}
