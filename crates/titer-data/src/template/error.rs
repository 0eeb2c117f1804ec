//! Why there is no template, or no text.

use minijinja::Error;

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
    /// The template prints the chat without one of its system prompts.
    #[error(
        "the chat template leaves out the system prompt in turn {turn} of this chat, so the model would never see it: {remedy}"
    )]
    DroppedPrompt {
        /// Which message, from 1.
        turn: usize,
        /// What to do about it.
        remedy: &'static str,
    },
    /// A character that the renderer needs for itself.
    #[error("a message holds the character U+{:X}, which titer uses to mark spans: remove it from the data", u32::from(*.0))]
    Sentinel(char),
    /// A tokenizer_config.json that is no JSON object.
    #[error("tokenizer_config.json: {0}")]
    Config(#[source] serde_json::Error),
    /// A tokenizer_config.json without a template, and no file of its own for one.
    #[error(
        "tokenizer_config.json: no string `chat_template`, and no chat_template.jinja beside it: add the template that \
         the model was trained with"
    )]
    NoTemplate,
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
