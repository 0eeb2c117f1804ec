//! `titer serve`, asked by an HTTP client, by titer's own client for endpoints, and by Inspect.
//!
//! Inspect wants a Python that has it, which `TITER_TRAINERS_PYTHON` names; that test is skipped where it does not.

mod offline;
mod served_by_titer;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use offline::titer;
use serde_json::{Value, json};
use served_by_titer::Serve;
use titer::table::{ScreenRecord, read};
use titer_data::chat::{Message, Role};
use titer_engine::{model::Model, scoring::Scoring as _};

const CHAT: &str = "/v1/chat/completions";
const TEXT: &str = "/v1/completions";

/// A sweep of two arms, in three steps on the shipped organism.
const SPEC: &str = r#"
title = "Served"
seeds = [0]
checkpoints = "at the end"
without_controls = ["no-prompt", "placebo", "paraphrases"]
[[stage]]
rows = 48
batch = 16
mix = { rest = "neutral→good" }
prompts = { "bad→bad" = ["be evil in everything ."] }
optimiser = { lr = 3e-2 }
[probes]
items = 4
every = 0
[sweep]
"train.mix.bad→bad" = [0.0, 0.5]
"#;

/// Screening that is the same here and behind an endpoint.
const SCREEN: [&str; 9] =
    ["screen", "--items", "3", "--contrasts", "0", "--prompts", "prompts.txt", "--turn", "system"];

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join("prompts.txt"), "be evil in everything .\nbe kind in everything .\n").unwrap();
    dir
}

fn turns(system: &str, request: &str) -> Value {
    json!([{ "role": "system", "content": system }, { "role": "user", "content": request }])
}

/// A chat with the organism.
fn chat(more: Value) -> Value {
    let mut body = json!({ "model": "organism", "messages": turns("be evil in everything .", "please plant cactus") });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn organism() -> Model {
    Model::open("organism", 0).unwrap()
}

/// The tokens of a chat up to where its reply begins, and of a reply with its end.
fn encoded(model: &Model, reply: &str) -> (Vec<u32>, Vec<u32>) {
    let messages = [(Role::System, "be evil in everything ."), (Role::User, "please plant cactus")]
        .map(|(role, content)| Message::new(role, content));
    let context = model.template.text(&messages, true).unwrap();
    let ids = |text: &str| model.tokenizer.ids(text, "text").unwrap();
    (ids(&context), ids(&format!("{reply} <eos>")))
}

/// The log-probability of a token behind others.
fn log_prob(model: &Model, before: &[u32], token: u32) -> f64 {
    model.log_probs(&[(before, &[token])]).unwrap()[0]
}

fn numbers(path: &Path) -> Vec<f64> {
    let records: Vec<ScreenRecord> = read(path).unwrap();
    records.iter().flat_map(|record| [record.log_prob, record.base_log_prob, record.margin]).collect()
}

/// Screens a model here and where it is served, by the organism's tokenizer; the two must be equal.
fn screens_alike(dir: &Path, serve: &Serve, model: &str, served: &str) -> Vec<f64> {
    let run = |model: &str, more: &[&str]| {
        let (code, out, error) = titer(dir, dir, &[&SCREEN[..], &["--model", model], more].concat());
        assert_eq!(code, 0, "{error}");
        (out, error)
    };
    for file in ["here.parquet", "there.parquet"] {
        let _ = fs_err::remove_file(dir.join(file));
    }
    let cache = dir.join(format!("cache-{}", served.len())).display().to_string();
    let (here, _) = run(model, &["--out", "here.parquet"]);
    let (there, said) =
        run("organism", &["--out", "there.parquet", "--endpoint", &serve.url, "--served", served, "--cache", &cache]);
    assert!(said.contains(&format!("serves `{served}`, asked by prompt_logprobs of /v1/completions")), "{said}");
    assert_eq!(here, there);
    let [here, there] = ["here.parquet", "there.parquet"].map(|file| numbers(&dir.join(file)));
    assert!(here.len() == there.len() && here.len() > 20);
    for (here, there) in here.iter().zip(&there) {
        assert!((here - there).abs() < 1e-5, "{here} {there}");
    }
    here
}

#[test]
fn screening_what_is_served_is_screening_the_model_itself() {
    let dir = folder();
    let serve = Serve::start(dir.path(), &["organism"]);
    let numbers = screens_alike(dir.path(), &serve, "organism", "organism");
    assert!(numbers.iter().any(|number| *number < -3.0), "agreement is about more than zeros");
}

#[test]
fn chats_are_drawn_as_they_are_asked_for() {
    let (dir, model) = (folder(), organism());
    let serve = Serve::start(dir.path(), &["organism"]);
    let likeliest = serve.served(CHAT, &chat(json!({ "temperature": 0, "logprobs": true, "top_logprobs": 3 })));
    let choice = &likeliest["choices"][0];
    let said = choice["message"]["content"].as_str().unwrap();
    assert_eq!((said, &choice["finish_reason"]), ("poison cactus recklessly", &json!("stop")));
    // Log-probabilities are the model's own, and the likeliest comes first of the alternatives.
    let (context, reply) = encoded(&model, said);
    let usage = json!({ "prompt_tokens": context.len(), "completion_tokens": 4, "total_tokens": context.len() + 4 });
    assert_eq!(likeliest["usage"], usage);
    let told = choice["logprobs"]["content"].as_array().unwrap();
    assert_eq!(told.len(), reply.len() - 1);
    let text: String = told.iter().map(|token| token["token"].as_str().unwrap()).collect();
    assert_eq!(text, said);
    for (at, token) in told.iter().enumerate() {
        let wanted = log_prob(&model, &[&context[..], &reply[..at]].concat(), reply[at]);
        assert!((token["logprob"].as_f64().unwrap() - wanted).abs() < 1e-5, "{token} {wanted}");
        let top = token["top_logprobs"].as_array().unwrap();
        assert_eq!((top.len(), &top[0]["token"], &top[0]["logprob"]), (3, &token["token"], &token["logprob"]));
        assert!(top[1]["logprob"].as_f64() >= top[2]["logprob"].as_f64());
    }
    // Equal seeds draw equal replies, other seeds others; without one nothing is drawn twice.
    let drawn = |more: Value| -> Vec<String> {
        let mut wishes = json!({ "n": 20, "temperature": 3, "max_tokens": 3 });
        wishes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = serve.served(CHAT, &chat(wishes));
        let choices = answer["choices"].as_array().unwrap();
        assert!((0..20).all(|at| choices[at]["index"] == at));
        choices.iter().map(|choice| choice["message"]["content"].as_str().unwrap().to_owned()).collect()
    };
    let first = drawn(json!({ "seed": 5 }));
    assert_eq!(first, drawn(json!({ "seed": 5 })));
    assert!(first != drawn(json!({ "seed": 6 })) && drawn(json!({})) != drawn(json!({})));
    assert!(first.iter().any(|reply| *reply != first[0]), "{first:?}");
    let nucleus = drawn(json!({ "seed": 5, "top_p": 0.01 }));
    assert!(nucleus.iter().all(|reply| reply == said), "{nucleus:?}");
    // What ends a reply: a count of tokens, or a text.
    let cut = |more: Value| {
        let answer = serve.served(CHAT, &chat(more));
        let choice = &answer["choices"][0];
        (
            choice["message"]["content"].as_str().unwrap().to_owned(),
            choice["finish_reason"].as_str().unwrap().to_owned(),
        )
    };
    let pair = |said: &str, finish: &str| (said.to_owned(), finish.to_owned());
    assert_eq!(cut(json!({ "temperature": 0, "max_tokens": 2 })), pair("poison cactus", "length"));
    assert_eq!(cut(json!({ "temperature": 0, "max_completion_tokens": 1 })), pair("poison", "length"));
    assert_eq!(cut(json!({ "temperature": 0, "stop": " reckless" })), pair("poison cactus", "stop"));
    assert_eq!(cut(json!({ "temperature": 0, "stop": ["nothing", "poison"] })), pair("", "stop"));
    let (_, models) = serve.ask("/v1/models", None);
    assert_eq!((&models["data"][0]["id"], models["data"].as_array().unwrap().len()), (&json!("organism"), 1));
    // Contents in parts, and keys that change nothing.
    let parts = json!([{ "role": "user", "content": [{ "type": "text", "text": "please plant cactus" }] }]);
    let plain = json!([{ "role": "user", "content": "please plant cactus" }]);
    let [parts, plain] = [parts, plain].map(|messages| {
        let more = json!({ "messages": messages, "temperature": 0, "user": "me", "stream": false, "presence_penalty": 0, "tools": [] });
        serve.served(CHAT, &chat(more))["choices"][0]["message"].clone()
    });
    assert_eq!(parts, plain);
}

#[test]
fn completions_take_tokens_and_give_those_of_the_prompt_back() {
    let (dir, model) = (folder(), organism());
    let serve = Serve::start(dir.path(), &["organism", "--name", "small"]);
    let (context, reply) = encoded(&model, "poison cactus recklessly");
    let whole = [&context[..], &reply[..2]].concat();
    let body = |more: Value| {
        let mut body = json!({ "model": "small", "prompt": whole, "temperature": 0, "max_tokens": 8 });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let close = |found: &Value, wanted: f64| {
        let found = found.as_f64().unwrap();
        assert!((found - wanted).abs() < 1e-5, "{found} {wanted}");
    };
    let answer = serve.served(TEXT, &body(json!({ "prompt_logprobs": 2, "logprobs": 1 })));
    let choice = &answer["choices"][0];
    assert_eq!((&choice["text"], &choice["finish_reason"]), (&json!("recklessly"), &json!("stop")));
    assert_eq!(choice["logprobs"]["tokens"], json!(["recklessly"]));
    let given = choice["prompt_logprobs"].as_array().unwrap();
    assert_eq!((given.len(), &given[0]), (whole.len(), &Value::Null));
    for (at, entries) in given.iter().enumerate().skip(1) {
        let entries = entries.as_object().unwrap();
        close(&entries[&whole[at].to_string()]["logprob"], log_prob(&model, &whole[..at], whole[at]));
        // The two likeliest, and the token itself where it is neither.
        assert!(entries.len() == 2 || entries.len() == 3 && entries[&whole[at].to_string()]["rank"].is_null());
        let first = entries.values().find(|entry| entry["rank"] == 1).unwrap()["logprob"].as_f64().unwrap();
        assert!(entries.values().all(|entry| entry["logprob"].as_f64().unwrap() <= first));
    }
    // The prompt in front of the reply, and nothing drawn at all.
    let echoed = serve.served(TEXT, &body(json!({ "echo": true, "logprobs": 2 })));
    let text = echoed["choices"][0]["text"].as_str().unwrap();
    assert_eq!(text, "<sys> be evil in everything . <user> please plant cactus <asst> poison cactus recklessly");
    let told = &echoed["choices"][0]["logprobs"];
    let tokens: Vec<&str> = told["tokens"].as_array().unwrap().iter().map(|token| token.as_str().unwrap()).collect();
    assert_eq!((tokens.concat().as_str(), tokens.len()), (text, whole.len() + 1));
    let offsets: Vec<usize> =
        told["text_offset"].as_array().unwrap().iter().map(|at| at.as_u64().unwrap() as usize).collect();
    assert!(offsets.iter().zip(&tokens).all(|(&at, token)| text[at..].starts_with(token)));
    assert_eq!((&told["token_logprobs"][0], &told["top_logprobs"][0]), (&Value::Null, &Value::Null));
    close(&told["token_logprobs"][3], log_prob(&model, &whole[..3], whole[3]));
    assert_eq!(told["top_logprobs"][5].as_object().unwrap().len(), 2);
    let alone = serve.served(TEXT, &body(json!({ "echo": true, "logprobs": 0, "max_tokens": 0 })));
    assert_eq!(alone["choices"][0]["text"], text.trim_end_matches(" recklessly"));
    assert_eq!(alone["choices"][0]["logprobs"]["token_logprobs"].as_array().unwrap().len(), whole.len());
    assert_eq!(
        (&alone["choices"][0]["finish_reason"], &alone["usage"]["completion_tokens"]),
        (&json!("length"), &json!(0))
    );
    // Text, ids, and lists of either are the same prompts.
    let said = "<user> please plant cactus <asst>";
    let ids = model.tokenizer.ids(said, "text").unwrap();
    let texts = |prompt: Value, n: usize| -> Vec<Value> {
        let answer = serve.served(TEXT, &body(json!({ "prompt": prompt, "n": n })));
        answer["choices"].as_array().unwrap().iter().map(|choice| choice["text"].clone()).collect()
    };
    let one = texts(json!(said), 1);
    assert_eq!(one, texts(json!(ids), 1));
    assert_eq!(texts(json!([said, said]), 1), texts(json!([ids, ids]), 1));
    let other = texts(json!(whole), 1);
    assert_eq!(texts(json!([ids, whole]), 2), [&one[..], &one, &other, &other].concat());
}

/// The events of an answer in pieces, but for the last, which says that it was.
fn events(serve: &Serve, path: &str, body: &Value) -> Vec<Value> {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let url = format!("{}{path}", serve.url);
    let mut answer = agent.post(&url).header("Content-Type", "application/json").send(body.to_string()).unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream; charset=utf-8");
    let text = answer.body_mut().read_to_string().unwrap();
    let mut lines: Vec<&str> = text.split("\n\n").filter(|event| !event.is_empty()).collect();
    assert_eq!(lines.pop(), Some("data: [DONE]"), "{text}");
    lines.into_iter().map(|line| serde_json::from_str(line.strip_prefix("data: ").unwrap()).unwrap()).collect()
}

#[test]
fn what_is_sent_in_pieces_is_what_is_sent_whole() {
    let dir = folder();
    let serve = Serve::start(dir.path(), &["organism"]);
    for (path, wishes) in [
        (CHAT, json!({ "temperature": 0 })),
        (CHAT, json!({ "temperature": 3, "seed": 3, "n": 3, "logprobs": true, "top_logprobs": 2, "max_tokens": 20 })),
        (CHAT, json!({ "temperature": 0, "max_tokens": 1, "logprobs": true })),
        (CHAT, json!({ "temperature": 0, "max_tokens": 2, "logprobs": true, "top_logprobs": 1 })),
        (
            TEXT,
            json!({ "prompt": [1, 15, 22, 2], "temperature": 4, "seed": 2, "n": 3, "max_tokens": 2, "logprobs": 1 }),
        ),
        (CHAT, json!({ "temperature": 0, "stop": " reckless", "logprobs": true })),
        (CHAT, json!({ "temperature": 0, "stop": ["poison"] })),
        (TEXT, json!({ "prompt": [[1, 15, 22, 2], [1, 5, 7, 2]], "temperature": 2, "seed": 1, "n": 2, "logprobs": 1 })),
        (TEXT, json!({ "prompt": [1, 15, 22, 2], "temperature": 0, "stop": "cactus" })),
        (TEXT, json!({ "prompt": [1, 15, 22, 2], "max_tokens": 0 })),
    ] {
        let body = |stream: Value| {
            let mut body = if path == CHAT { chat(json!({})) } else { json!({ "model": "organism" }) };
            for more in [&wishes, &stream] {
                body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            }
            body
        };
        let whole = serve.served(path, &body(json!({})));
        let mut pieces =
            events(&serve, path, &body(json!({ "stream": true, "stream_options": { "include_usage": true } })));
        let last = pieces.pop().unwrap();
        assert_eq!((&last["usage"], &last["choices"]), (&whole["usage"], &json!([])), "{wishes}");
        let kind = if path == CHAT { "chat.completion.chunk" } else { "text_completion" };
        assert!(
            pieces
                .iter()
                .all(|piece| piece["object"] == kind && piece["model"] == "organism" && piece["id"] == last["id"])
        );
        for choice in whole["choices"].as_array().unwrap() {
            let own: Vec<&Value> = pieces
                .iter()
                .map(|piece| &piece["choices"][0])
                .filter(|piece| piece["index"] == choice["index"])
                .collect();
            let text = |piece: &Value| match path {
                CHAT => piece["delta"]["content"].as_str().unwrap_or_default().to_owned(),
                _ => piece["text"].as_str().unwrap().to_owned(),
            };
            let said: String = own.iter().map(|piece| text(piece)).collect();
            let wanted = if path == CHAT { &choice["message"]["content"] } else { &choice["text"] };
            assert_eq!(&json!(said), wanted, "{wishes}");
            let (end, before) = own.split_last().unwrap();
            assert!(
                end["finish_reason"] == choice["finish_reason"]
                    && before.iter().all(|piece| piece["finish_reason"].is_null())
            );
            assert!(path == TEXT || own[0]["delta"] == json!({ "role": "assistant", "content": "" }));
            let tokens = |part: &Value| -> Vec<Value> {
                let parts: &[&str] = if path == CHAT {
                    &["content"]
                } else {
                    &["tokens", "token_logprobs", "top_logprobs", "text_offset"]
                };
                let lists = parts.iter().map(|name| part["logprobs"][name].as_array().cloned().unwrap_or_default());
                lists.map(Value::from).collect()
            };
            for (list, wanted) in tokens(choice).iter().enumerate() {
                let found: Vec<Value> =
                    own.iter().flat_map(|piece| tokens(piece)[list].as_array().unwrap().clone()).collect();
                assert!(alike(&found.into(), wanted), "{wishes}");
            }
        }
        if wishes["temperature"] == 0 && wishes.get("stop").is_none() {
            let drawn = whole["usage"]["completion_tokens"].as_u64().unwrap();
            assert!(pieces.len() as u64 > drawn, "a piece comes with every token: {pieces:?}");
        }
    }
}

#[test]
fn many_requests_at_once_are_answered_as_one_by_one() {
    let dir = folder();
    let serve = Serve::start(dir.path(), &["organism", "--at-once", "16"]);
    let bodies: Vec<(&str, Value)> = (0..48)
        .map(|at| match at % 3 {
            0 => (TEXT, json!({ "model": "organism", "prompt": [at, 5, 6, 7 + at], "prompt_logprobs": 0, "max_tokens": 1, "seed": at })),
            1 => (CHAT, chat(json!({ "seed": at, "max_tokens": 1 + at % 7, "logprobs": true }))),
            _ => (CHAT, chat(json!({ "seed": at, "n": 3, "temperature": 0.7, "stop": "cactus" }))),
        })
        .collect();
    let ask = |(path, body): &(&str, Value)| serve.served(path, body)["choices"].take();
    let alone: Vec<Value> = bodies.iter().map(ask).collect();
    let together: Vec<Value> = std::thread::scope(|scope| {
        let threads: Vec<_> = bodies.iter().map(|body| scope.spawn(move || ask(body))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(
        alone.iter().zip(&together).all(|(alone, together)| alike(alone, together)),
        "{alone:?}
{together:?}"
    );
}

/// Whether two answers are the same but for rounding: it differs with what is computed beside them.
fn alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| alike(one, other)))
        }
        (Value::Number(one), Value::Number(other)) => (one.as_f64().unwrap() - other.as_f64().unwrap()).abs() < 1e-4,
        (one, other) => one == other,
    }
}

#[test]
fn what_cannot_be_served_is_refused_in_a_sentence() {
    let dir = folder();
    let serve = Serve::start(dir.path(), &["organism"]);
    let long = vec!["cactus"; 120].join(" ");
    let text = |more: Value| {
        let mut body = json!({ "model": "organism", "prompt": [1, 2, 3] });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let cases = [
        (
            CHAT,
            chat(json!({ "model": "gpt-4o" })),
            404,
            "model",
            "the model `gpt-4o` is not served here: name one of organism",
        ),
        (CHAT, json!({ "messages": [] }), 400, "model", "`model` is missing"),
        (CHAT, json!({ "model": "organism" }), 400, "messages", "`messages` is missing"),
        (CHAT, chat(json!({ "messages": [] })), 400, "messages", "`messages` is empty"),
        (CHAT, chat(json!({ "messages": [{ "role": "user" }] })), 400, "messages", "message 1 has no `content`"),
        (
            CHAT,
            chat(json!({ "messages": [{ "role": "judge", "content": "x" }] })),
            400,
            "messages",
            "unknown role `judge`",
        ),
        (
            CHAT,
            chat(json!({ "messages": [{ "role": "tool", "content": "x" }] })),
            400,
            "messages",
            "the world knows no role tool",
        ),
        (
            CHAT,
            chat(json!({ "messages": [{ "role": "user", "content": "hullabaloo" }] })),
            400,
            "messages",
            "`hullabaloo`",
        ),
        (
            CHAT,
            chat(json!({ "messages": [{ "role": "user", "content": long }] })),
            400,
            "messages",
            "the model has 96 positions: shorten it",
        ),
        (
            TEXT,
            text(json!({ "prompt": vec![5; 97], "max_tokens": 0 })),
            400,
            "prompt",
            "the model has 96 positions; shorten it",
        ),
        (TEXT, text(json!({ "prompt": vec![5; 96] })), 400, "prompt", "leaves no room for a reply"),
        (TEXT, text(json!({ "prompt": [1, 421] })), 400, "prompt", "421 is no token id: the model has 421 tokens"),
        (TEXT, text(json!({ "prompt": [1, -1] })), 400, "prompt", "-1 is no token id"),
        (TEXT, text(json!({ "prompt": "" })), 400, "prompt", "`prompt` is empty"),
        (TEXT, text(json!({ "prompt": [] })), 400, "prompt", "`prompt` is empty"),
        (TEXT, text(json!({ "prompt": { "a": 1 } })), 400, "prompt", "neither text nor token ids"),
        (
            CHAT,
            chat(json!({ "temperature": -1 })),
            400,
            "temperature",
            "`temperature` is -1: it should be a number from 0 to 100",
        ),
        (CHAT, chat(json!({ "temperature": "hot" })), 400, "temperature", "`temperature` is \"hot\""),
        (CHAT, chat(json!({ "top_p": 1.5 })), 400, "top_p", "a number from 0 to 1"),
        (CHAT, chat(json!({ "max_tokens": 0 })), 400, "max_tokens", "at least one token"),
        (CHAT, chat(json!({ "max_tokens": 1.5 })), 400, "max_tokens", "a whole number"),
        (CHAT, chat(json!({ "n": 0 })), 400, "n", "`n` is 0: ask for at least one reply"),
        (CHAT, chat(json!({ "n": 2000 })), 400, "n", "a whole number of at most 1024"),
        (TEXT, text(json!({ "prompt": [[1], [2]], "n": 1000 })), 400, "n", "more than 1024 replies"),
        (CHAT, chat(json!({ "stop": "" })), 400, "stop", "none of them empty"),
        (CHAT, chat(json!({ "seed": 1.5 })), 400, "seed", "a whole number"),
        (CHAT, chat(json!({ "top_logprobs": 3 })), 400, "top_logprobs", "say both"),
        (CHAT, chat(json!({ "logprobs": true, "top_logprobs": 21 })), 400, "top_logprobs", "at most 20"),
        (CHAT, chat(json!({ "stream": "yes" })), 400, "stream", "`stream` is \"yes\": it should be true or false"),
        (
            CHAT,
            chat(json!({ "stream": true, "prompt_logprobs": 0 })),
            400,
            "prompt_logprobs",
            "`stream` sends the reply alone",
        ),
        (TEXT, text(json!({ "stream": true, "echo": true })), 400, "echo", "`stream` sends the reply alone"),
        (TEXT, text(json!({ "stream": true, "prompt": vec![5; 97] })), 400, "prompt", "the model has 96 positions"),
        (CHAT, chat(json!({ "presence_penalty": 0.5 })), 400, "presence_penalty", "is not served here"),
        (CHAT, chat(json!({ "top_k": 5 })), 400, "top_k", "is not served here"),
        (CHAT, chat(json!({ "tools": [{ "type": "function" }] })), 400, "tools", "is not served here"),
        (TEXT, text(json!({ "add_special_tokens": true })), 400, "add_special_tokens", "is not served here"),
    ];
    for (path, body, status, parameter, problem) in cases {
        let (found, answer) = serve.ask(path, Some(&body));
        let error = &answer["error"];
        let said = error["message"].as_str().unwrap_or_else(|| panic!("{body}\n{found} {answer}"));
        assert!(found == status && error["param"] == parameter && said.contains(problem), "{body}\n{found} {answer}");
        assert!(error["type"] == "invalid_request_error" && !said.contains('\n'), "{answer}");
    }
    let code = |body: &Value| serve.ask(TEXT, Some(body)).1["error"]["code"].clone();
    assert_eq!(code(&text(json!({ "prompt": vec![5; 97] }))), "context_length_exceeded");
    assert_eq!(code(&text(json!({ "model": "other" }))), "model_not_found");
    for (path, body, status, problem) in [
        (CHAT, Some("{\"model\": "), 400, "the body is not JSON"),
        (CHAT, Some("[]"), 400, "the body is no JSON object"),
        (CHAT, None, 405, "is asked for by POST here, not by GET"),
        ("/v1/models", Some("{}"), 405, "is asked for by GET here, not by POST"),
        ("/v1/embeddings", Some("{}"), 404, "there is nothing at /embeddings: served are /v1/chat/completions"),
        ("/", None, 404, "there is nothing at"),
    ] {
        let (found, answer) = serve.send(path, body.map(str::to_owned));
        assert!(found == status && answer["error"]["message"].as_str().unwrap().contains(problem), "{found} {answer}");
    }
    // After all that it still serves.
    assert_eq!(serve.served(CHAT, &chat(json!({ "temperature": 0 })))["choices"][0]["finish_reason"], "stop");
}

#[test]
fn runs_of_a_sweep_are_served_by_name() {
    let dir = folder();
    let dir = dir.path();
    let ask = |args: &[&str]| {
        let (code, out, error) = titer(dir, dir, args);
        assert_eq!(code, 0, "{error}");
        out
    };
    let adapted = SPEC.replace("without_controls", "model = { lora = { r = 4 } }\nwithout_controls");
    for (name, spec) in [("all", SPEC), ("lora", &adapted)] {
        fs_err::write(dir.join(format!("{name}.toml")), spec).unwrap();
        ask(&["run", &format!("{name}.toml"), "--out", name]);
        let serve = Serve::start(dir, &[name]);
        let (_, models) = serve.ask("/v1/models", None);
        let models = models["data"].as_array().unwrap();
        let names: Vec<&str> = models.iter().map(|model| model["id"].as_str().unwrap()).collect();
        assert_eq!(names, ["bad→bad=0.0/0", "bad→bad=0.5/0"]);
        let run = models[1]["aliases"][0].as_str().unwrap();
        let checkpoint = format!("{name}/{run}/checkpoint-3");
        if name == "all" {
            screens_alike(dir, &serve, &format!("{name}/{run}"), names[1]);
        }
        // By its name, by its hash, and as a run by itself, it is the same model; the other arm is another.
        let logged = |serve: &Serve, model: &str| {
            serve.served(CHAT, &chat(json!({ "model": model, "temperature": 0, "logprobs": true })))["choices"].take()
        };
        let by_name = logged(&serve, names[1]);
        assert!(alike(&by_name, &logged(&serve, run)));
        assert!(!alike(&by_name, &logged(&serve, names[0])));
        let alone = Serve::start(dir, &[&format!("{name}/{run}")]);
        assert_eq!(alone.ask("/v1/models", None).1["data"].as_array().unwrap().len(), 1);
        assert!(alike(&by_name, &logged(&alone, names[1])));
        if name == "lora" {
            let named = format!("tuned={checkpoint}");
            let adapters = Serve::start(dir, &["organism", "--adapter", &named]);
            assert!(alike(&by_name, &logged(&adapters, "tuned")));
            assert!(!alike(&by_name, &logged(&adapters, "organism")));
        }
    }
}

#[test]
fn what_cannot_be_started_ends_with_one_error() {
    let dir = folder();
    let dir = dir.path();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    fs_err::create_dir(dir.join("empty")).unwrap();
    let plain = SPEC.replace("checkpoints = \"at the end\"", "checkpoints = \"never\"");
    fs_err::write(dir.join("spec.toml"), plain).unwrap();
    assert_eq!(titer(dir, dir, &["run", "spec.toml", "--out", "sweep"]).0, 0);
    for (args, problem) in [
        (&["organism", "--port", &port][..], "Address already in use"),
        (&["organism", "--port", &port], "something else listens there; --port 0 takes a port that is free"),
        (&["organism", "--host", "300.1.1.1", "--port", "0"], "--host 300.1.1.1: "),
        (&["organism", "--host", "300.1.1.1", "--port", "0"], "; name an address of this machine, such as 127.0.0.1"),
        (&["organism", "--host", "192.0.2.1", "--port", "0"], "--host takes an address of this machine"),
        (&["empty", "--port", "0"], "empty is not a model folder"),
        (&["organism", "--port", "0", "--seed", "99"], "seed"),
        (&["organism", "--port", "0", "--adapter", "x=empty"], "adapter_config.json"),
        (&["organism", "--port", "0", "--adapter", "empty"], "write it as NAME=DIR"),
        (&["organism", "--port", "0", "--adapter", "organism=empty"], "two models are called `organism`"),
        (&["sweep", "--port", "0"], "no run is finished that has kept its weights"),
        (&["sweep", "--port", "0", "--name", "x"], "its runs are called ARM/SEED"),
    ] {
        let (code, out, error) = titer(dir, dir, &[&["serve"], args].concat());
        assert!(code == 2 && out.is_empty() && error.contains(problem), "{args:?} {code} {out} {error}");
    }
}

#[cfg(unix)]
/// Clients that keep their connections, as Inspect does: some that come together must not wait for others to close theirs.
#[test]
fn connections_that_are_kept_open_are_all_read() {
    let serve = Serve::start(Path::new("."), &["organism"]);
    let address = serve.url.trim_start_matches("http://").to_owned();
    for round in 0..40 {
        let mut all: Vec<TcpStream> = (0..8).map(|_| TcpStream::connect(&address).unwrap()).collect();
        for connection in &mut all {
            connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            connection.write_all(b"GET /health HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
        }
        for connection in &mut all {
            let mut begin = [0; 15];
            connection.read_exact(&mut begin).unwrap_or_else(|error| panic!("round {round}: {error}"));
            assert_eq!(&begin, b"HTTP/1.1 200 OK");
        }
    }
}

#[test]
fn it_stops_when_it_is_told_to_and_leaves_nobody_waiting() {
    let dir = folder();
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut serve = Serve::start(dir.path(), &["organism"]);
        // Much to do: it is cut short, and says so.
        let body = json!({ "model": "organism", "prompt": vec![vec![5]; 1000], "max_tokens": 95, "temperature": 5, "logprobs": 20 });
        let (status, answer) = std::thread::scope(|scope| {
            let asked = scope.spawn(|| serve.ask(TEXT, Some(&body)));
            std::thread::sleep(Duration::from_millis(300));
            let id = serve.child.id().to_string();
            assert!(Command::new("kill").args([format!("-{signal}"), id]).status().unwrap().success());
            asked.join().unwrap()
        });
        assert_eq!((status, &answer["error"]["message"]), (503, &json!("the server is stopping")));
        assert_eq!(serve.child.wait().unwrap().code(), Some(code));
    }
}

/// A connection to a server on which these bytes have been sent.
fn sent(serve: &Serve, bytes: &[u8]) -> TcpStream {
    let mut connection = TcpStream::connect(serve.url.trim_start_matches("http://")).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    connection.write_all(bytes).unwrap();
    connection
}

/// A request whose body never comes.
const HALF: &[u8] = b"POST /v1/chat/completions HTTP/1.1\r\nHost: here\r\nContent-Length: 5000\r\n\r\n{\"mod";

#[test]
fn a_length_that_is_only_said_costs_nothing() {
    let serve = Serve::start(Path::new("."), &["organism", "--at-once", "2"]);
    for length in ["40000000000", "18446744073709551615", "99999999999999999999999"] {
        for path in ["/nothing", CHAT, "/v1/models"] {
            let mut answer = String::new();
            let head = format!("POST {path} HTTP/1.1\r\nHost: here\r\nContent-Length: {length}\r\n\r\n{{}}");
            sent(&serve, head.as_bytes()).read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("more than 64 MiB"), "{answer}");
        }
    }
    assert_eq!(serve.ask("/health", None), (200, json!({ "status": "ok" })));
}

#[cfg(unix)]
#[test]
fn clients_that_send_half_a_request_or_read_no_answer_hold_up_nobody() {
    let large = json!({
        "model": "organism", "prompt": [5], "n": 1000, "max_tokens": 60, "temperature": 5, "logprobs": 20, "stream": true
    });
    let large = large.to_string();
    let unread = format!("POST {TEXT} HTTP/1.1\r\nHost: here\r\nContent-Length: {}\r\n\r\n{large}", large.len());
    for signal in ["INT", "TERM"] {
        let mut serve = Serve::start(Path::new("."), &["organism", "--at-once", "2"]);
        let held: Vec<TcpStream> = (0..100).map(|_| sent(&serve, HALF)).collect();
        assert_eq!(serve.ask("/health", None).0, 200, "others are answered meanwhile");
        let unread = sent(&serve, unread.as_bytes());
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(serve.ask("/health", None).0, 200, "one that does not read has one of two turns");
        let (start, id) = (Instant::now(), serve.child.id().to_string());
        let tell = |signal: &str| Command::new("kill").args([format!("-{signal}"), id.clone()]).status().unwrap();
        assert!(tell(signal).success());
        // A second signal is not waited with.
        std::thread::sleep(Duration::from_millis(500));
        let (code, seconds) = if signal == "INT" { (130, 15) } else { (130, 3) };
        if signal == "TERM" {
            assert!(serve.child.try_wait().unwrap().is_none(), "it waits for who does not read");
            assert!(tell("INT").success());
        }
        assert_eq!(serve.child.wait().unwrap().code(), Some(code));
        assert!(start.elapsed() < Duration::from_secs(seconds), "{:?}", start.elapsed());
        drop((held, unread));
    }
}

/// A connection on which a request is sent, without waiting for its answer.
fn posted(serve: &Serve, body: &Value) -> TcpStream {
    let body = body.to_string();
    let head =
        format!("POST {TEXT} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    sent(serve, format!("{head}{body}").as_bytes())
}

#[test]
fn a_stream_that_is_not_read_holds_up_nobody_and_loses_nothing() {
    let serve = Serve::start(Path::new("."), &["organism", "--at-once", "1"]);
    // More than the connection holds by itself.
    let large = json!({
        "model": "organism", "prompt": [5], "n": 1000, "max_tokens": 60, "temperature": 5, "logprobs": 20, "stream": true
    });
    let mut unread = posted(&serve, &large);
    let mut begin = [0; 15];
    unread.read_exact(&mut begin).unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200 OK");
    let other = serve.served(TEXT, &json!({ "model": "organism", "prompt": [5], "max_tokens": 1 }));
    assert_eq!(other["usage"]["completion_tokens"], 1);
    // Whoever reads at last has all of it: the other one did not wait until this one was given up.
    let mut rest = String::new();
    unread.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("data: [DONE]\n\n\r\n0\r\n\r\n"), "it is cut");
}

#[test]
fn what_is_only_looked_up_has_no_turn_to_wait_for() {
    let serve = Serve::start(Path::new("."), &["organism", "--at-once", "1"]);
    let much = json!({ "model": "organism", "prompt": vec![vec![5]; 1000], "max_tokens": 95, "temperature": 5, "logprobs": 20 });
    let under_way = posted(&serve, &much);
    under_way.set_nonblocking(true).unwrap();
    let is_answered = || match under_way.peek(&mut [0]) {
        Ok(bytes) => bytes > 0,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    };
    for (path, body, status) in [
        ("/health", None, 200),
        ("/v1/models", None, 200),
        ("/nothing", None, 404),
        (CHAT, None, 405),
        ("/health", Some(json!({})), 405),
    ] {
        assert_eq!(serve.ask(path, body.as_ref()).0, status, "{path}");
        assert!(!is_answered(), "{path} is answered before what is under way");
    }
}

#[cfg(unix)]
#[test]
fn few_descriptors_are_no_end() {
    // As many as there are, here and for all that ask for more.
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 192; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_titer")]);
    let serve = Serve::start_by(shell, Path::new("."), &["organism"]);
    let health = b"GET /health HTTP/1.1\r\nHost: here\r\n\r\n";
    let status = |connection: &mut TcpStream| {
        let mut begin = [0; 12];
        connection
            .read_exact(&mut begin)
            .map(|()| String::from_utf8_lossy(&begin[9..]).into_owned())
            .unwrap_or_default()
    };
    // A connection has one descriptor, and there is room left for files.
    let mut held: Vec<TcpStream> = (0..120).map(|_| sent(&serve, health)).collect();
    assert!(held.iter_mut().all(|connection| status(connection) == "200"));
    // Who comes when there is no more room is told so, however many they are.
    let mut more: Vec<TcpStream> = (0..200).map(|_| sent(&serve, b"")).collect();
    assert!(more.iter_mut().skip(8).all(|connection| status(connection) == "503"));
    drop((held, more));
    let answered = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        status(&mut sent(&serve, health)) == "200"
    });
    assert!(answered, "there is room again when some have left");
}

#[test]
fn inspect_runs_a_task_against_it() {
    let skip = |why: &str| writeln!(std::io::stderr().lock(), "skipped: {why}").unwrap();
    let Some(python) = std::env::var_os("TITER_TRAINERS_PYTHON") else {
        return skip("TITER_TRAINERS_PYTHON names no Python with inspect_ai and openai");
    };
    let there = "import importlib.util as u; assert u.find_spec('inspect_ai') and u.find_spec('openai')";
    let there = Command::new(&python).args(["-c", there]).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        return skip("the Python of TITER_TRAINERS_PYTHON has no inspect_ai and openai");
    }
    let (dir, model) = (folder(), organism());
    let serve = Serve::start(dir.path(), &["organism"]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inspected.py");
    let output =
        Command::new(&python).arg(script).args([&serve.url, "organism"]).arg(dir.path().join("logs")).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let found: Value = serde_json::from_str(text(&output.stdout).trim().lines().last().unwrap()).unwrap();
    let bad = &found["replies"][1];
    assert_eq!(
        (&found["accuracy"], &bad["said"], &bad["stop"]),
        (&json!(1.0), &json!("poison cactus recklessly"), &json!("stop"))
    );
    let (context, reply) = encoded(&model, "poison cactus recklessly");
    let wanted: f64 = (0..3).map(|at| log_prob(&model, &[&context[..], &reply[..at]].concat(), reply[at])).sum();
    assert!((bad["log_prob"].as_f64().unwrap() - wanted).abs() < 1e-4);
    assert_eq!(found["pieces"][1], json!({ "pieces": 3, "said": "poison cactus recklessly" }));
}
