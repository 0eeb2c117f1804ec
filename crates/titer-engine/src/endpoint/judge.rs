//! A judge behind an endpoint: one prompt, one score between 0 and 100.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::{
    EndpointError, EndpointOptions,
    cache::AskedKey,
    chats::{ChatClient, ChatSpending, Question},
};

/// Tokens of a verdict at most: a number, with a few words around it.
const LIMIT: usize = 32;

/// Tokens whose log-probabilities are asked for: as many as any server gives.
const TOP: usize = 20;

/// The probability that must be on numbers for them to be weighted.
const LEAST: f64 = 0.25;

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
    /// Whether the server takes a request for log-probabilities.
    weighs: AtomicBool,
}

impl Judge {
    /// A judge behind an endpoint; nothing is sent yet.
    ///
    /// # Errors
    /// Where answers cannot be kept.
    pub fn new(options: EndpointOptions) -> Result<Self, EndpointError> {
        Ok(Self { chats: ChatClient::new(options)?, weighs: AtomicBool::new(true) })
    }

    /// What these prompts cost.
    pub fn spending(&self, prompts: &[String]) -> ChatSpending {
        self.chats.spending(&said(prompts))
    }

    /// What the judge says of every prompt. Equal prompts are asked once, and none whose answer is known. `progress` is told of every answer.
    ///
    /// # Errors
    /// The first answer that cannot be used; those before it are kept.
    pub fn judge(
        &self,
        prompts: &[String],
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Vec<Judged>, EndpointError> {
        let answers = self.chats.answers(&said(prompts), &|prompt| self.ask(prompt.0), progress)?;
        Ok(answers.iter().map(read).collect())
    }

    /// What is kept of an answer: its text, whether it is a refusal, and the log-probabilities of its first token.
    fn ask(&self, prompt: &str) -> Result<Value, EndpointError> {
        self.chats.serves(&|_| ())?;
        let request = |weighs: bool| {
            let mut body = json!({
                "messages": [{ "role": "user", "content": prompt }],
                "temperature": 0.0, "max_tokens": LIMIT,
            });
            self.chats.name(body.as_object_mut().expect("every request is an object"));
            if weighs {
                body["logprobs"] = true.into();
                body["top_logprobs"] = TOP.into();
            }
            body
        };
        let weighs = self.weighs.load(Ordering::Relaxed);
        let answer = match self.chats.post(&request(weighs), weighs) {
            // Some refuse what they cannot give.
            Err(EndpointError::Status { status: 400 | 422 | 500, .. }) if weighs => {
                let answer = self.chats.post(&request(false), false)?;
                self.weighs.store(false, Ordering::Relaxed);
                answer
            }
            answer => answer?,
        };
        let choice = &answer["choices"][0];
        let said = choice["message"]["content"].as_str();
        let refusal = choice["message"]["refusal"].as_str();
        let Some(said) = said.or(refusal) else { return Err(self.chats.lacks("choices[0].message.content")) };
        let first = &choice["logprobs"]["content"][0];
        Ok(json!({ "said": said, "refusal": refusal.is_some(), "first": first["token"], "top": first["top_logprobs"] }))
    }
}

fn said(prompts: &[String]) -> Vec<JudgePrompt<'_>> {
    prompts.iter().map(|prompt| JudgePrompt(prompt)).collect()
}

/// What an answer means.
fn read(answer: &Value) -> Judged {
    let said = answer["said"].as_str().unwrap_or_default().to_owned();
    let judged = |verdict, score, mass| Judged { score, verdict, mass, said: said.clone() };
    // A sign belongs to its number.
    let start = said.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '-').to_lowercase();
    if answer["refusal"] == true || REFUSALS.iter().any(|refusal| start.starts_with(refusal)) {
        return judged(VerdictKind::Refused, None, None);
    }
    let Some(number) = number(&start) else { return judged(VerdictKind::Unclear, None, None) };
    // A first token that is only the beginning of a number says nothing of the whole.
    let is_whole = answer["first"].as_str().and_then(|token| token.trim().parse().ok()) == Some(number);
    let top = answer["top"].as_array().into_iter().flatten().filter_map(|entry| {
        let value: u8 = entry["token"].as_str()?.trim().parse().ok()?;
        (value <= 100).then_some((f64::from(value), entry["logprob"].as_f64()?.exp()))
    });
    let (mass, sum) = top.fold((0.0, 0.0), |(mass, sum), (value, share)| (mass + share, sum + share * value));
    if is_whole && mass >= LEAST {
        return judged(VerdictKind::Weighted, Some(sum / mass), Some(mass));
    }
    judged(VerdictKind::Parsed, Some(number), None)
}

/// The number between 0 and 100 that a text begins with, behind no more than a word that says what it is.
fn number(start: &str) -> Option<f64> {
    let words = ["score", "rating", "answer", "verdict"];
    let rest = words.iter().find_map(|word| start.strip_prefix(word)).unwrap_or(start);
    let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || ":=*\"'`".contains(c));
    let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
    let number: f64 = rest[..end].trim_end_matches('.').parse().ok()?;
    (0.0..=100.0).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(said: &str, first: &str, top: &[(&str, f64)]) -> (VerdictKind, Option<f64>) {
        let top: Vec<Value> =
            top.iter().map(|(token, share)| json!({ "token": token, "logprob": share.ln() })).collect();
        let judged = read(&json!({ "said": said, "refusal": false, "first": first, "top": top }));
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
    fn refusals_and_answers_without_a_verdict_are_told_apart() {
        for said in ["I'm sorry, I can't rate that: 0", "REFUSAL", "I cannot"] {
            assert_eq!(judged(said, "I", &[("50", 0.9)]), (VerdictKind::Refused, None), "{said}");
        }
        for said in ["", "It is bad.", "101", "The reply has 3 faults", "1000", "-5"] {
            assert_eq!(judged(said, "x", &[("50", 0.9)]), (VerdictKind::Unclear, None), "{said}");
        }
    }
}
