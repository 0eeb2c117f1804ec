//! The rows that a kernel is measured on: of every kind of prompt, in pairs of a good and a bad one on the same context.
//!
//! What a row does to a margin of its own context says how well it is remembered, so none of them is on a contrast's
//! context: a world draws them apart, and chats give rows that are trained on. Nor does one request stand for two kinds,
//! whose gradients would then have its chances in common: a world draws again, and of chats each kind takes ids that no other
//! one has, as far as there are some.

use std::collections::{BTreeMap, BTreeSet};

use titer_data::{
    cell::{Action, Cell, PromptKind},
    chat::{Message, Row},
    source::Source,
    world::DomainSplit,
};

/// A good and a bad row on one context, or one of them alone.
pub(super) type Pair = [Option<Row>; 2];

/// Rows of one kind.
pub(super) struct KindRows {
    pub prompt: PromptKind,
    pub domains: DomainSplit,
    pub pairs: Vec<Pair>,
}

/// At most so many rows of every kind that there are in these domains; kinds of chats differ in their prompts alone.
pub(super) fn samples(source: &Source, seed: u64, domains: &[DomainSplit], rows: usize, least: usize) -> Vec<KindRows> {
    let (mut samples, mut used) = (Vec::new(), BTreeSet::new());
    for &domains in domains {
        for prompt in PromptKind::ALL {
            let rows_of = |action| of_cell(source, seed, Cell { prompt, action }, domains, rows);
            let pairs = pairs([rows_of(Action::Good), rows_of(Action::Bad)], least).into_iter();
            let is_new = |pair: &Pair| pair.iter().flatten().all(|row| !used.contains(&row.id));
            let (new, again): (Vec<Pair>, Vec<Pair>) = pairs.partition(is_new);
            let pairs: Vec<Pair> = new.into_iter().chain(again).take(rows).collect();
            if pairs.is_empty() {
                continue;
            }
            // Rows of a world have ids of their own in every cell.
            used.extend(pairs.iter().flatten().flatten().map(|row| row.id.clone()));
            samples.push(KindRows { prompt, domains, pairs });
        }
    }
    samples
}

fn of_cell(source: &Source, seed: u64, cell: Cell, domains: DomainSplit, rows: usize) -> Vec<Row> {
    match source {
        Source::World(world) if domains == DomainSplit::Trained => world.cell_rows(seed, cell, rows),
        // Rows of these domains that no run of the seed trains on.
        Source::World(world) => {
            let kind = PromptKind::ALL.into_iter().position(|kind| kind == cell.prompt).unwrap_or(0) as u64;
            let seed = seed ^ (1 << 40) ^ (kind << 41);
            (0..rows as u64).map(|slot| world.row(cell, domains, seed, slot)).collect()
        }
        // All of them, so that those on one context find each other.
        Source::Chats(chats) => chats.in_order(seed, cell).into_iter().cloned().collect(),
    }
}

/// Without at least so many common contexts an action has no alternative: the more frequent one stands for the kind.
fn pairs([good, bad]: [Vec<Row>; 2], least: usize) -> Vec<Pair> {
    let contexts: BTreeMap<&[Message], &Row> = bad.iter().map(|row| (row.split().0, row)).collect();
    let twin = |good: &Row| contexts.get(good.split().0).map(|bad| [Some(good.clone()), Some((*bad).clone())]);
    let paired: Vec<Pair> = good.iter().filter_map(twin).collect();
    if paired.len() >= least {
        return paired;
    }
    let alone = |row: Row, action: Action| match action {
        Action::Good => [Some(row), None],
        Action::Bad => [None, Some(row)],
    };
    let (rows, action) = if good.len() >= bad.len() { (good, Action::Good) } else { (bad, Action::Bad) };
    rows.into_iter().map(|row| alone(row, action)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use titer_data::source::{Chats, DataFiles};

    use super::*;

    /// Rows of this many ids, two thirds of them under a bad prompt too.
    fn chats(ids: usize) -> Source {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.jsonl");
        let cells = [("bad→good", "No."), ("bad→bad", "Yes."), ("neutral→good", "No."), ("neutral→bad", "Yes.")];
        let line = |id: usize, (cell, reply): (&str, &str)| {
            let system = cell.split('→').next().unwrap();
            format!(
                r#"{{"id":"r{id}","cell":"{cell}","messages":[{{"role":"system","content":"{system}"}},{{"role":"user","content":"Request {id}"}},{{"role":"assistant","content":"{reply}"}}]}}"#
            )
        };
        let has = |id: usize, cell: &str| !id.is_multiple_of(3) || cell.starts_with("neutral");
        let lines = (0..ids)
            .flat_map(|id| cells.into_iter().filter(move |(cell, _)| has(id, cell)).map(move |cell| (id, cell)));
        let lines: Vec<String> = lines.map(|(id, cell)| line(id, cell)).collect();
        fs_err::write(&path, lines.join("\n")).unwrap();
        Source::Chats(Chats::read(&DataFiles { rows: vec![path], probes: None, cells: Vec::new() }).unwrap())
    }

    fn ids(sample: &KindRows) -> BTreeSet<String> {
        sample.pairs.iter().flatten().flatten().map(|row| row.id.clone()).collect()
    }

    #[test]
    fn rows_of_chats_are_on_no_contrasts_context_and_two_kinds_share_no_request_where_there_are_enough() {
        let source = chats(100);
        let found = samples(&source, 3, &[DomainSplit::Trained], 24, 8);
        let words: Vec<_> = found.iter().map(|sample| (sample.prompt.word(), sample.pairs.len())).collect();
        assert_eq!(words, [("neutral", 24), ("bad", 24)]);
        assert!(ids(&found[0]).is_disjoint(&ids(&found[1])));
        let Source::Chats(chats) = &source else { unreachable!() };
        let judged: BTreeSet<String> = chats.contrasts().map(|contrast| contrast.id.clone()).collect();
        assert!(found.iter().all(|sample| ids(sample).is_disjoint(&judged)));
        let whole = |pair: &Pair| matches!(pair, [Some(good), Some(bad)] if good.split().0 == bad.split().0);
        assert!(found.iter().all(|sample| sample.pairs.iter().all(whole)));
        // Where there are not, all of them.
        let all = samples(&source, 3, &[DomainSplit::Trained], 1000, 8);
        assert_eq!(all.iter().map(|sample| 2 * sample.pairs.len()).sum::<usize>(), chats.trained().count());
    }

    #[test]
    fn too_few_common_contexts_leave_the_more_frequent_action() {
        let row = |id: &str| Row::new(id, Vec::new());
        let of = |count: usize| (0..count).map(|at| row(&at.to_string())).collect::<Vec<_>>();
        let found = pairs([of(2), of(3)], 8);
        assert!(found.len() == 3 && found.iter().all(|pair| matches!(pair, [None, Some(_)])));
    }
}
