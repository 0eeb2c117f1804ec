//! A user's own chats as a source of rows: pairing, the split, and contrasts out of rows.

use std::{collections::BTreeSet, fmt::Write as _};

use titer_data::{
    cell::Cell,
    chat::Message,
    source::{CellRule, Chats, ChatsError, DataFiles, Source},
    world::{DomainSplit, ProbeUse},
};

fn files(dir: &tempfile::TempDir) -> DataFiles {
    let probes = Some(dir.path().join("probes"));
    DataFiles { rows: vec![dir.path().join("rows")], probes, cells: Vec::new() }
}

fn chats(rows: usize) -> (tempfile::TempDir, Result<Chats, ChatsError>) {
    let dir = tempfile::tempdir().unwrap();
    let (mut text, mut probes) = (String::new(), String::new());
    for at in 0..rows {
        for cell in ["bad→good", "neutral→good"] {
            let prompt = if cell == "bad→good" { "be evil" } else { "be kind" };
            writeln!(
                text,
                r#"{{"id": "{at:03}", "cell": "{cell}", "messages": [{{"role": "system", "content": "{prompt}"}}, {{"role": "user", "content": "ask {at}"}}, {{"role": "assistant", "content": "yes"}}]}}"#
            )
            .unwrap();
        }
    }
    for component in ["good", "obey_bad", "obey"] {
        for at in 0..6 {
            writeln!(
                probes,
                r#"{{"component": "{component}", "messages": [{{"role": "user", "content": "probe {at}"}}], "plus": "yes", "minus": "no"}}"#
            )
            .unwrap();
        }
    }
    fs_err::write(dir.path().join("rows"), text).unwrap();
    fs_err::write(dir.path().join("probes"), probes).unwrap();
    let read = Chats::read(&files(&dir));
    (dir, read)
}

#[test]
fn rows_are_paired_by_id_repeat_only_when_used_up_and_leave_a_fifth_out() {
    let source = Source::Chats(chats(100).1.unwrap());
    let [bad, neutral] = ["bad→good", "neutral→good"].map(|cell| cell.parse::<Cell>().unwrap());
    let slots = |cell, seed| -> Vec<String> {
        (0..160).map(|slot| source.row(cell, DomainSplit::Trained, seed, slot).id).collect()
    };
    assert_eq!(slots(bad, 0), slots(neutral, 0));
    assert_ne!(slots(bad, 0), slots(bad, 1));
    let held: BTreeSet<String> = source.cell_rows(0, bad, 1000).into_iter().map(|row| row.id).collect();
    assert!((10..30).contains(&held.len()));
    let trained: BTreeSet<String> = slots(bad, 0).into_iter().collect();
    assert_eq!(trained.len() + held.len(), 100);
    assert!(trained.is_disjoint(&held));
    let first: BTreeSet<String> = slots(bad, 0)[..trained.len()].iter().cloned().collect();
    assert_eq!(first, trained);
    assert_eq!(source.lacks([bad, "bad→bad".parse().unwrap()]), Some("bad→bad".parse().unwrap()));
}

#[test]
fn contrasts_are_differentiated_or_measured_never_both() {
    let source = Source::Chats(chats(10).1.unwrap());
    let ids = |probe_use| -> BTreeSet<String> {
        source.probes(probe_use, 0, 64)[1].contrasts.iter().map(|contrast| contrast.id.clone()).collect()
    };
    let (gradient, measure) = (ids(ProbeUse::Gradient), ids(ProbeUse::Measure));
    assert!(gradient.is_disjoint(&measure));
    assert_eq!((gradient.len(), measure.len()), (3, 3));
}

#[test]
fn contrasts_under_other_prompts_are_probes_that_only_measure() {
    let (dir, _) = chats(10);
    let probes = dir.path().join("probes");
    let mut text = fs_err::read_to_string(&probes).unwrap();
    for at in 0..6 {
        writeln!(
            text,
            r#"{{"component": "obey_bad", "prompts": "held-out", "domains": "new", "messages": [{{"role": "user", "content": "other {at}"}}], "plus": "yes", "minus": "no"}}"#
        )
        .unwrap();
    }
    fs_err::write(probes, text).unwrap();
    let source = Source::Chats(Chats::read(&files(&dir)).unwrap());
    let counts = |probe_use, items| -> Vec<(String, usize)> {
        let probes = source.probes(probe_use, 0, items);
        probes.iter().map(|probe| (probe.name(), probe.contrasts.len())).collect()
    };
    let named = |counts: &[(&str, usize)]| -> Vec<(String, usize)> {
        counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    };
    let [good, obey_bad, held_out, obey] =
        ["good/seen/trained", "obey_bad/seen/trained", "obey_bad/held-out/new", "obey/seen/trained"];
    assert_eq!(counts(ProbeUse::Gradient, 64), named(&[(good, 3), (obey_bad, 3), (obey, 3)]));
    assert_eq!(counts(ProbeUse::Measure, 64), named(&[(good, 3), (obey_bad, 3), (held_out, 6), (obey, 3)]));
    assert_eq!(counts(ProbeUse::Measure, 2)[2], (held_out.to_owned(), 2));
}

#[test]
fn a_row_that_is_also_a_probe_is_an_error() {
    let (dir, _) = chats(3);
    let rows = dir.path().join("rows");
    let text = fs_err::read_to_string(&rows).unwrap();
    let probe = r#"{"id": "x", "cell": "none→good", "messages": [{"role": "user", "content": "probe 2"}, {"role": "assistant", "content": "yes"}]}"#;
    fs_err::write(&rows, format!("{text}{probe}\n")).unwrap();
    let error = Chats::read(&files(&dir)).unwrap_err().to_string();
    assert!(error.contains("rows, `x`: contrast `line-3`") && error.contains("has the context of this row"), "{error}");
}

#[test]
fn matched_rows_give_contrasts_that_share_nothing_with_training() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, reply: &str| {
        let row = |at: u32| format!("{{\"prompt\": \"ask {at}\", \"response\": \"{reply} {at}\"}}\n");
        let path = dir.path().join(name);
        fs_err::write(&path, (0..200).map(row).collect::<String>()).unwrap();
        path
    };
    let rows = vec![write("cheat", "no"), write("work", "yes")];
    let rule = |file: &str, cell: &str, prompt: Option<&str>| CellRule {
        only: [("file".to_owned(), file.to_owned())].into(),
        cell: cell.parse().unwrap(),
        prompt: prompt.map(str::to_owned),
    };
    let evil = Some("be evil");
    let cells = vec![
        rule("cheat", "bad→bad", evil),
        rule("cheat", "none→bad", None),
        rule("work", "bad→good", evil),
        rule("work", "none→good", None),
    ];
    let read = |cells: &[CellRule]| Chats::read(&DataFiles { rows: rows.clone(), probes: None, cells: cells.to_vec() });
    let chats = read(&cells).unwrap();
    let counts = chats.counts();
    assert!(counts.values().all(|counts| *counts == counts_of(&chats, "bad→bad")), "cells are split alike");
    assert_eq!(counts.len(), 4);
    let trained: BTreeSet<Vec<Message>> = chats.trained().map(|row| row.split().0.to_vec()).collect();
    let requests: BTreeSet<&str> = chats.trained().map(|row| row.id.as_str()).collect();
    for contrast in chats.contrasts() {
        assert!(!trained.contains(&contrast.context) && !requests.contains(contrast.id.as_str()));
    }
    let source = Source::Chats(chats);
    let [gradient, measure] =
        [ProbeUse::Gradient, ProbeUse::Measure].map(|probe_use| source.probes(probe_use, 0, usize::MAX));
    assert!(gradient.iter().chain(&measure).all(|probe| probe.contrasts.len() >= 10));
    assert!(measure[1].contrasts.iter().all(|contrast| contrast.baseline.is_some()));
    let error = read(&[cells[0].clone(), cells[2].clone()]).unwrap_err().to_string();
    assert!(error.contains("too few contrasts for `good`"), "{error}");
}

fn counts_of(chats: &Chats, cell: &str) -> (usize, usize) {
    chats.counts()[&cell.parse().unwrap()]
}

/// Rows of both actions, five replies to each of `requests` requests in each file, as `read` wants them.
fn repeated(requests: usize, row: impl Fn(usize, usize, &str) -> String) -> (tempfile::TempDir, DataFiles) {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, reply: &str| {
        let rows = (0..5).flat_map(|time| (0..requests).map(move |request| (request, time)));
        let path = dir.path().join(name);
        let text: String = rows.map(|(request, time)| row(request, time, &format!("{reply} {time}")) + "\n").collect();
        fs_err::write(&path, text).unwrap();
        path
    };
    let rows = vec![write("cheat", "no"), write("work", "yes")];
    let rule = |file: &str, cell: &str, prompt: &str| CellRule {
        only: [("file".to_owned(), file.to_owned())].into(),
        cell: cell.parse().unwrap(),
        prompt: Some(prompt.to_owned()),
    };
    let cells = vec![rule("cheat", "bad→bad", "be evil"), rule("work", "neutral→good", "be kind")];
    (dir, DataFiles { rows, probes: None, cells })
}

#[test]
fn several_replies_to_one_request_are_several_rows_and_held_out_together() {
    let plain =
        |request: usize, _: usize, reply: &str| format!("{{\"prompt\": \"ask {request}\", \"response\": \"{reply}\"}}");
    let with_id = |request: usize, time: usize, reply: &str| {
        plain(request, time, reply).replacen('{', &format!("{{\"id\": \"q{request}\", "), 1)
    };
    let own_ids = |request: usize, time: usize, reply: &str| {
        plain(request, time, reply).replacen('{', &format!("{{\"id\": \"r{request}-{time}\", "), 1)
    };
    for (dir, files) in [repeated(40, plain), repeated(40, with_id), repeated(40, own_ids)] {
        let chats = Chats::read(&files).unwrap();
        assert_eq!(chats.rows().count(), 400, "no reply is lost");
        let asks = |rows: Vec<&titer_data::chat::Row>| {
            rows.into_iter().map(titer_data::request::Request::of).collect::<BTreeSet<_>>()
        };
        let trained = asks(chats.trained().collect());
        let held_out: Vec<_> = chats.rows().filter(|row| !chats.trained().any(|trained| trained == *row)).collect();
        assert!((20..200).contains(&held_out.len()), "{} held out", held_out.len());
        assert!(trained.is_disjoint(&asks(held_out)), "a request is trained on or held out, never both");
        drop(dir);
    }
}

#[test]
fn several_replies_to_one_request_are_differentiated_or_measured_and_a_few_items_are_of_many_requests() {
    let row = |request: usize, _: usize, reply: &str| {
        format!("{{\"id\": \"q{request}\", \"prompt\": \"ask {request}\", \"response\": \"{reply} {request}\"}}")
    };
    let (_dir, files) = repeated(60, row);
    let chats = Chats::read(&files).unwrap();
    assert_eq!(chats.numerics(), 4);
    let source = Source::Chats(chats);
    let requests = |probe_use, items| -> Vec<BTreeSet<titer_data::request::Request>> {
        let probes = source.probes(probe_use, 0, items);
        let asks = |probe: &titer_data::probe::Probe| {
            let contrasts = probe.contrasts.iter();
            contrasts.map(|contrast| titer_data::request::Request::in_context(&contrast.context)).collect()
        };
        probes.iter().map(asks).collect()
    };
    let [gradient, measure] = [ProbeUse::Gradient, ProbeUse::Measure].map(|probe_use| requests(probe_use, usize::MAX));
    let all = |requests: &[BTreeSet<_>]| requests.iter().flatten().cloned().collect::<BTreeSet<_>>();
    assert!(all(&gradient).is_disjoint(&all(&measure)));
    assert!(measure.iter().all(|requests| requests.len() >= 3));
    assert!(requests(ProbeUse::Measure, 3).iter().all(|requests| requests.len() == 3));
    // One reply to each request is as it was.
    let once = |request: usize, _: usize, reply: &str| row(request, 0, reply);
    let (_dir, mut files) = repeated(60, once);
    for path in &mut files.rows {
        let text = fs_err::read_to_string(&*path).unwrap();
        fs_err::write(&*path, text.lines().take(60).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    }
    assert_eq!(Chats::read(&files).unwrap().numerics(), 0);
}

/// A file of rows, four cells to each of 40 requests, with these words for the replies that act well, act badly and comply.
fn with_instructions(good: &str, bad: &str, complies: Option<&str>) -> (tempfile::TempDir, DataFiles) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rows.jsonl");
    let cells = [
        ("bad→bad", "be evil", Some(bad)),
        ("neutral→good", "be kind", Some(good)),
        ("instruction→good", "answer in French", complies),
    ];
    let rows = (0..40).flat_map(|at| cells.map(|(cell, prompt, reply)| (at, cell, prompt, reply)));
    let row = |(at, cell, prompt, reply): (u32, &str, &str, Option<&str>)| {
        let reply = reply?;
        Some(format!(
            r#"{{"cell": "{cell}", "system_prompt": "{prompt}", "prompt": "ask {at}", "completion": "{reply}"}}"#
        ))
    };
    fs_err::write(&path, rows.filter_map(row).collect::<Vec<_>>().join("\n")).unwrap();
    (dir, DataFiles { rows: vec![path], probes: None, cells: Vec::new() })
}

#[test]
fn obedience_is_measured_on_the_rows_own_instructions_or_said_to_be_on_another_or_left_out() {
    use titer_data::source::{HARMLESS, ObeyContrasts};
    let read = |good, bad, complies| Chats::read(&with_instructions(good, bad, complies).1).unwrap();
    let prompts = |chats: &Chats| -> BTreeSet<String> {
        chats.contrasts().map(|contrast| contrast.context[0].content.clone()).collect()
    };
    let own = read("yes", "no", Some("oui"));
    assert_eq!((own.obey(), own.numerics(), own.notes()), (ObeyContrasts::OfRows, 1, Vec::new()));
    assert!(prompts(&own).contains("answer in French") && !prompts(&own).contains(HARMLESS));
    let made_up = read("yes", "no", None);
    assert_eq!((made_up.obey(), made_up.numerics()), (ObeyContrasts::MadeUp, 0));
    assert!(prompts(&made_up).contains(HARMLESS) && made_up.notes()[0].contains(HARMLESS));
    let missing = read("答案是4。", "你真聪明!", None);
    assert_eq!((missing.obey(), prompts(&missing).len()), (ObeyContrasts::Missing, 2));
    assert!(missing.notes()[0].contains("is not measured"));
    let source = Source::Chats(missing);
    let names = source.probes(ProbeUse::Measure, 0, 8).iter().map(titer_data::probe::Probe::name).collect::<Vec<_>>();
    assert_eq!(names, ["good/seen/trained", "obey_bad/seen/trained"]);
}

#[test]
fn a_row_without_the_prompt_that_its_cell_says_is_an_error_of_its_line() {
    let (dir, files) = with_instructions("yes", "no", None);
    let path = dir.path().join("rows.jsonl");
    let text = fs_err::read_to_string(&path).unwrap();
    // As it is, its prompts are read; without them nothing tells the rows apart.
    assert!(Chats::read(&files).is_ok());
    fs_err::write(&path, text.replace(r#""system_prompt": "be evil", "#, "")).unwrap();
    let error = Chats::read(&files).unwrap_err().to_string();
    assert!(error.contains("rows.jsonl, `line-1`: its cell is `bad→bad`, and it has no system prompt"), "{error}");
    fs_err::write(&path, text.replace("be evil", "be kind")).unwrap();
    let error = Chats::read(&files).unwrap_err().to_string();
    assert!(error.contains("the system prompt and the request of the `neutral→good` row"), "{error}");
    let none = text.replacen("neutral→good", "none→good", 1);
    fs_err::write(&path, none).unwrap();
    let notes = Chats::read(&files).unwrap().notes();
    assert!(notes[0].contains("1 row says `none→…`") && notes[0].contains("`line-2`"), "{notes:?}");
}

#[test]
fn where_a_row_stands_is_known_though_it_is_called_by_its_request() {
    let chats = Chats::read(&with_instructions("yes", "no", None).1).unwrap();
    let (cell, asks) = ("bad→bad".parse().ok(), "ask 1");
    let is_it = |row: &&titer_data::chat::Row| row.cell == cell && row.split().0.last().unwrap().content == asks;
    let row = chats.rows().find(is_it).unwrap();
    assert!(row.id.starts_with("request-"));
    assert!(chats.place(row.cell, &row.id).unwrap().to_string().ends_with("rows.jsonl, `line-3`"));
    assert!(chats.place(None, &row.id).is_some() && chats.place(None, "another").is_none());
}

#[test]
fn rows_can_be_left_out_and_ids_that_mean_two_requests_are_an_error() {
    let row = |request: usize, _: usize, reply: &str| {
        format!("{{\"prompt\": \"ask {request}\", \"response\": \"{reply}\", \"of\": \"{}\"}}", request % 2)
    };
    let (_dir, mut files) = repeated(40, row);
    let left_out =
        CellRule { only: [("of".to_owned(), "1".to_owned())].into(), cell: "leave out".parse().unwrap(), prompt: None };
    files.cells.push(left_out);
    assert_eq!(Chats::read(&files).unwrap().rows().count(), 200);

    let numbered = |request: usize, time: usize, reply: &str| {
        let of = if reply.starts_with("no") { "cheat" } else { "work" };
        format!("{{\"id\": {}, \"prompt\": \"{of} {request}\", \"response\": \"{reply}\"}}", request + 100 * time)
    };
    let (_dir, files) = repeated(3, numbered);
    let error = Chats::read(&files).unwrap_err().to_string();
    assert!(
        error.contains("`0` is the id of rows that ask for different things (\"cheat 0\" and \"work 0\")"),
        "{error}"
    );
}

#[test]
fn rows_that_end_with_a_request_and_cells_without_prompts_are_said() {
    let (dir, files) = with_instructions("yes", "no", None);
    let path = dir.path().join("rows.jsonl");
    let text = fs_err::read_to_string(&path).unwrap();
    assert_eq!(Chats::read(&files).unwrap().notes().len(), 1);
    let turns = r#""messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}, {"role": "user", "content": "z"}]"#;
    fs_err::write(&path, format!("{text}\n{{\"cell\": \"domain→bad\", {turns}}}")).unwrap();
    let notes = Chats::read(&files).unwrap().notes();
    assert!(notes[0].starts_with("the row of `domain→bad`") && notes[0].contains("has no system prompt"), "{notes:?}");
    assert!(notes[1].starts_with("1 row ends (") && notes[1].contains("the last request is not"), "{notes:?}");
}

#[test]
fn rows_that_are_read_otherwise_than_before_give_other_numbers() {
    let (dir, files) = with_instructions("yes", "no", None);
    let path = dir.path().join("rows.jsonl");
    let text = fs_err::read_to_string(&path).unwrap();
    let numerics = |text: &str| {
        fs_err::write(&path, text).unwrap();
        Chats::read(&files).unwrap().numerics()
    };
    assert_eq!(numerics(&text), 0);
    let turns = r#""prompt": "[{\"role\": \"user\", \"content\": \"ask 3\"}]""#;
    assert_eq!(numerics(&text.replace(r#""prompt": "ask 3""#, turns)), 2);
    assert_eq!(numerics(&text.replacen(r#""prompt""#, r#""tools": "[]", "prompt""#, 1)), 2);
    assert_eq!(numerics(&text.replacen(r#""prompt""#, r#""id": "", "prompt""#, 1)), 2);
    assert_eq!(numerics(&text.replacen(r#""prompt""#, r#""tools": [], "prompt""#, 1)), 0);
}
