//! Matching the people of one file with those of another.

use std::collections::HashMap;

use super::source::Sample;

/// How a table names a person.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct PersonId {
    /// Family id; nothing where the table has none.
    pub(crate) fid: Option<Box<str>>,
    pub(crate) iid: Box<str>,
}

/// Why people can't be matched. Holds numbers only: ids are private.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum MatchError {
    /// The table names a person twice.
    #[error("lines {first} and {line} name the same person")]
    Repeated {
        /// Line of the first occurrence.
        first: u64,
        /// Line of the second.
        line: u64,
    },
    /// Matching by IID alone, but IIDs repeat in the genotype file.
    #[error(
        "without FIDs people are matched by IID, but {count} people of the genotype file share their IID with another; add a #FID column"
    )]
    SharedIid {
        /// People whose IID an earlier person has.
        count: usize,
    },
    /// Nobody is in both files.
    #[error(
        "none of its {listed} people is among the {people} people of the genotype file: {hint}"
    )]
    NoOverlap {
        /// People in the table.
        listed: usize,
        /// People in the genotype file.
        people: usize,
        /// What the two files do differently.
        hint: &'static str,
    },
}

/// For each sample the row of `ids` that names it, if any. `lines` are the rows' line numbers, for errors.
///
/// People are matched by FID and IID where both files have FIDs, and by IID alone otherwise; then IIDs must be unique.
pub(crate) fn match_people(
    samples: &[Sample],
    ids: &[PersonId],
    lines: &[u64],
) -> Result<Vec<Option<u32>>, MatchError> {
    let with_fid = samples.iter().all(|s| s.fid.is_some()) && ids.iter().all(|p| p.fid.is_some());
    let key = |fid: &Option<Box<str>>| if with_fid { fid.clone() } else { None };
    let mut rows = HashMap::with_capacity(ids.len());
    for ((row, id), &line) in (0u32..).zip(ids).zip(lines) {
        let id = PersonId { fid: key(&id.fid), iid: id.iid.clone() };
        if let Some((_, first)) = rows.insert(id, (row, line)) {
            return Err(MatchError::Repeated { first, line });
        }
    }
    if !with_fid {
        let distinct: std::collections::HashSet<&str> = samples.iter().map(|s| &*s.iid).collect();
        if distinct.len() < samples.len() {
            return Err(MatchError::SharedIid { count: samples.len() - distinct.len() });
        }
    }
    let found: Vec<Option<u32>> = samples
        .iter()
        .map(|s| rows.get(&PersonId { fid: key(&s.fid), iid: s.iid.clone() }).map(|&(row, _)| row))
        .collect();
    if found.iter().all(Option::is_none) {
        let hint = difference(samples, ids, with_fid);
        return Err(MatchError::NoOverlap { listed: ids.len(), people: samples.len(), hint });
    }
    Ok(found)
}

/// What two files without a common person do differently, found by trying the usual suspects.
fn difference(samples: &[Sample], ids: &[PersonId], with_fid: bool) -> &'static str {
    let iids: std::collections::HashSet<&str> = ids.iter().map(|p| &*p.iid).collect();
    let any = |spelling: &dyn Fn(&Sample) -> Option<String>| {
        samples.iter().any(|s| spelling(s).is_some_and(|iid| iids.contains(iid.as_str())))
    };
    let swapped =
        ids.iter().filter_map(|p| p.fid.as_deref()).collect::<std::collections::HashSet<_>>();
    let joined: std::collections::HashSet<String> =
        ids.iter().filter_map(|p| Some(format!("{}_{}", p.fid.as_deref()?, p.iid))).collect();
    if with_fid && any(&|s| Some(s.iid.to_string())) {
        "IIDs agree but FIDs differ; leave the FID column out (header #IID) to match by IID alone"
    } else if samples.iter().any(|s| joined.contains(&*s.iid)) {
        "the genotype file names people FID_IID; write such names into the IID column"
    } else if any(&|s| Some(format!("{}_{}", s.fid.as_deref()?, s.iid))) {
        "the table names people FID_IID; split them into the columns #FID and IID"
    } else if samples.iter().any(|s| swapped.contains(&*s.iid)) {
        "its FID column holds what the genotype file has as IID; exchange the columns"
    } else if any(&|s| Some(s.iid.trim_start_matches('0').to_owned())) {
        "its ids lack leading zeros, as after opening a table in a spreadsheet; restore them"
    } else {
        "the ids are spelled differently, or the files belong to different studies; compare their FID and IID columns"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Sex;

    fn samples(ids: &[(Option<&str>, &str)]) -> Vec<Sample> {
        let sample = |&(fid, iid): &(Option<&str>, &str)| Sample {
            fid: fid.map(Into::into),
            iid: iid.into(),
            sex: Sex::Unknown,
            founder: true,
        };
        ids.iter().map(sample).collect()
    }

    fn matched(
        people: &[(Option<&str>, &str)],
        ids: &[(Option<&str>, &str)],
    ) -> Result<Vec<Option<u32>>, MatchError> {
        let ids: Vec<PersonId> = ids
            .iter()
            .map(|&(fid, iid)| PersonId { fid: fid.map(Into::into), iid: iid.into() })
            .collect();
        let lines: Vec<u64> = (2..).take(ids.len()).collect();
        match_people(&samples(people), &ids, &lines)
    }

    #[test]
    fn fids_count_where_both_sides_have_them() {
        let people = [(Some("f"), "a"), (Some("g"), "a"), (Some("g"), "b")];
        assert_eq!(
            matched(&people, &[(Some("g"), "a"), (Some("x"), "b")]),
            Ok(vec![None, Some(0), None])
        );
        let vcf = [(None, "a"), (None, "b")];
        assert_eq!(matched(&vcf, &[(Some("0"), "b")]), Ok(vec![None, Some(0)]));
        assert_eq!(matched(&people[1..], &[(None, "b"), (None, "c")]), Ok(vec![None, Some(0)]));
    }

    #[test]
    fn ambiguity_is_an_error() {
        let people = [(Some("f"), "a"), (Some("g"), "a")];
        assert_eq!(matched(&people, &[(None, "a")]), Err(MatchError::SharedIid { count: 1 }));
        let twice = [(Some("f"), "a"), (Some("g"), "b"), (Some("f"), "a")];
        assert_eq!(matched(&people, &twice), Err(MatchError::Repeated { first: 2, line: 4 }));
        let vcf = [(None, "a")];
        assert_eq!(
            matched(&vcf, &[(Some("f"), "a"), (Some("g"), "a")]),
            Err(MatchError::Repeated { first: 2, line: 3 })
        );
    }

    #[test]
    fn no_overlap_says_what_differs_and_no_id() {
        for (people, ids, word) in [
            ((Some("SECRETF"), "SECRET1"), (Some("0"), "SECRET1"), "FIDs differ"),
            ((None, "F_SECRET"), (Some("F"), "SECRET"), "FID_IID; write"),
            ((Some("F"), "SECRET"), (Some("0"), "F_SECRET"), "FID_IID; split"),
            ((Some("0"), "SECRET"), (Some("SECRET"), "F"), "exchange"),
            ((None, "007"), (None, "7"), "leading zeros"),
            ((None, "SECRET"), (None, "OTHER"), "spelled differently"),
        ] {
            let error = matched(&[people], &[ids]).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("its 1 people"), "{error}");
            assert!(!error.contains("SECRET") && !error.contains("007"), "{error}");
        }
    }
}
