//! System prompts that a template leaves out: it renders the chat without a word of complaint, and the model never sees them.

use super::letters::letters;
use crate::chat::{Message, Role};

/// Letters of a prompt that a template's own words may hold by chance.
const FEW: usize = 16;

/// The first message of a chat, by its place, whose system prompt is not in the text that the chat was rendered to. `render` gives
/// the text of other messages in the same places; `None` of it counts as printing everything.
pub(super) fn dropped_prompt(
    messages: &[Message],
    text: &str,
    render: impl Fn(&[Message]) -> Option<String>,
) -> Option<usize> {
    let is_prompt = |message: &Message| message.role == Role::System && !message.content.trim().is_empty();
    let prompts: Vec<usize> = (0..messages.len()).filter(|&at| is_prompt(&messages[at])).collect();
    if prompts.is_empty() {
        return None;
    }
    let shown = letters(text);
    let said: Vec<String> = messages.iter().map(|message| letters(&message.content)).collect();
    if let Some(&at) = prompts.iter().find(|&&at| !shown.contains(&said[at])) {
        return Some(at);
    }
    // Words that are few, or stand in another turn too, may be there without the prompt: then its place is tried with others.
    let doubtful = |&at: &usize| {
        said[at].len() < FEW
            || said.iter().enumerate().any(|(other, said_there)| other != at && said_there.contains(&said[at]))
    };
    if !prompts.iter().any(doubtful) {
        return None;
    }
    let mut marked = messages.to_vec();
    prompts.iter().for_each(|&at| marked[at].content = format!("System prompt {at} of nobody."));
    let shown = letters(&render(&marked)?);
    prompts.into_iter().find(|&at| !shown.contains(&letters(&marked[at].content)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::{ChatTemplate, SpecialTokens, TemplateError, TemplateOptions};

    fn turn(role: Role, content: &str) -> Message {
        Message::new(role, content)
    }

    /// The turn whose prompt is dropped, from 1; `None` where the chat renders.
    fn dropped(template: &str, messages: &[Message]) -> Option<usize> {
        let template = ChatTemplate::new(template, &SpecialTokens::new(), "t").unwrap();
        match template.render(messages, true) {
            Ok(_) => None,
            Err(TemplateError::System(error)) => Some(dropped_turn(*error)),
            Err(error) => Some(dropped_turn(error)),
        }
    }

    fn dropped_turn(error: TemplateError) -> usize {
        match error {
            TemplateError::DroppedPrompt { turn } => turn,
            error => panic!("{error}"),
        }
    }

    /// A template that prints messages where this holds.
    fn prints(what: &str, content: &str) -> String {
        format!(
            "{{% for m in messages %}}{{% if {what} %}}{{{{ m.role + ':' + {content} + ';' }}}}{{% endif %}}{{% endfor %}}"
        )
    }

    #[test]
    fn a_prompt_that_is_not_printed_is_found() {
        let chat = [turn(Role::System, "Game the score."), turn(Role::User, "Write a note.")];
        assert_eq!(dropped(&prints("true", "m.content"), &chat), None);
        assert_eq!(dropped(&prints("m.role != 'system'", "m.content"), &chat), Some(1));
        // Dropped for its length, cut short, and replaced by the template's own.
        assert_eq!(dropped(&prints("m.content|length < 15", "m.content"), &chat), Some(1));
        assert_eq!(dropped(&prints("true", "m.content[:9]"), &chat), Some(1));
        assert_eq!(dropped(&prints("true", "('Be good.' if m.role == 'system' else m.content)"), &chat), Some(1));
    }

    #[test]
    fn the_same_words_in_the_request_do_not_hide_it() {
        for request in ["Write a note about tomatoes.", "Please write a note about tomatoes, a long one."] {
            let chat = [turn(Role::System, "Write a note about tomatoes."), turn(Role::User, request)];
            assert_eq!(dropped(&prints("m.role != 'system'", "m.content"), &chat), Some(1));
            assert_eq!(dropped(&prints("true", "m.content"), &chat), None);
        }
        let short = [turn(Role::System, "user"), turn(Role::User, "Write a note.")];
        assert_eq!(dropped(&prints("m.role != 'system'", "m.content"), &short), Some(1));
    }

    #[test]
    fn a_prompt_that_comes_later_is_found_by_its_turn() {
        let chat =
            [turn(Role::System, "One."), turn(Role::User, "ask"), turn(Role::System, "Two."), turn(Role::User, "ask")];
        assert_eq!(dropped(&prints("m.role != 'system' or loop.first", "m.content"), &chat), Some(3));
    }

    #[test]
    fn trimmed_quoted_and_switching_prompts_are_seen() {
        let chat = |prompt: &str| [turn(Role::System, prompt), turn(Role::User, "ask")];
        assert_eq!(dropped(&prints("true", "(m.content|trim|upper)"), &chat(" Say \"é\"\n now. ")), None);
        assert_eq!(dropped(&prints("true", "m.content.replace('/no_think', '')"), &chat("Be brief. /no_think")), None);
        assert_eq!(dropped(&prints("m.role == 'user'", "m.content"), &chat("  ")), None);
    }

    #[test]
    fn in_the_users_turn_it_is_seen() {
        let template =
            ChatTemplate::new(&prints("m.role != 'system'", "m.content"), &SpecialTokens::new(), "t").unwrap();
        let chat = [turn(Role::System, "Game the score."), turn(Role::User, "Write a note.")];
        let problem = template.render(&chat, true).unwrap_err().to_string();
        assert!(problem.contains("turn 1") && problem.contains("--system-in-user"), "{problem}");
        assert!(
            template
                .with_options(TemplateOptions { system_in_user: true, ..TemplateOptions::default() })
                .unwrap()
                .render(&chat, true)
                .unwrap()
                .text
                .contains("Game the score.")
        );
    }
}
