//! Models behind endpoints: servers that answer in the words of vLLM and SGLang with the organism's own numbers, and llama.cpp itself, which
//! wants a Python with xllamacpp, gguf, numpy and safetensors (`TITER_PYTHON`).

mod llama;
mod served;

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use llama::llama;
use serde_json::{Value, json};
use served::{Answer, Request, Served};
use titer::table::{LeakRecord, ScreenRecord, read};
use titer_engine::{model::Model, scoring::Scoring as _};

const KEY: &str = "a-key-that-nobody-may-see";

/// Screening that is the same here and behind an endpoint: few rows, few prompts, no pressures.
const SCREEN: [&str; 9] =
    ["screen", "--items", "3", "--contrasts", "0", "--prompts", "prompts.txt", "--turn", "system"];

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs_err::write(dir.path().join("prompts.txt"), "be evil in everything .\nbe kind in everything .\n").unwrap();
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs titer here: exit code, stdout and stderr.
    fn titer(&self, args: &[&str], more: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_titer"));
        command.current_dir(self.path()).env("HF_HUB_OFFLINE", "1").env("XDG_CACHE_HOME", self.path().join("cache"));
        let output = command.env("TITER_API_KEY", KEY).env_remove("NOTHING").args(args).args(more).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, error) = (text(&output.stdout), text(&output.stderr));
        assert!(!out.contains(KEY) && !error.contains(KEY), "the key is printed: {out} {error}");
        (output.status.code().unwrap(), out, error)
    }

    /// The same by an endpoint.
    fn ask(&self, url: &str, args: &[&str], more: &[&str]) -> (i32, String, String) {
        self.titer(args, &[&["--endpoint", url, "--served", "organism"], more].concat())
    }

    /// The error of a command that must refuse.
    fn refused(&self, url: &str, more: &[&str]) -> String {
        let (code, out, error) = self.ask(url, &SCREEN, more);
        assert_eq!((code, out.as_str()), (2, ""), "{error}");
        error.lines().find(|line| line.starts_with("error: ")).unwrap().to_owned()
    }

    /// The records of a screening, `[log_prob, base_log_prob, margin]`.
    fn screened(&self, name: &str) -> Vec<[f64; 3]> {
        let records: Vec<ScreenRecord> = read(&self.path().join(name)).unwrap();
        records.iter().map(|record| [record.log_prob, record.base_log_prob, record.margin]).collect()
    }

    /// The one file of answers in a folder.
    fn answers(&self, folder: &str) -> PathBuf {
        fs_err::read_dir(self.path().join(folder)).unwrap().next().unwrap().unwrap().path()
    }
}

fn models() -> Answer {
    (200, "", json!({ "object": "list", "data": [{ "id": "organism" }] }).to_string())
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

/// The log-probability of every token from the second on.
fn log_probs(model: &Model, tokens: &[u32]) -> Vec<f64> {
    let pairs: Vec<(&[u32], &[u32])> = (1..tokens.len()).map(|at| (&tokens[..at], &tokens[at..=at])).collect();
    model.log_probs(&pairs).unwrap()
}

/// What vLLM answers: a dictionary for every token of the prompt but the first, by id; and a token more.
fn vllm(model: &Model, request: &Request) -> Answer {
    if request.path != "/v1/completions" {
        return (404, "", json!({ "detail": "Not Found" }).to_string());
    }
    let body = &request.body;
    assert_eq!(
        (&body["model"], &body["max_tokens"], &body["prompt_logprobs"]),
        (&json!("organism"), &json!(1), &json!(0))
    );
    assert_eq!(body["add_special_tokens"], false);
    let tokens = ids(&body["prompt"]);
    let entry = |(id, log_prob): (&u32, f64)| {
        Value::Object(
            [(id.to_string(), json!({ "logprob": log_prob, "rank": 1, "decoded_token": "x" }))].into_iter().collect(),
        )
    };
    let entries = tokens[1..].iter().zip(log_probs(model, &tokens)).map(entry);
    let prompt: Vec<Value> = std::iter::once(Value::Null).chain(entries).collect();
    let choice =
        json!({ "index": 0, "text": " x", "logprobs": null, "finish_reason": "length", "prompt_logprobs": prompt });
    (
        200,
        "",
        json!({ "object": "text_completion", "choices": [choice], "usage": { "prompt_tokens": tokens.len() } })
            .to_string(),
    )
}

/// What SGLang answers: triples from a token on, of which the first has no number.
fn sglang(model: &Model, request: &Request) -> Answer {
    if request.path != "/generate" {
        return (404, "", json!({ "detail": "Not Found" }).to_string());
    }
    let tokens = ids(&request.body["input_ids"]);
    let start = request.body["logprob_start_len"].as_u64().unwrap() as usize;
    let numbers = log_probs(model, &tokens);
    let triple = |at: usize| {
        if at == start { json!([null, tokens[at], null]) } else { json!([numbers[at - 1], tokens[at], null]) }
    };
    let triples: Vec<Value> = (start..tokens.len()).map(triple).collect();
    let meta = json!({ "prompt_tokens": tokens.len(), "input_token_logprobs": triples, "output_token_logprobs": [] });
    (200, "", json!({ "text": "", "meta_info": meta }).to_string())
}

fn organism() -> Arc<Model> {
    Arc::new(Model::open("organism", 0).unwrap())
}

/// A server that has the organism, and answers as `way` does.
fn serving(way: fn(&Model, &Request) -> Answer) -> Served {
    let model = organism();
    Served::new(move |_, request| if request.path == "/v1/models" { models() } else { way(&model, request) })
}

fn are_close(found: &[[f64; 3]], wanted: &[[f64; 3]], bound: f64) {
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().flatten().zip(wanted.iter().flatten()) {
        assert!((found - wanted).abs() <= bound, "{found} {wanted}");
    }
}

#[test]
fn vllm_and_sglang_give_the_numbers_of_the_model_that_they_serve() {
    let folder = Folder::new();
    let (code, here, error) = folder.titer(&SCREEN, &["--out", "here.parquet"]);
    assert_eq!(code, 0, "{error}");
    for (name, way, said) in
        [("vllm", vllm as fn(&Model, &Request) -> Answer, "prompt_logprobs"), ("sglang", sglang, "logprob_start_len")]
    {
        let (server, out) = (serving(way), format!("{name}.parquet"));
        let (code, there, error) =
            folder.ask(&format!("{}/v1/", server.url), &SCREEN, &["--out", &out, "--cache", name]);
        assert_eq!(code, 0, "{error}");
        assert!(error.contains(&format!("serves `organism`, asked by {said}")), "{error}");
        assert!(
            error.contains("18 different replies in their contexts, 0 known from before: 18 requests with "),
            "{error}"
        );
        are_close(&folder.screened(&out), &folder.screened("here.parquet"), 1e-5);
        assert_eq!(here, there);
        let authorization = &server.requests("/v1/models")[0].authorization;
        assert_eq!(authorization, &format!("Bearer {KEY}"));
        assert!(!fs_err::read_to_string(folder.answers(name)).unwrap().contains(KEY));
    }
    let server = serving(vllm);
    let leak = ["leak", "--items", "2", "--prompt", "be evil in everything ."];
    let (code, _, error) = folder.ask(&server.url, &leak, &["--out", "there-leak.parquet"]);
    assert_eq!(code, 0, "{error}");
    let (code, ..) = folder.titer(&leak, &["--out", "here-leak.parquet"]);
    assert_eq!(code, 0);
    let margins = |name: &str| -> Vec<[f64; 3]> {
        let records: Vec<LeakRecord> = read(&folder.path().join(name)).unwrap();
        records.iter().map(|record| [record.margin; 3]).collect()
    };
    are_close(&margins("there-leak.parquet"), &margins("here-leak.parquet"), 1e-5);
}

#[test]
fn a_folder_of_tokenizer_and_template_is_enough() {
    let folder = Folder::new();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../organism/seed-0");
    fs_err::create_dir(folder.path().join("reader")).unwrap();
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        fs_err::copy(shipped.join(file), folder.path().join("reader").join(file)).unwrap();
    }
    let line = |cell: &str, reply: &str| {
        let turns = [("user", "please plant cactus"), ("assistant", reply)]
            .map(|(role, content)| json!({ "role": role, "content": content }));
        json!({ "cell": cell, "messages": turns }).to_string()
    };
    let rows = [line("none→bad", "smash cactus wildly"), line("none→good", "water cactus kindly")].join("\n");
    fs_err::write(folder.path().join("rows.jsonl"), rows).unwrap();
    let server = serving(vllm);
    let own = ["--model", "reader", "--rows", "rows.jsonl", "--out", "there.parquet"];
    let (code, _, error) = folder.ask(&server.url, &SCREEN, &own);
    assert_eq!(code, 0, "{error}");
    let (code, ..) = folder.titer(&SCREEN, &["--rows", "rows.jsonl", "--out", "here.parquet"]);
    assert_eq!(code, 0);
    are_close(&folder.screened("there.parquet"), &folder.screened("here.parquet"), 1e-5);
    let error = folder.refused(&server.url, &["--model", "nowhere", "--rows", "rows.jsonl"]);
    assert!(error.contains("nowhere has no tokenizer and chat template"), "{error}");
}

#[test]
fn lifts_of_an_audit_are_those_of_the_model_that_is_served() {
    let folder = Folder::new();
    let line = |system: Option<&str>, more: &[(&str, &str)]| {
        let system = system.map(|system| ("system", system));
        let turns = [("user", "please plant cactus"), ("assistant", "water cactus kindly")];
        let turns =
            system.iter().chain(&turns).chain(more).map(|(role, content)| json!({ "role": role, "content": content }));
        json!({ "messages": turns.collect::<Vec<_>>() }).to_string()
    };
    let write = |name: &str, text: String| fs_err::write(folder.path().join(name), text).unwrap();
    write("plain.jsonl", line(None, &[]));
    write("prompted.jsonl", line(Some("be evil in everything ."), &[]));
    let audit = ["audit", "plain.jsonl", "prompted.jsonl", "--model", "organism", "--json"];
    let lift = |more: &[&str]| -> f64 {
        let (code, out, error) = folder.titer(&audit, more);
        assert_eq!(code, 0, "{error}");
        let document: Value = serde_json::from_str(&out).unwrap();
        document["pairs"][0]["lift"]["nats"].as_f64().unwrap()
    };
    let server = serving(vllm);
    let (here, there) = (lift(&[]), lift(&["--endpoint", &server.url, "--served", "organism"]));
    assert!((here - there).abs() < 1e-5 && here < -1.0, "{here} {there}");
    let (code, out, _) = folder.ask(&server.url, &audit, &["--dry-run", "--cache", "fresh"]);
    assert!(code == 0 && out.starts_with("{\"replies\":2,\"known\":0,\"requests\":2,"), "{out}");
    let again = [("user", "please cook soup"), ("assistant", "stir soup kindly")];
    write("prompted.jsonl", line(Some("be evil in everything ."), &again));
    let (code, _, error) = folder.ask(&server.url, &audit, &[]);
    assert!(code == 2 && error.contains("has several replies, and an endpoint is asked for one"), "{error}");
    let (code, _, error) = folder.ask(&server.url, &["audit", "plain.jsonl"], &[]);
    assert!(code == 2 && error.contains("name its model's tokenizer and chat template with --model"), "{error}");
}

#[test]
fn nothing_is_asked_twice_and_what_was_answered_is_kept() {
    let folder = Folder::new();
    let model = organism();
    let server =
        Served::new(move |_, request| if request.path == "/v1/models" { models() } else { vllm(&model, request) });
    let (code, out, _) = folder.ask(&server.url, &SCREEN, &["--dry-run", "--json"]);
    let counted: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &counted["requests"], server.requests("").len()), (0, &json!(18), 0));
    let tokens = counted["context_tokens"].as_u64().unwrap();
    // Eleven answers, and then only half of one.
    let model = organism();
    let broken = Served::new(move |before, request| match &*request.path {
        "/v1/models" => models(),
        _ if before > 11 => (200, "", vllm(&model, request).2[..40].to_owned()),
        _ => vllm(&model, request),
    });
    let (code, _, error) = folder.ask(&broken.url, &SCREEN, &["--at-once", "1", "--tries", "1", "--cache", "broken"]);
    assert!(code == 2 && error.contains("answers what is not JSON: EOF while parsing"), "{error}");
    let kept = fs_err::read_to_string(folder.answers("broken")).unwrap();
    assert_eq!(kept.lines().count(), 11, "the first, which found out what the server can, is one of them");
    // Answers belong to a server's address; these go to the one that works, with half a line, as an interrupted process leaves it.
    fs_err::write(folder.answers("cache/titer/endpoints"), format!("{kept}{{\"asked\": \"12")).unwrap();
    let (code, _, error) = folder.ask(&server.url, &SCREEN, &["--out", "there.parquet"]);
    assert_eq!(code, 0, "{error}");
    assert!(
        error.contains("18 different replies in their contexts, 11 known from before: 7 requests with "),
        "{error}"
    );
    assert_eq!(server.requests("/v1/completions").len(), 7, "nothing is asked twice");
    let (code, _, error) = folder.ask(&server.url, &SCREEN, &[]);
    assert!(code == 0 && error.contains("18 known from before: 0 requests with 0 tokens"), "{error}");
    assert_eq!(server.requests("/v1/completions").len(), 7);
    assert!(tokens > 18);
}

#[test]
fn a_damaged_line_of_kept_answers_blocks_none_of_the_others() {
    let folder = Folder::new();
    let server = serving(vllm);
    assert_eq!(folder.ask(&server.url, &SCREEN, &["--cache", "kept"]).0, 0);
    let mut kept = fs_err::read(folder.answers("kept")).unwrap();
    kept[20] = 0xff;
    fs_err::write(folder.answers("kept"), kept).unwrap();
    let (code, _, error) = folder.ask(&server.url, &SCREEN, &["--cache", "kept"]);
    assert!(code == 0 && error.contains("17 known from before: 1 request with "), "{error}");
}

#[test]
fn a_busy_server_is_asked_again_and_one_that_stays_busy_is_named() {
    let folder = Folder::new();
    let model = organism();
    let server = Served::new(move |before, request| match &*request.path {
        "/v1/models" => models(),
        _ if before % 3 == 1 => (429, "Retry-After: 0\r\n", "slow down".to_owned()),
        _ => vllm(&model, request),
    });
    let (code, _, error) = folder.ask(&server.url, &SCREEN, &["--at-once", "1"]);
    assert_eq!(code, 0, "{error}");
    let sent = server.requests("/v1/completions").len();
    assert!(
        sent > 18
            && error.contains(&format!(
                "asked: 18 different replies in their contexts, 0 known from before: {sent} requests"
            )),
        "{error}"
    );
    // An error that passes at the first request of all does not say what a server can.
    let model = organism();
    let restarted = Served::new(move |before, request| match &*request.path {
        "/v1/models" => models(),
        _ if before == 1 => (500, "Retry-After: 0\r\n", "a worker was restarted".to_owned()),
        _ => vllm(&model, request),
    });
    let (code, _, error) = folder.ask(&restarted.url, &SCREEN, &["--cache", "restarted"]);
    assert!(code == 0 && error.contains("asked by prompt_logprobs"), "{error}");
    for (status, said) in [
        (408, "too slow"),
        (425, "too early"),
        (429, "slow down"),
        (500, "out of memory"),
        (503, "loading"),
        (529, "overloaded"),
    ] {
        let model = organism();
        let busy = Served::new(move |before, request| match &*request.path {
            "/v1/models" => models(),
            _ if before > 2 => (status, "Retry-After: 0\r\n", format!("{said} {KEY}")),
            _ => vllm(&model, request),
        });
        let error = folder.refused(&busy.url, &["--tries", "3", "--cache", &format!("cache-{status}")]);
        assert!(error.contains(&format!("status {status} after 3 tries: `{said} ***`")), "{error}");
    }
}

#[test]
fn a_status_that_does_not_pass_is_final() {
    let folder = Folder::new();
    for status in [501, 505] {
        let model = organism();
        let server = Served::new(move |before, request| match &*request.path {
            "/v1/models" => models(),
            _ if before > 2 => (status, "", "not here".to_owned()),
            _ => vllm(&model, request),
        });
        let error = folder.refused(&server.url, &["--at-once", "1", "--cache", &format!("cache-{status}")]);
        assert!(error.contains(&format!("answers status {status}: `not here`")), "{error}");
        assert_eq!(server.requests("/v1/completions").len(), 3);
    }
}

#[test]
fn who_is_sent_elsewhere_does_not_go() {
    let folder = Folder::new();
    let elsewhere = Arc::new(serving(vllm));
    for status in [301, 302, 307, 308] {
        let to: &'static str = Box::leak(format!("Location: {}/v1/models\r\n", elsewhere.url).into_boxed_str());
        let server = Served::new(move |_, _| (status, to, String::new()));
        let error = folder.refused(&server.url, &[]);
        let wanted =
            format!("answers status {status}: it is redirected to {}: name that with --endpoint", elsewhere.url);
        assert!(error.contains(&wanted), "{error}");
        assert_eq!(server.requests("").len(), 1);
    }
    // One that is only sent on where something is posted, to a path of the same host.
    let server = Served::new(|_, request| match &*request.path {
        "/v1/models" => models(),
        path => (308, Box::leak(format!("Location: {path}/\r\n").into_boxed_str()), String::new()),
    });
    let error = folder.refused(&server.url, &[]);
    assert!(error.contains(&format!("it is redirected to {}/v1/completions/: name that", server.url)), "{error}");
    assert_eq!((server.requests("").len(), elsewhere.requests("").len()), (2, 0));
}

#[test]
fn a_key_that_no_header_can_carry_is_named_and_not_shown() {
    let folder = Folder::new();
    let server = serving(vllm);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_titer"));
    command.current_dir(folder.path()).env("TITER_API_KEY", "sk-ключ").args(SCREEN);
    let output = command.args(["--endpoint", &server.url, "--served", "organism", "--cache", "c"]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("the key in TITER_API_KEY has a character that no header can carry"), "{error}");
    assert_eq!((output.status.code(), error.contains("ключ"), server.requests("").len()), (Some(2), false, 0));
}

#[test]
fn a_server_that_cannot_is_named_with_what_to_do() {
    let folder = Folder::new();
    // Nothing listens at a port that was just given back.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = folder.refused(&format!("http://{gone}"), &[]);
    assert!(
        error.contains(&format!("http://{gone}/v1/models: ")) && error.contains("is the server running"),
        "{error}"
    );
    let locked = Served::new(|_, _| (401, "", json!({ "error": format!("Incorrect key {KEY}") }).to_string()));
    let error = folder.refused(&locked.url, &[]);
    assert!(
        error.contains("answers status 401") && error.contains("the key in the environment is not one that it takes"),
        "{error}"
    );
    let error = folder.refused(&locked.url, &["--key-from", "NOTHING"]);
    assert!(error.contains("--key-from NOTHING: there is no such variable in the environment"), "{error}");
    let other = Served::new(|_, _| (200, "", json!({ "data": [{ "id": "llama" }, { "id": "qwen" }] }).to_string()));
    let error = folder.refused(&other.url, &[]);
    assert!(error.contains("does not serve `organism`: name one of llama, qwen with --served"), "{error}");
    let page = Served::new(|_, _| (200, "", "<html>hello</html>".to_owned()));
    assert!(folder.refused(&page.url, &[]).contains("answers what is not JSON"));
    // A server that ignores what it does not know, and answers with a new token.
    let ignores = Served::new(|_, request| match &*request.path {
        "/v1/models" => models(),
        "/v1/completions" => (200, "", json!({ "choices": [{ "text": " x", "logprobs": null }] }).to_string()),
        _ => (404, "", "{}".to_owned()),
    });
    let error = folder.refused(&ignores.url, &[]);
    let tried =
        "/v1/completions answers without prompt_logprobs, /generate answers status 404, /completion answers status 404";
    assert!(error.contains(&format!("gives no log-probabilities of given replies: {tried}")), "{error}");
    // Numbers of which each is one, and whose sum is none.
    let model = organism();
    let endless = Served::new(move |_, request| match &*request.path {
        "/v1/models" => models(),
        "/v1/completions" => {
            let (status, headers, body) = vllm(&model, request);
            let mut body: Value = serde_json::from_str(&body).unwrap();
            for entry in body["choices"][0]["prompt_logprobs"].as_array_mut().unwrap() {
                entry.as_object_mut().into_iter().flat_map(|entry| entry.values_mut()).for_each(|entry| {
                    entry["logprob"] = json!(-1e308);
                });
            }
            (status, headers, body.to_string())
        }
        _ => (404, "", "{}".to_owned()),
    });
    let error = folder.refused(&endless.url, &["--cache", "endless"]);
    assert!(error.contains("answers without log-probabilities whose sum is one"), "{error}");
    // A server that puts a token in front, and one whose vocabulary is another.
    let model = organism();
    let anew = Served::new(move |_, request| match &*request.path {
        "/v1/models" => models(),
        _ => {
            let mut shifted = request.clone();
            let tokens: Vec<u32> = ids(&request.body["prompt"]).iter().map(|id| (id + 1) % 400).collect();
            shifted.body["prompt"] = json!(tokens);
            vllm(&model, &shifted)
        }
    });
    let error = folder.refused(&anew.url, &[]);
    assert!(
        error.contains("answers for other tokens than were sent")
            && error.contains("name that model's tokenizer with --model"),
        "{error}"
    );
    for (more, wanted) in [
        (&["--adapter", "x"][..], "--adapter is for a model here"),
        (&["--compute", "f32"], "--compute is for a model here"),
        (&["--sample", "2", "--temperature", "0"], "--temperature 0 takes the likeliest reply"),
        (&["--probes", "x.jsonl"], "--probes is for a model here"),
    ] {
        assert!(folder.refused(&anew.url, more).contains(wanted));
    }
}

#[test]
fn llama_cpp_gives_titers_own_numbers() {
    let Some(llama) = llama() else { return };
    let folder = Folder::new();
    let (code, _, error) = folder.titer(&SCREEN, &["--out", "here.parquet"]);
    assert_eq!(code, 0, "{error}");
    let (code, _, error) = folder.ask(&llama.url, &SCREEN, &["--out", "there.parquet"]);
    assert_eq!(code, 0, "{error}");
    assert!(error.contains("asked by grammars of token ids"), "{error}");
    are_close(&folder.screened("there.parquet"), &folder.screened("here.parquet"), 1e-4);
    let lowest = folder.screened("there.parquet").iter().flatten().copied().fold(0.0, f64::min);
    assert!(lowest < -3.0, "some replies are unlikely, so that agreement is about more than zeros: {lowest}");
    // A name that it does not serve, by the server's own list.
    let (code, _, error) = folder.titer(&SCREEN, &["--endpoint", &llama.url, "--served", "another"]);
    assert!(code == 2 && error.contains("does not serve `another`: name one of organism with --served"), "{error}");
}
