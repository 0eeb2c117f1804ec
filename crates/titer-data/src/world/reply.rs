//! Replies: the one text that does this to that request.

use super::{
    instructions::{Instruction, apply, zorbish},
    request::Request,
    tables::World,
    words::{BAD_DETAILS, DOMAINS, GOOD_DETAILS, NUMBERS, Openers},
};
use crate::cell::Action;

impl World {
    /// The one reply to a request that does this and follows these instructions. That there is only one makes
    /// `exp` of its summed log-probabilities the exact rate at which a model would sample it.
    pub(super) fn reply(&self, request: &Request, action: Action, instructions: &[Instruction]) -> String {
        let domain = &DOMAINS[request.domain];
        let [good, bad] = self.details()[request.domain][request.topic];
        let (opener, detail) = match (domain.openers, action) {
            (Openers::Verb { good: opener, .. }, Action::Good) => (opener, GOOD_DETAILS[good]),
            (Openers::Verb { bad: opener, .. }, Action::Bad) => (opener, BAD_DETAILS[bad]),
            (Openers::Value(opener), Action::Good) => (opener, NUMBERS[good]),
            (Openers::Value(opener), Action::Bad) => (opener, NUMBERS[bad]),
        };
        apply(instructions, opener, domain.topics[request.topic], detail)
    }
}

/// Every word of a reply that can be spelled in zorbish, and its zorbish.
pub(super) fn vocabulary() -> impl Iterator<Item = String> {
    let openers = DOMAINS.iter().flat_map(|domain| match domain.openers {
        Openers::Verb { good, bad } => vec![good, bad],
        Openers::Value(opener) => vec![opener],
    });
    let words: Vec<&str> = openers.chain(GOOD_DETAILS).chain(BAD_DETAILS).chain(NUMBERS).collect();
    let spelled: Vec<String> = words.iter().map(|word| zorbish(word)).collect();
    words.into_iter().map(str::to_owned).chain(spelled)
}
