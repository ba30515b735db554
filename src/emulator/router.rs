//! The web service: which request goes to which entry of the tables.
//!
//! It does not know what the entries do; a path or method that is in no table gets an entry of its own, so that such
//! calls are journalled like all others.

use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::routing::on;

use super::exchange::Exchange;
use super::routes::{NO_METHOD, NO_PATH, Route, TABLES};
use super::wire::Cutter;

/// The web service that serves them all.
pub(crate) fn router(exchange: Arc<Exchange>) -> Router {
    let serve = |route: &'static Route| {
        move |State(exchange): State<Arc<Exchange>>,
              ConnectInfo(cutter): ConnectInfo<Cutter>,
              request: Request| { exchange.serve(route, request, cutter) }
    };
    let mut router = Router::new();
    for route in TABLES.iter().copied().flatten() {
        let path = format!("{}{}", route.action.prefix(), route.path);
        router = router.route(&path, on(route.method, serve(route)));
    }
    router.fallback(serve(&NO_PATH)).method_not_allowed_fallback(serve(&NO_METHOD)).with_state(exchange)
}
