//! The unique push: an update as a sum of the components' directions, and how much of it lies in their span.
//!
//! With `C` the matrix of rows `∇f_k` and `u` an update, `α = G⁻¹ C u` with `G = C P Cᵀ`; the part in the span of the
//! directions `P ∇f_k` has the squared length `(C u)ᵀ S⁻¹ (C u)`, `S` their own products. Both depend on the basis:
//! `obey_bad` stands as level.

use faer::{
    Mat,
    linalg::solvers::{FullPivLu, Solve as _},
};

use super::components::COMPONENTS;

/// Products of directions, ready to be solved with.
pub(super) struct Decomposition {
    gram: FullPivLu<f64>,
    span: FullPivLu<f64>,
}

/// What a row's update is made of.
pub(super) struct UniquePush {
    /// `α`: the push of each component that no other one explains.
    pub unique: [f64; COMPONENTS],
    /// Squared length of the part of the gradient that lies in the span of the directions.
    pub within: f64,
}

impl Decomposition {
    /// From `G_kl = ⟨∇f_k, P ∇f_l⟩` and `S_kl = ⟨P ∇f_k, P ∇f_l⟩`.
    pub(super) fn new(gram: &[[f64; COMPONENTS]; COMPONENTS], span: &[[f64; COMPONENTS]; COMPONENTS]) -> Self {
        Self { gram: matrix(gram).full_piv_lu(), span: matrix(span).full_piv_lu() }
    }

    /// The decomposition of an update with these effects, `C u`.
    pub(super) fn of(&self, effects: &[f64; COMPONENTS]) -> UniquePush {
        let column = || Mat::from_fn(COMPONENTS, 1, |k, _| effects[k]);
        let (unique, in_span) = (self.gram.solve(column()), self.span.solve(column()));
        UniquePush {
            unique: std::array::from_fn(|k| unique[(k, 0)]),
            within: (0..COMPONENTS).map(|k| in_span[(k, 0)] * effects[k]).sum(),
        }
    }
}

pub(super) fn matrix(values: &[[f64; COMPONENTS]; COMPONENTS]) -> Mat<f64> {
    Mat::from_fn(COMPONENTS, COMPONENTS, |k, l| values[k][l])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_along_one_direction_is_that_components_push_alone() {
        // Directions d_0 = (1, 0, 0), d_1 = (1, 1, 0), d_2 = (0, 1, 1): plain descent, so that G = S = D Dᵀ.
        let products = [[1.0, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 1.0, 2.0]];
        let decomposition = Decomposition::new(&products, &products);
        // u = 3 d_1 has the effects 3 G_·1 and the squared length 9 · 2.
        let UniquePush { unique, within } = decomposition.of(&[3.0, 6.0, 3.0]);
        for (found, wanted) in unique.iter().zip([0.0, 3.0, 0.0]) {
            assert!((found - wanted).abs() < 1e-12, "{unique:?}");
        }
        assert!((within - 18.0).abs() < 1e-12, "{within}");
    }
}
