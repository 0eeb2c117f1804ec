//! Chat templates of every family render byte for byte as transformers renders them (`reference/make_templates.py`), and
//! what is trained is what the assistant wrote.

use serde::Deserialize;
use titer_data::{
    chat::{Chat, Message, Role},
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
    messages: Vec<Message>,
    /// What the template may read besides them.
    variables: Variables,
    add_generation_prompt: bool,
    /// `None` where the template refuses the chat.
    text: Option<String>,
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("reference/templates.json")).unwrap()
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
        TemplateError::OtherPrompt { .. } => "other prompt",
        TemplateError::System(error) => refusal(error),
        TemplateError::UnreadField { .. } => "unread",
        _ => "other",
    }
}

#[test]
fn what_is_trained_is_what_the_assistant_wrote() {
    // A reply without a context is no row.
    let is_row = |case: &Case| {
        !case.add_generation_prompt && case.text.is_some() && case.chat != "wrong order" && case.variables.is_empty()
    };
    for case in cases().into_iter().filter(is_row) {
        let (model, chat) = (case.template.as_str(), case.chat.as_str());
        let turns: Vec<&Message> = case.messages.iter().filter(|message| message.role == Role::Assistant).collect();
        let name = format!("{model}, {chat}");
        let rendered = template(model).render(&case.messages, false);
        let reads_thoughts = ["qwen3_tools", "qwen3_training"].contains(&model);
        let reads_calls = ["qwen3_tools", "llama3_1_tools", "qwq"].contains(&model);
        let expected = match chat {
            "thoughts" | "thinking" if !reads_thoughts => Some("unread"),
            // QwQ's template looks whether there are calls, and prints none.
            "called" if !reads_calls => Some("unread"),
            // A thought that only the last turn keeps.
            "two turns" if ["qwen3", "qwen3_tools"].contains(&model) => Some("no prefixes"),
            // A system prompt that is only printed while a request is last (as Mistral's own templates have it).
            _ if model == "mistral" && case.messages[0].role == Role::System && !turns.is_empty() => {
                Some("no prefixes")
            }
            _ => None,
        };
        let found = rendered.as_ref().err().map(refusal);
        assert_eq!(found, expected, "{name}: {rendered:?}");
        let Ok(rendered) = rendered else { continue };
        assert_eq!(rendered.spans.len(), turns.len(), "{name}");
        for (span, turn) in rendered.spans.iter().zip(turns) {
            let text = &rendered.text[span.clone()];
            let reply = turn.content.trim().split("</think>\n\n").last().unwrap();
            assert!(text.contains(reply), "{name}: {text:?}");
            let closing = ["<|im_end|>", "<|eot_id|>", "</s>", "<end_of_turn>"];
            assert!(
                closing.iter().any(|closing| text.trim_end().ends_with(closing)) || model == "qwq",
                "{name}: {text:?}"
            );
            assert!(!text.contains("Hé") && !text.contains("kind"), "{name}: {text:?}");
        }
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
