//! The kernel in plain Rust: the reference for the vector engine and what other machines run.
#![allow(clippy::indexing_slicing)] // shapes are asserted by `TileSums::add`

use super::{BODY_WORDS, ROW_WORDS, Rows, TileSums};
use crate::arith::{Modulus, pack};
use crate::layout::{Place, TILE, TILE_BYTES};

const LOW: u64 = (1 << 52) - 1;

pub(super) fn add(sums: &mut TileSums, rows: &Rows<'_>) {
    let mut body = [0; TILE];
    for (slot, &row) in rows.selected.iter().enumerate() {
        for column in 0..=sums.bodies {
            if column < sums.bodies {
                let bytes = sums.bodies * TILE_BYTES;
                let own = &rows.packed[row as usize * bytes..][..bytes];
                pack::unpack(&Place::new(column, sums.bodies).gather(own), &mut body);
            } else {
                body.copy_from_slice(&rows.masks[slot * ROW_WORDS..][..TILE]);
            }
            for (s, b) in sums.sums[column * TILE..][..TILE].iter_mut().zip(&body) {
                *s += b;
            }
            for (w, (d0, d1)) in rows.weights.iter().enumerate() {
                let start = (w * (sums.bodies + 1) + column) * BODY_WORDS;
                let products = &mut sums.products[start..start + BODY_WORDS];
                let (d0, d1) = (&d0[slot * ROW_WORDS..][..TILE], &d1[slot * ROW_WORDS..][..TILE]);
                multiply_accumulate(products, &body, d0, d1);
            }
        }
    }
}

fn multiply_accumulate(products: &mut [u64], body: &[u64; TILE], d0: &[u64], d1: &[u64]) {
    for (((acc, b), d0), d1) in products
        .as_chunks_mut::<32>()
        .0
        .iter_mut()
        .zip(body.as_chunks::<8>().0)
        .zip(d0.as_chunks::<8>().0)
        .zip(d1.as_chunks::<8>().0)
    {
        for i in 0..8 {
            let p0 = u128::from(b[i]) * u128::from(d0[i]);
            let p1 = u128::from(b[i]) * u128::from(d1[i]);
            acc[i] += p0 as u64 & LOW;
            acc[8 + i] += (p0 >> 52) as u64;
            acc[16 + i] += p1 as u64 & LOW;
            acc[24 + i] += (p1 >> 52) as u64;
        }
    }
}

pub(super) fn multiply_add(modulus: Modulus, a: &[u64], b: &[u64], acc: &mut [u64]) {
    for ((acc, &a), &b) in acc.iter_mut().zip(a).zip(b) {
        *acc = modulus.reduce_wide(u128::from(a) * u128::from(b) + u128::from(*acc));
    }
}
