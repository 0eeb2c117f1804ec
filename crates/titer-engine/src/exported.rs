//! The rows of a stage as another trainer reads them.

use serde_json::{Map, Value, json};
use titer::{
    elsewhere::{RowCounts, RowForm, Trainer},
    plan::{RunPlan, StagePlan},
};
use titer_data::{
    chat::{Message, Role, Row},
    source::Source,
    tokenize::{Encoded, TokenizeError},
};

use crate::{
    guard::rows,
    inputs::{Inputs, InputsError},
    model::Model,
};

/// A file of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenRows {
    /// Its text, a line of JSON for each row, in the order of training.
    pub text: String,
    /// How rows are written.
    pub form: RowForm,
    /// What is in them.
    pub counts: RowCounts,
}

/// Why rows cannot be written for a trainer.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The model or the rows cannot be used.
    #[error(transparent)]
    Inputs(#[from] InputsError),
    /// A row cannot be encoded.
    #[error(transparent)]
    Tokenize(#[from] TokenizeError),
    /// A row says what the trainer cannot be told.
    #[error("row `{id}` {problem}, which {trainer} has not: export it for trl or axolotl, which are given tokens")]
    Row {
        /// Its name.
        id: String,
        /// What it says.
        problem: &'static str,
        /// Who trains.
        trainer: Trainer,
    },
    /// The template prints the day on which it renders.
    #[error(
        "the chat template of `{base}` prints the date, and {trainer} renders chats on another day: export it for trl or axolotl, which \
         are given tokens"
    )]
    Date {
        /// What the spec calls the model.
        base: String,
        /// Who trains.
        trainer: Trainer,
    },
}

/// The rows of every stage of a run that has steps, in the order of the stages.
///
/// # Errors
/// Where model or rows cannot be used, or say what the trainer cannot be told.
pub fn exported_rows(inputs: &Inputs, plan: &RunPlan, trainer: Trainer) -> Result<Vec<WrittenRows>, ExportError> {
    let (model, source) = inputs.unprepared(plan)?;
    if model.template.prints_date() && matches!(trainer, Trainer::LlamaFactory | Trainer::OpenAi) {
        return Err(ExportError::Date { base: plan.model.base.clone(), trainer });
    }
    let trained = plan.stages.iter().filter(|stage| stage.steps > 0);
    trained.map(|stage| written(&model, &source, stage, plan.seed, trainer)).collect()
}

fn written(
    model: &Model,
    source: &Source,
    stage: &StagePlan,
    seed: u64,
    trainer: Trainer,
) -> Result<WrittenRows, ExportError> {
    let rows: Vec<Row> = rows::of_stage(source, stage, seed).into_iter().map(|(_, row)| row).collect();
    let encoded = rows.iter().map(|row| model.encoded_row(row)).collect::<Result<Vec<_>, _>>()?;
    let counts = RowCounts {
        rows: rows.len(),
        trained: encoded.iter().map(|row| row.trained.iter().filter(|&&trained| trained).count()).sum(),
        longest: encoded.iter().map(|row| row.tokens.len()).max().unwrap_or(0),
    };
    let form = match trainer {
        Trainer::Trl if rows.iter().zip(&encoded).all(|(row, encoded)| is_cut_alike(model, row, encoded)) => {
            RowForm::PromptCompletion
        }
        Trainer::Trl | Trainer::Axolotl => RowForm::Tokens,
        Trainer::LlamaFactory | Trainer::OpenAi => RowForm::Messages,
    };
    let mut text = String::new();
    for (row, encoded) in rows.iter().zip(&encoded) {
        let line = match (form, trainer) {
            (RowForm::PromptCompletion, _) => {
                let (prompt, completion) = row.messages.split_at(row.messages.len() - 1);
                json!({ "prompt": prompt, "completion": completion })
            }
            (RowForm::Tokens, Trainer::Axolotl) => labelled(encoded),
            (RowForm::Tokens, _) => {
                let mask: Vec<u8> = encoded.trained.iter().map(|&trained| trained.into()).collect();
                json!({ "input_ids": encoded.tokens, "completion_mask": mask })
            }
            (RowForm::Messages, Trainer::LlamaFactory) => messages(row, trainer)?,
            (RowForm::Messages, _) => weighted(row),
        };
        text += &line.to_string();
        text.push('\n');
    }
    Ok(WrittenRows { text, form, counts })
}

/// Whether TRL, given prompt and completion, trains the tokens of a row that titer does: it trains all that follows what the rendered
/// prompt and the rendered chat begin with together.
fn is_cut_alike(model: &Model, row: &Row, encoded: &Encoded) -> bool {
    let says_more = |message: &Message| !message.fields.is_empty();
    let plain = row.variables.is_empty() && row.untrained.is_empty() && !row.messages.iter().any(says_more);
    // Neither options of the template nor the day go with the rows.
    let options = model.template.planned_options() == Default::default();
    let Some((Message { role: Role::Assistant, .. }, context)) = row.messages.split_last() else { return false };
    if !plain || !options {
        return false;
    }
    let Ok(prompt) = model.template.text(context, true) else { return false };
    let Ok(prompt) = model.tokenizer.ids(&prompt, &row.id) else { return false };
    let common = prompt.iter().zip(&encoded.tokens).take_while(|(left, right)| left == right).count();
    encoded.trained.iter().enumerate().all(|(at, &trained)| trained == (at >= common))
}

/// A row as tokens with labels, −100 where a token carries no loss.
fn labelled(encoded: &Encoded) -> Value {
    let tokens = encoded.tokens.iter().zip(&encoded.trained);
    let labels: Vec<i64> = tokens.map(|(&id, &trained)| if trained { id.into() } else { -100 }).collect();
    json!({ "input_ids": encoded.tokens, "attention_mask": vec![1; labels.len()], "labels": labels })
}

/// A row as a chat whose every reply is trained.
fn messages(row: &Row, trainer: Trainer) -> Result<Value, ExportError> {
    let fail = |problem| Err(ExportError::Row { id: row.id.clone(), problem, trainer });
    if !row.untrained.is_empty() {
        return fail("has replies that carry no loss");
    }
    if !row.variables.is_empty()
        || row.messages.iter().any(|message| message.fields.0.keys().any(|name| name != "content"))
    {
        return fail("says more than its messages do (such as tools)");
    }
    let text = |message: &Message| Message::new(message.role, message.content.as_str());
    Ok(json!({ "messages": row.messages.iter().map(text).collect::<Vec<_>>() }))
}

/// A row as a chat in OpenAI's format, which weighs replies.
fn weighted(row: &Row) -> Value {
    let message = |(at, message): (usize, &Message)| {
        let mut message = json!(message);
        if row.untrained.contains(&at) {
            message["weight"] = 0.into();
        }
        message
    };
    let messages: Vec<Value> = row.messages.iter().enumerate().map(message).collect();
    let mut line = Map::from_iter([("messages".to_owned(), messages.into())]);
    line.extend(row.variables.0.iter().map(|(name, value)| (name.clone(), value.clone())));
    line.into()
}
