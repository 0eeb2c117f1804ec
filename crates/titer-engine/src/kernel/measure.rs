//! Measuring for a kernel: one pass over rows of every kind and over the contrasts of every probe, at one state of a model.

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use titer::{
    forecast::{About, Kind, ProbeOutput},
    stats::logistic,
    table::ProbeRecord,
};
use titer_data::{
    cell::PromptKind,
    probe::Probe,
    source::Source,
    tokenize::{TokenizeError, encode_contrast},
    world::{DomainSplit, ProbeUse},
};
use titer_model::{
    backend::Backend as _,
    packed::Packed,
    params::Params,
    passes::{Workspace, reply_log_probs},
};

use super::{
    assemble::{Field, Gradient, KernelState, Vector},
    rows::{KindRows, Pair, samples},
};
use crate::{
    model::{EngineBackend, Model},
    probe::{Moment, Probes},
    rows::{pack, pack_contrasts, plus_and_minus},
};

/// Groups of rows and contrasts, one of which is left out at a time.
pub(super) const GROUPS: usize = 4;

/// The log-odds of an action that has no alternative, nats.
const CERTAIN: f64 = 40.0;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rows of each kind.
    pub rows: usize,
    /// Contrasts of each probe whose gradient is taken.
    pub contrasts: usize,
    /// Contrasts of each probe that are measured.
    pub items: usize,
    /// Buckets of coordinates; 0 for plain gradient descent only, which needs less memory.
    pub buckets: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Self { rows: 256, contrasts: 128, items: 64, buckets: 128 }
    }
}

/// Measures a model for its kernel, with rows of every kind in these domains. `about` says what it is measured on; its counts
/// are filled in. `progress` is told of every kind and probe, [`ticks`] times.
///
/// # Errors
/// Where a row or contrast cannot be encoded.
pub fn measure(
    model: &Model,
    source: &Source,
    about: About,
    domains: &[DomainSplit],
    effort: Effort,
    progress: &(dyn Fn() + Sync),
) -> Result<KernelState, TokenizeError> {
    let samples = samples(source, about.seed, domains, effort.rows, 2 * GROUPS);
    (samples.len()..domains.len() * PromptKind::ALL.len()).for_each(|_| progress());
    let field = |sample: &KindRows| {
        let field = field(model, sample, source);
        progress();
        field
    };
    let fields: Vec<Field> = each(model, &samples, field)?;

    let records = Probes::of_source(model, source, about.seed, effort.items)?;
    let records = records.measure(model, Moment { stage: "base", step: 0 });
    let probes = source.probes(ProbeUse::Gradient, about.seed, effort.contrasts);
    let gradient = |probe: &Probe| {
        let gradient = gradient(model, output(probe, &records), probe);
        progress();
        gradient
    };
    let gradients: Vec<Gradient> = each(model, &probes, gradient)?;
    let about = About {
        rows: fields.iter().map(|field| field.rows).min().unwrap_or(0),
        contrasts: probes.iter().map(|probe| probe.contrasts.len()).min().unwrap_or(0),
        items: gradients.iter().map(|gradient| gradient.output.rates.len()).min().unwrap_or(0),
        adam: effort.buckets > 0,
        ..about
    };
    Ok(KernelState { about, fields, gradients })
}

/// Does work on each, on several threads where the model's backend gains by that.
fn each<T: Sync, R: Send>(
    model: &Model,
    all: &[T],
    work: impl Fn(&T) -> Result<R, TokenizeError> + Sync + Send,
) -> Result<Vec<R>, TokenizeError> {
    if model.decoder.backend().at_once() == 1 {
        all.iter().map(work).collect()
    } else {
        all.par_iter().map(work).collect()
    }
}

/// How often [`measure`] tells of its progress.
pub fn ticks(source: &Source, domains: usize) -> usize {
    domains * PromptKind::ALL.len() + source.probes(ProbeUse::Gradient, 0, 1).len()
}

/// Base margin and rates of a probe, from its measuring contrasts.
fn output(probe: &Probe, records: &[ProbeRecord]) -> ProbeOutput {
    let of_probe = |record: &&ProbeRecord| {
        (record.component, record.prompts, record.domains) == (probe.component, probe.prompts, probe.domains)
    };
    let records: Vec<&ProbeRecord> = records.iter().filter(of_probe).collect();
    let margin = records.iter().map(|record| record.margin).sum::<f64>() / records.len().max(1) as f64;
    let log_odds = |record: &&ProbeRecord| {
        let rate = record.rate.clamp(1e-6, 1.0 - 1e-6);
        (rate / (1.0 - rate)).ln()
    };
    ProbeOutput {
        component: probe.component,
        prompts: probe.prompts,
        domains: probe.domains,
        margin,
        rates: records.iter().map(log_odds).collect(),
    }
}

fn field(model: &Model, sample: &KindRows, source: &Source) -> Result<Field, TokenizeError> {
    let Sums { sums, squares, log_odds, shown } = Sums::of(model, &sample.pairs)?;
    let domains = matches!(source, Source::World(_)).then_some(sample.domains);
    Ok(Field::new(log_odds.kind(sample.prompt, domains, shown), sample.pairs.len(), sums, squares))
}

/// Sums over rows of a kind.
struct Sums {
    /// Of D and O over the rows of each group, and how many these are.
    sums: Vec<([Vector; 2], usize)>,
    /// Of (D, D), (D, O) and (O, O).
    squares: [Vector; 3],
    log_odds: LogOdds,
    /// Whether there is a good action, and a bad one.
    shown: [bool; 2],
}

impl Sums {
    /// Added up where the model computes, and read once.
    fn of(model: &Model, pairs: &[Pair]) -> Result<Self, TokenizeError> {
        let backend = model.decoder.backend();
        let zeros = || Params::zeros(backend, &model.decoder.layout);
        let mut sums: Vec<([Params<EngineBackend>; 2], usize)> = (0..GROUPS).map(|_| ([zeros(), zeros()], 0)).collect();
        let mut squares = [zeros(), zeros(), zeros()];
        let mut workspace = Workspace::default();
        let mut log_odds = LogOdds::default();
        for (at, pair) in pairs.iter().enumerate() {
            let mut actions: [Option<(f64, Params<EngineBackend>)>; 2] = [None, None];
            for (action, row) in actions.iter_mut().zip(pair) {
                if let Some(row) = row {
                    let encoded = model.encoded_row(row)?;
                    *action = Some(log_prob_gradient(model, &mut workspace, &pack(&model.decoder, &[&*encoded])));
                }
            }
            log_odds.push(actions.each_ref().map(|action| action.as_ref().map(|(log_prob, _)| *log_prob)));
            // D where there are both actions, and the gradient of one.
            let (difference, single) = match actions {
                [Some((_, good)), Some((_, bad))] => {
                    let mut difference = good.clone();
                    difference.add_scaled(backend, -1.0, &bad);
                    (Some(difference), good)
                }
                [Some((_, only)), None] | [None, Some((_, only))] => (None, only),
                [None, None] => continue,
            };
            let (sums, count) = &mut sums[at % GROUPS];
            *count += 1;
            sums[1].add_scaled(backend, 1.0, &single);
            squares[2].add_product(backend, &single, &single);
            if let Some(difference) = difference {
                sums[0].add_scaled(backend, 1.0, &difference);
                squares[0].add_product(backend, &difference, &difference);
                squares[1].add_product(backend, &difference, &single);
            }
        }
        let shown = [0, 1].map(|action| pairs.iter().any(|pair| pair[action].is_some()));
        // O = ∇log p(good) − σ(−x) D with the kind's own x, so that both actions' mean gradients are exact at the start.
        let down = if shown == [true, true] { log_odds.down() } else { 0.0 };
        let less = |from: &mut Params<EngineBackend>, mut what: Params<EngineBackend>| {
            what.scale(backend, down);
            from.add_scaled(backend, -1.0, &what);
        };
        sums.iter_mut().for_each(|([difference, single], _)| less(single, difference.clone()));
        // (O, O) = (g, g) + down (down (D, D) − 2 (D, g)), and (D, O) = (D, g) − down (D, D).
        let [dd, dg, gg] = &mut squares;
        let mut crossed = dd.clone();
        crossed.scale(backend, down);
        crossed.add_scaled(backend, -2.0, dg);
        crossed.scale(backend, down);
        gg.add_scaled(backend, 1.0, &crossed);
        less(dg, dd.clone());
        let sums = sums.iter().map(|(sums, count)| (sums.each_ref().map(|sum| flat(model, sum)), *count)).collect();
        let squares = squares.each_ref().map(|square| flat(model, square));
        Ok(Self { sums, squares, log_odds, shown })
    }
}

/// The log-odds of every row of a kind.
#[derive(Default)]
struct LogOdds {
    /// Of the good action against the bad one, where there are both.
    action: Vec<f64>,
    /// Of either action against all other replies.
    known: Vec<f64>,
}

impl LogOdds {
    /// Takes the log-probabilities of a good and a bad reply on one context.
    fn push(&mut self, log_probs: [Option<f64>; 2]) {
        let [good, bad] = log_probs.map(|log_prob| log_prob.unwrap_or(f64::NEG_INFINITY));
        if log_probs.iter().all(Option::is_some) {
            self.action.push(good - bad);
        }
        // In logarithms: long replies have probabilities that no number holds.
        let likelier = good.max(bad);
        let either = (likelier + (good.min(bad) - likelier).exp().ln_1p()).min(-1e-9);
        self.known.push(either - (-either.exp_m1()).ln());
    }

    /// The mean probability of the good action, or with −1 of the bad one; never quite 0, which both cannot be.
    fn likely(&self, sign: f64) -> f64 {
        let mean = mean(self.action.iter().map(|action| logistic(sign * action)));
        mean.max(logistic(-CERTAIN))
    }

    /// The mean push of a good row along `D`.
    fn down(&self) -> f64 {
        self.likely(-1.0) / (self.likely(-1.0) + self.likely(1.0))
    }

    fn kind(&self, prompt: PromptKind, domains: Option<DomainSplit>, shown: [bool; 2]) -> Kind {
        let (action, spread) = match shown {
            [true, true] => {
                let middle = mean(self.action.iter().copied());
                let variance = mean(self.action.iter().map(|action| (action - middle).powi(2)));
                let spread = (1.0 + std::f64::consts::PI / 8.0 * variance).sqrt();
                (spread * (self.likely(1.0) / self.likely(-1.0)).ln(), spread)
            }
            [true, false] => (CERTAIN, 1.0),
            _ => (-CERTAIN, 1.0),
        };
        let known = mean(self.known.iter().copied());
        Kind { known, spread, ..Kind::new(prompt, domains, action, 0.5, shown) }
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1) as f64;
    values.sum::<f64>() / count
}

/// Log-probability of the only reply, nats, and its gradient.
fn log_prob_gradient(
    model: &Model,
    workspace: &mut Workspace<EngineBackend>,
    shards: &[Packed],
) -> (f64, Params<EngineBackend>) {
    let weights: Vec<_> = shards.iter().map(|packed| vec![-1.0; packed.targets.len()]).collect();
    let (gradient, log_probs) = workspace.gradient(&model.decoder, &model.params, shards, &weights);
    let log_prob =
        shards.iter().zip(&log_probs).flat_map(|(packed, log_probs)| reply_log_probs(packed, log_probs)).sum();
    (log_prob, gradient.clone())
}

/// All numbers, in main memory.
fn flat(model: &Model, gradient: &Params<EngineBackend>) -> Vector {
    let backend = model.decoder.backend();
    let buffers = gradient.buffers.iter();
    buffers.flat_map(|buffer| backend.download(buffer)).collect()
}

/// The gradient of a probe's mean margin, group by group.
fn gradient(model: &Model, output: ProbeOutput, probe: &Probe) -> Result<Gradient, TokenizeError> {
    let mut workspace = Workspace::default();
    let mut sums = Vec::with_capacity(GROUPS);
    for group in 0..GROUPS {
        let of_group = probe.contrasts.iter().skip(group).step_by(GROUPS);
        let mut encoded = of_group
            .map(|contrast| encode_contrast(&model.template, &model.tokenizer, contrast))
            .collect::<Result<Vec<_>, _>>()?;
        for contrast in &mut encoded {
            let (plus, minus) = plus_and_minus(contrast);
            contrast.replies = vec![contrast.replies[plus].clone(), contrast.replies[minus].clone()];
            contrast.baseline = None;
        }
        if encoded.is_empty() {
            sums.push((vec![0.0; model.decoder.layout.trained()], 0));
            continue;
        }
        let shards = pack_contrasts(&model.decoder, &encoded);
        // Replies come in pairs, plus first; the engine's weights are on −log p.
        let weight = |reply: u32| if reply.is_multiple_of(2) { -1.0 } else { 1.0 };
        let weights: Vec<Vec<f32>> =
            shards.iter().map(|packed| packed.targets.iter().map(|target| weight(target.reply)).collect()).collect();
        let (gradient, _) = workspace.gradient(&model.decoder, &model.params, &shards, &weights);
        sums.push((flat(model, gradient), encoded.len()));
    }
    Ok(Gradient { output, sums })
}

#[cfg(test)]
mod tests {
    use titer_data::chat::Row;

    use super::*;

    #[test]
    fn sums_where_the_model_computes_are_those_of_a_loop_over_coordinates() {
        let model = Model::open("organism", 0).unwrap();
        let world = model.world.clone().unwrap();
        let row = |cell: &str, at: u64| Some(world.row(cell.parse().unwrap(), DomainSplit::Trained, 3, at));
        let pairs: Vec<Pair> = (0..9).map(|at| [row("bad→good", at), row("bad→bad", at).filter(|_| at != 4)]).collect();
        let found = Sums::of(&model, &pairs).unwrap();
        let down = found.log_odds.down() as f32;
        let size = model.decoder.layout.trained();
        let (mut sums, mut squares) =
            (vec![[vec![0.0_f32; size], vec![0.0; size]]; GROUPS], [(); 3].map(|()| vec![0.0_f32; size]));
        let mut workspace = Workspace::default();
        for (at, pair) in pairs.iter().enumerate() {
            let mut gradient = |row: &Row| {
                let shards = pack(&model.decoder, &[&*model.encoded_row(row).unwrap()]);
                flat(&model, &log_prob_gradient(&model, &mut workspace, &shards).1)
            };
            let [good, bad] = pair.each_ref().map(|row| row.as_ref().map(&mut gradient));
            let good = good.unwrap();
            for c in 0..size {
                let (d, g) = (bad.as_ref().map_or(0.0, |bad| good[c] - bad[c]), good[c]);
                sums[at % GROUPS][0][c] += d;
                sums[at % GROUPS][1][c] += g;
                squares[0][c] += d * d;
                squares[1][c] += d * g;
                squares[2][c] += g * g;
            }
        }
        for c in 0..size {
            for [difference, single] in &mut sums {
                single[c] -= down * difference[c];
            }
            squares[2][c] += down * (down * squares[0][c] - 2.0 * squares[1][c]);
            squares[1][c] -= down * squares[0][c];
        }
        let bits = |numbers: &Vector| numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
        assert_eq!(found.shown, [true, true]);
        assert!(down > 0.0 && found.squares.each_ref().map(bits) == squares.each_ref().map(bits));
        for (at, (of_group, count)) in found.sums.iter().enumerate() {
            assert_eq!(*count, [3, 2, 2, 2][at]);
            assert!(of_group.each_ref().map(bits) == sums[at].each_ref().map(bits), "group {at}");
        }
    }

    #[test]
    fn log_odds_are_numbers_however_unlikely_an_action_is_and_the_same_from_both_sides() {
        let kind = |good: f64, bad: f64| {
            let mut log_odds = LogOdds::default();
            (0..8).for_each(|at| log_odds.push([Some(good - f64::from(at)), Some(bad)]));
            log_odds.kind(PromptKind::Bad, None, [true, true])
        };
        let (unlikely, likely) = (kind(-900.0, -100.0), kind(-100.0, -900.0));
        assert!(unlikely.action.is_finite() && unlikely.action < -CERTAIN / 2.0, "{unlikely:?}");
        assert!(likely.action.is_finite() && likely.action > CERTAIN / 2.0, "{likely:?}");
        let even = kind(-100.0 + 3.5, -100.0);
        assert!(even.action.abs() < 1e-12, "{even:?}");
    }
}
