//! The server on a socket: answers, and an end that waits for what is in flight.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::token;
use crate::emulator::{Settings, run};

fn request(token: &str) -> String {
    let body = r#"{"name":"sock"}"#;
    let length = body.len();
    format!(
        "POST /v2/rooms HTTP/1.1\r\nhost: x\r\nauthorization: {token}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn a_shutdown_lets_calls_in_flight_finish() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal.jsonl");
    let settings = Settings {
        latency: Duration::from_millis(50),
        journal: Some(journal.clone()),
        ..Settings::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(run(listener, settings, async move {
        let _ = stopped.await;
    }));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request(&token(jiff::Timestamp::now())).as_bytes()).await.unwrap();
    // The call is in flight once it is in the journal; its answer is still held back then.
    while std::fs::read_to_string(&journal).unwrap_or_default().is_empty() {
        tokio::task::yield_now().await;
    }
    stop.send(()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-type: application/json\r\n"), "{answer}");
    server.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    assert_eq!(std::fs::read_to_string(&journal).unwrap().lines().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_does_not_hold_a_shutdown_up_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(run(listener, Settings::default(), async move {
        let _ = stopped.await;
    }));
    let mut silent = TcpStream::connect(address).await.unwrap();
    silent.write_all(b"POST /v2/rooms HTTP/1.1\r\n").await.unwrap();
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_journal_that_cannot_be_opened_stops_the_start() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { journal: Some(folder.path().to_owned()), ..Settings::default() };
    let error = run(listener, settings, std::future::pending()).await.unwrap_err();
    assert!(error.to_string().starts_with("open the journal `"), "{error}");
}
