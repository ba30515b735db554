//! Lists the endpoint templates that are embedded in the binary, sorted by path.
//!
//! It reads only names: what is in a template is checked when it is used, and by the tests.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=templates");
    println!("cargo::rerun-if-changed=build.rs");
    let mut entries = Vec::new();
    for group in sorted(Path::new("templates"))? {
        for file in sorted(&Path::new("templates").join(&group))? {
            if file.ends_with(".toml") {
                entries.push(format!(
                    "    (\"{group}/{file}\", include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/templates/{group}/{file}\"))),\n"
                ));
            }
        }
    }
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("templates.rs"), format!("&[\n{}]\n", entries.concat()))
}

fn sorted(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
