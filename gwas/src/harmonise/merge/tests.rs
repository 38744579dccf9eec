use super::*;
use crate::harmonise::Status;
use crate::panel::tests::{panel, v};

fn text(panel: &Panel) -> String {
    let row =
        |v: Variant<'_>| format!("{}:{}:{}/{}:{}", v.chrom, v.pos, v.reference, v.alternate, v.id);
    panel.iter().map(row).collect::<Vec<_>>().join(" ")
}

fn with(mode: Mode) -> MergeOptions<'static> {
    MergeOptions { mode, ..MergeOptions::default() }
}

#[test]
fn lists_meet_whatever_their_order_spelling_alleles_and_strand() {
    let a = panel(&[
        v("2", 5, "a1", "A", "G"),
        v("1", 9, "a2", "C", "T"),
        v("1", 7, "a3", "AT", "A"),
        v("1", 8, "a4", "C", "A"),
    ]);
    let b = panel(&[
        v("chr1", 9, "b1", "T", "C"),
        v("chr1", 7, "b2", "AT", "A"),
        v("chr1", 8, "b3", "T", "G"),
        v("chr2", 5, "b4", "T", "C"),
        v("chr3", 1, "b5", "A", "G"),
    ]);
    let merged = merge(&[&a, &b], &with(Mode::Intersection)).unwrap();
    assert_eq!(text(&merged.panel), "1:7:AT/A:a3 1:8:C/A:a4 1:9:C/T:a2 2:5:A/G:a1");
    assert_eq!(merged.panel.reference_status(), ReferenceStatus::Given);
    for (list, counts) in [(0, [4, 0, 0, 0]), (1, [1, 1, 1, 1])] {
        assert_eq!([0, 1, 2, 3].map(|s| merged.report.kept(list, Status::ALL[s])), counts);
    }
    assert_eq!(merged.report.left_out(1, Reason::NotInAllLists), 1);
    assert_eq!(merged.exclusions.counts(), [(Reason::NotInAllLists, 1)]);

    let merged = merge(&[&b, &a], &with(Mode::Union)).unwrap();
    assert_eq!(
        text(&merged.panel),
        "chr1:7:AT/A:b2 chr1:8:T/G:b3 chr1:9:T/C:b1 chr2:5:T/C:b4 chr3:1:A/G:b5"
    );
    assert!(merged.exclusions.is_empty());
}

#[test]
fn what_cannot_be_compared_is_left_out_and_counted() {
    let a = panel(&[
        v("1", 1, "twice", "A", "G"),
        v("1", 1, "exchanged", "G", "A"),
        v("1", 1, "strand", "C", "T"),
        v("1", 2, "palindrome", "A", "T"),
        v("1", 0, "nowhere", "A", "G"),
        v("1", 3, "monomorphic", "C", "0"),
        v("1", 4, "unknown", "0", "A"),
        v("1", 5, "two", "A", "G"),
        v("1", 5, "more", "A", "C"),
    ]);
    let b = panel(&[
        v("1", 3, "polymorphic", "T", "C"),
        v("1", 1, "b", "A", "G"),
        v("1", 5, "c", "A", "0"),
    ]);
    let merged = merge(&[&a, &b], &with(Mode::Union)).unwrap();
    assert_eq!(text(&merged.panel), "1:1:A/G:twice 1:3:T/C:polymorphic 1:5:A/G:two 1:5:A/C:more");
    assert_eq!(merged.report.multiallelic(), 1);
    assert_eq!(merged.report.kept(0, Status::Swap), 1, "C/0 is T/C exchanged");
    for (list, reason, count) in [
        (0, Reason::Duplicate, 2),
        (0, Reason::Palindromic, 1),
        (0, Reason::NoPosition, 1),
        (0, Reason::UnknownAllele, 1),
        (1, Reason::UnknownAllele, 1),
    ] {
        assert_eq!(merged.report.left_out(list, reason), count, "{list} {reason}");
    }
    assert_eq!(merged.exclusions.len(), 6);
    let mut table = Vec::new();
    merged.report.write_tsv(&["a".into(), "b".into()], &mut table).unwrap();
    let table = String::from_utf8(table).unwrap();
    assert!(table.contains("a\tSWAP\t1\n") && table.contains("b\tUNKNOWN_ALLELE\t1\n"), "{table}");
}

#[test]
fn palindromes_stay_if_told_so_or_if_frequencies_tell() {
    let a = panel(&[v("1", 1, "a", "A", "T"), v("1", 2, "b", "C", "G"), v("1", 3, "c", "C", "G")]);
    let merged = |palindromic| {
        merge(&[&a], &MergeOptions { palindromic, ..MergeOptions::default() })
            .map(|m| text(&m.panel))
    };
    assert!(matches!(merged(Palindromic::Drop), Err(MergeError::Nothing(_))));
    assert_eq!(merged(Palindromic::Keep).unwrap(), "1:1:A/T:a 1:2:C/G:b 1:3:C/G:c");
    let table = "#CHROM\tPOS\tREF\tALT\tALT_FREQ\n1\t1\tT\tA\t0.7\n1\t2\tC\tG\t0.45\n";
    let table = Frequencies::read(table.as_bytes()).unwrap();
    assert_eq!(merged(Palindromic::by_frequency(&table)).unwrap(), "1:1:A/T:a");
}

#[test]
fn a_reference_says_what_ref_is() {
    let a = panel(&[v("1", 1, "a", "A", "G"), v("1", 2, "b", "C", "T"), v("1", 3, "c", "A", "C")]);
    let mut reference = Panel::new(ReferenceStatus::Provisional);
    for row in [v("1", 3, "r", "T", "G"), v("1", 1, "q", "G", "A"), v("1", 1, "s", "A", "C")] {
        reference.push(row).unwrap();
    }
    let options = MergeOptions { reference: Some(&reference), ..MergeOptions::default() };
    let merged = merge(&[&a], &options).unwrap();
    assert_eq!(text(&merged.panel), "1:1:G/A:a 1:2:C/T:b 1:3:T/G:c");
    assert_eq!(merged.panel.reference_status(), ReferenceStatus::Provisional);
    assert_eq!(Status::ALL.map(|s| merged.report.kept(0, s))[..4], [1, 1, 1, 0]);
}

#[test]
fn bad_lists_are_refused() {
    assert!(matches!(merge(&[], &with(Mode::Union)), Err(MergeError::NoList)));
    let empty = Panel::default();
    assert!(matches!(merge(&[&empty], &with(Mode::Union)), Err(MergeError::Nothing(_))));
    let a = panel(&[v("1", 1, "a", "A", "G")]);
    let mut b = a.clone();
    b.set_build(Some("GRCh38")).unwrap();
    let error = merge(&[&a, &b], &with(Mode::Union)).unwrap_err().to_string();
    assert!(error.contains("list 2 is for build GRCh38"), "{error}");
    let options = MergeOptions { reference: Some(&b), ..MergeOptions::default() };
    assert!(matches!(merge(&[&a], &options), Err(MergeError::Build { list: 2, .. })));
    let far = panel(&[v("1", 2, "a", "A", "G")]);
    assert!(merge(&[&a, &far], &with(Mode::Intersection)).is_err());
    let crowd: Vec<Variant<'_>> = (0..1025).map(|_| v("1", 1, ".", "A", "G")).collect();
    assert!(matches!(merge(&[&panel(&crowd)], &with(Mode::Union)), Err(MergeError::Crowded(_))));
}
