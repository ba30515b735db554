//! nginx as an ordinary user: its configuration in a folder of its own, its port a free one of this machine. What it
//! answers is the caller's matter.

use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;

/// How long it may take until it listens.
const START: Duration = Duration::from_secs(5);

/// An nginx that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Nginx {
    pub(crate) port: u16,
    process: Child,
    folder: PathBuf,
}

impl Nginx {
    /// Starts it with one worker in an empty or a new folder; `http` gives what stands in the block of that name for a
    /// server on this port.
    pub(crate) fn start(folder: &Path, http: impl FnOnce(u16) -> String) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let port = free_port()?;
        fs::write(folder.join("nginx.conf"), configuration(&http(port)))?;
        let process = command(folder).spawn().map_err(|error| format!("nginx cannot be started: {error}"))?;
        let nginx = Self { port, process, folder: folder.to_owned() };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if began.elapsed() > START {
                return Err("nginx does not listen; its own messages stand above".into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(nginx)
    }

    /// Ends it once it has answered and logged what it has received.
    pub(crate) fn finish(mut self) -> Result<ExitStatus> {
        self.signal("quit");
        Ok(self.process.wait()?)
    }

    /// Killed, it would leave its worker behind.
    fn signal(&self, signal: &str) {
        // It says at length that it does so.
        drop(command(&self.folder).args(["-s", signal]).stderr(Stdio::null()).status());
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            self.signal("stop");
            drop(self.process.wait());
        }
    }
}

/// Says its version, if it is there.
pub(crate) fn version() -> io::Result<String> {
    // `-v` writes to stderr.
    let told = program().arg("-v").output()?.stderr;
    Ok(String::from_utf8_lossy(&told).trim().trim_start_matches("nginx version: ").to_owned())
}

/// Debian keeps it where only root looks for programs.
fn program() -> Command {
    let place = Path::new("/usr/sbin/nginx");
    Command::new(if place.exists() { place } else { Path::new("nginx") })
}

fn command(folder: &Path) -> Command {
    let mut command = program();
    command.arg("-p").arg(folder).args(["-c", "nginx.conf", "-e", "stderr"]).stdin(Stdio::null());
    command
}

fn configuration(http: &str) -> String {
    // Below the prefix, all of them: nginx makes each when it starts.
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("    {name}_temp_path {name};\n"))
        .collect();
    format!(
        "daemon off;\nworker_processes 1;\npid nginx.pid;\nerror_log stderr crit;\n\
         events {{ worker_connections 1024; }}\nhttp {{\n{temporary}    default_type application/json;\n{http}}}\n"
    )
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
