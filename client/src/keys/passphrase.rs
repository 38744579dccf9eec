//! Passphrases: from a file or a terminal, never from the command line, never a hang.

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::KeyError;

/// Fewest characters of a new passphrase.
const SHORTEST: usize = 8;
/// Longest passphrase in bytes.
const LONGEST: usize = 1024;

/// A passphrase. Zeroised when dropped, prints as nothing.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

impl Passphrase {
    /// The passphrase `text`.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(super) fn secret(&self) -> age::secrecy::SecretString {
        self.0.as_str().to_owned().into()
    }

    fn is(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

/// Where a passphrase comes from.
#[derive(Clone, Debug)]
pub enum PassphraseSource {
    /// The first line of a file; `-` is standard input.
    File(PathBuf),
    /// The terminal.
    Terminal,
    /// This one.
    Given(Passphrase),
}

impl From<Option<PathBuf>> for PassphraseSource {
    fn from(file: Option<PathBuf>) -> Self {
        file.map_or(Self::Terminal, Self::File)
    }
}

impl PassphraseSource {
    /// The passphrase of an existing file; `what` completes "Passphrase of ...".
    ///
    /// # Errors
    /// When the file can't be used, or there is nobody to ask.
    pub fn obtain(&self, what: &Path) -> Result<Passphrase, KeyError> {
        match self {
            Self::File(path) => from_file(path),
            Self::Given(passphrase) => Ok(passphrase.clone()),
            Self::Terminal => ask(
                &format!("Passphrase of {}: ", what.display()),
                "the passphrase of the key file",
            ),
        }
    }

    /// A passphrase for a new file; typed twice on a terminal.
    ///
    /// # Errors
    /// As [`PassphraseSource::obtain`], and when the passphrase is short.
    pub fn obtain_new(&self, what: &Path) -> Result<Passphrase, KeyError> {
        let passphrase = match self {
            Self::File(path) => from_file(path)?,
            Self::Given(passphrase) => passphrase.clone(),
            Self::Terminal => {
                let first = ask(
                    &format!("New passphrase for {}: ", what.display()),
                    "a passphrase for the new file",
                )?;
                let again = ask("The same again: ", "a passphrase for the new file")?;
                if !first.is(&again) {
                    return Err(KeyError::Mismatch);
                }
                first
            }
        };
        if passphrase.0.chars().count() < SHORTEST {
            Err(KeyError::TooShort(SHORTEST))
        } else {
            Ok(passphrase)
        }
    }
}

/// Asks on the terminal, if standard input and standard error are one: a job that runs unattended must never wait.
fn ask(prompt: &str, what: &'static str) -> Result<Passphrase, KeyError> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(KeyError::NoTerminal { what });
    }
    rpassword::prompt_password(prompt).map(Passphrase::new).map_err(KeyError::Terminal)
}

fn from_file(path: &Path) -> Result<Passphrase, KeyError> {
    let wrong = |reason: String| KeyError::PassphraseFile { path: path.to_owned(), reason };
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 3));
    let limit = LONGEST as u64 + 2;
    let read = if path.as_os_str() == "-" {
        io::stdin().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    read.map_err(|e| wrong(e.to_string()))?;
    first_line(&bytes).map(Passphrase::new).map_err(|reason| wrong(reason.to_owned()))
}

fn first_line(bytes: &[u8]) -> Result<String, &'static str> {
    let line = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err("its first line is empty");
    }
    if line.len() > LONGEST {
        return Err("its first line is longer than 1024 bytes");
    }
    String::from_utf8(line.to_vec()).map_err(|e| {
        e.into_bytes().zeroize();
        "its first line is not UTF-8"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_counts() {
        for (bytes, line) in [
            (&b"correct horse"[..], "correct horse"),
            (b"correct horse\n", "correct horse"),
            (b"correct horse\r\nmore\n", "correct horse"),
            (b" spaces stay ", " spaces stay "),
        ] {
            assert_eq!(first_line(bytes), Ok(line.to_owned()));
        }
        for bad in [&b""[..], b"\n", b"\r\n", b"\xff\xfe", &[b'x'; LONGEST + 1]] {
            assert!(first_line(bad).is_err());
        }
    }

    #[test]
    fn short_passphrases_are_refused_and_none_is_printed() {
        let given = |text: &str| PassphraseSource::Given(Passphrase::new(text.into()));
        assert!(matches!(given("1234567").obtain_new(Path::new("k")), Err(KeyError::TooShort(8))));
        assert!(given("12345678").obtain_new(Path::new("k")).is_ok());
        assert_eq!(format!("{:?}", given("12345678")), "Given(Passphrase(..))");
    }
}
