//! roompipe
#![expect(missing_docs, reason = "the house is being built")]
pub mod call;
pub mod cli;
pub mod emulator;
pub mod exit;
pub mod jq;
pub mod mapping;
pub mod outcome;
pub mod output;
pub mod pipeline;
pub mod record;
pub mod template;
