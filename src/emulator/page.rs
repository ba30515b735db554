//! Pages of a list: newest first, a limit, and the last item's id as the cursor to the next page.
//!
//! It does not know what is listed. An empty page has `data: null`, which the API's documentation allows.

use serde::Serialize;
use serde_json::json;

use super::answer::{Answer, Refusal};
use super::call::Call;
use super::store::{Row, Table};

const FEWEST: usize = 10;
const MOST: usize = 100;

/// Which page of a list is asked for.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    limit: usize,
    start: Option<&'a str>,
    blank: bool,
}

/// A page as it is answered.
#[derive(Debug, Serialize)]
pub(crate) struct PageAnswer<A> {
    /// The limit that was used, not the number of items.
    pub(crate) limit: usize,
    /// The items, newest first.
    pub(crate) data: Option<Vec<A>>,
    /// The cursor that the next page starts after.
    pub(crate) last: String,
}

impl<'a> Page<'a> {
    /// Reads `limit` and `start` of a call's query; a limit out of bounds is brought inside.
    pub(crate) fn asked(call: &Call<'a>) -> Result<Self, Refusal> {
        Self::asked_or(call, FEWEST)
    }

    /// The same, with a limit of its own for calls that say none.
    pub(crate) fn asked_or(call: &Call<'a>, limit: usize) -> Result<Self, Refusal> {
        let limit = asked_limit(call, limit)?.clamp(FEWEST, MOST);
        Ok(Self { limit, start: call.query("start"), blank: false })
    }

    /// Leaves the cursor of the last page empty.
    #[must_use]
    pub(crate) fn ending_blank(self) -> Self {
        Self { blank: true, ..self }
    }

    /// The page of a table's rows that are to be kept.
    pub(crate) fn of<T: Row, A: Serialize>(
        &self,
        table: &'a Table<T>,
        keep: impl Fn(&T) -> bool,
        show: impl Fn(&'a T) -> A,
    ) -> Result<Answer, Refusal> {
        let (rows, last) = self.rows(table, keep)?;
        let data = (!rows.is_empty()).then(|| rows.into_iter().map(show).collect());
        Ok(Answer::ok(&PageAnswer { limit: self.limit, data, last }))
    }

    /// The same page, where its items have a name of their own instead of `data`.
    pub(crate) fn named<T: Row, A: Serialize>(
        &self,
        name: &str,
        table: &'a Table<T>,
        keep: impl Fn(&T) -> bool,
        show: impl Fn(&'a T) -> A,
    ) -> Result<Answer, Refusal> {
        let (rows, last) = self.rows(table, keep)?;
        let items: Vec<A> = rows.into_iter().map(show).collect();
        Ok(Answer::ok(&json!({ "last": last, "limit": self.limit, name: items })))
    }

    fn rows<T: Row>(
        &self,
        table: &'a Table<T>,
        keep: impl Fn(&T) -> bool,
    ) -> Result<(Vec<&'a T>, String), Refusal> {
        let end = match self.start {
            Some(id) => table.place(id).ok_or_else(|| Refusal::query("start"))?,
            None => table.len(),
        };
        let mut kept = table.older_than(end).filter(|row| keep(row));
        let rows: Vec<&T> = kept.by_ref().take(self.limit).collect();
        let ends = self.blank && kept.next().is_none();
        let last = rows.last().filter(|_| !ends).map(|row| row.id().to_owned()).unwrap_or_default();
        Ok((rows, last))
    }
}

/// Reads `limit` of a call's query; one below zero counts as zero.
pub(crate) fn asked_limit(call: &Call<'_>, absent: usize) -> Result<usize, Refusal> {
    let Some(text) = call.query("limit") else { return Ok(absent) };
    let limit = text.parse::<i64>().map_err(|_| Refusal::query("limit"))?;
    Ok(usize::try_from(limit).unwrap_or(0))
}
