//! Chat templates of every family render byte for byte as transformers renders them (`reference/make_templates.py`), and
//! what is trained is what the assistant wrote.

use serde::Deserialize;
use titer_data::{
    chat::{Message, Role},
    template::{ChatTemplate, SpecialTokens},
};

#[derive(Deserialize)]
struct Case {
    template: String,
    chat: String,
    messages: Vec<Message>,
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
    ChatTemplate::new(&source, &SpecialTokens::from(tokens)).unwrap()
}

#[test]
fn texts_are_those_of_transformers() {
    let cases = cases();
    assert!(cases.iter().any(|case| case.text.is_none()) && cases.len() == 7 * 7 * 2);
    for case in cases {
        let found = template(&case.template).text(&case.messages, case.add_generation_prompt).ok();
        assert_eq!(found, case.text, "{}, {}", case.template, case.chat);
    }
}

#[test]
fn what_is_trained_is_what_the_assistant_wrote() {
    // A reply without a context is no row.
    let is_row = |case: &Case| !case.add_generation_prompt && case.text.is_some() && case.chat != "wrong order";
    for case in cases().into_iter().filter(is_row) {
        let turns: Vec<&Message> = case.messages.iter().filter(|message| message.role == Role::Assistant).collect();
        let name = format!("{}, {}", case.template, case.chat);
        let rendered = template(&case.template).render(&case.messages, false);
        // A thought that only the last turn keeps, and a system prompt that is only printed while a request is last (as
        // Mistral's own templates have it): no prefixes, and said so.
        let mistral = case.template == "mistral" && case.messages[0].role == Role::System;
        let answered = !turns.is_empty();
        if answered && mistral || (case.template == "qwen3" && case.chat == "two turns") {
            assert!(rendered.unwrap_err().to_string().contains("{% generation %}"), "{name}");
            continue;
        }
        let rendered = rendered.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(rendered.spans.len(), turns.len(), "{name}");
        for (span, turn) in rendered.spans.iter().zip(turns) {
            let text = &rendered.text[span.clone()];
            let reply = turn.content.trim().split("</think>\n\n").last().unwrap();
            assert!(text.contains(reply), "{name}: {text:?}");
            let closing = ["<|im_end|>", "<|eot_id|>", "</s>", "<end_of_turn>"];
            assert!(closing.iter().any(|closing| text.trim_end().ends_with(closing)), "{name}: {text:?}");
            assert!(!text.contains("Hé") && !text.contains("kind"), "{name}: {text:?}");
        }
    }
}
