//! Chat templates of every family render byte for byte as transformers renders them (`reference/make_templates.py`), and
//! what is trained is what the assistant wrote.

use std::fmt::Write as _;

use serde::Deserialize;
use titer_data::{
    chat::{Chat, Message, Role, Row},
    formats::parse_messages,
    template::{ChatTemplate, SpecialTokens, TemplateError, TemplateOptions},
    variables::Variables,
};

fn message(role: Role, content: &str) -> Message {
    Message::new(role, content)
}

#[derive(Deserialize)]
struct Case {
    template: String,
    chat: String,
    #[serde(deserialize_with = "messages")]
    messages: Vec<Message>,
    /// What the template may read besides them.
    variables: Variables,
    add_generation_prompt: bool,
    /// `None` where the template refuses the chat.
    text: Option<String>,
    /// What the template marks, where it does.
    spans: Option<Vec<String>>,
}

fn messages<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Message>, D::Error> {
    Ok(parse_messages(&serde_json::Value::deserialize(deserializer)?).unwrap())
}

fn all_cases() -> Vec<Case> {
    serde_json::from_str(include_str!("reference/templates.json")).unwrap()
}

/// Those whose contents are texts.
fn cases() -> Vec<Case> {
    all_cases().into_iter().filter(|case| case.chat != "parts").collect()
}

fn template(name: &str) -> ChatTemplate {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/templates");
    let tokens = [("bos_token", "<s>"), ("eos_token", "</s>")].map(|(name, token)| (name.to_owned(), token.to_owned()));
    let source = fs_err::read_to_string(format!("{folder}/{name}.jinja")).unwrap();
    ChatTemplate::new(&source, &SpecialTokens::from(tokens), name).unwrap()
}

#[test]
fn texts_are_those_of_transformers() {
    let cases = cases();
    assert!(cases.iter().any(|case| case.text.is_none()) && cases.len() >= 400);
    for case in cases {
        let chat = Chat { messages: &case.messages, variables: &case.variables };
        let found = template(&case.template).text(chat, case.add_generation_prompt);
        assert_eq!(found.as_ref().ok(), case.text.as_ref(), "{}, {}: {found:?}", case.template, case.chat);
    }
}

/// Why a whole chat gives no spans, in a word.
fn refusal(error: &TemplateError) -> &'static str {
    match error {
        TemplateError::NotPrefixes { .. } => "no prefixes",
        TemplateError::DroppedPrompt { .. } => "dropped prompt",
        TemplateError::System(error) => refusal(error),
        TemplateError::UnreadField { .. } => "unread",
        TemplateError::CutReply { .. } => "cut reply",
        TemplateError::Parts { .. } => "parts",
        _ => "other",
    }
}

#[test]
fn what_is_trained_is_what_the_assistant_wrote() {
    // A reply without a context is no row.
    let is_row = |case: &Case| {
        !case.add_generation_prompt && case.text.is_some() && case.chat != "wrong order" && case.variables.is_empty()
    };
    let mut wrong = String::new();
    for case in cases().into_iter().filter(is_row) {
        let (model, chat) = (case.template.as_str(), case.chat.as_str());
        let turns: Vec<&Message> = case.messages.iter().filter(|message| message.role == Role::Assistant).collect();
        let name = format!("{model}, {chat}");
        let rendered = template(model).render(&case.messages, false);
        let reads_thoughts = ["qwen3", "qwen3_tools", "qwen3_training"].contains(&model);
        let reads_calls = ["qwen3_tools", "llama3_1_tools"].contains(&model);
        let expected = match chat {
            "thoughts" | "thinking" if !reads_thoughts => Some("unread"),

            "called" if !reads_calls => Some("unread"),
            // A thought that only the last turn keeps.
            "two turns" if ["qwen3", "qwen3_tools"].contains(&model) => Some("no prefixes"),
            "called" if model == "qwen3_tools" => Some("no prefixes"),
            // A thought that no turn keeps.
            "two turns" if ["deepseek_r1", "qwq"].contains(&model) => Some("cut reply"),
            // A system prompt that is only printed while a request is last (as Mistral's own templates have it).
            _ if model == "mistral" && case.messages[0].role == Role::System && !turns.is_empty() => {
                Some("dropped prompt")
            }
            _ => None,
        };
        let found = rendered.as_ref().err().map(refusal);
        if found != expected {
            writeln!(wrong, "{name}: {expected:?}, not {rendered:?}").unwrap();
        }
        let Ok(rendered) = rendered else { continue };
        if let Some(marked) = &case.spans {
            assert_eq!(&spanned(&rendered), marked, "{name}");
        }
        // The end of a chat, marked apart.
        let ends = usize::from(model == "phi3_training" && case.messages.last().unwrap().role == Role::Assistant);
        assert_eq!(rendered.spans.len(), turns.len() + ends, "{name}");
        for (span, turn) in rendered.spans.iter().zip(turns) {
            let text = &rendered.text[span.clone()];
            let reply = turn.content.trim().split("</think>\n\n").last().unwrap();
            assert!(text.contains(reply), "{name}: {text:?}");
            let closing = ["<|end|>", "<|im_end|>", "<|eot_id|>", "</s>", "<end_of_turn>"];
            assert!(
                closing.iter().any(|closing| text.trim_end().ends_with(closing)) || model == "qwq",
                "{name}: {text:?}"
            );
            assert!(!text.contains("Hé") && !text.contains("kind"), "{name}: {text:?}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn contents_in_parts_are_taken_where_the_template_prints_their_text() {
    let mut kinds = [0; 3];
    let all = all_cases();
    let of = |name: &'static str| all.iter().filter(move |case| case.chat == name && !case.add_generation_prompt);
    for parts in of("parts") {
        let is_joined = |case: &&Case| case.template == parts.template && case.variables == parts.variables;
        let Some(joined) = of("joined").find(is_joined) else { continue };
        assert_ne!(parts.messages, joined.messages);
        let render = |case: &Case| {
            template(&case.template).render(Chat { messages: &case.messages, variables: &case.variables }, false)
        };
        let (found, wanted) = (render(parts), render(joined));
        match &parts.text {
            // transformers prints the list itself, or each part in its own way.
            Some(text) if Some(text) != joined.text.as_ref() => {
                kinds[0] += 1;
                assert_eq!(found.as_ref().map_err(refusal), Err("parts"), "{}", parts.template);
                let error = found.unwrap_err().to_string();
                assert!(error.contains("turn 1") && error.contains("give it as one text"), "{error}");
            }
            text => {
                kinds[1 + usize::from(text.is_some())] += 1;
                assert_eq!(found.unwrap(), wanted.unwrap(), "{}", parts.template);
            }
        }
    }
    assert!(kinds.iter().take(2).all(|count| *count > 0), "{kinds:?}");
    // A template that prints parts one after the other, and one part, are as a text is.
    let source = "{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}{% for part in m.content %}\
        {{ part.text }}{% endfor %}{% endif %};{% endfor %}";
    let template = ChatTemplate::new(source, &SpecialTokens::new(), "t").unwrap();
    for parts in [
        serde_json::json!([" a ", { "type": "text", "text": " b " }]),
        serde_json::json!([{ "type": "text", "text": " a  b " }]),
    ] {
        let chat = parse_messages(&serde_json::json!([{ "role": "user", "content": parts }])).unwrap();
        let rendered = template.render(&chat, false);
        // A part that is a text alone has no `text`.
        match parts.as_array().unwrap().len() {
            1 => assert_eq!(rendered.unwrap().text, " a  b ;"),
            _ => assert_eq!(rendered.as_ref().map_err(refusal), Err("parts")),
        }
    }
}

#[test]
fn thoughts_that_a_template_leaves_out_are_refused_where_the_turn_is_trained() {
    let source = "{% for m in messages %}{{ '<' + m.role + '>' }}{% if m.role == 'assistant' %}{% generation %}\
        {% if m.reasoning_content and loop.last %}[{{ m.reasoning_content }}]{% endif %}{{ m.content }}</s>\
        {% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}";
    let template = ChatTemplate::new(source, &SpecialTokens::new(), "t").unwrap();
    let turns = serde_json::json!([
        { "role": "user", "content": "a?" },
        { "role": "assistant", "content": "b.", "reasoning_content": "first of all" },
        { "role": "user", "content": "c?" },
        { "role": "assistant", "content": "d.", "thinking": "at last" },
    ]);
    let row = Row::new("r", parse_messages(&turns).unwrap());
    let error = template.render_row(&row).unwrap_err();
    assert!(matches!(error, TemplateError::CutReply { turn: 2 }), "{error}");
    assert!(error.to_string().contains("`reasoning_content`"), "{error}");
    let last = Row { untrained: vec![1], ..row };
    assert_eq!(spanned(&template.render_row(&last).unwrap()), ["[at last]d.</s>"]);
    // Where they stand before what is marked, the model sees them.
    let before =
        source.replace("{% generation %}", "").replace("{{ m.content }}</s>", "{% generation %}{{ m.content }}</s>");
    let before = ChatTemplate::new(&before, &SpecialTokens::new(), "t").unwrap();
    assert_eq!(spanned(&before.render_row(&last).unwrap()), ["d.</s>"]);
    let first = Row { untrained: vec![3], ..last };
    assert!(matches!(before.render_row(&first), Err(TemplateError::CutReply { turn: 2 })));
}

#[test]
fn an_end_that_is_marked_apart_belongs_to_the_last_reply() {
    let template = template("phi3_training");
    let turns = ["a?", "b.", "c?", "d."];
    let roles = [Role::User, Role::Assistant, Role::User, Role::Assistant];
    let row = Row::new("r", roles.into_iter().zip(turns).map(|(role, content)| message(role, content)).collect());
    let spans = |untrained: &[usize]| {
        let row = Row { untrained: untrained.to_vec(), ..row.clone() };
        let rendered = template.render_row(&row).unwrap();
        spanned(&rendered).concat()
    };
    assert_eq!(spans(&[]), "b.<|end|>\nd.<|end|>\n</s>");
    assert_eq!(spans(&[1]), "d.<|end|>\n</s>");
    assert_eq!(spans(&[3]), "b.<|end|>\n");
    let scored = template.render_reply((&row.messages[..3]).into(), "d.").unwrap();
    assert_eq!(&scored.text[scored.reply], "d.<|end|>\n</s>");
    // Text within a reply that is not marked.
    let torn = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %} {% generation %}</s>{% endgeneration %}\
        {% endfor %}";
    let torn = ChatTemplate::new(torn, &SpecialTokens::new(), "t").unwrap();
    let error = torn.render_reply((&row.messages[..1]).into(), "d.").unwrap_err();
    assert!(matches!(error, TemplateError::Torn { turn: 2 }), "{error}");
    // Spans that nobody could tell apart.
    let many = "{% for m in messages %}{% if m.role == 'assistant' %}{{ m.content }}{% else %}{{ m.content }}\
        {% generation %}x{% endgeneration %}{% endif %}{% endfor %}{% generation %}y{% endgeneration %}";
    let many = ChatTemplate::new(many, &SpecialTokens::new(), "t").unwrap();
    let twice = [Role::User, Role::Assistant, Role::Assistant].map(|role| message(role, "m")).to_vec();
    let row = Row { untrained: vec![1], ..Row::new("r", twice) };
    let error = many.render_row(&row).unwrap_err();
    assert!(matches!(error, TemplateError::CutReply { turn: 3 } | TemplateError::Spans { .. }), "{error}");
}

#[test]
fn rows_with_tools_take_the_template_for_tools() {
    let config = |templates: &[(&str, &str)]| {
        let templates: Vec<_> = templates
            .iter()
            .map(|(name, template)| serde_json::json!({ "name": name, "template": template }))
            .collect();
        serde_json::json!({ "eos_token": "</s>", "chat_template": templates }).to_string()
    };
    let (plain, tools) = (
        "{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}",
        "{{ flag }}{{ strftime_now('%Y') }}{{ tools[0].name }}:{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}",
    );
    let two = config(&[("tool_use", tools), ("default", plain), ("rag", "{{ no }}")]);
    let two = ChatTemplate::from_tokenizer_config(&two, None, "m").unwrap();
    let turns = [message(Role::User, "u"), message(Role::Assistant, "a")];
    let with = |value: serde_json::Value| Variables([("tools".to_owned(), value)].into_iter().collect());
    let text = |template: &ChatTemplate, variables: &Variables| {
        template.render(Chat { messages: &turns, variables }, false).map(|rendered| rendered.text)
    };
    let clock = with(serde_json::json!([{ "name": "clock" }]));
    assert_eq!(text(&two, &Variables::default()).unwrap(), "u</s>a</s>");
    assert_eq!(text(&two, &clock).unwrap(), "2024clock:u</s>a</s>");
    let scored = two.render_reply(Chat { messages: &turns[..1], variables: &clock }, "a").unwrap();
    assert!(scored.text.starts_with("2024clock:"), "{scored:?}");
    // Options are for both.
    let options = TemplateOptions {
        date: Some("2025-01-31".parse().unwrap()),
        variables: Variables([("flag".to_owned(), serde_json::json!("!"))].into_iter().collect()),
        ..TemplateOptions::default()
    };
    assert_eq!(text(&two.with_options(options).unwrap(), &clock).unwrap(), "!2025clock:u</s>a</s>");
    // One that stands in a file of its own, and a template that nobody reads.
    let one = ChatTemplate::from_tokenizer_config("{}", Some(plain), "m").unwrap();
    assert!(text(&one, &clock).unwrap_err().to_string().contains("`tools` is for the chat template"));
    assert_eq!(text(&one.with_tool_use(Some(tools), "t").unwrap(), &clock).unwrap(), "2024clock:ua");
    let broken = config(&[("tool_use", "{% if %}"), ("default", plain)]);
    let error = ChatTemplate::from_tokenizer_config(&broken, None, "m").unwrap_err().to_string();
    assert!(error.starts_with("m/tokenizer_config.json: the chat template `tool_use`: "), "{error}");
}

#[test]
fn numbers_whose_digits_are_lost_are_refused() {
    let template = "{% for m in messages %}{{ m.content }}{{ m.tool_calls }}{% endfor %}";
    let template = ChatTemplate::new(template, &SpecialTokens::new(), "t").unwrap();
    let text = |number: &str| {
        let turns = format!(r#"[{{"role": "assistant", "content": "", "tool_calls": [{{"n": {number}}}]}}]"#);
        let turns = parse_messages(&serde_json::from_str(&turns).unwrap()).unwrap();
        template.render(&turns, false).map(|rendered| rendered.text).map_err(|error| error.to_string())
    };
    for kept in ["18446744073709551615", "-9223372036854775808", "1e16", "2.5"] {
        assert!(text(kept).is_ok(), "{kept}");
    }
    assert_eq!(text("18446744073709551615").unwrap(), "[{'n': 18446744073709551615}]");
    for lost in ["18446744073709551616", "-9223372036854775809", "-123456789012345678901234567890"] {
        let error = text(lost).unwrap_err();
        assert!(error.contains("`tool_calls` holds a whole number of more than 64 bits"), "{error}");
    }
}

#[test]
fn a_template_whose_turns_are_no_prefixes_says_what_to_do() {
    // As templates do that drop the thoughts of earlier turns.
    let source = "{% for m in messages %}[{{ m.content if loop.last else m.content[:1] }}]{% endfor %}";
    let template = ChatTemplate::new(source, &SpecialTokens::new(), "t").unwrap();
    let chat = [message(Role::User, "u"), message(Role::Assistant, "long"), message(Role::User, "v")];
    let error = template.render(&chat, false).unwrap_err();
    assert!(error.to_string().contains("put `{% generation %}` before"), "{error}");
    assert_eq!(template.render(&chat[..2], false).unwrap().spans.first(), Some(&(3..9)));
}

#[test]
fn a_system_prompt_can_go_into_the_user_turn() {
    let source = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system turns') }}{% endif %}\
        <{{ m.role }}>{{ m.content }}{% endfor %}";
    let template = ChatTemplate::new(source, &SpecialTokens::new(), "t").unwrap();
    let chat = [message(Role::System, "be kind"), message(Role::User, "hi")];
    let error = template.render(&chat, false).unwrap_err().to_string();
    assert!(error.contains("no system turns") && error.contains("--system-in-user"), "{error}");
    assert_eq!(template.injected_system(), None);
    let in_user = TemplateOptions { system_in_user: true, ..TemplateOptions::default() };
    assert_eq!(template.with_options(in_user).unwrap().render(&chat, false).unwrap().text, "<user>be kind\n\nhi");
}

#[test]
fn a_default_system_prompt_is_found() {
    let source = "{% if messages[0].role != 'system' %}<system>You are nobody.;{% endif %}\
        {% for m in messages %}<{{ m.role }}>{{ m.content }};{% endfor %}";
    let injected = |source: &str| ChatTemplate::new(source, &SpecialTokens::new(), "t").unwrap().injected_system();
    assert_eq!(injected(source).as_deref(), Some("You are nobody."));
    assert_eq!(injected(&source.replace("You are nobody.", "")).as_deref(), Some("<system>"));
    // What begins every chat is no prompt.
    let begun = "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}";
    let tokens = SpecialTokens::from([("bos_token".to_owned(), "<s>".to_owned())]);
    assert_eq!(ChatTemplate::new(begun, &tokens, "t").unwrap().injected_system(), None);
    let silent = "{% for m in messages %}<{{ m.role }}>{{ m.content }};{% endfor %}";
    assert_eq!(injected(silent), None);
}

#[test]
fn special_tokens_are_read_as_strings_and_as_objects() {
    let config = r#"{"bos_token": null, "eos_token": {"content": "</s>"}, "pad_token": "<pad>",
        "chat_template": "{% generation %}x{% endgeneration %}{{ eos_token }}{{ pad_token }}{{ tools is none }}"}"#;
    let rendered = ChatTemplate::from_tokenizer_config(config, None, "m").unwrap().render(&Vec::new(), false).unwrap();
    assert_eq!(rendered.text, "x</s><pad>True");
    assert_eq!(rendered.spans.first(), Some(&(0..1)));
    assert!(ChatTemplate::from_tokenizer_config("{}", None, "m").is_err());
    let text = |config, file| {
        ChatTemplate::from_tokenizer_config(config, file, "m").unwrap().render(&Vec::new(), false).unwrap().text
    };
    assert_eq!(text("{}", Some("a file's")), "a file's");
    let named =
        r#"{"chat_template": [{"name": "tool_use", "template": "no"}, {"name": "default", "template": "yes"}]}"#;
    assert_eq!(text(named, None), "yes");
}

/// The texts of spans.
fn spanned(rendered: &titer_data::template::Rendered) -> Vec<&str> {
    rendered.spans.iter().map(|span| &rendered.text[span.clone()]).collect()
}

#[test]
fn a_turn_that_is_not_trained_needs_no_span() {
    let turns = ["a?", "b.", "c?", "d."];
    let roles = [Role::User, Role::Assistant, Role::User, Role::Assistant];
    let turns = roles.into_iter().zip(turns).map(|(role, content)| message(role, content)).collect();
    let row = Row::new("r", turns);
    for (name, thought) in
        [("qwen3", "<think>\n\n</think>\n\n"), ("qwen3_tools", "<think>\n\n</think>\n\n"), ("chatml", "")]
    {
        let last = Row { untrained: vec![1], ..row.clone() };
        let rendered = template(name).render_row(&last).unwrap();
        assert_eq!(spanned(&rendered), [format!("{thought}d.<|im_end|>")]);
    }
    let error = template("qwen3").render_row(&row).unwrap_err().to_string();
    assert!(error.contains("`\"weight\": 0`"), "{error}");
}

#[test]
fn a_prompt_that_begins_to_think_ends_where_replies_begin() {
    let context = [message(Role::User, "2+2?")];
    for (name, header, end) in
        [("deepseek_r1", "<|User|>2+2?<|Assistant|>", "</s>"), ("qwq", "<|im_start|>assistant\n", "<|im_end|>")]
    {
        let chat = |reply: &str| [&context[..], &[message(Role::Assistant, reply)]].concat();
        assert_eq!(spanned(&template(name).render(&chat("4"), false).unwrap()), [format!("4{end}")], "{name}");
        let scored = template(name).render_reply((&context).into(), "4").unwrap();
        assert!(scored.text[..scored.reply.start].ends_with(header), "{scored:?}");
        assert_eq!(scored.text[scored.reply.clone()], format!("4{end}"));
        // The template itself drops the thoughts of replies, which says so of those that are trained or scored.
        let thought = "<think>\nadd\n</think>4";
        let error = template(name).render(&chat(thought), false).unwrap_err();
        assert!(matches!(error, TemplateError::CutReply { turn: 2 }), "{name}: {error}");
        let error = template(name).render_reply((&context).into(), thought).unwrap_err();
        assert!(matches!(error, TemplateError::CutReply { turn: 2 }), "{name}: {error}");
        let more = [chat(thought), vec![message(Role::User, "3+3?"), message(Role::Assistant, "6")]].concat();
        let last = Row { untrained: vec![1], ..Row::new("r", more) };
        assert_eq!(spanned(&template(name).render_row(&last).unwrap()), [format!("6{end}")], "{name}");
        assert_eq!(template(name).injected_system(), None, "{name}");
    }
}

#[test]
fn marks_may_stand_around_the_header_and_behind_the_end() {
    let source = "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ '<a>' + m.content + '</s>\n' }}\
        {% endgeneration %}{% else %}{{ '<u>' + m.content + '\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}<a>{% endif %}";
    let template = ChatTemplate::new(source, &SpecialTokens::new(), "t").unwrap();
    let chat = [message(Role::User, "u"), message(Role::Assistant, "r")];
    assert_eq!(spanned(&template.render(&chat, false).unwrap()), ["<a>r</s>\n"]);
    let scored = template.render_reply((&chat[..1]).into(), "r").unwrap();
    assert_eq!(&scored.text[scored.reply], "r</s>\n");
}

#[test]
fn what_a_template_does_not_read_is_refused_by_name() {
    let reads = |source: &str, fields: &str, variables: &str| {
        let row = format!(
            "{{\"messages\": [{{\"role\": \"user\", \"content\": \"u\"}}, {{\"role\": \"assistant\", \"content\": \"a\"{fields}}}]{variables}}}"
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(file.path(), row).unwrap();
        let rows = titer_data::formats::read_rows(file.path()).unwrap();
        let template = ChatTemplate::new(source, &SpecialTokens::new(), "t").unwrap();
        template.render_row(&rows[0]).map(|rendered| rendered.text).map_err(|error| error.to_string())
    };
    let plain = "{% for m in messages %}{{ m.content }}{% endfor %}";
    let fields = [
        ("reasoning_content", "\"hm\""),
        ("thinking", "\"hm\""),
        ("reasoning", "\"hm\""),
        ("name", "\"hm\""),
        ("tool_calls", "[{}]"),
    ];
    for (name, value) in fields {
        let given = format!(", \"{name}\": {value}");
        let error = reads(plain, &given, "").unwrap_err();
        assert!(error.contains(&format!("`{name}`")) && error.contains("turn 2"), "{error}");
        let printing = format!("{{% for m in messages %}}{{{{ m.content }}}}{{{{ m.{name} }}}}{{% endfor %}}");
        assert!(reads(&printing, &given, "").is_ok(), "{name}");
        assert!(reads(plain, &given.replace(value, "null"), "").is_ok(), "{name}");
    }
    let thoughts = "{% for m in messages %}{{ m.reasoning_content }}{{ m.content }}{% endfor %}";
    assert_eq!(reads(thoughts, ", \"thinking\": \"hm\"", "").unwrap(), "uhma");
    // What a tool is called is known from its call.
    let called =
        "[{\"role\": \"user\", \"content\": \"u\"}, {\"role\": \"tool\", \"content\": \"noon\", \"name\": \"clock\"}]";
    let called = parse_messages(&serde_json::from_str(called).unwrap()).unwrap();
    assert!(ChatTemplate::new(plain, &SpecialTokens::new(), "t").unwrap().render(&called, false).is_ok());
    // What only the keeper of the data reads is no loss.
    assert!(reads(plain, ", \"timestamp\": \"now\"", "").is_ok());
    for (name, value, shown) in [
        ("tools", "[{\"name\": \"f\"}]", "[{\"name\": \"f\"}]"),
        ("documents", "[1]", "[1]"),
        ("chat_template_kwargs", "{\"enable_thinking\": false}", "false"),
    ] {
        let given = format!(", \"{name}\": {value}");
        let variable = if name == "chat_template_kwargs" { "enable_thinking" } else { name };
        let error = reads(plain, "", &given).unwrap_err();
        assert!(error.contains(&format!("`{variable}`")), "{error}");
        assert_eq!(reads(&format!("{{{{ {variable} | tojson }}}}{plain}"), "", &given).unwrap(), format!("{shown}ua"));
    }
    let error = reads(plain, "", ", \"chat_template_kwargs\": {\"messages\": []}").unwrap_err();
    assert!(error.contains("`messages`"), "{error}");
    // A role that the template passes over.
    let users = "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}";
    assert!(reads(users, "", "").unwrap_err().contains("`content` of turns of the assistant"));
}

#[test]
fn the_date_is_chosen_once() {
    let template = template("mistral_small3");
    let text = |template: &ChatTemplate| template.text(&[message(Role::User, "u")], false).unwrap();
    assert!(text(&template).contains("The date is 2024-07-26."));
    assert_eq!(template.planned_options().date.unwrap().to_string(), "2024-07-26");
    let date = Some("2025-01-31".parse().unwrap());
    let dated = template.with_options(TemplateOptions { date, ..TemplateOptions::default() }).unwrap();
    assert!(text(&dated).contains("The date is 2025-01-31."));
    let chatml = self::template("chatml");
    assert_eq!(chatml.planned_options(), TemplateOptions::default());
    let error = chatml.with_options(TemplateOptions { date, ..TemplateOptions::default() }).unwrap_err();
    assert!(error.to_string().starts_with("chatml: the chat template prints no date"), "{error}");
}

#[test]
fn variables_of_all_chats_reach_the_template() {
    let options = |name: &str| {
        let variables = [(name.to_owned(), serde_json::Value::Bool(false))].into_iter().collect();
        TemplateOptions { variables: Variables(variables), ..TemplateOptions::default() }
    };
    let thinking = template("qwen3_tools").with_options(options("enable_thinking")).unwrap();
    assert!(thinking.text(&[message(Role::User, "u")], true).unwrap().ends_with("<think>\n\n</think>\n\n"));
    let error = template("qwen3_tools").with_options(options("enable_thinkin")).unwrap_err().to_string();
    assert!(error.contains("`enable_thinkin`"), "{error}");
}

#[test]
fn every_end_of_a_line_in_a_source_is_a_line_feed() {
    let lines = "{% for m in messages %}\n{{ m.role }}:\n{{ m.content + '\\r' }}\n{% endfor %}\nend\n";
    let chat = [Message::new(Role::User, "a\r\nb")];
    let rendered = |source: &str| {
        let template = ChatTemplate::new(source, &SpecialTokens::new(), "t").unwrap();
        (template.render(&chat, false).unwrap(), template.has_returns())
    };
    let (wanted, returns) = rendered(lines);
    assert!(!returns && wanted.text.starts_with("user:\na\r\nb\r\n"), "{:?}", wanted.text);
    for end in ["\r\n", "\r"] {
        assert_eq!(rendered(&lines.replace('\n', end)), (wanted.clone(), true), "{end:?}");
    }
}
