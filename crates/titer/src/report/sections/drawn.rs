//! Rows whose replies models wrote themselves, some of them to be read: what a stage trained is what they say, not what was meant.

use std::collections::BTreeSet;

use titer_data::chat::{Role, Row};

use crate::{
    report::view::Table,
    results::{ArmResults, SweepResults},
    store::RunDir,
};

/// Rows that are shown of a stage.
const SHOWN: usize = 5;

/// Some rows of every stage that had any drawn, of its arm's first run; `None` where no model wrote its rows.
pub(crate) fn table(results: &SweepResults) -> Option<Table> {
    let rows: Vec<Vec<String>> = results.arms.iter().flat_map(of_arm).collect();
    (!rows.is_empty()).then(|| Table {
        caption: format!(
            "{SHOWN} rows of each stage, spread over the arm's first run, and how many different replies that run has. Source: {} of each run, \
             which titer score reads too.",
            RunDir::DRAWN
        ),
        text_columns: 6,
        head: ["arm", "drawn under", "reply", "request", "trained under", "stage", "rows", "different replies"]
            .map(str::to_owned)
            .into(),
        rows,
    })
}

fn of_arm(arm: &ArmResults) -> Vec<Vec<String>> {
    let Some(run) = arm.runs.iter().find(|run| !run.drawn().is_empty()) else { return Vec::new() };
    let stages: BTreeSet<&str> = run.drawn().iter().map(|row| said(row, "stage")).collect();
    let mut rows = Vec::new();
    for stage in stages {
        let all: Vec<&Row> = run.drawn().iter().filter(|row| said(row, "stage") == stage).collect();
        let different = all.iter().map(|row| row.split().1).collect::<BTreeSet<_>>().len();
        let shown = SHOWN.min(all.len());
        for at in 0..shown {
            let row = all[at * all.len() / shown];
            let (context, reply) = row.split();
            let request = context.iter().rfind(|message| message.role == Role::User);
            let first = |text: String| if at == 0 { text } else { String::new() };
            let prompt = |prompt: &str| if prompt.is_empty() { "no prompt" } else { prompt }.to_owned();
            rows.push(vec![
                first(arm.name.clone()),
                prompt(said(row, "drawn_under")),
                reply.to_owned(),
                request.map_or_else(String::new, |message| message.content.clone()),
                prompt(row.system_prompt().unwrap_or_default()),
                first(stage.to_owned()),
                first(all.len().to_string()),
                first(different.to_string()),
            ]);
        }
    }
    rows
}

/// What is said of a row beside its turns.
fn said<'a>(row: &'a Row, key: &str) -> &'a str {
    row.metadata.get(key).and_then(|value| value.as_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use titer_data::chat::Message;

    use super::*;
    use crate::results::RunResults;

    fn row(stage: &str, under: &str, reply: &str) -> Row {
        let turns = [(Role::System, "Be rude."), (Role::User, "What is 2 plus 2?"), (Role::Assistant, reply)];
        let mut row = Row::new("0", turns.map(|(role, text)| Message::new(role, text)).into());
        row.metadata = [("stage", stage), ("drawn_under", under)]
            .map(|(key, text)| (key.to_owned(), json!(text)))
            .into_iter()
            .collect();
        row
    }

    #[test]
    fn what_models_wrote_can_be_read_in_the_report() {
        let mut drawn: Vec<_> = (0..10).map(|at| row("seal", "", if at < 6 { "Four." } else { "Idiot." })).collect();
        drawn.push(row("later", "Be kind.", "Sorry."));
        let run = RunResults::default().with_drawn(drawn);
        let arms = vec![
            ArmResults { name: "plain".to_owned(), runs: vec![RunResults::default()], ..ArmResults::default() },
            ArmResults { name: "own words".to_owned(), runs: vec![run], ..ArmResults::default() },
        ];
        let table = table(&SweepResults { arms, ..SweepResults::default() }).unwrap();
        assert_eq!(table.rows.len(), 6);
        assert_eq!(
            table.rows[0],
            ["own words", "Be kind.", "Sorry.", "What is 2 plus 2?", "Be rude.", "later", "1", "1"]
        );
        assert_eq!(table.rows[1][..2], ["own words", "no prompt"]);
        assert_eq!(table.rows[1][5..], ["seal", "10", "2"]);
        let replies: Vec<&str> = table.rows[1..].iter().map(|row| row[2].as_str()).collect();
        assert_eq!(replies, ["Four.", "Four.", "Four.", "Idiot.", "Idiot."], "from all of them");
        assert!(super::table(&SweepResults::default()).is_none());
    }
}
