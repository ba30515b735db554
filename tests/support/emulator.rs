//! `roompipe emulator` as a process of its own, and its journal: the judge of what was done.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::Program;

/// A local 100ms API with the demo workspace. It ends when it is dropped.
#[derive(Debug)]
pub struct Emulator {
    child: Child,
    /// What `ROOMPIPE_BASE_URL` should be.
    pub base_url: String,
    /// The lines it printed for `eval`.
    pub exports: Vec<String>,
}

impl Emulator {
    /// Starts one on a free port.
    pub fn start() -> Self {
        Self::with("")
    }

    /// Starts one with more options.
    pub fn with(options: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_roompipe"));
        command.args(["emulator", "--port", "0"]).args(options.split_whitespace()).env_clear();
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let exports: Vec<String> = stdout.lines().take(3).map(Result::unwrap).collect();
        let base_url = exports.iter().find_map(|line| line.strip_prefix("export ROOMPIPE_BASE_URL="));
        let base_url = base_url.expect("the emulator says where it is").to_owned();
        Self { child, base_url, exports }
    }

    /// A `roompipe run …` against it.
    pub fn run(&self, line: &str) -> Program {
        Program::against(&self.base_url).line(line)
    }

    /// A `roompipe get …` from it.
    pub fn get(&self, line: &str) -> Program {
        Program::reading(&self.base_url).line(line)
    }

    /// Every call it received, in the order of their arrival.
    pub fn journal(&self) -> Vec<Value> {
        let journal: Value = self.control("GET", "journal", "").parse().unwrap();
        journal.as_array().unwrap().clone()
    }

    /// Forgets the calls received so far.
    pub fn forget(&self) {
        self.control("DELETE", "journal", "");
    }

    /// From now on these faults happen, drawn by this seed.
    pub fn play(&self, faults: &str, seed: u64) {
        let body = serde_json::json!({"faults": faults, "seed": seed >> 1}).to_string();
        self.control("PUT", "faults", &body);
    }

    /// From now on nothing goes wrong on purpose.
    pub fn heal(&self) {
        self.control("DELETE", "faults", "");
    }

    /// Pulls one of its levers, which do what clients and time do: what is below `/_control/`, and a body.
    pub fn lever(&self, what: &str, body: &Value) -> Value {
        let answer = self.control("POST", what, &body.to_string());
        answer.parse().unwrap_or_default()
    }

    fn control(&self, method: &str, what: &str, body: &str) -> String {
        let origin = self.base_url.strip_prefix("http://").unwrap();
        let host = origin.strip_suffix("/v2").unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        // HTTP/1.0: the body is neither in chunks nor followed by another answer.
        let head = format!("{method} /_control/{what} HTTP/1.0\r\nHost: {host}");
        write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 ") || head.contains(" 204 "), "{method} {what}: {head}\n{body}");
        body.to_owned()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Method and path of each call in a journal.
pub fn got(journal: &[Value]) -> Vec<String> {
    let call =
        |call: &Value| format!("{} {}", call["method"].as_str().unwrap(), call["path"].as_str().unwrap());
    journal.iter().map(call).collect()
}

/// Whether a call of a journal took effect.
pub fn took_effect(call: &Value) -> bool {
    !call["effects"].as_array().unwrap().is_empty()
}

/// One member of each call in a journal.
pub fn entries<'a>(journal: &'a [Value], member: &str) -> Vec<&'a Value> {
    journal.iter().map(|call| &call[member]).collect()
}
