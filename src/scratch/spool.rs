//! Text that is put away until its turn comes to be told, in the order in which it was put there.
//!
//! It does not look inside.

use rusqlite::Connection;

use super::{Error, file};

/// Texts put away.
#[derive(Debug)]
pub struct Spool {
    connection: Connection,
}

impl Spool {
    /// A new file, which holds nothing.
    ///
    /// # Errors
    /// There is no place for it.
    pub fn new() -> Result<Self, Error> {
        Ok(Self {
            connection: file("CREATE TABLE texts (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT")?,
        })
    }

    /// Puts a text behind the others.
    ///
    /// # Errors
    /// The file cannot be used any more.
    pub fn push(&mut self, text: &str) -> Result<(), Error> {
        self.connection.prepare_cached("INSERT INTO texts (text) VALUES (?1)")?.execute([text])?;
        Ok(())
    }

    /// Hands out one text after another, until one is refused.
    ///
    /// # Errors
    /// That of `take`, or, as one made by `failed`, that the file cannot be used any more.
    pub fn each<E>(
        &self,
        mut take: impl FnMut(&str) -> Result<(), E>,
        failed: impl Fn(Error) -> E,
    ) -> Result<(), E> {
        let failed = |error: rusqlite::Error| failed(Error::from(error));
        let mut select = self.connection.prepare("SELECT text FROM texts ORDER BY id").map_err(&failed)?;
        let mut rows = select.query([]).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            let text = row.get_ref(0).map_err(&failed)?;
            take(text.as_str().map_err(|error| failed(error.into()))?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_as_they_were_put_away() {
        let mut spool = Spool::new().unwrap();
        let texts: Vec<String> = (0..3000).map(|n| format!("{n} é {}", "x".repeat(n % 7))).collect();
        texts.iter().for_each(|text| spool.push(text).unwrap());
        let mut back = Vec::new();
        let take = |text: &str| {
            back.push(text.to_owned());
            Ok::<_, Error>(())
        };
        spool.each(take, |error| error).unwrap();
        assert_eq!(back, texts);
        let mut count = 0;
        let refuse = |_: &str| {
            count += 1;
            if count < 3 { Ok(()) } else { Err("enough".to_owned()) }
        };
        assert_eq!(spool.each(refuse, |error| error.to_string()), Err("enough".to_owned()));
    }
}
