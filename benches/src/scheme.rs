//! What a scheme is: the steps of one encrypted count, and what the comparison says of it besides times and bytes.
//!
//! The steps are separate so that each is timed by itself, and so that types say who has what: [`Scheme::compute`] sees a
//! [`Scheme::Server`] and never a [`Scheme::Secret`]. To add a scheme, copy `schemes/template.rs` and name it in
//! [`crate::schemes::all`]; the conformance test of that module then runs it too.

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::workload::{Answer, Shape, Workload};

/// Who multiplies genotypes by the phenotype. Schemes are compared within a regime.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Regime {
    /// Genotypes and phenotype are encrypted apart from each other, and the server multiplies them: one upload of genotypes
    /// serves every phenotype.
    ServerMultiplies,
    /// The client multiplies before it encrypts, and the server only adds: every phenotype is an upload of its own.
    ClientMultiplies,
    /// Nothing is encrypted.
    #[default]
    Clear,
}

impl Regime {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 3] = [Self::ServerMultiplies, Self::ClientMultiplies, Self::Clear];

    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ServerMultiplies => "server multiplies",
            Self::ClientMultiplies => "client multiplies",
            Self::Clear => "in the clear",
        }
    }
}

/// What is said of a scheme.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct About {
    /// Short name: letters, digits and hyphens.
    pub name: String,
    /// What it is, in a few words.
    pub title: String,
    /// Library and version.
    pub library: String,
    /// Regime.
    pub regime: Regime,
    /// Security level, and who says so.
    pub security: String,
    /// Who can decrypt.
    pub readers: String,
    /// Which operations need evaluation keys.
    pub evaluation_keys: String,
    /// How the workload is laid out, and what is favourable or not about it.
    pub layout: String,
}

/// Bytes of keys, serialised.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct KeyBytes {
    /// What must stay secret.
    pub secret: u64,
    /// What anybody may encrypt with.
    pub public: u64,
    /// What the server needs for its operations.
    pub evaluation: u64,
}

/// What the cost of a scheme is proportional to, for a shape: how figures of a smaller one are scaled to a larger one.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Units {
    /// Encrypting genotypes and computing: ciphertexts, or genotypes where each is one.
    pub input: f64,
    /// Encrypting the phenotype.
    pub people: f64,
    /// Downloading and decrypting.
    pub output: f64,
}

impl Units {
    /// Of a scheme that packs `slots` variants of a person into one ciphertext.
    #[must_use]
    pub fn packed(shape: Shape, slots: u32) -> Self {
        let blocks = f64::from(shape.variants.div_ceil(slots.max(1)));
        let people = f64::from(shape.people);
        Self { input: people * blocks, people, output: blocks }
    }
}

/// A value and the bytes that it is when it is sent.
pub struct Sent<T> {
    /// The value, as the receiver holds it.
    pub value: T,
    /// Bytes on the way.
    pub bytes: u64,
}

/// Keys after setup.
pub struct Keys<C, S> {
    /// What encrypts and decrypts.
    pub secret: C,
    /// What the server gets.
    pub server: S,
    /// Sizes.
    pub bytes: KeyBytes,
}

/// A scheme.
pub trait Scheme {
    /// What encrypts and decrypts.
    type Secret;
    /// What the server gets: evaluation keys and parameters.
    type Server;
    /// Encrypted genotypes, as the server holds them.
    type Genotypes;
    /// Encrypted phenotype.
    type Phenotype;
    /// Encrypted sums.
    type Sums;

    /// What it is.
    fn about(&self) -> About;

    /// Variants of one person in a ciphertext; shapes are cut to multiples of it.
    fn slots(&self) -> u32;

    /// What cost is proportional to.
    fn units(&self, shape: Shape) -> Units {
        Units::packed(shape, self.slots())
    }

    /// The largest part of `shape` that this implementation can do, whatever time it takes.
    fn limit(&self, shape: Shape) -> Shape {
        shape
    }

    /// Bytes that the server holds in memory for a person's ciphertext of [`Self::slots`] variants.
    fn held_bytes(&self) -> u64;

    /// Parameters and keys for a shape.
    ///
    /// # Errors
    /// As for all steps: what the library says.
    fn setup(&self, shape: Shape) -> Result<Keys<Self::Secret, Self::Server>>;

    /// Encrypts genotypes. Where the client multiplies, the products too.
    ///
    /// # Errors
    /// What the library says.
    fn encrypt(&self, secret: &Self::Secret, work: &Workload) -> Result<Sent<Self::Genotypes>>;

    /// Encrypts the phenotype. Where the client multiplies, there is nothing to do.
    ///
    /// # Errors
    /// What the library says.
    fn encrypt_phenotype(
        &self,
        secret: &Self::Secret,
        work: &Workload,
    ) -> Result<Sent<Self::Phenotype>>;

    /// The server's part.
    ///
    /// # Errors
    /// What the library says.
    fn compute(
        &self,
        server: &Self::Server,
        genotypes: &Self::Genotypes,
        phenotype: &Self::Phenotype,
    ) -> Result<Sent<Self::Sums>>;

    /// Decrypts the sums of a shape.
    ///
    /// # Errors
    /// What the library says.
    fn decrypt(&self, secret: &Self::Secret, sums: &Self::Sums, shape: Shape) -> Result<Answer>;

    /// Bits between the noise of the sums and what would make a decryption wrong; nothing where that is no question. Not timed.
    ///
    /// # Errors
    /// What the library says.
    fn bits_left(&self, secret: &Self::Secret, sums: &Self::Sums) -> Result<Option<f64>>;
}
