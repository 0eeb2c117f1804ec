//! A connection: requests of HTTP/1.1 as they come, within limits of size and time, and answers as they go.

use std::{
    io::{self, BufRead as _, BufReader, ErrorKind, Read, Write as _},
    net::{Shutdown, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    head::{BodyLength, Head},
    refusal::Refusal,
};

/// Bytes of a request's body at most.
const LONGEST: u64 = 64 << 20;

/// Bytes of what stands before a body at most.
const HEAD: u64 = 64 << 10;

/// Bytes of the line that says how long a chunk is at most, and lines behind the last chunk.
const LINE: u64 = 1024;
const TRAILERS: usize = 64;

/// How long a client is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct WireLimits {
    /// Until its next request begins.
    pub(super) idle: Duration,
    /// Until all of the headers are there.
    pub(super) head: Duration,
    /// Until all of the body is there.
    pub(super) body: Duration,
    /// Until it sends or takes anything once more.
    pub(super) quiet: Duration,
    /// Until it has seen that nothing more is read.
    pub(super) parting: Duration,
}

impl WireLimits {
    /// Those of a server.
    pub(super) const SERVED: Self = Self {
        idle: Duration::from_secs(120),
        head: Duration::from_secs(30),
        body: Duration::from_secs(600),
        quiet: Duration::from_secs(30),
        parting: Duration::from_secs(2),
    };
}

/// A connection to a client.
pub(super) struct Wire {
    reader: BufReader<TimedStream>,
    limits: WireLimits,
}

/// A connection that is not waited for for ever.
struct TimedStream {
    /// Held by who closes it, too: a connection has one descriptor.
    stream: Arc<TcpStream>,
    quiet: Duration,
    until: Instant,
}

impl Read for TimedStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.until.saturating_duration_since(Instant::now()).min(self.quiet);
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        (&*self.stream).read(buffer)
    }
}

/// A request, whole.
#[derive(Debug)]
pub(super) struct WireRequest {
    pub(super) method: String,
    /// As it was sent, with what stands behind a `?`.
    pub(super) path: String,
    pub(super) body: Vec<u8>,
    /// Whether the client is too old for chunks.
    pub(super) is_old: bool,
    /// Whether the client may ask more by this connection.
    pub(super) stays: bool,
}

/// What comes over a connection.
#[derive(Debug)]
pub(super) enum Incoming {
    /// A request.
    Request(WireRequest),
    /// What is no request that can be read: the connection is of no use any more.
    Refused(Refusal),
    /// Nothing: the client has left, or has been silent for too long between requests.
    Nothing,
}

impl Wire {
    /// A connection, of which nothing is read yet.
    ///
    /// # Errors
    /// Where it is gone.
    pub(super) fn new(stream: Arc<TcpStream>, limits: WireLimits) -> io::Result<Self> {
        stream.set_write_timeout(Some(limits.quiet))?;
        // A piece of an answer is not to wait for the next.
        stream.set_nodelay(true)?;
        let timed = TimedStream { stream, quiet: limits.quiet, until: Instant::now() };
        Ok(Self { reader: BufReader::new(timed), limits })
    }

    /// The next request.
    pub(super) fn next(&mut self) -> Incoming {
        match self.read() {
            Ok(Some(request)) => Incoming::Request(request),
            Ok(None) => Incoming::Nothing,
            Err(refusal) => Incoming::Refused(refusal),
        }
    }

    fn read(&mut self) -> Result<Option<WireRequest>, Refusal> {
        let Some(text) = self.head_text()? else { return Ok(None) };
        let Head { method, path, is_old, stays, length, waits } = Head::read(&text)?;
        if let BodyLength::Known(bytes) = length
            && bytes > LONGEST
        {
            return Err(too_large());
        }
        if waits {
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n").map_err(unread)?;
        }
        self.wait(self.limits.body, self.limits.quiet);
        let body = match length {
            BodyLength::Known(bytes) => self.exactly(bytes)?,
            BodyLength::Chunked => self.chunks()?,
        };
        Ok(Some(WireRequest { method, path, body, is_old, stays }))
    }

    /// Everything up to the empty line before the body; `None` where the client sends nothing.
    fn head_text(&mut self) -> Result<Option<Vec<u8>>, Refusal> {
        self.wait(self.limits.idle, self.limits.idle);
        // A client that keeps its connection may close it when it likes.
        if self.reader.fill_buf().map_or(true, <[u8]>::is_empty) {
            return Ok(None);
        }
        self.wait(self.limits.head, self.limits.quiet);
        let mut head = Vec::new();
        loop {
            let before = head.len();
            let room = (HEAD + 1).saturating_sub(before as u64);
            match self.reader.by_ref().take(room).read_until(b'\n', &mut head) {
                Ok(0) if room > 0 && head.is_empty() => return Ok(None),
                Ok(0) if room > 0 => return Err(Refusal::request("the request ends within its headers")),
                Ok(_) => {}
                Err(error) => return Err(unread(error)),
            }
            if head.len() as u64 > HEAD {
                return Err(Refusal::no_path(431, format!("the headers have more than {} KiB", HEAD >> 10)));
            }
            if matches!(&head[before..], b"\r\n" | b"\n") {
                // Empty lines before a request mean nothing.
                if before > 0 {
                    return Ok(Some(head));
                }
                head.clear();
            }
        }
    }

    fn exactly(&mut self, bytes: u64) -> Result<Vec<u8>, Refusal> {
        let mut body = Vec::new();
        let read = self.reader.by_ref().take(bytes).read_to_end(&mut body).map_err(unread)?;
        if (read as u64) < bytes {
            return Err(Refusal::request(format!("the body has {read} bytes, and `Content-Length` says {bytes}")));
        }
        Ok(body)
    }

    /// A body whose length is said in pieces.
    fn chunks(&mut self) -> Result<Vec<u8>, Refusal> {
        let broken = || Refusal::request("the body's chunks do not say how long they are");
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| broken())?;
            if size > LONGEST - body.len() as u64 {
                return Err(too_large());
            }
            if size == 0 {
                break;
            }
            body.extend(self.exactly(size)?);
            if !self.line()?.is_empty() {
                return Err(broken());
            }
        }
        for _ in 0..TRAILERS {
            if self.line()?.is_empty() {
                return Ok(body);
            }
        }
        Err(broken())
    }

    /// A short line without its end.
    fn line(&mut self) -> Result<String, Refusal> {
        let mut line = Vec::new();
        self.reader.by_ref().take(LINE).read_until(b'\n', &mut line).map_err(unread)?;
        if line.pop() != Some(b'\n') {
            return Err(Refusal::request("the body ends within its chunks, or what stands between them is too long"));
        }
        Ok(String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned())
    }

    /// From now on the client is waited for so long, and so long for each sign of life.
    fn wait(&mut self, all: Duration, quiet: Duration) {
        let timed = self.reader.get_mut();
        (timed.until, timed.quiet) = (Instant::now() + all, quiet);
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// Where the client has left, or takes nothing for too long.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&*self.reader.get_ref().stream).write_all(bytes)
    }

    /// Sends an answer; to who asks for the head alone, that.
    ///
    /// # Errors
    /// As [`Wire::send`].
    pub(super) fn answer(
        &mut self,
        status: u16,
        kind: &str,
        body: &str,
        stays: bool,
        head_alone: bool,
    ) -> io::Result<()> {
        let (reason, len) = (reason(status), body.len());
        let last = if stays { "" } else { "Connection: close\r\n" };
        let head = format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\n{last}\r\n{}",
            if head_alone { "" } else { body }
        );
        self.send(head.as_bytes())
    }

    /// Begins an answer in chunks.
    ///
    /// # Errors
    /// As [`Wire::send`].
    pub(super) fn begin_chunks(&mut self, kind: &str, stays: bool) -> io::Result<()> {
        let last = if stays { "" } else { "Connection: close\r\n" };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n{last}\r\n"
        );
        self.send(head.as_bytes())
    }

    /// Sends a chunk; an empty one is the last.
    ///
    /// # Errors
    /// As [`Wire::send`].
    pub(super) fn chunk(&mut self, text: &str) -> io::Result<()> {
        self.send(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())
    }

    /// Ends a connection on which something is left unread: a client that still sends must see its answer before it sees that nobody listens.
    pub(super) fn part(mut self) {
        self.wait(self.limits.parting, self.limits.parting);
        let timed = self.reader.get_mut();
        let mut unread = vec![0; 1 << 16];
        if timed.stream.shutdown(Shutdown::Write).is_ok() {
            while timed.read(&mut unread).is_ok_and(|read| read > 0) {}
        }
    }
}

fn too_large() -> Refusal {
    Refusal::no_path(413, format!("the body has more than {} MiB", LONGEST >> 20))
}

fn unread(error: io::Error) -> Refusal {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Refusal::no_path(408, "the request did not come in time"),
        _ => Refusal::request(format!("the request cannot be read: {error}")),
    }
}

/// What a status is called.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// What a server that waits for `limit` makes of what a client sends, the client's end left open or not.
    fn heard(sent: &[u8], closes: bool, limit: Duration) -> Vec<Incoming> {
        let limits = WireLimits { idle: limit, head: limit, body: limit, quiet: limit, parting: limit };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let stream = listener.accept().unwrap().0;
        let sends = !sent.is_empty();
        let sent = sent.to_owned();
        let sender = std::thread::spawn(move || {
            // Who refuses may have closed.
            let _ = client.write_all(&sent);
            if closes {
                let _ = client.shutdown(Shutdown::Write);
            }
            client
        });
        // Time runs from what the client sends on, not from when its thread is begun.
        if sends {
            stream.peek(&mut [0]).unwrap();
        }
        let (mut wire, mut all) = (Wire::new(Arc::new(stream), limits).unwrap(), Vec::new());
        loop {
            let one = wire.next();
            let goes_on = matches!(one, Incoming::Request(_));
            all.push(one);
            if !goes_on {
                break;
            }
        }
        drop((wire, sender.join().unwrap()));
        all
    }

    /// So long that nothing in a test takes it, and so short that it can be waited for.
    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_millis(200);

    fn status(incoming: &Incoming) -> u16 {
        match incoming {
            Incoming::Request(_) => 200,
            Incoming::Refused(refusal) => refusal.status,
            Incoming::Nothing => 0,
        }
    }

    #[test]
    fn requests_come_one_after_another() {
        let sent = b"\r\nPOST /a?b HTTP/1.1\r\nHost: x\r\ncontent-length: 3\r\n\r\nabcPOST /c HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n\
            2;x=y\r\nde\r\n1\r\nf\r\n0\r\nT: 1\r\n\r\nGET /d HTTP/1.0\n\nGET http://x:1/e?f HTTP/1.1\r\n\r\n\
            GET HTTP://x HTTP/1.1\r\n\r\nGET /e HTTP/1.1\r\nConnection: Keep-Alive, Close\r\n\r\n";
        let shown: Vec<_> = heard(sent, true, LONG)
            .iter()
            .map(|one| match one {
                Incoming::Request(WireRequest { method, path, body, is_old, stays }) => {
                    format!("{method} {path} {} {is_old} {stays}", String::from_utf8_lossy(body))
                }
                other => status(other).to_string(),
            })
            .collect();
        // What is asked for by its whole address, as of a proxy, is at the path of that.
        let wanted = [
            "POST /a?b abc false true",
            "POST /c def false true",
            "GET /d  true false",
            "GET /e?f  false true",
            "GET /  false true",
            "GET /e  false false",
            "0",
        ];
        assert_eq!(shown, wanted);
    }

    #[test]
    fn what_is_too_large_or_broken_is_refused_at_once() {
        let with = |header: &str| format!("POST / HTTP/1.1\r\n{header}\r\n\r\n{{}}").into_bytes();
        let long = [b"GET / HTTP/1.1\r\nX: ".to_vec(), vec![b'a'; 1 << 20]].concat();
        for (sent, wanted) in [
            (with("Content-Length: 40000000000"), 413),
            (with("Content-Length: 18446744073709551615"), 413),
            (with("Content-Length: 99999999999999999999999"), 413),
            (with("Content-Length: -5"), 400),
            (with("Content-Length: +5"), 400),
            (with("Content-Length: abc"), 400),
            (with("Content-Length: 2\r\nContent-Length: 5"), 400),
            (with("Transfer-Encoding: gzip"), 501),
            (with("Expect: more"), 417),
            (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc".to_vec(), 413),
            (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc".to_vec(), 400),
            ([b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(), vec![b'1'; 1 << 20]].concat(), 400),
            (long, 431),
            (b"\x00\xff\x16\x03\x01GET\r\n\r\n".to_vec(), 400),
            (b"PRI * HTTP/2.0\r\n\r\n".to_vec(), 400),
        ] {
            // Who waits for more says 408.
            let all = heard(&sent, false, LONG);
            let shown = String::from_utf8_lossy(&sent[..sent.len().min(90)]).into_owned();
            assert_eq!(all.iter().map(status).collect::<Vec<_>>(), [wanted], "{shown}");
        }
    }

    #[test]
    fn nobody_is_waited_for_for_ever() {
        let half = b"POST / HTTP/1.1\r\nContent-Length: 5000\r\n\r\n{\"mod";
        for (sent, wanted) in [(&b""[..], 0), (b"POST / HT", 408), (b"POST / HTTP/1.1\r\nHost", 408), (half, 408)] {
            let all = heard(sent, false, SHORT);
            assert_eq!(all.iter().map(status).collect::<Vec<_>>(), [wanted], "{}", String::from_utf8_lossy(sent));
        }
        for (sent, wanted) in [(&b""[..], 0), (b"POST / HTTP/1.1\r\nHost", 400), (half, 400)] {
            assert_eq!(heard(sent, true, LONG).iter().map(status).collect::<Vec<_>>(), [wanted]);
        }
    }
}
