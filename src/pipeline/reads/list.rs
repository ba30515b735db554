//! The items of a list, page by page, as its template says that it is paged.
//!
//! It reads answers and names the parameters of the next page; it sends nothing and knows no item.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::template::{Listed, Onward, Pagination, Unlisted};

/// Which page comes next.
#[derive(Debug)]
pub(in crate::pipeline) struct Pages<'a> {
    pagination: Option<&'a Pagination>,
    /// The cursor or number of the page that is due; nothing for the first one.
    due: Option<Value>,
    /// The number of the last page that was read.
    number: u64,
    /// How many items a page is asked to hold.
    size: Option<u64>,
}

/// One page.
#[derive(Debug, PartialEq)]
pub(in crate::pipeline) struct Page {
    pub(in crate::pipeline) items: Vec<Value>,
    pub(in crate::pipeline) has_next: bool,
}

impl<'a> Pages<'a> {
    /// The pages of a list, as large as may be; without a pagination there is one.
    pub(in crate::pipeline) fn new(pagination: Option<&'a Pagination>) -> Self {
        let size = pagination.and_then(Pagination::max_limit).map(u64::from);
        Self { pagination, due: None, number: 0, size }
    }

    /// The same, from a page of this number on and with pages of this size, where they are said.
    pub(in crate::pipeline) fn from(self, number: Option<u64>, size: Option<u64>) -> Self {
        Self {
            number: number.map_or(self.number, |number| number.saturating_sub(1)),
            size: size.or(self.size),
            ..self
        }
    }

    /// What the read takes, besides its own parameters, to answer the page that is due.
    pub(in crate::pipeline) fn parameters(&self) -> Map<String, Value> {
        let mut parameters = Map::new();
        let Some((next, limit)) = self.pagination.and_then(Pagination::parameters) else { return parameters };
        if let Some(size) = self.size {
            parameters.insert(limit.to_owned(), Value::from(size));
        }
        if let Some(due) = &self.due {
            parameters.insert(next.to_owned(), due.clone());
        }
        parameters
    }

    /// The cursor or number of the page that is due, where that is not the first one.
    pub(in crate::pipeline) fn due(&self) -> Option<&Value> {
        self.due.as_ref()
    }

    /// Reads the answer of the page that was due.
    pub(in crate::pipeline) fn read(&mut self, body: &[u8]) -> Result<Page, Unlisted> {
        let items = self.advance(body)?;
        let items = items.into_iter().map(|item| serde_json::from_str(item.get())).collect::<Result<_, _>>();
        Ok(Page { items: items.map_err(|_| Unlisted::NotJson)?, has_next: self.due.is_some() })
    }

    /// The same, with the items as they stand in the answer.
    pub(in crate::pipeline) fn advance<'b>(&mut self, body: &'b [u8]) -> Result<Vec<&'b RawValue>, Unlisted> {
        let Listed { items, onward, tried } = Listed::read(self.pagination, body)?;
        self.number = self.number.saturating_add(1);
        // `limit` is what a page was asked to hold: fewer are the last, where pages are not cut short.
        let may_be_short = matches!(self.pagination, Some(Pagination::Cursor { short_pages: true, .. }));
        let size = [self.size, tried.filter(|tried| *tried > 0)].into_iter().flatten().min();
        let is_full = may_be_short || size.is_none_or(|size| items.len() as u64 >= size);
        self.due = match onward {
            Onward::Cursor(cursor) if is_full => Some(cursor),
            Onward::Number => Some(Value::from(self.number.saturating_add(1))),
            Onward::Cursor(_) | Onward::End => None,
        }
        .filter(|_| !items.is_empty());
        Ok(items)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cursor() -> Pagination {
        Pagination::Cursor {
            cursor: "start".into(),
            limit: "limit".into(),
            max_limit: Some(2),
            items: "data".into(),
            next: "last".into(),
            short_pages: false,
        }
    }

    fn numbered(max_limit: Option<u32>) -> Pagination {
        Pagination::Page {
            page: "page".into(),
            limit: "limit".into(),
            max_limit,
            items: "workflows".into(),
            has_next: "pagination.has_next".into(),
        }
    }

    /// The items, and the parameters of the next page.
    fn read(
        pagination: Option<&Pagination>,
        answer: &Value,
    ) -> Result<(Vec<Value>, Option<Value>), Unlisted> {
        let mut pages = Pages::new(pagination);
        let page = pages.read(answer.to_string().as_bytes())?;
        Ok((page.items, page.has_next.then(|| Value::Object(pages.parameters()))))
    }

    #[test]
    fn a_cursor_leads_on_until_a_page_is_not_full() {
        let goes_on = Some(json!({"limit": 2, "start": "b"}));
        for (answer, items, next) in [
            (json!({"data": [1, 2], "last": "b"}), vec![json!(1), json!(2)], goes_on),
            (
                json!({"data": [1, 2], "last": 7}),
                vec![json!(1), json!(2)],
                Some(json!({"limit": 2, "start": 7})),
            ),
            (json!({"data": [1], "last": "b"}), vec![json!(1)], None),
            (json!({"data": [1], "last": "b", "limit": 2}), vec![json!(1)], None),
            // An API whose pages are smaller than what was asked for.
            (
                json!({"data": [1], "last": "b", "limit": 1}),
                vec![json!(1)],
                Some(json!({"limit": 2, "start": "b"})),
            ),
            (json!({"data": [1, 2], "last": ""}), vec![json!(1), json!(2)], None),
            (json!({"data": [1, 2], "last": null}), vec![json!(1), json!(2)], None),
            (json!({"data": [1, 2]}), vec![json!(1), json!(2)], None),
            (json!({"data": null, "last": "b"}), vec![], None),
            (json!({"data": [], "last": "b"}), vec![], None),
        ] {
            assert_eq!(read(Some(&cursor()), &answer), Ok((items, next)), "{answer}");
        }
        assert_eq!(Value::Object(Pages::new(Some(&cursor())).parameters()), json!({"limit": 2}));
    }

    #[test]
    fn pages_that_may_be_short_lead_on_until_there_is_no_cursor() {
        let Pagination::Cursor { cursor, limit, items, next, .. } = cursor() else { panic!("a cursor") };
        let short =
            Pagination::Cursor { cursor, limit, max_limit: Some(100), items, next, short_pages: true };
        let next = Some(json!({"limit": 100, "start": "b"}));
        assert_eq!(read(Some(&short), &json!({"data": [1], "last": "b"})), Ok((vec![json!(1)], next)));
        for end in [json!({"data": [1], "last": ""}), json!({"data": [], "last": "b"})] {
            assert_eq!(read(Some(&short), &end).unwrap().1, None, "{end}");
        }
    }

    #[test]
    fn size_and_number_may_be_said() {
        let cursor = cursor();
        let mut pages = Pages::new(Some(&cursor)).from(None, Some(3));
        pages.read(br#"{"data":[1,2],"last":"b"}"#).unwrap();
        assert_eq!(pages.due(), None, "two are fewer than three");
        let numbered = numbered(Some(100));
        let mut pages = Pages::new(Some(&numbered)).from(Some(7), None);
        pages.read(br#"{"workflows":[1],"pagination":{"has_next":true}}"#).unwrap();
        assert_eq!(pages.due(), Some(&json!(8)));
        let mut pages = Pages::new(Some(&numbered)).from(Some(u64::MAX), None);
        pages.read(br#"{"workflows":[1],"pagination":{"has_next":true}}"#).unwrap();
        assert_eq!(pages.due(), Some(&json!(u64::MAX)));
    }

    #[test]
    fn numbers_lead_on_while_the_answer_says_so() {
        let has_next = |flag: Value| json!({"workflows": [1], "pagination": {"has_next": flag}});
        let second = Some(json!({"page": 2}));
        for (answer, next) in [
            (has_next(json!(true)), second),
            (has_next(json!(false)), None),
            (json!({"workflows": [1]}), None),
        ] {
            assert_eq!(read(Some(&numbered(None)), &answer), Ok((vec![json!(1)], next)), "{answer}");
        }
        let nothing = json!({"workflows": [], "pagination": {"has_next": true}});
        assert_eq!(read(Some(&numbered(None)), &nothing), Ok((vec![], None)));
        let numbered = numbered(Some(100));
        let mut pages = Pages::new(Some(&numbered));
        for number in 2..5 {
            pages.read(has_next(json!(true)).to_string().as_bytes()).unwrap();
            assert_eq!(Value::Object(pages.parameters()), json!({"limit": 100, "page": number}));
        }
    }

    #[test]
    fn a_read_without_pages_answers_items_or_one() {
        for (answer, items) in [
            (json!([{"id": 1}, {"id": 2}]), vec![json!({"id": 1}), json!({"id": 2})]),
            (json!({"id": 1}), vec![json!({"id": 1})]),
            (json!(null), vec![]),
        ] {
            assert_eq!(read(None, &answer), Ok((items, None)));
        }
        assert_eq!(Pages::new(None).parameters(), Map::new());
    }

    #[test]
    fn what_is_no_list_is_not_taken_for_an_empty_one() {
        for answer in [json!({}), json!([]), json!({"data": {}}), json!({"data": "x"}), json!({"items": [1]})]
        {
            assert_eq!(read(Some(&cursor()), &answer), Err(Unlisted::NoItems), "{answer}");
        }
        assert_eq!(Pages::new(None).read(b"").unwrap_err(), Unlisted::NotJson);
        assert_eq!(Pages::new(None).read(b"{\"data\":[").unwrap_err(), Unlisted::NotJson);
    }
}
