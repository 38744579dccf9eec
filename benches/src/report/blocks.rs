//! Generated blocks of a document: what stands between `<!-- begin NAME -->` and `<!-- end NAME -->`.

use crate::{Error, Result};

/// The document with the content of block `name` replaced. `document` is its name, for errors.
///
/// # Errors
/// When a marker is missing, there twice, or the two are in the wrong order: nothing is guessed.
pub(super) fn replace(document: &str, text: &str, name: &str, content: &str) -> Result<String> {
    let missing =
        |marker: &str| Error::Marker { document: document.to_owned(), marker: marker.to_owned() };
    let (begin, end) = (format!("begin {name}"), format!("end {name}"));
    let once = |marker: &str| {
        let line = format!("<!-- {marker} -->");
        let mut parts = text.split(&line);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(before), Some(after), None) => Ok((before, line.len(), after)),
            _ => Err(missing(marker)),
        }
    };
    let (before, length, _) = once(&begin)?;
    let (until, _, after) = once(&end)?;
    if before.len() + length > until.len() {
        return Err(missing(&end));
    }
    Ok(format!("{before}<!-- {begin} -->\n\n{}\n\n<!-- {end} -->{after}", content.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_replaced_and_nothing_else() {
        let text =
            "a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n<!-- begin y -->\n<!-- end y -->\n";
        let new = replace("d", text, "x", "new\n").unwrap();
        assert_eq!(
            new,
            "a\n<!-- begin x -->\n\nnew\n\n<!-- end x -->\nb\n<!-- begin y -->\n<!-- end y -->\n"
        );
        assert_eq!(replace("d", &new, "x", "new").unwrap(), new, "the same again");
    }

    #[test]
    fn bad_markers_are_refused() {
        for bad in [
            "",
            "<!-- begin x -->",
            "<!-- end x -->",
            "<!-- end x --><!-- begin x -->",
            "<!-- begin x --><!-- begin x --><!-- end x -->",
            "<!-- begin x --><!-- end x --><!-- end x -->",
            "<!-- begin y --><!-- end y -->",
        ] {
            let error = replace("README.md", bad, "x", "new").unwrap_err();
            assert!(
                matches!(error, Error::Marker { .. }) && error.to_string().contains("README.md")
            );
        }
    }
}
