//! A small mutator for the stable compiler: no coverage, but it knows the words of each format.

use hegwas_fixtures::rng::Rng;

use crate::Target;

/// Longest input that mutation makes.
pub const LONGEST: usize = 1 << 16;

/// One new input: a file of the corpus (or nothing), changed in one to six places, then repaired.
#[must_use]
pub fn mutate(target: &Target, corpus: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut input = pick(corpus, rng).cloned().unwrap_or_default();
    for _ in 0..=rng.below(6) {
        change(&mut input, target, corpus, rng);
    }
    input.truncate(LONGEST);
    // Now and then the damage to lengths stays.
    if rng.below(8) > 0 {
        (target.repair)(&mut input);
    }
    input
}

fn change(input: &mut Vec<u8>, target: &Target, corpus: &[Vec<u8>], rng: &mut Rng) {
    match rng.below(11) {
        0 => flip(input, rng),
        1 => overwrite(input, &[rng.word() as u8], rng),
        2 => overwrite(input, &number(rng), rng),
        3 => insert(input, &number(rng), rng),
        4 => remove(input, rng),
        5 => repeat(input, rng),
        6 => digit(input, rng),
        7 => splice(input, corpus, rng),
        8 => input.truncate(below(rng, input.len() + 1)),
        _ => {
            let word = pick(target.words, rng).copied().unwrap_or(b"\0");
            if rng.below(2) == 0 { insert(input, word, rng) } else { overwrite(input, word, rng) }
        }
    }
}

fn below(rng: &mut Rng, bound: usize) -> usize {
    rng.below(bound as u64) as usize
}

fn pick<'a, T>(items: &'a [T], rng: &mut Rng) -> Option<&'a T> {
    items.get(below(rng, items.len()))
}

fn flip(input: &mut [u8], rng: &mut Rng) {
    let at = below(rng, input.len());
    if let Some(byte) = input.get_mut(at) {
        *byte ^= 1 << rng.below(8);
    }
}

/// A number at which programs tend to go wrong, in 1, 2, 4 or 8 bytes, least significant first.
fn number(rng: &mut Rng) -> Vec<u8> {
    let exponent = rng.below(64);
    let near = (1_u64 << exponent).wrapping_add(rng.below(3)).wrapping_sub(1);
    let value = if rng.below(4) == 0 { near.wrapping_neg() } else { near };
    value.to_le_bytes()[..1 << rng.below(4)].to_vec()
}

fn overwrite(input: &mut [u8], bytes: &[u8], rng: &mut Rng) {
    let at = below(rng, input.len());
    for (old, new) in input.iter_mut().skip(at).zip(bytes) {
        *old = *new;
    }
}

fn insert(input: &mut Vec<u8>, bytes: &[u8], rng: &mut Rng) {
    let at = below(rng, input.len() + 1);
    input.splice(at..at, bytes.iter().copied());
}

fn range(input: &[u8], rng: &mut Rng) -> std::ops::Range<usize> {
    let start = below(rng, input.len());
    // Short ranges mostly.
    let longest = (input.len() - start).min(1 << rng.below(11));
    start..start + below(rng, longest + 1)
}

fn remove(input: &mut Vec<u8>, rng: &mut Rng) {
    let range = range(input, rng);
    input.drain(range);
}

fn repeat(input: &mut Vec<u8>, rng: &mut Rng) {
    let range = range(input, rng);
    let piece = input[range].to_vec();
    for _ in 0..=rng.below(4) {
        insert(input, &piece, rng);
    }
}

/// Replaces a decimal digit by another, so that numbers in text change and stay numbers.
fn digit(input: &mut [u8], rng: &mut Rng) {
    let start = below(rng, input.len());
    let found = input.iter().skip(start).position(u8::is_ascii_digit);
    if let Some(at) = found {
        input[start + at] = b'0' + rng.below(10) as u8;
    }
}

fn splice(input: &mut Vec<u8>, corpus: &[Vec<u8>], rng: &mut Rng) {
    let Some(other) = pick(corpus, rng) else { return };
    input.truncate(below(rng, input.len() + 1));
    input.extend_from_slice(&other[below(rng, other.len() + 1)..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutation_is_a_function_of_its_seed_and_changes_things() {
        let target = &crate::TARGETS[0];
        let corpus = vec![b"one 1 two 22 three 333".to_vec(), Vec::new()];
        let run = |seed| -> Vec<Vec<u8>> {
            let mut rng = Rng::new(seed);
            (0..500).map(|_| mutate(target, &corpus, &mut rng)).collect()
        };
        assert_eq!(run(1), run(1));
        let distinct: std::collections::HashSet<_> = run(2).into_iter().collect();
        assert!(distinct.len() > 300, "{}", distinct.len());
    }
}
