//! JSON values one after another, or the elements of an array: cut without being parsed, in constant memory.
//!
//! serde_json reads no array element by element, so the cutting is ours: it follows strings and brackets and leaves
//! everything else to whoever parses the piece. An array at the top is spread, so that a file may hold one array,
//! several, or a sequence of objects. An element is handed out with its closing bracket, before its comma has come.

use memchr::memchr2;

use super::{
    piece::{Framing, Step},
    stream::Place,
};

/// Cuts behind values.
#[derive(Debug)]
pub(super) struct Values {
    spot: Spot,
    array: Place,
    value: Option<Value>,
    complaint: Option<Complaint>,
}

/// Where between two values the framing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spot {
    /// Outside of any array.
    Top,
    /// Behind the bracket that opens an array.
    Opened,
    /// Behind a comma.
    Comma,
    /// Behind an element.
    Element,
}

/// A value that has begun.
#[derive(Clone, Copy, Debug)]
enum Value {
    /// An object or array, and what of it is open. Two counts notice less than a stack of brackets would, but need
    /// no memory, and what they miss the parser finds.
    Nested { curly: u64, square: u64, string: bool, escaped: bool },
    /// A string.
    String { escaped: bool },
    /// A number, a word, or nonsense.
    Token,
}

/// What is wrong with the array around a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Complaint {
    /// No comma before it.
    MissingComma,
    /// Nothing before a comma or behind the last one.
    MissingElement,
    /// It has a closing bracket of the wrong kind, behind which nothing can be told.
    Mismatch,
}

impl Values {
    pub(super) fn new() -> Self {
        Self { spot: Spot::Top, array: Place { line: 1, byte: 0 }, value: None, complaint: None }
    }

    /// What is wrong with the array around the last piece.
    pub(super) fn complaint(&self) -> Option<Complaint> {
        self.complaint
    }

    /// Where the array begins that is not closed yet.
    pub(super) fn open_array(&self) -> Option<Place> {
        (self.spot != Spot::Top).then_some(self.array)
    }

    /// True where the end of the input can only be the end of the value too: a number or word outside of arrays.
    pub(super) fn may_end(&self) -> bool {
        self.spot == Spot::Top && matches!(self.value, None | Some(Value::Token))
    }

    fn between(&mut self, bytes: &[u8], place: Place) -> Step {
        let blank = bytes.len() - bytes.trim_ascii_start().len();
        if blank > 0 {
            return Step::Skip(blank);
        }
        self.complaint = None;
        match (self.spot, bytes[0]) {
            (Spot::Top, b'[') => {
                self.array = place;
                self.spot = Spot::Opened;
                return Step::Skip(1);
            }
            (Spot::Opened | Spot::Element, b']') => {
                self.spot = Spot::Top;
                return Step::Skip(1);
            }
            (Spot::Element, b',') => {
                self.spot = Spot::Comma;
                return Step::Skip(1);
            }
            (Spot::Comma, b']') | (Spot::Opened | Spot::Comma, b',') => {
                return self.end(0, Some(Complaint::MissingElement));
            }
            (Spot::Opened | Spot::Comma | Spot::Element, b'}') => {
                return self.end(1, Some(Complaint::Mismatch));
            }
            (Spot::Element, _) => self.complaint = Some(Complaint::MissingComma),
            _ => {}
        }
        self.begin(bytes)
    }

    fn begin(&mut self, bytes: &[u8]) -> Step {
        let (value, skip) = match bytes[0] {
            // The bracket itself is counted by `nested`.
            b'{' | b'[' => (Value::Nested { curly: 0, square: 0, string: false, escaped: false }, 0),
            b'"' => (Value::String { escaped: false }, 1),
            _ => (Value::Token, 1),
        };
        self.value = Some(value);
        self.within(bytes, skip, value)
    }

    fn within(&mut self, bytes: &[u8], from: usize, value: Value) -> Step {
        match value {
            Value::Nested { curly, square, string, escaped } => {
                self.nested(bytes, [curly, square], string, escaped)
            }
            Value::String { mut escaped } => match string_end(bytes, from, &mut escaped) {
                Some(end) => self.end(end, None),
                None => {
                    self.value = Some(Value::String { escaped });
                    Step::Take(bytes.len())
                }
            },
            Value::Token => match bytes[from..].iter().position(|byte| ends_token(*byte)) {
                Some(end) => self.end(from + end, None),
                None => Step::Take(bytes.len()),
            },
        }
    }

    fn nested(&mut self, bytes: &[u8], open: [u64; 2], mut string: bool, mut escaped: bool) -> Step {
        let [mut curly, mut square] = open;
        let mut at = 0;
        while at < bytes.len() {
            if string {
                let Some(end) = string_end(bytes, at, &mut escaped) else { break };
                string = false;
                at = end;
                continue;
            }
            let byte = bytes[at];
            at += 1;
            match byte {
                b'"' => string = true,
                b'{' => curly += 1,
                b'[' => square += 1,
                b'}' | b']' => {
                    let open = if byte == b'}' { &mut curly } else { &mut square };
                    let Some(left) = open.checked_sub(1) else {
                        return self.end(at, Some(Complaint::Mismatch));
                    };
                    *open = left;
                    if curly == 0 && square == 0 {
                        return self.end(at, None);
                    }
                }
                _ => {}
            }
        }
        self.value = Some(Value::Nested { curly, square, string, escaped });
        Step::Take(bytes.len())
    }

    fn end(&mut self, count: usize, complaint: Option<Complaint>) -> Step {
        self.value = None;
        self.complaint = complaint.or(self.complaint);
        if self.spot != Spot::Top {
            self.spot = Spot::Element;
        }
        Step::Last(count)
    }
}

impl Framing for Values {
    fn step(&mut self, bytes: &[u8], place: Place) -> Step {
        match self.value {
            Some(value) => self.within(bytes, 0, value),
            None => self.between(bytes, place),
        }
    }
}

/// The index behind the quote that closes a string; `escaped` says whether a backslash stands before the first byte,
/// and afterwards whether one stands at the end.
fn string_end(bytes: &[u8], mut at: usize, escaped: &mut bool) -> Option<usize> {
    if *escaped {
        *escaped = false;
        at += 1;
    }
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at + 1);
        }
        at += 2;
        if at > bytes.len() {
            *escaped = true;
            return None;
        }
    }
}

fn ends_token(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b',' | b':' | b'{' | b'}' | b'[' | b']' | b'"')
}
