//! What the residual stream holds where replies are read: what vectors of a trait are made of (arXiv 2507.21509).

use super::{shards::on_shards, tapes::Tapes};
use crate::{backend::Backend, decoder::Decoder, packed::Packed, params::Params, real::Real};

/// The residual stream before the first block and behind every block, its mean over the outputs of each reply and then over all
/// replies of all shards, `[blocks + 1][width]`. Every reply has at least one target.
pub fn mean_hidden<B: Backend>(decoder: &Decoder<B>, params: &Params<B>, shards: &[Packed]) -> Vec<Vec<f64>> {
    let (width, tapes) = (decoder.config.hidden_size, Tapes::default());
    let of_shard = |packed: &Packed| {
        let stream = tapes.lend(|tape| decoder.residual_stream(params, packed, tape));
        let mut lengths = vec![0.0; packed.replies as usize];
        packed.targets.iter().for_each(|target| lengths[target.reply as usize] += 1.0);
        let sum = |numbers: &Vec<B::Real>| {
            let mut sum = vec![0.0; width];
            for target in &packed.targets {
                let share = 1.0 / lengths[target.reply as usize];
                let row = &numbers[target.output as usize * width..][..width];
                sum.iter_mut().zip(row).for_each(|(sum, number)| *sum += share * number.f64());
            }
            sum
        };
        stream.iter().map(sum).collect::<Vec<_>>()
    };
    let each = on_shards(decoder.backend(), shards, of_shard);
    let replies: u32 = shards.iter().map(|packed| packed.replies).sum();
    let mean = |place: usize| {
        let mut mean = vec![0.0; width];
        for sums in &each {
            mean.iter_mut().zip(&sums[place]).for_each(|(mean, sum)| *mean += sum / f64::from(replies));
        }
        mean
    };
    (0..=decoder.config.num_hidden_layers).map(mean).collect()
}
