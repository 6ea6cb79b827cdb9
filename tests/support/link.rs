//! The network between a process and a server, as a TCP proxy that can be disturbed: cut, stalled, slow, deaf. It must know
//! nothing of what is said on it.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// What the network does with what is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weather {
    /// Passes it on.
    #[default]
    Fair,
    /// Ends every connection, and each new one at once.
    Cut,
    /// Keeps connections and what is sent on them: nothing moves until the weather changes. Then it goes on.
    Stalled,
    /// Questions pass, answers are lost: what was asked is done, and whoever asked never hears of it.
    Deaf,
    /// Each piece is late by so many milliseconds.
    Slow(u64),
}

/// One link, with a port of its own that stays the same when the server behind it moves. It ends when dropped.
#[derive(Debug)]
pub struct Link {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    weather: Weather,
    /// Of the server.
    target: u16,
    closed: bool,
    next: u64,
    /// Both ends of every connection.
    open: BTreeMap<u64, [TcpStream; 2]>,
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while nothing may move; then tells the weather.
    fn weather(&self) -> Weather {
        let waiting = |inner: &mut Inner| inner.weather == Weather::Stalled && !inner.closed;
        self.changed.wait_while(self.lock(), waiting).unwrap_or_else(PoisonError::into_inner).weather
    }
}

impl Link {
    /// A fair link to the server on this loopback port.
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state =
            Arc::new(State { inner: Mutex::new(Inner { target, ..Inner::default() }), ..State::default() });
        let accepting = Arc::clone(&state);
        thread::spawn(move || accept(&listener, &accepting));
        Self { port, state }
    }

    /// Where the process connects to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes the weather for what is sent from now on.
    pub fn set(&self, weather: Weather) {
        let mut inner = self.state.lock();
        // What was not heard before is lost for good, as on a connection that breaks later.
        if weather == Weather::Cut || inner.weather == Weather::Deaf && weather != Weather::Deaf {
            break_all(&mut inner);
        }
        inner.weather = weather;
        self.state.changed.notify_all();
    }

    /// The server is on another port now; connections to the old one are cut.
    pub fn retarget(&self, target: u16) {
        let mut inner = self.state.lock();
        inner.target = target;
        break_all(&mut inner);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let mut inner = self.state.lock();
        inner.closed = true;
        break_all(&mut inner);
        drop(inner);
        self.state.changed.notify_all();
        // Wakes the thread that accepts.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn break_all(inner: &mut Inner) {
    for stream in std::mem::take(&mut inner.open).into_values().flatten() {
        drop(stream.shutdown(Shutdown::Both));
    }
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    for client in listener.incoming() {
        let (closed, cut, target) = {
            let inner = state.lock();
            (inner.closed, inner.weather == Weather::Cut, inner.target)
        };
        if closed {
            return;
        }
        let Ok(client) = client else { continue };
        if cut {
            continue;
        }
        // A stopped server: the connection ends as if it had been refused.
        if let Ok(server) = TcpStream::connect(("127.0.0.1", target)) {
            join(state, client, server);
        }
    }
}

/// Passes on in both directions until one end has gone or the link breaks.
fn join(state: &Arc<State>, client: TcpStream, server: TcpStream) {
    let copy = |stream: &TcpStream| stream.try_clone();
    let (Ok(client_too), Ok(server_too)) = (copy(&client), copy(&server)) else { return };
    let (Ok(client_kept), Ok(server_kept)) = (copy(&client), copy(&server)) else { return };
    drop((client.set_nodelay(true), server.set_nodelay(true)));
    let number = {
        let mut inner = state.lock();
        // The weather may have changed, or the server moved, since this connection was taken.
        let moved = server.peer_addr().map_or(true, |address| address.port() != inner.target);
        if moved || inner.closed || inner.weather == Weather::Cut {
            return;
        }
        inner.next += 1;
        let number = inner.next;
        inner.open.insert(number, [client_kept, server_kept]);
        number
    };
    for (from, to, answers) in [(client, server, false), (server_too, client_too, true)] {
        let state = Arc::clone(state);
        thread::spawn(move || {
            pass(&state, from, to, answers);
            if let Some(pair) = state.lock().open.remove(&number) {
                for stream in pair {
                    drop(stream.shutdown(Shutdown::Both));
                }
            }
        });
    }
}

fn pass(state: &State, mut from: TcpStream, mut to: TcpStream, answers: bool) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        match state.weather() {
            Weather::Cut => return,
            Weather::Deaf if answers => continue,
            Weather::Slow(ms) => thread::sleep(Duration::from_millis(ms)),
            Weather::Fair | Weather::Deaf | Weather::Stalled => {}
        }
        if to.write_all(&piece[..length]).is_err() {
            return;
        }
    }
}
