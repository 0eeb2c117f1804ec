//! Names of modules as PEFT matches them: by the end of a name, or by a regular expression.

use regex::Regex;
use serde::{Deserialize, Serialize};

/// Which modules of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ModuleNames {
    /// Those that are called so, or end so behind a dot: `q_proj`, `self_attn.q_proj`, `model.layers.0.self_attn.q_proj`.
    Ends(Vec<String>),
    /// Those whose whole name is of this form.
    Pattern(String),
}

impl ModuleNames {
    /// Whether this module is one of them.
    ///
    /// Fails where the pattern cannot be read; the error is one sentence.
    pub fn hold(&self, module: &str) -> Result<bool, String> {
        match self {
            Self::Ends(names) => {
                let ends = |name: &String| module.strip_suffix(name.as_str()).is_some_and(|front| front.ends_with('.'));
                Ok(names.iter().any(|name| name == module || ends(name)))
            }
            Self::Pattern(pattern) => Ok(whole(pattern)?.is_match(module)),
        }
    }

    /// Whether one of them is this module by its whole name.
    pub fn names(&self, module: &str) -> bool {
        matches!(self, Self::Ends(names) if names.iter().any(|name| name == module))
    }
}

/// A pattern for whole names.
fn whole(pattern: &str) -> Result<Regex, String> {
    compiled(&format!("^(?:{pattern})$"), pattern)
}

/// A pattern for the end of a name, behind a dot.
pub(super) fn ending(pattern: &str) -> Result<Regex, String> {
    compiled(&format!("^(?:.*\\.)?(?:{pattern})$"), pattern)
}

/// The regular expression `text`, which was made of `pattern`.
pub(super) fn compiled(text: &str, pattern: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| {
        let problem = error.to_string();
        let last = problem.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("titer cannot read the pattern \"{pattern}\": {last}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_at_dots_and_patterns_from_end_to_end() {
        let module = "model.layers.10.self_attn.q_proj";
        let ends = |name: &str| ModuleNames::Ends(vec![name.to_owned()]).hold(module).unwrap();
        assert!(ends("q_proj") && ends("self_attn.q_proj") && ends(module));
        assert!(!ends("proj") && !ends("attn.q_proj") && !ends("model.layers.1.self_attn.q_proj") && !ends(""));
        let pattern = |pattern: &str| ModuleNames::Pattern(pattern.to_owned()).hold(module);
        assert_eq!(pattern(r".*\.(q|v)_proj"), Ok(true));
        assert_eq!(pattern("q_proj"), Ok(false));
        assert_eq!(pattern("model"), Ok(false));
        assert!(pattern("(?=q)").unwrap_err().contains("cannot read the pattern \"(?=q)\": "));
    }
}
