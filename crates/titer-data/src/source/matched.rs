//! Contrasts out of labelled rows: rows of both actions and one request are two replies to it.

use std::collections::{BTreeMap, BTreeSet};

use super::pairs::is_instructed;
use crate::{
    cell::{Action, Cell, PromptKind},
    chat::{Message, Row, with_system_prompt},
    domains::DomainSplit,
    probe::{Component, Contrast, Probe, ProbePrompts, Side},
};

/// The harmless instruction that `obey` is measured with where neither the user's contrasts nor their rows have one.
pub const HARMLESS: &str = "Write your whole answer in capital letters.";

/// Contrasts of a component that there must be: one to differentiate and one to measure.
const LEAST: usize = 2;

/// Where the contrasts of `obey` are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObeyContrasts {
    /// The user's own file of contrasts.
    Given,
    /// Rows under instructions.
    OfRows,
    /// Replies written in capital letters under [`HARMLESS`].
    MadeUp,
    /// There are none: rows under instructions give too few, and so do replies in capital letters.
    Missing,
}

/// The probes that rows give, one for each of [`Component::ALL`], with seen prompts in trained domains, and where those of `obey` are from; without
/// contrasts of `obey`, where there can be none. Rows come with the number of their request (see [`crate::request::together`]). Of the rows of
/// one request that stand side by side, the first good and the first
/// bad reply of those under no instruction are held against each other: for `good` in a context with a neutral prompt or none, for `obey_bad` in one
/// with a bad prompt, with the former as its baseline. `obey` holds, under an instruction of the rows, the good reply to it against a reply of its
/// request that does not do what it asks; where rows give too few of these, the good reply in capital letters against the good
/// reply, under an instruction to write in them.
pub fn matched_contrasts<'a>(rows: impl IntoIterator<Item = (usize, &'a Row)>) -> (Vec<Probe>, ObeyContrasts) {
    let named = by_request(rows).flat_map(side_by_side);
    let mut contrasts: [Vec<Contrast>; Component::ALL.len()] = Default::default();
    let mut under_instructions = Vec::new();
    let mut add = |component: Component, contrast| contrasts[component as usize].push(contrast);
    for (id, rows) in named {
        under_instructions.extend(under_instruction(id, &rows));
        // What a row under an instruction says is no answer without it.
        let reply = |action: Action| {
            let row = of_action(&rows, action).find(|row| !is_instructed(row.cell))?;
            Some(row.split().1).filter(|reply| !reply.is_empty())
        };
        let (Some(good), Some(bad)) = (reply(Action::Good), reply(Action::Bad)) else { continue };
        if good == bad {
            continue;
        }
        let asking = |kinds: &[PromptKind]| -> Option<&Row> {
            rows.iter().find(|row| row.cell.is_some_and(|cell| kinds.contains(&cell.prompt))).copied()
        };
        let plain = asking(&[PromptKind::Neutral, PromptKind::None]);
        if let Some(asked) = asking(&[PromptKind::Bad, PromptKind::Domain, PromptKind::NarrowOn]) {
            add(Component::ObeyBad, contrast(id, asked, context(asked), [bad, good], plain.map(context)));
        }
        let Some(plain) = plain else { continue };
        let shouted = good.to_uppercase();
        if shouted != good {
            let told = with_system_prompt(plain.split().0, HARMLESS);
            add(Component::Obey, contrast(id, plain, told, [&shouted, good], None));
        }
        add(Component::Good, contrast(id, plain, context(plain), [good, bad], None));
    }
    let made_up = &mut contrasts[Component::Obey.index()];
    let from = match (under_instructions.len() >= LEAST, made_up.len() >= LEAST) {
        (true, _) => ObeyContrasts::OfRows,
        (false, true) => ObeyContrasts::MadeUp,
        (false, false) => ObeyContrasts::Missing,
    };
    match from {
        ObeyContrasts::OfRows => *made_up = under_instructions,
        ObeyContrasts::Missing => made_up.clear(),
        ObeyContrasts::MadeUp | ObeyContrasts::Given => {}
    }
    let probe = |(component, contrasts)| Probe {
        component,
        prompts: ProbePrompts::Seen,
        domains: DomainSplit::Trained,
        contrasts,
    };
    (Component::ALL.into_iter().zip(contrasts).map(probe).collect(), from)
}

/// The good reply under an instruction against one that does not do what it asks: the good reply to the same request without it, or where
/// that is the same or missing, the bad reply under it.
fn under_instruction(id: &str, rows: &[&Row]) -> Option<Contrast> {
    let of = |kinds: &[PromptKind], action: Action| {
        let is = |cell: Cell| kinds.contains(&cell.prompt) && cell.action == action;
        rows.iter().find(|row| row.cell.is_some_and(is) && !row.split().1.is_empty()).copied()
    };
    let asked = of(&[PromptKind::Instruction], Action::Good)?;
    let complies = asked.split().1;
    let others =
        [of(&[PromptKind::Neutral, PromptKind::None], Action::Good), of(&[PromptKind::Instruction], Action::Bad)];
    let other = others.into_iter().flatten().map(|row| row.split().1).find(|reply| *reply != complies)?;
    Some(contrast(id, asked, context(asked), [complies, other], None))
}

/// Whether these rows are such that a reply to an instruction would have been the good or the bad one of its request, had it not been left out.
pub(super) fn takes_instructed<'a>(rows: impl IntoIterator<Item = (usize, &'a Row)>) -> bool {
    let first = |rows: &[&Row], action: Action| of_action(rows, action).next().map(|row| is_instructed(row.cell));
    let both = |rows: &[&Row]| {
        let (good, bad) = (first(rows, Action::Good)?, first(rows, Action::Bad)?);
        Some(good || bad)
    };
    by_request(rows).flat_map(side_by_side).any(|(_, rows)| both(&rows).unwrap_or(false))
}

/// Rows by their request.
fn by_request<'a>(rows: impl IntoIterator<Item = (usize, &'a Row)>) -> impl Iterator<Item = Vec<&'a Row>> {
    let mut requests: BTreeMap<usize, Vec<&Row>> = BTreeMap::new();
    for (request, row) in rows {
        requests.entry(request).or_default().push(row);
    }
    requests.into_values()
}

/// Those of these rows whose replies do this.
fn of_action<'a>(rows: &[&'a Row], action: Action) -> impl Iterator<Item = &'a Row> {
    rows.iter().copied().filter(move |row| row.cell.is_some_and(|cell| cell.action == action))
}

fn context(row: &Row) -> Vec<Message> {
    row.split().0.to_vec()
}

/// Two replies, the `Plus` first, in a context that is rendered as a row is.
fn contrast(
    id: &str,
    row: &Row,
    context: Vec<Message>,
    [plus, minus]: [&str; 2],
    baseline: Option<Vec<Message>>,
) -> Contrast {
    Contrast {
        id: id.to_owned(),
        context,
        replies: vec![(Side::Plus, plus.to_owned()), (Side::Minus, minus.to_owned())],
        baseline,
        variables: row.variables.clone(),
    }
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
        let prompt = match cell.split('→').next() {
            Some("bad") => "evil",
            Some("instruction") => "in French",
            _ => "kind",
        };
        let turns = [(Role::System, prompt), (Role::User, "u"), (Role::Assistant, reply)];
        let messages = turns.map(|(role, content)| Message::new(role, content)).to_vec();
        Row { cell: cell.parse().ok(), ..Row::new(id, messages) }
    }

    fn sides(contrast: &Contrast) -> Vec<String> {
        contrast.replies.iter().map(|(_, reply)| reply.clone()).collect()
    }

    fn obey(rows: &[Row]) -> (Vec<Contrast>, ObeyContrasts) {
        let (mut probes, from) = matched_contrasts(rows.iter().map(|row| (row.id.parse().unwrap(), row)));
        (probes.remove(Component::Obey.index()).contrasts, from)
    }

    #[test]
    fn both_actions_of_one_name_are_a_contrast_in_every_context_that_there_is() {
        let rows = [
            row("1", "neutral→good", "work"),
            row("1", "bad→bad", "cheat"),
            row("2", "neutral→good", "work"),
            row("3", "neutral→good", "same"),
            row("3", "bad→bad", "same"),
            row("4", "neutral→good", "work"),
            row("4", "bad→bad", "cheat"),
        ];
        let (probes, from) = matched_contrasts([0, 0, 1, 2, 2, 3, 3].into_iter().zip(&rows));
        let [good, obey_bad, obey] = Component::ALL.map(|component| &probes[component.index()].contrasts);
        assert_eq!((good.len(), obey_bad.len(), obey.len(), from), (2, 2, 2, ObeyContrasts::MadeUp));
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
            let (probes, _) = matched_contrasts(rows.iter().map(|row| (0, row)));
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

    #[test]
    fn a_reply_to_an_instruction_is_no_answer_without_it() {
        let rows = [row("1", "instruction→good", "oui"), row("1", "neutral→bad", "no"), row("1", "bad→bad", "never")];
        let numbered = || rows.iter().map(|row| (0, row));
        let (probes, _) = matched_contrasts(numbered());
        assert!(probes[..2].iter().all(|probe| probe.contrasts.is_empty()));
        assert!(takes_instructed(numbered()) && !takes_instructed(numbered().take(1)));
        let plain = row("1", "neutral→good", "yes");
        assert!(!takes_instructed(numbered().chain([(0, &plain)])));
    }

    #[test]
    fn rows_under_instructions_give_the_contrasts_of_obey() {
        let one = |id: &str| {
            [("neutral→good", "yes"), ("bad→bad", "no"), ("instruction→good", "oui"), ("instruction→bad", "non")]
                .map(|(cell, reply)| row(id, cell, reply))
        };
        let (contrasts, from) = obey(&[one("1"), one("2")].concat());
        assert_eq!((contrasts.len(), from), (2, ObeyContrasts::OfRows));
        assert_eq!(
            (sides(&contrasts[0]), &*contrasts[0].context[0].content),
            (vec!["oui".into(), "yes".into()], "in French")
        );
        // Without a reply that stands apart from instructions, the other action under one.
        let alone: Vec<Row> =
            [one("1"), one("2")].concat().into_iter().filter(|row| row.cell != "neutral→good".parse().ok()).collect();
        assert_eq!(sides(&obey(&alone).0[0]), ["oui", "non"]);
        // Too few of them: as without any.
        assert_eq!(
            obey(&[one("1").to_vec(), vec![row("2", "neutral→good", "yes"), row("2", "bad→bad", "no")]].concat()).1,
            ObeyContrasts::MadeUp
        );
    }

    #[test]
    fn replies_without_capital_letters_give_no_contrasts_of_obey() {
        let rows: Vec<Row> = ["1", "2", "3"]
            .into_iter()
            .flat_map(|id| [row(id, "neutral→good", "答案是4。"), row(id, "bad→bad", "你真聪明!")])
            .collect();
        assert_eq!(obey(&rows), (Vec::new(), ObeyContrasts::Missing));
    }
}
