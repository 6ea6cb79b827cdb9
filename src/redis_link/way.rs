//! Which server to talk to. On Redis Cluster the one that is configured may not be the one that has the keys: it says so, and
//! from then on the one that it names is asked. When that one is silent, the configured one is asked again where they are now.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::{
    Client, Cmd, ConnectionAddr, ConnectionInfo, Pipeline, RedisError, RedisFuture, RedisResult, Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig},
};

use super::{ANSWER_WITHIN, CONNECT_WITHIN, RECONNECT_TRIES};

/// A server, and the connection to it that all share.
#[derive(Clone)]
struct Server {
    client: Client,
    shared: ConnectionManager,
    place: String,
}

impl Server {
    fn at(info: ConnectionInfo) -> RedisResult<Self> {
        let place = info.addr().to_string();
        let client = Client::open(info)?;
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(ANSWER_WITHIN))
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_number_of_retries(RECONNECT_TRIES);
        let shared = ConnectionManager::new_lazy_with_config(client.clone(), config)?;
        Ok(Self { client, shared, place })
    }
}

/// The way to the keys.
pub(super) struct Way {
    configured: ConnectionInfo,
    home: String,
    now: Mutex<Server>,
}

impl Way {
    pub fn to(info: ConnectionInfo) -> RedisResult<Self> {
        let server = Server::at(info.clone())?;
        Ok(Self { configured: info, home: server.place.clone(), now: Mutex::new(server) })
    }

    /// As it is configured: host and port, for messages.
    pub fn home(&self) -> &str {
        &self.home
    }

    pub fn client(&self) -> Client {
        self.server().client.clone()
    }

    /// Never held across a wait.
    fn server(&self) -> MutexGuard<'_, Server> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on with the server that an answer names. False: it names none.
    fn follow(&self, error: &RedisError) -> bool {
        let Some((named, _)) = error.redirect_node() else { return false };
        // Without a host the same one is meant.
        let Some((host, port)) = named.rsplit_once(':') else { return false };
        let Ok(port) = port.parse() else { return false };
        let address = match self.configured.addr().clone() {
            ConnectionAddr::Tcp(known, _) => ConnectionAddr::Tcp(or_known(host, known), port),
            ConnectionAddr::TcpTls { host: known, insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host: or_known(host, known), port, insecure, tls_params }
            }
            _ => return false,
        };
        self.turn_to(self.configured.clone().set_addr(address))
    }

    /// A server that was named by another one does not answer: the keys may have moved on.
    fn is_silent(&self, place: &str) {
        if place != self.home && self.server().place == place {
            self.turn_to(self.configured.clone());
        }
    }

    fn turn_to(&self, info: ConnectionInfo) -> bool {
        let mut now = self.server();
        if now.place == info.addr().to_string() {
            return true;
        }
        let Ok(server) = Server::at(info) else { return false };
        tracing::info!(from = now.place, to = server.place, "the keys are on another server of the cluster");
        *now = server;
        true
    }
}

fn or_known(host: &str, known: String) -> String {
    if host.is_empty() { known } else { host.trim_matches(['[', ']']).to_owned() }
}

/// The connection that all share. What is sent on it is answered in order: nothing that blocks may be sent.
#[derive(Clone)]
pub struct RedisConnection(pub(super) Arc<Way>);

impl RedisConnection {
    /// Whether to ask once more, elsewhere: an error that names another server has done nothing here.
    fn is_elsewhere(&self, asked: &Server, error: &RedisError) -> bool {
        if error.is_unrecoverable_error() || error.is_timeout() {
            self.0.is_silent(&asked.place);
        }
        self.0.follow(error)
    }
}

impl ConnectionLike for RedisConnection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let mut server = self.0.server().clone();
            let answer = server.shared.req_packed_command(cmd).await;
            let error = match &answer {
                Ok(Value::ServerError(error)) => Some(RedisError::from(error.clone())),
                Ok(_) => None,
                Err(error) => Some(error.clone()),
            };
            match error {
                Some(error) if self.is_elsewhere(&server, &error) => {
                    let mut server = self.0.server().clone();
                    server.shared.req_packed_command(cmd).await
                }
                _ => answer,
            }
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let mut server = self.0.server().clone();
            let answer = server.shared.req_packed_commands(pipeline, offset, count).await;
            let error = match &answer {
                Ok(values) => values.iter().find_map(|value| match value {
                    Value::ServerError(error) => Some(RedisError::from(error.clone())),
                    _ => None,
                }),
                Err(error) => Some(error.clone()),
            };
            match error {
                // All keys of a pipeline are on one server: when it is another one, nothing was done here.
                Some(error) if self.is_elsewhere(&server, &error) => {
                    let mut server = self.0.server().clone();
                    server.shared.req_packed_commands(pipeline, offset, count).await
                }
                _ => answer,
            }
        })
    }

    fn get_db(&self) -> i64 {
        self.0.server().shared.get_db()
    }
}
