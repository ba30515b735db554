//! What `credential add` is given: typed on a terminal, or piped in.
//!
//! It stores nothing, and repeats nothing of what it cannot use.

use std::io::{ErrorKind, IsTerminal as _, Read as _, Write as _};

use secrecy::{ExposeSecret as _, SecretString};

use super::document::Stored;
use super::name::Name;
use crate::cli::failure::Failure;
use crate::cli::log;
use crate::exit::ExitCode;

/// More is no credential.
const LONGEST: u64 = 64 * 1024;

const ACCESS_KEY: &str = "HMS_ACCESS_KEY";
const SECRET: &str = "HMS_SECRET";
const MANAGEMENT_TOKEN: &str = "HMS_MANAGEMENT_TOKEN";

/// Asks for a credential, or reads one.
pub(super) fn read(name: &Name) -> Result<Stored, Failure> {
    if std::io::stdin().is_terminal() {
        return asked(name);
    }
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(LONGEST)
        .read_to_string(&mut text)
        .map_err(|error| Failure::configuration(format!("failed to read the credential: {error}")))?;
    from_text(&text)
}

fn asked(name: &Name) -> Result<Stored, Failure> {
    let unreadable =
        |error| Failure::usage(format!("nothing was typed: {error}")).hint("or pipe the credential in");
    let mut out = log::Stderr;
    write!(out, "Access key of `{name}` (empty for a ready token): ")?;
    let mut access_key = String::new();
    std::io::stdin().read_line(&mut access_key).map_err(unreadable)?;
    let access_key = access_key.trim();
    let prompt = if access_key.is_empty() { "Management token: " } else { "Secret: " };
    let secret = hidden(prompt).map_err(|error| match error.kind() {
        ErrorKind::Interrupted => {
            Failure { exit: ExitCode::Stopped, ..Failure::usage("interrupted: nothing is stored") }
        }
        _ => unreadable(error),
    })?;
    let secret = secret.expose_secret().trim();
    if access_key.is_empty() { token(secret) } else { key(access_key, secret) }
}

/// Reads a line that is not shown.
fn hidden(prompt: &str) -> std::io::Result<SecretString> {
    // A Ctrl-C is raised while the terminal is not as it was. Caught, it comes back as an error, after that is mended.
    #[cfg(unix)]
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    #[cfg(unix)]
    let _caught = {
        use tokio::signal::unix::{SignalKind, signal};
        let _inside = runtime.enter();
        signal(SignalKind::interrupt())?
    };
    rpassword::prompt_password(prompt).map(SecretString::from)
}

/// Reads what was piped in.
fn from_text(text: &str) -> Result<Stored, Failure> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.iter().any(|line| assignment(line).is_some()) {
        return from_assignments(&lines);
    }
    match lines[..] {
        [line] if is_three_parts(line) => token(line),
        // Not stored as a token, which half a key would be taken for otherwise.
        [_] => Err(Failure::configuration("one line is a ready management token, and this is none")
            .hint("an access key and its secret are two lines")),
        [access_key, secret] => key(access_key, secret),
        [] => Err(Failure::configuration("stdin holds no credential").hint(FORMS)),
        _ => Err(Failure::configuration("stdin holds more than two lines").hint(FORMS)),
    }
}

const FORMS: &str = "two lines (access key, secret), one line (a ready token), or HMS_…=… lines";

/// The variable that a line sets and its value, if it is one of ours.
fn assignment(line: &str) -> Option<(&'static str, &str)> {
    let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
    let (name, value) = line.split_once('=')?;
    let name = [ACCESS_KEY, SECRET, MANAGEMENT_TOKEN].into_iter().find(|known| *known == name.trim_end())?;
    let value = value.trim();
    let unquoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    Some((name, unquoted.unwrap_or(value)))
}

fn from_assignments(lines: &[&str]) -> Result<Stored, Failure> {
    let value = |name: &str| -> Result<Option<&str>, Failure> {
        let mut values = lines.iter().filter_map(|line| assignment(line)).filter(|(known, _)| *known == name);
        match (values.next(), values.next()) {
            (first, None) => Ok(first.map(|(_, value)| value)),
            _ => Err(Failure::configuration(format!("{name} is given twice"))),
        }
    };
    let half = |there: &str, missing: &str| {
        Failure::configuration(format!("{there} is given without {missing}")).hint(FORMS)
    };
    match (value(ACCESS_KEY)?, value(SECRET)?, value(MANAGEMENT_TOKEN)?) {
        (Some(access_key), Some(secret), None) => key(access_key, secret),
        (Some(_), None, None) => Err(half(ACCESS_KEY, SECRET)),
        (None, Some(_), None) => Err(half(SECRET, ACCESS_KEY)),
        (None, None, Some(ready)) => token(ready),
        _ => {
            Err(Failure::configuration("a key and a ready token are given, and a credential is one of them"))
        }
    }
}

fn key(access_key: &str, secret: &str) -> Result<Stored, Failure> {
    check("the access key", access_key)?;
    check("the secret", secret)?;
    if access_key.contains('=') {
        // Secrets end so; an access key is letters and digits.
        return Err(Failure::configuration("the access key holds a `=`, as no access key does")
            .hint("the access key comes first, then the secret"));
    }
    Ok(Stored::Key { access_key: access_key.to_owned(), secret: secret.into() })
}

fn token(ready: &str) -> Result<Stored, Failure> {
    let ready = ready.strip_prefix("Bearer ").unwrap_or(ready).trim_start();
    check("the token", ready)?;
    Ok(Stored::Token(ready.into()))
}

/// What no header and no signature takes is a mistake of copying.
fn check(what: &str, value: &str) -> Result<(), Failure> {
    let why = match value {
        "" => "is empty",
        _ if value.contains(|c: char| c.is_whitespace() || c.is_control()) => {
            "holds white space or control characters"
        }
        _ if !value.is_ascii() => "holds characters that are not ASCII",
        _ => return Ok(()),
    };
    Err(Failure::configuration(format!("{what} {why}")).hint("copy it once more from where it was made"))
}

/// The shape of a JWT (RFC 7519).
fn is_three_parts(line: &str) -> bool {
    let line = line.strip_prefix("Bearer ").unwrap_or(line);
    let is_part = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    line.split('.').count() == 3 && line.split('.').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts of what was read, laid open.
    fn parts(text: &str) -> Result<Vec<String>, Failure> {
        from_text(text).map(|stored| match stored {
            Stored::Key { access_key, secret } => vec![access_key, secret.expose_secret().to_owned()],
            Stored::Token(token) => vec![token.expose_secret().to_owned()],
        })
    }

    #[test]
    fn each_form_is_read() {
        for (text, expected) in [
            ("k1\ns3cret==\n", vec!["k1", "s3cret=="]),
            ("\u{feff}  k1\r\n\r\n\ts3cret==", vec!["k1", "s3cret=="]),
            ("aa.b-b.c_c\n", vec!["aa.b-b.c_c"]),
            ("Bearer aa.bb.cc", vec!["aa.bb.cc"]),
            (
                "export HMS_ACCESS_KEY=k1\nexport HMS_SECRET=s==\nexport ROOMPIPE_BASE_URL=http://h",
                vec!["k1", "s=="],
            ),
            ("# keys\nHMS_SECRET = \"s\"\nHMS_ACCESS_KEY='k1'", vec!["k1", "s"]),
            ("HMS_MANAGEMENT_TOKEN=opaque", vec!["opaque"]),
        ] {
            assert_eq!(parts(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_none_is_refused_and_not_repeated() {
        for (text, says) in [
            ("", "no credential"),
            ("\n \n", "no credential"),
            ("hush", "one line is a ready"),
            ("hush.hush", "one line is a ready"),
            ("hush.hush.hu sh", "one line is a ready"),
            ("k\nhush\nhush", "more than two lines"),
            ("k\nhush hush", "the secret holds white space"),
            ("k\nhush\u{1}", "the secret holds white space or control"),
            ("k\nhüsh", "the secret holds characters"),
            ("hush==\nk", "the access key holds a `=`"),
            ("HMS_ACCESS_KEY=k", "HMS_ACCESS_KEY is given without HMS_SECRET"),
            ("HMS_SECRET=hush", "HMS_SECRET is given without HMS_ACCESS_KEY"),
            ("HMS_ACCESS_KEY=k\nHMS_SECRET=", "the secret is empty"),
            ("HMS_ACCESS_KEY=k\nHMS_SECRET=hush\nHMS_SECRET=hush", "HMS_SECRET is given twice"),
            ("HMS_ACCESS_KEY=k\nHMS_MANAGEMENT_TOKEN=hush", "one of them"),
        ] {
            let failure = parts(text).unwrap_err();
            assert!(failure.message.contains(says), "{text}: {failure:?}");
            assert!(!format!("{failure:?}").contains("hush"), "{failure:?}");
        }
    }
}
