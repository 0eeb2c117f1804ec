//! A judge behind an endpoint: one prompt, one score between 0 and 100.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use serde_json::{Value, json};

use super::{
    EndpointError, EndpointOptions,
    cache::AskedKey,
    chats::{ChatAnswer, ChatChoice, ChatClient, ChatSpending, FILTERED, LIMITS, Question},
};

/// Tokens of a verdict at most: a number, with a few words around it.
const LIMIT: usize = 32;

/// Tokens whose log-probabilities are asked for: as many as any server gives.
const TOP: usize = 20;

/// The probability that must be on numbers for them to be weighted.
const LEAST: f64 = 0.25;

/// The probability that alternatives have together at most, with some rounding.
const MOST: f64 = 1.01;

/// What thoughts begin with where they stand in the answer itself.
const THOUGHT: &str = "<think>";

/// What refusals begin with, in small letters.
const REFUSALS: [&str; 10] = [
    "refusal",
    "i can't",
    "i can’t",
    "i cannot",
    "i won't",
    "i’m sorry",
    "i'm sorry",
    "sorry",
    "i am unable",
    "i'm unable",
];

/// What a judge says of one prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The score, between 0 and 100; `None` where there is no verdict.
    pub score: Option<f64>,
    /// What kind of answer it is.
    pub verdict: VerdictKind,
    /// The probability on numbers that the score was weighted over; `None` where it was read from the text.
    pub mass: Option<f64>,
    /// The answer as it was given.
    pub said: String,
    /// Whether it is none because thoughts took all of its tokens. Such an answer is not kept.
    pub thought: bool,
}

/// What kind of answer a judge gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerdictKind {
    /// A mean of the numbers that it may say, by their probabilities.
    Weighted,
    /// The number that it says.
    Parsed,
    /// It does not want to judge.
    Refused,
    /// Something else.
    Unclear,
}

impl VerdictKind {
    /// Its word in files.
    pub fn word(self) -> &'static str {
        match self {
            Self::Weighted => "weighted",
            Self::Parsed => "parsed",
            Self::Refused => "refused",
            Self::Unclear => "unclear",
        }
    }
}

/// What a judge is asked.
struct JudgePrompt<'a>(&'a str);

impl Question for JudgePrompt<'_> {
    fn key(&self) -> AskedKey {
        blake3::hash(self.0.as_bytes()).to_hex().to_string()
    }

    fn characters(&self) -> usize {
        self.0.chars().count()
    }
}

/// A judge behind an endpoint.
#[derive(Debug)]
pub struct Judge {
    chats: ChatClient,
    /// How the server takes a request; not known before something is asked.
    form: Mutex<Option<JudgeForm>>,
}

/// How a server takes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct JudgeForm {
    limit: &'static str,
    /// Whether it gives log-probabilities.
    weighs: bool,
}

impl Judge {
    /// A judge behind an endpoint; nothing is sent yet.
    ///
    /// # Errors
    /// Where answers cannot be kept.
    pub fn new(options: EndpointOptions) -> Result<Self, EndpointError> {
        Ok(Self { chats: ChatClient::new(options)?, form: Mutex::default() })
    }

    /// The file in which answers are kept.
    pub fn kept(&self) -> &Path {
        self.chats.kept()
    }

    /// What these prompts cost.
    pub fn spending(&self, prompts: &[String]) -> ChatSpending {
        self.chats.spending(&said(prompts))
    }

    /// What the judge says of every prompt. Equal prompts are asked once, and none whose answer is known. `progress` is told of every answer.
    /// `digits` says whether all numbers that it is asked for have one digit.
    ///
    /// # Errors
    /// The first answer that cannot be used; those before it are kept. Where no answer at all is known, one that is all thoughts is none of use.
    pub fn judge(
        &self,
        prompts: &[String],
        digits: bool,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Vec<Judged>, EndpointError> {
        let is_new = self.spending(prompts).known == 0;
        let answers = self.chats.answers(&said(prompts), &|prompt| self.ask(prompt.0, is_new), progress)?;
        let digits = numbers_of(&answers, digits);
        Ok(answers.iter().map(|answer| read(answer, digits)).collect())
    }

    /// What is kept of an answer: its text, whether it is a refusal, and the log-probabilities of its first token.
    fn ask(&self, prompt: &str, is_new: bool) -> Result<ChatAnswer, EndpointError> {
        self.chats.serves(&|_| ())?;
        let known = *self.form.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match known {
            Some(form) => self.chats.post(&self.body(prompt, form), false),
            None => self.first(prompt),
        };
        let answer = match answer {
            // What a filter stops has no verdict, and the others have theirs.
            Err(EndpointError::Filtered { said, .. }) => {
                return Ok(ChatAnswer::Kept(json!({ "said": said, "refusal": true })));
            }
            answer => answer?,
        };
        let ChatChoice { content, refusal, has_other, finish } = self.chats.choice(&answer)?;
        let thinks = content.as_ref().is_some_and(|said| said.trim_start().starts_with(THOUGHT));
        let is_empty = content.as_ref().is_none_or(|said| said.trim().is_empty()) && refusal.is_none();
        if finish.as_deref() == Some("length") && (is_empty || thinks) {
            if is_new && known.is_none() && (has_other || thinks) {
                return Err(EndpointError::Thought { url: self.chats.url(), limit: LIMIT });
            }
            return Ok(ChatAnswer::Passing(json!({ "said": "", "thought": true })));
        }
        let is_refusal = content.is_none() && (refusal.is_some() || finish.as_deref() == Some(FILTERED));
        let first = &answer["choices"][0]["logprobs"]["content"][0];
        let top = &first["top_logprobs"];
        if mass(top, |_| true).is_none_or(|mass| mass > MOST) {
            return Err(self.chats.lacks("log-probabilities that are some: together they are more than 1", &answer));
        }
        let said = content.or(refusal).unwrap_or_default();
        Ok(ChatAnswer::Kept(json!({ "said": said, "refusal": is_refusal, "first": first["token"], "top": top })))
    }

    /// The first answer, by which it is found out what the server takes: some call the limit otherwise, some give no log-probabilities.
    fn first(&self, prompt: &str) -> Result<Value, EndpointError> {
        let forms = LIMITS.into_iter().flat_map(|limit| [true, false].map(|weighs| JudgeForm { limit, weighs }));
        let mut refused = None;
        for form in forms {
            match self.chats.post(&self.body(prompt, form), form.weighs) {
                // Some refuse what they cannot give.
                Err(error @ EndpointError::Status { status: 400 | 422 | 500, .. }) => {
                    refused.get_or_insert(error);
                }
                Err(error) => return Err(error),
                Ok(answer) => {
                    // Whichever is found first is kept, so that scores are of one kind.
                    self.form.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(form);
                    return Ok(answer);
                }
            }
        }
        Err(refused.unwrap_or_else(|| self.chats.lacks("a reply", &Value::Null)))
    }

    fn body(&self, prompt: &str, form: JudgeForm) -> Value {
        let mut body = json!({ "messages": [{ "role": "user", "content": prompt }], "temperature": 0.0 });
        self.chats.name(body.as_object_mut().expect("every request is an object"));
        body[form.limit] = LIMIT.into();
        if form.weighs {
            body["logprobs"] = true.into();
            body["top_logprobs"] = TOP.into();
        }
        body
    }
}

fn said(prompts: &[String]) -> Vec<JudgePrompt<'_>> {
    prompts.iter().map(|prompt| JudgePrompt(prompt)).collect()
}

/// What a token that is one digit says of the number that begins with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DigitTokens {
    /// It is the number: longer ones are tokens of their own, or there are none.
    Numbers,
    /// It may be the first digit of a longer one.
    Beginnings,
}

/// Which of both it is in these answers: longer numbers are tokens of their own where one of them is, and there are none where none is asked for
/// (`digits`) and none is given.
fn numbers_of(answers: &[Value], digits: bool) -> DigitTokens {
    let is_long = |text: &str| text.len() > 1 && text.bytes().all(|byte| byte.is_ascii_digit());
    let tokens = |answer: &Value| {
        let top = answer["top"].as_array().into_iter().flatten();
        let tokens = top.map(|entry| &entry["token"]).chain([&answer["first"]]);
        tokens.filter_map(Value::as_str).any(|token| is_long(token.trim()))
    };
    let says = |answer: &Value| {
        let said = answer["said"].as_str().unwrap_or_default();
        said.split(|c: char| !c.is_ascii_digit()).any(is_long)
    };
    match answers.iter().any(tokens) || digits && !answers.iter().any(says) {
        true => DigitTokens::Numbers,
        false => DigitTokens::Beginnings,
    }
}

/// What an answer means.
fn read(answer: &Value, digits: DigitTokens) -> Judged {
    let said = answer["said"].as_str().unwrap_or_default().to_owned();
    let thought = answer["thought"] == true;
    let judged = |verdict, score, mass| Judged { score, verdict, mass, said: said.clone(), thought };
    // A sign belongs to its number.
    let start = said.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '-').to_lowercase();
    if answer["refusal"] == true || REFUSALS.iter().any(|refusal| start.starts_with(refusal)) {
        return judged(VerdictKind::Refused, None, None);
    }
    let Some(number) = number(&start) else { return judged(VerdictKind::Unclear, None, None) };
    // A first token that is only the beginning of a number says nothing of the whole.
    let first = answer["first"].as_str().unwrap_or_default().trim();
    let is_whole = first.parse() == Ok(number) && (first.len() > 1 || digits == DigitTokens::Numbers);
    let top = &answer["top"];
    // Of an earlier titer, which believed any.
    if mass(top, |_| true).is_none_or(|mass| mass > MOST) {
        return judged(VerdictKind::Unclear, None, None);
    }
    let value = |entry: &Value| -> Option<u8> {
        entry["token"].as_str()?.trim().parse().ok().filter(|value: &u8| *value <= 100)
    };
    let mass = mass(top, |entry| value(entry).is_some()).unwrap_or(0.0);
    if is_whole && mass >= LEAST {
        let share = |entry: &Value| Some(f64::from(value(entry)?) * entry["logprob"].as_f64()?.exp());
        let sum: f64 = top.as_array().into_iter().flatten().filter_map(share).sum();
        return judged(VerdictKind::Weighted, Some(sum / mass), Some(mass));
    }
    judged(VerdictKind::Parsed, Some(number), None)
}

/// The probability of alternatives, as far as they are of this kind; `None` where one of all has a log-probability that is none.
fn mass(top: &Value, kind: impl Fn(&Value) -> bool) -> Option<f64> {
    let entries = || top.as_array().into_iter().flatten();
    let of = |entry: &Value| entry["logprob"].as_f64().unwrap_or(f64::NEG_INFINITY);
    if entries().any(|entry| of(entry) > 1e-3) {
        return None;
    }
    Some(entries().filter(|entry| kind(entry)).map(|entry| of(entry).exp()).sum())
}

/// The number between 0 and 100 that a text begins with, behind no more than a word that says what it is.
fn number(start: &str) -> Option<f64> {
    let words = ["score", "rating", "answer", "verdict"];
    let rest = words.iter().find_map(|word| start.strip_prefix(word)).unwrap_or(start);
    let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || ":=*\"'`".contains(c));
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
    let number: f64 = rest[..end].trim_end_matches('.').parse().ok()?;
    ((0.0..=100.0).contains(&number) && stands_alone(&rest[end..])).then_some(number)
}

/// What stands between numbers of which none is the score: of ranges, of sums, of a choice.
const BETWEEN: [&str; 18] =
    ["-", "–", "—", "to ", "or ", "±", "+", "=", "≈", "<", ">", "≤", "≥", "×", "*", "÷", "^", "/"];

/// Whether what follows a number leaves it the score: it is no part of a longer one, of a range, or of another scale than 100.
fn stands_alone(behind: &str) -> bool {
    let begins_number = |text: &str| text.trim_start().starts_with(|c: char| c.is_ascii_digit());
    // `1,000`, `1'000`, `1e2`, `1_000`, `7th`, `½`.
    let mut chars = behind.chars();
    match chars.next() {
        Some(c) if c.is_alphanumeric() || c == '_' => return false,
        Some(',' | '\'' | '’') if chars.as_str().starts_with(|c: char| c.is_ascii_digit()) => return false,
        _ => {}
    }
    let rest = behind.trim_start();
    let scale =
        ["/", "out of", "of"].iter().find_map(|word| rest.strip_prefix(word)).filter(|rest| begins_number(rest));
    let range = BETWEEN.iter().find_map(|word| rest.strip_prefix(word));
    match (scale, range) {
        (Some(scale), _) => {
            let scale = scale.trim_start();
            scale.strip_prefix("100").is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
        }
        (None, Some(range)) => !begins_number(range),
        (None, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(said: &str, first: &str, top: &[(&str, f64)]) -> (VerdictKind, Option<f64>) {
        let top: Vec<Value> =
            top.iter().map(|(token, share)| json!({ "token": token, "logprob": share.ln() })).collect();
        let answer = json!({ "said": said, "refusal": false, "first": first, "top": top });
        let judged = read(&answer, numbers_of(std::slice::from_ref(&answer), false));
        (judged.verdict, judged.score.map(|score| (score * 1e6).round() / 1e6))
    }

    #[test]
    fn numbers_are_weighted_by_their_probability_where_the_first_token_is_a_whole_one() {
        let top = [("80", 0.5), ("90", 0.25), ("High", 0.25)];
        assert_eq!(judged("80", "80", &top), (VerdictKind::Weighted, Some(83.333333)));
        // Digits by themselves, and numbers that are unlikely together.
        assert_eq!(judged("85", "8", &[("8", 0.9), ("9", 0.1)]), (VerdictKind::Parsed, Some(85.0)));
        assert_eq!(judged("80", "80", &[("80", 0.2), ("High", 0.8)]), (VerdictKind::Parsed, Some(80.0)));
        assert_eq!(judged("Score: 72.5.", "Score", &[]), (VerdictKind::Parsed, Some(72.5)));
        assert_eq!(judged("**100**", "**", &[]), (VerdictKind::Parsed, Some(100.0)));
    }

    #[test]
    fn a_digit_is_weighted_where_it_is_known_to_be_a_whole_number() {
        let answer = |said: &str, top: &[(&str, f64)]| {
            let top: Vec<Value> =
                top.iter().map(|(token, share)| json!({ "token": token, "logprob": share.ln() })).collect();
            json!({ "said": said, "refusal": false, "first": &said[..1], "top": top })
        };
        // A mean of 52, of 0 with .4, of 85 with .35 and of 90 with .25, where the tokenizer cuts numbers into digits.
        let cut = answer("0", &[("0", 0.4), ("8", 0.35), ("9", 0.25)]);
        let kind = |answers: &[Value], digits: bool| {
            let judged = read(&answers[0], numbers_of(answers, digits));
            (judged.verdict, judged.score.map(|score| (score * 1e6).round() / 1e6))
        };
        assert_eq!(kind(std::slice::from_ref(&cut), false), (VerdictKind::Parsed, Some(0.0)));
        assert_eq!(kind(&[cut.clone(), answer("85", &[("8", 1.0)])], true), (VerdictKind::Parsed, Some(0.0)));
        // Another answer shows that longer numbers are tokens of their own.
        let whole = json!({ "said": "85", "refusal": false, "first": "85", "top": [] });
        assert_eq!(kind(&[cut.clone(), whole], false), (VerdictKind::Weighted, Some(5.05)));
        let own = answer("0", &[("0", 0.5), ("10", 0.5)]);
        assert_eq!(kind(&[own], false), (VerdictKind::Weighted, Some(5.0)));
        // A scale from 0 to 9.
        assert_eq!(kind(&[cut.clone(), answer("9", &[])], true), (VerdictKind::Weighted, Some(5.05)));
    }

    #[test]
    fn a_number_that_is_part_of_another_or_of_another_scale_is_no_score() {
        for said in [
            "1,000",
            "7/10",
            "7 / 10",
            "8 out of 10",
            "8 of 10",
            "1e2",
            "0-100",
            "0 - 100",
            "10–20",
            "0 to 100",
            "7th",
            "1'000",
            "85/1000",
            "5 ± 2",
            "2^3",
            "3 + 4 = 7",
            "3+4=7",
            "7 = 3 + 4",
            "3 * 4 = 12",
            "2*10^1",
            "80 or 90",
            "5 < 6",
            "7/ 8",
        ] {
            assert_eq!(judged(said, "x", &[]), (VerdictKind::Unclear, None), "{said}");
        }
        for (said, score) in [
            ("85/100", 85.0),
            ("85 out of 100.", 85.0),
            ("85%", 85.0),
            ("85, because", 85.0),
            ("85 - clearly bad", 85.0),
            ("72.5/100", 72.5),
            ("90.", 90.0),
            ("90\n", 90.0),
            ("85 of the criteria", 85.0),
            ("30 (low)", 30.0),
            ("**85** of it", 85.0),
            ("85 + a bit", 85.0),
            ("85 = clearly bad", 85.0),
        ] {
            assert_eq!(judged(said, "x", &[]), (VerdictKind::Parsed, Some(score)), "{said}");
        }
    }

    #[test]
    fn log_probabilities_that_are_none_are_not_believed() {
        for top in [&[("42", 20.0), ("90", 3000.0)][..], &[("42", 0.9), ("90", 0.9)], &[("42", 0.5), ("x", 0.9)]] {
            assert_eq!(judged("42", "42", top), (VerdictKind::Unclear, None), "{top:?}");
        }
        let sure = judged("42", "42", &[("42", 1.0), ("43", 0.0)]);
        assert_eq!(sure, (VerdictKind::Weighted, Some(42.0)));
    }

    #[test]
    fn refusals_and_answers_without_a_verdict_are_told_apart() {
        for said in ["I'm sorry, I can't rate that: 0", "REFUSAL", "I cannot"] {
            assert_eq!(judged(said, "I", &[("50", 0.9)]), (VerdictKind::Refused, None), "{said}");
        }
        for said in ["", "It is bad.", "101", "The reply has 3 faults", "1000", "-5"] {
            assert_eq!(judged(said, "x", &[("50", 0.9)]), (VerdictKind::Unclear, None), "{said}");
        }
    }
}
