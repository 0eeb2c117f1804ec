//! What is printed, kept for a page.

use std::cell::RefCell;

use titer::report::SheetBlock;

thread_local! {
    static KEPT: RefCell<Option<Vec<SheetBlock>>> = const { RefCell::new(None) };
}

/// Keeps a part of what is printed, where it is wanted. Lines that follow each other are one part.
pub(crate) fn keep(block: SheetBlock) {
    KEPT.with_borrow_mut(|kept| {
        let Some(kept) = kept else { return };
        match (kept.last_mut(), block) {
            (Some(SheetBlock::Lines { text }), SheetBlock::Lines { text: line }) => *text += &format!("\n{line}"),
            (_, block) => kept.push(block),
        }
    });
}

/// Does work, and returns what it printed on this thread too.
pub(crate) fn kept<T>(work: impl FnOnce() -> T) -> (T, Vec<SheetBlock>) {
    KEPT.set(Some(Vec::new()));
    let done = work();
    (done, KEPT.take().unwrap_or_default())
}
