//! What chats are rendered with.

use titer_data::{
    template::{TemplateDate, TemplateOptions},
    variables::Variables,
};

/// What chats are rendered with; a spec says the same under [model].
#[derive(Debug, clap::Args)]
pub(crate) struct TemplateArgs {
    /// Put system prompts at the start of the first user turn, for chat templates that take none
    #[arg(long)]
    pub system_in_user: bool,
    /// Give the chat template a variable, such as enable_thinking=false: JSON, or else text; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = template_variable)]
    pub template_variable: Vec<(String, serde_json::Value)>,
    /// The day that a chat template which prints the date takes for today [default: 2024-07-26]
    #[arg(long, value_name = "DAY")]
    pub template_date: Option<TemplateDate>,
    /// Where a token is half header and half reply, train and score from the next one on
    #[arg(long)]
    pub skip_split_tokens: bool,
}

impl TemplateArgs {
    /// The same as options of a template.
    pub(crate) fn options(&self) -> TemplateOptions {
        TemplateOptions {
            system_in_user: self.system_in_user,
            skip_split_tokens: self.skip_split_tokens,
            date: self.template_date,
            variables: Variables(self.template_variable.iter().cloned().collect()),
        }
    }
}

/// A variable of a chat template as it is written on the command line.
fn template_variable(text: &str) -> Result<(String, serde_json::Value), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE, such as enable_thinking=false")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((name.to_owned(), value))
}
