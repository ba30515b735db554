//! `roompipe emulator --webhook`: what happens is posted while nobody calls, and nowhere that was not asked for.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use serde_json::Value;
use support::{Emulator, Program, TOWNHALL};

/// Takes one request and answers it; tells its body.
fn take(listener: &TcpListener, status: &str) -> Value {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(&stream);
    let head: Vec<String> =
        reader.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
    assert!(head[0].starts_with("POST /hook?x=1 HTTP/1.1"), "{head:?}");
    let length =
        head.iter().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap()];
    reader.read_exact(&mut body).unwrap();
    answer(&stream, status);
    serde_json::from_slice(&body).unwrap()
}

fn answer(mut stream: &TcpStream, status: &str) {
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
}

#[test]
fn webhooks_come_without_a_call_and_again_until_they_are_answered_200() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let emulator = Emulator::with(&format!("--webhook http://{address}/hook?x=1 --time-scale 20"));
    let record = format!(r#"{{"room_id":"{TOWNHALL}","rtmp_urls":["rtmp://x/y"]}}"#);
    emulator.run("start-external-stream").stdin(record).run().exits(0);
    // The stream runs a while later, when nobody looks; 204 is not what the API wants to hear.
    let first = take(&listener, "204 No Content");
    assert_eq!(
        (&first["type"], &first["data"]["room_id"]),
        (&"beam.started.success".into(), &TOWNHALL.into())
    );
    assert_eq!(take(&listener, "500 Internal Server Error"), first);
    assert_eq!(take(&listener, "200 OK"), first);
}

#[test]
fn an_address_that_is_not_http_is_a_mistake_of_usage() {
    for url in ["https://127.0.0.1/", "127.0.0.1:4200", "ftp://x"] {
        let ran = Program::new("emulator").args(["--port", "0", "--webhook", url]).run().exits(2);
        ran.says("not an http:// address; the emulator speaks no TLS");
    }
}
