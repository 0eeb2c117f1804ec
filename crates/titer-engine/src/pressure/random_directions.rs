//! Random directions in place of the components': a negative control.

use faer::{Mat, Side, linalg::solvers::DenseSolveCore as _};
use titer_model::params::Params;

use crate::model::{EngineBackend, Model};

/// Random directions with the Gram matrix of these.
pub(crate) fn random_like(
    model: &Model,
    directions: &[Params<EngineBackend>],
    seed: u64,
) -> Vec<Params<EngineBackend>> {
    let (backend, layout) = (model.decoder.backend(), &model.decoder.layout);
    // Differences of two random initialisations: their parts that are not random cancel.
    let draw = |k: u64| {
        let at = |half| Params::random(backend, layout, seed.wrapping_add(1 + 2 * k + half)).moving(layout);
        let mut drawn = at(0);
        drawn.add_scaled(backend, -1.0, &at(1));
        drawn
    };
    let count = directions.len();
    let drawn: Vec<Params<EngineBackend>> = (0..count as u64).map(draw).collect();
    // With G = L Lᵀ and D Dᵀ = M Mᵀ, the rows of L M⁻¹ D have the Gram matrix G.
    let lower = |vectors: &[Params<EngineBackend>]| {
        let gram = Mat::from_fn(count, count, |k, l| vectors[k].dot(backend, &vectors[l]));
        let factor = gram.llt(Side::Lower).expect("independent directions have a positive Gram matrix");
        factor.L().to_owned()
    };
    let mix = lower(directions) * lower(&drawn).partial_piv_lu().inverse();
    let mixed = |k: usize| {
        let mut direction = Params::zeros(backend, layout);
        (0..count).for_each(|l| direction.add_scaled(backend, mix[(k, l)], &drawn[l]));
        direction
    };
    (0..count).map(mixed).collect()
}
