//! What stands before the body of a request of HTTP/1.1.

use super::refusal::Refusal;

/// Headers of a request at most.
const HEADERS: usize = 128;

/// What stands before a body.
pub(super) struct Head {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) is_old: bool,
    pub(super) stays: bool,
    pub(super) length: BodyLength,
    /// Whether the client waits to be told that its body is wanted.
    pub(super) waits: bool,
}

/// How long a body is.
pub(super) enum BodyLength {
    Known(u64),
    Chunked,
}

impl Head {
    /// What a head says.
    ///
    /// # Errors
    /// Where it is none, or asks for what is not served.
    pub(super) fn read(text: &[u8]) -> Result<Self, Refusal> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut read = httparse::Request::new(&mut headers);
        read.parse(text).map_err(|error| Refusal::request(format!("this is no request of HTTP/1.1: {error}")))?;
        let (Some(method), Some(path), Some(version)) = (read.method, read.path, read.version) else {
            return Err(Refusal::request("this is no request of HTTP/1.1"));
        };
        let values = |name: &str| {
            let named = read.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
            named.map(|header| String::from_utf8_lossy(header.value).trim().to_ascii_lowercase()).collect::<Vec<_>>()
        };
        let is_old = version == 0;
        let asks =
            |word: &str| values("connection").iter().flat_map(|value| value.split(',')).any(|it| it.trim() == word);
        let length = match (&values("transfer-encoding")[..], &values("content-length")[..]) {
            ([], []) => BodyLength::Known(0),
            ([], [first, others @ ..]) => {
                let bytes = first.parse().ok().filter(|_| first.bytes().all(|byte| byte.is_ascii_digit()));
                let bytes = bytes.filter(|_| others.iter().all(|other| other == first));
                // More digits than fit are a length all the same.
                let is_long = first.len() > 18 && first.bytes().all(|byte| byte.is_ascii_digit());
                let bytes = bytes.or(is_long.then_some(u64::MAX));
                BodyLength::Known(bytes.ok_or_else(|| Refusal::request("`Content-Length` is no number of bytes"))?)
            }
            ([encoding], _) if encoding == "chunked" => BodyLength::Chunked,
            _ => return Err(Refusal::no_path(501, "bodies are read whole or in chunks, and in no other encoding")),
        };
        let waits = match values("expect").first().map(String::as_str) {
            None => false,
            Some("100-continue") => !is_old,
            Some(_) => return Err(Refusal::no_path(417, "nothing but `100-continue` can be expected here")),
        };
        Ok(Self {
            method: method.to_owned(),
            path: path_of(path).to_owned(),
            is_old,
            stays: !is_old && !asks("close"),
            length,
            waits,
        })
    }
}

/// The path of a target, which may be a whole address.
fn path_of(target: &str) -> &str {
    let whole = target.split_once("://").filter(|(scheme, _)| !scheme.contains('/'));
    whole.map_or(target, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]))
}
