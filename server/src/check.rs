//! What foreign objects must satisfy before they are stored or used.

mod residues;
mod upload;

pub use residues::Residues;
pub use upload::UploadCheck;
