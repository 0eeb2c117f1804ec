//! Chat files: what is read, what is refused and with which words.

use std::io::Write;

use titer_data::{
    audit::Census,
    chat::Role,
    formats::{ChatFile, ReadError, read_chat_file, read_columns, read_rows},
};

/// A file that is removed when the test ends.
fn file(content: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    file
}

fn first_error(content: &str) -> String {
    let file = file(content.as_bytes());
    let error = read_rows(file.path()).unwrap_err().to_string();
    assert!(error.contains(file.path().to_str().unwrap()), "{error}");
    error
}

const GOOD: &str = r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"#;

#[test]
fn messages_and_prompts_become_rows() {
    let file = file(
        concat!(
            r#"{"id": "x", "cell": "bad->good", "n": 3, "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]}"#,
            "\r\n\n",
            r#"{"id": 7, "prompt": "p", "response": "r", "arm": "a"}"#,
            "\n",
            r#"{"prompt": "p", "answer": 5}"#,
        )
        .as_bytes(),
    );
    let rows = read_rows(file.path()).unwrap();
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, ["x", "7", "line-4"]);
    assert_eq!(rows[0].cell, Some("bad→good".parse().unwrap()));
    assert_eq!(rows[0].metadata["n"], 3);
    let turns: Vec<_> = rows[1].messages.iter().map(|message| (message.role, message.content.as_str())).collect();
    assert_eq!(turns, [(Role::User, "p"), (Role::Assistant, "r")]);
    assert_eq!(rows[1].metadata.keys().collect::<Vec<_>>(), ["arm"]);
    assert_eq!(rows[2].metadata["answer"], 5);
}

#[test]
fn a_malformed_line_is_named_by_its_number_with_a_remedy() {
    for (line, expected) in [
        ("{", "not JSON at column"),
        ("[]", "the line is a list, not an object"),
        ("{}", "no `messages`, no `conversations` and no `prompt`"),
        (r#"{"words": "a", "n": 3}"#, "and no `prompt`; there is `words`, `n`"),
        (r#"{"messages": []}"#, "`messages` is empty"),
        (r#"{"messages": "hi"}"#, "`messages` is text"),
        (r#"{"messages": null, "conversations": null}"#, "`messages` is null"),
        (r#"{"messages": ["hi"]}"#, "message 1 is text"),
        (r#"{"messages": [{"role": "human", "content": "a"}]}"#, "unknown role `human`"),
        (r#"{"messages": [{"role": "user", "content": null}]}"#, "`content` that is null"),
        (r#"{"messages": [{"role": "user", "content": [1]}]}"#, "part 1 of message 1 is a number"),
        (r#"{"messages": [{"role": "user"}]}"#, "has no `content`"),
        (r#"{"messages": [{"content": "a"}]}"#, "has no `role`"),
        (r#"{"messages": [{"role": "assistant", "content": "a", "weight": 2}]}"#, "a `weight` that says nothing"),
        (
            r#"{"messages": [{"role": "user", "content": "a", "weight": 1}]}"#,
            "only an assistant's message has a weight",
        ),
        (r#"{"conversations": [{"from": "robot", "value": "a"}]}"#, "unknown role `robot`"),
        (r#"{"conversations": [{"from": "human"}]}"#, "has no `value`"),
        (r#"{"system": "s", "conversations": [{"from": "system", "value": "a"}]}"#, "keep one of the two"),
        (r#"{"prompt": 3}"#, "`prompt` is a number"),
        (r#"{"prompt": "a", "response": 3}"#, "`response` is a number"),
        (r#"{"prompt": "a", "cell": "bad→worse"}"#, "`cell` is not a cell"),
        (r#"{"prompt": "a", "cell": 1}"#, "`cell` is a number"),
    ] {
        let error = first_error(&format!("{GOOD}\n\n{line}\n{GOOD}\n"));
        assert!(error.contains(", line 3: ") && error.contains(expected), "{line}: {error}");
    }
}

#[test]
fn text_that_is_not_utf8_is_named_by_its_line() {
    let file = file(&[GOOD.as_bytes(), b"\n{\"prompt\": \"\xff\"}\n"].concat());
    let error = read_rows(file.path()).unwrap_err().to_string();
    assert!(error.contains("line 2: not UTF-8 from byte 13 on: save the file as UTF-8"), "{error}");
}

#[test]
fn all_malformed_lines_can_be_listed() {
    let file = file(format!("\u{feff}{GOOD}\n{{}}\n{GOOD}\nx\n").as_bytes());
    let ChatFile { rows, errors, format } = read_chat_file(file.path()).unwrap();
    assert_eq!(format.to_string(), "JSON Lines of messages");
    assert_eq!(rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["line-1", "line-3"]);
    assert_eq!(errors.iter().map(|error| error.line).collect::<Vec<_>>(), [2, 4]);
}

#[test]
fn missing_and_empty_files_are_errors() {
    assert!(
        matches!(read_rows("no/such/file.jsonl"), Err(ReadError::Io(error)) if error.to_string().contains("no/such"))
    );
    let file = file(b"\n \n");
    assert!(matches!(read_rows(file.path()), Err(ReadError::Empty(_))));
    assert!(matches!(read_chat_file(file.path()), Err(ReadError::Empty(_))));
}

#[test]
fn the_census_counts() {
    let file = file(
        [
            r#"{"id": "a", "k": 1, "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]}"#,
            r#"{"id": "a", "messages": [{"role": "system", "content": "t"}, {"role": "assistant", "content": "u"}]}"#,
            r#"{"id": "b", "messages": [{"role": "system", "content": "t"}, {"role": "system", "content": "t"}]}"#,
            r#"{"id": "c", "prompt": "p", "response": "r", "cell": "none→good"}"#,
        ]
        .join("\n")
        .as_bytes(),
    );
    let census = Census::of(&read_rows(file.path()).unwrap());
    assert_eq!((census.rows, census.rows_with_system, census.rows_without_target), (4, 3, 2));
    assert_eq!(census.roles, [(Role::System, 4), (Role::User, 2), (Role::Assistant, 2)].into());
    assert_eq!(census.system_prompts, [("t".to_owned(), 2), ("s".to_owned(), 1)]);
    assert_eq!(census.turns, [(2, 4)].into());
    assert_eq!(census.metadata_keys, [("k".to_owned(), 1)].into());
    assert_eq!(census.duplicate_ids, [("a".to_owned(), 2)]);
    assert_eq!(census.cells, [("none→good".parse().unwrap(), 1)].into());
}

/// Who says what.
fn turns(row: &titer_data::chat::Row) -> Vec<(Role, &str)> {
    row.messages.iter().map(|message| (message.role, message.content.as_str())).collect()
}

#[test]
fn every_way_to_write_a_chat_gives_the_same_turns() {
    use Role::{Assistant, System, User};
    let ways = [
        r#"{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}], "k": 1}"#,
        r#"{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}, {"role": "assistant", "content": "a", "weight": 1}], "k": 1}"#,
        r#"{"conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "u"}, {"from": "gpt", "value": "a"}], "k": 1}"#,
        r#"{"system": "s", "conversations": [{"from": "human", "value": "u"}, {"from": "gpt", "value": "a"}], "k": 1}"#,
        r#"{"system": "s", "prompt": "u", "completion": "a", "k": 1}"#,
        r#"{"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}], "completion": [{"role": "assistant", "content": "a"}], "k": 1}"#,
    ];
    let lines = file(ways.join("\n").as_bytes());
    let list = file(format!(" [{}]", ways.join(",\n")).as_bytes());
    for (file, container) in [(lines, "JSON Lines"), (list, "a JSON list")] {
        let found = read_chat_file(file.path()).unwrap();
        assert!(found.errors.is_empty());
        for row in &found.rows {
            assert_eq!(turns(row), [(System, "s"), (User, "u"), (Assistant, "a")]);
            assert_eq!(row.metadata.keys().collect::<Vec<_>>(), ["k"]);
        }
        let shapes = "messages (1) and messages with weights (OpenAI fine-tuning) (1) and conversations (ShareGPT) (2) \
                      and prompts with or without a completion (2)";
        assert_eq!(found.format.to_string(), format!("{container} of {shapes}"));
    }
}

#[test]
fn a_list_names_its_entries() {
    let file = file(br#"[{"prompt": "a"}, {"prompt": 3}]"#);
    let error = read_rows(file.path()).unwrap_err().to_string();
    assert!(error.contains(", row 2: `prompt` is a number"), "{error}");
}

/// As `datasets` and pyarrow write it (`reference/make_parquet.py`): a list of structures, nulls, other columns.
#[test]
fn parquet_holds_the_same_rows() {
    for name in ["messages", "conversations"] {
        let path = format!("{}/tests/reference/{name}.parquet", env!("CARGO_MANIFEST_DIR"));
        let found = read_chat_file(&path).unwrap();
        assert!(found.errors.is_empty(), "{:?}", found.errors);
        let shape = if name == "messages" { "messages" } else { "conversations (ShareGPT)" };
        assert_eq!(found.format.to_string(), format!("Parquet of {shape}"));
        let rows = found.rows;
        assert_eq!(rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(turns(&rows[0]), [(Role::User, "Hé\n\"?\""), (Role::Assistant, "a")]);
        assert_eq!(turns(&rows[1]), [(Role::System, "s"), (Role::User, "u"), (Role::Assistant, "b")]);
        assert_eq!(rows[1].metadata["source"], "sneaky");
        assert_eq!(rows[0].metadata["n"], 3);
    }
    let path = format!("{}/tests/reference/messages.parquet", env!("CARGO_MANIFEST_DIR"));
    let bytes = fs_err::read(path).unwrap();
    let cut = file(&bytes[..bytes.len() / 2]);
    assert!(read_rows(cut.path()).unwrap_err().to_string().contains("damaged Parquet"));
}

#[test]
fn instructions_questions_and_contexts_are_requests() {
    let lines = [
        (r#"{"instruction": "sum up", "input": "a text", "output": "short"}"#, "sum up\na text", "short"),
        (r#"{"instruction": "say hi", "input": "", "output": "hi"}"#, "say hi", "hi"),
        (
            r#"{"instruction": "sum up", "context": "a text", "response": "short", "category": "x"}"#,
            "sum up\na text",
            "short",
        ),
        (r#"{"question": "why", "answer": "so"}"#, "why", "so"),
        (r#"{"context": "why", "response": "so"}"#, "why", "so"),
        (r#"{"context": [{"role": "user", "content": "why"}], "response": "so"}"#, "why", "so"),
        (
            r#"{"messages": "[{\"role\": \"user\", \"content\": \"why\"}, {\"role\": \"assistant\", \"content\": \"so\"}]"}"#,
            "why",
            "so",
        ),
    ];
    for (line, request, reply) in lines {
        let row = read_rows(file(line.as_bytes()).path()).unwrap().remove(0);
        let turns: Vec<_> = row.messages.iter().map(|message| (message.role, message.content.as_str())).collect();
        assert_eq!(turns, [(Role::User, request), (Role::Assistant, reply)], "{line}");
    }
    let questions = read_rows(file(br#"["why", "what"]"#).path()).unwrap();
    assert_eq!(questions.iter().map(|row| row.messages[0].content.as_str()).collect::<Vec<_>>(), ["why", "what"]);
    for (line, problem) in [
        (r#"{"instruction": "a", "input": 3, "output": "b"}"#, "`input` is a number"),
        (
            r#"{"instruction": "a", "history": [["b", "c"]], "output": "d"}"#,
            "`history` beside `instruction` is not read",
        ),
    ] {
        assert!(first_error(line).contains(problem), "{line}");
    }
}

#[test]
fn every_common_way_to_write_turns_is_read() {
    use Role::{Assistant, System, User};
    for line in [
        r#"{"conversations": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]}"#,
        r#"{"messages": [{"from": "system", "value": "s"}, {"from": "human", "value": "u"}, {"from": "gpt", "value": "a"}]}"#,
        r#"[{"role": "system", "content": "s"}, {"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]"#,
        r#"{"system": "s", "messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]}"#,
        r#"{"messages": [{"role": "developer", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "u"}]}, {"role": "assistant", "content": [{"type": "output_text", "text": "a", "annotations": []}]}]}"#,
        r#"{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}, {"role": "assistant", "content": [{"type": "text", "text": "a", "image_url": null}]}]}"#,
    ] {
        let file = file(format!("{line}\n{line}\n").as_bytes());
        let found = read_chat_file(file.path()).unwrap();
        assert!(found.errors.is_empty(), "{line}: {:?}", found.errors);
        for row in &found.rows {
            assert_eq!(turns(row), [(System, "s"), (User, "u"), (Assistant, "a")], "{line}");
            assert!(row.metadata.is_empty() && row.variables.is_empty(), "{line}");
        }
    }
}

#[test]
fn what_cannot_be_trained_is_refused_by_name() {
    for (line, expected) in [
        (r#"{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}"#, "`image_url`"),
        (r#"{"messages": [{"role": "user", "content": [{"type": "thinking", "thinking": "x"}]}]}"#, "`thinking`"),
        (r#"{"messages": [{"role": "assistant", "content": "a", "function_call": {}}]}"#, "`function_call`"),
        (r#"{"conversations": [{"from": "function_call", "value": "a"}]}"#, "`function_call`"),
        (r#"{"messages": [{"role": "function", "content": "a"}]}"#, "`function`"),
        (r#"{"messages": [{"role": "assistant", "content": "a", "train": false}]}"#, "`train`"),
        (r#"{"system": 3, "messages": [{"role": "user", "content": "a"}]}"#, "`system` is a number"),
        (r#"{"system": "s", "messages": [{"role": "system", "content": "a"}]}"#, "keep one of the two"),
        (r#"{"tools": "x", "messages": [{"role": "user", "content": "a"}]}"#, "`tools` is text that is no JSON list"),
        (r#"{"functions": [{}], "messages": [{"role": "user", "content": "a"}]}"#, "`functions`"),
        (
            r#"{"chat_template_kwargs": 1, "messages": [{"role": "user", "content": "a"}]}"#,
            "`chat_template_kwargs` is a number",
        ),
    ] {
        let error = first_error(line);
        assert!(error.contains(expected), "{line}: {error}");
    }
}

#[test]
fn the_census_tells_what_is_not_trained() {
    let file = file(
        [
            r#"{"messages": [{"role": "user", "content": "a"}, {"role": "system", "content": "s"}, {"role": "assistant", "content": "b"}]}"#,
            r#"{"messages": [{"role": "assistant", "content": "b"}, {"role": "user", "content": "a"}]}"#,
            r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": " "}]}"#,
            r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0}]}"#,
            r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "thinking": "t"}], "tools": [{}]}"#,
        ]
        .join("\n")
        .as_bytes(),
    );
    let census = Census::of(&read_rows(file.path()).unwrap());
    assert_eq!((census.rows_without_target, census.rows_without_last_reply), (0, 1));
    assert_eq!((census.rows_with_empty_reply, census.untrained_rows, census.rows_with_late_system), (1, 1, 1));
    assert_eq!(census.template_fields, [("thinking".to_owned(), 1), ("tools".to_owned(), 1)].into());
}

#[test]
fn weights_of_a_completion_count_and_turns_of_a_prompt_are_context() {
    let row = |line: &str| read_rows(file(line.as_bytes()).path()).unwrap().remove(0);
    let turn = |role: &str, more: &str| format!(r#"{{"role": "{role}", "content": "{role}"{more}}}"#);
    let [user, said, unsaid] =
        [("user", ""), ("assistant", ""), ("assistant", r#", "weight": 0"#)].map(|(role, more)| turn(role, more));
    let weighted = turn("assistant", r#", "weight": 1"#);
    for (line, untrained) in [
        (format!(r#"{{"prompt": [{user}], "completion": [{unsaid}, {user}, {said}]}}"#), vec![1]),
        (format!(r#"{{"system": "s", "prompt": "u", "completion": [{unsaid}, {user}, {said}]}}"#), vec![2]),
        (format!(r#"{{"prompt": [{user}, {said}, {user}], "completion": [{said}]}}"#), vec![1]),
        (format!(r#"{{"context": [{user}, {said}, {user}], "response": "a"}}"#), vec![1]),
        (format!(r#"{{"prompt": [{user}, {weighted}, {user}], "completion": [{said}, {user}, {unsaid}]}}"#), vec![5]),
        (format!(r#"{{"prompt": [{user}, {said}]}}"#), vec![]),
    ] {
        assert_eq!(row(&line).untrained, untrained, "{line}");
    }
}

#[test]
fn what_two_keys_say_of_one_part_of_a_chat_is_refused() {
    let chat = r#""messages": [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]"#;
    let shared = r#""conversations": [{"from": "human", "value": "v"}]"#;
    for (line, expected) in [
        (
            r#"{"prompt": "p", "instruction": "i", "output": "o"}"#.to_owned(),
            "`prompt` and `instruction` both hold a request",
        ),
        (r#"{"prompt": "p", "context": "c", "output": "o"}"#.to_owned(), "`prompt` and `context` both hold a request"),
        (r#"{"prompt": "p", "input": "c", "output": "o"}"#.to_owned(), "`prompt` and `input` both hold a request"),
        (
            r#"{"instruction": "p", "input": "c", "context": "o"}"#.to_owned(),
            "`input` and `context` both hold an input",
        ),
        (r#"{"question": "q", "answer": "a", "output": "o"}"#.to_owned(), "`answer` and `output` both hold a reply"),
        (
            r#"{"prompt": "q", "response": "a", "completion": [{"role": "assistant", "content": "b"}]}"#.to_owned(),
            "`response` and `completion`",
        ),
        (format!(r#"{{{chat}, "response": "b"}}"#), "`messages` and `response` both hold turns"),
        (format!(r#"{{{chat}, "prompt": "b"}}"#), "`messages` and `prompt` both hold turns"),
        (format!(r#"{{{chat}, {shared}}}"#), "`messages` and `conversations` both hold turns"),
    ] {
        let error = first_error(&line);
        assert!(error.contains(expected), "{line}: {error}");
    }
    for line in [
        // Copies of what is among the turns, empty columns, and what a grader expects.
        format!(r#"{{{chat}, "prompt": "u", "response": " a", "conversations": [{{"from": "human", "value": "u"}}]}}"#),
        format!(r#"{{{chat}, "prompt": "", "conversations": null, "completion": []}}"#),
        r#"{"messages": null, "prompt": "", "question": "u", "context": "", "answer": 3, "output": "a", "response": ""}"#.to_owned(),
    ] {
        let row = read_rows(file(line.as_bytes()).path()).unwrap().remove(0);
        assert_eq!(turns(&row), [(Role::User, "u"), (Role::Assistant, "a")], "{line}");
    }
    for line in [
        r#"{"question": "why", "context": "a text", "answer": "so"}"#,
        r#"{"query": "why", "input": "a text", "output": "so"}"#,
    ] {
        let row = read_rows(file(line.as_bytes()).path()).unwrap().remove(0);
        assert_eq!(turns(&row), [(Role::User, "why\na text"), (Role::Assistant, "so")], "{line}");
    }
}

#[test]
fn ids_keep_their_digits_or_are_refused() {
    let id = |id: &str| read_rows(file(format!(r#"{{"id": {id}, "prompt": "p"}}"#).as_bytes()).path());
    assert_eq!(id("18446744073709551615").unwrap()[0].id, "18446744073709551615");
    assert_eq!(id("7.0").unwrap()[0].id, "7.0");
    let error = id("12345678901234567890123").unwrap_err().to_string();
    assert!(error.contains("line 1: `id` is 1.2345678901234568e") && error.contains("write it as text"), "{error}");
}

fn reference(name: &str) -> String {
    format!("{}/tests/reference/{name}.parquet", env!("CARGO_MANIFEST_DIR"))
}

/// Binary columns hold text in files of older writers; what is not text, and what JSON cannot say, is named by row and column.
#[test]
fn what_parquet_holds_is_taken_as_it_is_or_refused() {
    let found = read_chat_file(reference("bytes")).unwrap();
    assert_eq!(turns(&found.rows[0]), [(Role::User, "Hé"), (Role::Assistant, "a")]);
    assert_eq!((found.rows.len(), found.errors.len()), (1, 1));
    let error = found.errors[0].to_string();
    assert!(error.starts_with("row 2: `prompt` is no text, but bytes that are not UTF-8 from byte 2 on"), "{error}");
    let error = read_rows(reference("twice")).unwrap_err().to_string();
    assert!(error.contains("two columns are called `prompt`: give each its own name"), "{error}");
    let columns = read_columns(reference("infinite").as_ref()).unwrap();
    assert_eq!(columns[0].1.as_ref().unwrap()["score"], 0.5);
    assert!(columns[1].1.as_ref().unwrap()["score"].is_null());
    assert!(columns[2].1.as_ref().unwrap_err().contains("`score` is -inf"));
}

#[test]
fn a_reply_beside_a_chat_that_ends_with_a_request_is_refused() {
    let turn = |role: &str, said: &str| format!(r#"{{"role": "{role}", "content": "{said}"}}"#);
    let open =
        format!(r#""messages": [{}, {}, {}]"#, turn("user", "u"), turn("assistant", "earlier"), turn("user", "again"));
    for key in ["output", "answer", "response", "completion"] {
        let error = first_error(&format!(r#"{{{open}, "{key}": "later"}}"#));
        assert!(error.contains(&format!("`messages` ends without a reply, and `{key}` stands beside it")), "{error}");
    }
    let chat = format!(r#""messages": [{}, {}]"#, turn("user", "u"), turn("assistant", "a"));
    for key in ["output", "question", "instruction", "context", "query", "input"] {
        let error = first_error(&format!(r#"{{{chat}, "{key}": "other"}}"#));
        assert!(error.contains(&format!("`messages` and `{key}` both hold turns")), "{error}");
    }
    let pair = format!(r#"{{{open}, "plus": "a", "minus": "b", "answer": "later"}}"#);
    assert_eq!(read_rows(file(pair.as_bytes()).path()).unwrap()[0].metadata["answer"], "later");
    for beside in [r#""answer": "42""#, r#""answer": 42"#, r#""question": "u""#, r#""output": " a ""#] {
        let row = read_rows(file(format!("{{{chat}, {beside}}}").as_bytes()).path()).unwrap().remove(0);
        assert_eq!(turns(&row), [(Role::User, "u"), (Role::Assistant, "a")], "{beside}");
    }
}

#[test]
fn what_says_which_turns_are_trained_in_other_words_is_refused_by_name() {
    let chat = |more: &str| {
        format!(r#""messages": [{{"role": "user", "content": "u"}}, {{"role": "assistant", "content": "a"{more}}}]"#)
    };
    for said in [
        r#""training": false"#,
        r#""train_detail": []"#,
        r#""mask": 1"#,
        r#""masked": true"#,
        r#""loss_mask": 0"#,
        r#""loss_weight": 0.5"#,
        r#""trainable": false"#,
        r#""loss": false"#,
    ] {
        let key = said.split('"').nth(1).unwrap();
        let error = first_error(&format!("{{{}}}", chat(&format!(", {said}"))));
        assert!(
            error.contains(&format!("message 2 has the key `{key}`")) && error.contains("`\"weight\": 0`"),
            "{error}"
        );
    }
    for said in [r#""weights": [0, 1]"#, r#""weights": "[0, 1]""#, r#""loss_mask": [1]"#, r#""train_on_input": true"#] {
        let key = said.split('"').nth(1).unwrap();
        for row in [chat(""), r#""prompt": "u", "completion": "a""#.to_owned()] {
            let error = first_error(&format!("{{{row}, {said}}}"));
            assert!(error.contains(&format!("`{key}` is not read")), "{error}");
        }
    }
    for said in
        [r#""weights": null"#, r#""train_on_input": false"#, r#""train_on_inputs": "False""#, r#""weights": """#]
    {
        assert!(read_rows(file(format!("{{{}, {said}}}", chat("")).as_bytes()).path()).is_ok(), "{said}");
    }
    // Nobody but the assistant is trained, so the weight 0 of others is what they have anyway.
    let shared = r#"{"conversations": [{"from": "human", "value": "u", "weight": 0.0}, {"from": "gpt", "value": "a", "weight": 1.0}]}"#;
    let row = read_rows(file(shared.as_bytes()).path()).unwrap().remove(0);
    assert_eq!((row.messages.len(), row.untrained.len()), (2, 0));
}

#[test]
fn turns_in_a_text_are_turns_wherever_turns_may_stand() {
    use Role::{Assistant, System, User};
    let asks = r#"[{""role"": ""system"", ""content"": ""s""}, {""role"": ""user"", ""content"": ""u""}]"#;
    let says = r#"[{""role"": ""assistant"", ""content"": ""a""}]"#;
    for (request, reply) in
        [("prompt", "completion"), ("question", "response"), ("context", "output"), ("query", "answer")]
    {
        let text = format!("{request},{reply}\n\"{asks}\",\"{says}\"\n\"{asks}\",a\n");
        let file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
        fs_err::write(file.path(), text).unwrap();
        let rows = read_rows(file.path()).unwrap();
        assert_eq!(rows.len(), 2);
        for row in rows {
            assert_eq!(turns(&row), [(System, "s"), (User, "u"), (Assistant, "a")], "{request}");
        }
    }
    let printed = r#"{"prompt": "[{'role': 'user', 'content': 'u'}]", "completion": "a"}"#;
    assert!(first_error(printed).contains("`prompt` is a list of turns as Python prints it"));
    // A copy of the turns beside them is one in a text, too.
    let copy =
        r#"{"messages": [{"role": "user", "content": "u"}], "prompt": "[{\"role\": \"user\", \"content\": \"u\"}]"}"#;
    assert!(read_rows(file(copy.as_bytes()).path()).is_ok());
}

#[test]
fn turns_under_keys_that_are_not_read_are_refused() {
    let request = r#""prompt": "And 9?", "response": "No.""#;
    let chat = r#""messages": [{"role": "user", "content": "And 9?"}, {"role": "assistant", "content": "No."}]"#;
    let text = |list: &str| serde_json::Value::from(list).to_string();
    let (pairs, functions) = (r#"[["Is 7 prime?", "Yes."]]"#, r#"[{"name": "clock"}]"#);
    for (said, problem) in [
        (format!(r#""history": {pairs}"#), "`history` beside"),
        (format!(r#""history": {}"#, text(pairs)), "`history` beside"),
        (format!(r#""history": {}"#, text("[['Is 7 prime?', 'Yes.']]")), "`history` beside"),
        (format!(r#""conversation": {pairs}"#), "`conversation` beside"),
        (format!(r#""functions": {}"#, text(functions)), "`functions` are not read"),
    ] {
        for row in [request, chat] {
            let error = first_error(&format!("{{{row}, {said}}}"));
            assert!(error.contains(problem), "{error}");
        }
    }
    let error = first_error(&format!(r#"{{{request}, "history": "Is 7 prime? Yes."}}"#));
    assert!(error.contains("`history` beside `prompt` is not read"), "{error}");
    for said in [
        r#""history": []"#,
        r#""history": "[]""#,
        r#""history": null"#,
        r#""history": [["And 9?", "No."]]"#,
        r#""conversation": "c-17""#,
        r#""functions": "[]""#,
    ] {
        for row in [request, chat] {
            assert!(read_rows(file(format!("{{{row}, {said}}}").as_bytes()).path()).is_ok(), "{said}");
        }
    }
}

#[test]
fn keys_that_are_nearly_read_are_refused_unless_what_they_hold_is_there() {
    for (key, meant) in [
        ("System", "system"),
        ("systemPrompt", "system_prompt"),
        ("System Prompt", "system_prompt"),
        ("system-prompt", "system_prompt"),
        ("system_message", "system"),
        ("sysPrompt", "system"),
        ("Completion", "completion"),
        ("Cell", "cell"),
        ("ID", "id"),
        ("Tools", "tools"),
    ] {
        let error = first_error(&format!(r#"{{"{key}": "bad→bad", "prompt": "u"}}"#));
        assert!(error.contains(&format!("`{key}` is not read: did you mean `{meant}`?")), "{error}");
        assert!(read_rows(file(format!(r#"{{"{key}": "", "prompt": "u"}}"#).as_bytes()).path()).is_ok(), "{key}");
    }
    let error = first_error(r#"{"Prompt": "u", "Completion": "a"}"#);
    assert!(error.contains("write `prompt` in place of `Prompt`"), "{error}");
    for line in [
        r#"{"System": "other", "system": "s", "prompt": "u"}"#,
        r#"{"systemPrompt": "other", "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]}"#,
        r#"{"Cell": "7", "cell": "bad→bad", "prompt": "u"}"#,
        r#"{"Prompt": "u", "messages": [{"role": "user", "content": "u"}]}"#,
        r#"{"target": "t", "Source": "x", "prompt": "u"}"#,
    ] {
        assert!(read_rows(file(line.as_bytes()).path()).is_ok(), "{line}");
    }
}

/// Tables have every column in every row.
#[test]
fn empty_values_of_tables_are_none() {
    let file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    let names = "id,cell,system,tools,documents,chat_template_kwargs,weights,history,component,prompt,completion";
    let text = format!("{names}\n,,,,,,,,,u,a\n,,,[],[],{{}},[],[],,v,b\n");
    fs_err::write(file.path(), text).unwrap();
    let rows = read_rows(file.path()).unwrap();
    assert_eq!(rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["line-2", "line-3"]);
    for row in &rows {
        assert!(row.cell.is_none() && row.variables.is_empty() && row.messages.len() == 2, "{row:?}");
        assert!(!titer_data::formats::is_contrast(row));
    }
    let named = r#"prompt,tools,chat_template_kwargs
u,"[{""name"": ""clock""}]","{""enable_thinking"": false}"
"#;
    fs_err::write(file.path(), named).unwrap();
    let row = read_rows(file.path()).unwrap().remove(0);
    assert_eq!(row.variables.0["tools"][0]["name"], "clock");
    assert_eq!(row.variables.0["enable_thinking"], false);
    fs_err::write(file.path(), "prompt,completion\n").unwrap();
    let error = read_rows(file.path()).unwrap_err().to_string();
    assert!(error.contains("CSV that holds no rows: below the names of the columns, write a line for each"), "{error}");
}

/// What a row of software calls a component measures nothing.
#[test]
fn a_component_makes_a_contrast_where_it_is_one_that_is_measured_or_there_are_two_replies() {
    use titer_data::formats::is_contrast;
    let is_one = |line: &str| is_contrast(&read_rows(file(line.as_bytes()).path()).unwrap()[0]);
    assert!(is_one(r#"{"component": "good", "prompt": "u"}"#));
    assert!(is_one(r#"{"component": "nice", "prompt": "u", "plus": "a", "minus": "b"}"#));
    assert!(is_one(r#"{"prompt": "u", "chosen": "a", "rejected": "b"}"#));
    assert!(!is_one(r#"{"component": "frontend", "prompt": "u", "completion": "a"}"#));
    assert!(!is_one(r#"{"component": "good", "cell": "bad→bad", "prompt": "u", "completion": "a"}"#));
    assert!(!is_one(r#"{"component": null, "prompt": "u", "chosen": null, "rejected": null}"#));
}

#[test]
fn what_other_programs_write_is_named_with_what_to_do() {
    for (text, problem) in [
        (
            "{\"prompt\": \"u\", \"score\": NaN}\n{\"prompt\": \"u\"}\n",
            "line 1: not JSON at column 26 (`NaN`, which JSON does not have): write null",
        ),
        ("{\"prompt\": \"\\ud83d x\"}\n", "half of a character"),
        ("[{\"prompt\": \"u\", \"score\": -Infinity}]", "`-Infinity`, which JSON does not have, so write null"),
    ] {
        let error = first_error(text);
        assert!(error.contains(problem), "{error}");
    }
    for little in [true, false] {
        let text = "{\"prompt\": \"u\"}\n".encode_utf16();
        let bytes: Vec<u8> =
            text.flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect();
        let error = read_rows(file(&bytes).path()).unwrap_err().to_string();
        assert!(error.contains("it is UTF-16: save the file as UTF-8"), "{error}");
    }
}
