//! The API that is called: the bench's own server, or nginx. Either answers at once with the same bytes, and counts.

use std::cell::Cell;
use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;
use crate::child;
use crate::server;

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// The bench itself, in a process of its own: one thread, reads a request to its end and answers
    Own,
    /// nginx with one worker and a fixed answer; it counts calls, not bytes
    Nginx,
}

/// How long nginx may take until it listens.
const START: Duration = Duration::from_secs(5);

/// A server that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Api {
    kind: Kind,
    port: u16,
    process: Child,
    /// Where nginx finds its configuration.
    folder: PathBuf,
    /// What nginx had counted when it was asked last.
    counted: Cell<u64>,
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
                Ok(Self { kind, port, process, folder: folder.to_owned(), counted: Cell::new(0) })
            }
            Kind::Nginx => Self::nginx(folder),
        }
    }

    fn nginx(folder: &Path) -> Result<Self> {
        let port = free_port()?;
        fs::write(folder.join("nginx.conf"), nginx_configuration(port))?;
        let process = nginx_command(folder).spawn().map_err(|error| {
            format!("nginx cannot be started: {error}; install it, or leave out `--server nginx`")
        })?;
        let counted = Cell::new(0);
        let api = Self { kind: Kind::Nginx, port, process, folder: folder.to_owned(), counted };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if began.elapsed() > START {
                return Err("nginx does not listen; its own messages stand above".into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        api.received()?;
        Ok(api)
    }

    /// As `--base-url` takes it.
    pub(crate) fn base(&self) -> String {
        format!("http://127.0.0.1:{}/v2", self.port)
    }

    /// Who answers, for readers.
    pub(crate) fn describe(&self) -> &'static str {
        match self.kind {
            Kind::Own => "the bench's own server: one thread, a fixed answer of a new room",
            Kind::Nginx => "nginx: one worker, a fixed answer of a new room",
        }
    }

    /// Asks for calls and bytes since the last time.
    pub(crate) fn received(&self) -> Result<Received> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.write_all(b"GET /counts HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.rsplit_once("\r\n\r\n").ok_or("the server told no counts")?;
        match self.kind {
            Kind::Own => {
                let (calls, bytes) = body.split_once(' ').ok_or("the server told no counts")?;
                Ok(Received { calls: calls.parse()?, bytes: Some(bytes.parse()?) })
            }
            Kind::Nginx => {
                // Connections accepted and handled, and requests: this one is among them.
                let numbers = body.lines().nth(2).ok_or("nginx told no counts")?;
                let now: u64 = numbers.split_whitespace().nth(2).ok_or("nginx told no counts")?.parse()?;
                Ok(Received { calls: (now - self.counted.replace(now)).saturating_sub(1), bytes: None })
            }
        }
    }

    pub(crate) fn finish(mut self) -> Result<()> {
        self.end();
        let status = self.process.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}").into()) }
    }

    fn end(&mut self) {
        match self.kind {
            // It ends with its stdin.
            Kind::Own => drop(self.process.stdin.take()),
            // Killed, it would leave its worker behind.
            Kind::Nginx => drop(nginx_command(&self.folder).args(["-s", "stop"]).status()),
        }
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            self.end();
            drop(self.process.wait());
        }
    }
}

/// Debian keeps it where only root looks for programs.
fn nginx_command(folder: &Path) -> Command {
    let place = Path::new("/usr/sbin/nginx");
    let mut command = Command::new(if place.exists() { place } else { Path::new("nginx") });
    command.arg("-p").arg(folder).args(["-c", "nginx.conf", "-e", "stderr"]).stdin(Stdio::null());
    command
}

fn nginx_configuration(port: u16) -> String {
    // Below the prefix, all of them: nginx makes each when it starts.
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("    {name}_temp_path {name};\n"))
        .collect();
    format!(
        "daemon off;\nworker_processes 1;\npid nginx.pid;\nerror_log stderr error;\n\
         events {{ worker_connections 1024; }}\nhttp {{\n    access_log off;\n    keepalive_requests 1000000000;\n\
         {temporary}    default_type application/json;\n    server {{\n        listen 127.0.0.1:{port};\n\
         \x20       location = /counts {{ stub_status; }}\n        location /v2/ {{ return 200 '{}'; }}\n    }}\n}}\n",
        server::ROOM
    )
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
