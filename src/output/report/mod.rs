//! The report of a run: what it shows, and the page it is shown on.
//!
//! `account` is what is kept of a run; everything else makes a page of it, or a table for a terminal. Whatever comes from records or answers is
//! escaped where the page is written, all of it and by construction.

mod account;
mod advice;
mod chart;
mod counts;
mod figures;
mod page;
mod parts;
mod table;

pub use account::{About, Account, AccountError, Point, Said, Setting, Waits};
pub use page::{CutOff, page, page_of_cut_off};
pub use table::table;

use counts::Counts;
