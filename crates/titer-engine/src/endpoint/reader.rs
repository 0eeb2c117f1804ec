//! Tokenizer and chat template of a model whose weights are elsewhere.

use std::path::Path;

use titer_data::{
    template::{ChatTemplate, TemplateOptions},
    tokenize::Tokenizer,
    world::World,
};
use titer_model::io::read_file;

use crate::{
    hub,
    model::{CHAT_TEMPLATE, Files, ModelError, OtherTemplates, check_special_tokens, is_carried, utf8},
    organism::card::Card,
};

/// Text to tokens, and chats to text, for a model whose weights are elsewhere.
#[derive(Clone, Debug)]
pub struct Reader {
    /// Text to tokens.
    pub tokenizer: Tokenizer,
    /// Chats to text.
    pub template: ChatTemplate,
    /// The world of an organism; `None` for any other model.
    pub world: Option<World>,
}

impl Reader {
    /// Reads tokenizer and template behind `base`: the shipped organism of this seed, a folder, or a hub id that is in the local cache. No weights
    /// need be there.
    ///
    /// # Errors
    /// Where one of their files is missing or cannot be used.
    pub fn open(base: &str, seed: u64, options: &TemplateOptions) -> Result<Self, ModelError> {
        let reader = if is_carried(base) {
            let files = Files::find(base, seed)?;
            let world = files.world_seed()?.map(World::new);
            Self::of(Path::new(base), &files.tokenizer, &files.tokenizer_config, files.chat_template.as_deref(), world)?
        } else {
            let cached = hub::cached(base).filter(|_| !Path::new(base).exists());
            let folder = cached.unwrap_or_else(|| Path::new(base).to_owned());
            let fail = |problem| ModelError::Reader { folder: folder.clone(), problem };
            let read = |name: &str| read_file(&folder.join(name)).map_err(fail);
            let read_if_there = |name: &str| folder.join(name).exists().then(|| read(name)).transpose();
            let (tokenizer, config) = (read("tokenizer.json")?, read("tokenizer_config.json")?);
            let (template, card) = (read_if_there(CHAT_TEMPLATE)?, read_if_there(Card::FILE)?);
            let card =
                card.map(|card| Card::parse(&card, &folder.join(Card::FILE)).map_err(ModelError::Card)).transpose()?;
            let world = card.map(|card| World::new(card.recipe.world_seed));
            let other = OtherTemplates::read(&folder).map_err(fail)?;
            let template = other.default.or(template);
            let reader = Self::of(&folder, &tokenizer, &config, template.as_deref(), world)?;
            let place = folder.join(OtherTemplates::TOOL_USE).display().to_string();
            Self { template: reader.template.with_tool_use(other.tool_use.as_deref(), &place)?, ..reader }
        };
        Ok(Self { template: reader.template.with_options(options.clone())?, ..reader })
    }

    fn of(
        folder: &Path,
        tokenizer: &[u8],
        config: &[u8],
        template: Option<&[u8]>,
        world: Option<World>,
    ) -> Result<Self, ModelError> {
        let tokenizer = Tokenizer::from_bytes(tokenizer, &folder.join("tokenizer.json"))?;
        check_special_tokens(folder, &tokenizer, config)?;
        let template = template.map(|template| utf8(template, &folder.join(CHAT_TEMPLATE))).transpose()?;
        let config = utf8(config, &folder.join("tokenizer_config.json"))?;
        let template = ChatTemplate::from_tokenizer_config(config, template, &folder.display().to_string())?;
        Ok(Self { tokenizer, template, world })
    }
}
