//! The name of a panel: a digest of what its variants are, not of how a file spells them.

use he_core::Digest;

use super::{Contig, Panel, Variant};

/// First bytes of the hashed encoding; a changed encoding gets a new number.
const DOMAIN: &[u8] = b"hegwas panel digest 1\0";

impl Panel {
    /// BLAKE3 of the panel's canonical encoding.
    ///
    /// The encoding is the domain `"hegwas panel digest 1\0"`, the build (empty if unknown), the number of variants
    /// (u64), and for each variant in order: chromosome, position (u32), REF, ALT. Numbers are little-endian; each text
    /// is preceded by its length in bytes (u32), so no two panels share an encoding. The chromosome is PLINK's number in
    /// decimal where [`Contig`] knows it, else the name as it stands: `22` and `chr22` are one chromosome, and files that
    /// differ only in that make the same panel. Ids and the reference status are left out for the same reason.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hasher = PanelHasher::new(self.build(), self.len());
        for variant in self.iter() {
            hasher.push(&variant);
        }
        hasher.finish()
    }
}

/// Computes a panel's digest from its variants one after another, in constant memory.
pub(super) struct PanelHasher {
    hasher: blake3::Hasher,
    buffer: Vec<u8>,
}

impl PanelHasher {
    pub(super) fn new(build: Option<&str>, variants: u32) -> Self {
        let mut buffer = Vec::with_capacity(1 << 16);
        buffer.extend_from_slice(DOMAIN);
        put_text(&mut buffer, build.unwrap_or_default());
        buffer.extend_from_slice(&u64::from(variants).to_le_bytes());
        Self { hasher: blake3::Hasher::new(), buffer }
    }

    pub(super) fn push(&mut self, variant: &Variant<'_>) {
        put_variant(&mut self.buffer, variant);
        if self.buffer.len() >= 1 << 15 {
            self.hasher.update(&self.buffer);
            self.buffer.clear();
        }
    }

    pub(super) fn finish(mut self) -> Digest {
        self.hasher.update(&self.buffer);
        Digest(*self.hasher.finalize().as_bytes())
    }
}

fn put_variant(out: &mut Vec<u8>, v: &Variant<'_>) {
    match Contig::parse(v.chrom).number() {
        Some(number) => put_text(out, &number.to_string()),
        None => put_text(out, v.chrom),
    }
    out.extend_from_slice(&v.pos.to_le_bytes());
    put_text(out, v.reference);
    put_text(out, v.alternate);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    // Lengths are bounded by the panel's own limits, far below u32::MAX.
    let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tests::v;
    use super::super::{Panel, ReferenceStatus, Variant};
    use super::Digest;

    fn digest(build: Option<&str>, variants: &[Variant<'_>]) -> Digest {
        let mut p = Panel::new(ReferenceStatus::Given);
        p.set_build(build).unwrap();
        for &x in variants {
            p.push(x).unwrap();
        }
        p.digest()
    }

    #[test]
    fn is_blake3_of_the_documented_bytes() {
        let mut bytes = b"hegwas panel digest 1\0".to_vec();
        bytes.extend_from_slice(
            b"\x06\0\0\0GRCh37\x01\0\0\0\0\0\0\0\x02\0\0\x0022\x07\0\0\0\x01\0\0\0A\x02\0\0\0CT",
        );
        assert_eq!(digest(Some("GRCh37"), &[v("chr22", 7, "rs", "A", "CT")]), Digest::of(&bytes));
    }

    #[test]
    fn depends_on_sites_and_order_only() {
        let a = v("1", 1, "x", "A", "C");
        let b = v("1", 2, "y", "A", "C");
        let base = digest(None, &[a, b]);
        assert_eq!(
            base,
            digest(None, &[Variant { id: "other", ..a }, Variant { chrom: "chr1", ..b }])
        );
        for other in [
            digest(Some("GRCh37"), &[a, b]),
            digest(None, &[b, a]),
            digest(None, &[a]),
            digest(None, &[a, Variant { pos: 3, ..b }]),
            digest(None, &[a, Variant { reference: "AC", ..b }]),
            digest(None, &[a, Variant { chrom: "2", ..b }]),
            digest(None, &[Variant { reference: "C", alternate: "A", ..a }, b]),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn text_boundaries_matter() {
        let one = digest(None, &[v("1", 1, "x", "AC", "T")]);
        let two = digest(None, &[v("1", 1, "x", "A", "CT")]);
        assert_ne!(one, two);
    }

    #[test]
    fn a_long_panel_crosses_buffers() {
        let ids: Vec<Variant<'_>> = (0..5_000).map(|i| v("1", i, "x", "A", "C")).collect();
        let mut swapped = ids.clone();
        swapped.swap(4_998, 4_999);
        assert_ne!(digest(None, &ids), digest(None, &swapped));
    }
}
