//! Listening, and answering.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{JoinHandle, park_timeout, spawn},
    time::Duration,
};

use chunked_transfer::Encoder;
use serde_json::{Value, json};
use tiny_http::{HTTPVersion, Header, Method, Request, Response, Server};

use super::{
    ServeError, Shelf,
    answer::{answer, models},
    events::Events,
    order::{Order, OrderKind},
    queue::Queue,
    refusal::Refusal,
};

/// What a stream of events is called.
const EVENTS: &str = "text/event-stream; charset=utf-8";

/// Bytes of a request at most.
const LONGEST: u64 = 64 << 20;

/// How often a connection is made that asks for nothing, see [`nudge`].
const NUDGES: Duration = Duration::from_millis(100);

/// A server that answers until it is stopped.
pub struct Serving {
    address: SocketAddr,
    server: Arc<Server>,
    state: Arc<ServingState>,
    handlers: Mutex<Vec<JoinHandle<()>>>,
}

/// What those who answer share.
struct ServingState {
    shelf: Shelf,
    queue: Queue,
    /// Requests so far.
    count: AtomicU64,
    stopping: AtomicBool,
    failure: Mutex<Option<String>>,
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "serving at {}", self.address)
    }
}

impl Serving {
    /// Listens at a host and a port, 0 for any that is free, and answers `at_once` requests at a time.
    ///
    /// # Errors
    /// Where nothing can listen there.
    pub fn start(shelf: Shelf, host: &str, port: u16, at_once: usize) -> Result<Self, ServeError> {
        let failed = |problem: String| ServeError::Address { address: format!("{host}:{port}"), problem };
        let server = Arc::new(Server::http((host, port)).map_err(|error| failed(error.to_string()))?);
        let address =
            server.server_addr().to_ip().ok_or_else(|| failed("it is no address of the Internet's".to_owned()))?;
        let (count, stopping, failure) = (AtomicU64::new(0), AtomicBool::new(false), Mutex::new(None));
        let state = Arc::new(ServingState { shelf, queue: Queue::new(), count, stopping, failure });
        let handler = |_| {
            let (server, state) = (Arc::clone(&server), Arc::clone(&state));
            spawn(move || state.handle(&server))
        };
        let mut handlers: Vec<_> = (0..at_once.max(1)).map(handler).collect();
        let nudged = Arc::clone(&state);
        handlers.push(spawn(move || nudge(address, &nudged.stopping)));
        Ok(Self { address, server, state, handlers: Mutex::new(handlers) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it serves.
    pub fn shelf(&self) -> &Shelf {
        &self.state.shelf
    }

    /// Whether it still can.
    ///
    /// # Errors
    /// Where it cannot take connections any more.
    pub fn works(&self) -> Result<(), ServeError> {
        let failure = self.state.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        failure.map_or(Ok(()), |problem| Err(ServeError::Broken(problem)))
    }

    /// Stops: what is under way is refused, and every request that has come has an answer when this returns.
    pub fn stop(&self) {
        self.state.stopping.store(true, Ordering::Relaxed);
        self.state.queue.stop();
        let handlers = std::mem::take(&mut *self.handlers.lock().unwrap_or_else(PoisonError::into_inner));
        handlers.iter().for_each(|handler| {
            self.server.unblock();
            handler.thread().unpark();
        });
        handlers.into_iter().for_each(|handler| drop(handler.join()));
    }
}

impl ServingState {
    /// Answers one request after another.
    fn handle(&self, server: &Server) {
        while !self.stopping.load(Ordering::Relaxed) {
            match server.recv() {
                Ok(request) => self.respond(request),
                Err(_) if self.stopping.load(Ordering::Relaxed) => {}
                Err(error) => {
                    self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error.to_string());
                    return;
                }
            }
        }
    }

    fn respond(&self, mut request: Request) {
        let (status, body) = match self.answer(&mut request) {
            Ok(ServedAnswer::Whole(answer)) => (200, answer),
            // Who asked may have left.
            Ok(ServedAnswer::Events(events)) => return drop(send(request, *events)),
            Err(refusal) => (refusal.status, refusal.json()),
        };
        let kind = Header::from_bytes("Content-Type", "application/json").expect("it is a header");
        // Who asked may have left.
        let _ = request.respond(Response::from_string(body.to_string()).with_status_code(status).with_header(kind));
    }

    fn answer(&self, request: &mut Request) -> Result<ServedAnswer, Refusal> {
        let path = request.url().split('?').next().unwrap_or_default().trim_end_matches('/').to_owned();
        let path = path.strip_prefix("/v1").unwrap_or(&path);
        let kind = match path {
            "/health" => {
                return allowed(request, &Method::Get).map(|()| ServedAnswer::Whole(json!({ "status": "ok" })));
            }
            "/models" => return allowed(request, &Method::Get).map(|()| ServedAnswer::Whole(models(&self.shelf))),
            "/chat/completions" => OrderKind::Chat,
            "/completions" => OrderKind::Text,
            _ => {
                let served = "/v1/chat/completions, /v1/completions and /v1/models";
                return Err(Refusal::no_path(404, format!("there is nothing at {path}: served are {served}")));
            }
        };
        allowed(request, &Method::Post)?;
        let mut body = Vec::new();
        let read = request.as_reader().take(LONGEST + 1).read_to_end(&mut body);
        read.map_err(|error| Refusal::request(format!("the body cannot be read: {error}")))?;
        if body.len() as u64 > LONGEST {
            return Err(Refusal::no_path(413, format!("the body has more than {} MiB", LONGEST >> 20)));
        }
        let order = Order::read(kind, &body, &self.shelf)?;
        let id = self.count.fetch_add(1, Ordering::Relaxed);
        match order.stream {
            Some(_) => Ok(ServedAnswer::Events(Box::new(Events::begin(order, &self.queue, id)?))),
            None => Ok(ServedAnswer::Whole(answer(&order, &self.queue, id)?)),
        }
    }
}

/// Makes a connection that ends at once, again and again, until the server stops.
///
/// tiny_http hands a connection to a thread that waits for one, and where two come together it may hand both to the same: the second is then read
/// once the first is closed, which is never where clients keep theirs for later. A thread that has done with a connection takes up the next
/// that nobody reads, so one that asks for nothing gets it going.
fn nudge(server: SocketAddr, stopping: &AtomicBool) {
    let host = match server.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    while !stopping.load(Ordering::Relaxed) {
        drop(TcpStream::connect_timeout(&SocketAddr::new(host, server.port()), NUDGES));
        park_timeout(NUDGES);
    }
}

/// An answer.
enum ServedAnswer {
    /// All of it.
    Whole(Value),
    /// What comes of it, piece by piece.
    Events(Box<Events>),
}

/// Sends events as they come, in chunks; to a client that is too old for those, all at once.
fn send(request: Request, events: Events) -> std::io::Result<()> {
    let event = |event: String| format!("data: {event}\n\n");
    if *request.http_version() < HTTPVersion(1, 1) {
        let kind = Header::from_bytes("Content-Type", EVENTS).expect("it is a header");
        return request.respond(Response::from_string(events.map(event).collect::<String>()).with_header(kind));
    }
    // tiny_http itself keeps what it sends until there is much of it.
    let mut writer = request.into_writer();
    write!(
        writer,
        "HTTP/1.1 200 OK\r\nContent-Type: {EVENTS}\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
    )?;
    let mut chunks = Encoder::new(&mut writer);
    for one in events {
        chunks.write_all(event(one).as_bytes())?;
        chunks.flush()?;
    }
    // The last chunk is written when there are no more.
    drop(chunks);
    writer.flush()
}

fn allowed(request: &Request, method: &Method) -> Result<(), Refusal> {
    match request.method() == method {
        true => Ok(()),
        false => Err(Refusal::no_path(
            405,
            format!("{} is asked for by {method} here, not by {}", request.url(), request.method()),
        )),
    }
}
