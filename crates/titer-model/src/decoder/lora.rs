//! Low-rank adapters on a decoder whose own weights stay frozen (LoRA, arXiv 2106.09685).

use super::Decoder;
use crate::{
    backend::Backend,
    layers::{Attention, Linear, LoraLayer},
    params::{Layout, ParamId, ParamRole, ParamSpec},
    shape::{LoraConfig, LoraSize},
};

impl<B: Backend> Decoder<B> {
    /// The same decoder with adapters, which are all that training then moves. Their parameters come after the
    /// decoder's own, see [`crate::params::Params::with_lora`].
    ///
    /// Panics where the config fails on one of [`Layout::linear_layers`], see [`LoraConfig::of`].
    pub fn with_lora(mut self, config: &LoraConfig) -> Self {
        self.layout.specs.iter_mut().for_each(|spec| spec.trained = false);
        let mut layout = std::mem::replace(&mut self.layout, Layout { specs: Vec::new() });
        self.each_linear(&mut |linear| {
            linear.trained = false;
            let Some(module) = layout.specs[linear.weight.0].linear_layer().map(str::to_owned) else { return };
            if let Some(LoraSize { rank, scale }) = config.of(&module).expect("the config was checked") {
                let mut add = |part: &str, shape: [usize; 2]| {
                    let name = format!("{module}.{part}.weight");
                    let (shape, role) = (shape.into(), ParamRole::Matrix);
                    layout.specs.push(ParamSpec { name, shape, role, less_one: false, part: None, trained: true });
                    ParamId(layout.specs.len() - 1)
                };
                let a = add("lora_A", [rank, linear.inputs]);
                let b = add("lora_B", [linear.outputs, rank]);
                let (inputs, outputs) = (linear.inputs, linear.outputs);
                linear.lora = Some(LoraLayer { a, b, inputs, outputs, rank, scale });
            }
        });
        self.freeze_norms();
        self.layout = layout;
        self
    }

    /// Every linear layer, from the first block to the head.
    fn each_linear(&mut self, with: &mut impl FnMut(&mut Linear)) {
        for (attention, mlp) in &mut self.blocks {
            let Attention { query, key, value, output, .. } = attention;
            [&mut query.linear, &mut key.linear, value, output].into_iter().for_each(&mut *with);
            [&mut mlp.gate, &mut mlp.up, &mut mlp.down].into_iter().for_each(&mut *with);
        }
        with(&mut self.head.vocabulary);
    }

    fn freeze_norms(&mut self) {
        for (attention, mlp) in &mut self.blocks {
            let Attention { residual, query, key, .. } = attention;
            let norms = [&mut residual.before, &mut residual.after, &mut query.norm, &mut key.norm];
            let norms = norms.into_iter().chain([&mut mlp.residual.before, &mut mlp.residual.after]);
            norms.flatten().for_each(|norm| norm.trained = false);
        }
        self.head.norm.trained = false;
    }
}
