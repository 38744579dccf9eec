use std::path::Path;

use super::*;
use crate::io::Sex;

fn samples(iids: &str) -> Vec<Sample> {
    iids.chars()
        .map(|c| Sample {
            fid: Some("f".into()),
            iid: c.to_string().into(),
            sex: Sex::Unknown,
            founder: true,
        })
        .collect()
}

/// A table with one person a value: a, b, c, ...
fn table(values: &[&str]) -> Table {
    let mut text = "#FID\tIID\tX\tY\n".to_owned();
    for (iid, value) in ('a'..).zip(values) {
        text += &format!("f\t{iid}\t{value}\t7\n");
    }
    Table::read(text.as_bytes(), Path::new("p.tsv")).unwrap()
}

fn status(values: &[&str], one_coded: bool) -> Result<Vec<Option<bool>>, String> {
    table(values)
        .case_control(None, &samples("abcdefgh")[..values.len()], one_coded)
        .map(|c| c.status)
        .map_err(|e| e.to_string())
}

#[test]
fn one_is_control_and_two_is_case() {
    let (case, control) = (Some(true), Some(false));
    assert_eq!(
        status(&["1", "2", "0", "-9", "NA", "", "2.0", "nan"], false).unwrap(),
        [control, case, None, None, None, None, case, None]
    );
    assert_eq!(status(&["0", "1", "-9", "."], true).unwrap(), [control, case, None, None]);
}

#[test]
fn people_are_matched_by_id_and_not_by_order() {
    let table = table(&["1", "2", "2"]);
    let found = table.case_control(Some("X"), &samples("xba"), false).unwrap();
    assert_eq!(found.status, [None, Some(true), Some(false)]); // x stands in no table
    assert_eq!(found.strangers, 1);
}

#[test]
fn wrong_codings_say_which_flag_helps() {
    for (values, one_coded, message) in [
        (&["0", "1", "1"][..], false, "add --1 if"),
        (&["1", "2", "1"], true, "\"X\" holds a 2 (line 3)"),
        (
            &["1", "2", "3"],
            false,
            "has 3 different values beside missing ones (the first that is neither 1 nor 2 stands in line 4)",
        ),
        (&["0", "1", "2", "3"], true, "has 4 different values"),
        (&["1", "2", "case"], false, "has 3 different values"),
        (&["1", "2", "inf"], false, "has 3 different values"),
        (&["1", "1", "NA"], false, "0 cases, 2 controls and 1 missing"),
        (&["2", "2", "NA"], false, "2 cases, 0 controls"),
        (&["NA", "0", "-9"], false, "0 cases, 0 controls and 3 missing"),
        (&["0", "0"], true, "0 cases, 2 controls"),
    ] {
        let error = status(values, one_coded).unwrap_err();
        assert!(error.starts_with("p.tsv: ") && error.contains(message), "{error}");
    }
}

#[test]
fn errors_never_show_a_value() {
    let error = status(&["1", "2", "31.4159"], false).unwrap_err();
    assert!(!error.contains("31.4"), "{error}");
    let error = table(&["SECRET"]).quantitative(None, &samples("a")).unwrap_err().to_string();
    assert!(error.contains("line 2") && !error.contains("SECRET"), "{error}");
    let found = table(&["1", "2"]).case_control(None, &samples("ab"), false).unwrap();
    assert_eq!(format!("{found:?}"), "CaseControl { people: 2, .. }");
}

#[test]
fn a_phenotype_outside_the_genotype_file_does_not_matter() {
    let values = ["1", "2", "77"];
    assert!(table(&values).case_control(None, &samples("ab"), false).is_ok());
    assert!(table(&values).case_control(None, &samples("abc"), false).is_err());
}

#[test]
fn columns_are_chosen_by_name() {
    let t = table(&["1", "2"]);
    assert_eq!(t.quantitative(Some("Y"), &samples("ba")).unwrap(), [Some(7.0), Some(7.0)]);
    let error = t.case_control(Some("Z"), &samples("ab"), false).unwrap_err().to_string();
    assert!(error.contains("no column \"Z\"; the columns are: X, Y"), "{error}");
}

#[test]
fn numbers_are_read_exactly() {
    let t = table(&["0", "-1.5e-3", "0.2518931833", "-9", "NA"]);
    let expected = [Some(0.0), Some(-0.0015), Some(0.2518931833), None, None];
    assert_eq!(t.quantitative(Some("X"), &samples("abcde")).unwrap(), expected);
}

#[test]
fn many_values_are_counted_to_a_limit() {
    let mut text = "IID X\n".to_owned();
    for i in 0..2000 {
        text += &format!("p{i} {}\n", i as f64 / 7.0);
    }
    let t = Table::read(text.as_bytes(), Path::new("p")).unwrap();
    let people: Vec<Sample> = (0..2000)
        .map(|i| Sample {
            fid: None,
            iid: format!("p{i}").into(),
            sex: Sex::Unknown,
            founder: true,
        })
        .collect();
    let error = t.case_control(None, &people, false).unwrap_err().to_string();
    assert!(error.contains("1000 or more different values"), "{error}");
}
