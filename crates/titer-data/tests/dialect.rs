//! The Jinja of chat templates is that of transformers, feature by feature (`reference/make_dialect.py`), and no template takes
//! more than a chat needs.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use serde::Deserialize;
use titer_data::{
    chat::{Chat, Message},
    template::{ChatTemplate, SpecialTokens, TemplateError, TemplateOptions},
    variables::Variables,
};

#[derive(Deserialize)]
struct Table {
    variables: Variables,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    template: String,
    /// `None` where transformers refuses the template.
    text: Option<String>,
}

fn rendered(source: &str, chat: Chat<'_>) -> Result<String, TemplateError> {
    let template = ChatTemplate::new(source, &SpecialTokens::new(), "t.jinja")?;
    let date = template.prints_date().then(|| "2024-07-06".parse().unwrap());
    template.with_options(TemplateOptions { date, ..TemplateOptions::default() })?.text(chat, false)
}

/// Where titer knowingly does otherwise: what it refuses, and what it prints where transformers refuses or prints the name of a
/// Python type.
const OTHERWISE: [(&str, Option<&str>); 22] = [
    ("{{ '%r' % text }}", None),
    ("{{ '%i' % 3.7 }}", None),
    ("{{ 'a\\nb' | indent(width='> ') }}", None),
    ("{{ 'a b c d' | truncate(5) }}", None),
    ("{{ 'hello big world' | truncate(9) }}", None),
    ("{{ 'hello big world' | truncate(9, true, '..') }}", None),
    ("{{ 'hello big world' | wordwrap(6) }}", None),
    ("{{ '<p>x</p>' | striptags }}", None),
    ("{{ 'a b/c?' | urlencode }}", None),
    ("{{ 1234567 | filesizeformat }}", None),
    ("{{ cycler('a', 'b').next() }}", None),
    ("{{ text is callable }}", None),
    ("{{ raise_exception is callable }}", None),
    ("{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, x=2) }}", None),
    ("{{ 'abc'.encode('utf-8') }}", None),
    ("{{ cycler is defined }}", Some("False")),
    ("{{ map.keys() }}", Some("['k', 'n', 'l']")),
    ("{{ range(3) }}", Some("[0, 1, 2]")),
    ("{{ text % number }}", Some("Hé <b>&'q'\"\n")),
    ("{{ 1 < 'a' }}", Some("True")),
    ("{{ none < 1 }}", Some("True")),
    ("{% for m in none %}x{% endfor %}", Some("")),
];

#[test]
fn every_feature_prints_what_transformers_prints() {
    let Table { variables, cases } = serde_json::from_str(include_str!("reference/dialect.json")).unwrap();
    assert!(cases.len() > 450);
    let mut others = variables;
    let messages: Vec<Message> = serde_json::from_value(others.0.shift_remove("messages").unwrap()).unwrap();
    let chat = Chat { messages: &messages, variables: &others };
    let mut wrong = String::new();
    for Case { template, text } in cases {
        let known = OTHERWISE.iter().find(|(source, _)| *source == template);
        let wanted = known.map_or(text.clone(), |(_, text)| text.map(str::to_owned));
        assert!(known.is_none() || wanted != text, "{template}: no longer otherwise");
        let found = rendered(&template, chat);
        if found.as_ref().ok() != wanted.as_ref() {
            writeln!(wrong, "{template}\n  wanted {wanted:?}\n  found  {found:?}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Fails with one sentence that names the template, in time.
fn is_refused(name: &str, source: &str) {
    let begun = Instant::now();
    let messages = [Message::new(titer_data::chat::Role::User, "hi")];
    let error = match rendered(source, (&messages).into()) {
        Ok(text) => panic!("{name}: {} bytes of text", text.len()),
        Err(error) => error.to_string(),
    };
    assert!(error.starts_with("t.jinja: the chat template "), "{name}: {error}");
    assert!(error.len() < 2000 && !error.contains('\n'), "{name}: {error}");
    assert!(begun.elapsed() < Duration::from_secs(60), "{name}: {:?}", begun.elapsed());
}

/// A namespace that changes 60 times over.
fn again(first: &str, then: &str, last: &str) -> String {
    format!(
        "{{% set ns = namespace(x={first}) %}}{{% for i in range(60) %}}{{% set ns.x = {then} %}}{{% endfor %}}{{{{ {last} }}}}"
    )
}

#[test]
fn no_text_grows_without_end() {
    let text = "'aaaaaaaaaa'";
    for (name, then) in [
        ("doubled", "ns.x ~ ns.x"),
        ("added", "ns.x + ns.x"),
        ("join", "[ns.x, ns.x, ns.x] | join(ns.x)"),
        ("the method join", "ns.x.join([ns.x, ns.x, ns.x])"),
        ("replace", "ns.x.replace('a', ns.x)"),
        ("the filter replace", "ns.x | replace('a', ns.x)"),
        ("format", "'%s%s' % (ns.x, ns.x)"),
        ("the method format", "'{0}{0}'.format(ns.x)"),
        ("tojson", "[ns.x, ns.x] | tojson"),
        ("indent", "[[1]] | tojson(indent=ns.x ~ ns.x)"),
        ("separators", "range(100) | list | tojson(separators=(ns.x, ns.x))"),
    ] {
        is_refused(name, &again(text, then, "ns.x"));
    }
    for expression in [
        "'a'.center(99999999999)",
        "'a' | center(99999999999)",
        "'7'.zfill(99999999999)",
        "'a' * 99999999999",
        "[1] * 99999999",
        "'%99999999999d' % 1",
        "'{:>99999999999}'.format(1)",
        "'a\tb'.expandtabs(99999999999)",
        "range(9223372036854775807) | list",
    ] {
        is_refused(expression, &format!("{{{{ {expression} }}}}"));
    }
    let captured = "{% set ns = namespace(x='aa') %}{% for i in range(60) %}{% set y %}{{ ns.x }}{{ ns.x }}{% endset %}\
        {% set ns.x = y %}{% endfor %}";
    is_refused("captured", captured);
}

#[test]
fn no_value_holds_itself_or_twice_what_holds_twice() {
    for (name, source) in [
        ("itself", "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}"),
        ("itself in a list", "{% set ns = namespace() %}{% set ns.a = [ns] %}{{ ns == ns }}"),
        ("each other", "{% set a = namespace() %}{% set b = namespace(a=a) %}{% set a.b = b %}{{ a | string }}"),
        ("in a macro", "{% macro f(x, n) %}{{ f([x, x], n + 1) if n < 90 else x }}{% endmacro %}{{ f([1], 0) }}"),
    ] {
        is_refused(name, source);
    }
    for value in ["[ns.x, ns.x]", "(ns.x, ns.x)", "{'a': ns.x, 'b': ns.x}", "dict(a=ns.x, b=ns.x)"] {
        is_refused(value, &again("['lol']", value, "ns.x"));
    }
    is_refused(
        "nested",
        "{% set ns = namespace(x=[]) %}{% for i in range(90000) %}{% set ns.x = [ns.x] %}{% endfor %}",
    );
}

#[test]
fn no_template_runs_without_end() {
    let loops = "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}";
    for (name, source) in [
        ("loops", loops),
        ("a macro", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"),
        (
            "two calls a macro",
            "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
        ),
        ("a loop in itself", "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}"),
        ("itself", "{% include 't.jinja' %}"),
    ] {
        is_refused(name, source);
    }
}

#[test]
fn no_source_is_too_much_to_compile() {
    let many = |text: &str, count: usize| text.repeat(count);
    for (name, source) in [
        ("elif", format!("{{% if a %}}{}{{% endif %}}", many("{% elif b %}x", 10_000))),
        ("if", many("{% if a %}", 10_000)),
        ("dots", format!("{{{{ a{} }}}}", many(".b", 100_000))),
        ("not", format!("{{{{ {}a }}}}", many("not ", 100_000))),
        ("sums", format!("{{{{ 1{} }}}}", many("+1", 100_000))),
        ("remainders", format!("{{{{ 1{} }}}}", many("%a", 100_000))),
        ("filters", format!("{{{{ a{} }}}}", many("|trim", 100_000))),
        ("brackets", format!("{{{{ {} }}}}", many("(", 100_000))),
        ("lists", format!("{{{{ {} }}}}", many("[", 100_000))),
        ("markers", many("{% generation %}", 10_000)),
        ("opened", many("{%", 30_000)),
        ("opened expressions", many("{{", 30_000)),
        ("opened comments", many("{#", 30_000)),
        ("opened markers", many("{% generation ", 5_000)),
        ("one opened", "a {%".to_owned()),
        ("one end", "a {% endgeneration %}".to_owned()),
        ("no end", "{% generation %} a".to_owned()),
        ("quotes", many("{{ '", 1000)),
        ("long", many("x", 3 << 20)),
    ] {
        is_refused(name, &source);
    }
    // As deep as what is let through: it compiles or says why, and does not end the program.
    for (before, deep, behind) in [
        ("", ".b", ""),
        ("", "+1", ""),
        ("", " % a", ""),
        ("", "|trim", ""),
        ("", " if a else a", ""),
        ("", "[0]", ""),
        ("", "()", ""),
        ("not ", "", ""),
        ("-", "", ""),
    ] {
        let deep = format!("{{{{ {}a{}{behind} }}}}", many(before, 1000), many(deep, 1000));
        drop(rendered(&deep, (&[]).into()));
    }
}

#[test]
fn no_broken_template_ends_the_program() {
    use proptest::prelude::*;
    let pieces = [
        "{%",
        "%}",
        "{{",
        "}}",
        "{#",
        "#}",
        "-",
        " generation ",
        " endgeneration ",
        " set x = ",
        " if ",
        " for a in ",
        " endfor ",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        "%",
        "'",
        "\"",
        "é",
        "\\",
        "\n",
        "a",
        "1",
        ".",
        ",",
        "|",
        " raw ",
        "\0",
    ];
    let source =
        proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..24).prop_map(|pieces| pieces.concat());
    proptest!(ProptestConfig::with_cases(512), |(source in source)| {
        // Ok or an error: a panic would be an error with other words.
        if let Err(error) = rendered(&source, (&[]).into()) {
            prop_assert!(!error.to_string().contains("the template engine failed"), "{source:?}: {error}");
        }
    });
}
