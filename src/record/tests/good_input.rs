//! What is read, in every format and wrapping.

use super::*;

#[test]
fn json_lines() {
    let both = ["1 1:0 {\"a\":1}", "2 2:8 {\"b\":2}"];
    check(Format::Jsonl, "{\"a\":1}\n{\"b\":2}\n", &both);
    check(Format::Jsonl, "{\"a\":1}\n{\"b\":2}", &both);
    check(Format::Jsonl, "{\"a\":1}\r\n{\"b\":2}\r\n", &["1 1:0 {\"a\":1}", "2 2:9 {\"b\":2}"]);
    check(Format::Jsonl, "\n \t\r\n  {\"a\":1} \n\n", &["1 3:7 {\"a\":1}"]);
    check(Format::Jsonl, "{\"z\":1.00,\"a\":1e400,\"z\":2}", &["1 1:0 {\"z\":2,\"a\":1e400}"]);
}

#[test]
fn json_arrays_and_sequences() {
    let both = ["1 1:1 {\"a\":[1,{}]}", "2 1:14 {\"b\":\"]},{\\\\\\\"\"}"];
    check(Format::Json, "[{\"a\":[1,{}]},{\"b\":\"]},{\\\\\\\"\"}]", &both);
    check(Format::Json, "[\n  {\n    \"a\": 1\n  },\n  {}\n]\n", &["1 2:4 {\"a\":1}", "2 5:24 {}"]);
    check(Format::Json, "[]", &[]);
    check(Format::Json, " [ ] ", &[]);
    check(Format::Json, "{\n\"a\": 1}{}\n {\"b\":2}", &["1 1:0 {\"a\":1}", "2 2:9 {}", "3 3:13 {\"b\":2}"]);
    check(Format::Json, "[{}]\n[{},{}]{}", &["1 1:1 {}", "2 2:6 {}", "3 2:9 {}", "4 2:12 {}"]);
}

#[test]
fn rows() {
    check(
        Format::Csv,
        "a,b\n1,2\n3,4",
        &["1 2:4 {\"a\":\"1\",\"b\":\"2\"}", "2 3:8 {\"a\":\"3\",\"b\":\"4\"}"],
    );
    check(
        Format::Csv,
        "a,b\r\n1,2\r\n\r\n3,4\r\n",
        &["1 2:5 {\"a\":\"1\",\"b\":\"2\"}", "2 4:12 {\"a\":\"3\",\"b\":\"4\"}"],
    );
    check(
        Format::Csv,
        "\"a\"\"x\",b\n\"1\r\n\n,\",\"\"\n,3\n",
        &["1 2:9 {\"a\\\"x\":\"1\\r\\n\\n,\",\"b\":\"\"}", "2 5:20 {\"a\\\"x\":\"\",\"b\":\"3\"}"],
    );
    check(Format::Tsv, "a\tb\n1,2\t\"x\ty\"\n", &["1 2:4 {\"a\":\"1,2\",\"b\":\"x\\ty\"}"]);
    check(Format::Csv, "a,b\n", &[]);
    check(Format::Csv, "a\n\"\"\n", &["1 2:2 {\"a\":\"\"}"]);
}

#[test]
fn a_delimiter_of_ones_own() {
    let settings = Settings { csv_delimiter: Some(b';'), ..settings(Format::Csv) };
    let items = read_all(&settings, &b"a;b\n1,5;\"x;y\"\n"[..]).unwrap();
    assert_eq!(all_shown(&items), ["1 2:4 {\"a\":\"1,5\",\"b\":\"x;y\"}"]);
    for delimiter in [b'"', b'\n', b'\r', 0xe9] {
        let settings = Settings { csv_delimiter: Some(delimiter), ..Settings::default() };
        let error = Inputs::open_with(&[], &settings, Box::new(io::empty())).err().unwrap();
        assert!(matches!(error, Error::Delimiter { .. }), "{error}");
    }
}

#[test]
fn ten_thousand_columns() {
    let line = |cell: &dyn Fn(usize) -> String| (0..10_000).map(cell).collect::<Vec<_>>().join(",");
    let text = format!("{}\n{}\n", line(&|i| format!("c{i}")), line(&|i| i.to_string()));
    let items = read(Format::Csv, text.as_bytes()).unwrap();
    let object = record(&items[0]).object().unwrap();
    assert_eq!((items.len(), object.len(), &object["c9999"]), (1, 10_000, &Value::from("9999")));
}

#[test]
fn no_bytes_are_no_records_in_every_format() {
    use Format::{Csv, Json, Jsonl, Tsv};
    for format in [None, Some(Jsonl), Some(Json), Some(Csv), Some(Tsv)] {
        for text in [Vec::new(), b"\xef\xbb\xbf".to_vec(), gzip(b""), zstd(b"")] {
            assert!(read(format, &text).unwrap().is_empty(), "{format:?} {text:x?}");
        }
    }
    for format in [None, Some(Jsonl), Some(Json)] {
        assert!(read(format, b" \r\n\n\t").unwrap().is_empty(), "{format:?}");
    }
}

#[test]
fn the_first_byte_tells_the_format_behind_compression_mark_and_white_space() {
    let expected = ["{\"a\":1}", "{\"b\":2}"];
    for text in ["{\"a\":1}\n{\"b\":2}", "[{\"a\":1},{\"b\":2}]"] {
        for before in ["", " \n\t", "\u{feff}", "\u{feff}\r\n"] {
            let text = format!("{before}{text}").into_bytes();
            for bytes in [gzip(&text), zstd(&text), text] {
                let items = read(None, &bytes).unwrap();
                let raws: Vec<_> = items.iter().map(|item| raw(record(item))).collect();
                assert_eq!(raws, expected, "{bytes:x?}");
            }
        }
    }
}

fn raw(record: &Record) -> &str {
    match &record.content {
        Content::Json(raw) => std::str::from_utf8(raw).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn compressed_inputs_may_have_several_members() {
    let twice = |pack: fn(&[u8]) -> Vec<u8>| [pack(b"a,b\n1,"), pack(b"2\n")].concat();
    for bytes in [twice(gzip), twice(zstd)] {
        let items = read(Format::Csv, &bytes).unwrap();
        assert_eq!(all_shown(&items), ["1 2:4 {\"a\":\"1\",\"b\":\"2\"}"]);
    }
}

#[test]
fn a_byte_order_mark_is_skipped_and_counted() {
    check(Format::Csv, "\u{feff}a\n1\n", &["1 2:5 {\"a\":\"1\"}"]);
    check(Format::Jsonl, "\u{feff}{}\n", &["1 1:3 {}"]);
}

#[test]
fn on_a_pipe_a_record_is_handed_out_as_soon_as_it_has_come() {
    let table: &[(Option<Format>, &str, usize)] = &[
        (None, "{\"a\":1}\n", 1),
        (None, "{}\n", 1),
        (Some(Format::Jsonl), "{}\n{}\n{", 2),
        (None, "[{\"a\":1}", 1),
        (Some(Format::Json), "{\"a\":1}{}", 2),
        (Some(Format::Csv), "a\n1\n\"2\"\n", 2),
        (Some(Format::Csv), "a\r\n1\r", 1),
    ];
    for (format, text, count) in table {
        let pipe = Chunks::new([text.as_bytes()], Then::MustNotWait);
        let mut inputs = from_stdin(&settings(*format), pipe);
        for _ in 0..*count {
            record(&inputs.next().unwrap().unwrap());
        }
    }
}

#[test]
fn on_a_compressed_pipe_what_the_writer_flushed_is_handed_out() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let mut zstd = ::zstd::Encoder::new(Vec::new(), 0).unwrap();
    for encoder in [&mut gzip as &mut dyn Write, &mut zstd] {
        encoder.write_all(b"{\"a\":1}\n").unwrap();
        encoder.flush().unwrap();
    }
    for bytes in [gzip.get_ref(), zstd.get_ref()] {
        let mut inputs = from_stdin(&settings(None), Chunks::new([bytes.as_slice()], Then::MustNotWait));
        record(&inputs.next().unwrap().unwrap());
    }
}

#[test]
fn an_interruption_is_no_end() {
    struct Interrupted(bool, &'static [u8]);
    impl Read for Interrupted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 = !self.0;
            if self.0 { Err(io::ErrorKind::Interrupted.into()) } else { self.1.read(buffer) }
        }
    }
    let items = read_all(&settings(None), Interrupted(false, b"{}\n{}\n")).unwrap();
    assert_eq!(all_shown(&items), ["1 1:0 {}", "2 2:3 {}"]);
}

#[test]
fn records_are_written_as_json_on_one_line() {
    let line = |format, text: &str| {
        let mut out = b"> ".to_vec();
        record(&read(format, text.as_bytes()).unwrap()[0]).write_json(&mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(line(Format::Jsonl, "{\"a\": 1.00}\n"), "> {\"a\": 1.00}");
    assert_eq!(line(Format::Json, "[\n{\n\"a\": 1.00 }]"), "> {\"a\":1.00}");
    assert_eq!(line(Format::Csv, "a,\"b\"\"\"\n1,\"x\ny\"\n"), "> {\"a\":\"1\",\"b\\\"\":\"x\\ny\"}");
}

#[test]
fn the_hash_is_that_of_the_content_and_of_nothing_else() {
    let hash = |format, text: &str| {
        let items = read(format, text.as_bytes()).unwrap();
        record(items.last().unwrap()).content_hash()
    };
    let csv = |text| hash(Format::Csv, text);
    // SHA-256 of `{}`, as any other tool computes it.
    let expected = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let hex: String = hash(Format::Jsonl, "{}\n").iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, expected);
    assert_eq!(hash(Format::Jsonl, "{}\n"), hash(Format::Json, "[{\"a\":1},\n {}]"));
    assert_ne!(hash(Format::Jsonl, "{}\n"), hash(Format::Jsonl, "{ }\n"));
    assert_eq!(csv("a,b\n1,2\n"), csv("a,b\n5,6\n\"1\",2"));
    assert_ne!(csv("a,b\n12,3\n"), csv("a,b\n1,23\n"));
    assert_ne!(csv("ab,c\n1,2\n"), csv("a,bc\n1,2\n"));
}

#[test]
fn a_fault_found_later_makes_an_unreadable_of_a_record() {
    let items = read(Format::Jsonl, b"{}\n{\"a\":\n").unwrap();
    let record = record(&items[1]).clone();
    let fault = record.object().unwrap_err();
    let unreadable = record.into_unreadable(fault);
    assert_eq!(unreadable.fault.message, "malformed JSON: EOF while parsing a value (line 2, byte 7)");
    assert_eq!((&unreadable.raw[..], unreadable.raw_len, unreadable.breaks_off), (&b"{\"a\":"[..], 5, false));
}

#[test]
fn a_row_told_as_an_object_is_that_object_and_no_row() {
    let items = read(Format::Csv, b"name,size\na,\"1\"\"\"\n").unwrap();
    let row = record(&items[0]);
    let mut text = Vec::new();
    row.write_json(&mut text);
    let content = Content::CellObject { text: text.clone().into(), kind: CellFormat::Csv };
    let told = Record { content, ..row.clone() };
    assert_eq!((told.object(), told.len_bytes()), (row.object(), text.len()));
    assert_eq!(told.content.cell_format(), row.content.cell_format());
    let mut again = Vec::new();
    told.write_json(&mut again);
    assert_eq!(again, text);
    let json = Record { content: Content::Json(text.into()), ..row.clone() };
    let hashes = [row, &told, &json].map(Record::content_hash);
    assert!(hashes[0] != hashes[1] && hashes[1] != hashes[2] && hashes[0] != hashes[2]);
    assert_eq!(json.content.cell_format(), None);
}
