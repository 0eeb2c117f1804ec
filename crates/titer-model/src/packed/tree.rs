//! Rows that begin where they first differ from the row before.

use super::{MAX_SPANS, Packed, Span, TargetToken};

impl Packed {
    /// Adds contexts with one reply each, all of whose tokens are targets. Every row begins where it first differs from
    /// the one before it, so rows in lexicographic order share all that they have in common.
    ///
    /// Panics where a context or a reply is empty.
    pub fn push_tree<'a>(&mut self, rows: impl IntoIterator<Item = (&'a [u32], &'a [u32])>) {
        let (mut path, mut before): (Vec<Span>, Vec<u32>) = Default::default();
        let mut wanted: Vec<(u32, u32, u32)> = Vec::new();
        for (context, reply) in rows {
            assert!(!context.is_empty() && !reply.is_empty(), "a context and a reply have at least one token");
            let fed: Vec<u32> = context.iter().chain(&reply[..reply.len() - 1]).copied().collect();
            let shared = before.iter().zip(&fed).take_while(|(a, b)| a == b).count();
            // One span is for its own tokens, where it has any, and one is left for what may be drawn behind it.
            let spans = if shared == fed.len() { MAX_SPANS - 1 } else { MAX_SPANS - 2 };
            let shared = keep(&mut path, shared, spans);
            self.push_segment(&mut path, &fed[shared..]);
            let mut places = path.iter().flat_map(|span| span.start..span.start + span.len).skip(context.len() - 1);
            wanted.extend(reply.iter().map(|&token| {
                (places.next().expect("every token of a reply has a token before it"), token, self.replies)
            }));
            self.replies += 1;
            before = fed;
        }
        let mut outputs: Vec<u32> = wanted.iter().map(|(place, ..)| *place).collect();
        outputs.sort_unstable();
        outputs.dedup();
        let first = self.outputs.len() as u32;
        self.targets.extend(wanted.into_iter().map(|(place, token, reply)| {
            let output = outputs.binary_search(&place).expect("it is one of them") as u32;
            TargetToken { output: first + output, token, reply }
        }));
        self.outputs.extend(outputs);
        self.row_starts.push(self.tokens.len() as u32);
    }
}

/// Cuts a path to its first `tokens`, or fewer where they take more than so many spans; says how many.
fn keep(path: &mut Vec<Span>, tokens: usize, spans: usize) -> usize {
    let mut left = tokens as u32;
    path.truncate(spans);
    for span in path.iter_mut() {
        span.len = span.len.min(left);
        left -= span.len;
    }
    path.retain(|span| span.len > 0);
    tokens - left as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_tree_begin_where_they_first_differ() {
        let mut packed = Packed::new();
        let rows = [([1, 2, 3], [4, 9]), ([1, 2, 3], [5, 9]), ([1, 2, 6], [4, 8]), ([1, 7, 6], [4, 9])];
        packed.push_tree(rows.iter().map(|(context, reply)| (context.as_slice(), reply.as_slice())));
        assert_eq!(packed.tokens, [1, 2, 3, 4, 5, 6, 4, 7, 6, 4]);
        assert_eq!(packed.positions, [0, 1, 2, 3, 3, 2, 3, 1, 2, 3]);
        assert_eq!(packed.reach[4].spans(), [span(0, 3), span(4, 1)]);
        assert_eq!(packed.reach[6].spans(), [span(0, 2), span(5, 2)]);
        let targets = packed.targets.iter().map(|it| (packed.outputs[it.output as usize], it.token, it.reply));
        let expected = [(2, 4, 0), (3, 9, 0), (2, 5, 1), (4, 9, 1), (5, 4, 2), (6, 8, 2), (8, 4, 3), (9, 9, 3)];
        assert_eq!(targets.collect::<Vec<_>>(), expected);
        assert!(packed.outputs.is_sorted());
    }

    #[test]
    fn a_tree_that_is_too_deep_begins_earlier() {
        let mut packed = Packed::new();
        // Every row leaves the one before it one token later, and comes back to a longer common part.
        let rows: Vec<Vec<u32>> =
            (0..12).map(|at| (0..=at).map(|it| if it == at { 90 + at } else { it }).collect()).collect();
        packed.push_tree(rows.iter().map(|row| (row.as_slice(), [7].as_slice())));
        for (at, reach) in packed.reach.iter().enumerate() {
            assert!(reach.spans().len() <= MAX_SPANS);
            assert_eq!(reach.keys() as u32, packed.positions[at] + 1);
        }
        for (row, target) in rows.iter().zip(&packed.targets) {
            let reach = packed.reach[packed.outputs[target.output as usize] as usize];
            let read = reach.spans().iter().flat_map(|span| span.start..span.start + span.len);
            assert_eq!(read.map(|place| packed.tokens[place as usize]).collect::<Vec<_>>(), *row);
        }
    }

    fn span(start: u32, len: u32) -> Span {
        Span { start, len }
    }
}
