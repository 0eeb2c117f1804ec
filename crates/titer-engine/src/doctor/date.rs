//! What the chat template takes for today.

use super::Check;
use crate::model::Model;

/// Which day the template prints, where it prints the date; `None` where it does not.
pub(super) fn date(model: &Model) -> Option<Check> {
    let date = model.template.planned_options().date?;
    Some(Check::note(
        "date",
        format!(
            "the template prints the date, and takes {date} for today in every chat: a run tomorrow gives the same numbers"
        ),
        "name another day with --template-date (`template_date` under [model] in a spec)",
    ))
}
