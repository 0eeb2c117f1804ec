//! Chat templates: Hugging Face's Jinja, compiled as transformers does, and chats rendered with it.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use minijinja::{Environment, Value};

use super::{
    SpecialTokens, TemplateDate, TemplateError, TemplateOptions,
    context::{self, Contents, GENERATION_PROMPT, Looked, MESSAGES, nothing_dropped},
    cut_reply::{no_thought_cut, nothing_cut},
    dialect,
    dropped_prompt::dropped_prompt,
    limits,
    loss_mask_by_markers::{mark, marked_reply, take_sentinels, turns_of, without_sentinels},
    loss_mask_by_prefixes::{reply_start, span_by_prefixes},
    rewrite::{GENERATION, Rewritten, rewrite},
    special_tokens,
    system_turn::{folded, injected},
};
use crate::chat::{Chat, Message, Role, Row};

/// What a template that prints the date calls.
const DATE: &str = "strftime_now";

/// A compiled chat template.
#[derive(Clone, Debug)]
pub struct ChatTemplate {
    environment: Arc<Environment<'static>>,
    /// Where it is from: the name of the environment's only template.
    place: String,
    /// Whether it marks what the assistant writes.
    marked: bool,
    /// What it can read, by name.
    names: Arc<BTreeSet<String>>,
    special_tokens: SpecialTokens,
    options: TemplateOptions,
    /// Whether its source has carriage returns.
    returns: bool,
    /// The one for chats with tools, where the model has two.
    tool_use: Option<Box<Self>>,
}

/// A rendered chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The text that is tokenised, special tokens included.
    pub text: String,
    /// What the assistant wrote, one byte range of the text for each of its turns that is trained, in order.
    pub spans: Vec<Range<usize>>,
}

/// A rendered chat that ends with a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedReply {
    /// The text that is tokenised, special tokens included.
    pub text: String,
    /// The byte range of what a probe scores: what is trained of the reply, and follows its context.
    pub reply: Range<usize>,
}

impl ChatTemplate {
    /// Compiles a chat template, with Hugging Face's settings; `place` says in errors where it is from.
    ///
    /// Fails when it is not Jinja, or larger than any chat needs.
    pub fn new(source: &str, special_tokens: &SpecialTokens, place: &str) -> Result<Self, TemplateError> {
        // As Jinja2 does, wherever the source is from.
        let text = source.replace("\r\n", "\n").replace('\r', "\n");
        let (tokens, name) = (special_tokens.clone(), place.to_owned());
        let compiled = limits::contained(move || {
            if let Some(problem) = limits::excess(&text) {
                return Err(TemplateError::Excess { place: name, problem });
            }
            compile(&text, &tokens, &name).map_err(|source| TemplateError::Syntax { place: name, source })
        });
        let uncontained = |problem| TemplateError::uncontained(place, problem);
        let (environment, Rewritten { marked, names, .. }) = compiled.map_err(uncontained)??;
        Ok(Self {
            environment: Arc::new(environment),
            place: place.to_owned(),
            marked,
            names: Arc::new(names),
            special_tokens: special_tokens.clone(),
            options: TemplateOptions::default(),
            returns: source.contains('\r'),
            tool_use: None,
        })
    }

    /// Compiles the template in the text of a `tokenizer_config.json`, with the special tokens given there: the one in
    /// `file`, the text of a `chat_template.jinja`, if there is one, else `chat_template`, or the one called `default`
    /// where that is a list; of a list also `tool_use`, for chats with tools. Errors name the files as in `folder`.
    ///
    /// Fails when there is none, or as [`ChatTemplate::new`].
    pub fn from_tokenizer_config(json: &str, file: Option<&str>, folder: &str) -> Result<Self, TemplateError> {
        let place = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        let config: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json)
            .map_err(|source| TemplateError::Config { place: place("tokenizer_config.json"), source })?;
        let tokens = special_tokens(&config);
        if let Some(source) = file {
            return Self::new(source, &tokens, &place("chat_template.jinja"));
        }
        let inside = config.get("chat_template").unwrap_or(&serde_json::Value::Null);
        let named = |name: &str| {
            let wanted = inside.as_array()?.iter().find(|template| template["name"] == name)?;
            wanted["template"].as_str()
        };
        let place = place("tokenizer_config.json");
        match inside.as_str().or_else(|| named("default")) {
            Some(source) => Self::new(source, &tokens, &place)?
                .with_tool_use(named("tool_use"), &format!("{place}: the chat template `tool_use`")),
            None => Err(TemplateError::NoTemplate { place }),
        }
    }

    /// The same with another template for chats with tools, where there is one; `place` says in errors where it is from.
    ///
    /// Fails as [`ChatTemplate::new`].
    pub fn with_tool_use(self, source: Option<&str>, place: &str) -> Result<Self, TemplateError> {
        let Some(source) = source else { return Ok(self) };
        let tool_use = Self::new(source, &self.special_tokens, place)?;
        Ok(Self { tool_use: Some(Box::new(tool_use)), ..self })
    }

    /// Whether chats with tools have a template of their own.
    pub fn has_tool_use(&self) -> bool {
        self.tool_use.is_some()
    }

    /// The template that transformers takes for a chat: the one for tools, where there are two and the chat has some.
    fn of(&self, chat: Chat<'_>) -> &Self {
        let has_tools = [chat.variables, &self.options.variables]
            .iter()
            .any(|variables| variables.0.get("tools").is_some_and(|tools| !tools.is_null()));
        self.tool_use.as_deref().filter(|_| has_tools).unwrap_or(self)
    }

    /// The same template with these options.
    ///
    /// Fails where the template would not read one of them.
    pub fn with_options(self, options: TemplateOptions) -> Result<Self, TemplateError> {
        let names = [&self].into_iter().chain(self.tool_use.as_deref()).flat_map(|template| template.names.iter());
        context::nothing_unread(&options.variables, &names.cloned().collect())?;
        context::digits_are_kept(Chat { messages: &[], variables: &options.variables })?;
        if options.date.is_some() && !self.prints_date() {
            return Err(TemplateError::NoDate { place: self.place });
        }
        Ok(self.set(options))
    }

    fn set(mut self, options: TemplateOptions) -> Self {
        if let Some(date) = options.date {
            let environment = Arc::make_mut(&mut self.environment);
            dialect::set_date(environment, date);
        }
        let tool_use = self.tool_use.map(|template| Box::new(template.set(options.clone())));
        Self { options, tool_use, ..self }
    }

    /// Whether its source has carriage returns, which were printed as they stand once.
    pub fn has_returns(&self) -> bool {
        self.returns
    }

    /// What it renders chats with.
    pub fn options(&self) -> &TemplateOptions {
        &self.options
    }

    /// The same with the day that it takes for today, where it prints one: all that decides numbers.
    pub fn planned_options(&self) -> TemplateOptions {
        let day = || self.options.date.unwrap_or_default();
        TemplateOptions { date: self.prints_date().then(day), ..self.options.clone() }
    }

    /// Whether it can print the date, which then decides numbers.
    pub fn prints_date(&self) -> bool {
        self.names.contains(DATE) || self.tool_use.as_ref().is_some_and(|template| template.prints_date())
    }

    /// The text of a chat and what the assistant wrote in it; with `add_generation_prompt`, the text ends where the
    /// assistant would begin to write.
    ///
    /// Fails when the template refuses the messages or drops something that they say, or a message holds a sentinel character.
    pub fn render<'a>(
        &self,
        chat: impl Into<Chat<'a>>,
        add_generation_prompt: bool,
    ) -> Result<Rendered, TemplateError> {
        let chat = chat.into();
        let template = self.of(chat);
        template.taken(chat, |chat| template.spanned(chat, add_generation_prompt, &|_| true))
    }

    /// The text of a row and what is trained of it.
    ///
    /// Fails as [`ChatTemplate::render`].
    pub fn render_row(&self, row: &Row) -> Result<Rendered, TemplateError> {
        // Turns before a system turn that goes into a request keep their places among the assistant's.
        let assistant = row.messages.iter().enumerate().filter(|(_, message)| message.role == Role::Assistant);
        let trained: Vec<bool> = assistant.map(|(turn, _)| !row.untrained.contains(&turn)).collect();
        let template = self.of(row.chat());
        template.taken(row.chat(), |chat| template.spanned(chat, false, &|at| trained[at]))
    }

    /// The text of a context with a reply to it, and where the reply stands.
    ///
    /// Fails as [`ChatTemplate::render`].
    pub fn render_reply(&self, context: Chat<'_>, reply: &str) -> Result<RenderedReply, TemplateError> {
        let messages = [context.messages, &[Message::new(Role::Assistant, reply)]].concat();
        let template = self.of(context);
        template.taken(Chat { messages: &messages, ..context }, |chat| {
            let (text, spans) = template.whole(chat, false)?;
            let context = &chat.messages[..chat.messages.len() - 1];
            let start =
                reply_start(context, &text, &|messages, prompt| template.text_of(Chat { messages, ..chat }, prompt))?;
            let turn = chat.messages.len();
            let start = start.ok_or(TemplateError::OtherPrompt { turn })?;
            let reply = if template.marked {
                marked_reply(&spans, start, turn)?
            } else {
                start..text.trim_end().len().max(start)
            };
            nothing_cut(chat.messages, context.len(), &text[reply.clone()])?;
            Ok(RenderedReply { text, reply })
        })
    }

    /// The text of a chat alone, spans not looked for.
    ///
    /// Fails when the template refuses the messages.
    pub fn text<'a>(&self, chat: impl Into<Chat<'a>>, add_generation_prompt: bool) -> Result<String, TemplateError> {
        let chat = chat.into();
        self.of(chat).text_of(chat, add_generation_prompt)
    }

    /// What the template itself puts into the system turn of a chat that has none, such as a default prompt or a date;
    /// `None` where it puts nothing.
    pub fn injected_system(&self) -> Option<String> {
        let special: Vec<&str> = self.special_tokens.values().map(String::as_str).collect();
        injected(&special, |messages| self.text(messages, false).ok())
    }

    /// What `work` makes of a chat as the template takes it: with its system prompt where it goes.
    fn taken<T>(
        &self,
        chat: Chat<'_>,
        work: impl Fn(Chat<'_>) -> Result<T, TemplateError>,
    ) -> Result<T, TemplateError> {
        without_sentinels(chat.messages)?;
        context::digits_are_kept(chat)?;
        let folded = folded(chat.messages);
        let in_user = Chat { messages: &folded, ..chat };
        match work(if self.options.system_in_user { in_user } else { chat }) {
            Err(error) if folded != chat.messages && !self.options.system_in_user && work(in_user).is_ok() => {
                Err(TemplateError::System(Box::new(error)))
            }
            done => done,
        }
    }

    /// The text of a chat as it is, and the spans of the assistant's turns that are trained, which `trained` says of each.
    fn spanned(
        &self,
        chat: Chat<'_>,
        add_generation_prompt: bool,
        trained: &dyn Fn(usize) -> bool,
    ) -> Result<Rendered, TemplateError> {
        let (text, spans) = self.whole(chat, add_generation_prompt)?;
        let assistant = chat.messages.iter().enumerate().filter(|(_, message)| message.role == Role::Assistant);
        let turns: Vec<usize> = assistant.map(|(turn, _)| turn).collect();
        let trained: Vec<usize> = (0..turns.len()).filter(|&at| trained(at)).map(|at| turns[at]).collect();
        let placed: Vec<(usize, Range<usize>)> = if !self.marked {
            let render = |messages: &[Message], prompt| self.text_of(Chat { messages, ..chat }, prompt);
            let span = |&turn: &usize| Ok((turn, span_by_prefixes(chat.messages, turn, &text, &render)?));
            trained.iter().map(span).collect::<Result<_, TemplateError>>()?
        } else {
            let turns_of_spans = if spans.len() == turns.len() {
                Some(turns.clone())
            } else {
                let render = |messages: &[Message]| self.marked_text(Chat { messages, ..chat }, add_generation_prompt);
                turns_of(chat.messages, spans.len(), |messages| Some(take_sentinels(&render(messages).ok()?.0)))
            };
            match turns_of_spans {
                Some(turns) => turns.into_iter().zip(spans).collect(),
                None if trained.len() < turns.len() => {
                    return Err(TemplateError::Spans { turns: turns.len(), spans: spans.len() });
                }
                None => return Ok(Rendered { text, spans }),
            }
        };
        let mut before = 0;
        for part in placed.chunk_by(|(turn, _), (next, _)| turn == next) {
            let (turn, end) = (part[0].0, part[part.len() - 1].1.end);
            if trained.contains(&turn) {
                let printed: String = part.iter().map(|(_, span)| &text[span.clone()]).collect();
                nothing_cut(chat.messages, turn, &printed)?;
                // Thoughts may stand before what is marked.
                no_thought_cut(chat.messages, turn, &text[before..end])?;
            }
            before = end;
        }
        let spans = placed.into_iter().filter(|(turn, _)| trained.contains(turn)).map(|(_, span)| span).collect();
        Ok(Rendered { text, spans })
    }

    /// The text of a whole chat, of which nothing is dropped, and what is marked in it.
    fn whole(&self, chat: Chat<'_>, prompt: bool) -> Result<(String, Vec<Range<usize>>), TemplateError> {
        let (text, looked) = self.marked_text(chat, prompt)?;
        if let Some(at) = chat.messages.iter().position(|message| context::parts(message).is_some()) {
            // One that cannot take parts is given the text in any trainer.
            match self.shown_text(chat, prompt, Contents::Parts) {
                Ok((other, _)) if other != text => return Err(TemplateError::Parts { turn: at + 1 }),
                _ => {}
            }
        }
        let (text, spans) = take_sentinels(&text);
        let other = |messages: &[Message]| self.text_of(Chat { messages, ..chat }, prompt).ok();
        if let Some(at) = dropped_prompt(chat.messages, &text, other) {
            return Err(TemplateError::DroppedPrompt { turn: at + 1 });
        }
        nothing_dropped(chat, &looked, &self.names)?;
        Ok((text, spans))
    }

    fn text_of(&self, chat: Chat<'_>, prompt: bool) -> Result<String, TemplateError> {
        Ok(take_sentinels(&self.marked_text(chat, prompt)?.0).0)
    }

    /// The text with the sentinels still in it, and what the template looked at.
    fn marked_text(&self, chat: Chat<'_>, add_generation_prompt: bool) -> Result<(String, Looked), TemplateError> {
        self.shown_text(chat, add_generation_prompt, Contents::Texts)
    }

    /// The same of a chat whose contents the template is shown in this way.
    fn shown_text(
        &self,
        chat: Chat<'_>,
        add_generation_prompt: bool,
        contents: Contents,
    ) -> Result<(String, Looked), TemplateError> {
        let (messages, looked) = context::messages(chat.messages, contents);
        // As transformers does: `tools` and `documents` are defined, and are nothing.
        let nothing = ["tools", "documents"].map(|name| (name.to_owned(), Value::from(())));
        let variables = context::variables([&self.options.variables, chat.variables]);
        let turns = [(MESSAGES, messages), (GENERATION_PROMPT, Value::from(add_generation_prompt))];
        let turns = turns.map(|(name, value)| (name.to_owned(), value));
        let all = Value::from_pairs(nothing.into_iter().chain(variables).chain(turns));
        let (environment, place) = (Arc::clone(&self.environment), self.place.clone());
        let rendered =
            limits::contained(move || environment.get_template(&place).and_then(|template| template.render(all)));
        let text = rendered
            .map_err(|problem| TemplateError::uncontained(&self.place, problem))?
            .map_err(|error| TemplateError::render(&self.place, error))?;
        let looked = looked.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        Ok((text, looked))
    }
}

/// An environment with the template, called `name`, and what is in the template.
fn compile(
    source: &str,
    special_tokens: &SpecialTokens,
    name: &str,
) -> Result<(Environment<'static>, Rewritten), minijinja::Error> {
    let rewritten = rewrite(source, name)?;
    let mut environment = dialect::environment();
    dialect::set_date(&mut environment, TemplateDate::default());
    environment.add_function(GENERATION, mark);
    for (name, token) in special_tokens {
        environment.add_global(name.clone(), token.clone());
    }
    environment.add_template_owned(name.to_owned(), rewritten.source.clone())?;
    Ok((environment, rewritten))
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
        ChatTemplate::new(CHATML, &SpecialTokens::from([("bos_token".to_owned(), "<s>".to_owned())]), "t").unwrap()
    }

    fn message(role: Role, content: &str) -> Message {
        Message::new(role, content)
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
        let error =
            ChatTemplate::new(source, &SpecialTokens::new(), "t").unwrap().render(&Vec::new(), false).unwrap_err();
        assert!(error.to_string().contains("roles must alternate"), "{error}");
        let error = ChatTemplate::new("{% generation %}{% if %}", &SpecialTokens::new(), "t").unwrap_err();
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
        let rendered = ChatTemplate::new(source, &SpecialTokens::new(), "t").unwrap().render(&chat, false).unwrap();
        assert_eq!((rendered.text.as_str(), rendered.spans), ("1aa;2bb;", vec![0..3, 4..7]));
    }

    #[test]
    fn without_markers_the_prefixes_say_what_the_assistant_wrote() {
        let bare = ChatTemplate::new(
            &CHATML.replace("{%- generation -%}", "{#- -#}").replace("{%- endgeneration %}", "{#- #}"),
            &SpecialTokens::from([("bos_token".to_owned(), "<s>".to_owned())]),
            "t",
        );
        let bare = bare.unwrap();
        let chat = [Role::System, Role::User, Role::Assistant, Role::User, Role::Assistant];
        let chat: Vec<Message> = chat.iter().enumerate().map(|(at, &role)| message(role, &format!("t {at}"))).collect();
        assert!(!bare.marked);
        assert_eq!(bare.render(&chat, false).unwrap(), template().render(&chat, false).unwrap());
        assert_eq!(bare.render(&chat[..4], true).unwrap(), template().render(&chat[..4], true).unwrap());
    }
}
