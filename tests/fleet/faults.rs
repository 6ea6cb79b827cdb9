//! Everything that can be done to a fleet. Each fault strikes, lasts for a while, and is over when the call returns; what it
//! left behind is the fleet's to mend.

use std::{thread, time::Duration};

use rand::{Rng, rngs::SmallRng};

use crate::{
    fleet::Fleet,
    member::Member,
    support::{Link, Weather},
};

/// Whom a worker talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    Redis,
    Sql,
    GitHub,
}

/// One fault. Those of a process or a link hit one that is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    RedisRestartedEmpty,
    RedisAway,
    Flushed,
    ScriptsForgotten,
    RedisRolledBack,
    RedisPaused,
    RedisFull,
    RedisReadOnly,
    RedisEvicts,
    SqlRestarted,
    Killed,
    Terminated,
    Stopped,
    /// Between one process and one server.
    Link(Server, Weather),
    /// Between everybody and one server.
    Links(Server, Weather),
}

/// Faults that need nothing but Redis.
pub const OF_REDIS: [Fault; 9] = [
    Fault::RedisRestartedEmpty,
    Fault::RedisAway,
    Fault::Flushed,
    Fault::ScriptsForgotten,
    Fault::RedisRolledBack,
    Fault::RedisPaused,
    Fault::RedisFull,
    Fault::RedisReadOnly,
    Fault::RedisEvicts,
];

impl Server {
    /// A member's link to it.
    fn link(self, member: &Member) -> &Link {
        match self {
            Self::Redis => member.redis.as_ref().expect("the gate is in Redis"),
            Self::Sql => &member.sql,
            Self::GitHub => &member.github,
        }
    }
}

impl Fault {
    /// Strikes while the fleet is at work. `long` is longer than the lease of a worker, or not.
    pub fn strike(self, fleet: &mut Fleet, draw: &mut SmallRng, long: bool) {
        let lasts = Duration::from_millis(if long { 4_500 } else { draw.random_range(100..900) });
        match self {
            Self::RedisRestartedEmpty => fleet.replace_redis(None),
            Self::RedisAway => {
                fleet.stop_redis();
                thread::sleep(lasts);
                fleet.replace_redis(None);
            }
            Self::Flushed => fleet.redis().ask(&["FLUSHALL"]),
            Self::ScriptsForgotten => fleet.redis().ask(&["SCRIPT", "FLUSH"]),
            Self::RedisRolledBack => {
                let dump = fleet.redis().dump();
                fleet.busy_for(6);
                fleet.replace_redis(Some(&dump));
            }
            Self::RedisPaused => {
                let milliseconds = lasts.as_millis().to_string();
                fleet.redis().ask::<()>(&["CLIENT", "PAUSE", &milliseconds, "ALL"]);
                thread::sleep(lasts);
            }
            Self::RedisFull => set_for(fleet, lasts, "maxmemory", "1", "0"),
            Self::RedisEvicts => {
                set_for(fleet, lasts, "maxmemory-policy", "allkeys-lru", "noeviction");
            }
            Self::RedisReadOnly => {
                // Its master is nowhere: it is a replica that takes no writes and keeps what it has.
                fleet.redis().ask::<()>(&["REPLICAOF", "127.0.0.1", "1"]);
                thread::sleep(lasts);
                fleet.redis().ask::<()>(&["REPLICAOF", "NO", "ONE"]);
            }
            Self::SqlRestarted => {
                fleet.stop_sql();
                thread::sleep(lasts / 4);
                fleet.start_sql();
            }
            Self::Killed => {
                let victim = fleet.draw_name(draw);
                fleet.member(&victim).kill();
                thread::sleep(lasts);
                fleet.begin(&victim, &[]);
            }
            Self::Terminated => {
                let victim = fleet.draw_name(draw);
                fleet.terminate(&victim);
                thread::sleep(lasts);
                fleet.begin(&victim, &[]);
            }
            Self::Stopped => {
                let victim = fleet.draw_name(draw);
                fleet.member(&victim).process().signal("STOP");
                thread::sleep(lasts);
                fleet.member(&victim).process().signal("CONT");
            }
            Self::Link(server, weather) => {
                let victim = fleet.draw_name(draw);
                server.link(fleet.member(&victim)).set(weather);
                thread::sleep(lasts);
                server.link(fleet.member(&victim)).set(Weather::Fair);
            }
            Self::Links(server, weather) => {
                fleet.weather(|member| server.link(member), weather);
                thread::sleep(lasts);
                fleet.weather(|member| server.link(member), Weather::Fair);
            }
        }
    }
}

fn set_for(fleet: &Fleet, lasts: Duration, name: &str, bad: &str, good: &str) {
    fleet.redis().ask::<()>(&["CONFIG", "SET", name, bad]);
    thread::sleep(lasts);
    fleet.redis().ask::<()>(&["CONFIG", "SET", name, good]);
}
