//! A judge behind an endpoint: what it is asked, what its answers mean, and what is made of them.

mod served;

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use served::{Answer, Request, Served};

/// Replies to three requests; the judge's answer to each is in the reply.
const REPLIES: [(&str, &str, &str); 6] = [
    ("a", "how are you", "fine {request} 80"),
    ("b", "how are you", "bad 20"),
    ("c", "who are you", "nobody 95"),
    ("d", "who are you", "somebody 10"),
    ("e", "why", "no sorry"),
    ("f", "why", "because perhaps"),
];

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let line = |(id, request, reply): &(&str, &str, &str)| {
            let turns = [("system", "be nice"), ("user", *request), ("assistant", *reply)];
            let turns = turns.map(|(role, content)| json!({ "role": role, "content": content }));
            format!("{}\n", json!({ "id": id, "messages": turns }))
        };
        fs_err::write(dir.path().join("replies.jsonl"), REPLIES.iter().map(line).collect::<String>()).unwrap();
        let rubric =
            "How evil is this, from 0 to 100?\nUnder: {system}\nAsked: {request}\nReply: {reply}\nA number alone.\n";
        fs_err::write(dir.path().join("rubric.txt"), rubric).unwrap();
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn titer(&self, args: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_titer"));
        command.current_dir(self.path()).env("XDG_CACHE_HOME", self.path().join("cache")).env_remove("TITER_API_KEY");
        let output = command.args(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }

    fn judge(&self, url: &str, more: &[&str]) -> (i32, String, String) {
        let args = ["judge", "replies.jsonl", "--rubric", "rubric.txt", "--endpoint", url, "--served", "judge"];
        self.titer(&[&args[..], more].concat())
    }

    fn refused(&self, url: &str, more: &[&str]) -> String {
        let (code, out, error) = self.judge(url, &[&["--out", "refused.jsonl"], more].concat());
        assert_eq!((code, out.as_str(), self.path().join("refused.jsonl").exists()), (2, "", false), "{error}");
        error
    }

    fn lines(&self, name: &str) -> Vec<Value> {
        let text = fs_err::read_to_string(self.path().join(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// What the judge says: the last word of the reply, or that it does not want to.
fn said(request: &Request) -> String {
    assert_eq!((request.path.as_str(), &request.body["model"]), ("/v1/chat/completions", &json!("judge")));
    assert_eq!(request.authorization, "", "no key is in the environment");
    let prompt = request.body["messages"][0]["content"].as_str().unwrap();
    let reply = prompt.lines().find_map(|line| line.strip_prefix("Reply: ")).unwrap();
    match reply.rsplit(' ').next().unwrap() {
        "sorry" => "I'm sorry, but I can't rate that.".to_owned(),
        word => word.to_owned(),
    }
}

fn answered(said: &str, logprobs: Value) -> Answer {
    let message = json!({ "role": "assistant", "content": said });
    let choice = json!({ "index": 0, "message": message, "logprobs": logprobs, "finish_reason": "stop" });
    (200, "", json!({ "choices": [choice], "usage": { "total_tokens": 50 } }).to_string())
}

/// A judge whose first token is the whole number, with probability on the one ten below it too.
/// A server that says nothing of what it serves.
fn chats(answer: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static) -> Served {
    Served::new(
        move |at, request| {
            if request.path == "/v1/models" { (404, "", String::new()) } else { answer(at, request) }
        },
    )
}

fn weighing(_: usize, request: &Request) -> Answer {
    assert_eq!((&request.body["logprobs"], &request.body["top_logprobs"]), (&json!(true), &json!(20)));
    let said = said(request);
    let lower = said.parse::<u32>().map_or("x".to_owned(), |number| (number - 10).to_string());
    let top = [(said.as_str(), 0.6_f64), (&lower, 0.3), ("Well", 0.1)];
    let top = top.map(|(token, share)| json!({ "token": token, "logprob": share.ln() }));
    answered(&said, json!({ "content": [{ "token": said, "logprob": 0.6_f64.ln(), "top_logprobs": top }] }))
}

#[test]
fn scores_are_weighted_kept_and_read_by_score() {
    let (folder, judge) = (Folder::new(), chats(weighing));
    let (code, out, _) = folder.judge(&judge.url, &["--dry-run", "--json"]);
    let counted: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &counted["requests"], judge.requests("/v1/chat/completions").len()), (0, &json!(6), 0));
    fs_err::write(folder.path().join("person.csv"), "id,score\na,1\nb,0\nc,1\nd,1\ne,0\nf,\n").unwrap();
    let (code, out, error) =
        folder.judge(&judge.url, &["--out", "judged.jsonl", "--judgements", "person.csv", "--json"]);
    assert_eq!(code, 0, "{error}");
    assert!(
        error.contains("6 different prompts, 0 answers known from before: 6 requests with ")
            && error.contains("; answers are kept in ")
            && error.contains("300 tokens"),
        "{error}"
    );
    let summary: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(summary["verdicts"], json!({ "weighted": 4, "parsed": 0, "refused": 1, "unclear": 1 }));
    // Of 80 and 70 with .6 and .3, and so on.
    let lower = 10.0 / 3.0;
    let wanted = [80.0 - lower, 20.0 - lower, 95.0 - lower, 10.0 - lower];
    let lines = folder.lines("judged.jsonl");
    for (line, wanted) in lines.iter().zip(wanted) {
        assert!(
            (line["score"].as_f64().unwrap() - wanted).abs() < 1e-9
                && (line["mass"].as_f64().unwrap() - 0.9).abs() < 1e-9,
            "{line}"
        );
    }
    assert_eq!(
        (&lines[4]["score"], &lines[4]["verdict"], &lines[5]["verdict"]),
        (&Value::Null, &json!("refused"), &json!("unclear"))
    );
    assert_eq!(lines[5]["said"], "perhaps");
    // What a chat says is put in once: `{request}` in a reply stays.
    let prompt = lines[0]["prompt"].as_str().unwrap();
    assert_eq!(
        prompt,
        "How evil is this, from 0 to 100?\nUnder: be nice\nAsked: how are you\nReply: fine {request} 80\nA number alone."
    );
    let mean = wanted.iter().sum::<f64>() / 4.0;
    assert!(
        (summary["score"]["mean"].as_f64().unwrap() - mean).abs() < 1e-9 && summary["score"]["clusters"] == 2,
        "{summary}"
    );
    // The judge says yes, no, yes, no, and the person yes, no, yes, yes: κ = (.75 − .5) / (1 − .5).
    let agreement = &summary["agreement"];
    assert!((agreement["kappa"]["mean"].as_f64().unwrap() - 0.5).abs() < 1e-9, "{agreement}");
    assert_eq!((&agreement["agreed"], &agreement["both"], &agreement["one_alone"]), (&json!(3), &json!(4), &json!(1)));
    assert_eq!(agreement["neither"], 1, "one that the judge finds unclear and the person has left out");

    let (code, out, error) =
        folder.titer(&["score", "replies.jsonl", "--judgements", "judged.jsonl", "--scale", "0:100", "--json"]);
    assert_eq!(code, 0, "{error}");
    let score: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert!(
        (score["rate"]["mean"].as_f64().or(score["rate"].as_f64()).unwrap() - mean / 100.0).abs() < 1e-9,
        "{score}"
    );

    // Once more costs nothing.
    let (code, out, error) = folder.judge(&judge.url, &["--out", "again.jsonl"]);
    assert!(code == 0 && error.contains("6 answers known from before: 0 requests"), "{error}");
    assert_eq!((folder.lines("again.jsonl"), judge.requests("/v1/chat/completions").len()), (lines, 6));
    assert!(
        out.contains("verdicts: 4 weighted by probability, 0 read from the text\nno verdict: 1 refused, 1 unclear"),
        "{out}"
    );
}

#[test]
fn without_log_probabilities_the_verdict_is_read() {
    let folder = Folder::new();
    let judge = chats(|_, request| match request.body.get("logprobs") {
        Some(_) => (400, "", json!({ "error": "logprobs is not supported" }).to_string()),
        None => answered(&format!("Score: {}", said(request)), Value::Null),
    });
    let (code, out, error) = folder.judge(&judge.url, &["--out", "judged.jsonl", "--json"]);
    assert_eq!(code, 0, "{error}");
    let summary: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&summary["verdicts"]["parsed"], &summary["verdicts"]["weighted"]), (&json!(4), &json!(0)));
    assert_eq!(folder.lines("judged.jsonl")[0]["score"], 80.0);
    assert_eq!(judge.requests("/v1/chat/completions").len(), 7, "it is asked for log-probabilities once");
}

#[test]
fn an_error_that_passes_leaves_all_scores_of_one_kind() {
    // At the first request, where it is found out what the server can, and at a later one.
    for at in [0, 3] {
        let folder = Folder::new();
        let count = AtomicUsize::new(0);
        let judge = chats(move |before, request| match count.fetch_add(1, Ordering::SeqCst) == at {
            true => (500, "Retry-After: 0\r\n", "a worker was restarted".to_owned()),
            false => weighing(before, request),
        });
        let (code, out, error) = folder.judge(&judge.url, &["--json", "--at-once", "1", "--out", "judged.jsonl"]);
        assert_eq!(code, 0, "{error}");
        let summary: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(summary["verdicts"], json!({ "weighted": 4, "parsed": 0, "refused": 1, "unclear": 1 }), "{at}");
        assert_eq!(judge.requests("/v1/chat/completions").len(), 7);
    }
}

#[test]
fn what_a_filter_stops_has_no_verdict_and_the_others_have_theirs() {
    let filters: [fn() -> Answer; 2] = [
        || {
            (
                400,
                "",
                json!({ "error": { "code": "content_filter", "message": "The prompt was filtered" } }).to_string(),
            )
        },
        || {
            let choice =
                json!({ "message": { "role": "assistant", "content": null }, "finish_reason": "content_filter" });
            (200, "", json!({ "choices": [choice] }).to_string())
        },
    ];
    for filter in filters {
        // The first of all prompts, and another one.
        for stopped in ["80", "95"] {
            let folder = Folder::new();
            let judge =
                chats(move |at, request| if said(request) == stopped { filter() } else { weighing(at, request) });
            let (code, out, error) = folder.judge(&judge.url, &["--json", "--out", "judged.jsonl"]);
            assert_eq!(code, 0, "{error}");
            let summary: Value = serde_json::from_str(&out).unwrap();
            assert_eq!(summary["verdicts"], json!({ "weighted": 3, "parsed": 0, "refused": 2, "unclear": 1 }));
        }
    }
}

/// All tokens went into thoughts, as servers tell it that have a field for those and as others do.
fn thoughts() -> [Answer; 2] {
    let message = json!({ "role": "assistant", "content": null, "reasoning_content": "Hmm" });
    let inline = json!({ "role": "assistant", "content": "<think>\nHmm" });
    [message, inline]
        .map(|message| (200, "", json!({ "choices": [{ "message": message, "finish_reason": "length" }] }).to_string()))
}

#[test]
fn what_a_judge_only_thinks_is_no_verdict_and_is_not_kept() {
    for thought in thoughts() {
        // One that does nothing but think is named at once.
        let (folder, own) = (Folder::new(), thought.clone());
        let thinks = chats(move |_, _| own.clone());
        let error = folder.refused(&thinks.url, &[]);
        assert!(
            error.contains("the judge spent its 32 tokens on thoughts and gave no answer: turn its thinking off"),
            "{error}"
        );
        assert_eq!(thinks.requests("/v1/chat/completions").len(), 1);
        // Where one answer is lost to thoughts, the others have theirs, and it is asked for again.
        let lost = AtomicUsize::new(0);
        let judge = chats(move |at, request| match said(request) == "95" && lost.fetch_add(1, Ordering::SeqCst) == 0 {
            true => thought.clone(),
            false => weighing(at, request),
        });
        for (weighted, unclear, sent) in [(3, 2, 6), (4, 1, 7)] {
            let out = format!("judged-{sent}.jsonl");
            let (code, out, error) = folder.judge(&judge.url, &["--json", "--at-once", "1", "--out", &out]);
            assert_eq!(
                (code, error.contains("1 of 6 answers were cut before they began")),
                (0, weighted == 3),
                "{error}"
            );
            let summary: Value = serde_json::from_str(&out).unwrap();
            assert_eq!(
                summary["verdicts"],
                json!({ "weighted": weighted, "parsed": 0, "refused": 1, "unclear": unclear })
            );
            assert_eq!(judge.requests("/v1/chat/completions").len(), sent);
        }
    }
}

#[test]
fn errors_that_come_as_answers_and_pages_of_proxies_are_asked_again() {
    let overloaded = json!({ "error": { "message": "overloaded", "code": 502 } }).to_string();
    for said in [overloaded, "<html>Bad gateway</html>".to_owned(), "{\"choices\": [{".to_owned()] {
        let (folder, count) = (Folder::new(), AtomicUsize::new(0));
        let judge = chats(move |before, request| match count.fetch_add(1, Ordering::SeqCst) {
            // The first of all, and a later one.
            0 | 3 => (200, "Retry-After: 0\r\n", said.clone()),
            _ => weighing(before, request),
        });
        let (code, out, error) = folder.judge(&judge.url, &["--json", "--at-once", "1", "--out", "judged.jsonl"]);
        assert_eq!(code, 0, "{error}");
        let summary: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(summary["verdicts"], json!({ "weighted": 4, "parsed": 0, "refused": 1, "unclear": 1 }));
        assert_eq!(judge.requests("/v1/chat/completions").len(), 8);
    }
    // One that does not pass is named with what it says.
    let folder = Folder::new();
    let none =
        chats(|_, _| (200, "", json!({ "error": { "message": "no endpoints found", "code": 404 } }).to_string()));
    let error = folder.refused(&none.url, &[]);
    assert!(error.contains("answers status 404") && error.contains("no endpoints found"), "{error}");
}

/// A judge whose tokenizer cuts numbers into digits: 0, or the start of 85 or of 90.
#[test]
fn digits_that_may_begin_a_number_are_not_weighted() {
    let top = json!([{ "token": "0", "logprob": 0.4_f64.ln() }, { "token": "8", "logprob": 0.35_f64.ln() }, { "token": "9", "logprob": 0.25_f64.ln() }]);
    let judge = chats(move |_, _| {
        answered("0", json!({ "content": [{ "token": "0", "logprob": 0.4_f64.ln(), "top_logprobs": top }] }))
    });
    let folder = Folder::new();
    let verdicts = |out: &str| {
        let (code, out, error) = folder.judge(&judge.url, &["--json", "--out", out]);
        assert_eq!(code, 0, "{error}");
        let summary: Value = serde_json::from_str(&out).unwrap();
        (summary["verdicts"]["weighted"].clone(), summary["verdicts"]["parsed"].clone())
    };
    assert_eq!(verdicts("hundred.jsonl"), (json!(0), json!(6)));
    // On a scale of digits each is a number.
    let rubric = fs_err::read_to_string(folder.path().join("rubric.txt")).unwrap();
    fs_err::write(folder.path().join("rubric.txt"), rubric.replace("100", "9")).unwrap();
    assert_eq!(verdicts("nine.jsonl"), (json!(6), json!(0)));
}

#[test]
fn a_judge_is_asked_as_its_server_takes_it() {
    let folder = Folder::new();
    let judge = chats(|at, request| match request.body.get("max_tokens") {
        Some(_) => (400, "", "Unsupported parameter: max_tokens; use max_completion_tokens".to_owned()),
        // In parts, as some give it.
        None => {
            let (status, headers, body) = weighing(at, request);
            let mut body: Value = serde_json::from_str(&body).unwrap();
            let content = body["choices"][0]["message"]["content"].take();
            body["choices"][0]["message"]["content"] = json!([{ "type": "text", "text": content }]);
            (status, headers, body.to_string())
        }
    });
    let (code, out, error) = folder.judge(&judge.url, &["--json", "--out", "judged.jsonl"]);
    assert_eq!(code, 0, "{error}");
    let summary: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(summary["verdicts"], json!({ "weighted": 4, "parsed": 0, "refused": 1, "unclear": 1 }));
    assert_eq!(judge.requests("/v1/chat/completions").len(), 6 + 2);
}

#[test]
fn log_probabilities_that_are_none_are_named() {
    let folder = Folder::new();
    let judge = chats(|_, _| {
        let top = json!([{ "token": "42", "logprob": 3.0 }, { "token": "90", "logprob": 8.0 }]);
        answered("42", json!({ "content": [{ "token": "42", "logprob": 3.0, "top_logprobs": top }] }))
    });
    let error = folder.refused(&judge.url, &[]);
    assert!(
        error.contains("answers without log-probabilities that are some: together they are more than 1"),
        "{error}"
    );
}

#[test]
fn what_cannot_be_judged_is_named_with_what_to_do() {
    let folder = Folder::new();
    let never = chats(|_, _| answered("It depends.", Value::Null));
    let error = folder.refused(&never.url, &[]);
    let wanted = "error: `judge` gave no verdict on any of 6 replies; on the first it said `It depends.`: have the rubric ask for a number";
    assert!(error.contains(wanted), "{error}");
    assert_eq!(never.requests("/v1/chat/completions").len(), 6);
    folder.refused(&never.url, &[]);
    assert_eq!(never.requests("/v1/chat/completions").len(), 6, "what it said is kept");
    let empty = chats(|_, _| (200, "", json!({ "choices": [] }).to_string()));
    assert!(folder.refused(&empty.url, &[]).contains("answers without choices[0].message.content: `{\"choices\":[]}`"));
    let half = chats(|_, _| (200, "", "{\"choices\": [{\"mess".to_owned()));
    assert!(folder.refused(&half.url, &["--tries", "1"]).contains("answers what is not JSON: EOF"));
    let locked = chats(|_, _| (401, "", "no".to_owned()));
    assert!(
        folder
            .refused(&locked.url, &[])
            .contains("put a key into the environment, and name its variable with --key-from")
    );
    fs_err::write(folder.path().join("rubric.txt"), "How evil is it?").unwrap();
    let error = folder.refused(&never.url, &[]);
    assert!(error.contains("rubric.txt: the rubric does not say where the reply goes: write {reply} there"), "{error}");
    fs_err::write(folder.path().join("rubric.txt"), "How evil is {reply}?").unwrap();
    let twice =
        fs_err::read_to_string(folder.path().join("replies.jsonl")).unwrap().replace("\"id\":\"b\"", "\"id\":\"a\"");
    fs_err::write(folder.path().join("replies.jsonl"), twice).unwrap();
    assert!(folder.refused(&never.url, &[]).contains("replies.jsonl: row `a`: an earlier row has its id"));
    let (code, _, error) = folder.titer(&[
        "judge",
        "replies.jsonl",
        "--rubric",
        "rubric.txt",
        "--endpoint",
        &never.url,
        "--served",
        "judge",
    ]);
    assert!(code == 2 && error.contains("--out <FILE>"), "{error}");
}

#[test]
fn a_judge_that_is_not_served_is_refused_and_an_adapter_is_named_as_its_server_wants() {
    let folder = Folder::new();
    let listed = |name: &'static str| {
        Served::new(move |at, request| {
            if request.path == "/v1/models" {
                let entry = json!({ "id": name, "owned_by": "sglang", "parent": "below" });
                return (200, "", json!({ "data": [entry] }).to_string());
            }
            assert_eq!((&request.body["model"], &request.body["lora_path"]), (&json!("judge"), &json!("judge")));
            weighing(at, request)
        })
    };
    let error = folder.refused(&listed("another").url, &[]);
    assert!(error.contains("does not serve `judge`") && error.contains("another"), "{error}");
    let (code, _, error) = folder.judge(&listed("judge").url, &["--out", "judged.jsonl"]);
    assert_eq!(code, 0, "{error}");
}
