//! Rows as a model's tokens.

use std::sync::Arc;

use titer_data::{
    cell::Cell,
    chat::Row,
    tokenize::{Encoded, TokenizeError},
};
use titer_model::packed::Packed;

use super::pack;
use crate::model::Model;

/// Encoded rows with their names, to be packed as they are wanted.
#[derive(Debug)]
pub struct EncodedRows(pub(super) Vec<NamedRow>);

/// One of them.
#[derive(Clone, Debug)]
pub struct NamedRow {
    /// The cell, where it is known.
    pub cell: Option<Cell>,
    /// The row's name.
    pub id: String,
    /// Which token of the row is the target; −1 for all of them.
    pub position: i64,
    /// The text of that token; empty for all of them.
    pub token: String,
    /// Its tokens.
    pub encoded: Arc<Encoded>,
}

impl NamedRow {
    /// How many of its tokens carry loss.
    pub fn targets(&self) -> usize {
        self.encoded.trained.iter().filter(|&&trained| trained).count()
    }
}

impl EncodedRows {
    /// Encodes rows.
    ///
    /// # Errors
    /// Where a row cannot be encoded, has nothing to train on, or is too long for the model.
    pub fn encode(model: &Model, rows: &[Row]) -> Result<Self, TokenizeError> {
        let named = |row: &Row| {
            let encoded = model.encoded_row(row)?;
            Ok(NamedRow { cell: row.cell, id: row.id.clone(), position: -1, token: String::new(), encoded })
        };
        let encoded: Vec<Result<NamedRow, TokenizeError>> = rows.iter().map(named).collect();
        split(&encoded).map_or(Ok(()), Err)?;
        Ok(Self(encoded.into_iter().collect::<Result<_, _>>()?))
    }

    /// Some of the rows as the engine takes them.
    pub fn pack(&self, model: &Model, rows: &[usize]) -> Vec<Packed> {
        let encoded: Vec<&Encoded> = rows.iter().map(|&at| &*self.0[at].encoded).collect();
        pack(&model.decoder, &encoded)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Names of rows in an error at most.
const NAMED: usize = 20;

/// All rows that are split between header and reply, in one error.
fn split(encoded: &[Result<NamedRow, TokenizeError>]) -> Option<TokenizeError> {
    let split = encoded.iter().filter_map(|row| match row {
        Err(TokenizeError::Split { id, token }) => Some((id, token)),
        _ => None,
    });
    let split: Vec<(&String, &String)> = split.collect();
    let token = split.first()?.1.clone();
    let mut names = split.iter().take(NAMED).map(|(id, _)| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    if split.len() > NAMED {
        names.push_str(&format!(" and {} more", split.len() - NAMED));
    }
    Some(TokenizeError::SplitRows { count: split.len(), all: encoded.len(), token, names })
}
