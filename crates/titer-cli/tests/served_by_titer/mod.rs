//! `titer serve`, started and ended by a test.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

/// A server that is ended with the test.
pub(crate) struct Serve {
    pub(crate) child: Child,
    /// Its address.
    pub(crate) url: String,
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serve {
    /// Starts one in a folder, on a port that is free.
    pub(crate) fn start(dir: &Path, args: &[&str]) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_titer")), dir, args)
    }

    /// The same by a command that takes titer's arguments.
    pub(crate) fn start_by(mut command: Command, dir: &Path, args: &[&str]) -> Self {
        command.current_dir(dir).env("HF_HUB_OFFLINE", "1").args(["serve", "--port", "0"]).args(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("http://127.0.0.1:"), "it does not start: {url}");
        Self { child, url: url.trim_end().to_owned() }
    }

    /// Status and answer to a body; to none, the path is got.
    pub(crate) fn ask(&self, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.send(path, body.map(Value::to_string))
    }

    /// The same of any text.
    pub(crate) fn send(&self, path: &str, body: Option<String>) -> (u16, Value) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let url = format!("{}{path}", self.url);
        let answer = match body {
            None => agent.get(&url).call(),
            Some(body) => agent.post(&url).header("Content-Type", "application/json").send(body),
        };
        let mut answer = answer.unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}")))
    }

    /// The answer to a body that must be served.
    pub(crate) fn served(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(path, Some(body));
        assert_eq!(status, 200, "{answer}");
        answer
    }
}
