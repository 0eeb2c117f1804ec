//! Bounds of counts on the command line, so that a slip of the finger is an error and not a machine without memory.

use std::{num::NonZero, str::FromStr};

/// A count of at most this many.
pub(super) fn at_most<const MOST: usize>(text: &str) -> Result<usize, String> {
    let count: usize = text.parse().map_err(|error| format!("{error}"))?;
    if count > MOST { Err(format!("use at most {MOST}")) } else { Ok(count) }
}

/// Rows, contrasts, drawn replies and the like.
pub(super) fn items(text: &str) -> Result<usize, String> {
    at_most::<100_000>(text)
}

/// Seeds, as single ones and ranges: `0-4,7` are 0, 1, 2, 3, 4 and 7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeedList(pub Vec<u64>);

impl FromStr for SeedList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut seeds = Vec::new();
        for part in text.split(',').map(str::trim) {
            let number =
                |text: &str| text.trim().parse::<u64>().map_err(|_| format!("`{part}` is no seed; write 0-4 or 0,1,7"));
            match part.split_once('-') {
                None => seeds.push(number(part)?),
                Some((first, last)) => {
                    let (first, last) = (number(first)?, number(last)?);
                    if last < first || last - first >= 10_000 {
                        return Err(format!(
                            "`{part}` is no range of seeds: from a first to a later one, 10000 at most"
                        ));
                    }
                    seeds.extend(first..=last);
                }
            }
        }
        Ok(Self(seeds))
    }
}

/// Threads.
pub(super) fn threads(text: &str) -> Result<NonZero<usize>, String> {
    NonZero::new(at_most::<1024>(text)?).ok_or_else(|| "use at least 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_single_ones_and_ranges() {
        let seeds = |text: &str| text.parse::<SeedList>().map(|seeds| seeds.0);
        assert_eq!(seeds("0-4, 7"), Ok(vec![0, 1, 2, 3, 4, 7]));
        assert_eq!(seeds("3"), Ok(vec![3]));
        for bad in ["", "4-2", "a", "1-", "-1", "0-18446744073709551615", "0,,1"] {
            assert!(seeds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_beyond_is_refused() {
        assert_eq!(items("128"), Ok(128));
        assert_eq!(items("100001"), Err("use at most 100000".to_owned()));
        assert!(items("18446744073709551616").is_err() && items("-1").is_err());
        assert_eq!(threads("0"), Err("use at least 1".to_owned()));
        assert_eq!(threads("100000"), Err("use at most 1024".to_owned()));
    }
}
