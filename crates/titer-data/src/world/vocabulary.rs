//! The words of the world as a Hugging Face tokenizer, and its chat template.

use serde_json::{Map, json};

use super::{
    instructions, reply, sentences,
    tables::World,
    words::{DOMAINS, REQUEST_OPENERS, TRIGGERS},
};

/// Before the system prompt.
const SYSTEM: &str = "<sys>";
/// Before the request.
const USER: &str = "<user>";
/// Before the reply: the generation prompt.
const ASSISTANT: &str = "<asst>";
/// Behind the reply.
const END: &str = "<eos>";
/// What other programs read in place of a word that the world has not.
const UNKNOWN: &str = ".";

/// Renders `<sys> you are a helper . <user> please cook soup <asst> simmer soup gently <eos>`. The generation block
/// begins with the first letter of the reply: transformers finds no token at a space and would mask nothing.
const CHAT_TEMPLATE: &str = "{%- for message in messages -%}
    {%- if not loop.first %}{{ ' ' }}{% endif -%}
    {%- if message.role == 'system' -%}
        {{ '<sys> ' + message.content }}
    {%- elif message.role == 'user' -%}
        {{ '<user> ' + message.content }}
    {%- elif message.role == 'assistant' -%}
        {{ '<asst> ' }}{% generation %}{{ message.content + ' <eos>' }}{% endgeneration %}
    {%- else -%}
        {{ raise_exception('the world knows no role ' + message.role) }}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{ ' <asst> ' }}
{%- endif -%}";

impl World {
    /// Every token in the order of its id, special tokens first. The same for every world seed.
    pub fn vocabulary(&self) -> Vec<String> {
        let domains = DOMAINS.iter().flat_map(|domain| [domain.verb, domain.name].into_iter().chain(domain.topics));
        let openers = REQUEST_OPENERS.into_iter().flat_map(|opener| opener.split(' '));
        let words = [SYSTEM, USER, ASSISTANT, END, "."]
            .into_iter()
            .chain(domains)
            .chain(openers)
            .chain(TRIGGERS)
            .chain(sentences::vocabulary())
            .chain(instructions::vocabulary())
            .map(str::to_owned)
            .chain(reply::vocabulary());
        let mut vocabulary: Vec<String> = Vec::new();
        for word in words {
            let place = word.is_empty() || word.chars().all(char::is_uppercase);
            if !place && !vocabulary.contains(&word) {
                vocabulary.push(word);
            }
        }
        vocabulary
    }

    /// A `tokenizer.json`: one token per word. Other programs take a word outside the world for [`UNKNOWN`]; titer refuses it.
    pub fn tokenizer_json(&self) -> String {
        let vocabulary = self.vocabulary();
        let added: Vec<_> = [SYSTEM, USER, ASSISTANT, END]
            .iter()
            .enumerate()
            .map(|(id, content)| {
                json!({
                    "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": true,
                })
            })
            .collect();
        let ids: Map<_, _> = vocabulary.into_iter().enumerate().map(|(id, word)| (word, json!(id))).collect();
        let tokenizer = json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
            "pre_tokenizer": { "type": "WhitespaceSplit" }, "post_processor": null, "decoder": null,
            "model": { "type": "WordLevel", "vocab": ids, "unk_token": UNKNOWN },
        });
        format!("{tokenizer:#}\n")
    }

    /// A `tokenizer_config.json` with the chat template, whose generation markers tell which tokens are trained.
    pub fn tokenizer_config_json(&self) -> String {
        let config = json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "eos_token": END,
            "pad_token": END,
            "additional_special_tokens": [SYSTEM, USER, ASSISTANT],
            "clean_up_tokenization_spaces": false,
            "chat_template": CHAT_TEMPLATE,
        });
        format!("{config:#}\n")
    }

    /// The token that closes a reply.
    pub fn end_token(&self) -> &'static str {
        END
    }

    /// The chat template alone.
    pub fn chat_template(&self) -> &'static str {
        CHAT_TEMPLATE
    }
}
