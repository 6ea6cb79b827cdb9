//! Redis Cluster for tests: three servers that share the slots.

use std::{net::TcpListener, thread, time::Duration};

use super::RedisServer;

const SLOTS: u32 = 16_384;

/// Three servers that share the slots.
pub struct Cluster(pub Vec<RedisServer>);

impl Cluster {
    pub fn start() -> Self {
        let cluster = Self((0..3).map(|_| server()).collect());
        for (at, server) in (0..3).zip(&cluster.0) {
            let (first, last) = (at * SLOTS / 3, (at + 1) * SLOTS / 3 - 1);
            server.ask::<()>(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
        }
        for other in &cluster.0[1..] {
            let (port, bus) = (other.port().to_string(), bus(other));
            cluster.0[0].ask::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
        }
        cluster.until(|server| {
            let info: String = server.ask(&["CLUSTER", "INFO"]);
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        });
        cluster
    }

    fn until(&self, holds: impl Fn(&RedisServer) -> bool) {
        for _ in 0..3_000 {
            if self.0.iter().all(&holds) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("the cluster did not come together");
    }

    pub fn slot(&self, key: &str) -> u32 {
        self.0[0].ask(&["CLUSTER", "KEYSLOT", key])
    }

    /// The server that has the key, and the two others.
    pub fn owner_and_others(&self, key: &str) -> (usize, Vec<usize>) {
        let slot = self.slot(key);
        let owns = |at: u32| (at * SLOTS / 3..(at + 1) * SLOTS / 3).contains(&slot);
        let owner = (0..3).find(|at| owns(*at)).unwrap() as usize;
        (owner, (0..3).filter(|at| *at != owner).collect())
    }

    /// Everybody is told that the key's slot belongs to this server.
    pub fn move_slot(&self, key: &str, to: usize) {
        let id: String = self.0[to].ask(&["CLUSTER", "MYID"]);
        for server in &self.0 {
            server.ask::<()>(&["CLUSTER", "SETSLOT", &self.slot(key).to_string(), "NODE", &id]);
        }
    }
}

fn server() -> RedisServer {
    // The servers' own port is by default one that may not exist.
    let bus = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    RedisServer::with(&["--cluster-enabled", "yes", "--cluster-port", &bus])
}

fn bus(server: &RedisServer) -> String {
    let (_, port): (String, String) = server.ask(&["CONFIG", "GET", "cluster-port"]);
    port
}
