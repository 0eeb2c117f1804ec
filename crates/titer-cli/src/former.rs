//! Spellings of an earlier version: still understood, with a hint.

use std::ffi::{OsStr, OsString};

/// An option that is called otherwise now.
struct Former {
    /// The command that has it; every one where this is empty.
    command: &'static str,
    old: &'static str,
    new: &'static str,
    /// What stands before its value now.
    before: &'static str,
}

const fn renamed(command: &'static str, old: &'static str, new: &'static str) -> Former {
    Former { command, old, new, before: "" }
}

const fn column(old: &'static str, before: &'static str) -> Former {
    Former { command: "validate", old, new: "--column", before }
}

const FORMER: [Former; 10] = [
    renamed("", "--base", "--model"),
    renamed("forecast", "--rows", "--items"),
    renamed("screen", "--for", "--aim"),
    renamed("plan", "--tries", "--mixes"),
    column("--prompt", "prompt="),
    column("--setting", "setting="),
    column("--suppression", "suppression="),
    column("--kept", "kept="),
    column("--target", "target="),
    column("--turn", "turn="),
];

/// A command line with today's spellings, and a hint for each that is not.
pub(crate) fn translated(arguments: impl IntoIterator<Item = OsString>) -> (Vec<OsString>, Vec<String>) {
    let mut arguments = arguments.into_iter();
    let mut line: Vec<OsString> = arguments.by_ref().take(2).collect();
    let command = line.get(1).cloned().unwrap_or_default();
    let mut hints = Vec::new();
    while let Some(argument) = arguments.next() {
        // What follows this is no option.
        if argument == "--" {
            line.push(argument);
            break;
        }
        let Some((former, value)) = FORMER.iter().find_map(|former| Some((former, former.value(&command, &argument)?)))
        else {
            line.push(argument);
            continue;
        };
        hints.push(format!("hint: {} is called {} now", former.old, former.called()));
        line.push(former.new.into());
        if let Some(value) = value.map_or_else(|| arguments.next(), |value| Some(value.into())) {
            let mut text = OsString::from(former.before);
            text.push(value);
            line.push(text);
        }
    }
    line.extend(arguments);
    if command == "doctor" {
        hints.extend(doctor(&mut line));
    }
    (line, hints)
}

impl Former {
    /// What an argument says where it is this option: the value behind `=`, where there is one.
    fn value<'a>(&self, command: &OsStr, argument: &'a OsStr) -> Option<Option<&'a str>> {
        let text = argument.to_str().filter(|_| self.command.is_empty() || command == self.command)?;
        match text.strip_prefix(self.old)? {
            "" => Some(None),
            behind => behind.strip_prefix('=').map(Some),
        }
    }

    fn called(&self) -> String {
        if self.before.is_empty() { self.new.to_owned() } else { format!("{} {}COLUMN", self.new, self.before) }
    }
}

/// `titer doctor MODEL [DATA]` had the model in place of `--model`.
fn doctor(line: &mut Vec<OsString>) -> Option<String> {
    let model = line.get(2)?.to_str()?;
    let is_data = [".jsonl", ".json", ".csv", ".tsv", ".parquet", ".toml"].iter().any(|ending| model.ends_with(ending));
    if model.starts_with('-') || is_data {
        return None;
    }
    line.insert(2, "--model".into());
    Some("hint: the model of titer doctor is named with --model now".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> (String, usize) {
        let (line, hints) = translated(line.split(' ').map(OsString::from));
        (line.join(OsStr::new(" ")).into_string().unwrap(), hints.len())
    }

    #[test]
    fn former_spellings_are_understood_with_a_hint() {
        assert_eq!(of("titer run q1.toml --base m --out o"), ("titer run q1.toml --model m --out o".to_owned(), 1));
        assert_eq!(
            of("titer screen --base=m --for obedience"),
            ("titer screen --model m --aim obedience".to_owned(), 2)
        );
        assert_eq!(
            of("titer validate t.csv --prompt p --turn=t").0,
            "titer validate t.csv --column prompt=p --column turn=t"
        );
        assert_eq!(of("titer doctor models/x rows.jsonl"), ("titer doctor --model models/x rows.jsonl".to_owned(), 1));
        assert_eq!(of("titer forecast --rows 8").0, "titer forecast --items 8");
    }

    #[test]
    fn what_is_meant_otherwise_is_left_alone() {
        for line in [
            "titer pressure --rows r.jsonl",
            "titer export q.toml --for trl",
            "titer leak --prompt text",
            "titer doctor rows.jsonl",
            "titer doctor --model m",
            "titer doctor",
            "titer score f.jsonl -- --base",
            "titer check --baseline",
            "titer",
        ] {
            assert_eq!(of(line), (line.to_owned(), 0));
        }
    }
}
