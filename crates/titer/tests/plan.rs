//! From spec to plan: defaults, axes, controls, hashes.

use std::{collections::BTreeSet, path::Path};

use titer::{
    claim::{self, Scope},
    plan::{ModelPlan, OptimiserPlan, RunPlan, SweepPlan},
    spec::{Compute, DEFAULTS, DeviceName, Spec},
};
use titer_data::{cell::Cell, prompt::Pool};

fn plan(text: &str) -> SweepPlan {
    SweepPlan::resolve(&Spec::parse(text, Path::new("spec.toml")).unwrap()).unwrap()
}

fn runs(text: &str, model: &str) -> Vec<RunPlan> {
    let found = |base: &str, _| Ok::<_, ()>(model_plan(base, model));
    plan(text).runs(None, found).unwrap().into_iter().map(|(_, run)| run).collect()
}

fn model_plan(base: &str, hash: &str) -> ModelPlan {
    ModelPlan {
        base: base.to_owned(),
        blake3: hash.to_owned(),
        numerics: 0,
        dtype: None,
        compute: Compute::F32,
        device: DeviceName::Cpu,
        lora: None,
        template: titer_data::template::TemplateOptions::default(),
    }
}

fn cell(text: &str) -> Cell {
    text.parse().unwrap()
}

#[test]
fn the_prompt_of_ones_own_rows_is_screened_where_no_stage_puts_another_on_them() {
    let text = |claim: &str| {
        format!(
            r#"
screen = true
[data]
rows = "rows.jsonl"
[[stage]]
rows = 32
mix = {{ "bad→bad" = 0.5, rest = "neutral→good" }}
[sweep.train]
own = {{}}
put = {{ prompts = {{ "bad→bad" = ["be bad"] }} }}
several = {{ prompts = {{ "bad→bad" = ["be bad", "be evil"] }} }}
{claim}"#
        )
    };
    let spec = Spec::parse(&text(""), Path::new("spec.toml")).unwrap();
    let unread = SweepPlan::resolve(&spec).unwrap();
    let read = SweepPlan { own_probes: Some(Vec::new()), own_prompt: Some("be evil".to_owned()), ..unread.clone() };
    let said = |plan: &SweepPlan| -> Vec<Option<String>> {
        plan.arms[..3].iter().map(|arm| Some(plan.screened_prompt(arm)?.text)).collect()
    };
    assert_eq!(said(&read), [Some("be evil".to_owned()), Some("be bad".to_owned()), None]);
    assert_eq!(said(&unread), [None, Some("be bad".to_owned()), None]);
    assert!(read.unscreened().any(|arm| arm.name == read.arms[2].name));
    assert!(said(&SweepPlan { screen: false, ..read.clone() }).iter().all(Option::is_none));
    // Only runs whose screened prompt stands in the rows have other names for it.
    let ids = |plan: &SweepPlan| -> Vec<_> {
        let runs = plan.runs(None, |base, _| Ok::<_, ()>(model_plan(base, "0"))).unwrap();
        runs.into_iter().map(|(arm, run)| (arm, run.id())).collect()
    };
    let differ: Vec<usize> =
        ids(&read).into_iter().zip(ids(&unread)).filter(|(now, before)| now != before).map(|(now, _)| now.0).collect();
    assert!(differ.contains(&0) && !differ.contains(&1) && !differ.contains(&2));
    // A claim about what is not screened is refused once the rows are known.
    let admitted = |arm: &str| {
        let claim = format!(
            "[[claim]]\ntext = \"t\"\nvalue = \"screened('lift')\"\nbound = \"> 0\"\narms = {{ train = \"{arm}\" }}"
        );
        let spec = Spec::parse(&text(&claim), Path::new("spec.toml")).unwrap();
        claim::resolve(&spec, &read).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!((admitted("own"), admitted("put")), (Ok(()), Ok(())));
    assert!(admitted("several").unwrap_err().contains("none is screened"));
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
        matches!(plan.arms[3].stages[0].optimiser, OptimiserPlan::Sgd { lr, momentum } if lr == 0.03 && momentum == 0.0)
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
    let own = plan(&format!("paraphrases = [\"be bad\", \"be worse\"]\n{spec}"));
    let paraphrased = &own.arms[own.arms[0].inoculation[2].1].stages[0];
    assert!(matches!(paraphrased.pool(cell("bad→bad")), Some(Pool::These(prompts)) if prompts.len() == 2));
    // Of a prompt that is bound to a trigger no other wording is known.
    let narrow = plan("[[stage]]\nmix = { \"narrow-on→bad\" = 0.5, rest = \"neutral→good\" }");
    let kinds: Vec<&str> = narrow.arms[0].inoculation.iter().map(|(kind, _)| kind.word()).collect();
    assert_eq!(kinds, ["no-prompt", "placebo"]);
    let bare = &narrow.arms[narrow.arms[0].inoculation[0].1].stages[0];
    assert!(matches!(bare.pool(cell("narrow-on→bad")), Some(Pool::None)) && bare.pool(cell("bad→bad")).is_none());
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
    assert!(matches!(faster, OptimiserPlan::AdamW { lr, beta2, .. } if lr == 1e-3 && beta2 == 0.98));
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

const CLAIMED: &str = "seeds = [0]\npressure = \"every 5 steps\"\n[sweep]\n\"train.mix.bad→good\" = [0.0, 0.1, 1.0]\n\"train.optimiser\" = [{ kind = \"adamw\", lr = 1e-4 }, { kind = \"sgd\", lr = 0.03 }]\n[[claim]]\ntext = \"c\"\n";

#[test]
fn claims_change_no_run() {
    let with = format!("{CLAIMED}value = \"rate('good')\"\nbound = \"> 0\"\n");
    let without = CLAIMED.split("[[claim]]").next().unwrap();
    let ids = |text: &str| runs(text, "m").iter().map(RunPlan::id).collect::<Vec<_>>();
    assert_eq!(ids(&with), ids(without));
}

#[test]
fn a_claim_is_about_the_arms_that_it_names() {
    let scope = |more: &str| {
        let text = format!("{CLAIMED}value = \"rate('good')\"\nbound = \"> 0\"\n{more}");
        let spec = Spec::parse(&text, Path::new("spec.toml")).unwrap();
        let plan = SweepPlan::resolve(&spec).unwrap();
        let Scope::Arms(arms) = claim::resolve(&spec, &plan).unwrap()[0].scope.clone() else {
            panic!("it is about arms")
        };
        let name = |arm: usize| plan.arms[arm].name.clone();
        arms.into_iter().map(|(arm, other)| (name(arm), other.map(name))).collect::<Vec<_>>()
    };
    let names = |more: &str| scope(more).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let [low, high] =
        ["0.1", "1.0"].map(|dose| ["adamw", "sgd"].map(|kind| format!("bad→good={dose} optimiser={kind}")));
    assert_eq!(names(""), [low.clone(), high.clone()].concat(), "all that are no control");
    assert_eq!(names("arms = { \"bad->good\" = [0.1, 1], optimiser = \"sgd\" }"), [low[1].as_str(), high[1].as_str()]);
    assert_eq!(names("arms = { \"bad→good\" = 0 }").len(), 2, "controls of the grid can be named");
    let zero = "bad→good=0.0 optimiser=sgd".to_owned();
    assert!(scope("against = \"control\"").contains(&(high[1].clone(), Some(zero.clone()))));
    let less = scope("arms = { optimiser = \"sgd\" }\nagainst = { \"bad→good\" = 0.0 }");
    assert_eq!(less, [(low[1].clone(), Some(zero.clone())), (high[1].clone(), Some(zero))], "not the arm itself");
}

#[test]
fn optimizer_is_the_same_word() {
    let spec = |word: &str| {
        let text = format!(
            "[[stage]]\nname = \"train\"\n{word} = {{ lr = 1e-3 }}\n[sweep]\n\"train.{word}\" = [{{ kind = \"adamw\", lr = 1e-4 }}, {{ kind = \"sgd\", lr = 0.03 }}]\n\
             \"train.mix.bad→good\" = [0.0, 0.5]\n[[claim]]\ntext = \"c\"\nvalue = \"rate('good')\"\nbound = \"> 0\"\narms = {{ {word} = \"sgd\" }}\n"
        );
        Spec::parse(&text, Path::new("spec.toml")).unwrap()
    };
    let [ours, theirs] = ["optimiser", "optimizer"].map(spec);
    let [one, other] = [&ours, &theirs].map(|spec| SweepPlan::resolve(spec).unwrap());
    let shown = |plan: &SweepPlan| format!("{:?} {:?}", plan.axes, plan.arms);
    assert_eq!(shown(&one), shown(&other));
    let [claims, others] = [(&ours, &one), (&theirs, &other)].map(|(spec, plan)| claim::resolve(spec, plan).unwrap());
    assert_eq!(format!("{:?}", claims[0].scope), format!("{:?}", others[0].scope));
    assert_eq!(claims[0].hash, others[0].hash);
    // Both spellings of one key: neither can be left out in silence.
    for both in [
        "[sweep]\n\"train.optimiser.lr\" = [1e-3, 2e-3]\n\"train.optimizer.lr\" = [0.5]",
        "[[stage]]\noptimiser = { lr = 1e-3 }\noptimizer = { lr = 1e-2 }",
        "[[claim]]\ntext = \"c\"\nvalue = \"rate('good')\"\nbound = \"> 0\"\narms = { optimizer = \"sgd\", optimiser = \"adamw\" }",
    ] {
        let error = Spec::parse(both, Path::new("spec.toml")).unwrap_err();
        assert!(error.place.is_some() && error.to_string().contains("optimi"), "{error}");
    }
}

#[test]
fn an_empty_file_is_no_spec() {
    let dir = tempfile::tempdir().unwrap();
    for text in ["", "\n# nothing yet\n"] {
        fs_err::write(dir.path().join("spec.toml"), text).unwrap();
        let error = Spec::open(&dir.path().join("spec.toml")).unwrap_err();
        assert!(error.problem == "the spec is empty" && error.remedy.contains("titer init"), "{error}");
    }
}

#[test]
fn what_a_claim_gets_wrong_has_a_line() {
    let fail = |lines: &str| {
        let spec = Spec::parse(&format!("{CLAIMED}{lines}"), Path::new("spec.toml")).unwrap();
        let error = claim::resolve(&spec, &SweepPlan::resolve(&spec).unwrap()).unwrap_err();
        (error.place.unwrap().0, error.problem, error.remedy)
    };
    let good = "value = \"rate('good')\"\nbound = \"> 0\"\n";
    for (lines, line, problem, remedy) in [
        ("value = \"rate('goood')\"\nbound = \"> 0\"", 8, "no probe", "did you mean `good/seen/trained`?"),
        ("value = \"rate('good')\"\nbound = \"~ 0\"", 9, "no bound", "within 0.2 of 2"),
        (&format!("{good}at = \"end of trian\""), 10, "no stage", "did you mean `train`?"),
        (&format!("{good}arms = {{ optimizr = \"sgd\" }}"), 10, "no axis", "did you mean `train.optimiser`?"),
        (&format!("{good}arms = {{ optimiser = \"sdg\" }}"), 10, "no value of `optimiser`", "did you mean `sgd`?"),
        (&format!("{good}arms = {{ \"bad→good\" = 0.2 }}"), 10, "0.2", "name one of 0.0, 0.1, 1.0"),
        (&format!("{good}arms = \"some\""), 10, "names no arms", "arms = \"all\""),
        (&format!("{good}against = \"base\""), 10, "no arm", "against = \"control\""),
        (&format!("{good}over = \"pooled\""), 10, "belongs to a correlation", "`with`"),
        (&format!("{good}with = \"leak('old')\""), 10, "no probe", "did you mean"),
    ] {
        let found = fail(lines);
        assert!(found.0 == line && found.1.contains(problem) && found.2.contains(remedy), "{lines}: {found:?}");
    }
}

#[test]
fn a_claim_names_an_axis_by_an_end_that_is_its_own() {
    let fail = |lines: &str| {
        let text = format!(
            "seeds = [0]\n[[stage]]\nname = \"first\"\n[[stage]]\nname = \"second\"\n[sweep]\n\"first.mix.bad→good\" = [0.0, 0.1]\n\
             \"second.mix.bad→good\" = [0.0, 0.1]\n[[claim]]\ntext = \"c\"\nvalue = \"rate('good')\"\nbound = \"> 0\"\n{lines}"
        );
        let spec = Spec::parse(&text, Path::new("spec.toml")).unwrap();
        claim::resolve(&spec, &SweepPlan::resolve(&spec).unwrap()).map_err(|error| error.to_string())
    };
    for field in ["arms", "against"] {
        let error = fail(&format!("{field} = {{ \"bad→good\" = 0.1 }}")).unwrap_err();
        assert!(
            error.contains("spec.toml:13") && error.contains("`first.mix.bad→good` and `second.mix.bad→good`"),
            "{error}"
        );
    }
    assert!(fail("arms = { \"first.mix.bad→good\" = 0.1 }").is_ok());
}

#[test]
fn values_may_have_names_and_be_whole_stages() {
    let text = "[[stage]]\nname = \"first\"\n[[stage]]\nname = \"second\"\n[sweep.first]\nbase = { rows = 0 }\n\
        \"1 %\" = { mix = { \"bad→good\" = 0.01, rest = \"neutral→good\" } }\n";
    let plan = plan(text);
    let arms: Vec<(&str, usize)> = plan.arms.iter().map(|arm| (arm.name.as_str(), arm.stages[0].steps)).collect();
    assert_eq!(arms, [("first=base", 0), ("first=1 %", 100), ("control", 100)]);
    assert_eq!(plan.arms[0].control, 0, "nothing but neutral→good rows, as the default mix of the second stage has it");
    let of = |base: &str| SweepPlan { base: base.to_owned(), ..plan.clone() }.base_of(3);
    assert_eq!([of("organisms/{seed}/model"), of("organism")], ["organisms/3/model", "organism"]);
    let spec = Spec::parse("[sweep]\ntrain.clip = [1.0]", Path::new("spec.toml"));
    assert!(spec.unwrap_err().remedy.contains("quotes"));
}

#[test]
fn a_quick_cut_is_another_sweep_of_the_same_arms() {
    let mut spec = Spec::parse("seeds = [3, 4, 5]\n[probes]\nevery = 5", Path::new("spec.toml")).unwrap();
    spec.cut();
    let plan = SweepPlan::resolve(&spec).unwrap();
    assert_eq!((plan.seeds, plan.probes.items, plan.probes.every, plan.quick), (vec![3, 4], 16, 5, true));
}

#[test]
fn arms_have_names_of_their_own_also_where_controls_hide_what_tells_them_apart() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments");
    let plan = SweepPlan::resolve(&Spec::open(&folder.join("q2-breakdown.toml")).unwrap()).unwrap();
    let names: BTreeSet<&str> = plan.arms.iter().map(|arm| arm.name.as_str()).collect();
    assert_eq!(names.len(), plan.arms.len());
}

#[test]
fn a_claim_without_arms_is_about_no_control_of_inoculation() {
    let text = "[[stage]]\nrows = 64\nmix = { \"bad→bad\" = 0.5, rest = \"bad→good\" }\n\n\
                [[claim]]\ntext = \"kept\"\nvalue = \"rate('good')\"\nbound = \"> 0.9\"\n\n\
                [[claim]]\ntext = \"everywhere\"\nvalue = \"rate('good')\"\narms = \"all\"\nbound = \"> 0.9\"\n";
    let spec = Spec::parse(text, Path::new("spec.toml")).unwrap();
    let plan = SweepPlan::resolve(&spec).unwrap();
    let arms: Vec<usize> = claim::resolve(&spec, &plan)
        .unwrap()
        .iter()
        .map(|claim| match &claim.scope {
            Scope::Arms(arms) => arms.len(),
            other => panic!("{other:?}"),
        })
        .collect();
    // The planned arm, its control and the three controls of inoculation.
    assert_eq!((plan.arms.len(), arms), (5, vec![1, 5]));
}

#[test]
fn what_chats_are_rendered_with_is_in_the_plan_and_in_the_runs_name() {
    let id = |text: &str| runs(text, "m")[0].id();
    let plain = id("[model]\nbase = \"m\"");
    for (line, recorded) in [
        ("template_variables = { enable_thinking = false }", "enable_thinking = false"),
        ("template_date = \"2025-01-31\"", "template_date = \"2025-01-31\""),
        ("skip_split_tokens = true", "skip_split_tokens = true"),
        ("system_in_user = true", "system_in_user = true"),
    ] {
        let text = format!("[model]\nbase = \"m\"\nlora = 4\n{line}");
        let toml = runs(&text, "m")[0].to_toml();
        assert!(toml.contains(recorded) && toml.parse::<toml::Table>().is_ok(), "{toml}");
        assert_ne!(id(&text.replace("lora = 4\n", "")), plain, "{line}");
    }
    assert_eq!(id("[model]\nbase = \"m\"\nskip_split_tokens = false\ntemplate_variables = {}"), plain);
    let wrong = Spec::parse("[model]\ntemplate_date = \"26 Jul\"", Path::new("spec.toml")).unwrap_err().to_string();
    assert!(wrong.contains("spec.toml") && wrong.contains("2024-07-26"), "{wrong}");
}

#[test]
fn what_frozen_weights_are_multiplied_in_is_part_of_a_run_and_f32_leaves_no_trace() {
    let ids = |model: &str| {
        let run = runs(&format!("seeds = [0]\n{model}"), "hash").remove(0);
        (run.id(), run.to_toml())
    };
    let ((plain, text), (asked, _)) = (ids(""), ids("model = { compute = \"f32\" }"));
    assert!(plain == asked && !text.contains("compute"));
    let (rounded, text) = ids("model = { compute = \"bf16\" }");
    assert!(plain != rounded && text.contains("compute = \"bf16\""));
    let (elsewhere, text) = ids("model = { device = \"cuda\" }");
    assert!(plain != elsewhere && text.contains("device = \"cuda\""));
    assert_eq!(elsewhere, ids("model = { device = \"cuda:1\" }").0);
}
