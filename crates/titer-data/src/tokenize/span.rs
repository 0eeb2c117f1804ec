//! Where tokens lie in a chat's text.

use std::ops::Range;

/// Where a token lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// All of it in the span.
    Inside,
    /// None of it.
    Outside,
    /// Across an edge.
    Split,
}

/// Where a token lies in relation to a span; both are bytes of the text.
pub(super) fn place(span: &Range<usize>, token: Range<usize>) -> Place {
    if token.start >= span.end || token.end <= span.start {
        Place::Outside
    } else if token.start < span.start || token.end > span.end {
        Place::Split
    } else {
        Place::Inside
    }
}
