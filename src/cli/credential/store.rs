//! The credentials file: where it is, who may read it, and how it is changed.
//!
//! It knows no credential. It is changed under a lock and replaced as a whole, so that a reader sees the old file or
//! the new one, and of several changes none is lost.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret as _, SecretString};

use super::document::Document;
use crate::cli::failure::Failure;
use crate::cli::preview::quoted;
use crate::exit::ExitCode;

/// A change takes milliseconds; who holds the lock for longer does not let go of it.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is longer is no file of ours.
const LONGEST: u64 = 4 * 1024 * 1024;

/// The file, be it there or not.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
}

impl Store {
    /// That of the user: below `$XDG_CONFIG_HOME`, or else below `~/.config` (XDG Base Directory Specification).
    pub(super) fn of_user() -> Result<Self, Failure> {
        let given = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
        // The specification has relative paths ignored.
        let folder = given
            .filter(|path| path.is_absolute())
            .or_else(|| {
                Some(std::env::home_dir().filter(|home| !home.as_os_str().is_empty())?.join(".config"))
            })
            .ok_or_else(|| {
                Failure::configuration("there is no home folder in which credentials could be stored")
                    .hint("set HOME or XDG_CONFIG_HOME")
            })?;
        Ok(Self { path: folder.join("roompipe").join("credentials.toml") })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it; one that is not there holds nothing.
    pub(super) fn load(&self) -> Result<Document, Failure> {
        let unreadable = |error: io::Error| {
            Failure::configuration(format!("failed to read `{}`: {error}", self.path.display()))
        };
        // A pipe would be waited for at its opening.
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Document::default()),
            Ok(metadata) if !metadata.is_file() => {
                return Err(unreadable(io::Error::other("it is not a file")));
            }
            _ => {}
        }
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Document::default()),
            Err(error) => {
                // Another user's file is most often this.
                fs::metadata(&self.path).map_or(Ok(()), |metadata| is_private(&self.path, &metadata))?;
                return Err(unreadable(error));
            }
        };
        // That of the open file: what is looked at is what is read.
        is_private(&self.path, &file.metadata().map_err(unreadable)?)?;
        let mut text = String::new();
        file.take(LONGEST).read_to_string(&mut text).map_err(unreadable)?;
        let text = SecretString::from(text);
        Document::parse(text.expose_secret()).map_err(|broken| {
            let (path, line, column) = (self.path.display(), broken.line, broken.column);
            Failure::configuration(format!("`{path}`, line {line}, column {column}: {}", broken.what))
                .hint("mend the line, which is not shown because it may hold a secret")
        })
    }

    /// Reads it, changes what it holds, and puts the new file in its place; nobody else does so meanwhile.
    pub(super) fn change<T>(
        &self,
        change: impl FnOnce(&mut Document) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.make_folder().map_err(|error| self.unwritable(&error))?;
        let _lock = self.lock()?;
        let mut document = self.load()?;
        let result = change(&mut document)?;
        self.replace(&document.to_text()).map_err(|error| self.unwritable(&error))?;
        Ok(result)
    }

    fn unwritable(&self, error: &io::Error) -> Failure {
        Failure::io(format!("cannot write `{}`: {error}", self.path.display()))
    }

    fn make_folder(&self) -> io::Result<()> {
        let Some(folder) = self.path.parent() else { return Ok(()) };
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::DirBuilderExt as _;
            builder.mode(0o700);
        }
        builder.create(folder)
    }

    /// The lock is the system's: it ends with the process. The file stays, for it may be locked by the next one already.
    fn lock(&self) -> Result<File, Failure> {
        let path = self.path.with_extension("toml.lock");
        let file = private().read(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|error| self.unwritable(&error))?;
        let since = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(error)) => return Err(self.unwritable(&error)),
                Err(TryLockError::WouldBlock) if since.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(TryLockError::WouldBlock) => {
                    let text = format!("`{}` is locked by another process", path.display());
                    return Err(Failure { exit: ExitCode::Stopped, ..Failure::io(text) });
                }
            }
        }
    }

    /// Writes a file beside it and renames that; the lock is held.
    fn replace(&self, text: &SecretString) -> io::Result<()> {
        // A link stays one: the file it leads to is replaced.
        let path = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        let new = path.with_extension("toml.new");
        // Of a process that was killed.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let written = (|| {
            let mut file = private().create_new(true).open(&new)?;
            file.write_all(text.expose_secret().as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &path)
        })();
        if written.is_err() {
            // It is there or not; the error that is told is the one before.
            let _ = fs::remove_file(&new);
        }
        written?;
        #[cfg(unix)]
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

/// Opens for writing what only the user may read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

/// A file of secrets is its user's own, and nobody else reads or writes it.
#[cfg(unix)]
fn is_private(path: &Path, metadata: &fs::Metadata) -> Result<(), Failure> {
    use std::os::unix::fs::MetadataExt as _;
    let (owner, ours) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != ours {
        let text = format!("`{}` belongs to another user ({owner}, not {ours})", path.display());
        return Err(Failure::configuration(text).hint("credentials are read from a file of your own only"));
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        let text = format!("`{}` is open to others (mode {mode:04o})", path.display());
        return Err(
            Failure::configuration(text).hint(format!("chmod 600 {}", quoted(&path.display().to_string())))
        );
    }
    Ok(())
}

/// Who may read a file is not told by a mode here.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it may refuse")]
fn is_private(_: &Path, _: &fs::Metadata) -> Result<(), Failure> {
    Ok(())
}
