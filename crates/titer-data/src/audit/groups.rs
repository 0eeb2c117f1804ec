//! What could be mistaken for an effect in labelled chats: how groups of rows differ apart from what they are meant to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{AddedPlace, Spread, telling::telling};
use crate::{
    chat::{Message, Row},
    request::Request,
};

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
    /// Rows of the first group with a partner in the second, see [`matches`]: what follows counts these.
    pub matched: usize,
    /// Ids that stand for different requests in the two groups.
    pub clashing_ids: usize,
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
    let matching = matches(first, second);
    for (at, partner) in matching.pairs {
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
        clashing_ids: matching.clashing_ids,
        same_reply,
        same_context,
        added,
        shared_contexts: first.iter().filter(|row| contexts.contains(row.split().0)).count(),
        length_effect: if pooled > 0.0 { (second_lengths.mean - first_lengths.mean) / pooled } else { 0.0 },
        telling: telling(first, second),
    }
}

/// Rows of two groups that belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matches {
    /// Their places, no row twice.
    pub pairs: Vec<(usize, usize)>,
    /// Ids that stand for different requests in the two groups.
    pub clashing_ids: usize,
}

/// Where rows of each name are, in order.
type Places<K> = BTreeMap<K, VecDeque<usize>>;

/// Rows of two groups that belong together: replies to one request, of one id where both groups have it for that request.
/// Several rows of a request are matched in their order.
pub fn matches(first: &[&Row], second: &[&Row]) -> Matches {
    let requests: Vec<Request> = second.iter().map(|row| Request::of(row)).collect();
    let (mut by_id, mut by_request) = (Places::<&str>::new(), Places::<&Request>::new());
    for (at, row) in second.iter().enumerate() {
        by_request.entry(&requests[at]).or_default().push_back(at);
        if row.has_own_id() {
            by_id.entry(&row.id).or_default().push_back(at);
        }
    }
    let (mut matching, mut taken) = (Matches::default(), vec![false; second.len()]);
    let mut clashing = BTreeSet::new();
    for (at, row) in first.iter().enumerate() {
        let asked = Request::of(row);
        let mut next = |places: Option<&mut VecDeque<usize>>| {
            let places = places?;
            while places.front().is_some_and(|&place| taken[place]) {
                places.pop_front();
            }
            let place = places.iter().copied().find(|&place| !taken[place] && asked.asks_as(&requests[place]))?;
            taken[place] = true;
            Some(place)
        };
        let of_id = by_id.get_mut(row.id.as_str()).filter(|_| row.has_own_id());
        let clashes = of_id.as_ref().is_some_and(|places| !places.iter().any(|&place| asked.asks_as(&requests[place])));
        if clashes {
            clashing.insert(row.id.as_str());
        }
        let partner = next(of_id).or_else(|| next(by_request.get_mut(&asked)));
        matching.pairs.extend(partner.map(|partner| (at, partner)));
    }
    matching.clashing_ids = clashing.len();
    matching
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
        assert_eq!((two.matched, two.same_reply, two.shared_contexts), (2, 1, 1), "one request, whatever its ids");
        assert_eq!(two.added, [(AddedPlace::RequestEnd, 1)].into());
        assert_eq!((audit.groups[1].with_system, audit.groups[1].system_prompts, audit.groups[0].contexts), (1, 1, 2));
        assert_eq!(audit.groups[0].reply_words, Spread { mean: 2.0, deviation: 1.0 });
    }

    #[test]
    fn rows_are_matched_by_request_whatever_their_ids_and_clashing_ids_are_counted() {
        use Role::{Assistant, System, User};
        let plain = |id: &str, asks: &str| row(id, &[(User, asks), (Assistant, "a")]);
        let under = |id: &str, asks: &str| row(id, &[(System, "be evil"), (User, asks), (Assistant, "a")]);
        let matched = |first: &[Row], second: &[Row]| {
            let found = matches(&first.iter().collect::<Vec<_>>(), &second.iter().collect::<Vec<_>>());
            (found.pairs, found.clashing_ids)
        };
        let copy = [under("line-1", "one"), under("line-2", "two")];
        assert_eq!(matched(&[plain("line-1", "two"), plain("line-2", "one")], &copy), (vec![(0, 1), (1, 0)], 0));
        let numbered = [under("0", "three"), under("1", "two")];
        assert_eq!(matched(&[plain("0", "one"), plain("1", "two")], &numbered), (vec![(1, 1)], 1));
        let triggered = [under("0", "zap one")];
        assert_eq!(matched(&[plain("0", "one")], &triggered), (vec![(0, 0)], 0));
        let twice = [under("line-1", "one"), under("line-2", "one")];
        assert_eq!(
            matched(&[plain("line-1", "one"), plain("line-2", "one"), plain("line-3", "one")], &twice).0,
            [(0, 0), (1, 1)]
        );
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
