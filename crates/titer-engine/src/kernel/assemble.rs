//! From gradients to a kernel: products without the noise that rows have in common with themselves, by bucket.

use rayon::iter::{IntoParallelIterator as _, IntoParallelRefIterator as _, ParallelIterator as _};
use titer::forecast::{About, Kernel, KernelProducts, Kind, Moments, ProbeOutput};

use super::buckets::Coordinates;

/// A gradient as one list of numbers.
pub(super) type Vector = Vec<f32>;

/// What the rows of one kind say.
pub(super) struct Field {
    pub kind: Kind,
    pub rows: usize,
    /// Sums of D and O over the rows of each group, and how many these are.
    sums: Vec<([Vector; 2], usize)>,
    /// Mean of D and O over all rows.
    mean: [Vector; 2],
    /// Covariances of (D, D), (D, O) and (O, O) between rows.
    covariance: [Vector; 3],
}

/// What the contrasts of one probe say.
pub(super) struct Gradient {
    pub output: ProbeOutput,
    /// Sums over the contrasts of each group, and how many these are.
    pub sums: Vec<(Vector, usize)>,
}

/// A row of a batch beside one that surprises: what counts as little.
const LITTLE: f32 = 1e-4;

/// Rows in a batch, for telling coordinates apart.
const BATCH: f32 = 32.0;

impl Field {
    /// From sums by group and sums of squares.
    pub(super) fn new(kind: Kind, rows: usize, sums: Vec<([Vector; 2], usize)>, squares: [Vector; 3]) -> Self {
        let mean = [0, 1].map(|at| mean(sums.iter().map(|(sums, count)| (&sums[at], *count))));
        let pairs = [(0, 0), (0, 1), (1, 1)];
        let mut covariance = squares;
        for (covariance, (a, b)) in covariance.iter_mut().zip(pairs) {
            for (c, value) in covariance.iter_mut().enumerate() {
                *value = *value / rows as f32 - mean[a][c] * mean[b][c];
            }
        }
        Self { kind, rows, sums, mean, covariance }
    }

    /// The same without the rows of a group.
    fn without(&self, group: usize) -> [Vector; 2] {
        [0, 1].map(|at| {
            let kept = self.sums.iter().enumerate().filter(|(other, _)| *other != group);
            mean(kept.map(|(_, (sums, count))| (&sums[at], *count)))
        })
    }
}

fn mean<'a>(groups: impl Iterator<Item = (&'a Vector, usize)>) -> Vector {
    let mut total = Vector::new();
    let mut rows = 0;
    for (sums, count) in groups {
        total.resize(sums.len(), 0.0);
        total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
        rows += count;
    }
    total.iter_mut().for_each(|total| *total /= rows.max(1) as f32);
    total
}

/// Where each coordinate belongs: its bucket, and one over the root of its scale.
struct Places {
    bucket: Vec<u16>,
    inverse: Vec<f32>,
    count: usize,
}

/// What was measured at one state of a model.
pub struct KernelState {
    pub(super) about: About,
    pub(super) fields: Vec<Field>,
    pub(super) gradients: Vec<Gradient>,
}

/// The kernels of a model at several states, in the same buckets, at most so many.
pub fn kernels(states: &[KernelState], buckets: usize) -> Vec<Kernel> {
    let outputs: Vec<Vec<Vector>> = states.iter().map(KernelState::outputs).collect();
    let places = places(states, &outputs, buckets);
    states.iter().zip(&outputs).map(|(state, outputs)| state.kernel(outputs, &places)).collect()
}

impl KernelState {
    /// The gradient of every probe, from all groups.
    fn outputs(&self) -> Vec<Vector> {
        let whole = |gradient: &Gradient| mean(gradient.sums.iter().map(|(sum, count)| (sum, *count)));
        self.gradients.par_iter().map(whole).collect()
    }

    fn kernel(&self, outputs: &[Vector], places: &Places) -> Kernel {
        let Self { about, fields, gradients } = self;
        let directions: Vec<[&Vector; 2]> = fields.iter().map(|field| [&field.mean[0], &field.mean[1]]).collect();
        let whole = contract(fields, &directions, outputs, places, None);
        let groups = gradients.first().map_or(0, |gradient| gradient.sums.len());
        let replica = |group: usize| {
            let directions: Vec<[Vector; 2]> = fields.iter().map(|field| field.without(group)).collect();
            let directions: Vec<[&Vector; 2]> = directions.iter().map(|[a, b]| [a, b]).collect();
            let kept = |gradient: &Gradient| {
                let kept = gradient.sums.iter().enumerate().filter(|(other, _)| *other != group);
                mean(kept.map(|(_, (sum, count))| (sum, *count)))
            };
            let outputs: Vec<Vector> = gradients.iter().map(kept).collect();
            contract(fields, &directions, &outputs, places, Some(group))
        };
        let replicas = (0..groups).map(replica).collect();
        let moments = moments(fields, &directions, places);
        Kernel {
            about: about.clone(),
            kinds: fields.iter().map(|field| field.kind.clone()).collect(),
            probes: gradients.iter().map(|gradient| gradient.output.clone()).collect(),
            gate: None,
            whole,
            replicas,
            moments,
        }
    }
}

/// What rows of every kind put into the second moment of a coordinate decides its bucket: noise, what a batch of the kind
/// has in common, and what `O` adds.
fn places(states: &[KernelState], outputs: &[Vec<Vector>], buckets: usize) -> Places {
    let size = outputs[0].first().map_or(0, Vec::len);
    if buckets == 0 {
        return Places { bucket: vec![0; size], inverse: vec![0.0; size], count: 0 };
    }
    let sum = |values: &Vector| values.iter().map(|&value| f64::from(value)).sum::<f64>().max(1e-30) as f32;
    let square = |values: &Vector| values.iter().map(|value| f64::from(value * value)).sum::<f64>().max(1e-30) as f32;
    let fields: Vec<&Field> = states.iter().flat_map(|state| &state.fields).collect();
    let outputs: Vec<&Vector> = outputs.iter().flatten().collect();
    let traces: Vec<[f32; 3]> = fields.iter().map(|field| field.covariance.each_ref().map(sum)).collect();
    let norms: Vec<f32> = fields.iter().map(|field| square(&field.mean[0])).collect();
    let ends: Vec<f32> = outputs.iter().map(|output| square(output)).collect();
    let width = 3 * fields.len();
    let (mut features, mut weights, mut inverse) = (vec![0.0; size * width], vec![0.0; size], vec![0.0; size]);
    for c in 0..size {
        let mut scale = 0.0;
        for (at, field) in fields.iter().enumerate() {
            let (mean, noise) = (field.mean[0][c].powi(2), field.covariance[0][c].max(0.0));
            let other = field.mean[1][c].powi(2) + field.covariance[2][c].max(0.0);
            let parts = &mut features[c * width + 3 * at..][..3];
            parts.copy_from_slice(&[mean + noise, mean + noise / BATCH, other]);
            // A kind whose action has no alternative has O alone.
            scale += (mean + noise) / (norms[at] + traces[at][0]) + 1e-3 * other / (traces[at][2] + 1e-30);
        }
        if scale <= 0.0 {
            continue;
        }
        inverse[c] = scale.sqrt().recip();
        let logs = &mut features[c * width..(c + 1) * width];
        for (at, value) in logs.iter_mut().enumerate() {
            let (kind, part) = (at / 3, at % 3);
            let unit = if part == 2 { traces[kind][2] } else { norms[kind] + traces[kind][0] };
            *value = (*value / unit / scale + LITTLE).ln();
        }
        let start: f32 = fields.iter().zip(&norms).map(|(field, norm)| field.mean[0][c].powi(2) / norm).sum();
        let end: f32 = outputs.iter().zip(&ends).map(|(output, norm)| output[c].powi(2) / norm).sum();
        weights[c] = (start * end / scale).sqrt();
    }
    let bucket = Coordinates { features, width, weights }.cut(buckets);
    Places { count: bucket.iter().max().map_or(0, |&last| usize::from(last) + 1), bucket, inverse }
}

/// All products of directions with outputs and with one another. Where both come from the same rows, what these have in
/// common by chance is taken off: the mean of n products of a vector with itself is too large by its covariance / (n − 1).
fn contract(
    fields: &[Field],
    directions: &[[&Vector; 2]],
    outputs: &[Vector],
    places: &Places,
    without: Option<usize>,
) -> KernelProducts {
    let all: Vec<&Vector> = outputs.iter().chain(directions.iter().flatten().copied()).collect();
    let products = |j: usize| {
        let direction = directions[j / 2][j % 2];
        let field = &fields[j / 2];
        let rows = field.rows - without.map_or(0, |group| field.sums[group].1);
        let mut plain = vec![0.0; all.len()];
        let mut by_bucket = vec![0.0; all.len() * places.count];
        for (l, output) in all.iter().enumerate() {
            let same_kind = l.checked_sub(outputs.len()).filter(|state| state / 2 == j / 2);
            let common = same_kind.map(|state| &field.covariance[j % 2 + state % 2]);
            let sums = &mut by_bucket[l * places.count..(l + 1) * places.count];
            for (c, (&a, &b)) in direction.iter().zip(output.iter()).enumerate() {
                let chance = common.map_or(0.0, |common| common[c] / (rows as f32 - 1.0).max(1.0));
                let product = f64::from(a * b - chance);
                plain[l] += product;
                if places.count > 0 {
                    sums[usize::from(places.bucket[c])] += product * f64::from(places.inverse[c]);
                }
            }
        }
        (plain, by_bucket)
    };
    let each: Vec<(Vec<f64>, Vec<f64>)> = (0..2 * fields.len()).into_par_iter().map(products).collect();
    let (plain, by_bucket): (Vec<_>, Vec<_>) = each.into_iter().unzip();
    KernelProducts { outputs: all.len(), buckets: places.count, plain: plain.concat(), by_bucket: by_bucket.concat() }
}

fn moments(fields: &[Field], directions: &[[&Vector; 2]], places: &Places) -> Moments {
    let (count, buckets) = (2 * fields.len(), places.count);
    let size = places.inverse.len();
    let mut members = vec![0.0; buckets];
    let mut scale = vec![0.0; buckets];
    for c in (0..size).filter(|&c| places.inverse[c] > 0.0) {
        members[usize::from(places.bucket[c])] += 1.0;
        scale[usize::from(places.bucket[c])] += f64::from(places.inverse[c].recip());
    }
    let by_bucket = |values: &(dyn Fn(usize) -> f32 + Sync)| {
        let (mut total, mut means) = (0.0, vec![0.0; buckets]);
        for c in 0..size {
            let value = f64::from(values(c));
            total += value;
            if buckets > 0 {
                means[usize::from(places.bucket[c])] += value * f64::from(places.inverse[c]).powi(2);
            }
        }
        means.iter_mut().zip(&members).for_each(|(mean, members)| *mean /= f64::max(*members, 1.0));
        (total, means)
    };
    let pair = |at: usize| {
        let (j, k) = (at / count, at % count);
        let (a, b) = (directions[j / 2][j % 2], directions[k / 2][k % 2]);
        let field = &fields[j / 2];
        let common = (j / 2 == k / 2).then(|| &field.covariance[j % 2 + k % 2]);
        by_bucket(&|c| a[c] * b[c] - common.map_or(0.0, |common| common[c] / (field.rows as f32 - 1.0).max(1.0)))
    };
    let (gram, squares): (Vec<f64>, Vec<Vec<f64>>) = (0..count * count).into_par_iter().map(pair).unzip();
    let noise = |at: usize| by_bucket(&|c| fields[at / 3].covariance[at % 3][c]);
    let (noise, noise_by_bucket): (Vec<f64>, Vec<Vec<f64>>) = (0..3 * fields.len()).into_par_iter().map(noise).unzip();
    Moments {
        directions: count,
        buckets,
        gram,
        noise,
        squares: squares.concat(),
        noise_by_bucket: noise_by_bucket.concat(),
        scale: scale
            .iter()
            .zip(&members)
            .map(|(sum, members)| f64::max(sum / f64::max(*members, 1.0), 1e-30))
            .collect(),
    }
}
