//! Every command that the documentation and the help texts show is one that the program understands.

use clap::{CommandFactory as _, Parser as _};
use hegwas::cli::Cli;

/// The words of a shell line, with quotes and without comments and redirections.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, false);
    for c in line.chars() {
        match c {
            '\'' => {
                quote = !quote;
                word.get_or_insert_default();
            }
            '#' | '>' if !quote && word.is_none() => break,
            c if c.is_whitespace() && !quote => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// A word as somebody would fill it in.
fn filled_in(word: &str) -> String {
    match word {
        "ID" | "DATASET" | "PHENOTYPE" | "STUDY" | "GRANT" | "JOB" => "0".repeat(64),
        "did:key:z6Mk..." => "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK".to_owned(),
        other => other.to_owned(),
    }
}

/// The lines of a text that call `hegwas`, continued ones joined.
fn commands(text: &str) -> Vec<String> {
    text.replace("\\\n", " ")
        .lines()
        .flat_map(|line| line.split("&&").map(str::trim).map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.starts_with("hegwas "))
        .collect()
}

fn parses(line: &str) -> Result<(), String> {
    let words: Vec<String> = words(line).iter().map(|w| filled_in(w)).collect();
    // What the examples leave to environment variables.
    let more = |words: &[String], flag: &str, value: &str| {
        let mut words = words.to_vec();
        if !words.iter().any(|w| w == flag) {
            words.extend([flag.to_owned(), value.to_owned()]);
        }
        words
    };
    let both = more(&more(&words, "--key", "k"), "--server", "https://gwas.example.org");
    let ways = [&words, &more(&words, "--key", "k"), &both];
    let outcome = ways.map(|words| Cli::try_parse_from(words).map_err(|e| (e.use_stderr(), e)));
    let [plain, ..] = &outcome;
    match plain {
        _ if outcome.iter().any(Result::is_ok) => Ok(()),
        Err((false, _)) => Ok(()), // help and version
        Err((_, error)) => Err(format!("{line}\n{error}")),
        Ok(_) => Ok(()),
    }
}

#[test]
fn commands_of_the_documentation() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut seen = 0;
    for file in ["README.md", "docs/keys.md", "docs/operations.md", "docs/development.md"] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        for line in commands(&text) {
            // A column of explanation follows some commands of docs/keys.md.
            let line = line.split("    ").next().unwrap();
            parses(line).unwrap_or_else(|e| panic!("{file}: {e}"));
            seen += 1;
        }
    }
    assert!(seen >= 15, "{seen} commands");
}

#[test]
fn examples_of_the_help_texts() {
    fn walk(command: &clap::Command, seen: &mut usize) {
        let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for line in commands(&text) {
            parses(&line).unwrap_or_else(|e| panic!("{}: {e}", command.get_name()));
            *seen += 1;
        }
        command.get_subcommands().for_each(|sub| walk(sub, seen));
    }
    let mut seen = 0;
    walk(&Cli::command(), &mut seen);
    assert!(seen >= 30, "{seen} examples");
}

#[test]
fn a_command_that_does_not_exist_would_be_noticed() {
    assert!(parses("hegwas assoc --bfile cohort --out x").is_ok());
    for bad in
        ["hegwas asoc", "hegwas assoc --bfile cohort", "hegwas run new --study STUDY --out x"]
    {
        assert!(parses(bad).is_err(), "{bad}");
    }
    assert_eq!(words("hegwas a --b 'c d' # e"), ["hegwas", "a", "--b", "c d"]);
}
