//! hegwas itself: the sets of its table, eight blocks of variants under one mask or each under its own, and sums alone.

use he_core::arith::Ring;
use he_core::grant::SwitchingKey;
use he_core::kernel::Engine;
use he_core::layout::{BODIES, MAX_PLANES, Shape as Layout, Unit};
use he_core::mask::MaskSeed;
use he_core::result::SwitchedUnit;
use he_core::sum::{UnitInput, WeightInput, sum_totals, sum_unit};
use he_core::{Digest, Params, Plan};
use he_core_secret::MatrixEncryptor;

use crate::keys::{Keys as Everything, plan};
use crate::matrix::encrypt_weights;
use crate::scheme::{About, KeyBytes, Keys, Regime, Scheme, Sent};
use crate::source::Memory;
use crate::workload::{Answer, Shape, Workload};
use crate::{Error, Result};

/// What is done with the eight bodies of a group.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Eight bodies share a mask, as in the product.
    Shared,
    /// Each block has a mask of its own: every block is a plane.
    Apart,
    /// Shared masks, and a second plane that holds the genotypes of cases: the server only adds.
    Added,
}

/// One of them.
pub(super) struct Ours {
    params: Params,
    kind: Kind,
}

/// What the server gets.
pub(super) struct Server {
    ring: Ring,
    plan: Plan,
    layout: Layout,
    grant: SwitchingKey,
    genotype_masks: MaskSeed,
    weight_masks: MaskSeed,
}

/// Sums under the study's key.
pub(super) struct Sums {
    units: Vec<(Unit, SwitchedUnit)>,
    totals: SwitchedUnit,
}

impl Ours {
    pub(super) fn shared(params: Params) -> Self {
        Self { params, kind: Kind::Shared }
    }

    pub(super) fn apart(params: Params) -> Self {
        Self { params, kind: Kind::Apart }
    }

    pub(super) fn added(params: Params) -> Self {
        Self { params, kind: Kind::Added }
    }

    fn layout(&self, shape: Shape) -> Layout {
        let blocks = shape.variants.div_ceil(self.slots());
        let (planes, blocks) = match self.kind {
            Kind::Shared => (1, blocks),
            Kind::Apart => (blocks.min(MAX_PLANES.into()) as u8, 1),
            Kind::Added => (2, blocks),
        };
        Layout { params: self.params, rows: shape.people, planes, blocks }
    }

    /// The first variant of a body.
    fn first_variant(&self, unit: Unit, body: usize) -> usize {
        let block = match self.kind {
            Kind::Apart => usize::from(unit.plane),
            Kind::Shared | Kind::Added => unit.group as usize * BODIES + body,
        };
        block * self.params.degree()
    }

    /// Weight vectors that the server multiplies by.
    fn vectors(&self) -> u8 {
        u8::from(self.kind != Kind::Added)
    }

    /// The centred integers of one row of a unit; zeros past the last variant.
    fn fill(&self, unit: Unit, genotypes: &[u8], case: u8, out: &mut [i8]) {
        // The second plane of sums alone is that of the cases: zeros for everybody else.
        let factor = if self.kind == Kind::Added && unit.plane == 1 { case as i8 } else { 1 };
        for (body, out) in out.chunks_exact_mut(self.params.degree()).enumerate() {
            let variants = genotypes.get(self.first_variant(unit, body)..).unwrap_or_default();
            let (values, rest) = out.split_at_mut(variants.len().min(out.len()));
            values.iter_mut().zip(variants).for_each(|(v, &g)| *v = factor * (g as i8 - 1));
            rest.fill(0);
        }
    }
}

impl Scheme for Ours {
    type Secret = Everything;
    type Server = Server;
    type Genotypes = Memory;
    type Phenotype = Memory;
    type Sums = Sums;

    fn about(&self) -> About {
        let set = self.params.name();
        let (name, title, regime, layout) = match self.kind {
            Kind::Shared => (
                format!("hegwas-{set}"),
                format!("hegwas, {set}"),
                Regime::ServerMultiplies,
                "variants in coefficients, a person a row; eight blocks share a mask, which is a seed; results are switched to \
                 the study's key",
            ),
            Kind::Apart => (
                format!("hegwas-{set}-own-masks"),
                format!("hegwas, {set}, a mask for each block"),
                Regime::ServerMultiplies,
                "as hegwas, but no two blocks share a mask: what sharing saves",
            ),
            Kind::Added => (
                format!("hegwas-{set}-sums"),
                format!("hegwas, {set}, sums only"),
                Regime::ClientMultiplies,
                "two planes, genotypes and genotypes of cases, added up and switched to the study's key",
            ),
        };
        About {
            name,
            title,
            library: format!("he-core {}", env!("CARGO_PKG_VERSION")),
            regime,
            security: format!(
                "{} bits classical (lattice-estimator, MATZOV)",
                self.params.security_bits()
            ),
            readers: "the study's key holders, all together; the owner of a dataset its own"
                .to_owned(),
            evaluation_keys: "switching sums to the study's key (the grant)".to_owned(),
            layout: layout.to_owned(),
        }
    }

    fn slots(&self) -> u32 {
        self.params.degree() as u32
    }

    fn limit(&self, shape: Shape) -> Shape {
        let most = match self.kind {
            Kind::Apart => u32::from(MAX_PLANES) * self.slots(),
            Kind::Shared | Kind::Added => u32::MAX,
        };
        Shape { variants: shape.variants.min(most), ..shape }
    }

    fn held_bytes(&self) -> u64 {
        let planes = if self.kind == Kind::Added { 2 } else { 1 };
        planes * self.params.words() as u64 * 50 / 8
    }

    fn setup(&self, shape: Shape) -> Result<Keys<Everything, Server>> {
        let keys = Everything::new(plan(self.params, shape.people)?)?;
        let study = Digest::of(b"a study");
        let sent = keys.grant.to_bytes(study);
        let grant = SwitchingKey::from_bytes(&sent, self.params, study);
        let bytes = KeyBytes {
            secret: 32, // the master key, from which the others are derived
            public: self.params.words() as u64 * 50 / 8,
            evaluation: sent.len() as u64,
        };
        let server = Server {
            ring: Ring::new(self.params),
            plan: keys.plan,
            layout: self.layout(shape),
            grant: grant.map_err(Error::step("reading the grant"))?,
            genotype_masks: keys.genotype_seeds.mask_seed(),
            weight_masks: keys.weight_seeds.mask_seed(),
        };
        Ok(Keys { secret: keys, server, bytes })
    }

    fn encrypt(&self, keys: &Everything, work: &Workload) -> Result<Sent<Memory>> {
        let layout = self.layout(work.shape);
        let encryptor = MatrixEncryptor::new(
            &keys.ring,
            keys.plan,
            layout,
            &keys.dataset,
            &keys.genotype_seeds,
        );
        let encryptor = encryptor.map_err(Error::step("encrypting"))?;
        let (mut memory, mut slab) = (Memory::default(), Vec::new());
        for unit in layout.units() {
            let width = layout.bodies(unit.group) as usize * self.params.degree();
            for chunk in 0..layout.row_chunks() {
                let range = layout.chunk_rows(chunk);
                slab.resize(range.len() * width, 0);
                let people = work.rows().zip(&work.cases).skip(range.start as usize);
                for (out, (row, &case)) in slab.chunks_exact_mut(width).zip(people) {
                    self.fill(unit, row, case, out);
                }
                let chunks = encryptor.encrypt_slab(unit, chunk, &slab, &Vec::new);
                let chunks = chunks.map_err(Error::step("encrypting"))?;
                memory.extend(chunks.into_iter().map(|(_, bytes)| bytes));
            }
        }
        Ok(sent(memory))
    }

    fn encrypt_phenotype(&self, keys: &Everything, work: &Workload) -> Result<Sent<Memory>> {
        let weights = work.cases.iter().map(|&c| i64::from(c)).collect();
        Ok(sent(encrypt_weights(keys, work.shape.people, &[weights])?))
    }

    fn compute(
        &self,
        server: &Server,
        genotypes: &Memory,
        phenotype: &Memory,
    ) -> Result<Sent<Sums>> {
        let (engine, layout) = (Engine::detect(), server.layout);
        let rows: Vec<u32> = (0..layout.rows).collect();
        let weights = |vectors| WeightInput {
            shape: Layout::weights(self.params, layout.rows, vectors),
            mask_seed: server.weight_masks,
            source: phenotype,
        };
        let failed = Error::step("summing");
        let totals = sum_totals(engine, &weights(1), &rows).map_err(failed)?;
        let totals = server.grant.switch_totals(engine, &server.ring, &server.plan, &totals);
        let mut bytes = totals.to_bytes([0; 16], 255, 0).len();
        let mut units = Vec::new();
        for unit in layout.units() {
            let input = UnitInput {
                shape: layout,
                mask_seed: server.genotype_masks,
                source: genotypes,
                unit,
                weights: weights(self.vectors()),
                rows: &rows,
            };
            let sums = sum_unit(engine, &input).map_err(Error::step("summing"))?;
            let sums = server.grant.switch_unit(engine, &server.ring, &server.plan, &sums);
            bytes += sums.to_bytes([0; 16], unit.plane, unit.group).len();
            units.push((unit, sums));
        }
        Ok(Sent { value: Sums { units, totals }, bytes: bytes as u64 })
    }

    fn decrypt(&self, keys: &Everything, sums: &Sums, shape: Shape) -> Result<Answer> {
        let width = shape.variants as usize;
        let totals = keys.open(&sums.totals)?;
        let case_count = totals.get(0, 0).first().copied().unwrap_or_default() as f64;
        let (mut all, mut cases) = (vec![0.0; width], vec![0.0; width]);
        for (unit, sums) in &sums.units {
            let values = keys.open(sums)?;
            for body in 0..sums.bodies() {
                let first = self.first_variant(*unit, body);
                // Genotypes were centred: add one for each person counted.
                let put = |out: &mut [f64], channel, people: f64| {
                    let out = out.get_mut(first..).unwrap_or_default();
                    let values = values.get(body, channel);
                    out.iter_mut().zip(values).for_each(|(o, &v)| *o = v as f64 + people);
                };
                match (self.kind, unit.plane) {
                    (Kind::Added, 1) => put(&mut cases, 0, case_count),
                    (Kind::Added, _) => put(&mut all, 0, f64::from(shape.people)),
                    _ => {
                        put(&mut all, 0, f64::from(shape.people));
                        put(&mut cases, 1, case_count);
                    }
                }
            }
        }
        Ok(Answer { all, cases, case_count })
    }

    fn bits_left(&self, keys: &Everything, sums: &Sums) -> Result<Option<f64>> {
        let units = sums.units.iter().map(|(_, unit)| unit).chain([&sums.totals]);
        let bits = units.map(|unit| keys.bits_left(unit)).collect::<Result<Vec<_>>>()?;
        Ok(bits.into_iter().reduce(f64::min))
    }
}

fn sent(memory: Memory) -> Sent<Memory> {
    let bytes = memory.chunks.iter().map(|c| c.len() as u64).sum();
    Sent { value: memory, bytes }
}
