//! Rotary positions and attention, one query at a time over the few spans of keys that it reaches.
//!
//! Rows are short, so a matrix product per row and head would spend its time on calls. Instead keys and values are
//! transposed once, `[heads · width, tokens]`, and every inner loop runs along contiguous keys or a head's width.

use titer_machine::Fused;

use super::elementwise::{add_scaled, multiply, softcap};
use crate::{backend::Heads, packed::Reach, real::Real};

#[inline(always)]
pub(super) fn rope<T: Real>(x: &mut [T], table: &[T], positions: &[u32], head_width: usize, inverse: bool) {
    if positions.is_empty() {
        return;
    }
    let half = head_width / 2;
    let row_width = x.len() / positions.len();
    for (row, &position) in x.chunks_exact_mut(row_width).zip(positions) {
        let (cos, sin) = table[position as usize * head_width..][..head_width].split_at(half);
        for head in row.chunks_exact_mut(head_width) {
            let (low, high) = head.split_at_mut(half);
            for ((low, high), (&cos, &sin)) in low.iter_mut().zip(high).zip(cos.iter().zip(sin)) {
                let sin = if inverse { -sin } else { sin };
                (*low, *high) = (*low * cos - *high * sin, *high * cos + *low * sin);
            }
        }
    }
}

/// The spans of keys of one query, as `(first key, where its weights begin, length)`.
#[inline(always)]
fn ranges(reach: &Reach) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
    reach.spans().iter().scan(0, |begin, span| {
        let (first, len) = (span.start as usize, span.len as usize);
        *begin += len;
        Some((first, *begin - len, len))
    })
}

/// `[tokens, width] → [width, tokens]`
#[inline(always)]
fn transpose<T: Real>(x: &[T], width: usize) -> Vec<T> {
    let tokens = x.len() / width;
    let mut out = vec![T::of(0.0); x.len()];
    for start in (0..tokens).step_by(16) {
        let end = (start + 16).min(tokens);
        for column in 0..width {
            for token in start..end {
                out[column * tokens + token] = x[token * width + column];
            }
        }
    }
    out
}

/// `out[j] = Σ_d query[d] · columns[d, first + j]`, four rows of `columns` at a time.
#[inline(always)]
fn dot_columns<T: Real>(fused: Fused, out: &mut [T], query: &[T], columns: &[T], tokens: usize, first: usize) {
    let len = out.len();
    out.fill(T::of(0.0));
    let (quads, rest) = query.as_chunks::<4>();
    for (at, quad) in quads.iter().enumerate() {
        let row = |offset: usize| &columns[(at * 4 + offset) * tokens + first..][..len];
        let (a, b, c, d) = (row(0), row(1), row(2), row(3));
        for j in 0..len {
            let low = quad[0].fma(fused, a[j], quad[1] * b[j]);
            let high = quad[2].fma(fused, c[j], quad[3] * d[j]);
            out[j] += low + high;
        }
    }
    for (at, &value) in rest.iter().enumerate() {
        let row = &columns[(quads.len() * 4 + at) * tokens + first..][..len];
        for j in 0..len {
            out[j] = value.fma(fused, row[j], out[j]);
        }
    }
}

#[inline(always)]
fn softmax<T: Real>(fused: Fused, scores: &mut [T]) {
    let mut top = T::min_value();
    for &score in scores.iter() {
        top = if score > top { score } else { top };
    }
    let mut sum = T::of(0.0);
    for score in scores.iter_mut() {
        *score = (*score - top).exponential(fused);
    }
    for &score in scores.iter() {
        sum += score;
    }
    let inverse = T::of(1.0) / sum;
    for score in scores {
        *score *= inverse;
    }
}

#[inline(always)]
pub(super) fn forward<T: Real>(
    fused: Fused,
    out: &mut [T],
    weights: &mut [T],
    q: &[T],
    k: &[T],
    v: &[T],
    reach: &[Reach],
    heads: Heads,
) {
    let (query_width, key_width) = (heads.queries * heads.width, heads.keys * heads.width);
    let tokens = k.len() / key_width;
    let keys_t = transpose(k, key_width);
    let scale = T::of(heads.scale);
    let mut scaled = vec![T::of(0.0); heads.width];
    let mut weights = weights;
    for (at, reach) in reach.iter().enumerate() {
        for head in 0..heads.queries {
            let key_head = head * heads.keys / heads.queries * heads.width;
            let columns = &keys_t[key_head * tokens..][..heads.width * tokens];
            let (scores, rest) = weights.split_at_mut(reach.keys());
            weights = rest;
            let span = at * query_width + head * heads.width;
            for (to, &from) in scaled.iter_mut().zip(&q[span..][..heads.width]) {
                *to = from * scale;
            }
            for (first, begin, len) in ranges(reach) {
                dot_columns(fused, &mut scores[begin..begin + len], &scaled, columns, tokens, first);
            }
            if let Some(cap) = heads.softcap {
                let (slopes, rest) = weights.split_at_mut(reach.keys());
                weights = rest;
                softcap(scores, slopes, T::of(cap));
            }
            softmax(fused, scores);
            let out = &mut out[span..][..heads.width];
            out.fill(T::of(0.0));
            for (first, begin, len) in ranges(reach) {
                for (j, &weight) in scores[begin..begin + len].iter().enumerate() {
                    let value = &v[(first + j) * key_width + key_head..][..heads.width];
                    add_scaled(fused, out, weight, value);
                }
            }
        }
    }
}

pub(super) struct Inputs<'a, T> {
    pub q: &'a [T],
    pub k: &'a [T],
    pub v: &'a [T],
}

pub(super) struct Gradients<'a, T> {
    pub dq: &'a mut [T],
    pub dk: &'a mut [T],
    pub dv: &'a mut [T],
}

#[inline(always)]
pub(super) fn backward<T: Real>(
    fused: Fused,
    Gradients { dq, dk, dv }: Gradients<'_, T>,
    dout: &[T],
    weights: &[T],
    Inputs { q, k, v }: Inputs<'_, T>,
    reach: &[Reach],
    heads: Heads,
) {
    let (query_width, key_width) = (heads.queries * heads.width, heads.keys * heads.width);
    let tokens = k.len() / key_width;
    let values_t = transpose(v, key_width);
    let scale = T::of(heads.scale);
    let mut dscores = Vec::new();
    let mut weights = weights;
    for (at, reach) in reach.iter().enumerate() {
        for head in 0..heads.queries {
            let key_head = head * heads.keys / heads.queries * heads.width;
            let columns = &values_t[key_head * tokens..][..heads.width * tokens];
            let (probs, rest) = weights.split_at(reach.keys());
            weights = rest;
            let span = at * query_width + head * heads.width;
            let (query, dout) = (&q[span..][..heads.width], &dout[span..][..heads.width]);
            dscores.resize(reach.keys(), T::of(0.0));
            for (first, begin, len) in ranges(reach) {
                dot_columns(fused, &mut dscores[begin..begin + len], dout, columns, tokens, first);
            }
            let mut mean = T::of(0.0);
            for (&d, &p) in dscores.iter().zip(probs) {
                mean += d * p;
            }
            for (d, &p) in dscores.iter_mut().zip(probs) {
                *d = (*d - mean) * p * scale;
            }
            if heads.softcap.is_some() {
                let (slopes, rest) = weights.split_at(reach.keys());
                weights = rest;
                multiply(&mut dscores, slopes);
            }
            let dquery = &mut dq[span..][..heads.width];
            dquery.fill(T::of(0.0));
            for (first, begin, len) in ranges(reach) {
                for j in 0..len {
                    let place = (first + j) * key_width + key_head;
                    let (weight, dscore) = (probs[begin + j], dscores[begin + j]);
                    let key = &k[place..][..heads.width];
                    add_scaled(fused, dquery, dscore, key);
                    add_scaled(fused, &mut dk[place..][..heads.width], dscore, query);
                    add_scaled(fused, &mut dv[place..][..heads.width], weight, dout);
                }
            }
        }
    }
}
