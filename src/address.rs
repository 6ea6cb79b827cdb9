//! Which addresses of a network are public, and which others an operator has allowed. Asks nobody, connects to nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Where nobody on the internet is, and what is there instead.
const NOT_PUBLIC: [(Ipv4Net, &str); 17] = [
    (v4([0, 0, 0, 0], 8), "this very machine"),
    (v4([10, 0, 0, 0], 8), "in a private network"),
    (v4([100, 64, 0, 0], 10), "in the network of a provider"),
    (v4([127, 0, 0, 0], 8), "this very machine"),
    // A public number that clouds answer themselves.
    (v4([168, 63, 129, 16], 32), "the metadata of a cloud"),
    (v4([169, 254, 169, 254], 32), "the metadata of a cloud"),
    (v4([169, 254, 0, 0], 16), "on the local link"),
    (v4([172, 16, 0, 0], 12), "in a private network"),
    (v4([192, 0, 0, 0], 24), RESERVED),
    (v4([192, 0, 2, 0], 24), RESERVED),
    (v4([192, 88, 99, 0], 24), RESERVED),
    (v4([192, 168, 0, 0], 16), "in a private network"),
    (v4([198, 18, 0, 0], 15), "in a private network"),
    (v4([198, 51, 100, 0], 24), RESERVED),
    (v4([203, 0, 113, 0], 24), RESERVED),
    (v4([224, 0, 0, 0], 4), "a group of machines"),
    (v4([240, 0, 0, 0], 4), RESERVED),
];

/// The same of IPv6. What is in none of these is public only in `GLOBAL`.
const NOT_PUBLIC_V6: [(Ipv6Net, &str); 8] = [
    // `::` and `::1`
    (v6(0, 127), "this very machine"),
    (v6(0xfc00_0000, 7), "in a private network"),
    (v6(0xfe80_0000, 10), "on the local link"),
    (v6(0xff00_0000, 8), "a group of machines"),
    // Of these, some carry an address of IPv4 inside.
    (v6(0x2001_0000, 23), RESERVED),
    (v6(0x2001_0db8, 32), RESERVED),
    (v6(0x2002_0000, 16), RESERVED),
    (v6(0x3fff_0000, 20), RESERVED),
];
const GLOBAL: Ipv6Net = v6(0x2000_0000, 3);
/// The low half of an address in here is one of IPv4.
const TRANSLATED: Ipv6Net = v6(0x0064_ff9b, 96);
const RESERVED: &str = "in a range that is not in use";

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

/// `begins`: the first 32 bits.
const fn v6(begins: u32, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from_bits((begins as u128) << 96), length)
}

/// What is wrong with an address, in words that follow "is"; None: it is public, or in a network that is allowed.
pub fn refusal(address: IpAddr, allowed: &[IpNet]) -> Option<&'static str> {
    let meant = underneath(address);
    if allowed.iter().any(|net| net.contains(&address) || net.contains(&meant)) {
        return None;
    }
    match meant {
        IpAddr::V4(meant) => NOT_PUBLIC.iter().find(|(net, _)| net.contains(&meant)).map(|(_, what)| *what),
        IpAddr::V6(meant) => NOT_PUBLIC_V6
            .iter()
            .find(|(net, _)| net.contains(&meant))
            .map(|(_, what)| *what)
            .or_else(|| (!GLOBAL.contains(&meant)).then_some(RESERVED)),
    }
}

/// Whether an address is in one of these networks.
pub fn is_within(address: IpAddr, networks: &[IpNet]) -> bool {
    let meant = address.to_canonical();
    networks.iter().any(|net| net.contains(&address) || net.contains(&meant))
}

/// The address of a host that is one already, as it stands in a URL; None: it is a name, and must be looked up.
pub fn literal(host: &str) -> Option<IpAddr> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if host == "localhost" || host.ends_with(".localhost") {
        return Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&host);
    bare.parse().ok()
}

/// An address of IPv4 that is written as one of IPv6 leads to the same machine.
fn underneath(address: IpAddr) -> IpAddr {
    let IpAddr::V6(outer) = address else { return address };
    if let Some(inner) = outer.to_ipv4_mapped() {
        return IpAddr::V4(inner);
    }
    let [.., a, b, c, d] = outer.octets();
    if TRANSLATED.contains(&outer) { IpAddr::V4(Ipv4Addr::new(a, b, c, d)) } else { address }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_pass_however_they_are_written() {
        for public in ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8"]
        {
            assert_eq!(refusal(public.parse().unwrap(), &[]), None, "{public}");
        }
        for other in [
            "0.0.0.0",
            "127.0.0.1",
            "127.255.255.254",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "169.254.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "239.1.1.1",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "fec0::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::",
            "64:ff9b:1::1",
            // IPv4 inside IPv6
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::10.0.0.1",
            "::127.0.0.1",
        ] {
            assert!(refusal(other.parse().unwrap(), &[]).is_some(), "{other}");
        }
    }

    #[test]
    fn a_network_that_is_allowed_lets_its_own_pass_and_no_other() {
        let allowed = ["10.1.0.0/16".parse().unwrap(), "fd12::/16".parse().unwrap()];
        for inside in ["10.1.2.3", "::ffff:10.1.2.3", "fd12::5"] {
            assert_eq!(refusal(inside.parse().unwrap(), &allowed), None, "{inside}");
        }
        for outside in ["10.2.0.1", "127.0.0.1", "fd13::5", "169.254.169.254"] {
            assert!(refusal(outside.parse().unwrap(), &allowed).is_some(), "{outside}");
        }
    }

    #[test]
    fn a_host_that_is_an_address_is_told_from_a_name() {
        for (host, address) in [
            ("127.0.0.1", Some("127.0.0.1")),
            ("[::1]", Some("::1")),
            ("LocalHost.", Some("127.0.0.1")),
            ("a.localhost", Some("127.0.0.1")),
            ("example.org", None),
            ("localhost.example.org", None),
        ] {
            assert_eq!(literal(host), address.map(|text| text.parse().unwrap()), "{host}");
        }
    }
}
