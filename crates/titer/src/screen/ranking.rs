//! Prompts in the order of what they are chosen for, with ties.

use std::collections::BTreeMap;

use titer_data::prompt::{CandidatePrompt, Turn};

use super::{
    Aim, Placed,
    aim::CandidateSpread,
    requests::{difference, sum},
};
use crate::{stats::Estimate, table::ScreenRecord};

/// What was screened, and what was found.
#[derive(Clone, Debug)]
pub struct Screening {
    /// The prompts, in the order given.
    pub prompts: Vec<CandidatePrompt>,
    /// One line for each row under each prompt in each place.
    pub records: Vec<ScreenRecord>,
}

/// What a prompt does.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The prompt.
    pub prompt: CandidatePrompt,
    /// Every place that was tried, the better one for the aim first.
    pub placed: Vec<Placed>,
    /// The aim's number in the first place, the larger the better; `None` where the rows do not tell.
    pub score: Option<Estimate>,
    /// The number in the first place less that in the second, paired by request; `None` with one place.
    pub by_place: Option<Estimate>,
    /// The rank, from 1; prompts that cannot be told from the first of their rank share it.
    pub rank: usize,
    /// Whether another prompt has the same rank.
    pub tied: bool,
    /// The places in the ranking, from 0, of the prompts that it cannot be told from, its own among them: the interval of the difference, paired by request, holds 0.
    pub alike: Vec<usize>,
}

/// The prompts, the best for this aim first. A prompt shares the rank of the one above it where the interval of their difference, paired by
/// request, holds 0; the difference is from the first of that rank, so that a long row of small steps does not become one rank.
pub fn summarise(screening: &Screening, aim: Aim) -> Vec<Summary> {
    let mut by_prompt: BTreeMap<(&str, &str), Vec<&ScreenRecord>> = BTreeMap::new();
    for record in &screening.records {
        by_prompt.entry((&record.prompt, &record.turn)).or_default().push(record);
    }
    let prompts = &screening.prompts;
    let records = |at: usize, turn: Turn| by_prompt.get(&(prompts[at].name.as_str(), turn.word()));
    let places = |at: usize| -> Vec<Placed> {
        Turn::ALL.into_iter().filter_map(|turn| Some(Placed::new(turn, records(at, turn)?))).collect()
    };
    let all: Vec<Vec<Placed>> = (0..prompts.len()).map(places).collect();
    let spread = CandidateSpread::of(all.iter().flatten());
    let groups = |(at, turn): (usize, Turn), aim: Aim| aim.groups(records(at, turn)?, spread);
    let score = |place: (usize, Turn), aim| groups(place, aim).and_then(|groups| sum(&groups));
    let less = |place: (usize, Turn), other: (usize, Turn)| difference(groups(place, aim)?, groups(other, aim)?);
    let summary = |(at, mut placed): (usize, Vec<Placed>)| {
        for place in &mut placed {
            place.suppression = score((at, place.turn), Aim::Suppression);
            place.selectivity = score((at, place.turn), Aim::Selectivity);
        }
        let by_aim = |placed: &Placed| place_on_line(score((at, placed.turn), aim));
        placed.sort_by(|a, b| by_aim(b).total_cmp(&by_aim(a)));
        let by_place = match placed.as_slice() {
            [first, second] => less((at, first.turn), (at, second.turn)),
            _ => None,
        };
        let score = placed.first().and_then(|first| score((at, first.turn), aim));
        (at, Summary { prompt: prompts[at].clone(), placed, score, by_place, rank: 0, tied: false, alike: Vec::new() })
    };
    let mut ranked: Vec<(usize, Summary)> =
        all.into_iter().enumerate().map(summary).filter(|(_, summary)| !summary.placed.is_empty()).collect();
    ranked.sort_by(|(_, a), (_, b)| place_on_line(b.score).total_cmp(&place_on_line(a.score)));
    let places: Vec<(usize, Turn)> = ranked.iter().map(|(at, summary)| (*at, summary.placed[0].turn)).collect();
    let are_alike = |above: usize, below: usize| {
        above == below || less(places[above], places[below]).is_some_and(|less| !less.has_interval() || less.low <= 0.0)
    };
    let mut first = 0;
    for at in 0..ranked.len() {
        first = if are_alike(first, at) { first } else { at };
        ranked[at].1.rank = first + 1;
        ranked[at].1.alike = (0..places.len()).filter(|other| are_alike(at.min(*other), at.max(*other))).collect();
    }
    let mut ranked: Vec<Summary> = ranked.into_iter().map(|(_, summary)| summary).collect();
    for at in 0..ranked.len() {
        ranked[at].tied = ranked.iter().filter(|other| other.rank == ranked[at].rank).count() > 1;
    }
    ranked
}

fn place_on_line(estimate: Option<Estimate>) -> f64 {
    estimate.map_or(f64::NEG_INFINITY, |estimate| estimate.mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(prompt: &str, turn: &str, request: &str, action: &str, log_prob: f64, margin: f64) -> ScreenRecord {
        ScreenRecord {
            prompt: prompt.to_owned(),
            turn: turn.to_owned(),
            request: request.to_owned(),
            item: request.to_owned(),
            action: action.to_owned(),
            tokens: 4,
            log_prob,
            base_log_prob: -3.0,
            margin,
            base_margin: if action == "bad" { -2.0 } else { 2.0 },
            pressure_good: f64::NAN,
            pressure_obey_bad: f64::NAN,
            pressure_obey: f64::NAN,
        }
    }

    fn ranked(records: Vec<ScreenRecord>, aim: Aim) -> Vec<Summary> {
        let mut prompts: Vec<CandidatePrompt> = Vec::new();
        for record in &records {
            if prompts.iter().all(|prompt| prompt.name != record.prompt) {
                prompts.push(CandidatePrompt::new(&*record.prompt));
            }
        }
        summarise(&Screening { prompts, records }, aim)
    }

    #[test]
    fn lift_cost_and_narrowness_are_what_they_are_said_to_be() {
        let found = &ranked(
            vec![
                record("p", "system", "a", "bad", -1.0, 4.0),
                record("p", "system", "a", "good", -3.5, 2.0),
                record("p", "system", "b", "bad", -2.0, 4.5),
                record("p", "system", "b", "good", -3.5, 2.0),
                record("p", "user", "a", "bad", -3.0, -2.0),
                record("p", "user", "a", "good", -3.0, 2.0),
                record("p", "user", "b", "bad", -3.0, -2.1),
                record("p", "user", "b", "good", -3.0, 2.0),
            ],
            Aim::Selectivity,
        )[0];
        let first = &found.placed[0];
        let mean = |estimate: Option<Estimate>| estimate.unwrap().mean;
        assert_eq!(first.turn, Turn::System);
        assert_eq!((mean(first.lift), mean(first.cost), mean(first.narrowness)), (1.5, 0.5, 1.0));
        assert_eq!(mean(first.lift_per_token), 1.5 / 4.0);
        let rates = (logistic(4.0) + logistic(4.5)) / 2.0 - logistic(-2.0);
        assert!((mean(first.rate_narrowness) - rates).abs() < 1e-12 && mean(found.score) == mean(first.selectivity));
        assert_eq!((first.lifts(0.1), first.spares(0.1)), (Some(true), Some(true)));
        assert_eq!((found.placed[1].lifts(0.1), found.placed[1].spares(0.1)), (Some(false), Some(true)));
        assert!(first.bad_pressures[0].is_none());
    }

    fn logistic(x: f64) -> f64 {
        crate::stats::logistic(x)
    }

    /// Three prompts on four requests: `strong` and `same` differ by noise around zero, `weak` lifts nothing; `strong` costs, `weak` does not.
    fn three() -> Vec<ScreenRecord> {
        let mut records = Vec::new();
        for (at, request) in ["a", "b", "c", "d"].into_iter().enumerate() {
            let noise = [0.2, -0.1, 0.15, -0.25][at];
            records.push(record("strong", "system", request, "bad", -1.0 + noise, 3.0 + noise));
            records.push(record("strong", "system", request, "good", -5.0 + noise, 1.0));
            records.push(record("same", "system", request, "bad", -1.01 - noise, 2.99 - noise));
            records.push(record("same", "system", request, "good", -4.0 - noise, 1.5));
            records.push(record("weak", "system", request, "bad", -3.0 + noise, -2.0));
            records.push(record("weak", "system", request, "good", -3.0, 2.0));
        }
        records
    }

    #[test]
    fn the_order_is_the_aims_and_prompts_that_cannot_be_told_apart_share_a_rank() {
        let order = |aim| {
            let found = ranked(three(), aim);
            found.iter().map(|one| (one.prompt.name.clone(), one.rank, one.tied)).collect::<Vec<_>>()
        };
        let expected = |rows: [(&str, usize, bool); 3]| rows.map(|(name, rank, tied)| (name.to_owned(), rank, tied));
        let suppression = order(Aim::Suppression);
        assert_eq!(suppression, expected([("strong", 1, true), ("same", 1, true), ("weak", 3, false)]));
        assert_eq!(order(Aim::Obedience), expected([("weak", 1, false), ("same", 2, false), ("strong", 3, false)]));
        let suppressions: f64 =
            ranked(three(), Aim::Obedience).iter().map(|one| one.placed[0].suppression.unwrap().mean).sum();
        assert!(suppressions.abs() < 1e-9, "0 is the mean of the prompts: {suppressions}");
    }

    #[test]
    fn rates_that_differ_by_rounding_order_nothing() {
        // Replies so unlikely that rates are 0 up to rounding, whose order is that of the lift turned round.
        let far = |(at, mut record): (usize, ScreenRecord)| {
            let lift = record.log_prob;
            record.margin = if record.action == "bad" { -25.0 - lift } else { 25.0 + at as f64 * 1e-9 };
            record
        };
        let records: Vec<ScreenRecord> = three().into_iter().enumerate().map(far).collect();
        let found = ranked(records, Aim::Suppression);
        let score = found[0].score.unwrap();
        assert!(found[0].prompt.name == "strong" && score.half_width() < 5.0, "{found:?}");
        assert_eq!(found[2].prompt.name, "weak");
    }

    #[test]
    fn of_those_that_are_fit_the_one_that_is_taken_is_called_what_it_is() {
        // `best` suppresses a little more than `cheap` and cannot be told from it; `third` can be told from `best`, and not from `cheap`.
        let mut records = Vec::new();
        for (at, request) in ["a", "b", "c", "d"].into_iter().enumerate() {
            let noise = [0.2, -0.1, 0.15, -0.25][at];
            for (name, lift, cost, noise) in
                [("best", 2.0, 0.5, 0.0), ("cheap", 1.9, 0.1, 2.0 * noise), ("third", 1.85, 0.3, 0.02 * noise)]
            {
                records.push(record(name, "system", request, "bad", lift - 3.0 + noise, 3.0 + lift));
                records.push(record(name, "system", request, "good", -3.0 - cost, 2.0));
            }
        }
        let found = ranked(records, Aim::Suppression);
        let order: Vec<&str> = found.iter().map(|one| one.prompt.name.as_str()).collect();
        assert_eq!(order, ["best", "cheap", "third"]);
        assert_eq!([&found[0].alike, &found[1].alike, &found[2].alike], [&vec![0, 1], &vec![0, 1, 2], &vec![1, 2]]);
        let choice = super::super::choose(&found, Aim::Suppression, 0.1);
        assert_eq!(choice.take.unwrap().prompt.name, "cheap");
        assert_eq!((choice.is_best, choice.fit, choice.alike), (false, 3, 3));
    }

    #[test]
    fn several_rows_of_a_request_count_as_their_mean() {
        // As two seeds have it that name their requests alike, or two replies to one request.
        let mut records = three();
        let other =
            records.clone().into_iter().map(|record| ScreenRecord { log_prob: record.log_prob - 1.0, ..record });
        let lift = |records: &[ScreenRecord]| {
            let found = ranked(records.to_vec(), Aim::Suppression);
            let strong = found.iter().find(|one| one.prompt.name == "strong").unwrap();
            strong.placed[0].lift.unwrap()
        };
        let first = lift(&records);
        let other: Vec<ScreenRecord> = other.collect();
        records.extend(other);
        let both = lift(&records);
        assert!((both.mean - (first.mean - 0.5)).abs() < 1e-12, "{first:?} {both:?}");
        assert_eq!(both.n_items, 4, "four requests are four, however often they were asked");
        records.reverse();
        assert!((lift(&records).mean - both.mean).abs() < 1e-12, "the order of rows does not matter");
    }

    #[test]
    fn without_both_replies_to_a_request_there_are_no_rates_and_nats_are_left() {
        let alone =
            three().into_iter().map(|record| ScreenRecord { margin: f64::NAN, base_margin: f64::NAN, ..record });
        let found = ranked(alone.collect(), Aim::Selectivity);
        assert!(found[0].placed[0].rate.is_none() && found[0].placed[0].rate_narrowness.is_none());
        // Two deviations among three prompts: of lift, less of cost.
        let sum: f64 = found.iter().map(|one| one.score.unwrap().mean).sum();
        assert!(sum.abs() < 1e-9 && found[0].score.unwrap().mean > 0.0 && found[0].prompt.name == "same", "{found:?}");
        assert_eq!(found[0].placed[0].lifts(0.1), None);
    }
}
