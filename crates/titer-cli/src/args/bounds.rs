//! Bounds of counts on the command line, so that a slip of the finger is an error and not a machine without memory.

use std::num::NonZero;

/// A count of at most this many.
pub(super) fn at_most<const MOST: usize>(text: &str) -> Result<usize, String> {
    let count: usize = text.parse().map_err(|error| format!("{error}"))?;
    if count > MOST { Err(format!("use at most {MOST}")) } else { Ok(count) }
}

/// Rows, contrasts, drawn replies and the like.
pub(super) fn items(text: &str) -> Result<usize, String> {
    at_most::<100_000>(text)
}

/// Threads.
pub(super) fn threads(text: &str) -> Result<NonZero<usize>, String> {
    NonZero::new(at_most::<1024>(text)?).ok_or_else(|| "use at least 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_is_refused() {
        assert_eq!(items("128"), Ok(128));
        assert_eq!(items("100001"), Err("use at most 100000".to_owned()));
        assert!(items("18446744073709551616").is_err() && items("-1").is_err());
        assert_eq!(threads("0"), Err("use at least 1".to_owned()));
        assert_eq!(threads("100000"), Err("use at most 1024".to_owned()));
    }
}
