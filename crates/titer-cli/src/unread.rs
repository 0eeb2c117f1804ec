//! A command line that cannot be read: remedies that work, in place of those that do not.

use clap::{
    Error,
    error::{ContextKind, ContextValue, ErrorKind},
};
use titer_data::nearest::is_slip;

/// Options of other trainers that titer has as keys of a spec.
const KEYS: [(&[&str], &str); 3] = [
    (
        &["--lr", "--learning-rate", "--learning_rate"],
        "the learning rate is a key of the spec: `optimiser = { lr = 1e-4 }` below [[stage]]",
    ),
    (
        &[
            "--epochs",
            "--num-epochs",
            "--num-train-epochs",
            "--num_train_epochs",
            "--steps",
            "--max-steps",
            "--max_steps",
        ],
        "how long it trains is said in the spec: `rows` in all and `batch` of them a step, below [[stage]]",
    ),
    (
        &["--batch", "--batch-size", "--batch_size", "--per-device-train-batch-size", "--per_device_train_batch_size"],
        "the rows of a step are a key of the spec: `batch` below [[stage]]",
    ),
];

/// The same error without what would fail again, and without words that are not like what was written; with what helps, where that is known.
pub(crate) fn with_remedies(mut error: Error) -> Error {
    // An option as a value is refused a second time, since no command takes a value there.
    error.remove(ContextKind::Suggested);
    let written = match error.kind() {
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        _ => return error,
    };
    let Some(ContextValue::String(written)) = error.get(written) else { return error };
    let written = written.split('=').next().unwrap_or_default().to_owned();
    for kind in [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand] {
        let bare = |word: &str| word.trim_start_matches('-').split([' ', '=']).next().unwrap_or_default().to_owned();
        let is_like = |word: &String| is_slip(&bare(&written), &bare(word));
        match error.remove(kind) {
            Some(ContextValue::String(word)) if is_like(&word) => drop(error.insert(kind, ContextValue::String(word))),
            Some(ContextValue::Strings(words)) => {
                let words: Vec<String> = words.into_iter().filter(is_like).collect();
                if !words.is_empty() {
                    error.insert(kind, ContextValue::Strings(words));
                }
            }
            _ => {}
        }
    }
    let known = KEYS.iter().find(|(words, _)| words.contains(&&*written)).map(|(_, remedy)| *remedy);
    let version = (written == "version").then_some("`titer --version` prints it");
    if let Some(remedy) = known.or(version) {
        error.remove(ContextKind::SuggestedArg);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![remedy.into()]));
    }
    error
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::Args;

    fn said(line: &str) -> String {
        with_remedies(Args::try_parse_from(line.split(' ')).unwrap_err()).render().to_string()
    }

    #[test]
    fn remedies_work_or_are_not_given() {
        for (line, wanted) in [
            ("titer run first.toml --lr 1e-4", "tip: the learning rate is a key of the spec"),
            ("titer run first.toml --learning-rate=1e-4", "tip: the learning rate is a key of the spec"),
            ("titer run --epochs 3", "tip: how long it trains is said in the spec"),
            ("titer run --batch-size 3", "tip: the rows of a step are a key of the spec"),
            ("titer version", "tip: `titer --version` prints it"),
            ("titer scren", "similar subcommand exists: 'screen'"),
            ("titer run --quik", "similar argument exists: '--quick'"),
            ("titer pressure --item 3", "similar argument exists: '--items'"),
        ] {
            let said = said(line);
            assert!(said.contains(wanted) && said.matches("tip:").count() == 1 && !said.contains("'--'"), "{said}");
        }
        for line in ["titer --verbose", "titer run --verbose", "titer evaluate", "titer run --colour", "titer run a b"]
        {
            assert!(!said(line).contains("tip:"), "{}", said(line));
        }
    }
}
