//! Reading the tables that tests compare with.

use std::io::Read as _;
use std::path::Path;

/// The columns of a white-space separated table, by the header's names, a row each.
pub(crate) fn columns<const C: usize>(text: &str, names: [&str; C]) -> Vec<[String; C]> {
    let mut lines = text.lines();
    // The names of `--freqx` hold blanks, so that file has tabs only.
    let tab = text.contains('\t');
    let fields = |line: &str| -> Vec<String> {
        if tab {
            line.split('\t').map(str::to_owned).collect()
        } else {
            line.split_whitespace().map(str::to_owned).collect()
        }
    };
    let header = fields(lines.next().unwrap());
    let places = names.map(|n| header.iter().position(|h| h == n).unwrap());
    lines.map(fields).map(|row| places.map(|p| row[p].clone())).collect()
}

/// The text of a gzip file.
pub(crate) fn gunzip(path: &Path) -> String {
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap())
        .read_to_string(&mut text)
        .unwrap();
    text
}
