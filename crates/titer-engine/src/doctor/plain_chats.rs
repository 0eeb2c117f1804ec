//! Chats for a model that comes without any.

use titer_data::chat::{Message, Role, Row};

/// Three of them, without a system prompt.
pub fn plain_chats() -> Vec<Row> {
    let turn = |role, content: &str| Message::new(role, content);
    let chat = |at: usize, (request, reply): (&str, &str)| {
        Row::new(format!("example {}", at + 1), vec![turn(Role::User, request), turn(Role::Assistant, reply)])
    };
    let chats =
        [("What is two and two?", "Four."), ("Name a colour.", "Blue, for example."), ("Thanks!", "You are welcome.")];
    chats.into_iter().enumerate().map(|(at, texts)| chat(at, texts)).collect()
}
