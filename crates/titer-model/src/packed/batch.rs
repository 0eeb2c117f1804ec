//! A batch of rows, and the three ways to add one: a row, a contrast, a context.

use super::{Reach, Span};

/// One token whose probability is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetToken {
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
    pub targets: Vec<TargetToken>,
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

    /// Adds all rows of another batch behind these.
    pub fn append(&mut self, other: &Self) {
        let (tokens, outputs) = (self.tokens.len() as u32, self.outputs.len() as u32);
        self.tokens.extend(&other.tokens);
        self.positions.extend(&other.positions);
        self.reach.extend(other.reach.iter().map(|reach| reach.behind(tokens)));
        self.outputs.extend(other.outputs.iter().map(|output| output + tokens));
        self.targets.extend(other.targets.iter().map(|target| TargetToken {
            output: target.output + outputs,
            reply: target.reply + self.replies,
            ..*target
        }));
        self.row_starts.extend(other.row_starts.iter().skip(1).map(|start| start + tokens));
        self.replies += other.replies;
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
            self.targets.push(TargetToken { output, token: tokens[at + 1], reply: self.replies });
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
            self.targets.push(TargetToken { output: fork, token: reply[0], reply: self.replies });
            for at in 0..fed.len() {
                let output = self.push_output(start + at as u32);
                let token = if at + 1 < fed.len() { fed[at + 1] } else { *last };
                self.targets.push(TargetToken { output, token, reply: self.replies });
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
    pub(crate) fn output_reach(&self) -> Vec<Reach> {
        self.outputs.iter().map(|&at| self.reach[at as usize]).collect()
    }

    /// Rotary positions of the output positions, `[outputs]`.
    pub(crate) fn output_positions(&self) -> Vec<u32> {
        self.outputs.iter().map(|&at| self.positions[at as usize]).collect()
    }

    /// Adds one token at this rotary position that reaches this far, whose next-token logits are wanted; what it reaches
    /// is its caller's business.
    pub(crate) fn push_token(&mut self, token: u32, position: u32, reach: Reach) {
        self.tokens.push(token);
        self.positions.push(position);
        self.reach.push(reach);
        self.push_output(self.tokens.len() as u32 - 1);
        self.row_starts.push(self.tokens.len() as u32);
    }

    /// Adds tokens behind those on `path`, which grows by them, and says where they begin.
    pub(super) fn push_segment(&mut self, path: &mut Vec<Span>, tokens: &[u32]) -> u32 {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_behind_another_is_as_if_its_rows_were_pushed() {
        let push = |packed: &mut Packed, first: u32| {
            packed.push_row(&[first, 2, 3], &[false, true, true]);
            packed.push_contrast(&[4, first], [[5, 6].as_slice(), &[7]]);
        };
        let (mut pushed, mut joined, mut other) = (Packed::new(), Packed::new(), Packed::new());
        [1, 9].into_iter().for_each(|first| push(&mut pushed, first));
        push(&mut joined, 1);
        push(&mut other, 9);
        joined.append(&other);
        assert_eq!(format!("{joined:?}"), format!("{pushed:?}"));
    }

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

    fn span(start: u32, len: u32) -> Span {
        Span { start, len }
    }
}
