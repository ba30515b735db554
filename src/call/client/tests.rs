//! Where credentials go, what is kept of bodies, and what the wire looks like.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::super::body::LONGEST_BODY;
use super::super::fault_server::{Act, FaultServer, answer};
use super::super::verdict::{NoAnswer, NotSent, Observation};
use super::*;
use crate::template::Effect;

fn setup(base_url: &str) -> Setup {
    Setup {
        base_url: base_url.to_owned(),
        token_url: None,
        has_token: true,
        headers: Vec::new(),
        concurrency: 4,
        timeout: Some(Duration::from_secs(20)),
        proxy: Proxy::Direct,
        ca_cert: None,
    }
}

fn request(url: &str) -> Request {
    Request {
        method: Method::POST,
        url: url.to_owned(),
        body: Some(Bytes::from_static(b"{\"a\":1}")),
        effect: Effect::NonIdempotent,
        lane: None,
        group: None,
        claims: None,
        template: None,
    }
}

fn token() -> HeaderValue {
    HeaderValue::from_static("Bearer a.b.c")
}

async fn attempt(client: &Client, url: &str) -> Result<Raw, Failure> {
    let prepared = client.prepare(&request(url), &[]).unwrap();
    client.attempt(&prepared, Some(&token())).await
}

#[tokio::test]
async fn a_request_is_sent_as_it_is_with_little_around_it() {
    let server = FaultServer::start(|_, _| answer(200, "x-a: b\r\n", "{}")).await;
    let headers = vec![Header::public("X-Source", "etl").unwrap()];
    let client = Client::new(Setup { headers, ..setup(&server.url("/v2")) }).unwrap();
    let raw = attempt(&client, &server.url("/v2/rooms?q=a%20b")).await.unwrap();
    assert_eq!((raw.status, &raw.body[..], raw.complete, raw.truncated), (200, &b"{}"[..], true, false));
    assert_eq!(raw.headers["x-a"], "b");

    let seen = &server.seen()[0];
    assert!(seen.head.starts_with("POST /v2/rooms?q=a%20b HTTP/1.1\r\n"), "{}", seen.head);
    assert_eq!(seen.body, b"{\"a\":1}");
    assert_eq!(seen.header("authorization"), Some("Bearer a.b.c"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("accept-encoding"), Some("identity"));
    assert_eq!(seen.header("x-source"), Some("etl"));
    assert_eq!(seen.header("user-agent"), Some(concat!("roompipe/", env!("CARGO_PKG_VERSION"))));
    assert_eq!(seen.header("referer"), None);
}

#[tokio::test]
async fn a_call_may_bring_headers_of_its_own() {
    let server = FaultServer::start(|_, _| answer(200, "", "")).await;
    let headers = vec![Header::public("X-Source", "etl").unwrap()];
    let client = Client::new(Setup { headers, ..setup(&server.url("/")) }).unwrap();
    let own = [
        Header::public("X-Source", "webhook").unwrap(),
        Header::public("Content-Type", "application/cloudevents+json").unwrap(),
    ];
    let prepared = client.prepare(&request(&server.url("/")), &own).unwrap();
    client.attempt(&prepared, Some(&token())).await.unwrap();
    let seen = &server.seen()[0];
    assert_eq!(seen.header("x-source"), Some("webhook"));
    assert_eq!(seen.header("content-type"), Some("application/cloudevents+json"));

    let secret = [Header::secret("Webhook-Signature", "hush").unwrap()];
    let refused = client.prepare(&request("http://other.example/"), &secret);
    assert!(matches!(refused, Err(Unsendable::Configuration(Error::PlainHttp { .. }))));
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let server = FaultServer::start(|_, _| answer(200, "", "{}")).await;
    let client = Client::new(setup(&server.url("/"))).unwrap();
    for _ in 0..3 {
        attempt(&client, &server.url("/")).await.unwrap();
    }
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn the_token_goes_to_the_base_urls_origin_only() {
    let client = Client::new(setup("https://api.100ms.live/v2")).unwrap();
    let takes = |url: &str| client.prepare(&request(url), &[]).unwrap().takes_token;
    assert!(takes("https://api.100ms.live/v2/rooms"));
    assert!(takes("https://API.100MS.live:443/other"));
    for url in [
        "https://api.100ms.live:8443/v2",
        "http://api.100ms.live/v2",
        "https://api.100ms.live.evil.example/v2",
        "https://evil.example/api.100ms.live",
        "https://evil.example\\.api.100ms.live/",
        "https://sub.api.100ms.live/v2",
    ] {
        assert!(!takes(url), "{url}");
    }
}

#[test]
fn a_token_that_is_for_another_origin_goes_nowhere_else() {
    let elsewhere =
        |url: &str| Setup { token_url: Some(url.to_owned()), ..setup("https://api.100ms.live/v2") };
    let client = Client::new(elsewhere("https://other.example:8443")).unwrap();
    let takes = |url: &str| client.prepare(&request(url), &[]).unwrap().takes_token;
    assert!(takes("https://other.example:8443/a?b=c"));
    for url in ["https://api.100ms.live/v2/rooms", "https://other.example/a", "http://other.example:8443/a"] {
        assert!(!takes(url), "{url}");
    }
    assert!(matches!(Client::new(elsewhere("http://other.example")), Err(Error::PlainHttp { .. })));
    assert!(Client::new(elsewhere("http://127.0.0.1:1")).is_ok());
}

#[test]
fn an_own_authorization_takes_the_tokens_place() {
    let headers = vec![Header::secret("Authorization", "Basic eDp5").unwrap()];
    let client = Client::new(Setup { headers, ..setup("https://api.100ms.live/v2") }).unwrap();
    let prepared = client.prepare(&request("https://api.100ms.live/v2"), &[]).unwrap();
    assert!(prepared.own_authorization && !prepared.takes_token);
}

#[test]
fn plain_http_carries_a_credential_only_to_this_machine() {
    for url in ["http://127.0.0.1:8080/v2", "http://localhost/v2", "http://[::1]:9/v2", "http://127.9.9.9/"] {
        assert!(Client::new(setup(url)).is_ok(), "{url}");
    }
    for url in [
        "http://api.100ms.live/v2",
        "http://10.0.0.1/",
        "http://localhost.example/",
        "http://127.0.0.1.example/",
    ] {
        assert!(matches!(Client::new(setup(url)), Err(Error::PlainHttp { .. })), "{url}");
        assert!(Client::new(Setup { has_token: false, ..setup(url) }).is_ok(), "{url}");
    }
    let headers = vec![Header::secret("X-Api-Key", "hush").unwrap()];
    let client = Client::new(Setup { headers, ..setup("https://api.100ms.live/v2") }).unwrap();
    let refused = client.prepare(&request("http://other.example/"), &[]);
    assert!(matches!(refused, Err(Unsendable::Configuration(Error::PlainHttp { .. }))));
    assert!(client.prepare(&request("https://other.example/"), &[]).is_ok());
}

#[test]
fn a_proxy_elsewhere_never_sees_a_plain_credential() {
    let remote = Proxy::Url("http://user:hush@proxy.example:3128".to_owned().into());
    let local = Proxy::Url("http://127.0.0.1:3128".to_owned().into());
    let with = |proxy: &Proxy, url| Client::new(Setup { proxy: proxy.clone(), ..setup(url) });
    assert!(matches!(with(&remote, "http://127.0.0.1/v2"), Err(Error::PlainHttpProxy)));
    assert!(with(&local, "http://127.0.0.1/v2").is_ok());
    let tunnelled = with(&remote, "https://api.100ms.live/v2").unwrap();
    assert!(!format!("{tunnelled:?}").contains("hush"));
    for url in ["ftp://proxy", "proxy.example:3128", "", "http://"] {
        let error = with(&Proxy::Url(url.to_owned().into()), "https://api.100ms.live/v2").unwrap_err();
        assert!(matches!(error, Error::Proxy), "{url}");
    }
}

#[test]
fn certificates_are_read_where_some_connection_may_need_them() {
    let proxy = Proxy::Url("http://127.0.0.1:1".to_owned().into());
    for (proxy, url, direct, tls) in [
        (Proxy::Environment, "http://127.0.0.1:1/a", true, false),
        (Proxy::Environment, "https://127.0.0.1:1/a", true, true),
        (Proxy::Environment, "http://h/a", false, true),
        (Proxy::Environment, "https://h/a", false, true),
        (Proxy::Direct, "http://h/a", true, false),
        (Proxy::Direct, "https://h/a", true, true),
        (proxy, "http://127.0.0.1:1/a", false, true),
    ] {
        let setup = Setup { proxy, has_token: false, ..setup("http://127.0.0.1:1") };
        let client = Client::new(setup).unwrap();
        let route = client.prepare(&request(url), &[]).unwrap().route;
        assert_eq!((route.direct, route.tls), (direct, tls), "{url}");
    }
    let setup = Setup { ca_cert: Some("/nowhere".into()), ..setup("http://127.0.0.1:1") };
    assert!(matches!(Client::new(setup), Err(Error::CaCert { .. })));
}

#[test]
fn urls_that_name_a_user_or_no_host_are_refused() {
    for url in
        ["https://user:hush@api.100ms.live/v2", "ftp://api.100ms.live", "rooms", "https://h/v2?a=b", ""]
    {
        let error = Client::new(setup(url)).unwrap_err();
        assert!(matches!(error, Error::BaseUrl { .. }), "{url}");
        assert!(!format!("{error} {error:?}").contains("hush"));
    }
    let client = Client::new(setup("https://api.100ms.live/v2")).unwrap();
    for url in
        ["https://user@api.100ms.live/v2", "https://:pw@api.100ms.live/", "file:///etc", "/rooms", "data:,x"]
    {
        assert!(matches!(client.prepare(&request(url), &[]), Err(Unsendable::Url(_))), "{url}");
    }
}

#[test]
fn certificates_are_read_or_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let with = |path: &Path| Client::new(Setup { ca_cert: Some(path.to_owned()), ..setup("https://h/") });
    assert!(matches!(with(&path), Err(Error::CaCert { .. })));
    std::fs::write(&path, "no certificate").unwrap();
    assert!(matches!(with(&path), Err(Error::CaCert { .. })));
}

#[tokio::test]
async fn a_long_body_is_cut_and_read_to_its_end() {
    let length = LONGEST_BODY + 100_000;
    let server = FaultServer::start(move |n, _| {
        // The second answer claims more than it sends.
        let claimed = length + n;
        let mut bytes = format!("HTTP/1.1 200 OK\r\ncontent-length: {claimed}\r\n\r\n").into_bytes();
        bytes.resize(bytes.len() + length, b'x');
        Act::Last(bytes)
    })
    .await;
    let client = Client::new(setup(&server.url("/"))).unwrap();
    for complete in [true, false] {
        let raw = attempt(&client, &server.url("/")).await.unwrap();
        assert_eq!((raw.body.len(), raw.truncated, raw.complete), (LONGEST_BODY, true, complete));
    }
}

#[tokio::test]
async fn what_went_wrong_is_told_apart_on_real_sockets() {
    let server = FaultServer::start(|n, _| match n {
        0 => Act::Last(Vec::new()),
        1 => Act::Last(b"220 smtp.example ESMTP\r\n\r\n".to_vec()),
        2 => Act::Stall(Vec::new()),
        _ => Act::Stall(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}".to_vec()),
    })
    .await;
    let patient = Client::new(setup(&server.url("/"))).unwrap();
    let quick = Setup { timeout: Some(Duration::from_millis(500)), ..setup(&server.url("/")) };
    let quick = Client::new(quick).unwrap();
    let wants = [(&patient, NoAnswer::Reset), (&patient, NoAnswer::Garbled), (&quick, NoAnswer::Timeout)];
    for (client, want) in wants {
        let failure = attempt(client, &server.url("/")).await.unwrap_err();
        assert_eq!(failure.seen, Observation::NoAnswer(want), "{}", failure.message);
        assert!(!failure.message.contains("127.0.0.1"), "{}", failure.message);
    }
    let stalled = attempt(&quick, &server.url("/")).await.unwrap();
    assert_eq!((stalled.status, stalled.complete, &stalled.body[..]), (200, false, &b"{}"[..]));

    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    let seen = |url: String| async move {
        let client = Client::new(setup(&url)).unwrap();
        attempt(&client, &url).await.unwrap_err().seen
    };
    assert_eq!(seen(nobody).await, Observation::NotSent(NotSent::Connect));
    // A label of more than 63 letters is refused by the resolver itself, without a network.
    let no_name = format!("http://{}.invalid/", "a".repeat(64));
    let client = Client::new(Setup { has_token: false, ..setup(&no_name) }).unwrap();
    assert_eq!(attempt(&client, &no_name).await.unwrap_err().seen, Observation::NotSent(NotSent::Dns));
}

#[tokio::test]
async fn a_failed_handshake_is_not_sent() {
    for greeting in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b""] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            stream.write_all(greeting).await.unwrap();
        });
        let client = Client::new(setup(&url)).unwrap();
        let failure = attempt(&client, &url).await.unwrap_err();
        assert_eq!(failure.seen, Observation::NotSent(NotSent::Tls), "{}", failure.message);
    }
}

#[tokio::test]
async fn a_proxy_that_wants_credentials_is_told_apart() {
    let server = FaultServer::start(|_, _| answer(407, "", "")).await;
    let proxy = Proxy::Url(server.url("/").replace("http://", "http://user:hush@").into());
    let client = Client::new(Setup { proxy, ..setup("https://api.100ms.live/v2") }).unwrap();
    let failure = attempt(&client, "https://api.100ms.live/v2").await.unwrap_err();
    assert_eq!(failure.seen, Observation::NotSent(NotSent::ProxyAuth));
    let seen = &server.seen()[0];
    assert!(seen.head.starts_with("CONNECT api.100ms.live:443 "));
    assert_eq!(seen.header("authorization"), None);
    assert!(seen.header("proxy-authorization").is_some());
    assert!(!failure.message.contains("hush"));
}
