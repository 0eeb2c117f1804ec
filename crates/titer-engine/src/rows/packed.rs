//! Rows, encoded and packed once, to be looked at in many states of a model.

use std::{ops::Range, sync::Arc};

use titer_data::{
    chat::Row,
    tokenize::{Encoded, TokenizeError},
};
use titer_model::{
    packed::Packed,
    passes::{reply_log_probs, score},
};

use super::{EncodedRows, NamedRow, pack};
use crate::model::Model;

/// Encoded rows with their names, packed; reply `i` over all shards is row `i`.
#[derive(Debug)]
pub struct PackedRows {
    rows: EncodedRows,
    shards: Vec<Packed>,
}

impl PackedRows {
    /// Encodes rows and packs all of them.
    ///
    /// # Errors
    /// As [`EncodedRows::encode`].
    pub fn encode(model: &Model, rows: &[Row]) -> Result<Self, TokenizeError> {
        Ok(Self::packed(model, EncodedRows::encode(model, rows)?))
    }

    /// Every target token as a row of its own, which ends with it. Their gradients add up to those of the rows.
    pub fn per_token(&self, model: &Model) -> Self {
        let split = |row: &NamedRow| -> Vec<NamedRow> {
            let targets = row.encoded.trained.iter().enumerate().filter(|(_, trained)| **trained);
            let of_token = |(at, _): (usize, &bool)| NamedRow {
                position: at as i64,
                token: model.tokenizer.token(row.encoded.tokens[at]).unwrap_or_default(),
                encoded: Arc::new(Encoded {
                    tokens: row.encoded.tokens[..=at].to_vec(),
                    trained: (0..=at).map(|token| token == at).collect(),
                }),
                ..row.clone()
            };
            targets.map(of_token).collect()
        };
        Self::packed(model, EncodedRows(self.iter().flat_map(split).collect()))
    }

    /// The rows of a range, for a model that does these alone.
    pub(crate) fn part(&self, model: &Model, range: Range<usize>) -> Self {
        Self::packed(model, EncodedRows(self.rows.0[range].to_vec()))
    }

    fn packed(model: &Model, rows: EncodedRows) -> Self {
        let encoded: Vec<&Encoded> = rows.0.iter().map(|row| &*row.encoded).collect();
        Self { shards: pack(&model.decoder, &encoded), rows }
    }

    /// Some of the rows as the engine takes them.
    pub fn pack(&self, model: &Model, rows: &[usize]) -> Vec<Packed> {
        self.rows.pack(model, rows)
    }

    /// The rows, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, NamedRow> {
        self.rows.0.iter()
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
