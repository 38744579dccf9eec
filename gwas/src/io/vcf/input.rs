//! From a stream of unknown kind to decompressed VCF or BCF bytes.

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use super::VcfErrorKind;

/// The block that ends every BGZF file (SAM specification, section 4.1.2).
const END_BLOCK: [u8; 28] = [
    0x1f, 0x8b, 0x08, 0x04, 0, 0, 0, 0, 0, 0xff, 0x06, 0, 0x42, 0x43, 0x02, 0, 0x1b, 0, 0x03, 0, 0,
    0, 0, 0, 0, 0, 0, 0,
];

/// What the decompressed bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Binary,
}

/// An opened stream.
pub(super) struct Opened {
    pub(super) reader: Box<dyn BufRead>,
    pub(super) format: Format,
    /// Asked once everything has been read.
    pub(super) tail: Tail,
}

/// Recognises compression and format by their first bytes.
pub(super) fn open(
    input: impl Read + Send + 'static,
    threads: NonZeroUsize,
) -> Result<Opened, VcfErrorKind> {
    let mut tail = Tail(None);
    // A BGZF block starts with a gzip header of 12 bytes and a first extra field "BC".
    let (head, input) = peek(input, 14)?;
    let is_bgzf = head.starts_with(&[0x1f, 0x8b, 0x08, 0x04]) && head.ends_with(b"BC");
    let plain: Box<dyn BufRead> = if is_bgzf {
        let seen = Arc::new(Mutex::new(Vec::new()));
        tail = Tail(Some(Arc::clone(&seen)));
        let watched = Watched { inner: input, seen };
        Box::new(noodles_bgzf::io::MultithreadedReader::with_worker_count(threads, watched))
    } else if head.starts_with(&[0x1f, 0x8b]) {
        let inner = BufReader::with_capacity(1 << 18, input);
        Box::new(BufReader::with_capacity(1 << 18, flate2::bufread::MultiGzDecoder::new(inner)))
    } else {
        Box::new(BufReader::with_capacity(1 << 20, input))
    };
    let (head, reader) = peek(plain, 5)?;
    let format = match head.as_slice() {
        b"BCF\x02\x01" | b"BCF\x02\x02" => Format::Binary,
        b"##fil" => Format::Text,
        _ => return Err(VcfErrorKind::Format),
    };
    Ok(Opened { reader: Box::new(reader), format, tail })
}

/// A stream whose first bytes were read and put back.
type Peeked<R> = io::Chain<Cursor<Vec<u8>>, R>;

/// Reads up to `len` bytes and puts them back in front.
fn peek<R: Read>(mut input: R, len: u64) -> io::Result<(Vec<u8>, Peeked<R>)> {
    let mut head = Vec::new();
    (&mut input).take(len).read_to_end(&mut head)?;
    let chained = Cursor::new(head.clone()).chain(input);
    Ok((head, chained))
}

/// The last bytes of a BGZF stream; nothing for other streams.
pub(super) struct Tail(Option<Arc<Mutex<Vec<u8>>>>);

impl Tail {
    /// Whether the stream ended as its format demands.
    pub(super) fn is_complete(&self) -> bool {
        match &self.0 {
            None => true,
            Some(seen) => *seen.lock().unwrap_or_else(PoisonError::into_inner) == END_BLOCK,
        }
    }
}

/// Passes bytes on and remembers the last ones.
struct Watched<R> {
    inner: R,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out)?;
        let new = out.get(..read).unwrap_or_default();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = new.get(new.len().saturating_sub(END_BLOCK.len())..).unwrap_or_default();
        seen.extend_from_slice(kept);
        let surplus = seen.len().saturating_sub(END_BLOCK.len());
        seen.drain(..surplus);
        Ok(read)
    }
}
