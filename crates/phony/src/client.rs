//! The client of a request, behind the trusted proxies.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// The proxies whose `X-Forwarded-*` headers are believed. Those of other peers are ignored.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

/// What counts as one client: an IPv4 address, or the /64 network of an IPv6 address, which a
/// provider assigns to one customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl TrustedProxies {
    /// Trusts these networks.
    #[must_use]
    pub fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether this address is a trusted proxy.
    #[must_use]
    pub fn is_trusted(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client of a request that came from `peer`: the rightmost address of `X-Forwarded-For`
    /// that is not a trusted proxy. Any client may have written the addresses left of it.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        // A header that is not text hides its addresses and all those left of them.
        let mut names = lines.flat_map(|line| line.to_str().unwrap_or("unknown").rsplit(','));
        while self.is_trusted(client) {
            let Some(before) = names.next().and_then(address) else { break };
            client = before;
        }
        client
    }

    /// Whether the client's own connection uses TLS, if a trusted proxy says so.
    #[must_use]
    pub fn scheme(&self, peer: IpAddr, headers: &HeaderMap) -> Option<Scheme> {
        let said = headers.get(FORWARDED_PROTO).filter(|_| self.is_trusted(peer))?;
        // Each proxy may append its own; the client's connection comes first.
        let said = said.to_str().ok()?.split(',').next()?.trim();
        let is_tls = ["https", "wss"].iter().any(|tls| said.eq_ignore_ascii_case(tls));
        Some(if is_tls { Scheme::Https } else { Scheme::Http })
    }
}

/// How a browser reaches the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// Over TLS.
    Https,
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
            address @ IpAddr::V4(_) => Self(address),
        }
    }
}

/// Parses an address of `X-Forwarded-For`, which some proxies write with a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let with_port = || text.parse().ok().map(|address: SocketAddr| address.ip());
    bare.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies() -> TrustedProxies {
        let networks = ["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"];
        TrustedProxies::new(networks.map(|network| network.parse().unwrap()).to_vec())
    }

    fn client(peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        proxies().client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn the_client_is_the_rightmost_address_that_is_not_a_proxy() {
        assert_eq!(client("127.0.0.1", &["1.1.1.1, 2.2.2.2"]), "2.2.2.2");
        assert_eq!(client("127.0.0.1", &["1.1.1.1,2.2.2.2 , 10.0.0.1"]), "2.2.2.2");
        assert_eq!(client("127.0.0.1", &["1.1.1.1", "2.2.2.2", "10.0.0.1,fd00::1"]), "2.2.2.2");
        assert_eq!(client("::ffff:127.0.0.1", &["::ffff:2.2.2.2"]), "2.2.2.2");
        assert_eq!(client("127.0.0.1", &["2.2.2.2:99"]), "2.2.2.2");
        assert_eq!(client("127.0.0.1", &["[2001:db8::1]:99"]), "2001:db8::1");
        assert_eq!(client("127.0.0.1", &["[2001:db8::1]"]), "2001:db8::1");
    }

    #[test]
    fn without_one_it_is_the_farthest_known_proxy() {
        assert_eq!(client("127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(client("127.0.0.1", &["10.0.0.2, 10.0.0.1"]), "10.0.0.2");
        assert_eq!(client("127.0.0.1", &["1.1.1.1, unknown, 10.0.0.1"]), "10.0.0.1");
        assert_eq!(client("127.0.0.1", &["1.1.1.1, "]), "127.0.0.1");
    }

    #[test]
    fn an_untrusted_peer_is_not_believed() {
        assert_eq!(client("9.9.9.9", &["1.1.1.1"]), "9.9.9.9");
        let headers =
            HeaderMap::from_iter([(FORWARDED_PROTO.parse().unwrap(), "https".parse().unwrap())]);
        assert_eq!(proxies().scheme("9.9.9.9".parse().unwrap(), &headers), None);
        let said = proxies().scheme("10.0.0.9".parse().unwrap(), &headers);
        assert_eq!(said, Some(Scheme::Https));
    }

    #[test]
    fn an_ipv6_customer_is_one_client() {
        let network = |text: &str| Network::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(network("2001:db8:1:2:3::4"), network("2001:db8:1:2::9"));
        assert_ne!(network("2001:db8:1:2::"), network("2001:db8:1:3::"));
        assert_eq!(network("::ffff:1.2.3.4"), network("1.2.3.4"));
        assert_ne!(network("1.2.3.4"), network("1.2.3.5"));
    }
}
