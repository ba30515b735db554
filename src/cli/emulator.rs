//! `roompipe emulator`: a local 100ms API that runs until it is interrupted; and the embedded one of `--emulator`.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::emulator::demo::{
    DEMO_HOST_PEER_ID, DEMO_STANDUP_ROOM_ID, DEMO_TEMPLATE_ID, DEMO_TOWNHALL_ROOM_ID,
};
use crate::emulator::{self, Address, DEMO_ACCESS_KEY, DEMO_SECRET, FAULTS_HELP, Faults, Rule, Settings};
use crate::exit::ExitCode;

use super::arguments::duration;
use super::failure::Failure;
use super::log;

/// What `emulator` takes.
#[derive(Debug, Args)]
#[command(after_help = FAULTS_HELP)]
pub(super) struct Arguments {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 4100, env = "ROOMPIPE_EMULATOR_PORT", hide_env = true)]
    port: u16,
    /// Write every call received to FILE, one JSON a line [default: none]
    #[arg(long, value_name = "FILE", env = "ROOMPIPE_EMULATOR_JOURNAL", hide_env = true)]
    journal: Option<PathBuf>,
    /// Hold every answer back for so long
    #[arg(long, value_name = "TIME", value_parser = duration)]
    latency: Option<Duration>,
    /// Calls taken in a second; more are answered 429 [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate_limit: Option<u32>,
    /// How fast streams start and end, sessions run out, webhooks are tried again
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    time_scale: f64,
    /// How far its clock is ahead of this machine's; negative is behind
    #[arg(long, value_name = "SECONDS", default_value_t = 0, allow_negative_numbers = true)]
    clock_offset: i32,
    /// Post the API's own webhooks to URL, such as http://127.0.0.1:4200/ [default: none]
    #[arg(long, value_name = "URL")]
    webhook: Option<Address>,
    /// Refuse fields that the documentation does not name
    #[arg(long)]
    strict: bool,
    /// What goes wrong on purpose, and for which calls; see below [default: nothing]
    #[arg(long, value_name = "FAULT,…", value_delimiter = ',')]
    faults: Vec<Rule>,
    /// Draws the calls of a fault's share; the same calls by the same seed get the same faults
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// Serves until SIGINT or SIGTERM.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    if !arguments.time_scale.is_finite() || arguments.time_scale < 0.0 {
        return Err(Failure::usage("`--time-scale` must be zero or more"));
    }
    let settings = Settings {
        journal: arguments.journal.clone(),
        latency: arguments.latency.unwrap_or_default(),
        rate_limit: arguments.rate_limit,
        time_scale: arguments.time_scale,
        clock_offset_s: arguments.clock_offset.into(),
        strict: arguments.strict,
        webhook: arguments.webhook.clone(),
        faults: Faults { rules: arguments.faults.clone(), seed: arguments.seed },
        ..Settings::default()
    };
    let runtime = runtime()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", arguments.port)).await.map_err(|error| {
            Failure::io(format!("cannot listen on 127.0.0.1:{}: {error}", arguments.port))
                .hint("`--port 0` takes a free port")
        })?;
        let address = listener.local_addr()?;
        announce(address)?;
        emulator::run(listener, settings, interrupted())
            .await
            .map_err(|error| Failure::io(format!("emulator: {error}")))?;
        Ok(ExitCode::Done)
    })
}

fn announce(address: SocketAddr) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    // Lines for `eval`: whoever reads them is set up, and nothing else is printed there.
    writeln!(out, "export HMS_ACCESS_KEY={DEMO_ACCESS_KEY}")?;
    writeln!(out, "export HMS_SECRET={DEMO_SECRET}")?;
    writeln!(out, "export ROOMPIPE_BASE_URL=http://{address}/v2")?;
    out.flush()?;
    let text = format!("100ms emulator with a demo workspace on http://{address}/v2; Ctrl-C ends it");
    log::tell("note", &text, None);
    let text = format!(
        "template {DEMO_TEMPLATE_ID} (roles host, guest); room {DEMO_STANDUP_ROOM_ID} with a session (peer \
         {DEMO_HOST_PEER_ID} is host); room {DEMO_TOWNHALL_ROOM_ID} without"
    );
    log::tell("note", &text, None);
    Ok(())
}

async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let (Ok(mut interrupt), Ok(mut terminate)) =
            (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// What everything that waits runs on.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io(format!("cannot start the async runtime: {error}")))
}

/// An emulator on a thread and a runtime of its own, so that it shares nothing with the run but HTTP.
pub(super) struct Embedded {
    stop: oneshot::Sender<()>,
    thread: std::thread::JoinHandle<Result<(), Failure>>,
}

/// The port of an embedded emulator, before it serves.
pub(super) struct Bound {
    listener: std::net::TcpListener,
    /// Where it will listen.
    pub(super) address: SocketAddr,
}

impl Bound {
    /// Takes a free port.
    pub(super) fn new() -> Result<Self, Failure> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        Ok(Self { address: listener.local_addr()?, listener })
    }

    /// Begins to serve; calls that come before are kept by the system.
    pub(super) fn serve(self, journal: Option<PathBuf>) -> Result<Embedded, Failure> {
        let (stop, stopped) = oneshot::channel::<()>();
        let settings = Settings { keep_journal: false, journal, ..Settings::default() };
        let serve = move || {
            runtime()?.block_on(async {
                let listener = TcpListener::from_std(self.listener)?;
                let until = async {
                    let _ = stopped.await;
                };
                emulator::run(listener, settings, until)
                    .await
                    .map_err(|error| Failure::io(format!("emulator: {error}")))
            })
        };
        let thread = std::thread::Builder::new().name("emulator".to_owned()).spawn(serve)?;
        Ok(Embedded { stop, thread })
    }
}

impl Embedded {
    /// Ends it, its journal written.
    pub(super) fn finish(self) -> Result<(), Failure> {
        // It may have ended by itself; then it says why.
        let _ = self.stop.send(());
        self.thread.join().unwrap_or_else(|_| Err(Failure::io("the embedded emulator panicked")))
    }
}
