//! Rows packed end to end without padding, and which keys each token may attend to.
//!
//! A row is one segment. A contrast is a context segment followed by one branch per reply: the branches see the
//! context and themselves, not each other, so that all replies share the context's forward pass.

/// The keys that one query attends to: two contiguous ranges of packed positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// First position of the shared context.
    pub prefix_start: u32,
    /// Length of the shared context; 0 for an ordinary row.
    pub prefix_len: u32,
    /// First position of the query's own segment.
    pub own_start: u32,
    /// Keys in the own segment, up to and including the query itself.
    pub own_len: u32,
}

impl Reach {
    /// How many keys the query attends to.
    pub fn keys(&self) -> usize {
        (self.prefix_len + self.own_len) as usize
    }

    /// The latest `window` of these keys.
    pub fn within(self, window: usize) -> Self {
        let window = u32::try_from(window).unwrap_or(u32::MAX);
        let own_len = self.own_len.min(window);
        let prefix_len = self.prefix_len.min(window - own_len);
        Self {
            prefix_start: self.prefix_start + self.prefix_len - prefix_len,
            prefix_len,
            own_start: self.own_start + self.own_len - own_len,
            own_len,
        }
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
        let start = self.push_segment(&tokens[..len], 0, 0, 0);
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
        let prefix_start = self.push_segment(context, 0, 0, 0);
        let prefix_len = context.len() as u32;
        let fork = self.push_output(prefix_start + prefix_len - 1);
        for reply in replies {
            let (last, fed) = reply.split_last().expect("a reply has at least one token");
            let start = self.push_segment(fed, prefix_start, prefix_len, prefix_len);
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
        let start = self.push_segment(context, 0, 0, 0);
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

    fn push_segment(&mut self, tokens: &[u32], prefix_start: u32, prefix_len: u32, first_position: u32) -> u32 {
        let own_start = self.tokens.len() as u32;
        for (at, &token) in tokens.iter().enumerate() {
            let at = at as u32;
            self.tokens.push(token);
            self.positions.push(first_position + at);
            self.reach.push(Reach { prefix_start, prefix_len, own_start, own_len: at + 1 });
        }
        own_start
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
        let last = packed.reach[5];
        assert_eq!((last.prefix_start, last.prefix_len, last.own_start, last.own_len), (0, 3, 4, 2));
        assert_eq!(
            packed.targets.iter().map(|t| (packed.outputs[t.output as usize], t.token, t.reply)).collect::<Vec<_>>(),
            [(2, 4, 0), (3, 5, 0), (2, 6, 1), (2, 7, 2), (4, 8, 2), (5, 9, 2)]
        );
        assert!(packed.outputs.is_sorted());
    }

    #[test]
    fn a_window_keeps_the_latest_keys() {
        let reach = Reach { prefix_start: 10, prefix_len: 4, own_start: 20, own_len: 3 };
        assert_eq!(reach.within(9), reach);
        assert_eq!(reach.within(5), Reach { prefix_start: 12, prefix_len: 2, ..reach });
        assert_eq!(reach.within(2), Reach { prefix_start: 14, prefix_len: 0, own_start: 21, own_len: 2 });
    }
}
