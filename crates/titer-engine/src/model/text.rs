//! Files of a model that are text.

use std::path::Path;

use super::ModelError;

/// The text of a file's bytes; `path` is for messages.
///
/// # Errors
/// Where they are not UTF-8.
pub(crate) fn utf8<'a>(bytes: &'a [u8], path: &Path) -> Result<&'a str, ModelError> {
    std::str::from_utf8(bytes)
        .map_err(|error| ModelError::Encoding { path: path.to_owned(), byte: error.valid_up_to() + 1 })
}
