//! Which hosts are called at all. An address comes from a token answer; it is checked before anything is sent to it, and so
//! is every address that its name resolves to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Whether hosts beyond Salesforce's own may be called; only for tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// Salesforce only, over TLS, at public addresses.
    Salesforce,
    /// Any host, also without TLS, also private.
    Test,
}

/// The address is not one that we call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the org's address is not a Salesforce host")]
pub struct HostNotAllowed;

impl Hosts {
    /// Checks an org's address and returns its scheme and host, without anything else.
    ///
    /// # Errors
    /// [`HostNotAllowed`].
    pub fn check(self, instance_url: &str) -> Result<Url, HostNotAllowed> {
        let url = Url::parse(instance_url).map_err(|_| HostNotAllowed)?;
        let bare = url.username().is_empty()
            && url.password().is_none()
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none();
        if !bare || url.host().is_none() {
            return Err(HostNotAllowed);
        }
        let allowed = match self {
            Self::Test => matches!(url.scheme(), "http" | "https"),
            Self::Salesforce => url.scheme() == "https" && url.port().is_none() && is_salesforce(&url),
        };
        if allowed { Ok(url) } else { Err(HostNotAllowed) }
    }
}

fn is_salesforce(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(domain)) => domain.ends_with(".salesforce.com") && !domain.starts_with('.'),
        _ => false,
    }
}

/// Resolves names and drops every address that is not public, so no name can point us into a private network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublicAddresses;

impl Resolve for PublicAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.filter(|address| is_public(address.ip())).collect();
            if found.is_empty() {
                return Err("the host has no public address".into());
            }
            let addresses: Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_public_v4(v4),
            None => is_public_v6(v6),
        },
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, ..] = v4.octets();
    let shared = a == 100 && (64..128).contains(&b);
    !(v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_broadcast()
        || v4.is_multicast()
        || a == 0
        || shared)
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    !(v6.is_loopback()
        || v6.is_unspecified()
        || v6.is_unique_local()
        || v6.is_unicast_link_local()
        || v6.is_multicast())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s28_only_salesforce_hosts_over_tls_are_called() {
        for good in [
            "https://oma.my.salesforce.com",
            "https://login.salesforce.com/",
            "https://oma--dev.sandbox.my.salesforce.com",
        ] {
            assert!(Hosts::Salesforce.check(good).is_ok(), "{good}");
        }
        for bad in [
            "http://oma.my.salesforce.com",
            "https://oma.my.salesforce.com:8443",
            "https://user@oma.my.salesforce.com",
            "https://oma.my.salesforce.com/path",
            "https://oma.my.salesforce.com.evil.example",
            "https://evilsalesforce.com",
            "https://salesforce.com.",
            "https://127.0.0.1",
            "ftp://oma.my.salesforce.com",
            "nonsense",
        ] {
            assert_eq!(Hosts::Salesforce.check(bad), Err(HostNotAllowed), "{bad}");
        }
        assert!(Hosts::Test.check("http://127.0.0.1:8080").is_ok());
    }

    #[test]
    fn s28_private_addresses_are_not_public() {
        for private in [
            "10.0.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "192.168.1.1",
            "100.64.0.1",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        assert!(is_public("13.108.0.1".parse().unwrap()));
        assert!(is_public("2600:1f00::1".parse().unwrap()));
    }
}
