//! Drawing replies in named groups of contexts and scoring them.

use std::collections::BTreeMap;

use serde_json::json;
use titer::stats::Rate;
use titer_data::{
    chat::Message,
    score::{Judgements, Scorer, rule},
};
use titer_engine::{sampled::Asked, screen::Reply};

use super::drawing::{Speaker, write};
use crate::{args::SamplingArgs, printer::Failure};

/// A context to draw replies in.
pub(super) struct Context<'a> {
    /// What rates are taken over, such as a family.
    pub group: String,
    /// What tells it from others of the group.
    pub name: String,
    /// The request: what intervals cluster by.
    pub item: &'a str,
    /// The turns before the reply.
    pub context: Vec<Message>,
    /// The request's bad row.
    pub bad: &'a Reply,
}

/// The rate of the scored behaviour in each group, with how many replies have no score; empty where nobody replies.
pub(super) fn rates(
    args: &SamplingArgs,
    speaker: Option<&Speaker<'_>>,
    seed: u64,
    contexts: &[Context<'_>],
) -> Result<BTreeMap<String, (Option<Rate>, usize)>, Failure> {
    let (Some(first), Some(speaker)) = (contexts.first(), speaker) else { return Ok(BTreeMap::new()) };
    let asked = |context: &Context<'_>| Asked {
        id: format!("{}|{}|{}", context.group, context.name, context.item),
        context: context.context.clone(),
        variables: context.bad.row.variables.clone(),
    };
    let asked: Vec<Asked> = contexts.iter().map(asked).collect();
    let rule = args.rule.as_ref().map(|text| rule(text, &BTreeMap::new()).map_err(Failure::input)).transpose()?;
    if let Some(key) = rule.as_ref().and_then(|rule| rule.key()) {
        let problem = format!("--rule: it asks for a row's `{key}`, and replies that are drawn here have no such key");
        return Err(Failure::Input(format!("{problem}: use another rule, or `titer score --sample`")));
    }
    let columns = args.verdicts.columns(vec!["id".to_owned()])?;
    let rows = speaker.drawn(&asked, &first.bad.text, &args.drawing.of(seed))?;
    write(&rows, &args.drawing)?;
    let scorer: Option<Box<dyn Scorer>> = match (rule, &args.judgements) {
        (Some(rule), _) => Some(rule),
        (None, Some(path)) => Some(Box::new(Judgements::read(path, &columns, &rows).map_err(Failure::input)?)),
        (None, None) => None,
    };
    // Scores by request, and how many replies have none.
    type Scored<'a> = (Vec<(&'a str, f64)>, usize);
    let mut groups: BTreeMap<String, Scored> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        let context = &contexts[at / args.drawing.sample];
        let (scores, without) = groups.entry(context.group.clone()).or_default();
        let score = match &scorer {
            Some(scorer) => scorer.score(row).ok(),
            None => Some(f64::from(u8::from(row.split().1 == context.bad.text.trim()))),
        };
        match score {
            Some(score) => scores.push((context.item, score)),
            None => *without += 1,
        }
    }
    Ok(groups.into_iter().map(|(group, (scores, without))| (group, (Rate::of(scores), without))).collect())
}

/// A rate as a person reads it, with its n.
pub(super) fn written(sampled: Option<&(Option<Rate>, usize)>) -> String {
    match sampled {
        None => String::new(),
        Some((None, without)) => format!("– (n = 0, {without} without a score)"),
        Some((Some(rate), without)) => {
            let left = if *without > 0 { format!(", {without} without a score") } else { String::new() };
            format!("{:.2} ({:.2}–{:.2}), n = {}{left}", rate.rate, rate.low, rate.high, rate.n)
        }
    }
}

/// The same as JSON.
pub(super) fn json_of(sampled: Option<&(Option<Rate>, usize)>) -> serde_json::Value {
    let Some((rate, without)) = sampled else { return serde_json::Value::Null };
    let rate = rate.map(
        |rate| json!({ "mean": rate.rate, "low": rate.low, "high": rate.high, "n": rate.n, "clusters": rate.clusters }),
    );
    json!({ "rate": rate, "without_score": without })
}
