//! What holds for any input, however it arrives.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::record::{
    piece::{Ending, Pieces},
    rows::{Cells, Rows},
    stream::Stream,
};

fn any_format() -> impl Strategy<Value = Option<Format>> {
    use Format::{Csv, Json, Jsonl, Tsv};
    prop::sample::select(vec![None, Some(Jsonl), Some(Json), Some(Csv), Some(Tsv)])
}

/// Mostly the characters at which something begins or ends.
fn any_text() -> impl Strategy<Value = String> {
    r#"(\x{feff}|)(a,b\n|a\tb\r\n|\[|\{|)([\{\}\[\]",:\\\r\n\t 0a]|ü|\{"a":1\}|\{"a": \[2\]\}|"x","y"\n){0,30}"#
}

/// A JSON object on one line.
fn any_object() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    let value = scalar.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((".{0,6}", inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    vec((".{0,6}", value), 0..4).prop_map(|members| Value::Object(members.into_iter().collect()).to_string())
}

/// Cuts bytes into chunks whose sizes are taken in turn; the first read of a chunk may be smaller still.
fn in_chunks(bytes: &[u8], sizes: &[usize], then: Then) -> Chunks {
    let (mut rest, mut chunks) = (bytes, Vec::new());
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (chunk, more) = rest.split_at(rest.len().min(*size));
        chunks.push(chunk);
        rest = more;
    }
    Chunks::new(chunks, then)
}

fn outcome(items: Result<Vec<Item>, Error>) -> Result<Vec<String>, String> {
    items.map(|items| all_shown(&items)).map_err(|error| error.to_string())
}

proptest! {
    #[test]
    fn chunking_makes_no_difference(
        text in any_text(),
        format in any_format(),
        sizes in vec(1..9_usize, 1..5),
        then in prop::sample::select(vec![Then::End, Then::Fail]),
        max_record_bytes in 1..40_usize,
        packed in 0..3,
    ) {
        let bytes = match packed {
            0 => text.into_bytes(),
            1 => gzip(text.as_bytes()),
            _ => zstd(text.as_bytes()),
        };
        let settings = Settings { max_record_bytes, ..settings(format) };
        let whole = outcome(read_all(&settings, in_chunks(&bytes, &[usize::MAX], then)));
        let bytewise = outcome(read_all(&settings, in_chunks(&bytes, &[1], then)));
        let chunked = outcome(read_all(&settings, in_chunks(&bytes, &sizes, then)));
        prop_assert_eq!(&whole, &bytewise);
        prop_assert_eq!(&whole, &chunked);
    }

    #[test]
    fn positions_point_at_the_raw_text(text in any_text(), format in any_format()) {
        let Ok(items) = read(format, text.as_bytes()) else { return Ok(()) };
        for (number, item) in (1..).zip(&items) {
            let position = item.position();
            let (before, behind) = text.as_bytes().split_at(usize::try_from(position.byte).unwrap());
            prop_assert_eq!(position.number, number);
            prop_assert_eq!(position.line, 1 + before.iter().filter(|byte| **byte == b'\n').count() as u64);
            let raw = match item {
                Item::Unreadable(unreadable) => &unreadable.raw,
                Item::Record(Record { content: Content::Json(raw), .. }) => raw,
                Item::Record(_) => continue,
            };
            prop_assert!(behind.starts_with(raw));
        }
    }

    #[test]
    fn json_lines_in_are_raw_text_out(
        lines in vec((any_object(), prop::sample::select(vec!["\n", "\r\n", "\n\n", "\n \t\r\n"])), 0..8),
        sizes in vec(1..40_usize, 1..4),
    ) {
        let text: String = lines.iter().flat_map(|(object, end)| [object.as_str(), *end]).collect();
        let items = read_all(&settings(None), in_chunks(text.as_bytes(), &sizes, Then::End)).unwrap();
        prop_assert_eq!(items.len(), lines.len());
        for (item, (object, _)) in items.iter().zip(&lines) {
            let mut written = Vec::new();
            record(item).write_json(&mut written);
            prop_assert_eq!(&written, object.as_bytes());
            prop_assert_eq!(serde_json::to_string(&record(item).object().unwrap()).unwrap(), object.clone());
        }
    }

    #[test]
    fn an_array_is_read_as_its_elements(
        objects in vec(any_object(), 0..8),
        pretty in any::<bool>(),
        sizes in vec(1..40_usize, 1..4),
    ) {
        let array: Value = serde_json::from_str(&format!("[{}]", objects.join(","))).unwrap();
        let text = if pretty { format!("{array:#}") } else { array.to_string() };
        let items = read_all(&settings(None), in_chunks(text.as_bytes(), &sizes, Then::End)).unwrap();
        let elements: Vec<_> = items.iter().map(|item| Value::Object(record(item).object().unwrap())).collect();
        prop_assert_eq!(&elements, array.as_array().unwrap());
        for (item, object) in items.iter().zip(&objects) {
            let mut written = Vec::new();
            record(item).write_json(&mut written);
            prop_assert_eq!(&written, object.as_bytes());
        }
    }

    /// The csv crate reads the whole text by itself; what it sees in a quote never closed is not asked.
    #[test]
    fn rows_are_what_the_csv_crate_takes_them_for(
        text in r#"([",;\r\na ]|"","|""|a,b\r\n){0,40}"#,
        delimiter in prop::sample::select(vec![b',', b';', b'a', b' ']),
        sizes in vec(1..9_usize, 1..4),
    ) {
        let mut whole = csv::ReaderBuilder::new();
        let whole = whole.has_headers(false).flexible(true).delimiter(delimiter).from_reader(text.as_bytes());
        let mut expected = whole.into_records().map(Result::unwrap);

        let stream = Stream::open(Box::new(in_chunks(text.as_bytes(), &sizes, Then::End)), Arc::default()).unwrap();
        let (mut pieces, mut rows, mut cells) = (Pieces::new(stream, 1000), Rows::new(delimiter), Cells::new(delimiter));
        while let Some(piece) = pieces.next(&mut rows) {
            let row = expected.next();
            if matches!(piece.ending, Ending::Input) && rows.is_quoted() {
                continue;
            }
            prop_assert_eq!(Some(cells.of(&piece.raw, 3).unwrap()), row);
        }
        prop_assert_eq!(expected.next(), None);
    }

    #[test]
    fn any_bytes_are_read_to_an_end(bytes in vec(any::<u8>(), 0..200), format in any_format()) {
        if let Ok(items) = read(format, &bytes) {
            let broken = items.iter().position(|item| matches!(item, Item::Unreadable(u) if u.breaks_off));
            prop_assert!(broken.is_none_or(|at| at + 1 == items.len()));
        }
    }
}
