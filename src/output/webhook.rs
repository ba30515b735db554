//! Events as posts to a webhook, in the manner of Standard Webhooks (https://www.standardwebhooks.com): what is in a
//! post, how it is signed, and what an answer to it means.
//!
//! It knows bytes, not how they travel, nor when a post is made again.

mod meaning;
mod parcel;
mod queue;
mod signature;

pub use meaning::{Meaning, meaning};
pub use parcel::{Parcel, PostForm};
pub use queue::{Backlog, Posting, ToPost, WebhookSink, webhook_queue};
pub use signature::{SecretError, Signer};
