//! The seam to libraries that panic on some files: here a panic becomes an error like any other.

use std::{
    cell::Cell,
    fmt::Display,
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    sync::Once,
};

thread_local! {
    /// Whether a panic of this thread is caught, so that nothing needs to be printed about it.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// What `work` gives; its error or its panic as text, which names the library.
///
/// # Errors
/// Where `work` fails or panics.
pub fn caught<T, E: Display>(library: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if !CAUGHT.get() {
                before(panic);
            }
        }));
    });
    let outer = CAUGHT.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    CAUGHT.set(outer);
    match result {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            Err(format!("the {library} library broke off on it ({})", text.unwrap_or("without a word")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_text() {
        assert_eq!(caught("x", || Ok::<_, String>(3)), Ok(3));
        assert_eq!(caught("x", || Err::<(), _>("no")), Err("no".to_owned()));
        let numbers: [u8; 0] = [];
        let problem = caught("x", || Ok::<_, String>(numbers[numbers.len()])).unwrap_err();
        assert!(problem.contains("the x library broke off on it (index out of bounds"), "{problem}");
    }
}
