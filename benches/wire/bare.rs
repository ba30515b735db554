//! The bare reqwest loop: so many tasks that each take the next line, post it and read the whole answer.
//!
//! It maps nothing, checks only the status, repeats nothing and writes nothing. The client is set up as roompipe's, and
//! the request is the same on the wire, so that what is left between the two is what roompipe does beside sending.
//! One thread and a task for each call in flight were the fastest of the obvious ways to write it.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method};
use reqwest::{Certificate, Client, Request, Url};
use tokio::task::JoinSet;

use crate::Result;

/// As long as a management token.
const TOKEN_LENGTH: usize = 280;

/// `authority` is the file of a certificate to trust besides.
pub(crate) fn send_all(url: &str, input: &str, in_flight: &str, authority: Option<&str>) -> Result<()> {
    let in_flight: usize = in_flight.parse()?;
    let client = client(in_flight, authority)?;
    let url = Url::parse(url)?;
    let lines = Arc::new(Lines::open(Path::new(input))?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for _ in 0..in_flight {
            tasks.spawn(send(client.clone(), url.clone(), Arc::clone(&lines)));
        }
        while let Some(task) = tasks.join_next().await {
            task??;
        }
        Ok(())
    })
}

async fn send(client: Client, url: Url, lines: Arc<Lines>) -> Result<()> {
    while let Some(line) = lines.next()? {
        let mut request = Request::new(Method::POST, url.clone());
        *request.body_mut() = Some(line.into());
        let mut response = client.execute(request).await?;
        let status = response.status();
        while response.chunk().await?.is_some() {}
        if status != 200 {
            return Err(format!("answered {status}").into());
        }
    }
    Ok(())
}

fn client(in_flight: usize, authority: Option<&str>) -> Result<Client> {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static("bare/1.0.0"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {}", "x".repeat(TOKEN_LENGTH)))?);
    let trusted = match authority {
        Some(path) => Certificate::from_pem_bundle(&fs::read(path)?)?,
        None => Vec::new(),
    };
    let client = Client::builder()
        .tls_certs_merge(trusted)
        .default_headers(headers)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .http1_only()
        .no_proxy()
        .tcp_nodelay(true)
        .connect_timeout(Duration::from_secs(10))
        .pool_idle_timeout(Duration::from_secs(5))
        .pool_max_idle_per_host(in_flight)
        .build()?;
    Ok(client)
}

/// The lines of a file, for whoever asks next.
struct Lines(Mutex<BufReader<File>>);

impl Lines {
    fn open(path: &Path) -> Result<Self> {
        Ok(Self(Mutex::new(BufReader::with_capacity(64 * 1024, File::open(path)?))))
    }

    fn next(&self) -> Result<Option<Vec<u8>>> {
        let mut line = Vec::with_capacity(128);
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if file.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        line.pop_if(|last| *last == b'\n');
        Ok(Some(line))
    }
}
