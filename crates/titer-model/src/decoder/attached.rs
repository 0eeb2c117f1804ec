//! Adapters taken off a decoder, and attached to one frozen, beside whatever else it has.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};

use super::Decoder;
use crate::{
    backend::Backend,
    layers::{AttachedLayer, Linear},
    params::Params,
    real::Real,
};

/// The adapters of a decoder, taken off it: by linear layer, in the order of the blocks.
#[derive(Clone, Debug)]
pub struct Detached<B: Backend>(Vec<Option<DetachedLayer<B>>>);

#[derive(Clone, Debug)]
struct DetachedLayer<B: Backend> {
    a: B::Buffer,
    b: B::Buffer,
    /// Where they lie once they are attached.
    layer: AttachedLayer,
}

impl<B: Backend> Detached<B> {
    /// The length of all entries of all matrices together.
    pub fn norm(&self, backend: &B) -> f64 {
        let pairs: Vec<_> = self.buffers().map(|buffer| (buffer, buffer)).collect();
        backend.dot(&pairs).sqrt()
    }

    /// Random adapters of the same shapes and the same length: a negative control.
    pub fn random_like(&self, backend: &B, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = |buffer: &mut B::Buffer| {
            let drawn: Vec<B::Real> =
                (0..backend.len(buffer)).map(|_| B::Real::of(StandardNormal.sample(&mut rng))).collect();
            *buffer = backend.upload(drawn);
        };
        let mut random = self.clone();
        random.each_buffer(&mut draw);
        let scale = self.norm(backend) / random.norm(backend);
        random.each_buffer(&mut |buffer| backend.scale(buffer, B::Real::of(scale)));
        random
    }

    fn buffers(&self) -> impl Iterator<Item = &B::Buffer> {
        self.0.iter().flatten().flat_map(|layer| [&layer.a, &layer.b])
    }

    fn each_buffer(&mut self, with: &mut impl FnMut(&mut B::Buffer)) {
        self.0.iter_mut().flatten().flat_map(|layer| [&mut layer.a, &mut layer.b]).for_each(with);
    }
}

impl<B: Backend> Decoder<B> {
    /// Takes the adapters off, which [`Decoder::with_lora`] put on: the decoder without them, its own weights frozen as they were, the
    /// parameters that are left, and the adapters.
    pub fn without_lora(mut self, mut params: Params<B>) -> (Self, Params<B>, Detached<B>) {
        let mut detached = Vec::new();
        self.each_linear(&mut |linear| {
            detached.push(linear.lora.take().map(|lora| {
                let (inputs, outputs, rank) = (lora.a.inputs, lora.b.outputs, lora.a.outputs);
                let layer = AttachedLayer { at: 0, rank, scale: lora.scale, inputs, outputs };
                DetachedLayer { a: params[lora.a.weight].clone(), b: params[lora.b.weight].clone(), layer }
            }));
        });
        let own = self.layout.specs.iter().take_while(|spec| !spec.name.contains(".lora_")).count();
        self.layout.specs.truncate(own);
        params.buffers.truncate(own);
        (self, params, Detached(detached))
    }

    /// The same decoder with these adapters attached frozen: all its passes compute with them, `y = W x + s B A x` beside whatever
    /// else a layer has, and nothing moves or saves them.
    ///
    /// Panics where it has some already, or they are those of a decoder of another shape.
    pub fn attached(mut self, detached: Detached<B>) -> Self {
        assert!(self.attached.is_empty(), "one set of adapters is attached at most");
        let (mut layers, mut attached) = (detached.0.into_iter(), Vec::new());
        self.each_linear(&mut |linear: &mut Linear| {
            let Some(DetachedLayer { a, b, layer }) = layers.next().expect("a decoder of as many layers") else {
                return;
            };
            let shape = (linear.product.inputs, linear.product.outputs);
            assert_eq!((layer.inputs, layer.outputs), shape, "an adapter fits its layer");
            linear.attached = Some(AttachedLayer { at: attached.len(), ..layer });
            attached.extend([a, b]);
        });
        assert!(layers.next().is_none(), "a decoder of as many layers");
        self.attached = attached;
        self
    }
}
