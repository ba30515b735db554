//! The items of a list, page by page, as its template says that it is paged.
//!
//! It reads answers and names the parameters of the next page; it sends nothing and knows no item.

use serde_json::{Map, Value};

use crate::template::Pagination;

/// Which page comes next.
#[derive(Debug)]
pub(in crate::pipeline) struct Pages<'a> {
    pagination: Option<&'a Pagination>,
    /// The cursor or number of the page that is due; nothing for the first one.
    due: Option<Value>,
    /// Pages read.
    count: u64,
}

/// One page.
#[derive(Debug, PartialEq)]
pub(in crate::pipeline) struct Page {
    pub(in crate::pipeline) items: Vec<Value>,
    pub(in crate::pipeline) has_next: bool,
}

/// Why an answer cannot be read as a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::pipeline) enum Unreadable {
    #[error("is no JSON")]
    NotJson,
    #[error("has no list of items")]
    NoItems,
}

impl<'a> Pages<'a> {
    /// The pages of a list; without a pagination there is one.
    pub(in crate::pipeline) fn new(pagination: Option<&'a Pagination>) -> Self {
        Self { pagination, due: None, count: 0 }
    }

    /// What the read takes, besides its own parameters, to answer the page that is due: as large as may be.
    pub(in crate::pipeline) fn parameters(&self) -> Map<String, Value> {
        let Some(Pagination::Cursor { cursor: next, limit, .. } | Pagination::Page { page: next, limit, .. }) =
            self.pagination
        else {
            return Map::new();
        };
        let mut parameters = Map::new();
        if let Some(most) = self.most() {
            parameters.insert(limit.clone(), Value::from(most));
        }
        if let Some(due) = &self.due {
            parameters.insert(next.clone(), due.clone());
        }
        parameters
    }

    /// Reads the answer of the page that was due.
    pub(in crate::pipeline) fn read(&mut self, body: &[u8]) -> Result<Page, Unreadable> {
        let mut body: Value = serde_json::from_slice(body).map_err(|_| Unreadable::NotJson)?;
        self.count += 1;
        let items = match self.pagination {
            Some(Pagination::Cursor { items, .. } | Pagination::Page { items, .. }) => {
                match body.get_mut(items).map(Value::take) {
                    Some(Value::Array(items)) => items,
                    Some(Value::Null) => Vec::new(),
                    _ => return Err(Unreadable::NoItems),
                }
            }
            // A read of one thing answers the thing itself.
            None => match body.take() {
                Value::Array(items) => items,
                Value::Null => Vec::new(),
                one => vec![one],
            },
        };
        // `limit` is what a page was asked to hold: fewer are the last.
        let full = self.most().is_none_or(|most| items.len() as u64 >= u64::from(most));
        self.due = match self.pagination {
            Some(Pagination::Cursor { next, .. }) => {
                body.get(next).filter(|next| full && is_cursor(next)).cloned()
            }
            Some(Pagination::Page { has_next, .. }) => {
                let flag = has_next.split('.').try_fold(&body, |value, name| value.get(name));
                (flag == Some(&Value::Bool(true))).then(|| Value::from(self.count + 1))
            }
            None => None,
        }
        .filter(|_| !items.is_empty());
        Ok(Page { has_next: self.due.is_some(), items })
    }

    fn most(&self) -> Option<u32> {
        match self.pagination {
            Some(Pagination::Cursor { max_limit, .. } | Pagination::Page { max_limit, .. }) => *max_limit,
            None => None,
        }
    }
}

fn is_cursor(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.is_empty(),
        other => other.is_number(),
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
    ) -> Result<(Vec<Value>, Option<Value>), Unreadable> {
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
            assert_eq!(read(Some(&cursor()), &answer), Err(Unreadable::NoItems), "{answer}");
        }
        assert_eq!(Pages::new(None).read(b"").unwrap_err(), Unreadable::NotJson);
        assert_eq!(Pages::new(None).read(b"{\"data\":[").unwrap_err(), Unreadable::NotJson);
    }
}
