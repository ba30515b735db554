//! Everything that turns inputs into records.

mod budget;

pub use budget::{Budget, Ticket};
