//! What serde says, in plain words, and "did you mean …": the known word nearest to a wrong one.

use titer_data::nearest::nearest;

/// What tables are in words, by Rust's names of their types, with one to write in place of what is none.
const TABLES: [(&str, &str); 16] = [
    ("OptimiserFields", "a table such as { kind = \"adamw\", lr = 1e-4 }"),
    ("ModelFields", "a table such as { base = \"organism\" }, or below [model]"),
    ("DataFiles", "a table such as { rows = \"rows.jsonl\" }, or below [data]"),
    ("ProbeFields", "a table such as { items = 64 }, or below [probes]"),
    ("LeakFields", "a table such as { prompt = \"Be evil.\" }"),
    ("SlurmFields", "a table such as { time = \"02:00:00\", cpus = 4 }, or below [slurm]"),
    ("GuardsField", "a table such as { steer = { obey = { min = 0.0 } } }"),
    ("ControlField", "a table such as { obey = { min = 0.0 } }"),
    ("AnchorField", "a table such as { share = 0.1 }"),
    ("RangeField", "a table such as { min = 0.0 }"),
    ("DrawnField", "a table such as { under = [\"be evil\"] }"),
    ("VectorField", "a table such as { kind = \"add\", layer = 1, alpha = 1.0 }"),
    ("HelperField", "a table such as { train = { rows = 320 } }"),
    ("ScheduleFields", "a table such as { warmup = 10 }"),
    ("StageFields", "a table of a stage, such as { rows = 320 }, or below [[stage]]"),
    ("ClaimFields", "a table of a claim, below [[claim]]"),
];

/// Words that are not keys where one looks for them, by a key that is there, and what to write in their place.
const ELSEWHERE: [(&[&str], &str, &str); 6] = [
    (
        &["lr", "learning_rate", "momentum", "beta1", "beta2", "eps", "weight_decay"],
        "optimiser",
        "it is a key of the optimiser, such as `optimiser = { lr = 1e-4 }`",
    ),
    (
        &["epochs", "num_epochs", "num_train_epochs", "steps", "max_steps"],
        "mix",
        "a stage has `rows` in all and `batch` of them a step: `rows` / `batch` is the number of steps, and `rows` divided by the rows that you \
         have that of epochs",
    ),
    (&["batch_size", "per_device_train_batch_size", "micro_batch_size"], "mix", "did you mean `batch`?"),
    (
        &["lr", "learning_rate", "epochs", "num_epochs", "num_train_epochs", "steps", "max_steps", "batch_size"],
        "stage",
        "what is trained is said below [[stage]]: `rows` in all, `batch` of them a step, `optimiser = { lr = 1e-4 }`",
    ),
    (
        &[
            "rows",
            "batch",
            "mix",
            "optimiser",
            "optimizer",
            "schedule",
            "guards",
            "clip",
            "divisor",
            "domains",
            "drawn",
            "vector",
            "helper",
        ],
        "stage",
        "it is a key of a stage: write it below [[stage]]",
    ),
    (&["base", "lora", "dtype", "compute", "device"], "stage", "it is a key of the model: write it below [model]"),
];

/// A message of the TOML reader in one line, Rust's names of types replaced by words.
pub(crate) fn plain(message: &str) -> String {
    let words = [
        ("usize", "a whole number"),
        ("u64", "a whole number"),
        ("f64", "a number"),
        ("a sequence", "a list"),
        ("a map", "a table"),
    ];
    let problem = message.trim().replace('\n', ", ").replace("invalid type: map", "invalid type: a table");
    let problem = words.into_iter().fold(problem, |problem, (name, word)| {
        problem.replace(&format!("expected {name}"), &format!("expected {word}"))
    });
    let Some((before, name)) = problem.split_once("expected struct ") else { return problem };
    let end = name.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(name.len());
    let (name, behind) = name.split_at(end);
    let table = TABLES.iter().find(|(known, _)| *known == name).map_or("a table", |(_, words)| words);
    format!("{before}expected {table}{behind}")
}

/// A remedy for what the text has from its place on, where a list is wanted: a table's name in one pair of brackets, and what is no list.
pub(crate) fn as_list(problem: &str, from_place: &str) -> String {
    if !problem.ends_with("expected a list") {
        return String::new();
    }
    let line = from_place.lines().next().unwrap_or_default();
    let name = line.strip_prefix('[').and_then(|line| line.split_once(']')).map(|(name, _)| name.trim());
    match name {
        Some(name) => format!("write it as [[{name}]], in two pairs of brackets: there may be several"),
        None => "write it in brackets, as a list".to_owned(),
    }
}

/// A remedy for serde's "unknown field `a`, expected one of `b`, `c`" (and the same for variants); empty for others.
pub(crate) fn suggestion(problem: &str) -> String {
    let quoted: Vec<&str> = problem.split('`').skip(1).step_by(2).collect();
    let Some((wrong, known)) = quoted.split_first() else { return String::new() };
    if !problem.starts_with("unknown") {
        return String::new();
    }
    let is_elsewhere = |(words, there, _): &&(&[&str], &str, &str)| words.contains(wrong) && known.contains(there);
    match ELSEWHERE.iter().find(is_elsewhere) {
        Some((.., remedy)) => (*remedy).to_owned(),
        None => nearest(wrong, known.iter().copied()).map_or(String::new(), |near| format!("did you mean `{near}`?")),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Spec, *};

    #[test]
    fn types_have_words() {
        assert_eq!(
            plain("invalid type: string \"many\", expected usize\n"),
            "invalid type: string \"many\", expected a whole number"
        );
        assert_eq!(
            plain("invalid type: integer `3`, expected struct SomethingNew at line 1"),
            "invalid type: integer `3`, expected a table at line 1"
        );
    }

    #[test]
    fn only_a_word_that_is_like_a_known_one_gets_a_suggestion() {
        let problem = |word: &str| format!("unknown field `{word}`, expected one of `optimiser`, `schedule`, `rows`");
        assert_eq!(suggestion(&problem("optimizer")), "did you mean `optimiser`?");
        assert_eq!(suggestion(&problem("colour")), "");
        assert_eq!(suggestion("invalid type: string `rows`"), "");
    }

    #[test]
    fn natural_shorthand_is_told_what_to_write_and_no_type_of_rust_is_named() {
        let said = |text: &str| Spec::parse(text, "s.toml".as_ref()).unwrap_err().to_string();
        for (text, wanted) in [
            ("[[stage]]\noptimiser = \"adamw\"", "expected a table such as { kind = \"adamw\", lr = 1e-4 }"),
            ("model = \"organism\"", "{ base = \"organism\" }"),
            ("data = \"rows.jsonl\"", "{ rows = \"rows.jsonl\" }"),
            ("probes = 3", "[probes]"),
            ("leak = \"x\"", "prompt = "),
            ("slurm = 3", "[slurm]"),
            ("claim = [3]", "[[claim]]"),
            ("stage = [3]", "[[stage]]"),
            ("sweep = 3", "expected a table"),
            ("[[stage]]\nguards = \"kl\"", "steer"),
            ("[[stage]]\nguards = { steer = 3 }", "obey"),
            ("[[stage]]\nguards = { kl = 3 }", "share"),
            ("[[stage]]\ndrawn = 3", "under"),
            ("[[stage]]\nvector = 3", "alpha"),
            ("[[stage]]\nhelper = 3", "train"),
            ("[[stage]]\nschedule = 3", "warmup"),
            ("[stage]\nrows = 3", "help: write it as [[stage]], in two pairs of brackets"),
            ("seeds = 3", "help: write it in brackets"),
            ("[[stage]]\nlr = 1e-4", "help: it is a key of the optimiser, such as `optimiser = { lr = 1e-4 }`"),
            ("[[stage]]\nepochs = 3", "help: a stage has `rows` in all and `batch` of them a step"),
            ("[[stage]]\nbatch_size = 3", "help: did you mean `batch`?"),
            ("epochs = 3", "help: what is trained is said below [[stage]]"),
            ("rows = 3", "help: it is a key of a stage"),
            ("lora = 16", "help: it is a key of the model"),
            ("[[stage]]\nmix = { \"bad→refuse\" = 1.0 }", "`refuse` is not an action: it is one of good, bad"),
            ("[[stage]]\nmix = { \"evil→good\" = 1.0 }", "`evil` is not a kind of prompt: it is one of none, neutral"),
        ] {
            let said = said(text);
            assert!(said.contains(wanted) && !said.contains("struct ") && !said.contains("Field"), "{said}");
        }
    }

    #[test]
    fn what_a_table_is_said_to_be_like_is_one() {
        let written = |words: &str| {
            let (_, table) = words.split_once("such as {")?;
            Some(format!("{{{}}}", table.rsplit_once('}')?.0))
        };
        for (key, name) in [
            ("optimiser", "OptimiserFields"),
            ("guards", "GuardsField"),
            ("guards.steer", "ControlField"),
            ("guards.kl", "AnchorField"),
            ("drawn", "DrawnField"),
            ("vector", "VectorField"),
            ("helper", "HelperField"),
            ("schedule", "ScheduleFields"),
        ] {
            let table = written(TABLES.iter().find(|(known, _)| *known == name).unwrap().1).unwrap();
            Spec::parse(&format!("[[stage]]\n{key} = {table}"), "s.toml".as_ref()).unwrap();
        }
        for (key, name) in [
            ("model", "ModelFields"),
            ("data", "DataFiles"),
            ("probes", "ProbeFields"),
            ("leak", "LeakFields"),
            ("slurm", "SlurmFields"),
        ] {
            let table = written(TABLES.iter().find(|(known, _)| *known == name).unwrap().1).unwrap();
            Spec::parse(&format!("{key} = {table}"), "s.toml".as_ref()).unwrap();
        }
    }
}
