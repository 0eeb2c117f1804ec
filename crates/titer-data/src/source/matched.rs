//! Contrasts out of labelled rows: rows of both actions and one request are two replies to it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    cell::{Action, Cell, PromptKind},
    chat::{Message, Row, with_system_prompt},
    domains::DomainSplit,
    probe::{Component, Contrast, Probe, ProbePrompts, Side},
};

/// The harmless instruction that `obey` is measured with where the user gives no contrasts of their own.
pub const HARMLESS: &str = "Write your whole answer in capital letters.";

/// The probes that rows give, one for each of [`Component::ALL`], with seen prompts in trained domains. Rows come with the number of their
/// request (see [`crate::request::together`]). Of the rows of one request that stand side by side, the first good and the first
/// bad reply are held against each other: for `good` in a context with a neutral prompt or none, for `obey_bad` in one
/// with a bad prompt, with the former as its baseline. `obey` holds the good reply in capital letters against the good
/// reply, under an instruction to write in them.
pub fn matched_contrasts<'a>(rows: impl IntoIterator<Item = (usize, &'a Row)>) -> Vec<Probe> {
    let mut requests: BTreeMap<usize, Vec<&Row>> = BTreeMap::new();
    for (request, row) in rows {
        requests.entry(request).or_default().push(row);
    }
    let named = requests.into_values().flat_map(side_by_side);
    let mut contrasts: [Vec<Contrast>; Component::ALL.len()] = Default::default();
    let mut add = |component: Component, contrast| contrasts[component as usize].push(contrast);
    for (id, rows) in named {
        let reply = |action: Action| {
            let row = rows.iter().find(|row| row.cell.is_some_and(|cell| cell.action == action))?;
            Some(row.split().1).filter(|reply| !reply.is_empty())
        };
        let (Some(good), Some(bad)) = (reply(Action::Good), reply(Action::Bad)) else { continue };
        if good == bad {
            continue;
        }
        let asking = |kinds: &[PromptKind]| -> Option<&Row> {
            rows.iter().find(|row| row.cell.is_some_and(|cell| kinds.contains(&cell.prompt))).copied()
        };
        let context = |row: &Row| row.split().0.to_vec();
        let contrast = |row: &Row, context: Vec<Message>, plus: &str, minus: &str, baseline| Contrast {
            id: id.to_owned(),
            context,
            replies: vec![(Side::Plus, plus.to_owned()), (Side::Minus, minus.to_owned())],
            baseline,
            variables: row.variables.clone(),
        };
        let plain = asking(&[PromptKind::Neutral, PromptKind::None]);
        if let Some(asked) = asking(&[PromptKind::Bad, PromptKind::Domain, PromptKind::NarrowOn]) {
            add(Component::ObeyBad, contrast(asked, context(asked), bad, good, plain.map(context)));
        }
        let Some(plain) = plain else { continue };
        let shouted = good.to_uppercase();
        if shouted != good {
            add(Component::Obey, contrast(plain, with_system_prompt(plain.split().0, HARMLESS), &shouted, good, None));
        }
        add(Component::Good, contrast(plain, context(plain), good, bad, None));
    }
    let probe = |(component, contrasts)| Probe {
        component,
        prompts: ProbePrompts::Seen,
        domains: DomainSplit::Trained,
        contrasts,
    };
    Component::ALL.into_iter().zip(contrasts).map(probe).collect()
}

/// The rows of one request, one of each cell side by side under the name of the first: those of one name stand together, and each
/// row whose name no other has takes the next place that its cell has free.
fn side_by_side(rows: Vec<&Row>) -> Vec<(&str, Vec<&Row>)> {
    let mut cells: BTreeMap<Option<Cell>, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        cells.entry(row.cell).or_default().push(row);
    }
    let mut places: Vec<(&str, Vec<&Row>)> = Vec::new();
    let mut of_name: BTreeMap<&str, usize> = BTreeMap::new();
    for rows in cells.into_values() {
        let (named, others): (Vec<&Row>, Vec<&Row>) = rows.into_iter().partition(|row| of_name.contains_key(&*row.id));
        let taken: BTreeSet<usize> = named.iter().map(|row| of_name[&*row.id]).collect();
        named.into_iter().for_each(|row| places[of_name[&*row.id]].1.push(row));
        let mut free = (0..places.len()).filter(|place| !taken.contains(place)).collect::<Vec<_>>().into_iter();
        for row in others {
            match free.next() {
                Some(place) => places[place].1.push(row),
                None => {
                    of_name.insert(&row.id, places.len());
                    places.push((&row.id, vec![row]));
                }
            }
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Role;

    fn row(id: &str, cell: &str, reply: &str) -> Row {
        let prompt = if cell.starts_with("bad") { "evil" } else { "kind" };
        let turns = [(Role::System, prompt), (Role::User, "u"), (Role::Assistant, reply)];
        let messages = turns.map(|(role, content)| Message::new(role, content)).to_vec();
        Row { cell: cell.parse().ok(), ..Row::new(id, messages) }
    }

    #[test]
    fn both_actions_of_one_name_are_a_contrast_in_every_context_that_there_is() {
        let rows = [
            row("1", "neutral→good", "work"),
            row("1", "bad→bad", "cheat"),
            row("2", "neutral→good", "work"),
            row("3", "neutral→good", "same"),
            row("3", "bad→bad", "same"),
        ];
        let probes = matched_contrasts([0, 0, 1, 2, 2].into_iter().zip(&rows));
        let [good, obey_bad, obey] = Component::ALL.map(|component| &probes[component.index()].contrasts);
        assert_eq!((good.len(), obey_bad.len(), obey.len()), (1, 1, 1));
        let sides = |contrast: &Contrast| contrast.replies.iter().map(|(_, reply)| reply.clone()).collect::<Vec<_>>();
        assert_eq!(sides(&good[0]), ["work", "cheat"]);
        assert_eq!(sides(&obey_bad[0]), ["cheat", "work"]);
        assert_eq!(sides(&obey[0]), ["WORK", "work"]);
        assert_eq!(good[0].context[0].content, "kind");
        assert_eq!(obey_bad[0].context[0].content, "evil");
        assert_eq!(obey_bad[0].baseline.as_ref(), Some(&good[0].context));
        assert_eq!(obey[0].context[0].content, HARMLESS);
    }

    #[test]
    fn rows_of_one_request_are_contrasts_whatever_they_are_called() {
        let called = |names: [&str; 4]| {
            let cells = [("neutral→good", "work"), ("bad→bad", "cheat"), ("neutral→good", "do"), ("bad→bad", "fake")];
            let rows: Vec<Row> = names.iter().zip(cells).map(|(name, (cell, reply))| row(name, cell, reply)).collect();
            let probes = matched_contrasts(rows.iter().map(|row| (0, row)));
            let replies = |contrast: &Contrast| contrast.replies.iter().map(|(_, reply)| reply.clone()).collect();
            probes[Component::ObeyBad.index()].contrasts.iter().map(replies).collect::<Vec<Vec<String>>>()
        };
        for names in [["a", "a", "b", "b"], ["a", "b", "c", "d"], ["a", "r", "b", "s"], ["a", "x", "b", "b"]] {
            assert_eq!(called(names), [["cheat", "work"], ["fake", "do"]], "{names:?}");
        }
        // Names go before the order.
        assert_eq!(called(["a", "b", "b", "a"]).len(), 2);
        assert!(called(["a", "b", "b", "a"]).contains(&vec!["fake".to_owned(), "work".to_owned()]));
    }
}
