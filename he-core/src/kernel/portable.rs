//! The kernel in plain Rust: the reference for the vector engine and what other machines run.
#![allow(clippy::indexing_slicing)] // shapes are asserted by `TileSums::add`

use super::{BODY_WORDS, ROW_WORDS, Rows, TileSums};
use crate::arith::{Modulus, pack};
use crate::layout::{ABREAST, GROUPS, TILE};

const LOW: u64 = (1 << 52) - 1;

pub(super) fn add(sums: &mut TileSums, rows: &Rows<'_>) {
    let packed = rows.packed.as_chunks().0;
    let mut columns = [[0; TILE]; ABREAST];
    for (slot, &row) in rows.selected.iter().enumerate() {
        let packed = &packed[row as usize * sums.bodies * GROUPS..][..sums.bodies * GROUPS];
        for first in (0..sums.bodies).step_by(ABREAST) {
            let count = ABREAST.min(sums.bodies - first);
            for (g, groups) in packed[first * GROUPS..].chunks_exact(count).take(GROUPS).enumerate()
            {
                for (column, group) in columns.iter_mut().zip(groups) {
                    column.as_chunks_mut().0[g] = pack::unpack_group(group);
                }
            }
            for (column, words) in (first..).zip(&columns[..count]) {
                add_column(sums, rows, slot, column, words);
            }
        }
        let mask = &rows.masks[slot * ROW_WORDS..][..TILE];
        columns[0].copy_from_slice(mask);
        add_column(sums, rows, slot, sums.bodies, &columns[0]);
    }
}

/// Adds the words that a row has in one column, and their products with its weights.
fn add_column(
    sums: &mut TileSums,
    rows: &Rows<'_>,
    slot: usize,
    column: usize,
    words: &[u64; TILE],
) {
    for (s, b) in sums.sums[column * TILE..][..TILE].iter_mut().zip(words) {
        *s += b;
    }
    for (w, (d0, d1)) in rows.weights.iter().enumerate() {
        let start = (w * (sums.bodies + 1) + column) * BODY_WORDS;
        let products = &mut sums.products[start..start + BODY_WORDS];
        let (d0, d1) = (&d0[slot * ROW_WORDS..][..TILE], &d1[slot * ROW_WORDS..][..TILE]);
        multiply_accumulate(products, words, d0, d1);
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
