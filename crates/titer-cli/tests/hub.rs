//! Models of the hub: from the local cache, else downloaded, from a hub that the test itself is.
#![cfg(feature = "hub")]

mod small_chats;
mod small_model;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
};

use serde_json::json;
use small_chats::chats;
use small_model::model;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A hub on 127.0.0.1 with the public model `lab/small` and the same as `lab/gated`, for those who have the token.
struct Hub {
    endpoint: String,
    /// Paths asked for.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Hub {
    /// Serves the files of a folder until the test ends.
    fn start(folder: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (folder, log) = (folder.clone(), log.clone());
                std::thread::spawn(move || answer(&stream.unwrap(), &folder, &log));
            }
        });
        Self { endpoint, asked }
    }

    /// The files asked for since this was last called.
    fn asked(&self) -> Vec<String> {
        let mut paths = std::mem::take(&mut *self.asked.lock().unwrap());
        paths.sort();
        paths.dedup();
        paths
    }

    /// Runs titer with this hub and an empty environment otherwise.
    fn titer(&self, dir: &Path, base: &str, variables: &[(&str, &str)]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_titer"));
        command.current_dir(dir).env_clear().env("HF_ENDPOINT", &self.endpoint).env("HF_HOME", dir.join("home"));
        command.envs(variables.iter().copied());
        command.args(["pressure", "--model", base, "--rows", "rows.jsonl", "--probes", "probes.jsonl", "--json"]);
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }
}

/// One request, as the real hub answers it.
fn answer(mut stream: &TcpStream, folder: &Path, log: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let Some(request) = lines.next() else { return };
    let headers: Vec<String> = lines.collect();
    let header = |name: &str| {
        let named = headers.iter().find(|line| line.to_lowercase().starts_with(&format!("{name}:")));
        named.map(|line| line.split_once(':').unwrap().1.trim().to_owned())
    };
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut reply = |status: &str, more: &str, body: &[u8]| {
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{more}\r\n", body.len());
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).unwrap_or_default();
    };
    if path.contains("lab/gated") && header("authorization").as_deref() != Some("Bearer a-secret") {
        return reply("401 Unauthorized", "", b"");
    }
    let known = |path: &str| path.contains("lab/small") || path.contains("lab/gated");
    if known(&path) && path.starts_with("/api/models/") {
        let files = fs_err::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
        let files: Vec<_> = files.map(|file| json!({ "rfilename": file })).collect();
        return reply("200 OK", "", json!({ "sha": COMMIT, "siblings": files }).to_string().as_bytes());
    }
    let file = path.rsplit('/').next().unwrap_or_default().to_owned();
    let Some(bytes) = fs_err::read(folder.join(&file)).ok().filter(|_| known(&path)) else {
        return reply("404 Not Found", "", b"");
    };
    log.lock().unwrap().push(file.clone());
    let range = header("range").unwrap_or_default();
    let (from, to) = range.trim_start_matches("bytes=").split_once('-').unwrap_or(("0", ""));
    let from: usize = from.parse().unwrap_or(0);
    let to = to.parse().map_or(bytes.len() - 1, |to: usize| to.min(bytes.len() - 1));
    let more = format!(
        "content-range: bytes {from}-{to}/{}\r\netag: \"{}\"\r\nx-repo-commit: {COMMIT}\r\n",
        bytes.len(),
        file.replace('.', "-")
    );
    reply("206 Partial Content", &more, &bytes[from..=to]);
}

#[test]
fn a_model_is_downloaded_once_and_then_comes_from_the_cache() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    model(&dir.join("model"));
    chats(dir);
    fs_err::write(dir.join("model/generation_config.json"), r#"{ "eos_token_id": [0, 1] }"#).unwrap();
    let hub = Hub::start(dir.join("model"));
    let (code, here, error) = hub.titer(dir, "model", &[]);
    assert_eq!((code, hub.asked().len()), (0, 0), "{error}");

    let (code, found, error) = hub.titer(dir, "lab/small", &[]);
    assert_eq!(code, 0, "{error}");
    assert_eq!(found, here);
    assert!(error.contains("downloading model-00001-of-00002.safetensors"), "{error}");
    let asked = hub.asked();
    assert_eq!(
        asked.len(),
        8,
        "config, tokenizer and its config, template, ends of replies, index, two shards: {asked:?}"
    );
    let snapshot = dir.join("home/hub/models--lab--small/snapshots").join(COMMIT);
    assert!(snapshot.join("model-00002-of-00002.safetensors").exists());

    for variables in [[("HF_HUB_OFFLINE", "1")], [("HF_HUB_OFFLINE", "0")]] {
        let (code, again, error) = hub.titer(dir, "lab/small", &variables);
        assert_eq!((code, again), (0, here.clone()), "{error}");
        assert!(hub.asked().is_empty(), "what is whole in the cache is not asked for");
    }

    // A download that was broken off goes on where it was.
    let shard = snapshot.join("model-00002-of-00002.safetensors");
    fs_err::remove_file(&shard).unwrap();
    let (code, _, error) = hub.titer(dir, "lab/small", &[("HF_HUB_OFFLINE", "1")]);
    assert_eq!(code, 2);
    assert!(error.contains("nor whole in the local hub cache") && error.contains("HF_HUB_OFFLINE is set"), "{error}");
    let (code, again, error) = hub.titer(dir, "lab/small", &[]);
    assert_eq!((code, again), (0, here.clone()), "{error}");
    assert_eq!(hub.asked(), ["model-00002-of-00002.safetensors"]);

    // Another cache, which has nothing.
    let elsewhere = dir.join("elsewhere");
    let (code, again, error) = hub.titer(dir, "lab/small", &[("HF_HUB_CACHE", elsewhere.to_str().unwrap())]);
    assert_eq!((code, again), (0, here), "{error}");
    assert!(elsewhere.join("models--lab--small/refs/main").exists());
}

#[test]
fn a_token_opens_a_gated_model_and_every_failure_is_one_error() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    model(&dir.join("model"));
    chats(dir);
    let hub = Hub::start(dir.join("model"));
    let refused = |base: &str, variables: &[(&str, &str)], problem: &str| {
        let (code, out, error) = hub.titer(dir, base, variables);
        assert_eq!((code, out.as_str()), (2, ""), "{error}");
        assert!(error.contains(problem) && error.lines().count() == 1, "{error}");
    };
    refused("lab/gated", &[], "needs a token that may read it in HF_TOKEN");
    refused("lab/gated", &[("HF_TOKEN", "another")], "status 401");
    refused("lab/none", &[], "status 404: there is no such model");
    refused("lab/none", &[("HF_HUB_OFFLINE", "1")], "HF_HUB_OFFLINE is set; unset it to download the model");
    refused("lab/small", &[("HF_ENDPOINT", "http://127.0.0.1:9")], "cannot be downloaded from http://127.0.0.1:9");
    let (_, _, error) = hub.titer(dir, "lab/small", &[("HF_ENDPOINT", "http://me:hunter2@127.0.0.1:9")]);
    assert!(error.contains("cannot be downloaded from http://127.0.0.1:9") && !error.contains("hunter2"), "{error}");
    let (code, _, error) = hub.titer(dir, "lab/gated", &[("HF_TOKEN", "a-secret")]);
    assert_eq!(code, 0, "{error}");
    // The token that was saved at login does as well.
    fs_err::remove_dir_all(dir.join("home")).unwrap();
    fs_err::create_dir(dir.join("home")).unwrap();
    fs_err::write(dir.join("home/token"), "a-secret\n").unwrap();
    let (code, _, error) = hub.titer(dir, "lab/gated", &[]);
    assert_eq!(code, 0, "{error}");
}

#[test]
fn weights_of_a_family_that_titer_does_not_compute_are_not_downloaded() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    model(&dir.join("model"));
    chats(dir);
    let path = dir.join("model/config.json");
    let config = fs_err::read_to_string(&path).unwrap().replace("Qwen3ForCausalLM", "MixtralForCausalLM");
    fs_err::write(&path, config).unwrap();
    let hub = Hub::start(dir.join("model"));
    let (code, _, error) = hub.titer(dir, "lab/small", &[]);
    assert!(code == 2 && error.contains("architecture is MixtralForCausalLM; titer computes"), "{error}");
    assert!(!hub.asked().iter().any(|file| file.ends_with(".safetensors")), "no weights");
}

#[test]
fn an_adapter_beside_a_models_weights_is_not_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    model(&dir.join("model"));
    chats(dir);
    fs_err::write(dir.join("model/adapter_config.json"), "{}").unwrap();
    let hub = Hub::start(dir.join("model"));
    let (code, out, error) = hub.titer(dir, "lab/small", &[]);
    assert_eq!((code, out.as_str()), (2, ""), "{error}");
    assert!(error.contains("adapter_config.json") && error.contains("--adapter"), "{error}");
}
