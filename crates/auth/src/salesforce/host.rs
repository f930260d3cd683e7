//! The one place that decides which hosts are called.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

const PRODUCTION: &str = "login.salesforce.com";
const SANDBOX: &str = "test.salesforce.com";

/// Scheme, host and port that may be called. Only [`HostRules`] makes one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SalesforceHost(Url);

impl SalesforceHost {
    /// Returns scheme, host and port without a slash at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    /// Returns the address of a path on this host.
    #[must_use]
    pub fn at(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(path);
        url
    }

    /// Returns the host's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }
}

impl fmt::Display for SalesforceHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A host that is not called. Holds the host for people to read, never a path or a query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the host {host:?} is not one that we call")]
pub struct HostNotAllowed {
    /// The host, cut at 100 characters.
    pub host: String,
}

impl HostNotAllowed {
    fn of(text: &str) -> Self {
        let parsed = Url::parse(text).ok().and_then(|url| url.host_str().map(str::to_owned));
        // A text that is no URL may be anything, a secret included.
        Self { host: parsed.unwrap_or_default().chars().take(100).collect() }
    }
}

/// Which hosts may be called.
#[derive(Clone, Debug)]
pub struct HostRules {
    production: Url,
    allow_test_hosts: bool,
}

impl HostRules {
    /// Makes the rules; `login_url` stands for "production". Test hosts are loopback, `login_url`'s own host and its
    /// siblings, with or without TLS; they are for tests and installs against something that is not Salesforce.
    ///
    /// # Errors
    /// When `login_url` may not be called itself.
    pub fn new(login_url: &str, allow_test_hosts: bool) -> Result<Self, HostNotAllowed> {
        let not_allowed = || HostNotAllowed::of(login_url);
        let production = Url::parse(login_url).map_err(|_| not_allowed())?;
        let rules = Self { production, allow_test_hosts };
        let is_bare = is_bare(&rules.production);
        if !is_bare || !(allow_test_hosts || is_login_host(&rules.production)) {
            return Err(not_allowed());
        }
        Ok(rules)
    }

    /// Whether hosts that are not Salesforce's may be called.
    #[must_use]
    pub fn allow_test_hosts(&self) -> bool {
        self.allow_test_hosts
    }

    /// Returns the login host of an environment: "production", "sandbox", or a My Domain host.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn login(&self, environment: &str) -> Result<SalesforceHost, HostNotAllowed> {
        let environment = environment.trim();
        let url = match environment {
            "production" => return Ok(SalesforceHost(self.production.clone())),
            "sandbox" if self.allow_test_hosts => return Ok(SalesforceHost(self.production.clone())),
            "sandbox" => format!("https://{SANDBOX}"),
            host if host.contains("://") => host.to_owned(),
            host => format!("https://{host}"),
        };
        let parsed = Url::parse(&url).map_err(|_| HostNotAllowed::of(&url))?;
        let allowed = is_bare(&parsed) && (is_login_host(&parsed) || self.is_test_host(&parsed));
        if allowed { Ok(SalesforceHost(parsed)) } else { Err(HostNotAllowed::of(&url)) }
    }

    /// Returns the login host for client credentials, which Salesforce serves on My Domain hosts only.
    ///
    /// # Errors
    /// When it is another host.
    pub fn my_domain(&self, environment: &str) -> Result<SalesforceHost, HostNotAllowed> {
        let host = self.login(environment)?;
        let allowed = is_my_domain(&host.0) || self.is_test_host(&host.0);
        if allowed { Ok(host) } else { Err(HostNotAllowed::of(host.as_str())) }
    }

    /// Returns the host of an `instance_url`: scheme and host, nothing else.
    ///
    /// # Errors
    /// When it has more, or is not Salesforce's.
    pub fn instance(&self, instance_url: &str) -> Result<SalesforceHost, HostNotAllowed> {
        let not_allowed = || HostNotAllowed::of(instance_url);
        let url = Url::parse(instance_url).map_err(|_| not_allowed())?;
        if is_bare(&url) && self.may_call(&url) { Ok(SalesforceHost(url)) } else { Err(not_allowed()) }
    }

    /// Returns `url` if its host may be called.
    ///
    /// # Errors
    /// When it may not.
    pub fn callable(&self, url: Url) -> Result<Url, HostNotAllowed> {
        if self.may_call(&url) { Ok(url) } else { Err(HostNotAllowed::of(url.as_str())) }
    }

    /// Returns where an identity URL is asked. Against a test host it is asked there, whatever host it names: a stand-in
    /// for Salesforce may well name the real one.
    ///
    /// # Errors
    /// When its host may not be called.
    pub fn identity(&self, login: &SalesforceHost, identity: &Url) -> Result<Url, HostNotAllowed> {
        let stands_in = self.is_test_host(&login.0) && !self.is_test_host(identity);
        if stands_in && is_salesforce(identity) {
            Ok(login.at(identity.path()))
        } else {
            self.callable(identity.clone())
        }
    }

    /// Whether an identity on `identity` can come from a flow that began on `login`: Salesforce names either the host
    /// of the flow, or the common login host of the same side (production or sandbox).
    #[must_use]
    pub fn same_side(&self, login: &SalesforceHost, identity: &Url) -> bool {
        if !self.may_call(identity) {
            return false;
        }
        if self.is_test_host(identity) && self.is_test_host(&login.0) {
            return true;
        }
        let (login, identity) = (login.name(), identity.host_str().unwrap_or_default());
        let is_sandbox = |host: &str| host == SANDBOX || host.ends_with(".sandbox.my.salesforce.com");
        let is_common = |host: &str| host == PRODUCTION || host == SANDBOX;
        login == identity || ((is_common(login) || is_common(identity)) && is_sandbox(login) == is_sandbox(identity))
    }

    fn may_call(&self, url: &Url) -> bool {
        (is_salesforce(url) && url.scheme() == "https" && url.port().is_none() && !has_user(url))
            || self.is_test_host(url)
    }

    fn is_test_host(&self, url: &Url) -> bool {
        if !self.allow_test_hosts || !matches!(url.scheme(), "http" | "https") || has_user(url) {
            return false;
        }
        let same_host = url.host() == self.production.host();
        match url.host() {
            Some(Host::Ipv4(address)) => same_host || address == Ipv4Addr::LOCALHOST,
            Some(Host::Ipv6(address)) => same_host || address == Ipv6Addr::LOCALHOST,
            Some(Host::Domain(name)) => {
                let is_local = name == "localhost" || name.ends_with(".localhost");
                same_host || is_local || self.is_sibling(name)
            }
            None => false,
        }
    }

    /// Whether `name` shares the configured login host's parent domain, e.g. `acme.sf.test` and `login.sf.test`.
    fn is_sibling(&self, name: &str) -> bool {
        let Some(Host::Domain(login)) = self.production.host() else { return false };
        let Some((_, parent)) = login.split_once('.') else { return false };
        parent.contains('.') && name.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.'))
    }
}

fn has_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// Whether there is nothing but scheme, host and port.
fn is_bare(url: &Url) -> bool {
    let is_web = matches!(url.scheme(), "http" | "https");
    is_web && url.path() == "/" && url.query().is_none() && url.fragment().is_none() && !has_user(url)
}

fn is_salesforce(url: &Url) -> bool {
    matches!(url.host(), Some(Host::Domain(name)) if name.ends_with(".salesforce.com"))
}

fn is_my_domain(url: &Url) -> bool {
    let is_named = matches!(url.host(), Some(Host::Domain(name)) if name.ends_with(".my.salesforce.com"));
    is_named && url.scheme() == "https" && url.port().is_none()
}

fn is_login_host(url: &Url) -> bool {
    let is_common = matches!(url.host(), Some(Host::Domain(PRODUCTION | SANDBOX)));
    (is_common && url.scheme() == "https" && url.port().is_none()) || is_my_domain(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict() -> HostRules {
        HostRules::new("https://login.salesforce.com", false).unwrap()
    }

    #[test]
    fn s28_only_salesforce_hosts_over_tls_are_called() {
        for url in
            ["https://oma-robotics.my.salesforce.com", "https://eu48.salesforce.com", "https://OMA.my.salesforce.com"]
        {
            assert!(strict().instance(url).is_ok(), "{url}");
        }
        for url in [
            "http://oma.my.salesforce.com",
            "https://salesforce.com",
            "https://evil-salesforce.com",
            "https://salesforce.com.evil.example",
            "https://oma.my.salesforce.com.",
            "https://oma.my.salesforce.com:8443",
            "https://user@oma.my.salesforce.com",
            "https://user:secret@oma.my.salesforce.com",
            "https://oma.my.salesforce.com/path",
            "https://oma.my.salesforce.com?query",
            "https://oma.my.salesforce.com#fragment",
            "https://evil.example\\@oma.my.salesforce.com",
            "https://127.0.0.1",
            "https://[::1]",
            "https://169.254.169.254",
            "ftp://oma.my.salesforce.com",
            "oma.my.salesforce.com",
            "",
        ] {
            assert!(strict().instance(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_login_host_is_production_sandbox_or_my_domain() {
        assert_eq!(strict().login("production").unwrap().as_str(), "https://login.salesforce.com");
        assert_eq!(strict().login("sandbox").unwrap().as_str(), "https://test.salesforce.com");
        for my_domain in ["acme.my.salesforce.com", "https://acme--uat.sandbox.my.salesforce.com/"] {
            assert!(strict().login(my_domain).is_ok(), "{my_domain}");
            assert!(strict().my_domain(my_domain).is_ok(), "{my_domain}");
        }
        for other in
            ["", "Production", "help.salesforce.com", "http://acme.my.salesforce.com", "acme.example", "127.0.0.1"]
        {
            assert!(strict().login(other).is_err(), "{other}");
        }
        assert!(strict().my_domain("production").is_err());
        assert!(strict().my_domain("sandbox").is_err());
    }

    #[test]
    fn test_hosts_are_called_only_if_allowed() {
        assert!(HostRules::new("http://127.0.0.1:8080", false).is_err());
        assert!(HostRules::new("https://login.sf.test", false).is_err());

        let rules = HostRules::new("https://login.sf.test:8443", true).unwrap();
        assert_eq!(rules.login("production").unwrap().as_str(), "https://login.sf.test:8443");
        for url in ["http://127.0.0.1:9", "http://localhost:9", "https://acme.sf.test:8443", "http://[::1]:9"] {
            assert!(rules.instance(url).is_ok(), "{url}");
        }
        for url in [
            "http://127.0.0.2:9",
            "http://10.0.0.1",
            "http://foreign.example",
            "https://evilsf.test",
            "https://sf.test",
        ] {
            assert!(rules.instance(url).is_err(), "{url}");
        }
    }

    #[test]
    fn s4_an_identity_belongs_to_the_side_where_the_flow_began() {
        let url = |text: &str| Url::parse(text).unwrap();
        let host = |environment: &str| strict().login(environment).unwrap();
        let belongs = |login: &str, identity: &str| strict().same_side(&host(login), &url(identity));

        assert!(belongs("production", "https://login.salesforce.com/id/1/2"));
        assert!(belongs("production", "https://acme.my.salesforce.com/id/1/2"));
        assert!(belongs("acme.my.salesforce.com", "https://login.salesforce.com/id/1/2"));
        assert!(belongs("sandbox", "https://test.salesforce.com/id/1/2"));
        assert!(belongs("acme--uat.sandbox.my.salesforce.com", "https://test.salesforce.com/id/1/2"));

        assert!(!belongs("production", "https://test.salesforce.com/id/1/2"));
        assert!(!belongs("sandbox", "https://login.salesforce.com/id/1/2"));
        assert!(!belongs("acme.my.salesforce.com", "https://other.my.salesforce.com/id/1/2"));
        assert!(!belongs("production", "https://evil.example/id/1/2"));
    }

    #[test]
    fn a_refused_host_is_shown_without_path_query_or_user() {
        let refused = strict().instance("https://name:secret@evil.example/path?token=secret").unwrap_err();
        assert_eq!(refused.host, "evil.example");
        assert_eq!(strict().instance("5Aep861-not-a-url").unwrap_err().host, "");
    }
}
