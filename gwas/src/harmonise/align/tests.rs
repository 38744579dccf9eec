use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::harmonise::Frequencies;
use crate::io::testing::{small_code, small_source};
use crate::io::{GenotypeSource, PackedGenotypes, code_bytes};
use crate::packing::plain_sums;
use crate::panel::tests::{panel, v};
use crate::panel::{ReferenceStatus, Variant};
use crate::wire::PlaneKind;

/// Alleles of the k-th variant; none reads the same on both strands.
const ALLELES: [(&str, &str); 6] =
    [("A", "G"), ("C", "T"), ("AT", "A"), ("G", "T"), ("C", "CA"), ("A", "C")];

/// What a file does to a variant.
#[derive(Clone, Copy, Debug)]
struct Change {
    exchange: bool,
    strand: bool,
    remove: bool,
}

fn complement(allele: &str) -> &str {
    match allele {
        "A" => "T",
        "C" => "G",
        "G" => "C",
        "T" => "A",
        longer => longer,
    }
}

/// The panel 1:1, 1:2, ... of [`small_source`]'s genotypes with varied alleles, and its file after changes and in another
/// order: a genotype matrix built from scratch.
fn rewritten(people: u32, order: &[u32], changes: &[Change]) -> (Panel, Arc<dyn GenotypeSource>) {
    let count = order.len() as u32;
    let alleles = |k: u32| ALLELES[k as usize % ALLELES.len()];
    let mut wanted = Panel::new(ReferenceStatus::Given);
    for k in 0..count {
        let (r, a) = alleles(k);
        wanted.push(v("1", k + 1, "p", r, a)).unwrap();
    }
    let mut file = Panel::new(ReferenceStatus::Provisional);
    let mut codes = Vec::new();
    for &k in order {
        let Change { exchange, strand, remove } = changes[k as usize];
        if remove {
            continue;
        }
        let (r, a) = alleles(k);
        let single = r.len() == 1 && a.len() == 1;
        let (r, a) = if strand && single { (complement(r), complement(a)) } else { (r, a) };
        let (r, a) = if exchange { (a, r) } else { (r, a) };
        file.push(v("chr1", k + 1, "f", r, a)).unwrap();
        let mut record = vec![0; code_bytes(people)];
        for person in 0..people {
            let code = small_code(person, k);
            let code = if exchange { [3, 1, 2, 0][usize::from(code)] } else { code };
            record[person as usize / 4] |= code << (2 * (person % 4));
        }
        codes.extend(record);
    }
    let samples = small_source(people, 1).samples().to_vec();
    (wanted, Arc::new(PackedGenotypes::from_memory(samples, file, codes).unwrap()))
}

fn change() -> impl Strategy<Value = Change> {
    (any::<bool>(), any::<bool>(), prop::bool::weighted(0.1))
        .prop_map(|(exchange, strand, remove)| Change { exchange, strand, remove })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn any_reordering_swap_and_flip_comes_back_to_the_same_integers(
        people in 1u32..40,
        (order, changes) in (2usize..90).prop_flat_map(|n| (
            Just((0..n as u32).collect::<Vec<_>>()).prop_shuffle(),
            prop::collection::vec(change(), n),
        )),
        degree in prop_oneof![Just(4usize), Just(16)],
    ) {
        prop_assume!(!changes.iter().all(|c| c.remove));
        let (wanted, file) = rewritten(people, &order, &changes);
        let rows: Vec<u32> = (0..people).step_by(2).collect();
        let cohort = Cohort::whole(file).with_rows(&rows).unwrap();
        let Aligned { cohort, report } = align(&cohort, wanted.clone(), &Palindromic::Drop).unwrap();
        prop_assert_eq!(cohort.panel(), &wanted);
        let absent = report.absent();
        prop_assert!(absent.fits(wanted.len()));
        for (k, change) in changes.iter().enumerate() {
            prop_assert_eq!(absent.contains(k as u32), change.remove);
            prop_assert_eq!(cohort.is_absent(k as u32), change.remove);
        }
        prop_assert_eq!(report.unused(), 0);
        let straight = Cohort::whole(small_source(people, wanted.len())).with_rows(&rows).unwrap();
        let planes = [PlaneKind::Dosage, PlaneKind::HomAlt, PlaneKind::Called];
        let weights: Vec<i64> = (0..rows.len() as i64).map(|i| i * 7 % 5 - 2).collect();
        let sums = |c: &Cohort| plain_sums(c, &[&weights], &planes, degree).unwrap();
        let everybody = [0, 0, -(rows.len() as i64)];
        let weight: i64 = weights.iter().sum();
        for (plane, (found, expected)) in sums(&cohort).iter().zip(&sums(&straight)).enumerate() {
            for (k, change) in changes.iter().enumerate() {
                let (plain, weighted) = if change.remove {
                    (everybody[plane], if plane == 2 { -weight } else { 0 })
                } else {
                    (expected.plain[k], expected.weighted[0][k])
                };
                prop_assert_eq!((found.plain[k], found.weighted[0][k]), (plain, weighted), "{} {:?}", k, change);
            }
        }
    }
}

/// Aligns [`small_source`]-like genotypes of 8 people at `file`'s variants to `wanted`.
fn aligned(wanted: &[Variant<'_>], file: &[Variant<'_>]) -> Result<Aligned, AlignError> {
    let samples = small_source(8, 1).samples().to_vec();
    let codes: Vec<u8> = (0..2 * file.len()).map(|i| (i * 91 + 7) as u8).collect();
    let source = PackedGenotypes::from_memory(samples, panel(file), codes).unwrap();
    align(&Cohort::whole(Arc::new(source)), panel(wanted), &Palindromic::Drop)
}

#[test]
fn each_reason_is_told() {
    let wanted = [
        v("1", 1, "a", "A", "G"),
        v("1", 2, "b", "A", "T"),
        v("1", 3, "c", "A", "G"),
        v("1", 4, "d", "A", "G"),
        v("1", 5, "e", "A", "G"),
        v("1", 0, "f", "A", "G"),
        v("1", 6, "g", "A", "G"),
        v("1", 6, "h", "A", "C"),
    ];
    let file = [
        v("1", 6, "x", "A", "C"),
        v("1", 4, "x", "G", "A"),
        v("1", 4, "y", "G", "C"),
        v("1", 3, "x", "A", "C"),
        v("1", 2, "x", "A", "T"),
        v("1", 1, "x", "A", "0"),
        v("1", 0, "x", "A", "G"),
        v("9", 9, "x", "A", "G"),
    ];
    let Aligned { report, cohort } = aligned(&wanted, &file).unwrap();
    let found: Vec<Status> = (0..8).map(|v| report.status(v).unwrap()).collect();
    assert_eq!(
        found,
        [
            Status::Match,
            Status::Palindromic,
            Status::AllelesDiffer,
            Status::MultiallelicSwap,
            Status::Absent,
            Status::Absent,
            Status::AllelesDiffer,
            Status::Match,
        ]
    );
    // 1:3 A/C, 1:4 G/C, 1:0 and chromosome 9.
    assert_eq!(report.unused(), 4);
    assert_eq!(report.absent().count(), 6);
    let mut table = Vec::new();
    report.write_tsv(cohort.panel(), &panel(&file), &mut table).unwrap();
    assert_eq!(
        String::from_utf8(table).unwrap(),
        "#CHROM\tPOS\tID\tREF\tALT\tSTATUS\tFILE_ID\tFILE_REF\tFILE_ALT\n\
         1\t2\tb\tA\tT\tPALINDROMIC\tx\tA\tT\n\
         1\t3\tc\tA\tG\tALLELES_DIFFER\tx\tA\tC\n\
         1\t4\td\tA\tG\tMULTIALLELIC_SWAP\tx\tG\tA\n\
         1\t5\te\tA\tG\tABSENT\t.\t.\t.\n\
         1\t0\tf\tA\tG\tABSENT\t.\t.\t.\n\
         1\t6\tg\tA\tG\tALLELES_DIFFER\tx\tA\tC\n"
    );
    let said: Vec<String> = report.summary().collect();
    assert_eq!(said.len(), 6);
    assert!(said[0].ends_with("2  as in the panel"), "{said:?}");
}

#[test]
fn a_variant_of_the_files_serves_once() {
    let twice = [v("1", 1, "a", "A", "G"), v("1", 1, "b", "C", "T")];
    let Aligned { report, .. } = aligned(&twice, &[v("1", 1, "x", "C", "T")]).unwrap();
    assert_eq!(report.status(0), Some(Status::AllelesDiffer));
    assert_eq!(report.status(1), Some(Status::Match));
}

#[test]
fn the_strand_follows_the_rarer_allele() {
    // 100 people; ALT frequencies of the file's variants 0.2, 0.2, 0.8, 0.45.
    let frequencies = [20u8, 20, 80, 45];
    let file = [
        v("1", 1, ".", "A", "T"),
        v("1", 2, ".", "A", "T"),
        v("1", 3, ".", "T", "A"),
        v("1", 4, ".", "C", "G"),
        v("1", 5, ".", "C", "G"),
    ];
    let wanted = file.map(|x| {
        let (reference, alternate) = if x.reference == "C" { ("C", "G") } else { ("A", "T") };
        Variant { reference, alternate, ..x }
    });
    let samples = small_source(100, 1).samples().to_vec();
    let mut codes = Vec::new();
    for alt in frequencies.into_iter().chain([10]) {
        // Homozygous for ALT, then for REF.
        codes.extend((0..100u8).collect::<Vec<_>>().chunks(4).map(|people| {
            people.iter().rev().fold(0, |byte, &i| byte << 2 | if i < alt { 0b00 } else { 0b11 })
        }));
    }
    let source = PackedGenotypes::from_memory(samples, panel(&file), codes).unwrap();
    let cohort = Cohort::whole(Arc::new(source));
    // Of the panel's ALT: same side, other side, other side of the exchanged one, too common; the last is unknown.
    let table = "#CHROM\tPOS\tREF\tALT\tALT_FREQ\n1\t1\tA\tT\t0.3\n1\t2\tA\tT\t0.7\n1\t3\tA\tT\t0.9\n1\t4\tC\tG\t0.1\n";
    let table = Frequencies::read(table.as_bytes()).unwrap();
    let rule = Palindromic::by_frequency(&table);
    let Aligned { report, cohort: view } = align(&cohort, panel(&wanted), &rule).unwrap();
    let found: Vec<Status> = (0..5).map(|v| report.status(v).unwrap()).collect();
    assert_eq!(
        found,
        [Status::Match, Status::FlipSwap, Status::Flip, Status::Palindromic, Status::Palindromic]
    );
    // ALT alleles over all, minus people: 40 - 100; turned: 160 - 100; as it is: 160 - 100.
    let sums = plain_sums(&view, &[], &[PlaneKind::Dosage], 8).unwrap();
    assert_eq!(sums[0].plain, [-60, 60, 60, 0, 0]);
    let kept = align(&cohort, panel(&wanted), &Palindromic::Keep).unwrap().report;
    assert_eq!(kept.status(2), Some(Status::Swap));
    assert_eq!(kept.status(4), Some(Status::Match));
}

#[test]
fn bad_pairs_of_panel_and_files_are_refused() {
    let here = [v("1", 1, ".", "A", "G")];
    assert!(matches!(
        aligned(&here, &[v("1", 2, ".", "A", "G")]),
        Err(AlignError::Nothing { variants: 1 })
    ));
    let mut other = panel(&here);
    other.set_build(Some("GRCh38")).unwrap();
    let cohort = Cohort::whole(small_source(4, 1));
    let error = align(&cohort, other, &Palindromic::Drop).unwrap_err().to_string();
    assert!(error.contains("GRCh38") && error.contains("(unnamed)"), "{error}");
    let crowd = vec![here[0]; 1025];
    assert!(matches!(aligned(&here, &crowd), Err(AlignError::Crowded(_))));
    assert!(matches!(aligned(&crowd, &here), Err(AlignError::Crowded(_))));
}

#[test]
fn a_selection_of_an_aligned_cohort_is_aligned_too() {
    let changes: Vec<Change> = (0..20)
        .map(|k| Change { exchange: k % 2 == 0, strand: k % 3 == 0, remove: k == 7 })
        .collect();
    let order: Vec<u32> = (0..20).rev().collect();
    let (wanted, file) = rewritten(9, &order, &changes);
    let some = Cohort::whole(file).with_variants(&(2..19).collect::<Vec<_>>()).unwrap();
    let view = align(&some, wanted, &Palindromic::Drop).unwrap().cohort;
    let picked = view.with_variants(&[1, 5, 7, 12]).unwrap();
    let absent: Vec<bool> = (0..4).map(|v| picked.is_absent(v)).collect();
    assert_eq!(absent, [false, false, true, false]);
    let straight = Cohort::whole(small_source(9, 20)).with_variants(&[1, 5, 7, 12]).unwrap();
    let sums = |c: &Cohort| plain_sums(c, &[], &[PlaneKind::HomAlt], 8).unwrap()[0].plain.clone();
    let (found, expected) = (sums(&picked), sums(&straight));
    assert_eq!([found[0], found[1], found[3]], [expected[0], expected[1], expected[3]]);
}
