//! Encoded rows and contrasts, packed into the shards that the engine works on.

use std::borrow::Borrow;

use titer_data::tokenize::{Encoded, EncodedContrast};
use titer_model::{backend::Backend, decoder::Decoder, packed::Packed, passes::shards};

/// Packs rows into shards for this model, in order; reply `i` over all shards is row `i`.
pub fn pack<B: Backend>(decoder: &Decoder<B>, rows: &[&Encoded]) -> Vec<Packed> {
    let lengths: Vec<usize> = rows.iter().map(|row| row.tokens.len()).collect();
    cut(decoder, &lengths, |packed, at| packed.push_row(&rows[at].tokens, &rows[at].trained))
}

/// Packs contrasts into shards for this model, in order. Each gives one reply per reply, then, where it has a baseline context, its
/// first two replies (`Plus` and `Minus`, see [`plus_and_minus`]) once more behind that.
pub(crate) fn pack_contrasts<B: Backend>(
    decoder: &Decoder<B>,
    contrasts: &[impl Borrow<EncodedContrast>],
) -> Vec<Packed> {
    let contrasts: Vec<&EncodedContrast> = contrasts.iter().map(Borrow::borrow).collect();
    let length = |contrast: &EncodedContrast| {
        let replies: usize = contrast.replies.iter().map(|(_, reply)| reply.len()).sum();
        contrast.context.len() + contrast.baseline.as_ref().map_or(0, Vec::len) + replies
    };
    let lengths: Vec<usize> = contrasts.iter().map(|contrast| length(contrast)).collect();
    cut(decoder, &lengths, |packed, at| {
        let contrast = contrasts[at];
        packed.push_contrast(&contrast.context, contrast.replies.iter().map(|(_, reply)| reply.as_slice()));
        if let Some(baseline) = &contrast.baseline {
            let (plus, minus) = plus_and_minus(contrast);
            packed.push_contrast(baseline, [plus, minus].map(|at| contrast.replies[at].1.as_slice()));
        }
    })
}

/// Which replies of a contrast are its `Plus` and its `Minus`.
pub(crate) fn plus_and_minus(contrast: &EncodedContrast) -> (usize, usize) {
    use titer_data::probe::Side;
    let find = |wanted: Side| {
        let place = contrast.replies.iter().position(|(side, _)| *side == wanted);
        place.expect("a contrast has one reply on each side of its margin")
    };
    (find(Side::Plus), find(Side::Minus))
}

fn cut<B: Backend>(decoder: &Decoder<B>, lengths: &[usize], push: impl Fn(&mut Packed, usize)) -> Vec<Packed> {
    let pack = |range: std::ops::Range<usize>| {
        let mut packed = Packed::new();
        range.for_each(|at| push(&mut packed, at));
        packed
    };
    shards(lengths, decoder.shard_tokens()).into_iter().map(pack).collect()
}
