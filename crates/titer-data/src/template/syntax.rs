//! Jinja's delimiters, and white space as transformers has it.

use minijinja::syntax::SyntaxConfig;

/// The syntax of chat templates.
pub(super) fn syntax() -> SyntaxConfig {
    SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().expect("the delimiters are Jinja's own")
}
