//! Why there is no template, or no text.

use minijinja::{Error, ErrorKind};

use super::limits::{STACK, Uncontained};
use crate::chat::Role;

/// Why there is no template, or no text.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// Nothing says which tokens are trained.
    #[error(
        "turn {turn} of this chat is rendered differently once more turns follow, so nothing says which tokens the \
         assistant wrote: to train the last reply alone, give the earlier ones `\"weight\": 0`; to train all, put \
         `{{% generation %}}` before and `{{% endgeneration %}}` behind what the chat template prints of an assistant message, the \
         closing token included"
    )]
    NotPrefixes {
        /// Which message, from 1.
        turn: usize,
    },
    /// What rows have before a reply is not the generation prompt, nor its beginning.
    #[error(
        "turn {turn}: what the chat template prints before a reply is another text than its generation prompt, so a probe would not \
         measure what training sees: make the chat template print the same generation prompt in both"
    )]
    OtherPrompt {
        /// Which message, from 1.
        turn: usize,
    },
    /// The template is not Jinja.
    #[error("{place}: the chat template does not compile: {}", chain(.source))]
    Syntax {
        /// Where the template is from.
        place: String,
        /// What minijinja says.
        source: Error,
    },
    /// The template fails on these messages, by its own `raise_exception` or otherwise.
    #[error("{place}: the chat template fails on this chat: {}", chain(.source))]
    Render {
        /// Where the template is from.
        place: String,
        /// What minijinja says.
        source: Error,
    },
    /// A template that has no end, or one that nobody will see.
    #[error(
        "{place}: the chat template does more than any chat needs: {problem}; use the template that the model was published with"
    )]
    Excess {
        /// Where the template is from.
        place: String,
        /// What is too much.
        problem: String,
    },
    /// The machine has no room for what a template runs in.
    #[error(
        "there is no room for a thread with {} MiB of address space, in which chat templates run: {problem}. Raise the limits of memory and \
         processes (`ulimit -v -u`), or take fewer threads", STACK >> 20
    )]
    NoRoom {
        /// What the system says.
        problem: std::io::Error,
    },
    /// The template does not take the chat's system prompt, and would take it in the user's turn.
    #[error(
        "this chat has a system prompt, which the chat template does not take ({0}): to put system prompts at the start of \
         the first user turn, say `system_in_user = true` under [model], or --system-in-user"
    )]
    System(Box<TemplateError>),
    /// The template prints the chat without one of its system prompts.
    #[error(
        "the chat template leaves out the system prompt in turn {turn} of this chat, so the model would never see it: move it to \
         where the template prints it, or into a user turn"
    )]
    DroppedPrompt {
        /// Which message, from 1.
        turn: usize,
    },
    /// The template prints a reply without a part of it.
    #[error(
        "the chat template leaves out a part of the reply in turn {turn} of this chat, such as thoughts in `<think>` or in \
         `reasoning_content`, so the model would never see it: take that part out of the data, give the turn `\"weight\": 0`, or use a template that prints it"
    )]
    CutReply {
        /// Which message, from 1.
        turn: usize,
    },
    /// A content in parts, which the template prints otherwise than one text.
    #[error(
        "the content of turn {turn} is given in parts, and the chat template prints parts otherwise than the text that they make, \
         such as without the white space between them: give it as one text, written as the model shall see it"
    )]
    Parts {
        /// Which message, from 1.
        turn: usize,
    },
    /// A number that is not held with all its digits.
    #[error("`{name}` holds a whole number of more than 64 bits, whose digits titer does not keep: write it as text")]
    Digits {
        /// The key or variable.
        name: String,
    },
    /// Text within a reply that the template does not mark.
    #[error(
        "the chat template marks the reply in turn {turn} in pieces, with text between them that it does not mark, so a probe would not \
         measure what training sees: put one `{{% generation %}}` around the whole reply"
    )]
    Torn {
        /// Which message, from 1.
        turn: usize,
    },
    /// The template does not look at something that a message says.
    #[error(
        "the chat template does not read `{name}` of turns of the {}, which turn {turn} has: the model would never see it; remove \
         it from the data, put what it says where the template reads it, or use a template that prints it", role.word()
    )]
    UnreadField {
        /// The key.
        name: String,
        /// Which message, from 1.
        turn: usize,
        /// Whose it is.
        role: Role,
    },
    /// The template reads no such variable.
    #[error(
        "`{name}` is for the chat template, which reads nothing of that name: the model would never see it; remove it, or use a \
         template that reads it"
    )]
    UnreadVariable {
        /// The variable.
        name: String,
    },
    /// Turns that shall not be trained on cannot be told from the others.
    #[error(
        "this chat has {turns} assistant turns, some of weight 0, but the chat template marks {spans} spans, which are not theirs \
         alone: mark every assistant turn with `{{% generation %}}`, and nothing else"
    )]
    Spans {
        /// Assistant turns.
        turns: usize,
        /// Spans in the rendered text.
        spans: usize,
    },
    /// A variable that would take the place of the chat.
    #[error(
        "`{name}` is what the chat itself is given to the chat template as: give the variable another name, or remove it"
    )]
    ChatVariable {
        /// The variable.
        name: String,
    },
    /// A date for a template that prints none.
    #[error("{place}: the chat template prints no date: take `template_date`, or --template-date, out")]
    NoDate {
        /// Where the template is from.
        place: String,
    },
    /// A character that the renderer needs for itself.
    #[error("a message holds the character U+{:X}, which titer uses to mark spans: remove it from the data", u32::from(*.0))]
    Sentinel(char),
    /// A tokenizer_config.json that is no JSON object.
    #[error("{place}: {source}")]
    Config {
        /// Which file.
        place: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A tokenizer_config.json without a template, and no file of its own for one.
    #[error(
        "{place}: no string `chat_template`, and no chat_template.jinja beside it: add the template that \
         the model was trained with"
    )]
    NoTemplate {
        /// Which file.
        place: String,
    },
}

impl TemplateError {
    /// Why nothing came of it.
    pub(super) fn uncontained(place: &str, why: Uncontained) -> Self {
        match why {
            Uncontained::Excess(problem) => Self::Excess { place: place.to_owned(), problem },
            Uncontained::NoRoom(problem) => Self::NoRoom { problem },
        }
    }

    /// What minijinja says of rendering.
    pub(super) fn render(place: &str, source: Error) -> Self {
        let place = place.to_owned();
        match source.kind() {
            ErrorKind::OutOfFuel => {
                Self::Excess { place, problem: "it makes too many steps, or too much text".to_owned() }
            }
            _ => Self::Render { place, source },
        }
    }
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
