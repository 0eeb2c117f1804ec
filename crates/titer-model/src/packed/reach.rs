//! Which keys a query attends to.

/// How many spans a query reaches at most; a tree that would need more starts a branch of its own earlier.
pub(crate) const MAX_SPANS: usize = 6;

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

    /// The same keys where this many tokens stand before them.
    pub(super) fn behind(self, tokens: u32) -> Self {
        let moved = |span: Span| Span { start: if span.len > 0 { span.start + tokens } else { 0 }, ..span };
        Self { spans: self.spans.map(moved), ..self }
    }

    /// Whether it reaches the keys of the other, and one more behind the last of them.
    #[inline]
    pub(crate) fn is_one_key_further(&self, other: &Self) -> bool {
        match (self.spans().split_last(), other.spans().split_last()) {
            (Some((last, before)), Some((others_last, others_before))) => {
                before == others_before && last.start == others_last.start && last.len == others_last.len + 1
            }
            _ => false,
        }
    }

    /// How many keys the query attends to.
    #[inline]
    pub fn keys(&self) -> usize {
        self.spans().iter().map(|span| span.len as usize).sum()
    }
}
