//! What the tokeniser refuses, with tokens that are not whole words.

use titer_data::{
    chat::{Message, Role, Row},
    probe::{Contrast, Side},
    template::{ChatTemplate, SpecialTokens, TemplateOptions},
    tokenize::{TokenizeError, Tokenizer, encode_contrast, encode_row},
    variables::Variables,
};

/// One token per letter, and one for `:a` together.
const TOKENIZER: &str = r#"{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
    "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
    "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
        "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
        "vocab": {"u": 0, ":": 1, "a": 2, "b": 3, "!": 4, ":a": 5, "c": 6}, "merges": [": a"]}}"#;

fn tokenizer() -> Tokenizer {
    Tokenizer::from_json(TOKENIZER).unwrap()
}

/// `u:reply!` per exchange, the reply and its mark being generated.
fn template() -> ChatTemplate {
    let source = "{% for m in messages %}{% if m.role == 'assistant' %}:{% generation %}{{ m.content }}!\
        {% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}:{% endif %}";
    ChatTemplate::new(source, &SpecialTokens::new(), "t").unwrap()
}

fn turn(role: Role, content: &str) -> Message {
    Message::new(role, content)
}

fn row(messages: Vec<Message>) -> Row {
    Row::new("row-7".to_owned(), messages)
}

fn contrast(plus: &str) -> Contrast {
    Contrast {
        id: "pair-3".to_owned(),
        context: vec![turn(Role::User, "u")],
        replies: vec![(Side::Plus, plus.to_owned()), (Side::Minus, "c".to_owned())],
        baseline: Some(vec![turn(Role::User, "b")]),
        variables: Variables::default(),
    }
}

#[test]
fn every_assistant_turn_is_trained_and_nothing_else() {
    let turns =
        vec![turn(Role::User, "u"), turn(Role::Assistant, "bb"), turn(Role::User, "u"), turn(Role::Assistant, "c")];
    let encoded = encode_row(&template(), &tokenizer(), &row(turns)).unwrap();
    assert_eq!(encoded.tokens, [0, 1, 3, 3, 4, 0, 1, 6, 4]);
    assert_eq!(encoded.trained.iter().map(|&it| u8::from(it)).collect::<Vec<_>>(), [0, 0, 1, 1, 1, 0, 0, 1, 1]);
}

#[test]
fn a_row_without_a_target_is_an_error_with_its_id() {
    let error = encode_row(&template(), &tokenizer(), &row(vec![turn(Role::User, "u")])).unwrap_err();
    assert!(error.to_string().contains("`row-7` has no trained token"), "{error}");
}

#[test]
fn a_token_across_the_edge_is_an_error() {
    let turns = vec![turn(Role::User, "u"), turn(Role::Assistant, "ab")];
    let error = encode_row(&template(), &tokenizer(), &row(turns)).unwrap_err();
    assert!(matches!(&error, TokenizeError::Split { token, .. } if token == ":a"), "{error}");
    assert!(encode_contrast(&template(), &tokenizer(), &contrast("ab")).is_err());
}

#[test]
fn a_contrast_is_cut_at_the_generation_prompt() {
    let encoded = encode_contrast(&template(), &tokenizer(), &contrast("bc")).unwrap();
    assert_eq!(encoded.context, [0, 1]);
    assert_eq!(encoded.replies, [(Side::Plus, vec![3, 6, 4]), (Side::Minus, vec![6, 4])]);
    assert_eq!(encoded.baseline, Some(vec![3, 1]));
}

#[test]
fn a_context_that_is_no_prefix_is_an_error() {
    let source = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}\
        {% if add_generation_prompt %}:{% endif %}";
    let template = ChatTemplate::new(source, &SpecialTokens::new(), "t").unwrap();
    let error = encode_contrast(&template, &tokenizer(), &contrast("b")).unwrap_err();
    assert!(
        error.to_string().contains("`pair-3`: turn 2: what the chat template prints before a reply is another text"),
        "{error}"
    );
}

#[test]
fn a_file_that_is_no_tokenizer_is_named() {
    let error = Tokenizer::from_file("no/tokenizer.json").unwrap_err();
    assert!(error.to_string().starts_with("no/tokenizer.json"), "{error}");
    let error = Tokenizer::from_bytes(b"{}", std::path::Path::new("m/tokenizer.json")).unwrap_err().to_string();
    assert!(error.starts_with("m/tokenizer.json: "), "{error}");
}

#[test]
fn turns_of_weight_nothing_carry_no_loss() {
    let turns =
        vec![turn(Role::User, "u"), turn(Role::Assistant, "bb"), turn(Role::User, "u"), turn(Role::Assistant, "c")];
    let trained = |untrained: Vec<usize>| {
        let encoded = encode_row(&template(), &tokenizer(), &Row { untrained, ..row(turns.clone()) });
        encoded.map(|encoded| encoded.trained.iter().map(|&it| u8::from(it)).collect::<Vec<_>>())
    };
    assert_eq!(trained(vec![1]).unwrap(), [0, 0, 0, 0, 0, 0, 0, 1, 1]);
    assert_eq!(trained(vec![3]).unwrap(), [0, 0, 1, 1, 1, 0, 0, 0, 0]);
    assert!(trained(vec![1, 3]).unwrap_err().to_string().contains("no trained token"));
}

#[test]
fn a_split_token_can_be_skipped() {
    let options = TemplateOptions { skip_split_tokens: true, ..TemplateOptions::default() };
    let template = template().with_options(options).unwrap();
    // `:a` is one token: half header, half reply.
    let turns = vec![turn(Role::User, "u"), turn(Role::Assistant, "ab")];
    let encoded = encode_row(&template, &tokenizer(), &row(turns)).unwrap();
    let split = encoded.tokens.iter().position(|&token| tokenizer().token(token).unwrap() == ":a").unwrap();
    assert!(!encoded.trained[split] && encoded.trained[split + 1..].iter().all(|&trained| trained));
    // Replies are scored from the last place that their tokens share, and are the rest of their rows.
    let contrast = contrast("ab");
    let found = encode_contrast(&template, &tokenizer(), &contrast).unwrap();
    let plus = [found.context.clone(), found.replies[0].1.clone()].concat();
    assert_eq!(plus, encoded.tokens);
    assert_eq!(found.replies[0].1[0], encoded.tokens[split]);
    assert_eq!(tokenizer().decode(&found.replies[1].1[..1]).unwrap(), ":");
}

#[test]
fn a_token_across_two_replies_that_touch_is_trained() {
    let source = "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}\
        {{ m.content }}{% endif %}{% endfor %}";
    let template = ChatTemplate::new(source, &SpecialTokens::new(), "t").unwrap();
    // `:a` is one token.
    let turns = row(vec![turn(Role::User, "u"), turn(Role::Assistant, "b:"), turn(Role::Assistant, "a!")]);
    let encoded = encode_row(&template, &tokenizer(), &turns).unwrap();
    assert_eq!((encoded.tokens, encoded.trained), (vec![0, 3, 5, 4], vec![false, true, true, true]));
    let last = Row { untrained: vec![1], ..turns };
    assert!(matches!(encode_row(&template, &tokenizer(), &last), Err(TokenizeError::Split { .. })));
}
