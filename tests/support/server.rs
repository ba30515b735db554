//! A plain HTTP server, hand-made and without any of the program's libraries: it keeps what it received, byte for
//! byte, and answers what a test's closure says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use serde_json::Value;

use super::{PATIENCE, Program};

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Received {
    /// How many came before it.
    pub index: usize,
    /// When its last byte was read.
    pub at: Instant,
    /// Such as `POST`.
    pub method: String,
    /// Path and query, as written on the wire.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl Received {
    /// The value of a header that must be there once.
    pub fn header(&self, name: &str) -> &str {
        let values: Vec<&str> =
            self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect();
        assert_eq!(values.len(), 1, "header `{name}` in {:?}", self.headers);
        values[0]
    }

    /// The token behind `Bearer`.
    pub fn token(&self) -> &str {
        self.header("authorization").strip_prefix("Bearer ").expect("a bearer token")
    }

    /// The value of a parameter of the query that needs no decoding.
    pub fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.path.split_once('?')?;
        query
            .split('&')
            .filter_map(|one| one.split_once('='))
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    fault: Option<Fault>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// The connection ends without a byte.
    HangUp,
    /// The connection ends in the middle of the body.
    Cut,
    /// The body comes in chunks, and the length of the second is no number.
    BadChunk,
}

impl Reply {
    /// A status with a JSON body.
    pub fn json(status: u16, body: &Value) -> Self {
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        Self { status, headers, body: body.to_string().into_bytes(), fault: None }
    }

    /// 200 with an empty object.
    pub fn ok() -> Self {
        Self::json(200, &serde_json::json!({}))
    }

    /// A status with a text.
    pub fn text(status: u16, body: &str) -> Self {
        Self { status, headers: Vec::new(), body: body.as_bytes().to_vec(), fault: None }
    }

    /// The request is taken, and the connection ends.
    pub fn hang_up() -> Self {
        Self { fault: Some(Fault::HangUp), ..Self::ok() }
    }

    /// The answer breaks off.
    pub fn cut(self) -> Self {
        Self { fault: Some(Fault::Cut), ..self }
    }

    /// The answer comes in chunks, and the second is none.
    pub fn badly_chunked(self) -> Self {
        Self { fault: Some(Fault::BadChunk), ..self }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes it; true where the connection may go on.
    fn write(&self, stream: &mut TcpStream) -> bool {
        if self.fault == Some(Fault::HangUp) {
            return false;
        }
        let length = match self.fault {
            Some(Fault::BadChunk) => "Transfer-Encoding: chunked".to_owned(),
            _ => format!("Content-Length: {}", self.body.len()),
        };
        let mut bytes = format!("HTTP/1.1 {} Word\r\n{length}\r\n", self.status);
        for (name, value) in &self.headers {
            bytes.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut bytes = format!("{bytes}\r\n").into_bytes();
        if self.fault == Some(Fault::BadChunk) {
            bytes.extend_from_slice(format!("{:x}\r\n", self.body.len()).as_bytes());
            bytes.extend_from_slice(&self.body);
            bytes.extend_from_slice(b"\r\nno length\r\n");
            let _ = stream.write_all(&bytes);
            return false;
        }
        bytes.extend_from_slice(&self.body);
        if self.fault == Some(Fault::Cut) {
            bytes.truncate(bytes.len() - self.body.len() / 2);
            let _ = stream.write_all(&bytes);
            return false;
        }
        stream.write_all(&bytes).is_ok()
    }
}

/// A server that runs until it is dropped.
pub struct Server {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    ended: Arc<AtomicBool>,
}

impl Server {
    /// Starts one; `answer` is called on a thread for each connection and may block.
    pub fn start(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let ended = Arc::new(AtomicBool::new(false));
        let (answer, kept, end) = (Arc::new(answer), Arc::clone(&received), Arc::clone(&ended));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let (answer, kept) = (Arc::clone(&answer), Arc::clone(&kept));
                thread::spawn(move || serve(stream.unwrap(), &kept, &*answer));
            }
        });
        Self { address, received, ended }
    }

    /// A server that answers each request with the next of these, and the last one for ever.
    pub fn answering(replies: Vec<Reply>) -> Self {
        Self::start(move |received| replies[received.index.min(replies.len() - 1)].clone())
    }

    /// `http://…`, without a path.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A `roompipe run …` against it.
    pub fn run(&self, line: &str) -> Program {
        Program::against(&format!("{}/v2", self.origin())).line(line)
    }

    /// A `roompipe get …` from it.
    pub fn get(&self, line: &str) -> Program {
        Program::reading(&format!("{}/v2", self.origin())).line(line)
    }

    /// What came so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: TcpStream, kept: &Mutex<Vec<Received>>, answer: &dyn Fn(&Received) -> Reply) {
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        let request = {
            let mut kept = kept.lock().unwrap();
            let request = Received { index: kept.len(), ..request };
            kept.push(request.clone());
            request
        };
        if !answer(&request).write(&mut writer) {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Received> {
    let line = line(reader)?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let line = self::line(reader)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Received { index: 0, at: Instant::now(), method, path, headers, body })
}

fn line(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    match reader.read_line(&mut line) {
        Ok(read) if read > 0 => Some(line.trim_end().to_owned()),
        _ => None,
    }
}
