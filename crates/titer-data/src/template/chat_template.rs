//! Chat templates: Hugging Face's Jinja, compiled as transformers does, and chats rendered with it.

use std::ops::Range;

use minijinja::{Environment, Error, ErrorKind, Value, context, syntax::SyntaxConfig};

use super::{
    SpecialTokens, TemplateError,
    dropped_prompt::dropped_prompt,
    loss_mask_by_markers::{GENERATION, mark, rewrite, take_sentinels, without_sentinels},
    loss_mask_by_prefixes::spans_by_prefixes,
    special_tokens,
    system_turn::{folded, injected},
};
use crate::chat::Message;

/// The name of the only template of the environment; no extension, hence no escaping.
const NAME: &str = "chat";

/// A compiled chat template.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    /// Whether it marks what the assistant writes.
    marked: bool,
    /// Whether a system prompt is put at the start of the first user turn.
    system_in_user: bool,
}

/// A rendered chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The text that is tokenised, special tokens included.
    pub text: String,
    /// What the assistant wrote, one byte range of the text per assistant turn, in order.
    pub spans: Vec<Range<usize>>,
}

impl ChatTemplate {
    /// Compiles a chat template, with Hugging Face's settings.
    ///
    /// Fails when it is not Jinja.
    pub fn new(source: &str, special_tokens: &SpecialTokens) -> Result<Self, TemplateError> {
        let rewritten = rewrite(source);
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(TemplateError::Syntax)?);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        // `strftime_now` stays undefined: templates then fall back to a fixed date, and runs stay repeatable.
        environment.add_function(GENERATION, mark);
        for (name, token) in special_tokens {
            environment.add_global(name.clone(), token.clone());
        }
        let marked = rewritten.is_some();
        let source = rewritten.unwrap_or_else(|| source.to_owned());
        environment.add_template_owned(NAME, source).map_err(TemplateError::Syntax)?;
        Ok(Self { environment, marked, system_in_user: false })
    }

    /// The same, with a system prompt put at the start of the first user turn, a blank line between: for templates that
    /// refuse a system turn.
    pub fn with_system_in_user(self) -> Self {
        Self { system_in_user: true, ..self }
    }

    /// Compiles the template in the text of a `tokenizer_config.json`, with the special tokens given there: the one in
    /// `file`, the text of a `chat_template.jinja`, if there is one, else `chat_template`, or the one called `default`
    /// where that is a list.
    ///
    /// Fails when there is none, or it is not Jinja.
    pub fn from_tokenizer_config(json: &str, file: Option<&str>) -> Result<Self, TemplateError> {
        let config: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(json).map_err(TemplateError::Config)?;
        let named = |value: &serde_json::Value| {
            let all = value.as_array()?;
            let default = all.iter().find(|template| template["name"] == "default")?;
            default["template"].as_str().map(str::to_owned)
        };
        let inside =
            || config.get("chat_template").and_then(|value| value.as_str().map(str::to_owned).or(named(value)));
        let source = file.map(str::to_owned).or_else(inside).ok_or(TemplateError::NoTemplate)?;
        Self::new(&source, &special_tokens(&config))
    }

    /// The text of a chat and what the assistant wrote in it; with `add_generation_prompt`, the text ends where the
    /// assistant would begin to write.
    ///
    /// Fails when the template refuses the messages or leaves a system prompt out, or a message holds a sentinel character.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<Rendered, TemplateError> {
        without_sentinels(messages)?;
        let folded = folded(messages);
        let taken = if self.system_in_user { &folded } else { messages };
        match self.spanned(taken, add_generation_prompt) {
            Err(error) if folded != taken && self.spanned(&folded, add_generation_prompt).is_ok() => {
                Err(TemplateError::System(Box::new(error)))
            }
            Err(error) => Err(error),
            Ok(rendered) => self.with_prompts(rendered, messages, taken, add_generation_prompt),
        }
    }

    /// A chat that was rendered as `taken`, where every system prompt of `messages` is in it.
    fn with_prompts(
        &self,
        rendered: Rendered,
        messages: &[Message],
        taken: &[Message],
        add_generation_prompt: bool,
    ) -> Result<Rendered, TemplateError> {
        let text = |marked: &[Message]| {
            let folded = folded(marked);
            self.text(if self.system_in_user { &folded } else { marked }, add_generation_prompt).ok()
        };
        match dropped_prompt(messages, &rendered.text, text) {
            None => Ok(rendered),
            Some(at) if at == 0 && folded(messages) != taken => Err(TemplateError::DroppedPrompt {
                turn: 1,
                remedy: "to put system prompts at the start of the first user turn, say `system_in_user = true` under [model], or \
                         --system-in-user",
            }),
            Some(at) => Err(TemplateError::DroppedPrompt {
                turn: at + 1,
                remedy: "move it to the start of the chat or into a user turn",
            }),
        }
    }

    /// What the template itself puts into the system turn of a chat that has none, such as a default prompt or a date;
    /// `None` where it puts nothing.
    pub fn injected_system(&self) -> Option<String> {
        injected(|messages| self.text(messages, false).ok())
    }

    /// The text of these messages as they are, and its spans.
    fn spanned(&self, messages: &[Message], add_generation_prompt: bool) -> Result<Rendered, TemplateError> {
        let (text, marked) = take_sentinels(&self.marked_text(messages, add_generation_prompt)?);
        let spans = if self.marked {
            marked
        } else {
            spans_by_prefixes(messages, &text, |messages, prompt| self.text(messages, prompt))?
        };
        Ok(Rendered { text, spans })
    }

    /// The text of a chat alone, spans not looked for.
    ///
    /// Fails when the template refuses the messages.
    pub fn text(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, TemplateError> {
        Ok(take_sentinels(&self.marked_text(messages, add_generation_prompt)?).0)
    }

    /// The text with the sentinels still in it.
    fn marked_text(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, TemplateError> {
        let turns: Vec<Value> = messages
            .iter()
            .map(|message| context! { role => message.role.word(), content => message.content.as_str() })
            .collect();
        let template = self.environment.get_template(NAME).map_err(TemplateError::Syntax)?;
        // As transformers does: `tools` and `documents` are defined, and are nothing.
        template
            .render(context! { messages => turns, add_generation_prompt, tools => (), documents => () })
            .map_err(TemplateError::Render)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Role;

    const CHATML: &str = "{{ bos_token }}{% for message in messages %}
    {% if message['role'] == 'assistant' %}
{{- '<|im_start|>assistant\n' }}
        {%- generation -%}
        {{ message['content'].strip() + '<|im_end|>' }}
        {%- endgeneration %}{{ '\n' }}
    {%- else %}
{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

    fn template() -> ChatTemplate {
        ChatTemplate::new(CHATML, &SpecialTokens::from([("bos_token".to_owned(), "<s>".to_owned())])).unwrap()
    }

    fn message(role: Role, content: &str) -> Message {
        Message { role, content: content.to_owned() }
    }

    #[test]
    fn spans_are_exactly_what_the_assistant_wrote() {
        let chat = [
            message(Role::User, "Hé"),
            message(Role::Assistant, " Ünd ✓ "),
            message(Role::User, "more"),
            message(Role::Assistant, "no"),
        ];
        let rendered = template().render(&chat, false).unwrap();
        assert!(!rendered.text.contains(['\u{10FFF0}', '\u{10FFF1}']));
        let spans: Vec<&str> = rendered.spans.iter().map(|span| &rendered.text[span.clone()]).collect();
        assert_eq!(spans, ["Ünd ✓<|im_end|>", "no<|im_end|>"]);
        assert!(rendered.text.starts_with("<s><|im_start|>user\nHé<|im_end|>"), "{}", rendered.text);
    }

    #[test]
    fn a_context_is_a_prefix_of_its_row() {
        let chat = [message(Role::System, "s"), message(Role::User, "u"), message(Role::Assistant, "a")];
        let context = template().render(&chat[..2], true).unwrap();
        let full = template().render(&chat, false).unwrap();
        assert_eq!(full.text[..full.spans[0].start], context.text);
        assert!(context.spans.is_empty());
    }

    #[test]
    fn the_templates_own_refusal_is_passed_on() {
        let source = "{% generation %}{% endgeneration %}{{ raise_exception('roles must alternate') }}";
        let error = ChatTemplate::new(source, &SpecialTokens::new()).unwrap().render(&[], false).unwrap_err();
        assert!(error.to_string().contains("roles must alternate"), "{error}");
        let error = ChatTemplate::new("{% generation %}{% if %}", &SpecialTokens::new()).unwrap_err();
        assert!(error.to_string().contains("does not compile"), "{error}");
    }

    #[test]
    fn a_sentinel_in_the_data_is_an_error() {
        let error = template().render(&[message(Role::User, "\u{10FFF1}")], false).unwrap_err();
        assert!(error.to_string().contains("U+10FFF1"), "{error}");
    }

    #[test]
    fn a_marked_block_sees_the_loop_and_the_message() {
        let source = "{% for m in messages %}{% set x = m.content %}{% generation %}{{ loop.index }}{{ x }}{{ m.content }}\
            {% endgeneration %};{% endfor %}";
        let chat = [message(Role::Assistant, "a"), message(Role::Assistant, "b")];
        let rendered = ChatTemplate::new(source, &SpecialTokens::new()).unwrap().render(&chat, false).unwrap();
        assert_eq!((rendered.text.as_str(), rendered.spans), ("1aa;2bb;", vec![0..3, 4..7]));
    }

    #[test]
    fn without_markers_the_prefixes_say_what_the_assistant_wrote() {
        let bare = ChatTemplate::new(
            &CHATML.replace("{%- generation -%}", "{#- -#}").replace("{%- endgeneration %}", "{#- #}"),
            &SpecialTokens::from([("bos_token".to_owned(), "<s>".to_owned())]),
        );
        let bare = bare.unwrap();
        let chat = [Role::System, Role::User, Role::Assistant, Role::User, Role::Assistant];
        let chat: Vec<Message> = chat.iter().enumerate().map(|(at, &role)| message(role, &format!("t {at}"))).collect();
        assert!(!bare.marked);
        assert_eq!(bare.render(&chat, false).unwrap(), template().render(&chat, false).unwrap());
        assert_eq!(bare.render(&chat[..4], true).unwrap(), template().render(&chat[..4], true).unwrap());
    }
}
