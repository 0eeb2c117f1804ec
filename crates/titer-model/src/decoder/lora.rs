//! Low-rank adapters on a decoder whose own weights stay frozen (LoRA, arXiv 2106.09685).

use super::Decoder;
use crate::{
    backend::Backend,
    layers::{Attention, Linear, LoraLayer, Product},
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
            let (inputs, outputs) = (linear.product.inputs, linear.product.outputs);
            linear.product.trained = false;
            let Some(module) = layout.specs[linear.product.weight.0].linear_layer().map(str::to_owned) else { return };
            if let Some(LoraSize { rank, scale }) = config.of(&module).expect("the config was checked") {
                let mut add = |part: &str, outputs, inputs| {
                    let name = format!("{module}.{part}.weight");
                    let (shape, role) = (vec![outputs, inputs], ParamRole::Matrix);
                    layout.specs.push(ParamSpec { name, shape, role, less_one: false, part: None, trained: true });
                    Product { weight: ParamId(layout.specs.len() - 1), inputs, outputs, trained: true }
                };
                let (a, b) = (add("lora_A", rank, inputs), add("lora_B", outputs, rank));
                linear.lora = Some(LoraLayer { a, b, scale });
            }
        });
        self.freeze_norms();
        self.layout = layout;
        self
    }

    /// Every linear layer, from the first block to the head.
    pub(super) fn each_linear(&mut self, with: &mut impl FnMut(&mut Linear)) {
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
