//! Datasets and phenotypes: encrypted matrices, of which every chunk is there and is the one that its place demands.

use gwas::wire::{ChunkRef, Dataset, Did, GrantTerms, Phenotype, Study};
use he_core::codec::{HEADER_LEN, Kind};
use he_core::layout::Shape;

use super::{Offered, require};
use crate::error::ApiError;
use crate::index::NewManifest;

/// Checks a dataset.
///
/// # Errors
/// When it may not be accepted.
pub(super) async fn dataset(mut offered: Offered<'_>) -> Result<NewManifest, ApiError> {
    let (opened, bytes) = offered.open::<Dataset>().await?;
    let owner = offered.sole_signer(&opened)?;
    let dataset = opened.message;
    offered.panel(&owner, &dataset.panel, dataset.variants).await?;
    let (shape, nonce) = (dataset.shape(), dataset.nonce);
    chunks(&offered, &owner, Kind::GenotypeChunk, shape, nonce, &dataset.chunks).await?;
    let named = dataset.chunks.iter().map(|c| c.digest);
    Ok(NewManifest {
        name: dataset.name,
        objects: named.chain([dataset.panel]).collect(),
        readers: vec![(opened.id, owner)],
        ..NewManifest::new(opened.id, Kind::Dataset, owner, bytes, offered.received)
    })
}

/// Checks a phenotype.
///
/// # Errors
/// When it may not be accepted.
pub(super) async fn phenotype(mut offered: Offered<'_>) -> Result<NewManifest, ApiError> {
    let (opened, bytes) = offered.open::<Phenotype>().await?;
    let owner = offered.sole_signer(&opened)?;
    let phenotype = opened.message;
    offered.owned(Kind::Dataset, "dataset", &phenotype.dataset, &owner).await?;
    let dataset = offered.app.load::<Dataset>(&phenotype.dataset).await?.message;
    require(phenotype.plan == dataset.plan, "the phenotype's plan is not its dataset's")?;
    require(phenotype.rows == dataset.rows, "the phenotype has other rows than its dataset")?;
    require(phenotype.nonce == dataset.nonce, "the phenotype's nonce is not its dataset's")?;
    require(
        phenotype.mask_seed != dataset.mask_seed,
        "the phenotype has the mask seed of its dataset: every object needs its own",
    )?;
    let (shape, nonce) = (phenotype.shape(), phenotype.nonce);
    chunks(&offered, &owner, Kind::WeightChunk, shape, nonce, &phenotype.chunks).await?;
    // Studies to which the dataset is granted already learn of it; the others do with their grants.
    let mut shown = Vec::new();
    for grant in offered.app.index.linked(&phenotype.dataset, Kind::Grant).await? {
        let terms = offered.app.load::<GrantTerms>(&grant).await?.message;
        let study = offered.app.load::<Study>(&terms.study).await?.message;
        if phenotype.serves(study.participation) {
            shown.extend(study.askers().map(|party| (opened.id, party, grant)));
        }
    }
    Ok(NewManifest {
        name: phenotype.name,
        objects: phenotype.chunks.iter().map(|c| c.digest).collect(),
        links: vec![phenotype.dataset],
        readers: vec![(opened.id, owner)],
        shown,
        ..NewManifest::new(opened.id, Kind::Phenotype, owner, bytes, offered.received)
    })
}

/// Checks that the owner holds every chunk of a matrix and that each chunk's header says what its place demands.
async fn chunks(
    offered: &Offered<'_>,
    owner: &Did,
    kind: Kind,
    shape: Shape,
    nonce: [u8; 16],
    chunks: &[ChunkRef],
) -> Result<(), ApiError> {
    for (spec, chunk) in shape.chunks().zip(chunks) {
        let held = offered.app.index.held(owner, &chunk.digest).await?;
        let missing = ApiError::Missing { what: "chunk", digest: chunk.digest };
        let header = held.and_then(|object| object.header).ok_or(missing)?;
        header.expect_kind(kind)?;
        header.expect_params(shape.params)?;
        header.expect_context(nonce, "dataset")?;
        let plane = u32::from(spec.unit.plane);
        let counts = [plane, spec.unit.group, spec.row_chunk, spec.first_tile];
        let fits = header.counts == counts
            && header.length == spec.body_len() as u64
            && header.length + HEADER_LEN as u64 == chunk.length;
        require(fits, &format!("the chunk {} belongs to another place", chunk.digest))?;
    }
    Ok(())
}
