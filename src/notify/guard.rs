//! Keeps notices away from machines that only this one can reach: before each connection the addresses of a name are
//! looked at, and only those that were looked at are connected to. A name that means another machine at the next look-up is
//! judged again.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::{TcpStream, lookup_host};

use crate::{address, notify::SinkReason};

/// Which addresses may be connected to.
#[derive(Clone, Debug)]
pub struct Guard {
    allowed: Arc<[IpNet]>,
    /// What is public is refused too, unless it is allowed.
    only: bool,
}

/// No connection was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Every address of the host is refused.
    Private { host: String, address: IpAddr, what: &'static str },
    /// What goes there is not encrypted, and none of the addresses is in a network that was named.
    Plain { host: String, address: IpAddr },
    /// There is no address, or nobody answers there.
    Unreachable { host: String, why: String },
}

impl Closed {
    pub const fn reason(&self) -> SinkReason {
        match self {
            Self::Private { .. } => SinkReason::PrivateAddress,
            Self::Plain { .. } => SinkReason::Tls,
            Self::Unreachable { .. } => SinkReason::Unreachable,
        }
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Private { host, address, what } => write!(
                f,
                "{host} is {address}, which is {what}: nothing was sent; if it is meant, name its network in `allow_private`"
            ),
            Self::Plain { host, address } => write!(
                f,
                "{host} is {address}, which is in no network of `allow_private`: nothing was sent, since it would travel \
                 without encryption; use TLS there"
            ),
            Self::Unreachable { host, why } => write!(f, "{host} cannot be reached: {why}"),
        }
    }
}

impl std::error::Error for Closed {}

impl Guard {
    pub fn new(allowed: &[IpNet]) -> Self {
        Self { allowed: allowed.into(), only: false }
    }

    /// For what travels without encryption: only to the networks that were named.
    pub fn only(allowed: &[IpNet]) -> Self {
        Self { allowed: allowed.into(), only: true }
    }

    /// A host that is an address needs no look-up, so that no resolver is asked about it.
    pub fn literal(&self, host: &str) -> Result<(), Closed> {
        address::literal(host).map_or(Ok(()), |address| self.judge(host, address))
    }

    /// Where a host may be connected to.
    pub async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Closed> {
        let unreachable = |why: String| Closed::Unreachable { host: host.to_owned(), why };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = lookup_host((bare, port)).await.map_err(|error| unreachable(error.to_string()))?;
        let (mut open, mut closed) = (Vec::new(), unreachable("the name has no address".to_owned()));
        for address in found {
            match self.judge(host, address.ip()) {
                Ok(()) => open.push(address),
                Err(refused) => closed = refused,
            }
        }
        if open.is_empty() { Err(closed) } else { Ok(open) }
    }

    /// Connects and says where to; sends nothing.
    pub async fn knock(&self, host: &str, port: u16, timeout: Duration) -> Result<SocketAddr, Closed> {
        let open = self.resolve(host, port).await?;
        let unreachable = |why: String| Closed::Unreachable { host: format!("{host}:{port}"), why };
        let stream = tokio::time::timeout(timeout, TcpStream::connect(open.as_slice())).await;
        let stream = stream.map_err(|_| unreachable("no answer in time".to_owned()))?;
        stream.and_then(|stream| stream.peer_addr()).map_err(|error| unreachable(error.to_string()))
    }

    fn judge(&self, host: &str, address: IpAddr) -> Result<(), Closed> {
        match address::refusal(address, &self.allowed) {
            None if self.only && !address::is_within(address, &self.allowed) => {
                Err(Closed::Plain { host: host.to_owned(), address })
            }
            None => Ok(()),
            Some(what) => Err(Closed::Private { host: host.to_owned(), address, what }),
        }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            // The port of the address is put in by the caller.
            let open = Self::resolve(&guard, name.as_str(), 0).await?;
            Ok(Box::new(open.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_of_this_machine_is_refused_with_what_to_do_and_passes_when_it_is_allowed() {
        let refused = Guard::new(&[]).resolve("localhost", 80).await.unwrap_err();
        assert_eq!(refused.reason().as_str(), "private-address");
        let told = refused.to_string();
        assert!(told.contains("localhost") && told.contains("allow_private"), "{told}");
        let guard = Guard::new(&["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]);
        assert!(guard.resolve("localhost", 80).await.is_ok());
        assert!(guard.literal("127.0.0.1").is_ok() && guard.literal("10.0.0.1").is_err());
    }

    #[test]
    fn what_is_not_encrypted_goes_to_no_public_address_and_nobody_is_told_to_name_one() {
        let allowed = ["10.1.0.0/16".parse().unwrap()];
        let guard = Guard::only(&allowed);
        assert!(guard.literal("10.1.2.3").is_ok() && guard.literal("[::ffff:10.1.2.3]").is_ok());
        assert!(guard.literal("10.2.0.1").is_err() && guard.literal("localhost").is_err());
        let refused = guard.literal("8.8.8.8").unwrap_err();
        let told = refused.to_string();
        assert_eq!(refused.reason().as_str(), "tls");
        assert!(told.contains("use TLS") && !told.contains("name its network"), "{told}");
        assert!(Guard::new(&allowed).literal("8.8.8.8").is_ok());
    }
}
