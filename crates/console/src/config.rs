//! Config of the process. Secrets are named by file, never given.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser};
use service::ServiceConfig;
use service::config::{Common, Nats};
use url::{Host, Url};

/// What `lanesync-console` needs.
#[derive(Clone, Debug, Parser)]
#[command(name = "lanesync-console")]
pub struct Config {
    /// What every service has.
    #[command(flatten)]
    pub common: Common,
    /// Where sessions are kept.
    #[command(flatten)]
    pub nats: Nats,
    /// Address of the pages.
    #[arg(long, env = "LANESYNC_HTTP_ADDR", default_value = "0.0.0.0:8080")]
    pub http_addr: SocketAddr,
    /// Address of the console as people see it: https, or http on this machine.
    #[arg(long, env = "LANESYNC_PUBLIC_URL")]
    pub public_url: Url,
    /// The four services.
    #[command(flatten)]
    pub peers: PeerUrls,
    /// Login host that stands for "production"; browsers are sent there and to Salesforce's own hosts, nowhere else.
    #[arg(long, env = "LANESYNC_SALESFORCE_LOGIN_URL", default_value = "https://login.salesforce.com")]
    pub salesforce_login_url: Url,
    /// Who says who people are.
    #[command(flatten)]
    pub oidc: Oidc,
    /// Whether people sign in by saying who they are: for a demo on this machine, refused for any other public URL.
    #[arg(long, env = "LANESYNC_CONSOLE_DEVELOPMENT_SIGN_IN", default_value_t = false, action = ArgAction::Set)]
    pub console_development_sign_in: bool,
}

/// Where the four services are.
#[derive(Args, Clone, Debug)]
pub struct PeerUrls {
    /// Address of `lanesync-auth`.
    #[arg(long, env = "LANESYNC_AUTH_URL", default_value = "http://auth:50051")]
    pub auth_url: String,
    /// Address of `lanesync-extractor`.
    #[arg(long, env = "LANESYNC_EXTRACTOR_URL", default_value = "http://extractor:50051")]
    pub extractor_url: String,
    /// Address of `lanesync-mapper`.
    #[arg(long, env = "LANESYNC_MAPPER_URL", default_value = "http://mapper:50051")]
    pub mapper_url: String,
    /// Address of `lanesync-customer-writer`.
    #[arg(long, env = "LANESYNC_WRITER_URL", default_value = "http://writer:50051")]
    pub writer_url: String,
}

/// The provider of identities, by OpenID Connect.
#[derive(Args, Clone, Debug)]
pub struct Oidc {
    /// Issuer of the provider; its discovery document is read at start.
    #[arg(long, env = "LANESYNC_CONSOLE_OIDC_ISSUER")]
    pub console_oidc_issuer: Option<Url>,
    /// Our client id at the provider.
    #[arg(long, env = "LANESYNC_CONSOLE_OIDC_CLIENT_ID")]
    pub console_oidc_client_id: Option<String>,
    /// File with our client secret; none for a public client.
    #[arg(long, env = "LANESYNC_CONSOLE_OIDC_CLIENT_SECRET_FILE")]
    pub console_oidc_client_secret_file: Option<PathBuf>,
    /// File with certificates of the provider's private authority.
    #[arg(long, env = "LANESYNC_CONSOLE_OIDC_CA_FILE")]
    pub console_oidc_ca_file: Option<PathBuf>,
    /// Claim of the ID token that names the workspace (UUID).
    #[arg(long, env = "LANESYNC_CONSOLE_OIDC_WORKSPACE_CLAIM", default_value = "workspace")]
    pub console_oidc_workspace_claim: String,
    /// Claim of the ID token that names the role: `admin` or `member`.
    #[arg(long, env = "LANESYNC_CONSOLE_OIDC_ROLE_CLAIM", default_value = "role")]
    pub console_oidc_role_claim: String,
}

impl ServiceConfig for Config {
    fn common(&self) -> &Common {
        &self.common
    }

    fn contradictions(&self) -> Vec<String> {
        let on_this_machine = is_loopback(&self.public_url);
        let oidc = &self.oidc;
        let wrong = [
            (
                self.public_url.scheme() != "https" && !(self.public_url.scheme() == "http" && on_this_machine),
                "LANESYNC_PUBLIC_URL must be https; http only on localhost",
            ),
            (
                self.public_url.path() != "/" || self.public_url.query().is_some(),
                "LANESYNC_PUBLIC_URL must be an origin without a path",
            ),
            (
                self.console_development_sign_in && !on_this_machine,
                "LANESYNC_CONSOLE_DEVELOPMENT_SIGN_IN lets anybody in: it is refused unless LANESYNC_PUBLIC_URL is on localhost",
            ),
            (
                self.console_development_sign_in && oidc.console_oidc_issuer.is_some(),
                "LANESYNC_CONSOLE_DEVELOPMENT_SIGN_IN and LANESYNC_CONSOLE_OIDC_ISSUER exclude each other",
            ),
            (
                !self.console_development_sign_in && oidc.console_oidc_issuer.is_none(),
                "LANESYNC_CONSOLE_OIDC_ISSUER is missing: nobody could sign in",
            ),
            (
                oidc.console_oidc_issuer
                    .as_ref()
                    .is_some_and(|issuer| issuer.scheme() != "https" && !is_loopback(issuer)),
                "LANESYNC_CONSOLE_OIDC_ISSUER must be https; http only on localhost",
            ),
            (
                oidc.console_oidc_issuer.is_some() && oidc.console_oidc_client_id.is_none(),
                "LANESYNC_CONSOLE_OIDC_CLIENT_ID is missing",
            ),
        ];
        wrong.into_iter().filter(|(applies, _)| *applies).map(|(_, sentence)| sentence.to_owned()).collect()
    }
}

/// Whether an address leads to this machine and nowhere else.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(args: &[&str]) -> Vec<String> {
        let all = ["lanesync-console"].into_iter().chain(args.iter().copied());
        Config::try_parse_from(all).unwrap().contradictions()
    }

    #[test]
    fn the_development_sign_in_is_refused_for_a_console_that_others_reach() {
        let development = ["--console-development-sign-in", "true"];
        assert!(faults(&[&["--public-url", "http://127.0.0.1:8080"], &development[..]].concat()).is_empty());
        let said = faults(&[&["--public-url", "https://lane.example"], &development[..]].concat());
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("DEVELOPMENT_SIGN_IN lets anybody in"), "{said:?}");
        assert_eq!(faults(&[&["--public-url", "https://localhost.evil.example"], &development[..]].concat()).len(), 1);
    }

    #[test]
    fn a_console_that_others_reach_has_https_and_a_provider() {
        let provider = ["--console-oidc-issuer", "https://id.example", "--console-oidc-client-id", "lane"];
        assert!(faults(&[&["--public-url", "https://lane.example"], &provider[..]].concat()).is_empty());
        assert_eq!(faults(&[&["--public-url", "http://lane.example"], &provider[..]].concat()).len(), 1);
        assert_eq!(faults(&[&["--public-url", "https://lane.example/sub"], &provider[..]].concat()).len(), 1);
        assert_eq!(faults(&["--public-url", "https://lane.example"]).len(), 1);
    }
}
