//! What cannot be read: said exactly, and read past where that is safe.

use super::*;

#[test]
fn json_lines_that_are_none() {
    check(
        Format::Jsonl,
        "{}\nhello\n{\"a\":}\n[1]\n3\n{}\n",
        &[
            "1 1:0 {}",
            "2 2:3 !malformed_json hello",
            "3 3:9 malformed_json",
            "4 4:16 !not_an_object [1]",
            "5 5:20 !not_an_object 3",
            "6 6:22 {}",
        ],
    );
    check(Format::Jsonl, "{\"a\":1", &["1 1:0 malformed_json"]);
    let items = read(Format::Jsonl, b"[\n").unwrap();
    let hint = unreadable(&items[0]).fault.hint.clone().unwrap();
    assert!(hint.contains("--format json"), "{hint}");
}

#[test]
fn arrays_with_one_bad_element_are_read_on() {
    check(
        Format::Json,
        "[{\"a\" 1}, 3, [1], \"x]\", {}]",
        &[
            "1 1:1 malformed_json",
            "2 1:10 !not_an_object 3",
            "3 1:13 !not_an_object [1]",
            "4 1:18 !not_an_object \"x]\"",
            "5 1:24 {}",
        ],
    );
    check(
        Format::Json,
        "[{} {\"b\":1},nope,{}]",
        &["1 1:1 {}", "2 1:4 !malformed_json {\"b\":1}", "3 1:12 !malformed_json nope", "4 1:17 {}"],
    );
    check(
        Format::Json,
        "[,{},,{},]",
        &[
            "1 1:1 !malformed_json ",
            "2 1:2 {}",
            "3 1:5 !malformed_json ",
            "4 1:6 {}",
            "5 1:9 !malformed_json ",
        ],
    );
    check(
        Format::Json,
        "[{}] x {}}",
        &["1 1:1 {}", "2 1:5 !malformed_json x", "3 1:7 {}", "4 1:9 !malformed_json }"],
    );
}

#[test]
fn an_array_or_value_never_closed_breaks_off_where_it_began() {
    check(Format::Json, "\n [{\"a\":1},\n", &["1 2:3 {\"a\":1}", "2 2:2 !broken_off off "]);
    check(Format::Json, "[{\"a\":1}", &["1 1:1 {\"a\":1}", "2 1:0 !broken_off off "]);
    check(Format::Json, "[", &["1 1:0 !broken_off off "]);
    check(Format::Json, "[{},\n{\"b\":[}, {}", &["1 1:1 {}", "2 2:5 !broken_off off {\"b\":[}, {}"]);
    check(Format::Json, "[{},{\"b\":\"x}]", &["1 1:1 {}", "2 1:4 !broken_off off {\"b\":\"x}]"]);
    check(Format::Json, "[{},{\"b\":\"x\\", &["1 1:1 {}", "2 1:4 !broken_off off {\"b\":\"x\\\\"]);
    check(Format::Json, "[{},tru", &["1 1:1 {}", "2 1:4 !broken_off off tru"]);
    check(Format::Json, "{} {\"a\":", &["1 1:0 {}", "2 1:3 !broken_off off {\"a\":"]);
}

#[test]
fn behind_a_bracket_of_the_wrong_kind_nothing_is_told() {
    check(Format::Json, "[{\"a\":1],{}]", &["1 1:1 !broken_off off {\"a\":1]"]);
    check(Format::Json, "[{}},{}]", &["1 1:1 {}", "2 1:3 !broken_off off }"]);
}

#[test]
fn ragged_rows_are_told_and_read_past() {
    check(
        Format::Csv,
        "a,b\n1\n1,2,3\n1,2\n",
        &["1 2:4 !ragged_row 1", "2 3:6 !ragged_row 1,2,3", "3 4:12 {\"a\":\"1\",\"b\":\"2\"}"],
    );
    let items = read(Format::Csv, b"a,b\n1\n").unwrap();
    assert_eq!(unreadable(&items[0]).fault.message, "a row of 1 cells under a header of 2 names");
}

#[test]
fn a_quote_never_closed_breaks_off_where_its_row_began() {
    check(
        Format::Csv,
        "a,b\n1,2\n3,\"4\n5,6\n",
        &["1 2:4 {\"a\":\"1\",\"b\":\"2\"}", "2 3:8 !broken_off off 3,\"4\\n5,6\\n"],
    );
}

#[test]
fn bytes_that_are_not_utf8() {
    let table: &[(Format, &[u8], &[&str])] = &[
        (Format::Jsonl, b"{\"a\":\"\xff\"}\n{}\n", &["1 1:0 !invalid_utf8 {\"a\":\"\\xff\"}", "2 2:10 {}"]),
        (Format::Json, b"[{\"a\":\"\xff\"},{}]", &["1 1:1 !invalid_utf8 {\"a\":\"\\xff\"}", "2 1:11 {}"]),
        (Format::Csv, b"a\n\xff\n1\n", &["1 2:2 !invalid_utf8 \\xff", "2 3:4 {\"a\":\"1\"}"]),
    ];
    for (format, text, expected) in table {
        assert_eq!(all_shown(&read(*format, text).unwrap()), *expected);
    }
    let items = read(Format::Jsonl, b"{}\n{\"a\":\"\xff\"}\n").unwrap();
    assert_eq!(unreadable(&items[1]).fault.message, "invalid UTF-8 (byte 9)");
}

#[test]
fn a_record_may_have_so_many_bytes_and_not_one_more() {
    let table: &[(Format, &str, &[&str])] = &[
        (Format::Jsonl, "{\"a\":\"\"}\n{\"a\":\"b\"}\n{}\n", &["{\"a\":\"\"}", "!9 {\"a\":\"b\"", "{}"]),
        (Format::Jsonl, "{\"a\":\"\"}\r\n{\"a\":\"b\"}\r\n{}", &["{\"a\":\"\"}", "!10 {\"a\":\"b\"", "{}"]),
        (Format::Json, "[{\"a\":\"\"},{\"a\":\"b\"},{}]", &["{\"a\":\"\"}", "!9 {\"a\":\"b\"", "{}"]),
        (
            Format::Csv,
            "a\n12345678\n\"34567\n9\"\n1\n",
            &["{\"a\":\"12345678\"}", "!9 \"34567\n9", "{\"a\":\"1\"}"],
        ),
    ];
    for (format, text, expected) in table {
        let settings = Settings { max_record_bytes: 8, ..settings(*format) };
        let items = read_all(&settings, Chunks::new([text.as_bytes()], Then::End)).unwrap();
        let shown: Vec<_> = items
            .iter()
            .map(|item| match item {
                Item::Record(record) => serde_json::to_string(&record.object().unwrap()).unwrap(),
                Item::Unreadable(Unreadable { fault, raw, raw_len, breaks_off, .. }) => {
                    assert_eq!((fault.code, *breaks_off), (Fault::RECORD_TOO_LARGE, false));
                    format!("!{raw_len} {}", std::str::from_utf8(raw).unwrap())
                }
            })
            .collect();
        assert_eq!(shown, *expected, "{text:?}");
    }
}

#[test]
fn an_endless_record_is_followed_without_being_held() {
    const LONG: u64 = 100 * 1024 * 1024;
    let table: &[(Format, &'static str, u8, &'static str)] = &[
        (Format::Jsonl, "{}\n{\"a\":\"", b'x', "\"}\n{}\n"),
        (Format::Json, "[{},{\"a\":\"", b'x', "\"},{}]"),
        (Format::Json, "[{},[", b' ', "],{}]"),
        (Format::Csv, "a\n\"\"\n\"", b'\n', "\"\n\"\"\n"),
    ];
    for (format, before, filling, after) in table {
        let text = before.as_bytes().chain(io::repeat(*filling).take(LONG)).chain(after.as_bytes());
        let items = read_all(&Settings { max_record_bytes: 1000, ..settings(*format) }, text).unwrap();
        let [first, long, last] = items.as_slice() else { panic!("{} items", items.len()) };
        let (_, long, _) = (record(first), unreadable(long), record(last));
        assert_eq!((long.fault.code, long.raw.len()), (Fault::RECORD_TOO_LARGE, 1000));
        assert!(long.raw_len > LONG, "{}", long.raw_len);
    }
}

#[test]
fn a_quote_never_closed_is_told_as_such_however_long_the_row() {
    let settings = Settings { max_record_bytes: 4, ..settings(Format::Csv) };
    let items = read_all(&settings, &b"a\n\"1234567"[..]).unwrap();
    assert_eq!(all_shown(&items), ["1 2:2 !broken_off off \"123"]);
    assert_eq!(unreadable(&items[0]).raw_len, 8);
}

#[test]
fn an_input_that_fails_gives_out_what_was_whole() {
    let table: &[(Option<Format>, &str, &[&str])] = &[
        (None, "", &["1 1:0 !broken_off off "]),
        (Some(Format::Json), "[{}", &["1 1:1 {}", "2 1:3 !broken_off off "]),
        (Some(Format::Json), "[{},{\"a\"", &["1 1:1 {}", "2 1:4 !broken_off off {\"a\""]),
        (Some(Format::Jsonl), "{}\n", &["1 1:0 {}", "2 2:3 !broken_off off "]),
        (Some(Format::Jsonl), "{}\n{}", &["1 1:0 {}", "2 2:3 !broken_off off {}"]),
        (Some(Format::Csv), "a\n1\n2", &["1 2:2 {\"a\":\"1\"}", "2 3:4 !broken_off off 2"]),
    ];
    for (format, text, expected) in table {
        let items = read_all(&settings(*format), Chunks::new([text.as_bytes()], Then::Fail)).unwrap();
        assert_eq!(all_shown(&items), *expected, "{text:?}");
        let fault = &unreadable(items.last().unwrap()).fault;
        assert_eq!(fault.message, "the input cannot be read further: the disk is on fire");
    }
}

#[test]
fn compressed_inputs_that_are_cut_or_damaged_break_off() {
    // Incompressible enough that a cut in the middle leaves some records whole.
    let text: String =
        (0..5000_u64).map(|i| format!("{{\"n\":{}}}\n", i.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    for bytes in [gzip(text.as_bytes()), zstd(text.as_bytes())] {
        for cut in [1, 3, bytes.len() / 2, bytes.len() - 20] {
            let items = read(Format::Jsonl, &bytes[..bytes.len() - cut]).unwrap();
            let (last, whole) = items.split_last().unwrap();
            let last = unreadable(last);
            assert_eq!((last.fault.code, last.breaks_off), (Fault::BROKEN_OFF, true));
            assert_eq!(last.fault.message, "the compressed input is cut off");
            for (line, item) in text.lines().zip(whole) {
                assert_eq!(serde_json::to_string(&record(item).object().unwrap()).unwrap(), line);
            }
            assert_eq!(last.position.number, whole.len() as u64 + 1);
        }
        let mut damaged = bytes;
        let middle = damaged.len() / 2;
        damaged[middle..middle + 8].fill(0xff);
        let items = read(Format::Jsonl, &damaged).unwrap();
        assert!(unreadable(items.last().unwrap()).breaks_off);
    }
}

#[test]
fn headers_that_cannot_be_used() {
    let table: &[(&[u8], &str)] = &[
        (b"a,b,a\n1,2,3\n", "read the header of `stdin` (line 1): columns 1 and 3 are both named `a`"),
        (b"\n\na,,b\n", "read the header of `stdin` (line 3): column 2 has no name"),
        (b"\n\r\n\n", "read the header of `stdin` (line 1): there is none, only blank lines"),
        (b"a,\xff\n", "read the header of `stdin` (line 1): it is not UTF-8"),
        (b"a,\"b\n1,2\n", "read the header of `stdin` (line 1): a quoted name is never closed"),
    ];
    for (text, message) in table {
        let error = read(Format::Csv, text).unwrap_err();
        assert_eq!(error.to_string(), *message);
        assert!(error.hint().is_some());
        assert_eq!(error.exit_code().number(), 78);
    }
    let settings = Settings { max_record_bytes: 2, ..settings(Format::Csv) };
    let error = read_all(&settings, &b"a,b\n"[..]).unwrap_err();
    assert!(matches!(error, Error::Header { problem: HeaderProblem::TooLarge { max: 2 }, .. }), "{error}");
    let error = read_all(&super::settings(Format::Csv), Chunks::new([&b"a,b"[..]], Then::Fail)).unwrap_err();
    assert!(matches!(error, Error::Read { .. }), "{error}");
}

#[test]
fn formats_that_cannot_be_told() {
    for (text, found) in [(&b"id,name\n"[..], "`i`"), (b" \n\"id\"\n", "`\"`"), (b"\x00", "byte 0x00")] {
        let error = read(None, text).unwrap_err();
        assert_eq!(error.to_string(), format!("tell the format of `stdin`: it begins with {found}"));
        assert!(error.hint().unwrap().contains("--format csv"));
    }
    for text in [&b"\xff\xfe{\0}\0"[..], b"\xfe\xff\0{\0}"] {
        for format in [None, Some(Format::Jsonl), Some(Format::Csv)] {
            let error = read(format, text).unwrap_err();
            assert!(matches!(error, Error::Utf16 { .. }) && error.hint().is_some(), "{error}");
        }
    }
}

#[test]
fn nothing_comes_behind_an_error() {
    let mut inputs = from_stdin(&settings(None), &b"id\n{}\n"[..]);
    assert!(inputs.next().unwrap().is_err());
    assert!(inputs.next().is_none());
}
