//! A consortium whose statistic is finished on ciphertexts; and those who ask for more than it releases.

use std::collections::HashMap;

use gwas::wire::status::ShareStatus;

use super::*;

const PEOPLE: usize = 150;
/// Two batches of the finishing ring, three blocks of the packing.
const VARIANTS: usize = 17_000;

/// Random numbers of no consequence.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// PLINK files without missing calls, frequencies from 0.1 to 0.5, every fiftieth variant associated; a third are cases.
fn write_cohort(folder: &Path) -> [String; 2] {
    let prefix = folder.join("cohort");
    let case = |person: usize| person.is_multiple_of(3);
    let (mut bed, mut bim) = (vec![0x6c, 0x1b, 1], String::new());
    let mut numbers = Numbers(7);
    for variant in 0..VARIANTS {
        let p = 0.1 + 0.4 * numbers.next();
        let mut codes = Vec::new();
        for person in 0..PEOPLE {
            let p =
                if variant.is_multiple_of(50) && case(person) { (p + 0.35).min(0.95) } else { p };
            let copies = u8::from(numbers.next() < p) + u8::from(numbers.next() < p);
            codes.push([3, 2, 0][usize::from(copies)]);
        }
        bed.extend(codes.chunks(4).map(|four: &[u8]| {
            four.iter().enumerate().fold(0, |byte, (i, code)| byte | code << (2 * i))
        }));
        bim += &format!("1\tv{variant}\t0\t{}\tA\tG\n", 1000 + variant);
    }
    let mut fam = String::new();
    let mut pheno = "FID\tIID\tCASE\n".to_owned();
    for person in 0..PEOPLE {
        fam += &format!("P{person}\tP{person}\t0\t0\t1\t-9\n");
        pheno += &format!("P{person}\tP{person}\t{}\n", 1 + u8::from(case(person)));
    }
    std::fs::write(prefix.with_extension("bed"), bed).unwrap();
    std::fs::write(prefix.with_extension("bim"), bim).unwrap();
    std::fs::write(prefix.with_extension("fam"), fam).unwrap();
    let table = folder.join("pheno.tsv");
    std::fs::write(&table, pheno).unwrap();
    [prefix, table].map(|path| path.to_str().unwrap().to_owned())
}

const TERMS: [&str; 5] = ["--people", "200", "--complete", "--min-people", "50"];
const FREQUENCY: [&str; 2] = ["--smallest-frequency", "0.05"];

fn world(release: &str) -> World {
    let dir = tempfile::tempdir().unwrap();
    let files = write_cohort(dir.path());
    World::with(dir, files, &[&TERMS[..], &["--release", release], &FREQUENCY].concat())
}

/// A column of a table, by variant.
fn column(path: &str, name: &str) -> HashMap<String, f64> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let place = lines.next().unwrap().split('\t').position(|column| column == name).unwrap();
    let row = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        (fields[2].to_owned(), fields[place].parse().unwrap_or(f64::NAN))
    };
    lines.map(row).collect()
}

/// Runs holders' agents until a job is released; the server is killed once while it finishes the statistic, and asked to stop the
/// job once it is decided.
fn release(world: &mut World, job: &Digest) {
    let (mut killed, mut refused) = (false, 0);
    for _ in 0..40 {
        for holder in HOLDERS {
            world.agent(holder, &[]).unwrap();
            let state = world.client("coordinator").job_status(job).unwrap().state;
            if state == JobState::Finishing && !killed {
                world.restart();
                killed = true;
            }
            let shares = world.client("coordinator").share_statuses(job).unwrap();
            let decided = |s: &ShareStatus| s.phase != SharePhase::Totals && s.commitment.is_some();
            if shares.iter().any(decided) {
                let said = world.run("coordinator", &["run", "cancel", &job.to_string()]);
                assert!(said.unwrap_err().to_string().contains("has ended"));
                refused += 1;
            }
        }
        let client = world.client("coordinator");
        if client.job_status(job).unwrap().state == JobState::Released {
            assert!(killed, "the server was not seen finishing");
            assert!(refused > 3, "between refresh and release");
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    panic!("not released: {:?}", world.client("coordinator").job_status(job).unwrap());
}

/// The table in the clear.
fn in_the_clear(world: &World) -> String {
    let [bfile, pheno] = &world.files;
    let plain = world.path("plain");
    let assoc = ["hegwas", "assoc", "--plaintext", "--bfile", bfile, "--pheno", pheno];
    let more = ["--pheno-name", "CASE", "--out", &plain];
    let assoc = Cli::try_parse_from([&assoc[..], &more].concat()).unwrap();
    dispatch(assoc.command, &Console::silent()).unwrap();
    format!("{plain}.assoc.tsv")
}

/// A table of hits against the table in the clear: outside the band no answer is wrong. How many hits there are.
fn compare_hits(world: &World, table: &str, band: f64) -> usize {
    let clear = in_the_clear(world);
    let (exact, frequency) = (column(&clear, "CHISQ"), column(&clear, "A1_FREQ"));
    let said: HashMap<String, String> = {
        let text = std::fs::read_to_string(table).unwrap();
        let head = "#CHROM\tPOS\tID\tREF\tALT\tOBS_CT\tTEST\tHIT\tCHISQ\tZ_ERROR\tP\tNEG_LOG10_P";
        assert_eq!(text.lines().next().unwrap(), head);
        let fields = |line: &str| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
        text.lines().skip(1).map(fields).map(|f| (f[2].clone(), f[7].clone())).collect()
    };
    let (values, bound) = (column(table, "CHISQ"), column(table, "Z_ERROR"));
    let threshold = 5.451_310;
    let mut hits = 0;
    for (variant, chi2) in &exact {
        let z = chi2.sqrt();
        let rare = frequency[variant].min(1.0 - frequency[variant]) < 0.05;
        let word = said.get(variant).map_or("no", String::as_str);
        if z < threshold - band {
            assert_eq!(word, "no", "{variant}: {z}");
        } else if z > threshold + band && !rare {
            assert_eq!(word, "yes", "{variant}: {z}");
            hits += 1;
            let error = (values[variant].sqrt() - z).abs();
            let fine = error.is_nan() || error <= bound[variant] * 1.1;
            assert!(fine, "{variant}: {z} {}", values[variant]);
        }
    }
    hits
}

/// Every row of a statistic against the table in the clear; the largest difference of `|Z|`.
fn compare(world: &World, statistic: &str) -> f64 {
    let exact = column(&in_the_clear(world), "CHISQ");
    let ours = column(statistic, "CHISQ");
    let bound = column(statistic, "Z_ERROR");
    assert_eq!((exact.len(), ours.len()), (VARIANTS, VARIANTS));
    let mut worst = 0.0f64;
    for (variant, chi2) in exact {
        let error = (ours[&variant].sqrt() - chi2.sqrt()).abs();
        assert!(error <= bound[&variant] * 1.1 + 1e-12, "{variant}: {chi2} {}", ours[&variant]);
        worst = worst.max(error);
    }
    worst
}

#[test]
fn a_statistic_is_released_and_nothing_else() {
    let mut world = world("statistic");
    let study = world.terms();
    let job = world.compute();
    let id = job.to_string();

    // Who asks for sums or for values before their time receives nothing, and the server takes no share of the sums.
    let said = world.run("coordinator", &["result", &id, "--out", &world.path("early")]);
    assert!(said.unwrap_err().to_string().contains("not finished yet"));
    for who in ["coordinator", "one"] {
        let share = world.run(who, &["share", &id, "--out", &world.path("share")]);
        assert!(share.unwrap_err().to_string().contains("its sums are not decrypted"), "{who}");
    }
    let holder = world.client("one");
    let status = holder.job_status(&job).unwrap();
    let (result, sums) = result_of(&holder, &status).unwrap();
    let subject = sums.units[0].chunk.digest;
    let commitment = he_core::commit::Commitment::new(
        he_core::ceremony::share_round(subject),
        "x",
        &[1; 32],
        b"y",
    );
    for phase in [SharePhase::Sums, SharePhase::Values] {
        let commitments = vec![commitment.to_bytes()];
        let message = gwas::wire::ShareCommitment { job, result, phase, commitments };
        let envelope = sign(&message, holder.identity()).unwrap();
        let said = holder.put_manifest(Collection::ShareCommitments, &envelope).unwrap_err();
        let said = said.to_string();
        let why = match phase {
            SharePhase::Sums => "not decrypted from shares of this kind",
            _ => "not finished yet",
        };
        assert!(said.contains(why), "{phase:?}: {said}");
    }

    release(&mut world, &job);
    let out = world.path("table");
    let said = world.run("coordinator", &["result", &id, "--maf", "0.1", "--out", &out]);
    assert!(said.unwrap_err().to_string().contains("no counts to filter by"));
    world.run("coordinator", &["result", &id, "--out", &out]).unwrap();
    let statistic = format!("{out}.statistic.tsv");
    let worst = compare(&world, &statistic);
    println!("|Z| within {worst:e}");
    assert!(worst < 0.01, "{worst}");
    assert!(!Path::new(&format!("{out}.assoc.tsv")).exists());
    // An analyst who is no holder reads no masked sums, and who is no analyst reads no values.
    let coordinator = world.client("coordinator");
    let shares = coordinator.share_statuses(&job).unwrap();
    let refresh = shares.iter().find(|s| s.phase == SharePhase::Refresh).unwrap().shares.unwrap();
    assert!(coordinator.get_manifest::<Shares>(Collection::Shares, &refresh).is_err());
    let said = world.run("one", &["result", &id, "--out", &world.path("mine")]);
    assert!(said.unwrap_err().to_string().contains("not sealed to you"));
    assert!(study.message.is_finished());
}

#[test]
fn a_sole_holder_has_a_statistic_in_one_command() {
    let world = world("statistic");
    let [bfile, pheno] = &world.files;
    let out = world.path("alone");
    let assoc =
        ["assoc", "--bfile", bfile, "--pheno", pheno, "--pheno-name", "CASE", "--out", &out];
    let finish = ["--release", "statistic", "--smallest-frequency", "0.05"];
    let said = world.run("coordinator", &[&assoc[..], &finish, &["--test", "trend"]].concat());
    assert!(said.unwrap_err().to_string().contains("by the allelic test alone"));
    let low = ["--release", "statistic", "--smallest-frequency", "0.6"];
    let said = world.run("coordinator", &[&assoc[..], &low].concat());
    assert!(said.unwrap_err().to_string().contains("between 0.0001 and 0.5"));
    world.run("coordinator", &[&assoc[..], &finish].concat()).unwrap();
    let worst = compare(&world, &format!("{out}.statistic.tsv"));
    println!("|Z| within {worst:e}");
    assert!(worst < 0.01, "{worst}");
}

#[test]
fn hits_are_released_and_nothing_else() {
    let mut world = world("hits");
    let job = world.compute();
    let id = job.to_string();
    for who in ["coordinator", "one"] {
        let share = world.run(who, &["share", &id, "--out", &world.path("share")]);
        let said = share.unwrap_err().to_string();
        assert!(said.contains("releases hits: its sums are not decrypted"), "{who}: {said}");
    }
    release(&mut world, &job);
    let out = world.path("table");
    world.run("coordinator", &["result", &id, "--out", &out]).unwrap();
    let table = format!("{out}.hits.tsv");
    let hits = compare_hits(&world, &table, 0.01);
    println!("{hits} hits");
    assert!(hits > 50, "{hits}");
    // Neither a chi-square nor a count is in it, and there is no other table.
    assert!(column(&table, "CHISQ").values().all(|chi2| chi2.is_nan()));
    for other in ["statistic", "assoc"] {
        assert!(!Path::new(&format!("{out}.{other}.tsv")).exists());
    }
    // What holders have shared are totals, masked sums and indicators.
    let shares = world.client("coordinator").share_statuses(&job).unwrap();
    assert!(shares.iter().all(|s| s.phase != SharePhase::Sums), "{shares:?}");
}

#[test]
fn a_sole_holder_has_hits_and_their_values_in_one_command() {
    let world = world("statistic");
    let [bfile, pheno] = &world.files;
    let out = world.path("alone");
    let assoc =
        ["assoc", "--bfile", bfile, "--pheno", pheno, "--pheno-name", "CASE", "--out", &out];
    let deep = ["--release", "hits", "--smallest-frequency", "0.0001"];
    let said = world.run("coordinator", &[&assoc[..], &deep].concat()).unwrap_err().to_string();
    assert!(said.contains("raise the smallest frequency, or widen the band"), "{said}");
    let never = ["--release", "hits", "--p-value", "0"];
    assert!(world.run("coordinator", &[&assoc[..], &never].concat()).is_err());
    world.run("coordinator", &[&assoc[..], &["--release", "hits-with-values"]].concat()).unwrap();
    let table = format!("{out}.hits.tsv");
    let hits = compare_hits(&world, &table, 0.02);
    assert!(
        hits > 50 && column(&table, "CHISQ").values().filter(|x| x.is_finite()).count() >= hits
    );
}
