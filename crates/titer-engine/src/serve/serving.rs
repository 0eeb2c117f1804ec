//! Listening, and answering.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{Builder, JoinHandle, sleep},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    ServeError, Shelf,
    answer::{answer, models},
    descriptors::{are_short, descriptors},
    events::Events,
    order::{Order, OrderKind},
    queue::Queue,
    refusal::Refusal,
    turns::Turns,
    wire::{Incoming, Wire, WireLimits, WireRequest},
};

/// What a stream of events is called, and all else.
const EVENTS: &str = "text/event-stream; charset=utf-8";
const JSON: &str = "application/json";

/// Connections at most; who comes then is told to come later.
const CONNECTIONS: usize = 1024;

/// Files that may be open beside them: models that are opened, and what the process has open anyway.
const FILES: usize = 64;

/// How long those who are under way are waited for when the server stops.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it is looked whether they are done, or whether a connection can be taken again.
const LOOK: Duration = Duration::from_millis(20);

/// Failures to take a connection, one after another, behind which no more is tried.
const FAILURES: usize = 500;

/// A server that answers until it is stopped.
pub struct Serving {
    address: SocketAddr,
    state: Arc<ServingState>,
    taker: Mutex<Option<JoinHandle<()>>>,
}

/// What those who answer share.
struct ServingState {
    shelf: Shelf,
    queue: Queue,
    /// Who may answer now.
    turns: Arc<Turns>,
    /// Connections at most.
    room: usize,
    /// Requests so far, and connections.
    count: AtomicU64,
    connections: AtomicU64,
    /// The connections that are open, each with its number.
    open: Mutex<BTreeMap<u64, Arc<TcpStream>>>,
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
        let failed = |error: std::io::Error| ServeError::Address {
            address: format!("{host}:{port}"),
            problem: error.to_string(),
            remedy: match error.kind() {
                ErrorKind::AddrInUse => "something else listens there; --port 0 takes a port that is free",
                ErrorKind::AddrNotAvailable => "--host takes an address of this machine, or 0.0.0.0 for all of them",
                ErrorKind::PermissionDenied => "--port takes a port that this user may have, or 0 for one that is free",
                _ => "--host takes an address of this machine, and --port 0 a port that is free",
            },
        };
        let unknown = |error: std::io::Error| ServeError::Host { host: host.to_owned(), problem: error.to_string() };
        let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs().map_err(unknown)?.collect();
        let listener = TcpListener::bind(&*addresses).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let state = Arc::new(ServingState {
            shelf,
            queue: Queue::new(),
            turns: Arc::new(Turns::new(at_once.max(1))),
            room: descriptors().map_or(CONNECTIONS, |count| count.saturating_sub(FILES).clamp(1, CONNECTIONS)),
            count: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            open: Mutex::default(),
            stopping: AtomicBool::new(false),
            failure: Mutex::new(None),
        });
        let taking = Arc::clone(&state);
        let taker = Builder::new().spawn(move || taking.take(&listener)).map_err(failed)?;
        Ok(Self { address, state, taker: Mutex::new(Some(taker)) })
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

    /// Stops: what is under way is refused, and every request that has come has an answer when this returns, as far as clients take theirs
    /// within some seconds.
    pub fn stop(&self) {
        let until = Instant::now() + PATIENCE;
        self.state.stopping.store(true, Ordering::Relaxed);
        self.state.queue.stop();
        // Who takes connections waits for one.
        let taker = self.taker.lock().unwrap_or_else(PoisonError::into_inner).take();
        while taker.as_ref().is_some_and(|taker| !taker.is_finished()) {
            drop(TcpStream::connect_timeout(&within_reach(self.address), LOOK));
            sleep(LOOK);
            if Instant::now() > until {
                break;
            }
        }
        // Nothing more is read; what is to be answered can be written.
        self.state.shut(Shutdown::Read);
        while !self.state.open().is_empty() && Instant::now() < until {
            sleep(LOOK);
        }
        self.state.shut(Shutdown::Both);
        // What is scored is scored to its end, and nobody waits for it any more.
        self.state.queue.wait(until);
    }
}

impl ServingState {
    /// Takes one connection after another.
    fn take(self: &Arc<Self>, listener: &TcpListener) {
        let mut failures = 0;
        while !self.stopping.load(Ordering::Relaxed) {
            match listener.accept() {
                Ok(_) if self.stopping.load(Ordering::Relaxed) => return,
                Ok((stream, _)) => {
                    failures = 0;
                    self.begin(stream);
                }
                // What there is too little of now is there again when a connection is closed, as those that are silent are.
                Err(error) if are_short(&error) => sleep(LOOK),
                // One may have left before it was taken.
                Err(_) if failures < FAILURES => {
                    failures += 1;
                    sleep(LOOK);
                }
                Err(error) => {
                    self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error.to_string());
                    return;
                }
            }
        }
    }

    /// Has a connection's requests answered by a thread of its own. One for which there is no thread, or no room, is closed.
    fn begin(self: &Arc<Self>, stream: TcpStream) {
        let stream = Arc::new(stream);
        let Ok(mut wire) = Wire::new(Arc::clone(&stream), WireLimits::SERVED) else { return };
        if self.open().len() >= self.room {
            let full = Refusal::no_path(503, format!("there are {} connections already: close some", self.room));
            // Who asked may have left.
            return drop(wire.answer(full.status, JSON, &full.json().to_string(), false, false));
        }
        let number = self.connections.fetch_add(1, Ordering::Relaxed);
        self.open().insert(number, stream);
        let state = Arc::clone(self);
        let begun = Builder::new().name("connection".to_owned()).spawn(move || {
            // What fails here has failed for this client alone.
            let _ = catch_unwind(AssertUnwindSafe(|| state.converse(wire)));
            state.open().remove(&number);
        });
        if begun.is_err() {
            self.open().remove(&number);
        }
    }

    /// Answers what comes over a connection.
    fn converse(&self, mut wire: Wire) {
        loop {
            let answered = match wire.next() {
                Incoming::Nothing => return,
                Incoming::Refused(refusal) => {
                    // Who asked may have left.
                    let _ = wire.answer(refusal.status, JSON, &refusal.json().to_string(), false, false);
                    return wire.part();
                }
                Incoming::Request(request) => self.respond(&mut wire, request),
            };
            if !matches!(answered, Ok(true)) {
                return;
            }
        }
    }

    /// Answers a request. Says whether another one may come by this connection.
    fn respond(&self, wire: &mut Wire, request: WireRequest) -> std::io::Result<bool> {
        // A request that brings down what answers it is answered all the same.
        let answered = catch_unwind(AssertUnwindSafe(|| self.answer(&request)));
        let answered = answered.unwrap_or_else(|_| Err(Refusal::failed("the work failed; see what the server says")));
        let stays = request.stays && !self.stopping.load(Ordering::Relaxed);
        let (status, body) = match answered {
            Ok(ServedAnswer::Whole(answer)) => (200, answer),
            Ok(ServedAnswer::Events(events)) => {
                send(wire, *events, request.is_old, stays)?;
                return Ok(stays);
            }
            Err(refusal) => (refusal.status, refusal.json()),
        };
        wire.answer(status, JSON, &body.to_string(), stays, request.method == "HEAD")?;
        Ok(stays)
    }

    fn answer(&self, request: &WireRequest) -> Result<ServedAnswer, Refusal> {
        let path = request.path.split('?').next().unwrap_or_default().trim_end_matches('/').to_owned();
        let path = path.strip_prefix("/v1").unwrap_or(&path);
        let kind = match path {
            "/health" => {
                return allowed(request, "GET").map(|()| ServedAnswer::Whole(json!({ "status": "ok" })));
            }
            "/models" => return allowed(request, "GET").map(|()| ServedAnswer::Whole(models(&self.shelf))),
            "/chat/completions" => OrderKind::Chat,
            "/completions" => OrderKind::Text,
            _ => {
                let served = "/v1/chat/completions, /v1/completions and /v1/models";
                return Err(Refusal::no_path(404, format!("there is nothing at {path}: served are {served}")));
            }
        };
        allowed(request, "POST")?;
        // What is only looked up waits for nobody. The turn ends when what is sent is known: how long a client takes to read is its own time.
        let turn = self.turns.take();
        let order = Order::read(kind, &request.body, &self.shelf)?;
        let id = self.count.fetch_add(1, Ordering::Relaxed);
        match order.stream {
            Some(_) => Ok(ServedAnswer::Events(Box::new(Events::begin(order, &self.queue, id, turn)?))),
            None => Ok(ServedAnswer::Whole(answer(&order, &self.queue, id)?)),
        }
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<TcpStream>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes one side of every connection, or both.
    fn shut(&self, how: Shutdown) {
        // One that is closed already is what is wanted.
        self.open().values().for_each(|stream| drop(stream.shutdown(how)));
    }
}

/// The address by which this machine reaches what listens at another, which may be all addresses.
fn within_reach(address: SocketAddr) -> SocketAddr {
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(host, address.port())
}

/// An answer.
enum ServedAnswer {
    /// All of it.
    Whole(Value),
    /// What comes of it, piece by piece.
    Events(Box<Events>),
}

/// Sends events as they come, in chunks; to a client that is too old for those, all at once.
fn send(wire: &mut Wire, events: Events, is_old: bool, stays: bool) -> std::io::Result<()> {
    let event = |event: String| format!("data: {event}\n\n");
    if is_old {
        return wire.answer(200, EVENTS, &events.map(event).collect::<String>(), stays, false);
    }
    wire.begin_chunks(EVENTS, stays)?;
    for one in events {
        wire.chunk(&event(one))?;
    }
    // The last chunk is the empty one.
    wire.chunk("")
}

fn allowed(request: &WireRequest, method: &str) -> Result<(), Refusal> {
    match request.method == method {
        true => Ok(()),
        false => Err(Refusal::no_path(
            405,
            format!("{} is asked for by {method} here, not by {}", request.path, request.method),
        )),
    }
}
