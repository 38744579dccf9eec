//! `hegwas study`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use gwas::wire::draft::Role;
use he_core::Digest;

use super::common::{IdArgs, KeyFileArgs, ListArgs, ReleaseArgs, ServerArgs, TestArgs};
use super::grant::duration;

const EXAMPLES: &str = "\
Examples:
  hegwas study new --dataset ID --name 'Height, pilot' --purpose 'Replication of known loci' \\
      --server https://gwas.example.org --key me.key
  hegwas study draft --name Height --purpose 'Known loci' \\
      --server https://gwas.example.org --key me.key
  hegwas study status ID --server https://gwas.example.org --key me.key

A study of one party is made with `new`. Several parties come together in a draft: its coordinator
invites them and proposes the study, the key holders sign it, then `advance` makes the key, step by
step; nobody has to be there at the same time.";

/// Make studies, alone or with others
///
/// A study says what is computed on which panel, and has its own key: results are encrypted under it.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct StudyArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: StudyCommand,
}

/// The subcommands.
#[derive(Subcommand, Debug, Clone)]
pub enum StudyCommand {
    /// Make a study
    New(NewArgs),
    /// List the studies that you may read
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Show a study
    #[command(after_help = SHOW_EXAMPLES, mut_arg("id", |a| a.value_name("STUDY").help("The study")))]
    Show(IdArgs),
    /// Begin a study of several parties
    Draft(DraftArgs),
    /// Invite a party to a draft
    Invite(InviteArgs),
    /// Accept an invitation
    Join(JoinArgs),
    /// Make the draft a study that its key holders can sign
    Propose(Box<ProposeArgs>),
    /// Read a study and sign it
    Sign(SignArgs),
    /// Say where a study stands and who has to do what next
    #[command(after_help = STATUS_EXAMPLES, mut_arg("id", |a| a.value_name("STUDY").help("The study")))]
    Status(IdArgs),
    /// Do what you have to do next for the study's key
    ///
    /// As a key holder you commit to your part of the key, and reveal it when everybody has committed. Signing is a command
    /// of its own.
    #[command(after_help = ADVANCE_EXAMPLES, mut_arg("id", |a| a.value_name("STUDY").help("The study")))]
    Advance(IdArgs),
}

const NEW_EXAMPLES: &str = "\
Example:
  hegwas study new --dataset ID --name Pilot --purpose 'Replication' \\
      --server https://gwas.example.org --key me.key";

/// Make a study
///
/// You are its key holder: its secret key is derived from your key file.
#[derive(Args, Debug, Clone)]
#[command(after_help = NEW_EXAMPLES)]
pub struct NewArgs {
    /// A dataset whose panel, parameters and planes the study takes over
    #[arg(long, value_name = "ID")]
    pub dataset: Digest,
    /// Name by which people recognise it; the server sees it
    #[arg(long, value_name = "TEXT")]
    pub name: String,
    /// What it is for: what data owners agree to
    #[arg(long, value_name = "TEXT")]
    pub purpose: String,
    /// Fewest people in a job
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub min_people: u32,
    /// Server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Key.
    #[command(flatten)]
    pub key: KeyFileArgs,
}

const LIST_EXAMPLES: &str = "\
Example:
  hegwas study list --server https://gwas.example.org --key me.key";

const SHOW_EXAMPLES: &str = "\
Example:
  hegwas study show ID --server https://gwas.example.org --key me.key";

const STATUS_EXAMPLES: &str = "\
Example:
  hegwas study status ID --server https://gwas.example.org --key me.key";

const ADVANCE_EXAMPLES: &str = "\
Example:
  hegwas study advance ID --server https://gwas.example.org --key me.key";

const DRAFT_EXAMPLES: &str = "\
Example:
  hegwas study draft --name Height --purpose 'Known loci' \\
      --server https://gwas.example.org --key me.key";

/// Begin a study of several parties
///
/// Prints the draft's id. You are its coordinator.
#[derive(Args, Debug, Clone)]
#[command(after_help = DRAFT_EXAMPLES)]
pub struct DraftArgs {
    /// Name by which people recognise the study; the server sees it
    #[arg(long, value_name = "TEXT")]
    pub name: String,
    /// What it is for: what data owners agree to
    #[arg(long, value_name = "TEXT")]
    pub purpose: String,
    /// Server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Key.
    #[command(flatten)]
    pub key: KeyFileArgs,
}

/// What an invited party may do.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleName {
    /// Contributes data
    DataOwner,
    /// Holds a share of the study's key
    KeyHolder,
    /// Receives the results
    Analyst,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::DataOwner => Self::DataOwner,
            RoleName::KeyHolder => Self::KeyHolder,
            RoleName::Analyst => Self::Analyst,
        }
    }
}

const INVITE_EXAMPLES: &str = "\
Example:
  hegwas study invite ID --role key-holder --out holder.invitation \\
      --server https://gwas.example.org --key me.key";

/// Invite a party to a draft
///
/// Writes a file for the invited party. Whoever has it can join once in its place: send it by a way that you trust.
#[derive(Args, Debug, Clone)]
#[command(after_help = INVITE_EXAMPLES)]
pub struct InviteArgs {
    /// The draft
    #[arg(value_name = "DRAFT")]
    pub draft: Digest,
    /// What the party may do
    #[arg(long, value_enum)]
    pub role: RoleName,
    /// How long it can be accepted: a number and s, m, h, d or y
    #[arg(long = "for", value_name = "TIME", default_value = "14d", value_parser = duration)]
    pub lasts: Duration,
    /// File to write
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: PathBuf,
    /// Server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Key.
    #[command(flatten)]
    pub key: KeyFileArgs,
}

const JOIN_EXAMPLES: &str = "\
Example:
  hegwas study join holder.invitation --server https://gwas.example.org --key holder.key";

/// Accept an invitation
///
/// Prints the draft's id. Your key need not be known to the server before.
#[derive(Args, Debug, Clone)]
#[command(after_help = JOIN_EXAMPLES)]
pub struct JoinArgs {
    /// The file that the coordinator sent
    #[arg(value_name = "FILE")]
    pub invitation: PathBuf,
    /// Server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Key.
    #[command(flatten)]
    pub key: KeyFileArgs,
}

const PROPOSE_EXAMPLES: &str = "\
Example:
  hegwas study propose ID --panel study.panel --people 5000 --min-cases 50 \\
      --server https://gwas.example.org --key me.key";

/// Make the draft a study that its key holders can sign
///
/// Takes those who joined so far, each in the role of its invitation, and prints the study's id. Nothing of a study can be
/// changed afterwards: who wants something else proposes another one, and the one that all key holders sign counts.
#[derive(Args, Debug, Clone)]
#[command(after_help = PROPOSE_EXAMPLES)]
pub struct ProposeArgs {
    /// The draft
    #[arg(value_name = "DRAFT")]
    pub draft: Digest,
    /// The panel that every site encrypts (see `hegwas panel`)
    #[arg(long, value_name = "FILE")]
    pub panel: PathBuf,
    /// Most people in a job: decides the parameters
    #[arg(long, value_name = "N")]
    pub people: u32,
    /// Most datasets and totals in a job [default: one for each data owner]
    #[arg(long, value_name = "N")]
    pub contributions: Option<u32>,
    /// Roles that you take yourself
    #[arg(long, value_enum, value_delimiter = ',', value_name = "ROLES")]
    pub also: Vec<RoleName>,
    /// No genotype is missing at any site: leaves out the plane that counts calls
    #[arg(long)]
    pub complete: bool,
    /// Nobody learns who has a phenotype, at twice the cost
    #[arg(long)]
    pub encrypted_participation: bool,
    /// Tests.
    #[command(flatten)]
    pub tests: TestArgs,
    /// What is decrypted.
    #[command(flatten)]
    pub release: ReleaseArgs,
    /// Limits.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// Server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Key.
    #[command(flatten)]
    pub key: KeyFileArgs,
}

/// What the study never does.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Fewest people in a job
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub min_people: u32,
    /// Fewest cases in a job
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub min_cases: u32,
    /// Fewest controls in a job
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub min_controls: u32,
    /// Fewest data owners in a job
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub min_sites: u32,
    /// Fewest rows by which a job differs from an earlier one, unless it has the same
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub min_changed_rows: u32,
    /// Most jobs
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub max_jobs: u32,
    /// Most datasets of a single person
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub max_donors: u32,
}

const SIGN_EXAMPLES: &str = "\
Example:
  hegwas study sign ID --server https://gwas.example.org --key me.key";

/// Read a study and sign it
///
/// Says what the study is, checks that its parties are those who joined the draft, and asks.
#[derive(Args, Debug, Clone)]
#[command(after_help = SIGN_EXAMPLES)]
pub struct SignArgs {
    /// The study
    #[arg(value_name = "STUDY")]
    pub study: Digest,
    /// Sign without asking
    #[arg(long)]
    pub yes: bool,
    /// Server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Key.
    #[command(flatten)]
    pub key: KeyFileArgs,
}
