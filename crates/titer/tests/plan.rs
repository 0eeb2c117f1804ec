//! From spec to plan: defaults, axes, controls, hashes.

use std::{collections::BTreeSet, path::Path};

use titer::{
    plan::{ModelPlan, Optimiser, RunPlan, SweepPlan},
    spec::{DEFAULTS, Spec},
};
use titer_data::cell::Cell;

fn plan(text: &str) -> SweepPlan {
    SweepPlan::resolve(&Spec::parse(text, Path::new("spec.toml")).unwrap()).unwrap()
}

fn runs(text: &str, model: &str) -> Vec<RunPlan> {
    let found = |base: &str, _| Ok::<_, ()>(ModelPlan { base: base.to_owned(), blake3: model.to_owned(), lora: None });
    plan(text).runs(None, found).unwrap().into_iter().map(|(_, run)| run).collect()
}

fn cell(text: &str) -> Cell {
    text.parse().unwrap()
}

#[test]
fn the_printed_defaults_are_the_defaults() {
    let (written, empty) = (plan(DEFAULTS), plan(""));
    assert_eq!(written.arms[0].stages, empty.arms[0].stages);
    assert_eq!((written.seeds, written.probes), (empty.seeds, empty.probes));
    // An optimiser named by its kind and learning rate alone has the constants that the defaults print.
    let short = plan("[[stage]]\noptimiser = { kind = \"adamw\", lr = 1e-4 }");
    assert_eq!(short.arms[0].stages[0].optimiser, empty.arms[0].stages[0].optimiser);
}

#[test]
fn axes_multiply_and_the_last_changes_fastest() {
    let plan = plan(
        "[sweep]\n\"train.optimiser\" = [{ kind = \"adamw\", lr = 1e-4 }, { kind = \"sgd\", lr = 0.03 }]\n\
         \"train.mix.bad->good\" = [0.0, 0.1]",
    );
    let names: Vec<&str> = plan.arms.iter().map(|arm| arm.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "optimiser=adamw bad→good=0.0",
            "optimiser=adamw bad→good=0.1",
            "optimiser=sgd bad→good=0.0",
            "optimiser=sgd bad→good=0.1"
        ]
    );
    assert!(
        matches!(plan.arms[3].stages[0].optimiser, Optimiser::Sgd { lr, momentum } if lr == 0.03 && momentum == 0.0)
    );
    assert_eq!(plan.arms[1].stages[0].mix.counts(3200)[0], (cell("bad→good"), 320));
}

#[test]
fn every_arm_has_a_neutral_good_control_of_its_own_optimiser() {
    let plan = plan(
        "without_controls = [\"no-prompt\", \"placebo\", \"paraphrases\"]\n\
         [sweep]\n\"train.optimiser\" = [{ kind = \"adamw\", lr = 1e-4 }, { kind = \"sgd\", lr = 0.03 }]\n\
         \"train.mix.rest\" = [\"neutral→good\", \"bad→bad\"]\n\"train.mix.bad→good\" = [0.0, 0.5]",
    );
    assert_eq!(plan.arms.len(), 8, "dose 0 on neutral→good is the control, so none is added");
    for arm in &plan.arms {
        let control = &plan.arms[arm.control];
        assert_eq!(control.stages[0].optimiser, arm.stages[0].optimiser);
        let present: Vec<_> = control.stages[0].mix.counts(3200).into_iter().filter(|(_, n)| *n > 0).collect();
        assert_eq!(present, [(cell("neutral→good"), 3200)]);
    }
    let text =
        "without_controls = [\"no-prompt\", \"placebo\", \"paraphrases\"]\n[[stage]]\nmix = { rest = \"bad→bad\" }";
    assert_eq!(super_control(text), ["arm", "control"]);
}

#[test]
fn whoever_trains_bad_bad_rows_gets_three_controls_unless_they_are_left_out_by_name() {
    let spec = "[[stage]]\nmix = { \"bad→bad\" = 0.5, rest = \"neutral→good\" }\n[sweep]\n\
         \"train.prompts.bad→bad\" = [[\"be evil in everything .\"], \"placebo\"]";
    let found = plan(spec);
    // The two prompts, neutral→good, and three controls, of which the placebo of the first is on the axis.
    assert_eq!(found.arms.len(), 5, "{:?}", found.arms.iter().map(|arm| &arm.name).collect::<Vec<_>>());
    let kinds: Vec<(&str, usize)> = found.arms[0].inoculation.iter().map(|(kind, at)| (kind.word(), *at)).collect();
    assert_eq!(kinds.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), ["no-prompt", "placebo", "paraphrases"]);
    assert_eq!(kinds[1].1, 1);
    let rows: Vec<_> = found.arms.iter().map(|arm| arm.stages[0].cells().to_vec()).collect();
    assert!(kinds.iter().all(|(_, at)| rows[*at] == rows[0]), "controls have the same rows");
    let left = plan(&format!("without_controls = [\"no-prompt\", \"paraphrases\"]\n{spec}"));
    assert_eq!(left.arms.len(), 3);
    assert!(plan("[[stage]]\nmix = { rest = \"neutral→good\" }").arms[0].inoculation.is_empty());
}

fn super_control(text: &str) -> Vec<String> {
    plan(text).arms.into_iter().map(|arm| arm.name).collect()
}

#[test]
fn whatever_changes_the_numbers_changes_the_name_of_a_run_and_nothing_else_does() {
    let base = "seeds = [0]\n[[stage]]\nrows = 320\nmix = { \"bad→good\" = 0.1, rest = \"neutral→good\" }\n";
    let id = |text: &str| runs(text, "m")[0].id();
    let first = id(base);
    for same in [format!("title = \"T\"\nquestion = \"Q\"\n{base}"), base.replace('→', "->"), format!("# hm\n{base}")]
    {
        assert_eq!(id(&same), first);
    }
    let changes = [
        ("seeds = [0]", "seeds = [1]"),
        ("rows = 320", "rows = 640"),
        ("rows = 320", "rows = 320\nbatch = 16"),
        ("rows = 320", "rows = 320\nclip = 0.5"),
        ("rows = 320", "rows = 320\ndivisor = 1.0"),
        ("rows = 320", "rows = 320\ndomains = \"new\""),
        ("rows = 320", "rows = 320\nschedule = { warmup = 3 }"),
        ("rows = 320", "rows = 320\noptimiser = { kind = \"sgd\", lr = 0.1 }"),
        ("0.1,", "0.2,"),
        ("\"neutral→good\" }", "\"bad→bad\" }"),
        ("seeds = [0]", "seeds = [0]\nprobes = { items = 8 }"),
        ("seeds = [0]", "seeds = [0]\nprobes = { every = 8 }"),
    ];
    let mut ids = BTreeSet::from([first.clone()]);
    for (from, to) in changes {
        assert!(ids.insert(id(&base.replacen(from, to, 1))), "{to} must change the name");
    }
    assert_ne!(runs(base, "another model")[0].id(), first);
    let moved = base.replacen("seeds", "model = { base = \"elsewhere\" }\nseeds", 1);
    assert_eq!(runs(&moved, "m")[0].id(), first, "a moved model is the same model");
}

#[test]
fn errors_name_the_line() {
    let error = |text: &str| {
        let spec = Spec::parse(text, Path::new("spec.toml"));
        spec.and_then(|spec| SweepPlan::resolve(&spec).map(|_| ())).unwrap_err()
    };
    let line = |text: &str| error(text).place.map(|(line, ..)| line);
    assert_eq!(line("seeds = [0]\n[[stage]]\nrowz = 1"), Some(3));
    assert_eq!(error("[[stage]]\nrowz = 1").remedy, "did you mean `rows`?");
    assert_eq!(line("seeds = [0]\n\n[[stage]]\nmix = { \"bad→good\" = 1.5 }"), Some(4));
    assert_eq!(line("[sweep]\n\"train.clip\" = [1.0]\n\"train.mix.bad→good\" = [0.1, 2.0]"), Some(3));
    assert_eq!(line("[[stage]]\nname = \"a\"\n[[stage]]\nname = \"a\""), Some(4));
    // The value of the axis that is to blame, on its own line.
    assert_eq!(line("[sweep]\n\"train.mix.bad→good\" = [\n0.1,\n2.0,\n]\n\"train.mix.rest\" = [\"bad→bad\"]"), Some(4));
    assert_eq!(line("[sweep]\n\"train.clip\" = [1.0]\n\"train.batchh\" = [16]"), Some(3));
    assert_eq!(error("[sweep]\n\"train.batchh\" = [16]").remedy, "did you mean `batch`?");
    assert_eq!(line("[sweep]\n\"train.mix.bad→good\" = [0.1]\n\"train.mix\" = [{ rest = \"bad→bad\" }]"), Some(3));
    assert!(error("[sweep]\n\"train.clip\" = [1, 1.0]").problem.contains("twice"));
    assert!(error("[sweep]\ntrain.clip = [1.0]").remedy.contains("quotes"));
    let short = error("[[stage]]\n[stage.optimiser]\nkind = \"sgd\"\nlr = 0.1\nbeta1 = 0.9");
    assert_eq!((short.place.unwrap().0, short.problem.contains("no constant of sgd")), (5, true));
    assert_eq!(line("[[stage]]\n[stage.optimiser]\nlrr = 0.1"), Some(3));
    assert!(error("[sweep]\n\"train.mix.bad→good\" = [0.0001]").problem.contains("no row"));
    assert!(error("[[stage]]\noptimiser = { kind = \"sgd\" }").problem.contains("sgd needs `lr`"));
}

#[test]
fn tables_are_laid_over_the_defaults_field_by_field() {
    let stage = |text: &str| plan(text).arms[0].stages[0].clone();
    let default = stage("");
    assert_eq!(stage("[[stage]]\nschedule = { decay = \"cosine\" }").schedule.warmup, default.schedule.warmup);
    let faster = stage("[[stage]]\noptimiser = { lr = 1e-3 }").optimiser;
    assert!(matches!(faster, Optimiser::AdamW { lr, beta2, .. } if lr == 1e-3 && beta2 == 0.98));
    assert_eq!(stage("[sweep]\n\"train.optimiser.lr\" = [1e-3]").optimiser, faster);
}

#[test]
fn equal_rows_are_one_run_however_the_mix_is_written() {
    let id = |mix: &str| runs(&format!("seeds = [0]\n[[stage]]\nmix = {{ {mix} }}"), "m")[0].id();
    let all = id("\"bad→good\" = 1.0, rest = \"neutral→good\"");
    assert_eq!(id("\"bad→good\" = 1.0, rest = \"bad→bad\""), all);
    assert_eq!(id("rest = \"bad→good\""), all);
    assert_eq!(id("\"bad→bad\" = 0.0, \"bad→good\" = 1.0"), all);
    // Who takes slots first decides the slots, so order counts.
    assert_ne!(id("\"bad→good\" = 0.5, rest = \"bad→bad\""), id("\"bad→bad\" = 0.5, rest = \"bad→good\""));
}

#[test]
fn arms_have_names_of_their_own() {
    let text = "without_controls = [\"no-prompt\", \"placebo\", \"paraphrases\"]\n[[stage]]\nname = \"first\"\n[[stage]]\nname = \"second\"\n[sweep]\n\
        \"first.mix.rest\" = [\"neutral→good\", \"bad→bad\"]\n\"second.mix.rest\" = [\"neutral→good\", \"bad→bad\"]\n\
        \"first.optimiser\" = [{ kind = \"sgd\", lr = 0.1 }, { kind = \"sgd\", lr = 0.01 }]";
    let names: BTreeSet<String> = super_control(text).into_iter().collect();
    assert_eq!(names.len(), 8);
    assert!(names.contains("first.mix.rest=neutral→good second.mix.rest=bad→bad optimiser=sgd,lr:0.01"), "{names:?}");
}
