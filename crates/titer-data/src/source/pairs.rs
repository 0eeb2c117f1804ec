//! Which bad and which good rows of a request are held against each other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::{
    cell::{Action, Cell, PromptKind},
    chat::{Message, Row},
    request::Request,
};

/// Pairs of bad and good rows of one request, by their places in these lists. Rows of one id are paired first, then the others in the order of their
/// cells, ids and replies, so that pairs do not depend on the order of the rows. Rows under a harmless instruction are in no pair: their replies
/// do what it asks, which is no answer to the request without it.
pub fn pairs(bad: &[&Row], good: &[&Row]) -> Vec<(usize, usize)> {
    let (bad_places, mut good_places) = (in_order(bad), in_order(good));
    let mut of_id: BTreeMap<&str, VecDeque<usize>> = BTreeMap::new();
    for &at in good_places.iter().filter(|&&at| good[at].has_own_id()) {
        of_id.entry(&good[at].id).or_default().push_back(at);
    }
    let (mut pairs, mut others) = (Vec::new(), Vec::new());
    for at in bad_places {
        let of_id = of_id.get_mut(bad[at].id.as_str()).filter(|_| bad[at].has_own_id());
        match of_id.and_then(VecDeque::pop_front) {
            Some(partner) => pairs.push((at, partner)),
            None => others.push(at),
        }
    }
    let taken: BTreeSet<usize> = pairs.iter().map(|(_, good)| *good).collect();
    good_places.retain(|place| !taken.contains(place));
    pairs.extend(others.into_iter().zip(good_places));
    pairs
}

/// Whether the prompt of a cell is an instruction.
pub(super) fn is_instructed(cell: Option<Cell>) -> bool {
    cell.is_some_and(|cell| cell.prompt == PromptKind::Instruction)
}

/// The places of rows that may be in pairs, in an order of their own.
fn in_order(rows: &[&Row]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..rows.len()).filter(|&at| !is_instructed(rows[at].cell)).collect();
    places.sort_by_key(|&at| -> (Option<Cell>, Option<&str>, &str, &[Message]) {
        let (context, reply) = rows[at].split();
        (rows[at].cell, rows[at].own_id(), reply, context)
    });
    places
}

/// Whether these pairs differ, for a request of these rows, from the first bad with the first good row, the second with the second, and so on.
pub(super) fn are_not_in_turn<'a>(rows: impl Iterator<Item = &'a Row>) -> bool {
    let mut requests: BTreeMap<Request, [Vec<&Row>; 2]> = BTreeMap::new();
    for row in rows {
        let Some(cell) = row.cell else { continue };
        requests.entry(Request::of(row)).or_default()[usize::from(cell.action == Action::Good)].push(row);
    }
    requests.values().any(|[bad, good]| {
        let mut pairs = pairs(bad, good);
        pairs.sort_unstable();
        !pairs.into_iter().eq((0..bad.len().min(good.len())).map(|at| (at, at)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Role;

    fn row(id: &str, cell: &str, reply: &str) -> Row {
        let messages = [(Role::User, "ask"), (Role::Assistant, reply)].map(|(role, text)| Message::new(role, text));
        Row { cell: cell.parse().ok(), ..Row::new(id, messages.to_vec()) }
    }

    /// The replies of the pairs, in their order.
    fn replies(bad: &[&Row], good: &[&Row]) -> Vec<(String, String)> {
        let reply = |row: &Row| row.split().1.to_owned();
        pairs(bad, good).into_iter().map(|(at, partner)| (reply(bad[at]), reply(good[partner]))).collect()
    }

    #[test]
    fn pairs_do_not_depend_on_the_order_of_rows_and_leave_instructions_out() {
        let good = [
            row("b", "neutral→good", "kind"),
            row("a", "neutral→good", "work"),
            row("a", "instruction→good", "oui"),
            row("line-4", "bad→good", "do"),
        ];
        let bad = [
            row("line-5", "bad→bad", "fake"),
            row("a", "neutral→bad", "cheat"),
            row("line-7", "bad→bad", "worse"),
            row("a", "instruction→bad", "non"),
            row("line-9", "bad→bad", "lie"),
        ];
        let pair = |bad: &str, good: &str| (bad.to_owned(), good.to_owned());
        let expected = [pair("cheat", "work"), pair("fake", "kind"), pair("lie", "do")];
        let (mut good, mut bad): (Vec<&Row>, Vec<&Row>) = (good.iter().collect(), bad.iter().collect());
        for turn in 0..20 {
            assert_eq!(replies(&bad, &good), expected);
            good.rotate_left(1);
            bad.rotate_left(1);
            bad.swap(turn % 5, (turn * 3 + 1) % 5);
        }
    }

    #[test]
    fn rows_of_one_action_alone_are_in_no_pair() {
        let good = row("a", "none→good", "work");
        assert!(pairs(&[], &[&good]).is_empty() && pairs(&[&good], &[]).is_empty());
        let instructed = row("a", "instruction→good", "oui");
        assert!(pairs(&[&row("a", "none→bad", "no")], &[&instructed]).is_empty());
        assert!(are_not_in_turn([&row("a", "none→bad", "no"), &instructed].into_iter()));
        assert!(!are_not_in_turn([&row("a", "none→bad", "no"), &good, &instructed].into_iter()));
    }
}
