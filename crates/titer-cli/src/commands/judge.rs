//! `titer judge`

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::{Value, json};
use titer::{
    files::write_whole,
    stats::{Estimate, Rate, Verdicts, kappa},
    table::{Column, Field, Values, unitless},
    words,
};
use titer_data::{
    chat::{Role, Row},
    formats::read_rows,
    request::Request,
    score::{Judgements, Scorer as _},
};
use titer_engine::endpoint::{ChatSpending, Judge, Judged, VerdictKind};

use super::{
    outputs::{LINES, endings, fresh},
    subjects::{endpoint_options, unasked},
};
use crate::{
    args::JudgeArgs,
    listener::tell_table,
    printer::{Failure, data, interval, talk, verbatim},
    progress::Bar,
};

/// Has a model behind an endpoint judge the replies of a file by a rubric.
pub(crate) fn judge(args: &JudgeArgs) -> Result<(), Failure> {
    fresh([("--out", args.out.as_ref())])?;
    endings([(args.out.as_ref(), &LINES[..])])?;
    let rubric = Rubric::read(&args.rubric)?;
    let rows = rows(&args.file)?;
    let others = args.judgements.as_ref().map(|path| {
        Judgements::read(path, &args.verdicts.columns(vec!["id".to_owned()])?, &rows).map_err(Failure::input)
    });
    let others = others.transpose()?;
    let Some(url) = &args.endpoint.endpoint else {
        return Err(Failure::input("there is no judge: name its server with --endpoint and the model with --served"));
    };
    let judge = Judge::new(endpoint_options(url, &args.endpoint)?).map_err(unasked)?;
    let prompts: Vec<String> = rows.iter().map(|row| rubric.prompt(row)).collect();
    let before = judge.spending(&prompts);
    if args.endpoint.dry_run {
        if args.json {
            verbatim(&counted(before).to_string())
        } else {
            data(&sentence(before))
        }
        return Ok(());
    }
    talk(&format!("{}; answers are kept in {}", sentence(before), judge.kept().display()));
    let bar = Bar::new(0, "replies");
    let judged = judge.judge(&prompts, rubric.asks_for_digits(), &|done, of| bar.stands_at(done, of, ""));
    bar.clear();
    let judged = judged.map_err(unasked)?;
    let after = judge.spending(&prompts);
    if after.tokens > 0 {
        talk(&format!("the server counted {}", words::counted(after.tokens, "token")));
    }
    let thought = judged.iter().filter(|judged| judged.thought).count();
    if thought > 0 {
        talk(&format!(
            "{thought} of {} were cut before they began, which is no verdict and is not kept: where the judge thinks, turn that off where it is served",
            words::counted(rows.len(), "answer")
        ));
    }
    if let Some(first) = judged.first().filter(|_| judged.iter().all(|judged| judged.score.is_none())) {
        return Err(Failure::Input(format!(
            "`{}` gave no verdict on any of {} replies; on the first it said `{}`: have the rubric ask for a number between 0 and 100 and nothing \
             else; what it said is kept in {}",
            args.endpoint.served.as_deref().unwrap_or_default(),
            rows.len(),
            first.said,
            judge.kept().display()
        )));
    }
    if let Some(out) = &args.out {
        let lines =
            rows.iter().zip(&judged).zip(&prompts).map(|((row, judged), prompt)| line(args, row, judged, prompt));
        let lines: String = lines.map(|line| format!("{line}\n")).collect();
        write_whole(out, lines.as_bytes()).map_err(Failure::work)?;
        talk(&format!("scores of {} in {}", words::counted(rows.len(), "reply"), out.display()));
    }
    tell_table("judged", || told(&rows, &judged, &prompts));
    let summary = Summary::of(args, &rows, &judged, others.as_ref());
    if args.json {
        verbatim(&summary.json().to_string())
    } else {
        summary.print(args)
    }
    Ok(())
}

/// The rows of a file, each with a reply and an id of its own.
fn rows(path: &Path) -> Result<Vec<Row>, Failure> {
    let rows = read_rows(path).map_err(Failure::input)?;
    let mut seen = BTreeSet::new();
    for row in &rows {
        let problem = if row.split().1.is_empty() {
            "it ends without a reply: there is nothing to judge"
        } else if !seen.insert(&row.id) {
            "an earlier row has its id: give each its own, by which scores are found"
        } else {
            continue;
        };
        return Err(Failure::Input(format!("{}: row `{}`: {problem}", path.display(), row.id)));
    }
    if rows.is_empty() {
        Err(Failure::Input(format!("{}: there are no replies to judge", path.display())))
    } else {
        Ok(rows)
    }
}

/// What a judge is asked, cut at what is put in.
struct Rubric(Vec<Part>);

/// A part of a rubric.
enum Part {
    Text(String),
    System,
    Request,
    Reply,
}

impl Rubric {
    fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs_err::read_to_string(path).map_err(Failure::input)?;
        let mut parts = Vec::new();
        let mut rest = text.trim();
        let known = || [("{system}", Part::System), ("{request}", Part::Request), ("{reply}", Part::Reply)];
        while let Some((at, name, part)) = known()
            .into_iter()
            .filter_map(|(name, part)| Some((rest.find(name)?, name, part)))
            .min_by_key(|(at, ..)| *at)
        {
            parts.push(Part::Text(rest[..at].to_owned()));
            parts.push(part);
            rest = &rest[at + name.len()..];
        }
        parts.push(Part::Text(rest.to_owned()));
        if parts.iter().any(|part| matches!(part, Part::Reply)) {
            return Ok(Self(parts));
        }
        Err(Failure::Input(format!(
            "{}: the rubric does not say where the reply goes: write {{reply}} there",
            path.display()
        )))
    }

    /// Whether it names numbers of one digit alone, such as a scale from 0 to 9.
    fn asks_for_digits(&self) -> bool {
        let text = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            _ => " ".to_owned(),
        };
        let whole: String = self.0.iter().map(text).collect();
        let numbers: BTreeSet<&str> = whole.split(|c: char| !c.is_ascii_digit()).filter(|it| !it.is_empty()).collect();
        numbers.len() > 1 && numbers.iter().all(|number| number.len() == 1)
    }

    /// What is asked of a row. What a chat says is put in once, and nothing is put into that.
    fn prompt(&self, row: &Row) -> String {
        let request = || row.messages.iter().rev().find(|message| message.role == Role::User);
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::System => row.system_prompt().unwrap_or_default().to_owned(),
            Part::Request => request().map(|message| message.content.clone()).unwrap_or_default(),
            Part::Reply => row.split().1.to_owned(),
        };
        self.0.iter().map(part).collect()
    }
}

/// A reply's line in the file of scores: by `id` and `score` `titer score --judgements FILE --scale 0:100` reads it.
fn line(args: &JudgeArgs, row: &Row, judged: &Judged, prompt: &str) -> Value {
    json!({
        "id": row.id, "score": judged.score, "verdict": judged.verdict.word(), "mass": judged.mass, "said": judged.said,
        "judge": args.endpoint.served, "prompt": prompt,
    })
}

/// The same for a program.
fn told(rows: &[Row], judged: &[Judged], prompts: &[String]) -> Vec<Column> {
    let text = |name, description, values: Vec<String>| Column::of(&unitless(name, description), Values::Text(values));
    let number = |name, unit, description, of: fn(&Judged) -> Option<f64>| {
        let field = Field { unit, ..unitless(name, description) };
        Column::of(&field, Values::NumberIfAny(judged.iter().map(of).collect()))
    };
    vec![
        text("id", "The reply's name.", rows.iter().map(|row| row.id.clone()).collect()),
        number("score", "of 100", "What the judge says of it; nothing where there is no verdict.", |judged| {
            judged.score
        }),
        text(
            "verdict",
            "What kind of answer it is: `weighted`, `parsed`, `refused` or `unclear`.",
            judged.iter().map(|judged| judged.verdict.word().to_owned()).collect(),
        ),
        number("mass", "probability", "The probability on numbers that the score was weighted over.", |judged| {
            judged.mass
        }),
        text("said", "The answer as it was given.", judged.iter().map(|judged| judged.said.clone()).collect()),
        text("prompt", "What the judge was asked.", prompts.to_vec()),
    ]
}

fn sentence(spending: ChatSpending) -> String {
    let ChatSpending { chats: prompts, known, characters, .. } = spending;
    format!(
        "{}, {} known from before: {} with {}",
        words::counted(prompts, "different prompt"),
        words::counted(known, "answer"),
        words::counted(prompts - known, "request"),
        words::counted(characters, "character")
    )
}

fn counted(spending: ChatSpending) -> Value {
    let ChatSpending { chats: prompts, known, characters, .. } = spending;
    json!({ "prompts": prompts, "known": known, "requests": prompts - known, "characters": characters })
}

/// What came out.
struct Summary {
    verdicts: BTreeMap<&'static str, usize>,
    mean: Option<Rate>,
    agreement: Option<Agreement>,
}

/// How far two judges agree.
struct Agreement {
    kappa: Option<Estimate>,
    agreed: usize,
    both: usize,
    one_alone: usize,
    neither: usize,
}

impl Summary {
    fn of(args: &JudgeArgs, rows: &[Row], judged: &[Judged], others: Option<&Judgements>) -> Self {
        let requests: Vec<String> = rows.iter().map(|row| Request::of(row).id()).collect();
        let kinds = [VerdictKind::Weighted, VerdictKind::Parsed, VerdictKind::Refused, VerdictKind::Unclear];
        let count = |kind: VerdictKind| judged.iter().filter(|judged| judged.verdict == kind).count();
        let scores =
            || requests.iter().zip(judged).filter_map(|(request, judged)| Some((request.as_str(), judged.score?)));
        let agreement = others.map(|others| {
            let both: Vec<Verdicts<'_>> = rows
                .iter()
                .zip(judged)
                .zip(&requests)
                .filter_map(|((row, judged), cluster)| {
                    let yes = [judged.score? >= args.threshold, 100.0 * others.score(row).ok()? >= args.threshold];
                    Some(Verdicts { cluster, yes })
                })
                .collect();
            let one_alone =
                rows.iter().zip(judged).filter(|(row, judged)| judged.score.is_some() != others.score(row).is_ok());
            let one_alone = one_alone.count();
            let agreed = both.iter().filter(|item| item.yes[0] == item.yes[1]).count();
            let neither = rows.len() - both.len() - one_alone;
            Agreement { kappa: kappa(&both), agreed, both: both.len(), one_alone, neither }
        });
        Self {
            verdicts: kinds.into_iter().map(|kind| (kind.word(), count(kind))).collect(),
            mean: Rate::of(scores().map(|(request, score)| (request, score / 100.0))),
            agreement,
        }
    }

    fn print(&self, args: &JudgeArgs) {
        if let Some(mean) = self.mean {
            let of = |share: f64| 100.0 * share;
            data(&format!(
                "score {:.1} ({:.1}–{:.1}), mean of {} with the 95 % interval over {}",
                of(mean.rate),
                of(mean.low),
                of(mean.high),
                words::counted(mean.n, "reply"),
                words::counted(mean.clusters, "request")
            ));
        }
        let count = |kind: VerdictKind| self.verdicts[kind.word()];
        data(&format!(
            "verdicts: {} weighted by probability, {} read from the text",
            count(VerdictKind::Weighted),
            count(VerdictKind::Parsed)
        ));
        data(&format!("no verdict: {} refused, {} unclear", count(VerdictKind::Refused), count(VerdictKind::Unclear)));
        if let Some(Agreement { kappa, agreed, both, one_alone, neither }) = &self.agreement {
            let kappa = match kappa {
                Some(kappa) if kappa.has_interval() => {
                    format!("κ {:.2} ({:.2}–{:.2})", kappa.mean, kappa.low, kappa.high)
                }
                Some(kappa) => format!("κ {:.2}, no interval", kappa.mean),
                None => "no κ, since both say the same of all".to_owned(),
            };
            let threshold = args.threshold;
            data(&format!(
                "agreement: {kappa}; {agreed} of {both} replies on the same side of {threshold}, {one_alone} judged by one alone, {neither} by neither"
            ));
        }
    }

    fn json(&self) -> Value {
        let mean = self.mean.map(|mean| {
            json!({ "mean": 100.0 * mean.rate, "low": 100.0 * mean.low, "high": 100.0 * mean.high, "n": mean.n, "clusters": mean.clusters })
        });
        let agreement = self.agreement.as_ref().map(|agreement| {
            let Agreement { kappa, agreed, both, one_alone, neither } = agreement;
            json!({ "kappa": kappa.map(interval), "agreed": agreed, "both": both, "one_alone": one_alone, "neither": neither })
        });
        json!({ "score": mean, "verdicts": self.verdicts, "agreement": agreement })
    }
}
