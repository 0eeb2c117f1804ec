//! A batch as torch reads it: rows of unlike lengths, filled up and put side by side.
//!
//! Attention and contractions work row by row, and torch's kernels on boxes of numbers. So rows of similar length are
//! gathered into a box, whose places beyond a row's end repeat some other place and count as nothing.

use std::{ops::Range, sync::OnceLock};

use super::tensor::{Number, Place, Tensor};
use crate::packed::Reach;

/// Numbers that a box of rows may hold for each that is not filling.
const FILLING: f64 = 1.3;

/// Kernels read a bias whose rows begin at a multiple of so many numbers.
const ALIGNED: usize = 16;

/// Indices, as torch takes them.
pub(super) fn ids(place: Place, ids: impl IntoIterator<Item = usize>) -> Tensor {
    let ids: Vec<i64> = ids.into_iter().map(|id| id as i64).collect();
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    Tensor::from_bytes(place, &bytes, &[ids.len() as i64], Number::I64)
}

/// Numbers, as torch takes them.
fn numbers(place: Place, number: Number, values: &[f32], shape: &[i64]) -> Tensor {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    Tensor::from_bytes(place, &bytes, shape, Number::F32).to(number)
}

/// Rows side by side: so many, each filled up to the same length.
#[derive(Clone, Debug)]
pub(super) struct Filled {
    pub(super) rows: i64,
    pub(super) len: i64,
    /// Where the numbers of the box come from, `[rows · len]`; filling comes from a row's first place.
    from: Tensor,
    /// The first of those places, where the others follow in order.
    first: Option<i64>,
    /// 1, and 0 for filling, `[rows · len, 1]`; `None` where there is no filling.
    real: Option<Tensor>,
}

impl Filled {
    /// These rows, each filled up to the length of the longest, or to the next multiple of `multiple`.
    fn new(place: Place, number: Number, ranges: &[Range<usize>], multiple: usize) -> Self {
        let len = ranges.iter().map(Range::len).max().unwrap_or(0).next_multiple_of(multiple);
        let from: Vec<usize> = ranges
            .iter()
            .flat_map(|range| {
                let fill = (range.len()..len).map(|_| range.start);
                range.clone().chain(fill)
            })
            .collect();
        let first = from.first().copied().unwrap_or(0);
        let in_order = from.iter().enumerate().all(|(at, &place)| place == first + at);
        let real: Vec<f32> =
            ranges.iter().flat_map(|range| (0..len).map(|at| if at < range.len() { 1.0 } else { 0.0 })).collect();
        let filling = real.contains(&0.0);
        let shape = [real.len() as i64, 1];
        Self {
            rows: ranges.len() as i64,
            len: len as i64,
            from: ids(place, from),
            first: in_order.then_some(first as i64),
            real: filling.then(|| numbers(place, number, &real, &shape)),
        }
    }

    /// The box `[rows, len, width]` of a matrix `[_, width]`; numbers that lie in its order already are not moved.
    pub(super) fn of(&self, matrix: &Tensor) -> Tensor {
        let width = matrix.shape()[1];
        match self.first {
            Some(first) => {
                let (shape, strides) = ([self.rows, self.len, width], [self.len * width, width, 1]);
                matrix.strided_from(first * width, &shape, &strides)
            }
            None => matrix.rows(&self.from).view(&[self.rows, self.len, width]),
        }
    }

    /// The same with zeros for filling.
    pub(super) fn of_real(&self, matrix: &Tensor) -> Tensor {
        let whole = self.of(matrix);
        let real = self.real.as_ref().map(|real| real.to(matrix.number()).view(&[self.rows, self.len, 1]));
        real.map_or_else(|| whole.clone(), |real| whole.times(&real))
    }

    /// Adds a box `[rows · len, width]` to what others have added to a matrix like this one.
    pub(super) fn added_to(&self, sum: Option<Tensor>, of_box: Tensor, like: &Tensor) -> Tensor {
        if sum.is_none() && self.first == Some(0) && of_box.shape() == like.shape() {
            return of_box;
        }
        let sum = sum.unwrap_or_else(|| Tensor::zeros(like.place(), like.shape(), like.number()));
        sum.with_rows_added(&self.from, &of_box)
    }

    /// Numbers beside the box's places, such as tokens, `[rows, len]`.
    pub(super) fn of_ids(&self, ids: &Tensor) -> Tensor {
        ids.rows(&self.from).view(&[self.rows, self.len])
    }
}

/// Boxes for rows of these sizes, the largest first: where the next is so much smaller that filling would be much, another box begins.
fn boxes(sizes: &[usize]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let (mut start, mut held) = (0, 0);
    for (at, &size) in sizes.iter().enumerate() {
        let count = at - start + 1;
        let box_size = sizes[start] * count;
        if at > start && (box_size as f64 > FILLING * (held + size) as f64) {
            ranges.push(start..at);
            (start, held) = (at, 0);
        }
        held += size;
    }
    if start < sizes.len() {
        ranges.push(start..sizes.len());
    }
    ranges
}

/// What queries reach: boxes of rows, with a number for each pair of a query and a key.
#[derive(Clone, Debug)]
pub struct TorchReach {
    pub(super) boxes: Vec<ReachBox>,
    /// For each query, its place among all boxes' queries, one box after another; `None` where they stand in the batch's order.
    back: Option<Tensor>,
}

/// Some rows of a batch.
#[derive(Clone, Debug)]
pub(super) struct ReachBox {
    pub(super) queries: Filled,
    pub(super) keys: Filled,
    /// 0 where a query reaches a key, else [`UNREACHED`]; `[rows, queries, keys]`, or `[1, queries, keys]` for all rows alike. Where each query
    /// reaches the keys up to its own place, it is made when it is asked for.
    bias: OnceLock<Tensor>,
    causal: bool,
    number: Number,
}

impl ReachBox {
    /// Whether each query reaches the keys up to its own place and no others.
    pub(super) fn is_causal(&self) -> bool {
        self.causal
    }

    /// What is added to scores, so that keys that are not reached have no part in a softmax; `[rows or 1, queries, keys]`.
    pub(super) fn bias(&self) -> Tensor {
        self.bias.get_or_init(|| causal(self.keys.from.place(), self.number, self.keys.len as usize)).clone()
    }
}

/// Less than any score by far, so that a softmax comes to 0 there, and a number in all types.
const UNREACHED: f32 = -3e4;

/// One row's queries, and the keys that they reach.
struct Row {
    queries: Range<usize>,
    keys: Range<usize>,
}

impl Row {
    /// Whether each query reaches the keys up to its own place and no others.
    fn is_plain(&self, reach: &[Reach]) -> bool {
        let up_to = |(at, query): (usize, usize)| match reach[query].spans() {
            [span] => span.start as usize == self.keys.start && span.len as usize == at + 1,
            _ => false,
        };
        self.queries.len() == self.keys.len() && self.queries.clone().enumerate().all(up_to)
    }

    /// The bias of this row, filled up to so many queries and keys. Filling's queries reach the first key, so that they have a softmax.
    fn bias(&self, reach: &[Reach], queries: usize, keys: usize) -> Vec<f32> {
        let mut bias = vec![UNREACHED; queries * keys];
        for (at, of_query) in bias.chunks_exact_mut(keys).enumerate() {
            let Some(reach) = self.queries.clone().nth(at).map(|query| &reach[query]) else {
                of_query[0] = 0.0;
                continue;
            };
            for span in reach.spans() {
                let first = span.start as usize - self.keys.start;
                of_query[first..first + span.len as usize].fill(0.0);
            }
        }
        bias
    }
}

/// The bias of plain rows of this length, `[1, len, len]`: of a row and its filling, since keys behind a query are not reached.
fn causal(place: Place, number: Number, len: usize) -> Tensor {
    let bias = (0..len * len).map(|at| if at % len > at / len { UNREACHED } else { 0.0 });
    numbers(place, number, &bias.collect::<Vec<_>>(), &[1, len as i64, len as i64])
}

impl TorchReach {
    /// Places what queries reach. Rows are told apart by their keys: a query that reaches none of those before begins another.
    pub(super) fn new(place: Place, number: Number, reach: &[Reach]) -> Self {
        let mut rows: Vec<Row> = Vec::new();
        for (query, reach) in reach.iter().enumerate() {
            let spans = || reach.spans().iter().map(|span| span.start as usize..(span.start + span.len) as usize);
            let first = spans().map(|span| span.start).min().unwrap_or(0);
            let end = spans().map(|span| span.end).max().unwrap_or(0);
            match rows.last_mut() {
                Some(row) if first < row.keys.end => {
                    row.queries.end = query + 1;
                    row.keys = row.keys.start.min(first)..row.keys.end.max(end);
                }
                _ => rows.push(Row { queries: query..query + 1, keys: first..end }),
            }
        }
        let mut order: Vec<usize> = (0..rows.len()).collect();
        let size = |row: &Row| row.queries.len() * row.keys.len();
        order.sort_by_key(|&at| std::cmp::Reverse((rows[at].keys.len(), rows[at].queries.len())));
        let sizes: Vec<usize> = order.iter().map(|&at| size(&rows[at])).collect();
        let mut back = vec![0; reach.len()];
        let mut before = 0;
        let mut boxed = Vec::new();
        for range in boxes(&sizes) {
            let rows: Vec<&Row> = order[range].iter().map(|&at| &rows[at]).collect();
            let causal = rows.iter().all(|row| row.is_plain(reach));
            let of = |ranges: Vec<Range<usize>>, multiple| Filled::new(place, number, &ranges, multiple);
            let queries = of(rows.iter().map(|row| row.queries.clone()).collect(), 1);
            let keys = of(rows.iter().map(|row| row.keys.clone()).collect(), if causal { 1 } else { ALIGNED });
            let (many_queries, many_keys) = (queries.len as usize, keys.len as usize);
            let bias = OnceLock::new();
            if !causal {
                let values: Vec<f32> = rows.iter().flat_map(|row| row.bias(reach, many_queries, many_keys)).collect();
                let shape = [rows.len() as i64, queries.len, keys.len];
                bias.get_or_init(|| numbers(place, number, &values, &shape));
            }
            for (at, row) in rows.iter().enumerate() {
                let first = before + at * many_queries;
                row.queries.clone().zip(first..).for_each(|(query, place)| back[query] = place);
            }
            before += rows.len() * many_queries;
            boxed.push(ReachBox { queries, keys, bias, causal, number });
        }
        let in_order = before == back.len() && back.iter().enumerate().all(|(at, &place)| at == place);
        Self { boxes: boxed, back: (!in_order).then(|| ids(place, back)) }
    }

    /// Numbers of all boxes' queries, `[rows · queries, _]` each, in the batch's order.
    pub(super) fn in_order(&self, boxes: &[Tensor]) -> Tensor {
        let all = Tensor::cat(boxes, 0);
        self.back.as_ref().map_or_else(|| all.clone(), |back| all.rows(back))
    }
}

/// The rows' ranges in a batch: boxes of them.
#[derive(Clone, Debug)]
pub struct TorchSpans {
    pub(super) boxes: Vec<SpanBox>,
    /// How many rows there are.
    pub(super) rows: i64,
    /// All of them.
    pub(super) all: Tensor,
    /// For each position from the first row's first on, which row it is in; positions in no row do not occur.
    pub(super) row_of: Tensor,
}

/// Some rows of a batch.
#[derive(Clone, Debug)]
pub(super) struct SpanBox {
    pub(super) filled: Filled,
    /// Which rows these are.
    pub(super) which: Tensor,
}

impl TorchSpans {
    /// Places ranges, which follow one another without a gap.
    pub(super) fn new(place: Place, number: Number, spans: &[Range<usize>]) -> Self {
        let mut order: Vec<usize> = (0..spans.len()).filter(|&row| !spans[row].is_empty()).collect();
        order.sort_by_key(|&row| std::cmp::Reverse(spans[row].len()));
        let sizes: Vec<usize> = order.iter().map(|&row| spans[row].len()).collect();
        let of_box = |range: Range<usize>| {
            let which = &order[range];
            let ranges: Vec<Range<usize>> = which.iter().map(|&row| spans[row].clone()).collect();
            SpanBox { filled: Filled::new(place, number, &ranges, 1), which: ids(place, which.iter().copied()) }
        };
        let boxes = boxes(&sizes).into_iter().map(of_box).collect();
        let row_of = spans.iter().enumerate().flat_map(|(row, span)| span.clone().map(move |_| row));
        let all = ids(place, 0..spans.len());
        Self { boxes, rows: spans.len() as i64, all, row_of: ids(place, row_of) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packed::Packed;

    #[test]
    fn plain_rows_are_told_from_others() {
        let mut packed = Packed::new();
        packed.push_row(&[1, 2, 3, 4], &[false, true, true, true]);
        let row = Row { queries: 0..3, keys: 0..3 };
        assert!(row.is_plain(&packed.reach));
        let near: Vec<Reach> = packed.reach.iter().map(|reach| reach.within(2)).collect();
        assert!(!row.is_plain(&near));
        assert_eq!(
            row.bias(&near, 4, 3),
            [[0.0, UNREACHED, UNREACHED], [0.0, 0.0, UNREACHED], [UNREACHED, 0.0, 0.0], [0.0, UNREACHED, UNREACHED]]
                .concat()
        );
    }

    #[test]
    fn a_box_ends_where_filling_would_be_much() {
        assert_eq!(boxes(&[10, 10, 9, 3, 3, 2]), [0..4, 4..6]);
        assert_eq!(boxes(&[10, 10, 10, 10]), std::slice::from_ref(&(0..4)));
        assert!(boxes(&[]).is_empty());
    }
}
