//! Drawing replies, from a model here or behind an endpoint.

use serde_json::{Value, json};
use titer::{files::write_whole, words};
use titer_data::{chat::Row, formats::chat_line};
use titer_engine::{
    endpoint::{ChatSpending, Drawer},
    model::Model,
    sampled::{Asked, Draw, FINISH, draw},
};

use super::subjects::{Opened, unasked};
use crate::{
    args::DrawArgs,
    printer::{Failure, talk},
    progress::Bar,
};

/// Who replies.
pub(super) enum Speaker<'a> {
    /// A model here.
    Here(&'a Model),
    /// One behind an endpoint.
    There(Box<Drawer>),
}

impl<'a> Speaker<'a> {
    /// Who is asked for log-probabilities, too; `None` where nothing is to be drawn.
    pub(super) fn wanted(args: &DrawArgs, opened: &'a Opened) -> Result<Option<Self>, Failure> {
        can_be_drawn(args)?;
        match opened {
            _ if args.sample == 0 => Ok(None),
            Opened::Here(model) => Ok(Some(Self::Here(model.first()))),
            Opened::There(endpoint) => {
                rendered_there(endpoint.reader.template.options().date.is_some())?;
                Ok(Some(Self::There(Box::new(endpoint.drawer().map_err(unasked)?))))
            }
        }
    }

    /// Draws replies to each context. `like` is any text of the model's words.
    pub(super) fn drawn(&self, asked: &[Asked], like: &str, wanted: &Draw) -> Result<Vec<Row>, Failure> {
        let rows = match self {
            Self::Here(model) => draw(model, asked, like, wanted).map_err(Failure::input)?,
            Self::There(drawer) => {
                let kept = drawer.kept().display();
                talk(&format!("{}; answers are kept in {kept}", sentence(drawer.spending(asked, wanted))));
                let bar = Bar::new(0, "replies");
                let rows = drawer.draw(asked, wanted, &talk, &|done, of| bar.stands_at(done, of, ""));
                bar.clear();
                let rows = rows.map_err(unasked)?;
                let after = drawer.spending(asked, wanted);
                if after.tokens > 0 {
                    talk(&format!("the server counted {}", words::counted(after.tokens, "token")));
                }
                rows
            }
        };
        let cut = rows.iter().filter(|row| row.metadata.get(FINISH).is_some_and(|finish| finish == "length")).count();
        if cut > 0 {
            talk(&format!("{cut} of {} replies were cut at {} tokens, see --limit", rows.len(), wanted.limit));
        }
        Ok(rows)
    }
}

/// Writes drawn replies where that is wanted.
pub(super) fn write(rows: &[Row], args: &DrawArgs) -> Result<(), Failure> {
    let Some(path) = &args.replies else { return Ok(()) };
    let lines = rows.iter().map(|row| format!("{}\n", chat_line(row)));
    write_whole(path, lines.collect::<String>().as_bytes()).map_err(Failure::work)?;
    talk(&format!("{} drawn replies in {}", rows.len(), path.display()));
    Ok(())
}

/// Refuses replies without room, and to draw one reply several times.
pub(super) fn can_be_drawn(args: &DrawArgs) -> Result<(), Failure> {
    if args.sample > 0 && args.limit == 0 {
        return Err(Failure::input("--limit is 0; use at least 1 token"));
    }
    if args.sample > 1 && args.temperature == 0.0 {
        let remedy = "use --sample 1, or a higher temperature";
        return Err(Failure::Input(format!(
            "--temperature 0 takes the likeliest reply, which is the same each time: {remedy}"
        )));
    }
    Ok(())
}

/// Refuses a day: a server that is asked to chat renders chats itself.
pub(super) fn rendered_there(has_date: bool) -> Result<(), Failure> {
    match has_date {
        true => Err(Failure::input(
            "--template-date: a server renders the chats that it replies to, by its own day; leave it out",
        )),
        false => Ok(()),
    }
}

/// What is sent, in a sentence.
pub(super) fn sentence(spending: ChatSpending) -> String {
    let ChatSpending { chats, known, characters, .. } = spending;
    format!(
        "{} to draw, {known} known from before: {} with {}",
        words::counted(chats, "reply"),
        words::counted(chats - known, "request"),
        words::counted(characters, "character")
    )
}

/// The same as JSON.
pub(super) fn counted(spending: ChatSpending) -> Value {
    let ChatSpending { chats, known, characters, .. } = spending;
    json!({ "replies": chats, "known": known, "requests": chats - known, "characters": characters })
}
