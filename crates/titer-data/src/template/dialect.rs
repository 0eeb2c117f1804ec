//! The Jinja of chat templates: what transformers defines in them, and what Jinja2 does where minijinja does otherwise.
//!
//! Held against transformers by `tests/dialect.rs`, feature by feature.

use minijinja::{Environment, Error, ErrorKind, Value, value::Rest};
use minijinja_contrib::globals;
use regex::Regex;

use super::{
    date::TemplateDate,
    held, limits, python,
    rewrite::{CONCAT, HELD, PERCENT, READ, STORED},
    syntax::syntax,
    text,
    to_json::to_json,
};

/// Sets what templates take for today.
pub(super) fn set_date(environment: &mut Environment<'_>, date: TemplateDate) {
    environment.add_function("strftime_now", move |format: &str| date.format(format));
}

/// An environment without templates, and without a date.
pub(super) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_syntax(syntax());
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    limits::set(&mut environment);
    environment.set_unknown_method_callback(python::method);
    environment.set_formatter(text::print);
    text::add_filters(&mut environment);
    environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_function(PERCENT, python::percent);
    environment.add_function(CONCAT, text::together);
    // Given names where a block begins, so that minijinja hands them to the block.
    environment.add_function(READ, |_: Rest<Value>| {});
    environment.add_function(HELD, held::held);
    environment.add_function(STORED, held::stored);
    environment.add_function("namespace", held::namespace);
    environment.add_function("dict", held::dict);
    environment.add_function("joiner", globals::joiner);
    // Of minijinja alone: what they make of two lists is not held.
    environment.remove_filter("zip");
    environment.remove_filter("chain");
    environment.add_filter("tojson", to_json);
    environment.add_filter("int", python::int);
    environment.add_filter("center", python::center);
    let word = Regex::new(r"\w+").expect("a pattern");
    environment.add_filter("wordcount", move |text: &str| word.find_iter(text).count());
    environment.add_test("iterable", python::is_iterable);
    environment.add_test("sequence", python::is_sequence);
    environment
}
