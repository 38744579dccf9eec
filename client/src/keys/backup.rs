//! Backups: a second age file in text form, and a sheet to print.
//!
//! The sheet is the same block between instructions and a check for each of its lines, so that a line that was typed in
//! wrongly is named. What [`Identity::restore`] reads may have anything around the block.

use std::path::Path;

use he_core::Digest;

use super::{Identity, KeyError, Protection, file};

const BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const END: &str = "-----END AGE ENCRYPTED FILE-----";
const CHECKS: &str = "line checks:";

/// Writes a backup of `identity` to the new file `out`, and a sheet to print to `paper`.
///
/// # Errors
/// When a file exists or can't be written, or a recipient is wrong.
pub fn write(
    identity: &Identity,
    protection: &Protection,
    out: &Path,
    paper: Option<&Path>,
) -> Result<(), KeyError> {
    if let Some(existing) = paper.filter(|p| p.symlink_metadata().is_ok()) {
        return Err(KeyError::Exists(existing.to_owned()));
    }
    let block = identity.armored(protection)?;
    file::create_private(out, block.as_bytes())?;
    match paper {
        Some(paper) => file::create_private(
            paper,
            sheet(&block, &identity.did().to_string(), protection).as_bytes(),
        ),
        None => Ok(()),
    }
}

/// The sheet.
fn sheet(block: &str, did: &str, protection: &Protection) -> String {
    let opener = match protection {
        Protection::Recipients(_) => "the age identity that it is encrypted to (--identity FILE)",
        _ => "the passphrase that was chosen for this backup",
    };
    let checks: Vec<String> =
        body(block).enumerate().map(|(i, line)| format!("{}={}", i + 1, check(line))).collect();
    let rows: Vec<String> = checks.chunks(6).map(|row| row.join("  ")).collect();
    format!(
        "hegwas key backup\n\nParty: {did}\n\n\
         To restore, type or scan everything from BEGIN to the line checks into a file and run\n\n    \
         hegwas key restore FILE --out me.key\n\n\
         It asks for {opener}. Whoever has both can read everything encrypted with this key.\n\n\
         {block}\n{CHECKS}\n{}\n",
        rows.join("\n")
    )
}

/// The lines between the markers.
fn body(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim)
        .skip_while(|l| *l != BEGIN)
        .skip(1)
        .take_while(|l| *l != END)
        .filter(|l| !l.is_empty())
}

/// Four hexadecimal digits that a mistyped line will hardly share.
fn check(line: &str) -> String {
    Digest::derive("hegwas v1 backup line check", line.as_bytes())
        .to_string()
        .chars()
        .take(4)
        .collect()
}

/// The age file in `bytes`: a whole binary one, or the block in a text. Bytes without either are returned as they are.
///
/// # Errors
/// When a line of the block is not what the sheet's line checks say.
pub fn block_of(bytes: &[u8]) -> Result<Vec<u8>, KeyError> {
    let Some(text) =
        std::str::from_utf8(bytes).ok().filter(|t| t.lines().any(|l| l.trim() == BEGIN))
    else {
        return Ok(bytes.to_vec());
    };
    let stated = text.lines().map(str::trim).skip_while(|l| *l != CHECKS).skip(1);
    let pairs = stated.flat_map(str::split_whitespace).filter_map(|word| word.split_once('='));
    for (number, expected) in pairs {
        let Ok(line) = number.parse::<usize>() else { continue };
        let found = line
            .checked_sub(1)
            .and_then(|i| body(text).nth(i))
            .map_or_else(|| "nothing".to_owned(), check);
        if !found.eq_ignore_ascii_case(expected) {
            // What is no check may be anything, a piece of the key too: it is not repeated.
            let is_check = expected.len() == 4 && expected.bytes().all(|b| b.is_ascii_hexdigit());
            let expected = if is_check { expected } else { "unreadable" }.to_owned();
            return Err(KeyError::Sheet { line, expected, found });
        }
    }
    let lines: Vec<&str> = body(text).collect();
    Ok(format!("{BEGIN}\n{}\n{END}\n", lines.join("\n")).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::{Passphrase, PassphraseSource};
    use super::*;

    fn made(folder: &Path) -> (Identity, PassphraseSource) {
        let me = Identity::generate(5).unwrap();
        let passphrase = Passphrase::new("paper passphrase".into());
        let protection = Protection::Passphrase(passphrase.clone());
        write(&me, &protection, &folder.join("b.age"), Some(&folder.join("b.txt"))).unwrap();
        (me, PassphraseSource::Given(passphrase))
    }

    #[test]
    fn file_and_sheet_restore_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let (me, passphrase) = made(folder.path());
        for name in ["b.age", "b.txt"] {
            let restored = Identity::restore(&folder.path().join(name), &passphrase, None).unwrap();
            assert_eq!(restored.did(), me.did(), "{name}");
            assert_eq!(restored.master().expose_bytes(), me.master().expose_bytes(), "{name}");
        }
        let again = write(
            &me,
            &Protection::None,
            &folder.path().join("c.age"),
            Some(&folder.path().join("b.txt")),
        );
        assert!(matches!(again, Err(KeyError::Exists(_))));
        assert!(
            !folder.path().join("c.age").exists(),
            "nothing is written when the sheet can't be"
        );
    }

    #[test]
    fn a_mistyped_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (_, passphrase) = made(folder.path());
        let path = folder.path().join("b.txt");
        let text = std::fs::read_to_string(&path).unwrap();
        let third = body(&text).nth(2).unwrap();
        let typo = format!("{}{}", if third.starts_with('A') { 'B' } else { 'A' }, &third[1..]);
        std::fs::write(&path, text.replace(third, &typo)).unwrap();
        let refused = Identity::restore(&path, &passphrase, None);
        assert!(matches!(refused, Err(KeyError::Sheet { line: 3, .. })), "{refused:?}");
        let mangled = [BEGIN, "AAAA", END, CHECKS, "1=a-secret-piece-of-a-key"].join("\n");
        let said = block_of(mangled.as_bytes()).unwrap_err().to_string();
        assert!(said.contains("unreadable") && !said.contains("secret"), "{said}");
    }
}
