//! Names, shapes and roles of parameters.

use crate::shape::LINEAR_LAYERS;

/// Which parameter of a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ParamId(pub usize);

/// What a parameter does, which decides how it starts and whether weight decay applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamRole {
    /// A table with one row per token.
    Embedding,
    /// The weight of a linear layer, `[outputs, inputs]`.
    Matrix,
    /// The bias of a linear layer, `[outputs]`.
    Bias,
    /// The scale of a norm, `[width]`.
    Scale,
}

/// Name, shape and role of one parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamSpec {
    /// Its name in Hugging Face files.
    pub name: String,
    /// Its shape, row-major.
    pub shape: Vec<usize>,
    /// What it does.
    pub role: ParamRole,
    /// Whether files hold it less 1.
    pub less_one: bool,
    /// The part of a larger tensor that it is in files, where it is none of its own.
    pub part: Option<TensorPart>,
    /// Whether training moves it. A frozen parameter gets no gradient, no moment and no memory for either.
    pub trained: bool,
}

/// Some rows of a tensor that files hold for several layers together. The layers follow one another, the first rows first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorPart {
    /// The tensor's name.
    pub tensor: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The first of the rows.
    pub first: usize,
}

impl ParamSpec {
    /// How many numbers it holds.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds no number.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of the layer, such as `model.layers.0.self_attn.q_proj`, where this is the weight of a linear layer that may have
    /// an adapter: one of a block, which files hold by itself.
    pub(crate) fn linear_layer(&self) -> Option<&str> {
        if self.part.is_some() {
            return None;
        }
        let module = self.name.strip_suffix(".weight")?;
        let (_, short) = module.rsplit_once('.')?;
        LINEAR_LAYERS.contains(&short).then_some(module)
    }
}

/// The parameters that a decoder has, in a fixed order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// One entry per parameter.
    pub specs: Vec<ParamSpec>,
}

impl Layout {
    /// How many numbers all parameters hold together.
    pub fn len(&self) -> usize {
        self.specs.iter().map(ParamSpec::len).sum()
    }

    /// Whether there is no parameter.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names of the linear layers that may have adapters.
    pub fn linear_layers(&self) -> impl Iterator<Item = &str> {
        self.specs.iter().filter_map(ParamSpec::linear_layer)
    }

    /// How many numbers training moves.
    pub fn trained(&self) -> usize {
        self.specs.iter().filter(|spec| spec.trained).map(ParamSpec::len).sum()
    }
}
