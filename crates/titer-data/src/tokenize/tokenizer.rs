//! The tokenizer of a model: text to token ids and back.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::TokenizeError;
use crate::caught::caught;

/// A tokenizer that adds nothing of its own: templates write the special tokens. A clone shares it.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: Arc<tokenizers::Tokenizer>,
    /// The file that it came from, for errors.
    path: Arc<Path>,
    /// What the model can take, where there is one.
    limits: Option<TextLimits>,
}

/// What a model can take.
#[derive(Clone, Copy, Debug)]
pub struct TextLimits {
    /// Rows of its embedding table.
    pub rows: usize,
    /// The most tokens of a chat.
    pub positions: usize,
}

impl Tokenizer {
    /// The tokenizer in the text of a `tokenizer.json`.
    pub fn from_json(json: &str) -> Result<Self, TokenizeError> {
        Self::from_bytes(json.as_bytes(), Path::new("tokenizer.json"))
    }

    /// The tokenizer in a `tokenizer.json` file.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, TokenizeError> {
        let path = path.as_ref();
        let bytes = fs_err::read(path).map_err(|error| load_error(path, &error.to_string()))?;
        Self::from_bytes(&bytes, path)
    }

    /// The tokenizer in the bytes of a `tokenizer.json`; `path` is for messages.
    ///
    /// Fails where the bytes are no tokenizer.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, TokenizeError> {
        let fail = |reason: String| load_error(path, &reason);
        let mut inner = caught("tokenizers", || tokenizers::Tokenizer::from_bytes(bytes)).map_err(fail)?;
        // A file may ask for either, and both would silently change rows.
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| fail(error.to_string()))?;
        Ok(Self { inner: Arc::new(inner), path: path.into(), limits: None })
    }

    /// The same for a model: text that it cannot take cannot be encoded.
    pub fn within(self, limits: TextLimits) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// The file that it came from.
    pub fn path(&self) -> PathBuf {
        self.path.to_path_buf()
    }

    /// How many tokens there are, added ones included.
    pub fn vocabulary_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// Every token with its id, added ones included, by id.
    pub fn tokens(&self) -> Vec<(u32, String)> {
        let mut tokens: Vec<(u32, String)> =
            self.inner.get_vocab(true).into_iter().map(|(token, id)| (id, token)).collect();
        tokens.sort_unstable();
        tokens
    }

    /// The id of a token.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The id of a token that is found in text before all else, and whether it takes blanks before and behind it, and is found as a
    /// word of its own alone; `None` where it is no such token.
    pub fn added(&self, token: &str) -> Option<(u32, [bool; 3])> {
        let added = self.inner.get_added_vocabulary().get_added_tokens_decoder();
        let (id, token) = added.iter().find(|(_, added)| added.content == token)?;
        Some((*id, [token.lstrip, token.rstrip, token.single_word]))
    }

    /// The token of an id.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The text of tokens, special ones included.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, TokenizeError> {
        let fail = |reason| TokenizeError::Encode { id: "decoding".to_owned(), path: self.path(), reason };
        caught("tokenizers", || self.inner.decode(tokens, false)).map_err(fail)
    }

    /// The tokens of a text; errors name it as `id`.
    pub fn ids(&self, text: &str, id: &str) -> Result<Vec<u32>, TokenizeError> {
        Ok(self.encode(text, id)?.get_ids().to_vec())
    }

    /// The tokens of a text, and the bytes that each stands for.
    pub(super) fn encode(&self, text: &str, id: &str) -> Result<tokenizers::Encoding, TokenizeError> {
        let fail = |reason| TokenizeError::Encode { id: id.to_owned(), path: self.path(), reason };
        let unknown = |word: String| TokenizeError::UnknownWord {
            id: id.to_owned(),
            path: self.path(),
            word,
            words: self.vocabulary_size(),
        };
        let encoding = caught("tokenizers", || self.inner.encode(text, false))
            .map_err(|reason| self.missing_word(text).map_or_else(|| fail(reason), unknown))?;
        if let Some(word) = self.unknown_word(text, &encoding) {
            return Err(unknown(word));
        }
        let Some(TextLimits { rows, positions }) = self.limits else { return Ok(encoding) };
        if let Some(&number) = encoding.get_ids().iter().find(|&&token| token as usize >= rows) {
            let token = self.token(number).unwrap_or_default();
            return Err(TokenizeError::BeyondTable { id: id.to_owned(), path: self.path(), token, number, rows });
        }
        match encoding.len() {
            tokens if tokens > positions => Err(TokenizeError::TooLong { id: id.to_owned(), tokens, positions }),
            _ => Ok(encoding),
        }
    }

    /// The first word, between spaces, that a vocabulary of whole words does not have.
    fn missing_word(&self, text: &str) -> Option<String> {
        matches!(self.inner.get_model(), tokenizers::ModelWrapper::WordLevel(_)).then_some(())?;
        text.split_whitespace().find(|word| self.id(word).is_none()).map(str::to_owned)
    }

    /// The first word that a vocabulary of whole words does not have, and reads as another one. Where it has a special token for such
    /// words, the model knows them by that.
    fn unknown_word(&self, text: &str, encoding: &tokenizers::Encoding) -> Option<String> {
        let tokenizers::ModelWrapper::WordLevel(words) = self.inner.get_model() else { return None };
        if self.inner.get_added_vocabulary().is_special_token(&words.unk_token) {
            return None;
        }
        let unknown = self.id(&words.unk_token)?;
        let mut read = encoding.get_ids().iter().zip(encoding.get_offsets());
        read.find_map(|(id, (start, end))| {
            let word = text.get(*start..*end)?;
            (*id == unknown && word != words.unk_token).then(|| word.to_owned())
        })
    }
}

fn load_error(path: &Path, reason: &str) -> TokenizeError {
    TokenizeError::Load { place: path.display().to_string(), reason: reason.to_owned() }
}
