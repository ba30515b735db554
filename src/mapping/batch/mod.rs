//! Several records in one call: which belong together, and what their body is.
//!
//! Pure. `collect` puts records together until there are enough; here one body, or several, is made of them. It knows
//! no clock, no lane and no answer but that it can be taken apart by a program (`--batch-results`).

mod collect;

use serde_json::{Map, Value};

use crate::jq::{self, Program};

pub use collect::{Collector, Group, Place};

use super::endpoint::Endpoint;
use super::invalid::Invalid;
use super::masked;
use super::options::Error;
use super::request::Request;

/// How records are put together, as written.
#[derive(Clone, Debug, Default)]
pub struct BatchOptions {
    /// The most records of one call.
    pub size: usize,
    /// The most bytes of one body; a record that is longer by itself goes alone.
    pub bytes: Option<usize>,
    /// `array`, `property:NAME` or `jq:EXPR`.
    pub form: String,
    /// A JSON object: what stands beside the property.
    pub props: Option<String>,
    /// A jq program over the record: only records with the same value share a call.
    pub by: Option<String>,
    /// A jq program over the answer: one output for each record.
    pub results: Option<String>,
}

/// How records are put together, checked.
#[derive(Debug)]
pub struct Batching {
    size: usize,
    bytes: usize,
    form: Form,
    results: Option<Program>,
}

#[derive(Debug)]
enum Form {
    /// A JSON array of the records' bodies.
    Array,
    /// The same as a property of an object: what stands before the array, and what behind it is `}`.
    Property(Vec<u8>),
    /// The outputs of a program that sees the array.
    Program(Program),
}

impl Batching {
    /// Checks the options for an endpoint.
    ///
    /// # Errors
    /// The first thing that is wrong with them.
    pub(super) fn compile(options: &BatchOptions, endpoint: &Endpoint) -> Result<Self, Error> {
        if let Some(why) = endpoint.refuses_batches() {
            return Err(Error::NoBatches { endpoint: endpoint.name().to_owned(), why });
        }
        let program = |option: &str, text: &str| {
            Program::compile(text).map_err(|source| Error::Program { option: option.to_owned(), source })
        };
        let form = match options.form.split_once(':') {
            None if options.form == "array" => Form::Array,
            Some(("property", name)) if !name.is_empty() => {
                Form::Property(before(name, options.props.as_deref())?)
            }
            Some(("jq", text)) => Form::Program(program("--batch-as", text)?),
            _ => return Err(Error::BatchForm { text: options.form.clone() }),
        };
        if options.props.is_some() && !matches!(form, Form::Property(_)) {
            return Err(Error::PropsAlone);
        }
        let results = options.results.as_deref().map(|text| program("--batch-results", text)).transpose()?;
        Ok(Self { size: options.size.max(1), bytes: options.bytes.unwrap_or(usize::MAX), form, results })
    }

    /// Where records that were mapped are put together.
    #[must_use]
    pub fn collector<T>(&self) -> Collector<T> {
        let around = match &self.form {
            Form::Array | Form::Program(_) => "[]".len(),
            Form::Property(before) => before.len() + "]}".len(),
        };
        Collector::new(self.size, self.bytes.saturating_sub(around))
    }

    /// The most records of one call.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Makes the calls of records that belong together, given the call each would make alone. There is at least one
    /// call.
    ///
    /// # Errors
    /// The grouping program fails, or makes no body of them.
    pub fn assemble(&self, members: &[&Request]) -> Result<Vec<Request>, Invalid> {
        let Some(first) = members.first() else { return Ok(Vec::new()) };
        let call = |body: bytes::Bytes| Request {
            body: Some(body),
            effect: members.iter().fold(first.effect, |effect, member| effect.stricter(member.effect)),
            lane: None,
            group: None,
            ..(*first).clone()
        };
        match &self.form {
            Form::Array => Ok(vec![call(array(b"", members, b"").into())]),
            Form::Property(before) => Ok(vec![call(array(before, members, b"}").into())]),
            Form::Program(program) => {
                let refused = |why: &str| Invalid::program("--batch-as", why);
                // One by one: each may be nested as deep as can be read at all.
                let items = members.iter().map(|member| match &member.body {
                    Some(body) => serde_json::from_slice(body),
                    None => Ok(Value::Null),
                });
                let items: Vec<Value> =
                    items.collect::<Result<_, _>>().map_err(|error| refused(&error.to_string()))?;
                let outputs = program.run(jq::from_json_owned(Value::Array(items)));
                let bodies = outputs.map(|output| output.and_then(|output| jq::to_json(&output)));
                let bodies: Vec<Value> = bodies.collect::<Result<_, _>>().map_err(|why| refused(&why))?;
                if bodies.is_empty() {
                    return Err(refused("the program makes no body of these records"));
                }
                bodies.iter().map(|body| masked::fixed(body).map(call)).collect()
            }
        }
    }

    /// True where these calls of several records are longer than they may be, as only a grouping program can make them.
    #[must_use]
    pub fn is_too_long(&self, calls: &[Request]) -> bool {
        let is_long = |call: &Request| call.body.as_ref().is_some_and(|body| body.len() > self.bytes);
        matches!(self.form, Form::Program(_)) && calls.iter().any(is_long)
    }

    /// What an answer says of each of so many records, in their order. Nothing where answers are not taken apart.
    ///
    /// # Errors
    /// The program fails, or does not have one output for each record.
    #[must_use]
    pub fn results(&self, answer: &[u8], of: usize) -> Option<Result<Vec<Value>, String>> {
        let program = self.results.as_ref()?;
        Some(results(program, answer, of))
    }
}

fn results(program: &Program, answer: &[u8], of: usize) -> Result<Vec<Value>, String> {
    let answer: Value = serde_json::from_slice(answer).map_err(|_| "the answer is no JSON".to_owned())?;
    let mut results = Vec::with_capacity(of);
    // A batch may have more records than a record may have outputs.
    for output in program.run_up_to(of.max(jq::MAX_OUTPUTS), jq::from_json_owned(answer)) {
        results.push(jq::to_json(&output?)?);
    }
    if let [Value::Array(items)] = results.as_mut_slice()
        && (of != 1 || items.len() == 1)
    {
        results = std::mem::take(items);
    }
    match results.len() {
        found if found == of => Ok(results),
        found => Err(format!("it has {found} results for {of} records")),
    }
}

/// The object's beginning: the other properties, then the one that holds the records.
fn before(name: &str, props: Option<&str>) -> Result<Vec<u8>, Error> {
    let wrong = |why: String| Error::BatchProps { why };
    let props: Map<String, Value> = match props.map(serde_json::from_str) {
        None => Map::new(),
        Some(Ok(Value::Object(props))) => props,
        Some(Ok(_)) => return Err(wrong("it is not an object".to_owned())),
        Some(Err(error)) => return Err(wrong(error.to_string())),
    };
    if props.contains_key(name) {
        return Err(wrong(format!("`{name}` is the property that holds the records")));
    }
    let text = masked::fixed(&Value::Object(props)).map_err(|invalid| wrong(invalid.message))?;
    let mut before = text.to_vec();
    before.pop();
    if before.len() > 1 {
        before.push(b',');
    }
    before.extend_from_slice(Value::String(name.to_owned()).to_string().as_bytes());
    before.push(b':');
    Ok(before)
}

fn array(before: &[u8], members: &[&Request], behind: &[u8]) -> Vec<u8> {
    let bodies = || members.iter().map(|member| member.body.as_deref().unwrap_or(b"null"));
    let whole = before.len() + bodies().map(|body| body.len() + 1).sum::<usize>() + 2 + behind.len();
    let mut out = Vec::with_capacity(whole);
    out.extend_from_slice(before);
    out.push(b'[');
    for (i, body) in bodies().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(body);
    }
    out.push(b']');
    out.extend_from_slice(behind);
    out
}

#[cfg(test)]
mod tests;
