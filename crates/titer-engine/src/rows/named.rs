//! Rows, encoded and packed once, to be looked at in many states of a model.

use titer_data::{
    chat::Row,
    tokenize::{Encoded, TokenizeError, encode_row},
};
use titer_model::{
    packed::Packed,
    parallel::{reply_log_probs, score},
};

use crate::{model::Model, rows::pack};

/// Encoded rows with their names; reply `i` over all shards is row `i`.
#[derive(Debug)]
pub struct Rows {
    rows: Vec<NamedRow>,
    shards: Vec<Packed>,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct NamedRow {
    /// The cell, written `bad→good`; empty where it is not known.
    pub cell: String,
    /// The row's name.
    pub id: String,
    /// Which token of the row is the target; −1 for all of them.
    pub position: i64,
    /// The text of that token; empty for all of them.
    pub token: String,
    /// Its tokens.
    pub encoded: Encoded,
}

impl NamedRow {
    /// How many of its tokens carry loss.
    pub fn targets(&self) -> usize {
        self.encoded.trained.iter().filter(|&&trained| trained).count()
    }
}

/// Rows that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// One cannot be encoded, or has no target.
    #[error(transparent)]
    Tokenize(#[from] TokenizeError),
    /// One needs more positions than the model has.
    #[error("row `{id}` has {tokens} tokens; the model has {limit} positions")]
    TooLong {
        /// The row.
        id: String,
        /// Its length.
        tokens: usize,
        /// What fits.
        limit: usize,
    },
}

impl Rows {
    /// Encodes rows.
    ///
    /// # Errors
    /// Where a row cannot be encoded, has nothing to train on, or is too long for the model.
    pub fn encode(model: &Model, rows: &[Row]) -> Result<Self, RowsError> {
        let limit = model.decoder.config.max_position_embeddings;
        let named = |row: &Row| {
            let encoded = encode_row(&model.template, &model.tokenizer, row)?;
            let tokens = encoded.tokens.len();
            if tokens > limit {
                return Err(RowsError::TooLong { id: row.id.clone(), tokens, limit });
            }
            let cell = row.cell.map_or_else(String::new, |cell| cell.to_string());
            Ok(NamedRow { cell, id: row.id.clone(), position: -1, token: String::new(), encoded })
        };
        Ok(Self::of(model, rows.iter().map(named).collect::<Result<_, _>>()?))
    }

    /// Every target token as a row of its own, which ends with it. Their gradients add up to those of the rows.
    pub fn per_token(&self, model: &Model) -> Self {
        let split = |row: &NamedRow| -> Vec<NamedRow> {
            let targets = row.encoded.trained.iter().enumerate().filter(|(_, trained)| **trained);
            let one = |(at, _): (usize, &bool)| NamedRow {
                position: at as i64,
                token: model.tokenizer.token(row.encoded.tokens[at]).unwrap_or_default(),
                encoded: Encoded {
                    tokens: row.encoded.tokens[..=at].to_vec(),
                    trained: (0..=at).map(|token| token == at).collect(),
                },
                ..row.clone()
            };
            targets.map(one).collect()
        };
        Self::of(model, self.rows.iter().flat_map(split).collect())
    }

    fn of(model: &Model, rows: Vec<NamedRow>) -> Self {
        let encoded: Vec<&Encoded> = rows.iter().map(|row| &row.encoded).collect();
        Self { shards: pack(&model.decoder, &encoded), rows }
    }

    /// Some of the rows as the engine takes them.
    pub fn pack(&self, model: &Model, rows: &[usize]) -> Vec<Packed> {
        let encoded: Vec<&Encoded> = rows.iter().map(|&at| &self.rows[at].encoded).collect();
        pack(&model.decoder, &encoded)
    }

    /// The rows, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, NamedRow> {
        self.rows.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Log-probability of every row's targets, in nats.
    pub fn log_probs(&self, model: &Model) -> Vec<f64> {
        let scores = score(&model.decoder, &model.params, &self.shards);
        self.shards.iter().zip(scores).flat_map(|(packed, scores)| reply_log_probs(packed, &scores)).collect()
    }

    /// All of them as the engine takes them.
    pub fn shards(&self) -> &[Packed] {
        &self.shards
    }
}
