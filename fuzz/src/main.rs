//! `hegwas-fuzz`: writes the corpus's hand-made inputs, and replays inputs on the stable compiler.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr)] // a program that talks to a person

use std::process::ExitCode;

const USAGE: &str = "usage: hegwas-fuzz list             names of the targets
       hegwas-fuzz seeds            write the hand-made inputs of the corpus
       hegwas-fuzz run TARGET FILE...  run a target on files, a crash of the fuzzer for instance";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["list"] => {
            println!("{}", hegwas_fuzz::names().join("\n"));
            Ok(())
        }
        ["seeds"] => seeds(),
        ["run", target, files @ ..] if !files.is_empty() => run(target, files),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

type Done = Result<(), Box<dyn std::error::Error>>;

fn seeds() -> Done {
    for target in hegwas_fuzz::TARGETS {
        let folder = hegwas_fuzz::corpus(target);
        std::fs::create_dir_all(&folder)?;
        for (name, bytes) in (target.seeds)() {
            std::fs::write(folder.join(name), bytes)?;
        }
        println!("{}: {} inputs", target.name, hegwas_fuzz::inputs(target)?.len());
    }
    Ok(())
}

fn run(name: &str, files: &[&str]) -> Done {
    let target =
        hegwas_fuzz::find(name).ok_or_else(|| format!("no target {name}; see hegwas-fuzz list"))?;
    for file in files {
        let accepted = (target.run)(&std::fs::read(file)?);
        println!("{file}: {}", if accepted { "accepted" } else { "refused" });
    }
    Ok(())
}
