//! Streaming check that every packed word of a body is below the prime of its limb.

use he_core::Params;
use he_core::arith::Modulus;
use he_core::arith::pack::{GROUP_BYTES, packed_len};
use he_core::ckks::CkksParams;
use he_core::kernel::Engine;
use he_core::layout::{ChunkSpec, TILE};

/// Which limb the bytes of a body belong to.
#[derive(Clone, Copy)]
enum Layout {
    /// Not checked.
    Unchecked,
    /// Tiles of `tile_bytes`, from number `first` on; `per_limb` tiles for each limb.
    Tiles { first: u64, tile_bytes: u64, per_limb: u64 },
    /// Polynomials, limb by limb, `limb_bytes` for each limb.
    Polynomials { limb_bytes: u64 },
    /// All below the prime of one limb.
    Bound { limb: usize },
}

/// Checks the words of one body, fed in pieces of any size.
pub struct Residues {
    layout: Layout,
    moduli: Vec<Modulus>,
    /// Bytes checked so far; a multiple of the group size until the end.
    position: u64,
    /// A group that the pieces cut in two.
    rest: Vec<u8>,
}

impl Residues {
    fn new(layout: Layout, params: Params) -> Self {
        Self { layout, moduli: params.moduli().collect(), position: 0, rest: Vec::new() }
    }

    /// Accepts every body.
    pub fn unchecked() -> Self {
        Self { layout: Layout::Unchecked, moduli: Vec::new(), position: 0, rest: Vec::new() }
    }

    /// The check of a chunk whose place in its matrix is known.
    pub fn of_chunk(params: Params, spec: &ChunkSpec) -> Self {
        let layout = Layout::Tiles {
            first: u64::from(spec.first_tile),
            tile_bytes: spec.tile_bytes() as u64,
            per_limb: (params.degree() / TILE) as u64,
        };
        Self::new(layout, params)
    }

    /// The check of a chunk of which only the first tile is known. Limbs never go back, and primes decrease from limb to
    /// limb: the prime of the first tile's limb bounds every word. `None` when the tile is beyond the polynomial.
    ///
    /// Exact for the sets of one limb; a job makes the exact check before it uses a chunk ([`Self::of_chunk`]).
    pub fn from_tile(params: Params, first_tile: u32) -> Option<Self> {
        let limb = first_tile as usize / (params.degree() / TILE);
        (limb < params.limbs()).then(|| Self::new(Layout::Bound { limb }, params))
    }

    /// The check of whole polynomials (switching keys, public key contributions).
    pub fn of_polynomials(params: Params) -> Self {
        Self::new(Layout::Polynomials { limb_bytes: packed_len(params.degree()) as u64 }, params)
    }

    /// The check of whole polynomials of the finishing ring, modulo the first `limbs` primes of its set.
    pub fn of_finishing(params: CkksParams, limbs: usize) -> Self {
        let limb_bytes = packed_len(params.degree()) as u64;
        let layout = Layout::Polynomials { limb_bytes };
        let moduli = params.moduli().take(limbs).collect();
        Self { layout, moduli, position: 0, rest: Vec::new() }
    }

    /// Checks the next bytes; `false` if a word is too large.
    pub fn take(&mut self, mut bytes: &[u8]) -> bool {
        if matches!(self.layout, Layout::Unchecked) {
            return true;
        }
        if !self.rest.is_empty() {
            let missing = GROUP_BYTES - self.rest.len();
            let (now, later) = bytes.split_at(missing.min(bytes.len()));
            self.rest.extend_from_slice(now);
            bytes = later;
            if self.rest.len() < GROUP_BYTES {
                return true;
            }
            let group = std::mem::take(&mut self.rest);
            if !self.whole_groups(&group) {
                return false;
            }
        }
        let whole = bytes.len() / GROUP_BYTES * GROUP_BYTES;
        let (groups, rest) = bytes.split_at(whole);
        self.rest.extend_from_slice(rest);
        self.whole_groups(groups)
    }

    fn whole_groups(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let (limb, until) = self.limb();
            let Some(&modulus) = self.moduli.get(limb) else {
                return false;
            };
            let now = usize::try_from(until).unwrap_or(usize::MAX).min(bytes.len());
            let (part, later) = bytes.split_at(now);
            if !Engine::detect().all_reduced(part, modulus) {
                return false;
            }
            self.position += now as u64;
            bytes = later;
        }
        true
    }

    /// Limb at the position, and bytes until the next one.
    fn limb(&self) -> (usize, u64) {
        let (limb, until) = match self.layout {
            Layout::Unchecked => (0, u64::MAX),
            Layout::Bound { limb } => (limb as u64, u64::MAX),
            Layout::Tiles { first, tile_bytes, per_limb } => {
                let limb = (first + self.position / tile_bytes.max(1)) / per_limb;
                let end = ((limb + 1) * per_limb).saturating_sub(first) * tile_bytes;
                (limb, end - self.position)
            }
            Layout::Polynomials { limb_bytes } => {
                let number = self.position / limb_bytes;
                (number % self.moduli.len() as u64, (number + 1) * limb_bytes - self.position)
            }
        };
        (usize::try_from(limb).unwrap_or(usize::MAX), until)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use he_core::arith::pack::pack;
    use he_core::layout::{Shape, Unit};
    use he_core::params::PRIMES;

    use super::*;

    fn body(words: &[u64]) -> Vec<u8> {
        let mut bytes = vec![0; packed_len(words.len())];
        pack(words, &mut bytes);
        bytes
    }

    fn accepts(mut check: Residues, bytes: &[u8], piece: usize) -> bool {
        bytes.chunks(piece).all(|p| check.take(p))
    }

    #[test]
    fn polynomials_are_checked_limb_by_limb_in_pieces_of_any_size() {
        let params = Params::N4096Q100;
        let mut words = vec![PRIMES[1] - 1; 2 * params.words()];
        words[..4096].fill(PRIMES[0] - 1);
        words[8192..8192 + 4096].fill(PRIMES[0] - 1);
        for piece in [1, 7, 50, 51, 4096, 1 << 20] {
            assert!(accepts(Residues::of_polynomials(params), &body(&words), piece));
        }
        for (at, value) in [(4096, PRIMES[1]), (0, PRIMES[0]), (2 * 8192 - 1, PRIMES[1])] {
            let mut bad = words.clone();
            bad[at] = value;
            for piece in [1, 49, 1 << 20] {
                assert!(!accepts(Residues::of_polynomials(params), &body(&bad), piece), "{at}");
            }
        }
    }

    #[test]
    fn chunks_are_checked_exactly_where_their_place_is_known() {
        let params = Params::N4096Q100;
        let shape = Shape { params, rows: 3, planes: 1, blocks: 1 };
        let spec = shape.unit_chunks(Unit { plane: 0, group: 0 }).next().unwrap();
        assert_eq!(spec.tiles, shape.tiles(), "both limbs in one chunk");
        let half = spec.body_len() / 2 / 50 * 8;
        let mut words = vec![PRIMES[1] - 1; 2 * half];
        words[..half].fill(PRIMES[0] - 1);
        let check = || Residues::of_chunk(params, &spec);
        assert!(accepts(check(), &body(&words), 1000));
        words[half] = PRIMES[1];
        assert!(!accepts(check(), &body(&words), 1000));
        // Of an upload less is known: the first limb's prime bounds all.
        assert!(accepts(Residues::from_tile(params, 0).unwrap(), &body(&words), 1000));
        assert!(!accepts(Residues::from_tile(params, 32).unwrap(), &body(&words), 1000));
        assert!(Residues::from_tile(params, 64).is_none());
    }
}
