//! All inputs of a run, one after another: checked before the first record, opened when their turn comes.
//!
//! It does not know what a format looks like inside; it knows names, files and the order of things.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    Error, Header, Item,
    reader::{Origin, Reader},
    stream::Stream,
};

/// The records of all inputs, in the order given.
///
/// ```
/// use roompipe::record::{Input, Inputs, Item, Settings};
///
/// let stdin = "{\"name\":\"standup\"}\n[]\n".as_bytes();
/// let inputs = Inputs::open_with(&[Input::Stdin], &Settings::default(), Box::new(stdin))?;
/// for item in inputs {
///     match item? {
///         Item::Record(record) => assert_eq!(record.object()?["name"], "standup"),
///         Item::Unreadable(unreadable) => assert_eq!(unreadable.position.line, 2),
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Inputs {
    waiting: VecDeque<Waiting>,
    current: Option<Reader>,
    stdin: Option<Box<dyn Read + Send>>,
    left: Option<u64>,
    headers: Vec<(Arc<str>, Arc<Header>)>,
    total: Option<u64>,
    read: Arc<AtomicU64>,
}

/// An input as it was named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Standard input.
    Stdin,
    /// A file, or anything else that can be opened by a path.
    File(PathBuf),
}

impl From<PathBuf> for Input {
    /// `-` is stdin.
    fn from(path: PathBuf) -> Self {
        if path.as_os_str() == "-" { Self::Stdin } else { Self::File(path) }
    }
}

/// The formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// One JSON object a line.
    Jsonl,
    /// An array of objects, or objects one after another with any white space.
    Json,
    /// Comma-separated cells under a header.
    Csv,
    /// Tab-separated cells under a header.
    Tsv,
}

impl Format {
    /// Every format, in the order in which help names them.
    pub const ALL: [Self; 4] = [Self::Jsonl, Self::Json, Self::Csv, Self::Tsv];

    /// The word used in flags and files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
        }
    }
}

/// How inputs are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The format of every input; without it name or first byte tell.
    pub format: Option<Format>,
    /// What separates the cells of CSV and TSV, instead of comma and tab.
    pub csv_delimiter: Option<u8>,
    /// How many bytes the text of a record may have.
    pub max_record_bytes: usize,
    /// How many items are read from all inputs together; unreadable ones count.
    pub limit: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { format: None, csv_delimiter: None, max_record_bytes: 8 * 1024 * 1024, limit: None }
    }
}

/// An input whose turn has not come.
struct Waiting {
    input: Input,
    origin: Origin,
    /// As it was when all inputs were checked.
    header: Option<Arc<Header>>,
}

impl Inputs {
    /// Checks the inputs: files must be there, and the headers of regular files must be fit for use.
    ///
    /// Stdin and pipes are opened and checked when their turn comes, because that may mean to wait.
    ///
    /// # Errors
    /// An input cannot be read at all, so that no record should be handed out.
    pub fn open(inputs: &[Input], settings: &Settings) -> Result<Self, Error> {
        Self::open_with(inputs, settings, Box::new(io::stdin()))
    }

    /// One record that stands in no input: a JSON object, under the name that events are to give as its source.
    ///
    /// # Errors
    /// None for a text on one line.
    pub fn of_one(source: &str, json: &'static str) -> Result<Self, Error> {
        let settings = Settings { format: Some(Format::Jsonl), ..Settings::default() };
        let mut one = Self::open_with(&[Input::Stdin], &settings, Box::new(json.as_bytes()))?;
        for waiting in &mut one.waiting {
            waiting.origin.source = source.into();
        }
        Ok(one)
    }

    /// Like [`Self::open`], with something else in place of stdin.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn open_with(
        inputs: &[Input],
        settings: &Settings,
        stdin: Box<dyn Read + Send>,
    ) -> Result<Self, Error> {
        if let Some(delimiter) = settings.csv_delimiter
            && (!delimiter.is_ascii() || matches!(delimiter, b'"' | b'\n' | b'\r'))
        {
            return Err(Error::Delimiter { delimiter });
        }
        if inputs.iter().filter(|input| **input == Input::Stdin).count() > 1 {
            return Err(Error::StdinTwice);
        }
        let mut opened = Self {
            waiting: VecDeque::with_capacity(inputs.len()),
            current: None,
            stdin: Some(stdin),
            left: settings.limit,
            headers: Vec::new(),
            total: Some(0),
            read: Arc::default(),
        };
        for (ordinal, input) in (0..).zip(inputs) {
            opened.check(input, Origin::new(ordinal, input, settings))?;
        }
        Ok(opened)
    }

    fn check(&mut self, input: &Input, origin: Origin) -> Result<(), Error> {
        let mut header = None;
        let size = match input {
            Input::Stdin => None,
            Input::File(path) => {
                let name = || origin.source.to_string();
                let kind = fs::metadata(path).map_err(|source| Error::Open { name: name(), source })?;
                if kind.is_dir() {
                    return Err(Error::Directory { name: name() });
                }
                if kind.is_file() {
                    // Closed again: there may be more inputs than files may be open at once.
                    let reader = open_file(path, &origin, Arc::default())?;
                    header = reader.header().cloned();
                }
                kind.is_file().then_some(kind.len())
            }
        };
        self.total = self.total.zip(size).map(|(total, size)| total + size);
        self.headers.extend(header.iter().map(|header| (origin.source.clone(), header.clone())));
        self.waiting.push_back(Waiting { input: input.clone(), origin, header });
        Ok(())
    }

    fn open_next(&mut self, next: &Waiting) -> Result<Reader, Error> {
        let mut reader = match &next.input {
            Input::File(path) => open_file(path, &next.origin, self.read.clone())?,
            Input::Stdin => {
                let stdin = self.stdin.take().unwrap_or_else(|| Box::new(io::empty()));
                open_stream(stdin, &next.origin, self.read.clone())?
            }
        };
        if let Some(checked) = &next.header {
            reader
                .share_header(checked)
                .map_err(|()| Error::HeaderChanged { name: next.origin.source.to_string() })?;
        }
        Ok(reader)
    }

    /// The headers of the CSV and TSV files that could be checked, by source; those of stdin and pipes come with
    /// their first record.
    #[must_use]
    pub fn headers(&self) -> &[(Arc<str>, Arc<Header>)] {
        &self.headers
    }

    /// The header of the input that was read last, where it has one.
    #[must_use]
    pub fn header(&self) -> Option<&Arc<Header>> {
        self.current.as_ref().and_then(Reader::header)
    }

    /// How many bytes all inputs have as they lie on disk; unknown when one of them is stdin or a pipe.
    #[must_use]
    pub fn total_bytes(&self) -> Option<u64> {
        self.total
    }

    /// How many bytes have been read, to compare with [`Self::total_bytes`].
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// The counter behind [`Self::bytes_read`], for a thread that watches while another one reads.
    #[must_use]
    pub fn bytes_read_counter(&self) -> Arc<AtomicU64> {
        self.read.clone()
    }
}

impl Iterator for Inputs {
    type Item = Result<Item, Error>;

    /// The next item, waiting for it; after an error there is none.
    fn next(&mut self) -> Option<Self::Item> {
        while self.left != Some(0) {
            if let Some(item) = self.current.as_mut().and_then(Reader::next) {
                self.left = self.left.map(|left| left - 1);
                return Some(Ok(item));
            }
            self.current = None;
            let next = self.waiting.pop_front()?;
            match self.open_next(&next) {
                Ok(reader) => self.current = Some(reader),
                Err(error) => {
                    self.waiting.clear();
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl Origin {
    fn new(ordinal: u32, input: &Input, settings: &Settings) -> Self {
        let (source, format) = match input {
            Input::Stdin => ("stdin".into(), None),
            Input::File(path) => (path.to_string_lossy().into(), format_by_name(path)),
        };
        Self {
            input: ordinal,
            source,
            format: settings.format.or(format),
            delimiter: settings.csv_delimiter,
            max_record_bytes: settings.max_record_bytes,
        }
    }
}

fn format_by_name(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
    let name = name.strip_suffix(".gz").or(name.strip_suffix(".zst")).unwrap_or(&name);
    match name.rsplit_once('.')?.1 {
        "ndjson" => Some(Format::Jsonl),
        ending => Format::ALL.into_iter().find(|format| format.as_str() == ending),
    }
}

fn open_file(path: &Path, origin: &Origin, read: Arc<AtomicU64>) -> Result<Reader, Error> {
    let file = File::open(path).map_err(|source| Error::Open { name: origin.source.to_string(), source })?;
    open_stream(Box::new(file), origin, read)
}

fn open_stream(bytes: Box<dyn Read + Send>, origin: &Origin, read: Arc<AtomicU64>) -> Result<Reader, Error> {
    let stream = Stream::open(bytes, read).map_err(|_| Error::Utf16 { name: origin.source.to_string() })?;
    Reader::open(origin.clone(), stream)
}
