//! How an answer gets onto its connection: as a whole, or not.
//!
//! It does not know what was answered, nor whether anything took effect.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::body::Body as HttpBody;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};

use super::answer::Answer;
use super::wire::Cutter;

/// What a client gets of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// All of it.
    Whole,
    /// All of it, with so much time before each byte of the body.
    Dripped(Duration),
    /// The headers and half of the body; then the connection is closed.
    Cut,
    /// The headers and half of the body; then nothing more.
    Stalled,
    /// Nothing, ever.
    Silent,
    /// Nothing; the connection is closed.
    Closed,
    /// Nothing; the connection is reset.
    Reset,
}

impl Ending {
    /// Whether the client can read the answer to its end.
    pub(crate) fn is_complete(self) -> bool {
        matches!(self, Self::Whole | Self::Dripped(_))
    }

    /// Makes a response of an answer, or keeps it from becoming one.
    pub(crate) async fn carry_out(self, answer: Answer, cutter: &Cutter) -> Response {
        match self {
            Self::Whole => response(answer, HttpBody::from),
            Self::Dripped(pause) => response(answer, |body| HttpBody::from_stream(dripping(body, pause))),
            Self::Cut => response(halved(answer), |body| {
                HttpBody::from_stream(half(body).chain(stream::once(async {
                    // Lets the half out first; an error would take it along.
                    tokio::task::yield_now().await;
                    Err(io::Error::new(io::ErrorKind::BrokenPipe, "cut on purpose"))
                })))
            }),
            Self::Stalled => {
                response(halved(answer), |body| HttpBody::from_stream(half(body).chain(stream::pending())))
            }
            Self::Silent => std::future::pending().await,
            Self::Closed => {
                cutter.close();
                Response::default()
            }
            Self::Reset => {
                cutter.reset();
                Response::default()
            }
        }
    }
}

fn response(answer: Answer, send: impl FnOnce(Bytes) -> HttpBody) -> Response {
    let Answer { status, body, media, mut headers, .. } = answer;
    if !body.is_empty() {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
        // Said here, since a body that comes in pieces does not know its length.
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    let mut response = Response::new(if body.is_empty() { HttpBody::empty() } else { send(body) });
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Something that has a half: an answer without a body becomes an empty object.
fn halved(answer: Answer) -> Answer {
    if answer.body.is_empty() {
        return Answer { status: StatusCode::OK, body: Bytes::from_static(b"{}"), ..answer };
    }
    answer
}

fn half(mut body: Bytes) -> impl Stream<Item = io::Result<Bytes>> {
    body.truncate(body.len() / 2);
    stream::iter([Ok(body)])
}

fn dripping(body: Bytes, pause: Duration) -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::unfold(body, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let byte = rest.split_to(1);
        Some((Ok(byte), rest))
    })
}
