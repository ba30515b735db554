//! Several inputs: what is checked before the first record, and in which order they are read.

use std::{fs, path::Path};

use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn inputs(&self, names: &[&str]) -> Vec<Input> {
        names
            .iter()
            .map(|name| if *name == "-" { Input::Stdin } else { Input::File(self.path().join(name)) })
            .collect()
    }

    fn open(&self, names: &[&str]) -> Result<Inputs, Error> {
        let stdin = &b"{\"stdin\":1}\n"[..];
        Inputs::open_with(&self.inputs(names), &Settings::default(), Box::new(stdin))
    }
}

#[test]
fn names_tell_the_format_less_the_compression() {
    let (jsonl, json) = (&b"{}\n[]\n"[..], &b"{\n}[{}]"[..]);
    let (csv, tsv) = (&b"a,b\n1,2\n"[..], &b"a\tb\n1\t2\n"[..]);
    let (lines, values) = (["{}", "!not_an_object []"], ["{}", "{}"]);
    let row = ["{\"a\":\"1\",\"b\":\"2\"}"];
    let table: &[(&str, &[u8], &[&str])] = &[
        ("x.jsonl", jsonl, &lines),
        ("x.NDJSON", jsonl, &lines),
        ("x.jsonl.gz", &gzip(jsonl), &lines),
        ("x.json", json, &values),
        ("x.json.zst", &zstd(json), &values),
        ("x.csv", csv, &row),
        ("not-packed.csv.gz", csv, &row),
        ("packed.csv", &gzip(csv), &row),
        ("x.tsv", tsv, &row),
        ("x.tsv.zst", &zstd(tsv), &row),
        ("told-by-content", jsonl, &lines),
        ("told.by-content.gz", &gzip(b" [{},{}]"), &values),
    ];
    for (name, bytes, expected) in table {
        let folder = Folder::new(&[(name, bytes)]);
        let items: Vec<_> = folder.open(&[name]).unwrap().map(Result::unwrap).collect();
        let shown = all_shown(&items);
        let contents: Vec<_> = shown.iter().map(|item| item.splitn(3, ' ').nth(2).unwrap()).collect();
        assert_eq!(contents, *expected, "{name}");
    }
}

#[test]
fn inputs_are_read_in_order_and_numbered_each() {
    let folder = Folder::new(&[("a.jsonl", b"{}\n{}\n"), ("b.csv", b"x\n1\n")]);
    let inputs = folder.open(&["a.jsonl", "-", "b.csv", "a.jsonl"]).unwrap();
    let places: Vec<_> = inputs
        .map(|item| {
            let Position { input, source, number, .. } = item.unwrap().position().clone();
            let name = Path::new(&*source).file_name().unwrap().to_string_lossy().into_owned();
            format!("{input} {name} {number}")
        })
        .collect();
    assert_eq!(
        places,
        ["0 a.jsonl 1", "0 a.jsonl 2", "1 stdin 1", "2 b.csv 1", "3 a.jsonl 1", "3 a.jsonl 2"]
    );
}

#[test]
fn one_bad_file_is_told_before_the_first_record_of_any() {
    let folder = Folder::new(&[
        ("good.jsonl", b"{}\n"),
        ("twice.csv", b"a,a\n1,2\n"),
        ("what", b"id\n1\n"),
        ("wide.csv", b"\xff\xfea\0"),
        ("cut.csv.gz", &gzip(b"a,b\n1,2\n")[..11]),
    ]);
    fs::create_dir(folder.path().join("folder")).unwrap();
    for (name, expected) in [
        ("missing.jsonl", "open `"),
        ("folder", "it is a directory"),
        ("twice.csv", "columns 1 and 2 are both named `a`"),
        ("what", "it begins with `i`"),
        ("wide.csv", "UTF-16"),
        ("cut.csv.gz", "read `"),
    ] {
        let error = folder.open(&["good.jsonl", name]).err().unwrap();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    let error = folder.open(&["-", "good.jsonl", "-"]).err().unwrap();
    assert!(matches!(error, Error::StdinTwice));
}

#[test]
fn headers_are_known_at_open_and_shared_by_the_rows() {
    let folder =
        Folder::new(&[("a.csv", b"x,y\n1,2\n"), ("b.jsonl", b"{}\n"), ("c.tsv", b"z\n1\n"), ("d.csv", b"")]);
    let mut inputs = folder.open(&["a.csv", "b.jsonl", "c.tsv", "d.csv"]).unwrap();
    let names: Vec<_> = inputs.headers().iter().map(|(_, header)| header.names().join(" ")).collect();
    assert_eq!(names, ["x y", "z"]);
    let Content::Cells { header, .. } = record(&inputs.next().unwrap().unwrap()).content.clone() else {
        panic!()
    };
    assert!(Arc::ptr_eq(&header, &inputs.headers()[0].1));
}

#[test]
fn a_file_that_changed_its_header_or_went_away_since_is_an_error() {
    let folder = Folder::new(&[("a.csv", b"x\n1\n"), ("b.jsonl", b"{}\n")]);
    let (mut changed, mut gone) =
        (folder.open(&["a.csv"]).unwrap(), folder.open(&["b.jsonl", "a.csv"]).unwrap());
    fs::write(folder.path().join("a.csv"), "y\n1\n").unwrap();
    fs::remove_file(folder.path().join("b.jsonl")).unwrap();
    assert!(matches!(changed.next(), Some(Err(Error::HeaderChanged { .. }))));
    assert!(matches!(gone.next(), Some(Err(Error::Open { .. }))));
    assert!(gone.next().is_none());
}

#[test]
fn the_limit_counts_over_all_inputs() {
    let folder = Folder::new(&[("a.jsonl", b"{}\n3\n{}\n"), ("b.jsonl", b"{}\n{}\n")]);
    for (limit, expected) in [(None, 5), (Some(0), 0), (Some(2), 2), (Some(4), 4), (Some(9), 5)] {
        let settings = Settings { limit, ..Settings::default() };
        let inputs = Inputs::open(&folder.inputs(&["a.jsonl", "b.jsonl"]), &settings).unwrap();
        assert_eq!(inputs.count(), expected, "{limit:?}");
    }
}

#[test]
fn bytes_are_counted_as_they_lie_on_disk() {
    let packed = gzip(&b"{}\n".repeat(1000));
    let folder = Folder::new(&[("a.jsonl", b"{}\n"), ("b.jsonl.gz", &packed)]);
    let mut inputs = folder.open(&["a.jsonl", "b.jsonl.gz"]).unwrap();
    let total = 3 + packed.len() as u64;
    let watched = inputs.bytes_read_counter();
    assert_eq!((inputs.total_bytes(), inputs.bytes_read()), (Some(total), 0));
    assert_eq!(inputs.by_ref().count(), 1001);
    assert_eq!((inputs.bytes_read(), watched.load(std::sync::atomic::Ordering::Relaxed)), (total, total));
    assert_eq!(folder.open(&["a.jsonl", "-"]).unwrap().total_bytes(), None);
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_opened_when_its_turn_comes() {
    let pipe = tempfile::tempdir().unwrap();
    let pipe = pipe.path().join("pipe.csv");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Opening the pipe would wait for its writer, who comes only afterwards.
    let mut inputs = Inputs::open(&[Input::File(pipe.clone())], &Settings::default()).unwrap();
    assert_eq!((inputs.total_bytes(), inputs.headers().len()), (None, 0));
    let writer = std::thread::spawn(move || fs::write(pipe, "a,a\n1,2\n"));
    assert!(matches!(inputs.next(), Some(Err(Error::Header { .. }))));
    drop(inputs);
    writer.join().unwrap().unwrap();
}

#[test]
fn an_input_that_breaks_off_does_not_keep_the_next_from_being_read() {
    let folder = Folder::new(&[("a.json", b"[{}"), ("b.jsonl", b"{}\n")]);
    let items: Vec<_> = folder.open(&["a.json", "b.jsonl"]).unwrap().map(Result::unwrap).collect();
    assert_eq!(all_shown(&items), ["1 1:1 {}", "2 1:0 !broken_off off ", "1 1:0 {}"]);
}

#[test]
fn inputs_can_be_read_on_another_thread() {
    fn sent<T: Send + 'static>(_: &T) {}
    let inputs = Inputs::open_with(&[], &Settings::default(), Box::new(io::empty())).unwrap();
    sent(&inputs);
    assert_eq!(inputs.count(), 0);
    assert_eq!(
        [Input::from(std::path::PathBuf::from("-")), Input::from(std::path::PathBuf::from("./-"))],
        [Input::Stdin, Input::File("./-".into())]
    );
}
