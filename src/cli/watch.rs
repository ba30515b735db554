//! `--metrics` and `--metrics-textfile`: the numbers of a run for Prometheus, while it goes on.
//!
//! They are looked at from threads of their own; the run does not know that it is watched.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use clap::Args;
use tokio::sync::oneshot;

use crate::output::About;
use crate::pipeline::{Progress, RunEnd};

use super::failure::Failure;
use super::{emulator, log};

/// How often the file is written anew.
const EVERY: Duration = Duration::from_secs(15);

/// Most texts are shorter.
const USUAL_LENGTH: usize = 8192;

/// What Prometheus is told that it gets.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How a run is watched, and what is told of it at its end.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct WatchArguments {
    /// A page about the run, to FILE [default: none]
    #[arg(long, value_name = "FILE.html", env = "ROOMPIPE_REPORT", hide_env = true)]
    pub(super) report: Option<PathBuf>,
    /// Serve the run's numbers to Prometheus at /metrics [default: no]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = listen, env = "ROOMPIPE_METRICS", hide_env = true, hide_short_help = true)]
    pub(super) metrics: Option<Listen>,
    /// The same to FILE every 15 s, for node_exporter's textfile collector [default: none]
    #[arg(long, value_name = "FILE.prom", value_parser = prom, env = "ROOMPIPE_METRICS_TEXTFILE", hide_env = true, hide_short_help = true)]
    pub(super) metrics_textfile: Option<PathBuf>,
    /// What was asked for, for the report.
    #[arg(skip)]
    pub(super) about: About,
}

/// Where to listen: host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listen(String);

/// A port alone is one of this machine's own address.
fn listen(text: &str) -> Result<Listen, String> {
    let whole = if text.parse::<u16>().is_ok() { format!("127.0.0.1:{text}") } else { text.to_owned() };
    let has_port = |(host, port): (&str, &str)| !host.is_empty() && port.parse::<u16>().is_ok();
    match whole.rsplit_once(':').is_some_and(has_port) {
        true => Ok(Listen(whole)),
        false => Err("an address and a port are due, such as 127.0.0.1:9464, or a port alone".to_owned()),
    }
}

fn prom(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension().is_some_and(|ending| ending == "prom") {
        true => Ok(path),
        false => Err("the textfile collector reads only files that end in .prom".to_owned()),
    }
}

/// The watchers of a run: ready, and looking at nothing yet.
pub(super) struct Watchers {
    listener: Option<TcpListener>,
    file: Option<PathBuf>,
}

/// The same, while the run goes on.
pub(super) struct Watching {
    server: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
    writer: Option<(Sender<()>, JoinHandle<()>)>,
    file: Option<PathBuf>,
    look: Look,
}

/// A look at the run's numbers.
#[derive(Clone)]
struct Look {
    progress: Progress,
    started: f64,
}

impl WatchArguments {
    /// Takes the address, and tries the file's folder, so that a run that cannot be watched as asked does not begin: later
    /// outputs have been opened, and the ledger knows of a run.
    pub(super) fn bind(&self) -> Result<Watchers, Failure> {
        if let Some(file) = &self.metrics_textfile {
            try_out(file).map_err(|error| Failure::configuration(told(file, &error)))?;
        }
        let listener = self.metrics.as_ref().map(bind).transpose()?;
        Ok(Watchers { listener, file: self.metrics_textfile.clone() })
    }
}

fn bind(Listen(address): &Listen) -> Result<TcpListener, Failure> {
    let bound = || {
        let addresses: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
        let listener = TcpListener::bind(&addresses[..])?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    bound().map_err(|error: std::io::Error| {
        let failure = Failure::configuration(format!("cannot serve metrics on {address}: {error}"));
        match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                failure.hint("each run that goes on at once needs a port of its own")
            }
            _ => failure,
        }
    })
}

impl Watchers {
    /// Begins to look.
    pub(super) fn watch(self, progress: &Progress) -> Result<Watching, Failure> {
        let look = Look { progress: progress.clone(), started: now() };
        if let Some(file) = &self.file {
            // A file that cannot be written is found before anything is sent.
            write(file, &look.text(None)).map_err(|error| Failure::configuration(told(file, &error)))?;
        }
        let server = self.listener.map(|listener| serve(listener, look.clone())).transpose()?;
        let writer = match &self.file {
            Some(file) => Some(keep_writing(file.clone(), look.clone())?),
            None => None,
        };
        Ok(Watching { server, writer, file: self.file, look })
    }
}

impl Watching {
    /// Looks a last time at a run that has ended.
    pub(super) fn finish(self, exit: u8) -> Result<(), Failure> {
        if let Some((end, thread)) = self.server {
            let _ = end.send(());
            let _ = thread.join();
        }
        if let Some((end, thread)) = self.writer {
            drop(end);
            let _ = thread.join();
        }
        let Some(file) = self.file else { return Ok(()) };
        let text = self.look.text(Some(RunEnd { exit, at: now() }));
        write(&file, &text).map_err(|error| Failure::io(told(&file, &error)))
    }
}

impl Look {
    fn text(&self, end: Option<RunEnd>) -> String {
        self.progress.snapshot().to_prometheus(self.started, end)
    }
}

fn serve(listener: TcpListener, look: Look) -> Result<(oneshot::Sender<()>, JoinHandle<()>), Failure> {
    if let Ok(address) = listener.local_addr() {
        tracing::info!("metrics: http://{address}/metrics");
    }
    let (end, ended) = oneshot::channel::<()>();
    let metrics = move || {
        let text = look.text(None);
        async move { ([(CONTENT_TYPE, FORMAT)], text) }
    };
    let routes = Router::new().route("/metrics", get(metrics));
    let runtime = emulator::runtime()?;
    let thread = move || {
        runtime.block_on(async {
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
            let server = axum::serve(listener, routes);
            tokio::select! {
                // Whoever is still being answered is not waited for.
                _ = ended => {}
                _ = server => {}
            }
        });
    };
    Ok((end, std::thread::Builder::new().name("metrics".to_owned()).spawn(thread)?))
}

fn keep_writing(file: PathBuf, look: Look) -> Result<(Sender<()>, JoinHandle<()>), Failure> {
    let (end, ended) = channel::<()>();
    let thread = move || {
        let mut is_told = false;
        while matches!(ended.recv_timeout(EVERY), Err(RecvTimeoutError::Timeout)) {
            if let Err(error) = write(&file, &look.text(None))
                && !std::mem::replace(&mut is_told, true)
            {
                log::tell("warning", &told(&file, &error), None);
            }
        }
    };
    Ok((end, std::thread::Builder::new().name("metrics-file".to_owned()).spawn(thread)?))
}

/// All of it at once: whoever reads finds the old text or the new one. A symbolic link stays one.
fn write(file: &Path, text: &str) -> std::io::Result<()> {
    let (beside, file) = places(file);
    std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, file)).inspect_err(|_| {
        // What is half written is of no use to anybody.
        let _ = std::fs::remove_file(&beside);
    })
}

/// Whether there is room for such a file. What is there stays as it is: it may turn out to be an input.
fn try_out(file: &Path) -> std::io::Result<()> {
    let (beside, _) = places(file);
    let written = std::fs::write(&beside, [b'#'; USUAL_LENGTH]);
    let _ = std::fs::remove_file(&beside);
    written
}

/// Where a text is written first, and where it is moved to.
fn places(file: &Path) -> (PathBuf, PathBuf) {
    let real = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let mut beside = real.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    (PathBuf::from(beside), real)
}

fn told(file: &Path, error: &std::io::Error) -> String {
    format!("cannot write metrics to `{}`: {error}", file.display())
}

/// In seconds of Unix time.
fn now() -> f64 {
    jiff::Timestamp::now().as_millisecond() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port_and_a_port_is_on_this_machine() {
        for (text, address) in [
            ("9464", "127.0.0.1:9464"),
            ("0.0.0.0:1", "0.0.0.0:1"),
            ("[::1]:80", "[::1]:80"),
            ("localhost:9464", "localhost:9464"),
        ] {
            assert_eq!(listen(text), Ok(Listen(address.to_owned())));
        }
        for wrong in ["", ":", "x", "h:", ":80", "h:65536", "65536", "http://h/metrics"] {
            assert!(listen(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_or_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.prom");
        for text in ["first\n", "2\n"] {
            write(&file, text).unwrap();
            assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing stays beside it");
        write(&folder.path().join("no/such/a.prom"), "").unwrap_err();
        let (elsewhere, link) = (tempfile::tempdir().unwrap(), folder.path().join("link.prom"));
        std::fs::write(elsewhere.path().join("b.prom"), "").unwrap();
        std::os::unix::fs::symlink(elsewhere.path().join("b.prom"), &link).unwrap();
        write(&link, "3\n").unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(elsewhere.path().join("b.prom")).unwrap(), "3\n");
    }
}
