//! A part of the page that a command of its own writes: put in place of the one of the same heading, kept when the
//! rest is written anew.

use std::fs;
use std::path::Path;

use crate::Result;
use crate::limited;
use crate::others;
use crate::peers;
use crate::tls;

/// The headings of all such parts.
pub(crate) const OWN: [&str; 3] = [limited::HEADING, tls::HEADING, others::HEADING];

/// Puts a section into the page of this folder, which begins with its heading.
pub(crate) fn write(folder: &Path, section: &str) -> Result<()> {
    fs::create_dir_all(folder)?;
    let place = folder.join(peers::PAGE);
    let page = fs::read_to_string(&place).unwrap_or_else(|_| peers::PREFACE.to_owned());
    let heading = section.lines().next().ok_or("a section has a heading")?;
    let page = match find(&page, heading) {
        Some((from, to)) => {
            format!("{}{section}{}{}", &page[..from], if to < page.len() { "\n" } else { "" }, &page[to..])
        }
        None => format!("{}\n\n{section}", page.trim_end()),
    };
    fs::write(place, page)?;
    Ok(())
}

/// The section of this heading in the page of a folder.
pub(crate) fn read(folder: &Path, heading: &str) -> Option<String> {
    let page = fs::read_to_string(folder.join(peers::PAGE)).ok()?;
    find(&page, heading).map(|(from, to)| page[from..to].trim_end().to_owned())
}

/// From its heading to the next of the same rank.
fn find(page: &str, heading: &str) -> Option<(usize, usize)> {
    let from = page.find(&format!("\n{heading}\n"))? + 1;
    let to = page[from + 1..].find("\n## ").map_or(page.len(), |more| from + 1 + more + 1);
    Some((from, to))
}
