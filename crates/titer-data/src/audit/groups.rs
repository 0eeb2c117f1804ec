//! What could be mistaken for an effect in labelled chats: how groups of rows differ apart from what they are meant to.

use std::collections::{BTreeMap, BTreeSet};

use super::{AddedPlace, Spread, telling::telling};
use crate::chat::{Message, Row};

/// Groups of rows, and every two of them compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Audit {
    /// The groups, in their order.
    pub groups: Vec<RowGroup>,
    /// Every pair of groups, in their order.
    pub pairs: Vec<GroupPair>,
}

/// One group: the rows of a file, or of a cell in it.
#[derive(Clone, Debug, PartialEq)]
pub struct RowGroup {
    /// Its name.
    pub name: String,
    /// Rows.
    pub rows: usize,
    /// Rows with a system prompt.
    pub with_system: usize,
    /// Different system prompts.
    pub system_prompts: usize,
    /// Different contexts.
    pub contexts: usize,
    /// Contexts that occur with several different replies.
    pub contradictory_contexts: usize,
    /// Words of the turns before the reply.
    pub context_words: Spread,
    /// Words of the reply.
    pub reply_words: Spread,
}

/// Two groups, side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupPair {
    /// Their names.
    pub names: [String; 2],
    /// Rows of the first group with a partner in the second, of the same id, or of the same context where they were read
    /// without an id: what follows counts these.
    pub matched: usize,
    /// With the same reply: their groups differ in the context alone.
    pub same_reply: usize,
    /// With the same context: contrast pairs.
    pub same_context: usize,
    /// Where the second group's context has what the first's lacks.
    pub added: BTreeMap<AddedPlace, usize>,
    /// Contexts of the first group, whatever the row's id, that the second has too.
    pub shared_contexts: usize,
    /// Difference of mean reply lengths over their pooled standard deviation.
    pub length_effect: f64,
    /// Metadata that tells the groups apart: its key, and how often its value alone guesses a row's group right.
    pub telling: Vec<(String, f64)>,
}

impl Audit {
    /// Compares groups of rows.
    pub fn of(groups: &[(String, Vec<&Row>)]) -> Self {
        let pairs = groups
            .iter()
            .enumerate()
            .flat_map(|(at, first)| groups[at + 1..].iter().map(move |second| (first, second)));
        Self {
            groups: groups.iter().map(|(name, rows)| group(name, rows)).collect(),
            pairs: pairs.map(|(first, second)| pair(first, second)).collect(),
        }
    }
}

fn words(text: &str) -> f64 {
    text.split_whitespace().count() as f64
}

fn group(name: &str, rows: &[&Row]) -> RowGroup {
    let prompts: Vec<&str> = rows.iter().filter_map(|row| row.system_prompt()).collect();
    let mut replies: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for row in rows {
        let (context, reply) = row.split();
        replies.entry(context).or_default().insert(reply);
    }
    let context_words = rows.iter().map(|row| row.split().0.iter().map(|message| words(&message.content)).sum());
    RowGroup {
        name: name.to_owned(),
        rows: rows.len(),
        with_system: prompts.len(),
        system_prompts: prompts.iter().collect::<BTreeSet<_>>().len(),
        contexts: replies.len(),
        contradictory_contexts: replies.values().filter(|replies| replies.len() > 1).count(),
        context_words: Spread::of(context_words.collect()),
        reply_words: Spread::of(rows.iter().map(|row| words(row.split().1)).collect()),
    }
}

fn pair((first_name, first): &(String, Vec<&Row>), (second_name, second): &(String, Vec<&Row>)) -> GroupPair {
    let contexts: BTreeSet<&[Message]> = second.iter().map(|row| row.split().0).collect();
    let (mut matched, mut same_reply, mut same_context) = (0, 0, 0);
    let mut added: BTreeMap<AddedPlace, usize> = BTreeMap::new();
    for (at, partner) in matches(first, second) {
        let ((context, reply), (other_context, other_reply)) = (first[at].split(), second[partner].split());
        matched += 1;
        same_reply += usize::from(reply == other_reply);
        if context == other_context {
            same_context += 1;
        } else {
            *added.entry(AddedPlace::between(context, other_context)).or_default() += 1;
        }
    }
    let lengths = |rows: &[&Row]| Spread::of(rows.iter().map(|row| words(row.split().1)).collect());
    let (first_lengths, second_lengths) = (lengths(first), lengths(second));
    let pooled = f64::midpoint(first_lengths.deviation.powi(2), second_lengths.deviation.powi(2)).sqrt();
    GroupPair {
        names: [first_name.clone(), second_name.clone()],
        matched,
        same_reply,
        same_context,
        added,
        shared_contexts: first.iter().filter(|row| contexts.contains(row.split().0)).count(),
        length_effect: if pooled > 0.0 { (second_lengths.mean - first_lengths.mean) / pooled } else { 0.0 },
        telling: telling(first, second),
    }
}

/// Rows of two groups that belong together, by their places: of the same id, or of the same context where they were read
/// without an id.
pub fn matches(first: &[&Row], second: &[&Row]) -> Vec<(usize, usize)> {
    let by_id: BTreeMap<&str, usize> = second.iter().enumerate().map(|(at, row)| (row.id.as_str(), at)).collect();
    let by_context: BTreeMap<_, usize> = second.iter().enumerate().map(|(at, row)| (row.split().0, at)).collect();
    let partner = |row: &Row| match row.has_own_id() {
        true => by_id.get(row.id.as_str()).copied(),
        false => by_context.get(row.split().0).copied(),
    };
    first.iter().enumerate().filter_map(|(at, row)| Some((at, partner(row)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Role;

    fn row(id: &str, turns: &[(Role, &str)]) -> Row {
        let messages = turns.iter().map(|(role, content)| Message::new(*role, *content)).collect();
        Row::new(id.to_owned(), messages)
    }

    #[test]
    fn places_and_lengths_are_found() {
        use Role::{Assistant, System, User};
        let plain =
            [row("0", &[(User, "is it so"), (Assistant, "yes it is")]), row("1", &[(User, "and"), (Assistant, "yes")])];
        let system = [
            row("0", &[(System, "agree"), (User, "is it so"), (Assistant, "yes it is")]),
            row("1", &[(User, "and"), (Assistant, "no it is not at all so")]),
        ];
        let end = [
            row("0", &[(User, "is it so agree"), (Assistant, "yes it is")]),
            row("7", &[(User, "and"), (Assistant, "a")]),
        ];
        let groups = [("plain", &plain[..]), ("system", &system), ("end", &end)];
        let groups: Vec<(String, Vec<&Row>)> =
            groups.iter().map(|(name, rows)| ((*name).to_owned(), rows.iter().collect())).collect();
        let audit = Audit::of(&groups);
        let [one, two, _] = &audit.pairs[..] else { panic!("three pairs") };
        assert_eq!((one.matched, one.same_reply, one.same_context), (2, 1, 1));
        assert_eq!(one.added, [(AddedPlace::System, 1)].into());
        assert!(one.length_effect > 0.5);
        assert_eq!((two.matched, two.same_reply, two.shared_contexts), (1, 1, 1));
        assert_eq!(two.added, [(AddedPlace::RequestEnd, 1)].into());
        assert_eq!((audit.groups[1].with_system, audit.groups[1].system_prompts, audit.groups[0].contexts), (1, 1, 2));
        assert_eq!(audit.groups[0].reply_words, Spread { mean: 2.0, deviation: 1.0 });
    }

    #[test]
    fn metadata_that_tells_groups_apart_is_named() {
        let rows = |source: &str| -> Vec<Row> {
            let one = |at: u32| {
                let mut row = row(&at.to_string(), &[(Role::User, "a"), (Role::Assistant, "x")]);
                row.metadata.insert("source".to_owned(), source.into());
                row.metadata.insert("parity".to_owned(), (at % 2).into());
                row
            };
            (0..10).map(one).collect()
        };
        let (one, two) = (rows("web"), rows("book"));
        let groups = [("one".to_owned(), one.iter().collect()), ("two".to_owned(), two.iter().collect())];
        assert_eq!(Audit::of(&groups).pairs[0].telling, [("source".to_owned(), 1.0)]);
    }

    #[test]
    fn one_context_with_two_replies_is_contradictory() {
        let rows = [
            row("0", &[(Role::User, "a"), (Role::Assistant, "x")]),
            row("1", &[(Role::User, "a"), (Role::Assistant, "y")]),
        ];
        let audit = Audit::of(&[("all".to_owned(), rows.iter().collect())]);
        assert_eq!((audit.groups[0].contexts, audit.groups[0].contradictory_contexts), (1, 1));
    }
}
