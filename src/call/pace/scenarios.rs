//! A whole run against a simulated API, on a clock that only tests move: what share of the limit it uses, what share
//! of its calls is refused.
//!
//! Each scenario is a row of the table. The random numbers are pinned, so that a row always gives the same figures;
//! `cargo test --lib scenarios -- --nocapture` shows them.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::SystemTime;

use http::HeaderMap;

use super::super::backoff::Backoff;
use super::super::{delay, quota};
use super::*;

/// How an API counts.
#[derive(Clone, Copy, Debug)]
enum Limit {
    /// A bucket that leaks at the rate; calls that find more than the burst in front of them are refused and not
    /// counted.
    Leaky { burst: f64 },
    /// nginx's `limit_req`: the same by a clock of whole milliseconds; answers to more than `delay` calls in the
    /// bucket come as late as it takes to leak. `nodelay` is a delay beyond the burst.
    Nginx { burst: u64, delay: u64 },
    /// So many in each window of so many seconds, then none.
    Window { seconds: f64 },
}

/// What the API says about its limit, and where.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Says {
    Nothing,
    RetryAfter,
    /// `rate limit exceeded, retry after 1 seconds`, in the body of a 429.
    Words,
    /// `RateLimit-Limit`, `-Remaining`, `-Reset` on every answer, with the whole seconds to go.
    Three,
    /// The `X-` ones, with the second of the reset since 1970.
    Epoch,
    /// `RateLimit: limit=…, remaining=…, reset=…`.
    Combined,
    /// `RateLimit: "default";r=…;t=…`.
    Structured,
}

struct Scenario {
    name: &'static str,
    limit: Limit,
    /// From which second on how many a second.
    rates: &'static [(f64, f64)],
    says: Says,
    /// From leaving to answer, in milliseconds, and how much more it may be.
    latency: u64,
    jitter: u64,
    workers: usize,
    rate: Option<&'static str>,
    seconds: u64,
    /// At least this share of what the limit allows, or of what the workers could, must be accepted…
    used: f64,
    /// … and at most this share of the calls refused.
    refused: f64,
}

const PLAIN: Scenario = Scenario {
    name: "",
    limit: Limit::Leaky { burst: 50.0 },
    rates: &[(0.0, 500.0)],
    says: Says::RetryAfter,
    latency: 20,
    jitter: 0,
    workers: 64,
    rate: None,
    seconds: 120,
    used: 0.85,
    refused: 0.02,
};

/// Against 500 a second in windows of one, which every answer tells.
const TOLD: Scenario =
    Scenario { limit: Limit::Window { seconds: 1.0 }, seconds: 30, used: 0.9, refused: 0.0, ..PLAIN };

const UNKNOWN_LIMITS: &[Scenario] = &[
    Scenario { name: "unknown limit, Retry-After: 1", ..PLAIN },
    Scenario { name: "… 16 workers", workers: 16, ..PLAIN },
    Scenario { name: "… 256 workers, 2 ms", seconds: 60, workers: 256, latency: 2, ..PLAIN },
    Scenario { name: "… jitter of 100 ms", seconds: 60, jitter: 100, ..PLAIN },
    Scenario { name: "… said in the text alone", seconds: 60, says: Says::Words, ..PLAIN },
    Scenario { name: "… without a delay", seconds: 60, used: 0.95, says: Says::Nothing, ..PLAIN },
    Scenario { name: "… --rate 500/s", rate: Some("500/s"), used: 0.98, refused: 0.005, ..PLAIN },
    Scenario {
        name: "… of 20/s, burst 5",
        refused: 0.035,
        limit: Limit::Leaky { burst: 5.0 },
        rates: &[(0.0, 20.0)],
        ..PLAIN
    },
    Scenario {
        name: "… of 5000/s", rates: &[(0.0, 5000.0)], workers: 256, seconds: 30, used: 0.6, ..PLAIN
    },
    Scenario { name: "halves in the middle", rates: &[(0.0, 500.0), (60.0, 250.0)], ..PLAIN },
    Scenario {
        name: "… without a delay",
        rates: &[(0.0, 500.0), (60.0, 250.0)],
        says: Says::Nothing,
        ..PLAIN
    },
    Scenario { name: "doubles in the middle", rates: &[(0.0, 250.0), (60.0, 500.0)], ..PLAIN },
    Scenario { name: "slow link, 300 ms", latency: 300, workers: 256, ..PLAIN },
    Scenario {
        name: "slow link below the limit",
        latency: 300,
        workers: 64,
        used: 0.98,
        refused: 0.0,
        ..PLAIN
    },
    Scenario { name: "a large burst, then 429", seconds: 60, limit: Limit::Leaky { burst: 2000.0 }, ..PLAIN },
    Scenario { name: "no burst at all", limit: Limit::Leaky { burst: 2.0 }, rate: Some("1000/s"), ..PLAIN },
    Scenario {
        name: "windows of 10 s, Retry-After",
        seconds: 60,
        limit: Limit::Window { seconds: 10.0 },
        ..PLAIN
    },
];

/// As on a network of one machine.
const NGINX: Scenario = Scenario {
    limit: Limit::Nginx { burst: 50, delay: u64::MAX },
    latency: 2,
    used: 0.9,
    refused: 0.005,
    ..PLAIN
};

const NGINX_LIMITS: &[Scenario] = &[
    Scenario { name: "nginx, unknown limit", ..NGINX },
    Scenario { name: "… 16 workers", workers: 16, ..NGINX },
    Scenario { name: "… jitter of 3 ms", jitter: 3, ..NGINX },
    Scenario { name: "… without a delay", says: Says::Nothing, used: 0.95, ..NGINX },
    Scenario { name: "… --rate 500/s", rate: Some("500/s"), used: 0.98, ..NGINX },
    Scenario { name: "… delay=20", limit: Limit::Nginx { burst: 50, delay: 20 }, ..NGINX },
    Scenario { name: "… delay=0", used: 0.82, limit: Limit::Nginx { burst: 50, delay: 0 }, ..NGINX },
    Scenario { name: "… burst=20", limit: Limit::Nginx { burst: 20, delay: u64::MAX }, ..NGINX },
    Scenario { name: "… burst=5", used: 0.87, limit: Limit::Nginx { burst: 5, delay: u64::MAX }, ..NGINX },
    Scenario {
        name: "… burst=5, jitter of 3 ms",
        jitter: 3,
        used: 0.85,
        limit: Limit::Nginx { burst: 5, delay: u64::MAX },
        ..NGINX
    },
    Scenario {
        name: "… 20/s, no burst",
        used: 0.85,
        refused: 0.035,
        limit: Limit::Nginx { burst: 0, delay: u64::MAX },
        rates: &[(0.0, 20.0)],
        ..NGINX
    },
];

const TOLD_LIMITS: &[Scenario] = &[
    Scenario { name: "RateLimit-* three", says: Says::Three, ..TOLD },
    Scenario { name: "X-RateLimit-* epoch", says: Says::Epoch, ..TOLD },
    Scenario { name: "RateLimit combined", says: Says::Combined, ..TOLD },
    Scenario { name: "RateLimit structured", says: Says::Structured, ..TOLD },
    Scenario {
        name: "… windows of 10 s",
        says: Says::Structured,
        limit: Limit::Window { seconds: 10.0 },
        ..TOLD
    },
    Scenario { name: "… jitter of 100 ms", says: Says::Structured, jitter: 100, ..TOLD },
    Scenario { name: "… 256 workers, 2 ms", says: Says::Structured, workers: 256, latency: 2, ..TOLD },
    Scenario { name: "… a bucket of 50", says: Says::Three, limit: Limit::Leaky { burst: 50.0 }, ..TOLD },
    Scenario {
        name: "… a bucket, 16 workers",
        says: Says::Three,
        limit: Limit::Leaky { burst: 50.0 },
        workers: 16,
        ..TOLD
    },
    Scenario {
        name: "… a bucket, 2 ms",
        says: Says::Three,
        limit: Limit::Leaky { burst: 50.0 },
        latency: 2,
        // Whole seconds hide that a bucket this small is full in a tenth of one.
        used: 0.7,
        ..TOLD
    },
    Scenario {
        name: "… that halves",
        refused: 0.002,
        says: Says::Structured,
        rates: &[(0.0, 500.0), (15.0, 250.0)],
        ..TOLD
    },
];

/// The API of a scenario.
struct Api {
    scenario: &'static Scenario,
    start: Instant,
    last: Instant,
    /// The calls in the bucket, or in the window.
    level: f64,
    /// What nginx calls excess, in thousandths of a call; nothing before the first.
    excess: Option<u64>,
    accepted: u32,
    refused: u32,
    /// The refusals once an answer has come that could tell.
    refused_though_told: u32,
}

impl Api {
    fn new(scenario: &'static Scenario) -> Self {
        let start = Instant::now();
        Self {
            scenario,
            start,
            last: start,
            level: 0.0,
            excess: None,
            accepted: 0,
            refused: 0,
            refused_though_told: 0,
        }
    }

    fn seconds(&self, now: Instant) -> f64 {
        now.duration_since(self.start).as_secs_f64()
    }

    /// What a calendar says then; windows begin with a second.
    fn date(&self, now: Instant) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_769_860_800_500) + now.duration_since(self.start)
    }

    fn per_second(&self, now: Instant) -> f64 {
        let seconds = self.seconds(now);
        self.scenario.rates.iter().rfind(|(from, _)| *from <= seconds).unwrap().1
    }

    /// How much fits, and the seconds until the API says that it is empty again.
    fn room(&self, now: Instant) -> (f64, f64) {
        let rate = self.per_second(now);
        match self.scenario.limit {
            Limit::Leaky { burst } => (burst + 1.0, self.level / rate),
            Limit::Nginx { burst, .. } => {
                let excess = self.excess.unwrap_or_default() as f64 / 1000.0;
                (burst as f64 + 1.0, excess / rate)
            }
            // The first window is half over.
            Limit::Window { seconds } => {
                (rate * seconds, seconds - (self.seconds(now) + seconds / 2.0) % seconds)
            }
        }
    }

    /// Says how long it waits to answer, unless it refuses.
    fn accepts(&mut self, now: Instant) -> Option<Duration> {
        if let Limit::Nginx { burst, delay } = self.scenario.limit {
            return self.nginx(now, burst, delay);
        }
        let passed = now.duration_since(self.last).as_secs_f64();
        match self.scenario.limit {
            Limit::Leaky { .. } | Limit::Nginx { .. } => {
                self.level = (self.level - passed * self.per_second(now)).max(0.0)
            }
            Limit::Window { seconds } => {
                let window = |at: Instant| ((self.seconds(at) + seconds / 2.0) / seconds).floor();
                if window(now) > window(self.last) {
                    self.level = 0.0;
                }
            }
        }
        self.last = now;
        let yes = self.level + 1.0 <= self.room(now).0;
        if yes {
            self.level += 1.0;
        }
        self.count(now, yes.then_some(Duration::ZERO))
    }

    /// `ngx_http_limit_req_lookup`: nothing that is refused changes anything.
    fn nginx(&mut self, now: Instant, burst: u64, delay: u64) -> Option<Duration> {
        let rate = self.per_second(now) as u64 * 1000;
        let millis = |at: Instant| at.duration_since(self.start).as_millis() as u64;
        let passed = millis(now) - millis(self.last);
        let excess = self.excess.map_or(0, |excess| (excess + 1000).saturating_sub(rate * passed / 1000));
        if excess > burst * 1000 {
            return self.count(now, None);
        }
        self.excess = Some(excess);
        self.last = now;
        let late = excess.saturating_sub(delay.saturating_mul(1000)) * 1000 / rate;
        self.count(now, Some(Duration::from_millis(late)))
    }

    fn count(&mut self, now: Instant, accepted: Option<Duration>) -> Option<Duration> {
        if accepted.is_some() {
            self.accepted += 1;
        } else {
            self.refused += 1;
            self.refused_though_told += u32::from(self.accepted > 0 && self.seconds(now) > 1.0);
        }
        accepted
    }

    fn headers(&self, now: Instant, accepts: bool) -> HeaderMap {
        let (room, reset) = self.room(now);
        let (left, reset, most) = ((room - self.level).max(0.0).floor(), reset.ceil(), room.floor());
        let mut headers = HeaderMap::new();
        let mut says = |name: &'static str, value: String| headers.insert(name, value.parse().unwrap());
        match self.scenario.says {
            Says::RetryAfter if !accepts => drop(says("retry-after", "1".into())),
            Says::Nothing | Says::RetryAfter | Says::Words => {}
            Says::Three => {
                says("ratelimit-limit", most.to_string());
                says("ratelimit-remaining", left.to_string());
                says("ratelimit-reset", reset.to_string());
            }
            Says::Epoch => {
                let since_1970 = self.date(now).duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
                says("x-ratelimit-limit", most.to_string());
                says("x-ratelimit-remaining", left.to_string());
                says("x-ratelimit-reset", (since_1970 + self.room(now).1).round().to_string());
            }
            Says::Combined => {
                drop(says("ratelimit", format!("limit={most}, remaining={left}, reset={reset}")))
            }
            Says::Structured => drop(says("ratelimit", format!("\"default\";r={left};t={reset}"))),
        }
        headers
    }

    /// What the limit allows until then, and what the workers could at most.
    fn capacity(&self) -> f64 {
        let Scenario { rates, seconds, workers, latency, jitter, .. } = *self.scenario;
        let natural = workers as f64 / ((latency as f64 + jitter as f64 / 2.0) / 1000.0);
        let ends = rates.iter().skip(1).map(|(from, _)| *from).chain([seconds as f64]);
        rates.iter().zip(ends).map(|((from, rate), to)| rate.min(natural) * (to - from)).sum()
    }
}

/// Numbers that look random and are always the same (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % (most + 1)
    }
}

/// Makes one call after another, as `send` does.
async fn work(number: u64, pace: Rc<Pace>, api: Rc<RefCell<Api>>, dice: Rc<RefCell<Dice>>) {
    let scenario = api.borrow().scenario;
    loop {
        let mut waits = Backoff { seed: Some(number), ..Backoff::default() }.waits();
        loop {
            let permit = pace.permit().await;
            let way = || {
                let more = dice.borrow_mut().below(scenario.jitter);
                tokio::time::sleep(Duration::from_millis(scenario.latency + more) / 2)
            };
            way().await;
            let (status, headers, late) = {
                let mut api = api.borrow_mut();
                let now = Instant::now();
                let accepts = api.accepts(now);
                let status = if accepts.is_some() { 200 } else { 429 };
                (status, api.headers(now, accepts.is_some()), accepts.unwrap_or_default())
            };
            if late > Duration::ZERO {
                tokio::time::sleep(late).await;
            }
            way().await;
            let date = api.borrow().date(Instant::now());
            let words =
                (scenario.says == Says::Words).then_some("rate limit exceeded, retry after 1 seconds");
            let delay = delay::stated(status, &headers, words, date);
            let quota = quota::nearest(&headers, date);
            pace.heard(&permit, Heard { status, delay, quota });
            drop(permit);
            if status == 200 {
                break;
            }
            tokio::time::sleep(delay.or_else(|| waits.next()).unwrap()).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_nobody_tells_is_found_and_used() {
    judge(UNKNOWN_LIMITS).await;
}

#[tokio::test(start_paused = true)]
async fn a_limit_as_nginx_counts_it_is_found_and_used() {
    judge(NGINX_LIMITS).await;
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_answers_tell_needs_no_refusal() {
    judge(TOLD_LIMITS).await;
}

async fn judge(scenarios: &'static [Scenario]) {
    let mut missed = Vec::new();
    for scenario in scenarios {
        let api = Rc::new(RefCell::new(Api::new(scenario)));
        let pace = Rc::new(Pace::new(scenario.rate.map(|rate| rate.parse().unwrap()), None));
        let dice = Rc::new(RefCell::new(Dice(0x9e37_79b9_7f4a_7c15)));
        let workers = tokio::task::LocalSet::new();
        for number in 0..scenario.workers as u64 {
            workers.spawn_local(work(number, Rc::clone(&pace), Rc::clone(&api), Rc::clone(&dice)));
        }
        let end = Duration::from_secs(scenario.seconds);
        tokio::time::timeout(end, workers).await.unwrap_err();
        let api = api.borrow();
        let used = f64::from(api.accepted) / api.capacity();
        let told = scenario.refused == 0.0;
        let refused = if told { api.refused_though_told } else { api.refused };
        let refused = f64::from(refused) / f64::from(api.accepted + api.refused);
        let line = format!(
            "{:32} used {:5.1} %  429s {:5.2} % ({})",
            scenario.name,
            used * 100.0,
            refused * 100.0,
            api.refused,
        );
        println!("{line}");
        if used < scenario.used || refused > scenario.refused {
            missed.push(line);
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
