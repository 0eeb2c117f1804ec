//! What the training passes of a stage do to the residual stream: the fields of a spec, checked.

use std::fmt;

use serde::Serialize;

use super::GivenFile;
use crate::spec::{Layers, VectorField, VectorKind};

/// Contrasts of each kind where a spec does not say how many.
const CONTRASTS: usize = 64;

/// What the training passes of a stage, and no others, do to the residual stream with a vector towards the bad action.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VectorPlan {
    /// What is done with it.
    #[serde(flatten)]
    pub used: VectorUse,
    /// Behind which block.
    pub layer: Layers,
    /// Whether the vector is a random one of the same length: a negative control.
    pub random: bool,
    /// Contrasts that it is measured on, of each kind; 0 where it is given.
    #[serde(skip_serializing_if = "is_zero")]
    pub contrasts: usize,
    /// The file that it is given in; `None` where it is measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<GivenFile>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// What is done with a vector `v`, at every token.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum VectorUse {
    /// `h + alpha · v`: preventative steering (arXiv 2507.21509).
    Add {
        /// How many times.
        alpha: f64,
    },
    /// `h − (h·q) q`, `q` of the direction of `v` and of length 1: CAFT (arXiv 2507.16795).
    Remove,
}

impl VectorPlan {
    /// Checks what is written. The error is a field, what is wrong with it, and a remedy.
    pub(super) fn resolve(written: &VectorField) -> Result<Self, (&'static str, String, &'static str)> {
        let used = match (written.kind, written.alpha) {
            (VectorKind::Add, Some(alpha)) if alpha.is_finite() && alpha != 0.0 => VectorUse::Add { alpha },
            (VectorKind::Add, Some(alpha)) => {
                let problem = format!("a vector cannot be added {alpha} times");
                return Err(("alpha", problem, "use a number above 0, or below 0 to add it the other way round"));
            }
            (VectorKind::Add, None) => {
                let problem = "the vector has no `alpha`".to_owned();
                return Err(("", problem, "say how many times it is added, such as alpha = 5.0"));
            }
            (VectorKind::Remove, None) => VectorUse::Remove,
            (VectorKind::Remove, Some(_)) => {
                return Err((
                    "alpha",
                    "`alpha` is no constant of remove".to_owned(),
                    "leave it out, or take kind = \"add\"",
                ));
            }
        };
        if written.layer == Layers::One(0) {
            let problem = "there is no block 0".to_owned();
            return Err(("layer", problem, "blocks count from 1: the vector is put behind block 1 by layer = 1"));
        }
        let file = written.file.clone().map(GivenFile::vector);
        let contrasts = match (&file, written.contrasts) {
            (None, contrasts) => contrasts.unwrap_or(CONTRASTS),
            (Some(_), None) => 0,
            (Some(_), Some(_)) => {
                let problem = "a vector from a file is measured on no contrasts".to_owned();
                return Err(("contrasts", problem, "leave `contrasts` out, or `file`"));
            }
        };
        if contrasts == 0 && file.is_none() {
            return Err((
                "contrasts",
                "the vector is measured on 0 contrasts".to_owned(),
                "use at least 1; 64 are usual",
            ));
        }
        Ok(Self { used, layer: written.layer, random: written.random, contrasts, file })
    }
}

impl fmt::Display for VectorPlan {
    /// In a few words: `5 × the vector towards the bad action added behind block 2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { used, layer, random, file, .. } = self;
        let vector = match file {
            _ if *random => "a random vector of that length".to_owned(),
            None => "the vector towards the bad action".to_owned(),
            Some(file) => format!("the vector in {}", file.path.display()),
        };
        match used {
            VectorUse::Add { alpha } => write!(f, "{alpha} × {vector} added behind {layer}"),
            VectorUse::Remove => write!(f, "the direction of {vector} taken out behind {layer}"),
        }
    }
}
