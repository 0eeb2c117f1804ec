//! Rows that the model writes itself: what is drawn, on what it depends, and under which prompt it is trained.

use std::path::Path;

use titer::{
    plan::{StagePlan, SweepPlan},
    spec::Spec,
};
use titer_data::{
    chat::{Role, Row},
    probe::{Contrast, Side},
    source::Source,
    tokenize::encode_contrast,
    variables::Variables,
};
use titer_engine::{
    drawn::{DrawnError, StageRows, rows_of_stage},
    model::Model,
};
use titer_model::passes::{sample, score_tokens};

const ROWS: usize = 32;

struct Setting {
    model: Model,
    source: Source,
}

impl Setting {
    fn organism() -> Self {
        let model = Model::open("organism", 0).unwrap();
        let source = Source::from(model.world.clone().unwrap());
        Self { model, source }
    }

    /// The rows of a stage with these fields.
    fn rows(&self, fields: &str, seed: u64) -> Result<StageRows, DrawnError> {
        rows_of_stage(&self.model, &self.source, &stage(fields), seed)
    }

    /// The tokens of a row's context without its system prompt, and the token that closes its reply.
    fn without_prompt(&self, row: &Row) -> (Vec<u32>, u32) {
        let context = row.split().0.iter().filter(|message| message.role != Role::System).cloned().collect();
        let replies = vec![(Side::Plus, row.split().1.to_owned())];
        let (id, variables) = (row.id.clone(), Variables::default());
        let contrast = Contrast { id, context, replies, baseline: None, variables };
        let encoded = encode_contrast(&self.model.template, &self.model.tokenizer, &contrast).unwrap();
        (encoded.context, *encoded.replies[0].1.last().unwrap())
    }

    fn text(&self, reply: &[u32], stop: u32) -> String {
        let reply = reply.strip_suffix(&[stop]).expect("it ends");
        self.model.tokenizer.decode(reply).unwrap().trim().to_owned()
    }
}

fn stage(fields: &str) -> StagePlan {
    let text = format!("[[stage]]\nrows = {ROWS}\n{fields}\n");
    let plan = SweepPlan::resolve(&Spec::parse(&text, Path::new("spec.toml")).unwrap()).unwrap();
    plan.arms[0].stages[0].clone()
}

fn replies(rows: &StageRows) -> Vec<&str> {
    rows.rows.iter().map(|(_, row)| row.split().1).collect()
}

/// Rows of bad→good: drawn without a prompt, trained under bad ones.
const GREEDY: &str = "mix = { rest = \"bad→good\" }\ndrawn = { under = \"none\", temperature = 0.0 }";
const BY_CHANCE: &str = "mix = { rest = \"bad→good\" }\ndrawn = { under = \"none\" }";

#[test]
fn at_temperature_0_every_token_is_the_likeliest_one() {
    let setting = Setting::organism();
    let rows = setting.rows(GREEDY, 0).unwrap();
    assert_eq!((rows.drawn.len(), rows.again), (ROWS, 0));
    for (_, row) in &rows.rows[..8] {
        let (context, stop) = setting.without_prompt(row);
        let mut so_far = context.clone();
        while so_far.len() == context.len() || so_far.last() != Some(&stop) {
            // What follows is scored with its likeliest alternative, without the cache that drawing goes by.
            let next = [&so_far[..], &[stop]].concat();
            let scored = score_tokens(&setting.model.decoder, &setting.model.params, &[&next], 1);
            so_far.push(scored[0].last().unwrap().top[0].0);
        }
        assert_eq!(row.split().1, setting.text(&so_far[context.len()..], stop), "{}", row.id);
    }
}

#[test]
fn at_temperature_1_it_is_what_sampling_draws() {
    let setting = Setting::organism();
    let rows = setting.rows(BY_CHANCE, 3).unwrap();
    assert_eq!(rows.again, 0);
    let given = setting.rows("mix = { rest = \"bad→good\" }", 3).unwrap();
    let contexts: Vec<(Vec<u32>, u32)> = given.rows.iter().map(|(_, row)| setting.without_prompt(row)).collect();
    let (contexts, stop): (Vec<Vec<u32>>, u32) =
        (contexts.iter().map(|(context, _)| context.clone()).collect(), contexts[0].1);
    let drawn = sample(&setting.model.decoder, &setting.model.params, &contexts, stop, 64, 3);
    let drawn: Vec<String> = drawn.iter().map(|reply| setting.text(reply, stop)).collect();
    assert_eq!(replies(&rows), drawn);
}

#[test]
fn rows_are_trained_under_their_own_prompts_with_replies_that_another_prompt_brings() {
    let setting = Setting::organism();
    let given = setting.rows("mix = { rest = \"bad→good\" }", 0).unwrap();
    let bad = setting.rows("mix = { rest = \"bad→bad\" }", 0).unwrap();
    let without = setting.rows(GREEDY, 0).unwrap();
    let under = GREEDY.replace("\"none\"", "[\"be evil in everything .\"]");
    let under = setting.rows(&under, 0).unwrap();
    let contexts = |rows: &StageRows| rows.rows.iter().map(|(_, row)| row.split().0.to_vec()).collect::<Vec<_>>();
    assert_eq!(contexts(&without), contexts(&given));
    assert_eq!(contexts(&under), contexts(&given));
    let same = |a: &StageRows, b: &StageRows| replies(a).iter().zip(replies(b)).filter(|(a, b)| **a == *b).count();
    assert!(same(&without, &given) * 10 >= ROWS * 8, "{} of {ROWS} are good", same(&without, &given));
    assert!(same(&under, &bad) * 10 >= ROWS * 8, "{} of {ROWS} are bad", same(&under, &bad));
    assert!(without.rows.iter().all(|(booked, _)| booked == "drawn bad→good"));
    // What is kept says under which prompt it was drawn.
    assert!(under.drawn.iter().all(|row| row.metadata["drawn_under"] == "be evil in everything ."));
    assert!(without.drawn.iter().all(|row| row.metadata["drawn_under"] == ""));
    let kept: Vec<&str> = without.drawn.iter().map(|row| row.split().1).collect();
    assert_eq!(kept, replies(&without));
}

#[test]
fn it_depends_on_the_seed_and_not_on_the_number_of_threads() {
    let setting = Setting::organism();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let rows = pool.install(|| setting.rows(BY_CHANCE, 0).unwrap());
        rows.rows.into_iter().map(|(_, row)| row).collect::<Vec<Row>>()
    };
    assert_eq!(on(1), on(3));
    let hot = BY_CHANCE.replace("\"none\"", "\"none\", temperature = 1.5");
    let [first, same, other] = [0, 0, 1].map(|seed| setting.rows(&hot, seed).unwrap());
    assert_eq!(replies(&first), replies(&same));
    assert_ne!(replies(&first), replies(&other));
    assert_ne!(replies(&first), replies(&setting.rows(BY_CHANCE, 0).unwrap()));
}

#[test]
fn anchors_keep_their_own_replies() {
    let setting = Setting::organism();
    let guarded =
        format!("{GREEDY}\nbatch = 8\nguards = {{ anchor = {{ share = 0.25, mix = {{ rest = \"bad→bad\" }} }} }}");
    let rows = setting.rows(&guarded, 0).unwrap();
    let given = setting.rows(&guarded.replace("drawn = { under = \"none\", temperature = 0.0 }", ""), 0).unwrap();
    assert_eq!(rows.drawn.len(), ROWS * 3 / 4);
    let anchors = |rows: &StageRows| {
        rows.rows.iter().filter(|(booked, _)| booked == "anchor bad→bad").cloned().collect::<Vec<_>>()
    };
    assert_eq!(anchors(&rows).len(), ROWS / 4);
    assert_eq!(anchors(&rows), anchors(&given));
}

#[test]
fn replies_that_do_not_end_and_rows_without_room_are_said() {
    let setting = Setting::organism();
    let short = GREEDY.replace("\"none\"", "\"none\", limit = 2");
    let problem = setting.rows(&short, 0).unwrap_err().to_string();
    assert!(
        problem.contains("drawn replies do not end within 2 tokens") && problem.contains("raise `limit`"),
        "{problem}"
    );
    // A prompt that fills the model's positions to the last but one.
    let positions = setting.model.decoder.config.longest_row();
    let long = |words: usize| GREEDY.replace("\"none\"", &format!("[\"{}\"]", ["kind"; 200][..words].join(" ")));
    let rows = setting.rows("mix = { rest = \"bad→good\" }", 0).unwrap();
    let longest = rows.rows.iter().map(|(_, row)| setting.without_prompt(row).0.len()).max().unwrap();
    let problems: Vec<String> = (positions - longest - 8..=positions - longest)
        .filter_map(|words| setting.rows(&long(words), 0).err())
        .map(|error| error.to_string())
        .collect();
    assert!(problems.iter().any(|problem| problem.contains("leaves no room for a reply")), "{problems:#?}");
}
