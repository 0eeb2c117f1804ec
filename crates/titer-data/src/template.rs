//! Chat templates: Hugging Face's Jinja, and which part of the text the model wrote.
//!
//! Templates mark what the assistant says with `{% generation %} … {% endgeneration %}`, which minijinja does not
//! know. The markers are rewritten to a `{% call %}` block, as which Jinja itself implements them, whose function
//! puts a sentinel character before and after its body. Taken out of the text again, the sentinels are the spans.
//!
//! A template without markers is asked again for every assistant turn: what the chat up to it, with a generation prompt,
//! and the chat with it have between them is what the assistant wrote, closing token included, white space behind that
//! not. That holds only where both are prefixes of the whole, which is checked on every chat.

use std::{collections::BTreeMap, ops::Range};

use minijinja::{
    Environment, Error, ErrorKind, State, Value, context,
    syntax::SyntaxConfig,
    value::{Kwargs, Rest},
};

use crate::chat::{Message, Role};

/// Opens a span. Both sentinels are private-use characters of the last plane, where fonts put nothing either.
const OPEN: char = '\u{10FFF0}';
/// Closes a span.
const CLOSE: char = '\u{10FFF1}';
/// The function behind the rewritten markers.
const GENERATION: &str = "titer_generation";
/// The name of the only template of the environment; no extension, hence no escaping.
const NAME: &str = "chat";

/// The special tokens that templates may use, by variable name: `bos_token`, `eos_token`, …
pub type SpecialTokens = BTreeMap<String, String>;

/// A compiled chat template.
#[derive(Debug)]
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

/// Why there is no template, or no text.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// Nothing says which tokens are trained.
    #[error(
        "turn {turn} of this chat is rendered differently once more turns follow, so nothing says which tokens the \
         assistant wrote: put `{{% generation %}}` before and `{{% endgeneration %}}` behind what the chat template prints \
         of an assistant message, the closing token included, or keep one assistant turn a row"
    )]
    NotPrefixes {
        /// Which message, from 1.
        turn: usize,
    },
    /// The template is not Jinja.
    #[error("the chat template does not compile: {}", chain(.0))]
    Syntax(#[source] Error),
    /// The template fails on these messages, by its own `raise_exception` or otherwise.
    #[error("the chat template fails on this chat: {}", chain(.0))]
    Render(#[source] Error),
    /// The template does not take the chat's system prompt, and would take it in the user's turn.
    #[error(
        "this chat has a system prompt, which the chat template does not take ({0}): to put system prompts at the start of \
         the first user turn, say `system_in_user = true` under [model], or --system-in-user"
    )]
    System(Box<TemplateError>),
    /// A character that the renderer needs for itself.
    #[error("a message holds the character U+{:X}, which titer uses to mark spans: remove it from the data", u32::from(*.0))]
    Sentinel(char),
    /// A tokenizer_config.json without a template.
    #[error("tokenizer_config.json: {0}")]
    Config(String),
}

/// A minijinja error with its causes, on one line.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
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
            serde_json::from_str(json).map_err(|error| TemplateError::Config(error.to_string()))?;
        let named = |value: &serde_json::Value| {
            let all = value.as_array()?;
            let default = all.iter().find(|one| one["name"] == "default")?;
            default["template"].as_str().map(str::to_owned)
        };
        let inside =
            || config.get("chat_template").and_then(|value| value.as_str().map(str::to_owned).or(named(value)));
        let source = file.map(str::to_owned).or_else(inside).ok_or_else(|| {
            TemplateError::Config(
                "no string `chat_template`, and no chat_template.jinja beside it: add the template that the model was \
                 trained with"
                    .to_owned(),
            )
        })?;
        Self::new(&source, &special_tokens(&config))
    }

    /// The text of a chat and what the assistant wrote in it; with `add_generation_prompt`, the text ends where the
    /// assistant would begin to write.
    ///
    /// Fails when the template refuses the messages, or a message holds a sentinel character.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<Rendered, TemplateError> {
        for message in messages {
            if let Some(character) = message.content.chars().find(|&character| character >= OPEN && character <= CLOSE)
            {
                return Err(TemplateError::Sentinel(character));
            }
        }
        let folded = fold_system(messages);
        let taken = if self.system_in_user { &folded } else { messages };
        match self.spanned(taken, add_generation_prompt) {
            Err(error) if folded != taken && self.spanned(&folded, add_generation_prompt).is_ok() => {
                Err(TemplateError::System(Box::new(error)))
            }
            found => found,
        }
    }

    /// What the template itself puts into the system turn of a chat that has none, such as a default prompt or a date;
    /// `None` where it puts nothing.
    pub fn injected_system(&self) -> Option<String> {
        let turn = |role, content: &str| Message { role, content: content.to_owned() };
        let (system, user) = ("a system prompt of nobody", "a request of nobody");
        let without = self.text(&[turn(Role::User, user)], false).ok()?;
        let with = self.text(&[turn(Role::System, system), turn(Role::User, user)], false).ok()?;
        let (before, behind) = with.split_once(system)?;
        let (between, _) = behind.split_once(user)?;
        let (head, _) = without.split_once(user)?;
        // Only where the same turn is there without a prompt; what stands in the prompt's place was injected.
        let inside = head.strip_prefix(before)?.strip_suffix(between)?;
        Some(if inside.is_empty() { before } else { inside }.trim().to_owned())
    }

    /// The text of these messages as they are, and its spans.
    fn spanned(&self, messages: &[Message], add_generation_prompt: bool) -> Result<Rendered, TemplateError> {
        let rendered = take_sentinels(&self.marked_text(messages, add_generation_prompt)?);
        if self.marked {
            return Ok(rendered);
        }
        let assistant = messages.iter().enumerate().filter(|(_, message)| message.role == Role::Assistant);
        let spans = assistant.map(|(turn, _)| self.span(messages, turn, &rendered.text)).collect::<Result<_, _>>()?;
        Ok(Rendered { spans, ..rendered })
    }

    /// The text of a chat alone, spans not looked for.
    ///
    /// Fails when the template refuses the messages.
    pub fn text(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, TemplateError> {
        Ok(take_sentinels(&self.marked_text(messages, add_generation_prompt)?).text)
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

    /// What the assistant wrote in its turn, by the chat before it and the chat with it.
    fn span(&self, messages: &[Message], turn: usize, whole: &str) -> Result<Range<usize>, TemplateError> {
        let (before, with) = (self.text(&messages[..turn], true)?, self.text(&messages[..=turn], false)?);
        // What follows the last turn is free to differ: some templates end a finished chat otherwise.
        let with = with.trim_end();
        let proven = whole.starts_with(&before) && whole.starts_with(with) && before.len() <= with.len();
        if proven { Ok(before.len()..with.len()) } else { Err(TemplateError::NotPrefixes { turn: turn + 1 }) }
    }
}

/// The chat with its leading system prompt at the start of the first user turn.
fn fold_system(messages: &[Message]) -> Vec<Message> {
    match messages {
        [system, user, rest @ ..] if system.role == Role::System && user.role == Role::User => {
            let content = format!("{}\n\n{}", system.content, user.content);
            std::iter::once(Message { role: Role::User, content }).chain(rest.iter().cloned()).collect()
        }
        _ => messages.to_vec(),
    }
}

/// The special tokens of a parsed `tokenizer_config.json`: keys that end in `_token`, as strings or as objects with
/// a `content`.
pub fn special_tokens(config: &serde_json::Map<String, serde_json::Value>) -> SpecialTokens {
    config
        .iter()
        .filter(|(key, _)| key.ends_with("_token"))
        .filter_map(|(key, value)| {
            let token = value.as_str().or_else(|| value.get("content")?.as_str())?;
            Some((key.clone(), token.to_owned()))
        })
        .collect()
}

/// The function that the rewritten markers call: its body between sentinels.
fn mark(state: &mut State<'_, '_>, _positional: Rest<Value>, named: Kwargs) -> Result<Value, Error> {
    let body = named.get::<Value>("caller")?.call(state, &[])?;
    Ok(Value::from_safe_string(format!("{OPEN}{body}{CLOSE}")))
}

/// The template with its generation markers as call blocks, whitespace control kept; nothing when it has none.
fn rewrite(source: &str) -> Option<String> {
    let mut rewritten = String::with_capacity(source.len() + 64);
    let (mut rest, mut marked) = (source, false);
    while let Some(start) = rest.find("{%") {
        let Some(length) = rest[start..].find("%}") else { break };
        let inner = &rest[start + 2..start + length];
        let controls = |control: char| matches!(control, '-' | '+');
        let opening = inner.len() - inner.trim_start_matches(controls).len();
        let closing = inner.trim_end_matches(controls).len().max(opening);
        let block = match inner[opening..closing].trim() {
            "generation" => Some(format!(" call {GENERATION}() ")),
            "endgeneration" => Some(" endcall ".to_owned()),
            _ => None,
        };
        rewritten.push_str(&rest[..start + 2]);
        match block {
            Some(block) => {
                marked = true;
                rewritten.push_str(&inner[..opening]);
                rewritten.push_str(&block);
                rewritten.push_str(&inner[closing..]);
                rewritten.push_str("%}");
                rest = &rest[start + length + 2..];
            }
            None => rest = &rest[start + 2..],
        }
    }
    rewritten.push_str(rest);
    marked.then_some(rewritten)
}

/// The text without its sentinels, and where they were.
fn take_sentinels(marked: &str) -> Rendered {
    let mut text = String::with_capacity(marked.len());
    let mut spans: Vec<Range<usize>> = Vec::new();
    let mut rest = marked;
    while let Some(at) = rest.find([OPEN, CLOSE]) {
        text.push_str(&rest[..at]);
        if rest[at..].starts_with(OPEN) {
            spans.push(text.len()..text.len());
        } else if let Some(span) = spans.last_mut() {
            span.end = text.len();
        }
        rest = &rest[at + OPEN.len_utf8()..];
    }
    text.push_str(rest);
    Rendered { text, spans }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(!rendered.text.contains([OPEN, CLOSE]));
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

    #[test]
    fn a_template_whose_turns_are_no_prefixes_says_what_to_do() {
        // As templates do that drop the thoughts of earlier turns.
        let source = "{% for m in messages %}[{{ m.content if loop.last else m.content[:1] }}]{% endfor %}";
        let template = ChatTemplate::new(source, &SpecialTokens::new()).unwrap();
        let chat = [message(Role::User, "u"), message(Role::Assistant, "long"), message(Role::User, "v")];
        let error = template.render(&chat, false).unwrap_err();
        assert!(error.to_string().contains("put `{% generation %}` before"), "{error}");
        assert_eq!(template.render(&chat[..2], false).unwrap().spans.first(), Some(&(3..9)));
    }

    #[test]
    fn a_system_prompt_can_go_into_the_user_turn() {
        let source = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system turns') }}{% endif %}\
            <{{ m.role }}>{{ m.content }}{% endfor %}";
        let template = ChatTemplate::new(source, &SpecialTokens::new()).unwrap();
        let chat = [message(Role::System, "be kind"), message(Role::User, "hi")];
        let error = template.render(&chat, false).unwrap_err().to_string();
        assert!(error.contains("no system turns") && error.contains("--system-in-user"), "{error}");
        assert_eq!(template.injected_system(), None);
        assert_eq!(template.with_system_in_user().render(&chat, false).unwrap().text, "<user>be kind\n\nhi");
    }

    #[test]
    fn a_default_system_prompt_is_found() {
        let source = "{% if messages[0].role != 'system' %}<system>You are nobody.;{% endif %}\
            {% for m in messages %}<{{ m.role }}>{{ m.content }};{% endfor %}";
        let injected = |source: &str| ChatTemplate::new(source, &SpecialTokens::new()).unwrap().injected_system();
        assert_eq!(injected(source).as_deref(), Some("You are nobody."));
        assert_eq!(injected(&source.replace("You are nobody.", "")).as_deref(), Some("<system>"));
        assert_eq!(template().injected_system(), None);
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
    fn special_tokens_are_read_as_strings_and_as_objects() {
        let config = r#"{"bos_token": null, "eos_token": {"content": "</s>"}, "pad_token": "<pad>",
            "chat_template": "{% generation %}x{% endgeneration %}{{ eos_token }}{{ pad_token }}{{ tools is none }}"}"#;
        let rendered = ChatTemplate::from_tokenizer_config(config, None).unwrap().render(&[], false).unwrap();
        assert_eq!(rendered.text, "x</s><pad>True");
        assert_eq!(rendered.spans.first(), Some(&(0..1)));
        assert!(ChatTemplate::from_tokenizer_config("{}", None).is_err());
        let text =
            |config, file| ChatTemplate::from_tokenizer_config(config, file).unwrap().render(&[], false).unwrap().text;
        assert_eq!(text("{}", Some("a file's")), "a file's");
        let named =
            r#"{"chat_template": [{"name": "tool_use", "template": "no"}, {"name": "default", "template": "yes"}]}"#;
        assert_eq!(text(named, None), "yes");
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
    fn only_markers_are_rewritten() {
        assert_eq!(rewrite("a {% if generation %} b"), None);
        assert_eq!(rewrite("{%- generation -%}").unwrap(), format!("{{%- call {GENERATION}() -%}}"));
    }
}
