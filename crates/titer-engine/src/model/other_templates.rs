//! A model's other chat templates.

use std::path::Path;

use titer_model::io::read_file;

use crate::hub;

/// Chat templates in a folder within the model's, which transformers reads too.
#[derive(Debug, Default)]
pub(crate) struct OtherTemplates {
    /// In place of the `chat_template.jinja`.
    pub(crate) default: Option<Vec<u8>>,
    /// For chats with tools.
    pub(crate) tool_use: Option<String>,
}

impl OtherTemplates {
    /// Where the one for tools is.
    pub(crate) const TOOL_USE: &str = hub::OTHER_TEMPLATES[1];

    /// Those of a model's folder.
    pub(crate) fn read(folder: &Path) -> std::io::Result<Self> {
        let read = |name: &str| {
            let path = folder.join(name);
            path.exists().then(|| read_file(&path)).transpose()
        };
        let text = |bytes| {
            let problem = |error| format!("{}: {error}", folder.join(Self::TOOL_USE).display());
            String::from_utf8(bytes).map_err(|error| std::io::Error::other(problem(error)))
        };
        Ok(Self { default: read(hub::OTHER_TEMPLATES[0])?, tool_use: read(Self::TOOL_USE)?.map(text).transpose()? })
    }
}
