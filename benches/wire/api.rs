//! The API that is called: the bench's own server, or nginx. Either answers at once with the same bytes, and counts.

use std::cell::Cell;
use std::env;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::Result;
use crate::child;
use crate::nginx::Nginx;
use crate::server;

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// The bench itself, in a process of its own: one thread, reads a request to its end and answers
    Own,
    /// nginx with one worker and a fixed answer; it counts calls, not bytes
    Nginx,
}

/// A server that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Api {
    port: u16,
    serving: Serving,
}

#[derive(Debug)]
enum Serving {
    Own(Child),
    /// And what it had counted when it was asked last.
    Nginx(Nginx, Cell<u64>),
}

/// What came since it was asked last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) calls: u64,
    /// Of all bodies together, where they are counted.
    pub(crate) bytes: Option<u64>,
}

impl Received {
    pub(crate) fn add(&mut self, more: Self) {
        self.calls += more.calls;
        self.bytes = self.bytes.zip(more.bytes).map(|(bytes, more)| bytes + more);
    }
}

impl Api {
    pub(crate) fn start(kind: Kind, folder: &Path) -> Result<Self> {
        match kind {
            Kind::Own => {
                let mut process = Command::new(env::current_exe()?)
                    .arg(child::SERVE)
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .spawn()?;
                let mut port = String::new();
                let stdout = process.stdout.take().ok_or("the server has no stdout")?;
                BufReader::new(stdout).read_line(&mut port)?;
                let port = port.trim().parse()?;
                Ok(Self { port, serving: Serving::Own(process) })
            }
            Kind::Nginx => {
                let nginx = Nginx::start(folder, nginx_answers)
                    .map_err(|error| format!("{error}; install it, or leave out `--server nginx`"))?;
                let api = Self { port: nginx.port, serving: Serving::Nginx(nginx, Cell::new(0)) };
                api.received()?;
                Ok(api)
            }
        }
    }

    /// As `--base-url` takes it.
    pub(crate) fn base(&self) -> String {
        format!("http://127.0.0.1:{}/v2", self.port)
    }

    /// Who answers, for readers.
    pub(crate) fn describe(&self) -> &'static str {
        match self.serving {
            Serving::Own(_) => "the bench's own server: one thread, a fixed answer of a new room",
            Serving::Nginx(..) => "nginx: one worker, a fixed answer of a new room",
        }
    }

    /// Asks for calls and bytes since the last time.
    pub(crate) fn received(&self) -> Result<Received> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.write_all(b"GET /counts HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.rsplit_once("\r\n\r\n").ok_or("the server told no counts")?;
        match &self.serving {
            Serving::Own(_) => {
                let (calls, bytes) = body.split_once(' ').ok_or("the server told no counts")?;
                Ok(Received { calls: calls.parse()?, bytes: Some(bytes.parse()?) })
            }
            Serving::Nginx(_, counted) => {
                // Connections accepted and handled, and requests: this one is among them.
                let numbers = body.lines().nth(2).ok_or("nginx told no counts")?;
                let now: u64 = numbers.split_whitespace().nth(2).ok_or("nginx told no counts")?.parse()?;
                Ok(Received { calls: (now - counted.replace(now)).saturating_sub(1), bytes: None })
            }
        }
    }

    pub(crate) fn finish(self) -> Result<()> {
        let status = match self.serving {
            Serving::Own(mut process) => {
                // It ends with its stdin, or with this process.
                drop(process.stdin.take());
                process.wait()?
            }
            Serving::Nginx(nginx, _) => nginx.finish()?,
        };
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}").into()) }
    }
}

/// What stands in nginx's `http` block.
fn nginx_answers(port: u16) -> String {
    format!(
        "    access_log off;\n    keepalive_requests 1000000000;\n    server {{\n        listen 127.0.0.1:{port};\n\
         \x20       location = /counts {{ stub_status; }}\n        location /v2/ {{ return 200 '{}'; }}\n    }}\n",
        server::ROOM
    )
}
