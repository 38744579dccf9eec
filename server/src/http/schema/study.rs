//! Drafts, statuses of studies, logs.

use utoipa::ToSchema;

use super::{JobStatus, Listed};

/// A draft to make.
#[derive(ToSchema)]
pub(in super::super) struct NewDraft {
    /// Free text for people.
    name: String,
    /// What the study will be for.
    purpose: String,
    /// 32 fresh random bytes in hexadecimal.
    nonce: String,
}

/// A draft and its members.
#[derive(ToSchema)]
pub(in super::super) struct Draft {
    /// Its digest.
    id: String,
    /// Free text for people.
    name: String,
    /// What the study will be for.
    purpose: String,
    /// The coordinator's did:key.
    coordinator: String,
    /// When it was made, in seconds since 1970.
    created: u64,
    /// In the order in which they were made.
    invitations: Vec<Invitation>,
}

/// Roles of members.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(in super::super) enum Role {
    /// Contributes data.
    DataOwner,
    /// Holds a share of the key.
    KeyHolder,
    /// Receives results.
    Analyst,
}

/// An invitation to make.
#[derive(ToSchema)]
pub(in super::super) struct NewInvitation {
    /// Public half of the token, as did:key.
    key: String,
    /// What the invited party may do.
    #[schema(value_type = Role)]
    role: Role,
    /// When it can't be accepted any more, in seconds since 1970.
    expires: u64,
}

/// An invitation.
#[derive(ToSchema)]
pub(in super::super) struct Invitation {
    /// Public half of the token, as did:key.
    key: String,
    /// What the invited party may do.
    #[schema(value_type = Role)]
    role: Role,
    /// When it can't be accepted any more, in seconds since 1970.
    expires: u64,
    /// Who accepted it.
    accepted: Option<Acceptance>,
}

/// An invitation's acceptance.
#[derive(ToSchema)]
pub(in super::super) struct Acceptance {
    /// The draft's digest.
    draft: String,
    /// Public half of the token, as did:key.
    invitation: String,
    /// The accepting party's did:key.
    party: String,
    /// Its age recipient.
    sealing_key: Option<String>,
    /// The token's signature, in base64.
    signature: String,
}

/// Where a study stands.
#[derive(ToSchema)]
pub(in super::super) struct StudyStatus {
    /// The study's digest.
    study: String,
    /// How far it has come.
    #[schema(value_type = Phase)]
    phase: Phase,
    /// Who has to do what next.
    todo: Vec<Todo>,
    /// Grants in force.
    grants: Vec<GrantStatus>,
    /// Contributions of totals.
    totals: Vec<Listed>,
    /// Its jobs.
    jobs: Vec<JobStatus>,
}

/// Phases of a study.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(in super::super) enum Phase {
    /// The manifest is to be signed.
    Signing,
    /// Key holders are to commit.
    Committing,
    /// Key holders are to reveal.
    Revealing,
    /// The key is complete.
    Ready,
}

/// Something that a party has to do.
#[derive(ToSchema)]
pub(in super::super) struct Todo {
    /// The party's did:key.
    party: String,
    /// What.
    #[schema(value_type = Action)]
    action: Action,
    /// The job that it is about.
    job: Option<String>,
}

/// What a party has to do.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(in super::super) enum Action {
    /// Sign the study.
    Sign,
    /// Commit to a key contribution.
    Commit,
    /// Reveal it.
    Reveal,
    /// Grant a dataset, or send totals.
    Contribute,
    /// Commit to shares of the totals.
    CommitTotals,
    /// Share the totals.
    ShareTotals,
    /// Commit to shares of the sums.
    CommitSums,
    /// Share the sums.
    ShareSums,
    /// Commit to a refresh of the sums.
    CommitRefresh,
    /// Reveal it.
    ShareRefresh,
    /// Commit to shares of the finished statistic.
    CommitValues,
    /// Share the finished statistic.
    ShareValues,
}

/// A grant in force.
#[derive(ToSchema)]
pub(in super::super) struct GrantStatus {
    /// The grant's digest.
    grant: String,
    /// Who gave it.
    party: String,
    /// The dataset's digest.
    dataset: String,
    /// When it ends, in seconds since 1970.
    expires: u64,
}

/// A commitment to a key contribution.
#[derive(ToSchema)]
pub(in super::super) struct Committed {
    /// The key holder's did:key.
    party: String,
    /// Digest of the signed commitment.
    manifest: String,
}

/// What a holder has committed to and shared.
#[derive(ToSchema)]
pub(in super::super) struct ShareStatus {
    /// The key holder's did:key.
    party: String,
    /// What the shares are of.
    #[schema(value_type = SharePhase)]
    phase: SharePhase,
    /// Digest of the signed commitment.
    commitment: Option<String>,
    /// Digest of the signed shares.
    shares: Option<String>,
}

/// What shares are of.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(in super::super) enum SharePhase {
    /// The totals of the weights.
    Totals,
    /// The sums of every variant.
    Sums,
    /// The masked sums of every variant.
    Refresh,
    /// The finished statistic of every variant.
    Values,
}

/// An entry of a log.
#[derive(ToSchema)]
pub(in super::super) struct LogEntry {
    /// Its number; the first is 1.
    seq: u64,
    /// Hash of the entry before.
    prev: String,
    /// When, in seconds since 1970.
    time: u64,
    /// The party's did:key.
    party: String,
    /// What happened.
    #[schema(value_type = Event)]
    event: Event,
    /// The objects it is about.
    digests: Vec<String>,
}

/// What happened.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(in super::super) enum Event {
    /// A draft was made.
    Drafted,
    /// An invitation was made.
    Invited,
    /// An invitation was accepted.
    Joined,
    /// The study was signed.
    Signed,
    /// A holder committed to a key contribution.
    Committed,
    /// A holder revealed it.
    Revealed,
    /// Data came into the study.
    Uploaded,
    /// A dataset was granted.
    Granted,
    /// A grant ended.
    Withdrawn,
    /// A job was asked for.
    Submitted,
    /// A job was computed.
    Computed,
    /// A holder committed to shares.
    ShareCommitted,
    /// A holder shared.
    Shared,
    /// All shares are there.
    Released,
    /// Something was erased.
    Erased,
}
