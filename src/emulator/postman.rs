//! Posts the webhooks that the store has ready, and tells it how that went.
//!
//! The one part of the emulator that does something without being called, and only where webhooks are asked for: it
//! also wakes when the next thing is due, since a webhook must not wait for a call. It does not know what a webhook
//! says, or how often it is to be tried.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request, StatusCode, header};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::exchange::Exchange;
use super::store::Outgoing;

/// The most webhooks that are under way at once.
const AT_ONCE: usize = 16;
/// How long an attempt may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Posts for ever; ends when it is dropped.
pub(crate) async fn deliver(exchange: Arc<Exchange>) {
    let mut flying = FuturesUnordered::new();
    loop {
        let (ready, due) = exchange.webhooks_due(AT_ONCE.saturating_sub(flying.len()));
        flying.extend(ready.into_iter().map(attempt));
        tokio::select! {
            Some((letter, error)) = flying.next() => exchange.webhook_attempted(&letter, error),
            () = exchange.stirred() => {}
            () = after(due) => {}
        }
    }
}

async fn after(due: Option<Duration>) {
    match due {
        Some(due) => tokio::time::sleep(due).await,
        None => std::future::pending().await,
    }
}

async fn attempt(outgoing: Outgoing) -> (String, Option<String>) {
    let letter = outgoing.letter.clone();
    let error = match tokio::time::timeout(PATIENCE, post(outgoing)).await {
        Ok(Ok(StatusCode::OK)) => None,
        Ok(Ok(status)) => Some(format!("status {}", status.as_u16())),
        Ok(Err(error)) => Some(error),
        Err(_) => Some("timeout".to_owned()),
    };
    (letter, error)
}

async fn post(outgoing: Outgoing) -> Result<StatusCode, String> {
    let Outgoing { address, headers, body, .. } = outgoing;
    let mut request = Request::post(address.path())
        .header(header::HOST, address.authority())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body))
        .map_err(|error| error.to_string())?;
    for (name, value) in headers {
        let known = name.parse::<HeaderName>().ok().zip(HeaderValue::from_str(&value).ok());
        let Some((name, value)) = known else { return Err("configured header cannot be sent".to_owned()) };
        request.headers_mut().insert(name, value);
    }
    let stream = TcpStream::connect(address.host_and_port()).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let mut connection = pin!(connection);
    let mut answer = pin!(sender.send_request(request));
    let answered = tokio::select! {
        biased;
        answered = &mut answer => answered,
        // The other side hangs up; what it said before is there by now.
        _ = &mut connection => answer.await,
    };
    answered.map(|answer| answer.status()).map_err(|error| error.to_string())
}
