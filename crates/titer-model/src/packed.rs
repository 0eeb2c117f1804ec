//! Rows packed end to end without padding, and which keys each token may attend to.
//!
//! A row is one segment. A contrast is a context segment followed by one branch per reply: the branches see the
//! context and themselves, not each other, so that all replies share the context's forward pass. A tree is the same at
//! any depth: what a row has in common with the row before it is not computed again.

/// How many spans a query reaches at most; a tree that would need more starts a branch of its own earlier.
pub const MAX_SPANS: usize = 6;

/// A contiguous range of packed positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first position.
    pub start: u32,
    /// How many there are.
    pub len: u32,
}

/// The keys that one query attends to: a few spans, in the order of the row, the last of which ends with the query itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    spans: [Span; MAX_SPANS],
    count: u32,
}

impl Reach {
    /// The reach over these spans, at most [`MAX_SPANS`].
    pub fn over(path: &[Span]) -> Self {
        let mut spans = [Span::default(); MAX_SPANS];
        spans[..path.len()].copy_from_slice(path);
        Self { spans, count: path.len() as u32 }
    }

    /// Its spans.
    #[inline]
    pub fn spans(&self) -> &[Span] {
        &self.spans[..self.count as usize]
    }

    /// How many keys the query attends to.
    #[inline]
    pub fn keys(&self) -> usize {
        self.spans().iter().map(|span| span.len as usize).sum()
    }

    /// The latest `window` of these keys.
    pub fn within(self, window: usize) -> Self {
        let mut beyond = self.keys().saturating_sub(window) as u32;
        let kept = self.spans().iter().map(|span| {
            let cut = beyond.min(span.len);
            beyond -= cut;
            Span { start: span.start + cut, len: span.len - cut }
        });
        Self::over(&kept.filter(|span| span.len > 0).collect::<Vec<_>>())
    }
}

/// One token whose probability is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Which entry of [`Packed::outputs`] predicts it.
    pub output: u32,
    /// The token that should come next.
    pub token: u32,
    /// Which reply it belongs to: counts rows and branches in the order in which they were pushed.
    pub reply: u32,
}

/// A batch of rows, packed.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    /// Token ids, `[tokens]`.
    pub tokens: Vec<u32>,
    /// Rotary position of each token within its row, `[tokens]`.
    pub positions: Vec<u32>,
    /// What each token attends to, `[tokens]`.
    pub reach: Vec<Reach>,
    /// Positions in the packed batch at which logits are needed, ascending, `[outputs]`.
    pub outputs: Vec<u32>,
    /// Every target token, in the order of the replies, `[targets]`.
    pub targets: Vec<Target>,
    /// First token of each pushed row, with the end appended, `[rows + 1]`.
    pub row_starts: Vec<u32>,
    /// Replies pushed so far.
    pub replies: u32,
}

impl Packed {
    /// An empty batch.
    pub fn new() -> Self {
        Self { row_starts: vec![0], ..Self::default() }
    }

    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.tokens.clear();
        self.positions.clear();
        self.reach.clear();
        self.outputs.clear();
        self.targets.clear();
        self.row_starts.clear();
        self.row_starts.push(0);
        self.replies = 0;
    }

    /// Adds one row whose loss is on the tokens marked in `trained`.
    ///
    /// Panics where the two slices differ in length or where the first token is marked: nothing predicts it.
    pub fn push_row(&mut self, tokens: &[u32], trained: &[bool]) {
        assert_eq!(tokens.len(), trained.len(), "one mark per token");
        assert!(!trained.first().copied().unwrap_or(false), "the first token of a row cannot be a target");
        // Nothing after the last target's predecessor is ever attended to by a query that matters.
        let len = trained.iter().rposition(|&marked| marked).unwrap_or(0);
        let start = self.push_segment(&mut Vec::new(), &tokens[..len]);
        for at in (0..len).filter(|&at| trained[at + 1]) {
            let output = self.push_output(start + at as u32);
            self.targets.push(Target { output, token: tokens[at + 1], reply: self.replies });
        }
        self.replies += 1;
        self.row_starts.push(self.tokens.len() as u32);
    }

    /// Adds one context with several replies, all of whose tokens are targets.
    ///
    /// Panics where the context or a reply is empty.
    pub fn push_contrast<'a>(&mut self, context: &[u32], replies: impl IntoIterator<Item = &'a [u32]>) {
        assert!(!context.is_empty(), "a context has at least one token");
        let mut trunk = Vec::new();
        let start = self.push_segment(&mut trunk, context);
        let fork = self.push_output(start + context.len() as u32 - 1);
        for reply in replies {
            let (last, fed) = reply.split_last().expect("a reply has at least one token");
            let start = self.push_segment(&mut trunk.clone(), fed);
            self.targets.push(Target { output: fork, token: reply[0], reply: self.replies });
            for at in 0..fed.len() {
                let output = self.push_output(start + at as u32);
                let token = if at + 1 < fed.len() { fed[at + 1] } else { *last };
                self.targets.push(Target { output, token, reply: self.replies });
            }
            self.replies += 1;
        }
        self.row_starts.push(self.tokens.len() as u32);
    }

    /// Adds a context whose next-token logits are wanted, without a target.
    pub fn push_context(&mut self, context: &[u32]) {
        assert!(!context.is_empty(), "a context has at least one token");
        let start = self.push_segment(&mut Vec::new(), context);
        self.push_output(start + context.len() as u32 - 1);
        self.replies += 1;
        self.row_starts.push(self.tokens.len() as u32);
    }

    /// What the queries at the output positions attend to, `[outputs]`.
    pub fn output_reach(&self) -> Vec<Reach> {
        self.outputs.iter().map(|&at| self.reach[at as usize]).collect()
    }

    /// Rotary positions of the output positions, `[outputs]`.
    pub fn output_positions(&self) -> Vec<u32> {
        self.outputs.iter().map(|&at| self.positions[at as usize]).collect()
    }

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
            Target { output: first + output, token, reply }
        }));
        self.outputs.extend(outputs);
        self.row_starts.push(self.tokens.len() as u32);
    }

    /// Adds one token at this rotary position that reaches this far, whose next-token logits are wanted; what it reaches
    /// is its caller's business.
    pub fn push_token(&mut self, token: u32, position: u32, reach: Reach) {
        self.tokens.push(token);
        self.positions.push(position);
        self.reach.push(reach);
        self.push_output(self.tokens.len() as u32 - 1);
        self.row_starts.push(self.tokens.len() as u32);
    }

    /// Adds tokens behind those on `path`, which grows by them, and says where they begin.
    fn push_segment(&mut self, path: &mut Vec<Span>, tokens: &[u32]) -> u32 {
        let start = self.tokens.len() as u32;
        let before: u32 = path.iter().map(|span| span.len).sum();
        if tokens.is_empty() {
            return start;
        }
        if path.last().is_none_or(|last| last.start + last.len != start) {
            path.push(Span { start, len: 0 });
        }
        for (position, &token) in (before..).zip(tokens) {
            path.last_mut().expect("it has one").len += 1;
            self.tokens.push(token);
            self.positions.push(position);
            self.reach.push(Reach::over(path));
        }
        start
    }

    fn push_output(&mut self, position: u32) -> u32 {
        self.outputs.push(position);
        self.outputs.len() as u32 - 1
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
    fn a_row_has_one_target_per_marked_token() {
        let mut packed = Packed::new();
        packed.push_row(&[5, 6, 7, 8, 9], &[false, false, true, true, false]);
        assert_eq!(packed.tokens, [5, 6, 7]);
        assert_eq!(packed.outputs, [1, 2]);
        assert_eq!(packed.targets.iter().map(|t| t.token).collect::<Vec<_>>(), [7, 8]);
    }

    #[test]
    fn branches_share_their_context_and_do_not_see_each_other() {
        let mut packed = Packed::new();
        packed.push_contrast(&[1, 2, 3], [[4, 5].as_slice(), [6].as_slice(), [7, 8, 9].as_slice()]);
        assert_eq!(packed.tokens, [1, 2, 3, 4, 7, 8]);
        assert_eq!(packed.positions, [0, 1, 2, 3, 3, 4]);
        assert_eq!(packed.reach[5].spans(), [span(0, 3), span(4, 2)]);
        assert_eq!(
            packed.targets.iter().map(|t| (packed.outputs[t.output as usize], t.token, t.reply)).collect::<Vec<_>>(),
            [(2, 4, 0), (3, 5, 0), (2, 6, 1), (2, 7, 2), (4, 8, 2), (5, 9, 2)]
        );
        assert!(packed.outputs.is_sorted());
    }

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

    #[test]
    fn a_window_keeps_the_latest_keys() {
        let reach = Reach::over(&[span(10, 4), span(20, 3)]);
        assert_eq!(reach.within(9), reach);
        assert_eq!(reach.within(5).spans(), [span(12, 2), span(20, 3)]);
        assert_eq!(reach.within(2).spans(), [span(21, 2)]);
    }

    fn span(start: u32, len: u32) -> Span {
        Span { start, len }
    }
}
