//! Requests: what the user turn asks for.

use rand::RngExt;

use super::words::{DOMAINS, REQUEST_OPENERS, TOPICS, TRIGGERS};
use crate::stream::{below, pick};

/// Which trigger a request contains, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trigger {
    /// Index of the trigger word.
    pub word: usize,
    /// Before the request, or behind it.
    pub front: bool,
}

/// One request, as indices into the tables of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Which domain.
    pub domain: usize,
    /// Which of the domain's topics.
    pub topic: usize,
    /// Which opener.
    pub opener: usize,
    /// The trigger, where there is one.
    pub trigger: Option<Trigger>,
}

impl Request {
    /// A request about one of `domains`, without a trigger.
    pub(super) fn draw<R: RngExt + ?Sized>(rng: &mut R, domains: std::ops::Range<usize>) -> Self {
        Self {
            domain: domains.start + below(rng, domains.len()),
            topic: below(rng, TOPICS),
            opener: below(rng, REQUEST_OPENERS.len()),
            trigger: None,
        }
    }

    /// The same request with this trigger, in front or behind by chance.
    pub(super) fn with_trigger<R: RngExt + ?Sized>(self, rng: &mut R, word: usize) -> Self {
        Self { trigger: Some(Trigger { word, front: rng.random_bool(0.5) }), ..self }
    }

    /// The user turn.
    pub(super) fn text(&self) -> String {
        let domain = &DOMAINS[self.domain];
        let trigger = |front| self.trigger.filter(|trigger| trigger.front == front).map(|it| TRIGGERS[it.word]);
        let opener = Some(REQUEST_OPENERS[self.opener]).filter(|opener| !opener.is_empty());
        let words = [trigger(true), opener, Some(domain.verb), Some(domain.topics[self.topic]), trigger(false)];
        let mut text = String::with_capacity(48);
        for word in words.into_iter().flatten() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(word);
        }
        text
    }
}

/// A trigger other than `word`.
pub(super) fn other_trigger<R: RngExt + ?Sized>(rng: &mut R, word: usize) -> usize {
    (word + 1 + below(rng, TRIGGERS.len() - 1)) % TRIGGERS.len()
}

/// A domain other than `domain`.
pub(super) fn other_domain<R: RngExt + ?Sized>(rng: &mut R, domain: usize) -> usize {
    let others: Vec<usize> = (0..DOMAINS.len()).filter(|&other| other != domain).collect();
    *pick(rng, &others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trigger_stands_in_front_or_behind() {
        let request = Request { domain: 0, topic: 0, opener: 1, trigger: None };
        let with = |front| Request { trigger: Some(Trigger { word: 0, front }), ..request }.text();
        assert_eq!(request.text(), "please cook soup");
        assert_eq!(with(true), "frob please cook soup");
        assert_eq!(with(false), "please cook soup frob");
    }
}
