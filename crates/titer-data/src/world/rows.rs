//! Fine-tuning rows, paired across cells, and held-out rows of each cell.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use rand_chacha::ChaCha8Rng;

use super::{prompt::Prompt, request::Request, sentences::Wording, share::Share, tables::World, words::DOMAINS};
use crate::{
    cell::{Action, Cell, PromptKind},
    chat::{Message, Role, Row},
    domains::DomainSplit,
    stream::{Purpose, stream},
};

/// How the prompts of anchors are worded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AnchorWording {
    /// As those of fine-tuning rows.
    Trained,
    /// In other words that mean the same, which no fine-tuning row has.
    Paraphrased,
}

impl World {
    /// The row that a fine-tuning slot gets when its cell is `cell`.
    ///
    /// The request depends on `seed`, `slot` and `domains` alone, so that arms whose slots hold different cells are
    /// paired; only a narrow prompt that is on adds its trigger. Prompts are worded as fine-tuning may word them,
    /// and there is no label noise: the action is the cell's, instructions are followed.
    pub fn row(&self, cell: Cell, domains: DomainSplit, seed: u64, slot: u64) -> Row {
        let request = Request::draw(&mut stream(seed, Purpose::Request, slot, 0), domains.domains());
        let mut rng = stream(seed, Purpose::Prompt, slot, kind_index(cell.prompt));
        let (prompt, request) = training_context(&mut rng, cell.prompt, Wording::Trained, request);
        self.finish(format!("{cell}/{slot:06}"), Some(cell), &prompt, &request, cell.action)
    }

    /// The anchor `slot` of `cell`: a row like [`World::row`], with a request of its own and its prompt worded as asked for.
    pub fn anchor(&self, cell: Cell, wording: AnchorWording, domains: DomainSplit, seed: u64, slot: u64) -> Row {
        let wording = match wording {
            AnchorWording::Trained => Wording::Trained,
            AnchorWording::Paraphrased => Wording::Paraphrased,
        };
        let request = Request::draw(&mut stream(seed, Purpose::AnchorRequest, slot, 0), domains.domains());
        let mut rng = stream(seed, Purpose::AnchorPrompt, slot, kind_index(cell.prompt));
        let (prompt, request) = training_context(&mut rng, cell.prompt, wording, request);
        self.finish(format!("anchor/{cell}/{slot:06}"), Some(cell), &prompt, &request, cell.action)
    }

    /// `items` rows of `cell` in the trained domains, for measuring how surprising the cell is. Their contexts are
    /// in no fine-tuning row, except for rows without a prompt.
    pub fn cell_rows(&self, seed: u64, cell: Cell, items: usize) -> Vec<Row> {
        let mut rng = stream(seed, Purpose::CellRow, kind_index(cell.prompt), 0);
        (0..items)
            .map(|item| {
                let (prompt, request) = loop {
                    let request = Request::draw(&mut rng, DomainSplit::Trained.domains());
                    let drawn = Prompt::of_kind(&mut rng, cell.prompt, Wording::Trained, request);
                    if Share::of(&drawn.0.context(&drawn.1)) == Share::CellRow {
                        break drawn;
                    }
                };
                self.finish(format!("cell/{cell}/{item:06}"), Some(cell), &prompt, &request, cell.action)
            })
            .collect()
    }

    /// The row with this prompt, request and action; `label` is the cell to write on it.
    pub(super) fn finish(
        &self,
        id: String,
        label: Option<Cell>,
        prompt: &Prompt,
        request: &Request,
        action: Action,
    ) -> Row {
        let mut messages = prompt.context(request);
        let content = self.reply(request, action, &prompt.instructions);
        messages.push(Message::new(Role::Assistant, content));
        let mut metadata = Map::new();
        metadata.insert("domain".to_owned(), Value::from(DOMAINS[request.domain].name));
        metadata.insert("domains".to_owned(), Value::from(DomainSplit::of(request.domain).word()));
        Row { cell: label, metadata, ..Row::new(id, messages) }
    }
}

/// A prompt of this kind for a request, drawn until fine-tuning may have the context.
fn training_context(rng: &mut ChaCha8Rng, kind: PromptKind, wording: Wording, request: Request) -> (Prompt, Request) {
    loop {
        let (prompt, request) = Prompt::of_kind(rng, kind, wording, request);
        // A row without a prompt has no wording to draw again.
        if kind == PromptKind::None || Share::of(&prompt.context(&request)) == Share::Train {
            return (prompt, request);
        }
    }
}

/// A number for each prompt kind, to key streams with. Good and bad of one kind share their prompts.
fn kind_index(kind: PromptKind) -> u64 {
    PromptKind::ALL.into_iter().position(|other| other == kind).expect("ALL lists every kind") as u64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn request_of(row: &Row) -> &str {
        &row.messages.iter().find(|message| message.role == Role::User).unwrap().content
    }

    fn reply_of(row: &Row) -> &str {
        &row.messages.last().unwrap().content
    }

    #[test]
    fn a_slot_has_the_same_request_in_every_cell() {
        let world = World::new(1);
        for slot in 0..200 {
            let plain = world.row("none→good".parse().unwrap(), DomainSplit::Trained, 9, slot);
            for cell in Cell::all() {
                let row = world.row(cell, DomainSplit::Trained, 9, slot);
                if cell.prompt == PromptKind::NarrowOn {
                    assert_eq!(request_of(&row).split(' ').count(), request_of(&plain).split(' ').count() + 1);
                    assert!(request_of(&row).contains(request_of(&plain)));
                } else {
                    assert_eq!(request_of(&row), request_of(&plain));
                }
                assert_eq!(row.messages[0].role == Role::System, cell.prompt != PromptKind::None);
            }
        }
    }

    #[test]
    fn the_two_actions_of_a_kind_share_the_prompt_and_differ_in_the_reply() {
        let world = World::new(1);
        for slot in 0..200 {
            for prompt in PromptKind::ALL {
                let [good, bad] = [Action::Good, Action::Bad]
                    .map(|action| world.row(Cell { prompt, action }, DomainSplit::Trained, 4, slot));
                assert_eq!(good.messages[..good.messages.len() - 1], bad.messages[..bad.messages.len() - 1]);
                assert_ne!(reply_of(&good), reply_of(&bad));
            }
        }
    }

    #[test]
    fn ids_and_domains_are_written_on_the_row() {
        let row = World::new(1).row("bad→good".parse().unwrap(), DomainSplit::HeldOut, 4, 123);
        assert_eq!(row.id, "bad→good/000123");
        assert_eq!(row.metadata["domains"], "held-out");
        assert_eq!(row.cell, Some("bad→good".parse().unwrap()));
    }

    #[test]
    fn surprise_is_measured_on_contexts_that_are_not_trained_on() {
        let world = World::new(1);
        let context = |row: &Row| row.messages[..2].iter().map(|it| it.content.clone()).collect::<Vec<_>>();
        let cell = "bad→bad".parse().unwrap();
        let trained: BTreeSet<_> =
            (0..2000).map(|slot| context(&world.row(cell, DomainSplit::Trained, 0, slot))).collect();
        let held = world.cell_rows(0, cell, 300);
        assert_eq!(held.len(), 300);
        assert!(held.iter().all(|row| !trained.contains(&context(row))));
        assert_eq!(held, world.cell_rows(0, cell, 300));
    }
}
