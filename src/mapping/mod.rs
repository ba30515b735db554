//! Mapping.
mod request;
pub use request::Request;
