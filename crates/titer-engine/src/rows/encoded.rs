//! Rows as a model's tokens.

use titer_data::{
    chat::Row,
    tokenize::{Encoded, TokenizeError, encode_row},
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
    /// Some begin with a token that is the header's too.
    #[error(
        "{count} of {all} rows have a token that lies half in the chat template's header and half in the reply, such as {token:?} \
         in `{id}`; they are: {names}; say `skip_split_tokens = true` under [model], or --skip-split-tokens, to train and score \
         from the next token on; or leave these rows out"
    )]
    Split {
        /// How many.
        count: usize,
        /// Of how many.
        all: usize,
        /// The first of them.
        id: String,
        /// The text of its token.
        token: String,
        /// The names of the first of them.
        names: String,
    },
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

impl EncodedRows {
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
        let encoded: Vec<Result<NamedRow, RowsError>> = rows.iter().map(named).collect();
        split(&encoded).map_or(Ok(()), Err)?;
        Ok(Self(encoded.into_iter().collect::<Result<_, _>>()?))
    }

    /// Some of the rows as the engine takes them.
    pub fn pack(&self, model: &Model, rows: &[usize]) -> Vec<Packed> {
        let encoded: Vec<&Encoded> = rows.iter().map(|&at| &self.0[at].encoded).collect();
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
fn split(encoded: &[Result<NamedRow, RowsError>]) -> Option<RowsError> {
    let split = encoded.iter().filter_map(|row| match row {
        Err(RowsError::Tokenize(TokenizeError::Split { id, token })) => Some((id, token)),
        _ => None,
    });
    let split: Vec<(&String, &String)> = split.collect();
    let (id, token) = split.first()?;
    let mut names = split.iter().take(NAMED).map(|(id, _)| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    if split.len() > NAMED {
        names.push_str(&format!(" and {} more", split.len() - NAMED));
    }
    let (id, token) = ((*id).clone(), (*token).clone());
    Some(RowsError::Split { count: split.len(), all: encoded.len(), id, token, names })
}
