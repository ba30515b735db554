//! Mapping and rendering alone, as a process of its own, on one thread: what a run's reader does to make requests of a
//! file's records. Nobody sends them.

use std::io::{self, Write as _};
use std::path::PathBuf;

use roompipe::mapping::{Endpoint, Mapped, Mapping, Notes, Options};
use roompipe::record::{Format, Input, Inputs, Item, Settings};
use roompipe::template::Catalog;

use crate::Result;

/// Says how many requests there were, and the bytes of their bodies.
pub(crate) fn map_all(path: &str) -> Result<()> {
    let settings = Settings { format: Some(Format::Jsonl), ..Settings::default() };
    let inputs = Inputs::open(&[Input::File(PathBuf::from(path))], &settings)?;
    let template = Catalog::embedded().get("create-room")?;
    let endpoint = Endpoint::template("http://127.0.0.1/v2", template, None)?;
    let mapping = Mapping::compile(&Options::default(), endpoint)?;
    let mut notes = Notes::default();
    let (mut requests, mut bytes) = (0_u64, 0);
    for item in inputs {
        let Item::Record(record) = item? else { return Err("a line is no record".into()) };
        let object = record.object().map_err(|fault| fault.message)?;
        let Mapped::Calls(calls) = mapping.map(&record, object, &mut notes) else {
            return Err("a record makes no call".into());
        };
        for call in calls {
            let request = call.map_err(|invalid| invalid.sentence())?;
            requests += 1;
            bytes += request.body.map_or(0, |body| body.len());
        }
    }
    writeln!(io::stdout(), "{requests} {bytes}")?;
    Ok(())
}
