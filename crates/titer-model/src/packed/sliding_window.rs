//! Sliding-window attention: a query reaches the latest keys of those that it would reach without a window.

use super::{Reach, Span};

impl Reach {
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

#[cfg(test)]
mod tests {
    use super::*;

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
