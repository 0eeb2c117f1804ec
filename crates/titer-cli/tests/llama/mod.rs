//! llama.cpp's own server with the organism, started and ended by a test.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
};

/// A server that is ended with the test.
pub(crate) struct Llama {
    child: Child,
    pub(crate) url: String,
}

impl Drop for Llama {
    fn drop(&mut self) {
        // It ends with its standard input.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// llama.cpp with the organism, or a note on stderr that the test is skipped.
pub(crate) fn llama() -> Option<Llama> {
    let python = std::env::var_os("TITER_PYTHON").unwrap_or("python3".into());
    let there = Command::new(&python).args(["-c", "import xllamacpp, gguf, numpy, safetensors"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        writeln!(std::io::stderr().lock(), "skipped: no Python with xllamacpp, gguf, numpy and safetensors").unwrap();
        return None;
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(python);
    command.arg(here.join("tests/llama_server.py")).arg(here.join("../../organism/seed-0")).arg(port.to_string());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines.map_while(Result::ok).any(|line| line == "ready");
    let llama = Llama { child, url: format!("http://127.0.0.1:{port}") };
    assert!(ready, "llama.cpp does not start");
    Some(llama)
}
