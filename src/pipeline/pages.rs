//! A record's read: every page of its list, one call each, the next one being asked for while the present one is written.
//!
//! It decides which page comes next and when a list has ended; how a call is sent and what an event says is for others.
//! No more than two pages are held: the one that is told and the one that comes.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::Value;

use crate::call::{BodyKind, Call, CallError, Response, Settled};
use crate::mapping::Request;
use crate::outcome::Outcome;
use crate::output::Page;
use crate::template::{Pagination, Unlisted};

use super::board::Work;
use super::reads::Pages;
use super::run::Message;
use super::settlement::Settlement;
use super::watched::Watched;
use super::work::{Workshop, cost};

/// How a run reads lists.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// How they are paged; nothing where an answer is the thing itself, or a list of things.
    pub pagination: Option<Pagination>,
    /// Items of each list that are wanted at most.
    pub most: Option<u64>,
}

/// Pages in a row that may say the same: a list whose pages have numbers moves on while it is read, but not so.
const SAME_PAGES: u32 = 3;
/// Bytes that are told of an answer that is longer than is kept.
const BEGINNING: usize = 4096;

/// A list that is being read.
struct List<'l> {
    listing: &'l Listing,
    pages: Pages<'l>,
    /// Calls made.
    calls: u64,
    /// Items that have come.
    items: u64,
    /// Hashes of the cursors that have led on: eight bytes a page.
    cursors: HashSet<u64>,
    /// Where pages have numbers: the hash of the page before, and how many were the same.
    same: (u64, u32),
}

/// What comes after a page.
enum Next {
    /// Nothing.
    End,
    /// The page this request asks for.
    Ask(Request),
    /// A page that would be asked for by this request, and why it cannot be.
    Lost(Request, Box<CallError>),
}

impl<'l> List<'l> {
    /// A list, and the request of its first page.
    fn new(listing: &'l Listing, request: &Request) -> (Self, Request) {
        let mut first = request.clone();
        let pagination = listing.pagination.as_ref();
        let (mut number, mut size) = (None, None);
        if let Some((next, limit)) = pagination.and_then(Pagination::parameters) {
            match request.query_value(limit) {
                Some(said) => size = whole(&said),
                None => {
                    for (name, value) in Pages::new(pagination).parameters() {
                        first = first.with_query(&name, &text(&value));
                    }
                }
            }
            if matches!(pagination, Some(Pagination::Page { .. })) {
                number = request.query_value(next).and_then(|said| whole(&said));
            }
        }
        let pages = Pages::new(pagination).from(number, size);
        let cursors = HashSet::new();
        (Self { listing, pages, calls: 0, items: 0, cursors, same: (0, 0) }, first)
    }

    /// Looks into the answer to a page: what is told of it, and what comes next. An answer that is no page of a list has
    /// failed.
    fn answered(&mut self, asked: &Request, settled: &mut Settled) -> (Page, Next) {
        self.calls += 1;
        let mut page = self.page(asked);
        if settled.outcome != Outcome::Delivered {
            return (page, Next::End);
        }
        let came = match self.read(settled) {
            Ok(came) => came,
            Err(error) => {
                settled.outcome = Outcome::Failed;
                settled.error = Some(*error);
                if let Some(response) = settled.response.as_mut().filter(|response| response.truncated) {
                    shorten(response);
                }
                return (page, Next::End);
            }
        };
        let left = self.listing.most.map(|most| most.saturating_sub(self.items));
        page.items = left.map_or(came, |left| left.min(came));
        self.items += page.items;
        if self.listing.most.is_some_and(|most| self.items >= most) {
            return (page, Next::End);
        }
        (page, self.next(asked))
    }

    /// How many items an answer holds.
    fn read(&mut self, settled: &Settled) -> Result<u64, Box<CallError>> {
        let Some(response) = &settled.response else { return Ok(0) };
        if response.truncated {
            let hint = match self.listing.pagination.as_ref().and_then(Pagination::parameters) {
                Some((_, limit)) => format!("; hint: smaller pages, as with `--param {limit}=10`"),
                None => String::new(),
            };
            let message =
                format!("the answer is longer than is kept of one, and cannot be read as a whole{hint}");
            return Err(ours("answer_too_long", message));
        }
        match (response.kind, &self.listing.pagination) {
            (BodyKind::Empty, None) => Ok(0),
            (BodyKind::Text | BodyKind::Bytes, None) => Ok(1),
            _ => match self.pages.advance(&response.body) {
                Ok(items) => {
                    if matches!(self.listing.pagination, Some(Pagination::Page { .. })) {
                        let mut hasher = DefaultHasher::new();
                        items.iter().for_each(|item| item.get().hash(&mut hasher));
                        let hash = hasher.finish();
                        self.same = (hash, if self.same.0 == hash { self.same.1 + 1 } else { 0 });
                    }
                    Ok(items.len() as u64)
                }
                Err(why) => Err(ours("no_list", self.says(why, response.kind))),
            },
        }
    }

    /// Why an answer is no page, and where in it that shows.
    fn says(&self, why: Unlisted, kind: BodyKind) -> String {
        if kind == BodyKind::Empty {
            return "the answer is empty, where a list should be".to_owned();
        }
        let at = match (why, &self.listing.pagination) {
            (Unlisted::NoItems, Some(pagination)) => pagination.items(),
            (Unlisted::NoWayOn, Some(Pagination::Cursor { next: at, .. })) => at,
            (Unlisted::NoWayOn, Some(Pagination::Page { has_next: at, .. })) => at,
            _ => "",
        };
        let at = if at.is_empty() { String::new() } else { format!(" at `{at}`") };
        format!("the answer {why}{at}")
    }

    fn next(&mut self, asked: &Request) -> Next {
        let Some(due) = self.pages.due() else { return Next::End };
        let due = text(due);
        let Some((next, _)) = self.listing.pagination.as_ref().and_then(Pagination::parameters) else {
            return Next::End;
        };
        let request = asked.with_query(next, &due);
        let mut hasher = DefaultHasher::new();
        due.hash(&mut hasher);
        // The first page may have been asked for by a cursor, too.
        let comes_back = asked.query_value(next).is_some_and(|present| present == due);
        if !self.cursors.insert(hasher.finish()) || comes_back {
            let message =
                format!("page {} leads back to `{next}={due}`, where this list has been before", self.calls);
            return Next::Lost(request, ours("cursor_repeated", message));
        }
        if self.same.1 >= SAME_PAGES {
            let message = format!("page {} and the {SAME_PAGES} before it are the same", self.calls);
            return Next::Lost(request, ours("page_repeated", message));
        }
        Next::Ask(request)
    }

    /// What is told of the call that was made last.
    fn page(&self, asked: &Request) -> Page {
        let next = self.listing.pagination.as_ref().and_then(Pagination::parameters);
        Page {
            pagination: self.listing.pagination.clone(),
            number: self.calls,
            cursor: next.and_then(|(next, _)| asked.query_value(next)),
            before: self.items,
            items: 0,
        }
    }
}

/// What is cut off anyway need not fill a terminal and the dead letters: how it begins tells what it is.
fn shorten(response: &mut Response) {
    let text = String::from_utf8_lossy(&response.body[..response.body.len().min(BEGINNING)]);
    let end = text.trim_end_matches(char::REPLACEMENT_CHARACTER).len();
    response.body.truncate(end.min(BEGINNING));
}

/// A whole number, which a record may have written as `3.0` or `3e0`.
fn whole(text: &str) -> Option<u64> {
    let rounded = |number: &f64| number.fract() == 0.0 && *number >= 0.0;
    text.parse().ok().or_else(|| text.parse().ok().filter(rounded).map(|number| number as u64))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn ours(code: &str, message: String) -> Box<CallError> {
    Box::new(CallError { code: code.to_owned(), name: None, message, details: None })
}

impl Workshop {
    /// Reads all that a record asks for, and ends the record.
    pub(super) async fn read(&self, work: &Work, request: &Request, listing: &Listing) -> Outcome {
        let (mut list, mut asked) = List::new(listing, request);
        let mut settled = self.ask(work, &asked).await;
        loop {
            let (page, next) = list.answered(&asked, &mut settled);
            match next {
                Next::End => {
                    self.count(work, settled.outcome, Some(cost(&settled)));
                    self.tell_page(work, &asked, &settled, &page).await;
                    return settled.outcome;
                }
                Next::Ask(request) => {
                    self.board.tally().call(cost(&settled));
                    let come = self.ask(work, &request);
                    let (come, ()) = tokio::join!(come, self.tell_page(work, &asked, &settled, &page));
                    (asked, settled) = (request, come);
                }
                Next::Lost(request, error) => {
                    self.board.tally().call(cost(&settled));
                    self.tell_page(work, &asked, &settled, &page).await;
                    list.calls += 1;
                    let lost = Settled::unsent(Outcome::Failed, *error);
                    self.count(work, lost.outcome, None);
                    self.tell_page(work, &request, &lost, &list.page(&request)).await;
                    return lost.outcome;
                }
            }
        }
    }

    async fn ask(&self, work: &Work, request: &Request) -> Settled {
        let mut hook = ();
        let mut watched = Watched::new(&self.board, &mut hook);
        let settled = self.sender.send(Call::of(request), &mut watched).await;
        self.note_slow(work, request, &settled, watched.times());
        settled
    }

    async fn tell_page(&self, work: &Work, asked: &Request, settled: &Settled, page: &Page) {
        if settled.outcome == Outcome::Delivered {
            self.board.tally().items(page.items);
        } else {
            self.note_lost(work, settled, page);
        }
        let end = Settlement::of_call(asked, 0, settled).of_page(page);
        self.hand_over(work, &end).await;
    }

    /// Remembers that a list is not whole, and where it broke off.
    fn note_lost(&self, work: &Work, settled: &Settled, page: &Page) {
        let Some(error) = settled.error.as_ref().filter(|_| settled.outcome != Outcome::Pending) else {
            return;
        };
        let Some((next, _)) = page.pagination.as_ref().and_then(Pagination::parameters) else {
            return self.note_reason(work, settled.outcome, error);
        };
        let cursor = page.cursor.as_ref().map_or_else(String::new, |cursor| format!(" ({next}={cursor})"));
        let place = format!("page {}{cursor}, behind {} items: {}", page.number, page.before, error.message);
        self.note_reason(work, settled.outcome, &CallError { message: place.clone(), ..error.clone() });
        let mut lost = self.lists_lost();
        lost.0 += 1;
        lost.1.get_or_insert_with(|| {
            let source = &work.job.subject.position;
            let goes_on = match &page.cursor {
                Some(cursor) => format!("; `--param '{next}={cursor}'` goes on from there"),
                None => String::new(),
            };
            Message {
                text: format!("{} line {}: {place}", source.source, source.line),
                hint: Some(format!("the same command reads the list again from its start{goes_on}")),
            }
        });
    }
}
