//! Config by flag or environment: the parts that several services share, and checks that report every fault at once.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Command};
use secrecy::SecretString;

/// What every service has.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// Address of the gRPC API.
    #[arg(long, env = "LANESYNC_GRPC_ADDR", default_value = "0.0.0.0:50051")]
    pub grpc_addr: SocketAddr,
    /// Address of the plaintext health service.
    #[arg(long, env = "LANESYNC_HEALTH_ADDR", default_value = "0.0.0.0:50052")]
    pub health_addr: SocketAddr,
    /// Host of the Prometheus endpoint.
    #[arg(long, env = "OTEL_EXPORTER_PROMETHEUS_HOST", default_value = "0.0.0.0")]
    pub metrics_host: std::net::IpAddr,
    /// Port of the Prometheus endpoint.
    #[arg(long, env = "OTEL_EXPORTER_PROMETHEUS_PORT", default_value_t = 9464)]
    pub metrics_port: u16,
    /// How long work in hand may take after SIGTERM.
    #[arg(long, env = "LANESYNC_SHUTDOWN_GRACE", default_value = "25s", value_parser = duration)]
    pub shutdown_grace: Duration,
    /// Log filter in tracing's syntax.
    #[arg(long, env = "LANESYNC_LOG", default_value = "info")]
    pub log: String,
    /// `json`, or `pretty` for terminals.
    #[arg(long, env = "LANESYNC_LOG_FORMAT", default_value = "json")]
    pub log_format: LogFormat,
    /// Whether gRPC reflection is served.
    #[arg(long, env = "LANESYNC_REFLECTION", default_value_t = true, action = clap::ArgAction::Set)]
    pub reflection: bool,
    /// Collector for traces; none are sent without it.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// Mutual TLS on every gRPC link.
    #[command(flatten)]
    pub tls: Tls,
}

/// The files of mutual TLS: all three, or none.
#[derive(Args, Clone, Debug, Default)]
pub struct Tls {
    /// File with our certificate and what leads from it to the authority, as PEM.
    #[arg(long, global = true, env = "LANESYNC_TLS_CERT_FILE", help_heading = "Global options")]
    pub tls_cert_file: Option<PathBuf>,
    /// File with the private key of our certificate, as PEM.
    #[arg(long, global = true, env = "LANESYNC_TLS_KEY_FILE", help_heading = "Global options")]
    pub tls_key_file: Option<PathBuf>,
    /// File with the certificates of the authority that vouches for callers and for peers, as PEM.
    #[arg(long, global = true, env = "LANESYNC_TLS_CLIENT_CA_FILE", help_heading = "Global options")]
    pub tls_client_ca_file: Option<PathBuf>,
}

impl Tls {
    /// Returns what is missing, one line each; half of TLS would be none.
    pub(crate) fn contradictions(&self) -> Vec<String> {
        let files = [
            (&self.tls_cert_file, "LANESYNC_TLS_CERT_FILE"),
            (&self.tls_key_file, "LANESYNC_TLS_KEY_FILE"),
            (&self.tls_client_ca_file, "LANESYNC_TLS_CLIENT_CA_FILE"),
        ];
        if files.iter().all(|(file, _)| file.is_none()) {
            return Vec::new();
        }
        let missing = files.iter().filter(|(file, _)| file.is_none());
        missing.map(|(_, name)| format!("{name} is missing: the three files of TLS belong together")).collect()
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    Pretty,
}

/// How to reach Postgres.
#[derive(Args, Clone, Debug)]
pub struct Database {
    /// File that holds the connection URL.
    #[arg(long, env = "LANESYNC_DATABASE_URL_FILE")]
    pub database_url_file: PathBuf,
    /// Largest number of connections.
    #[arg(long, env = "LANESYNC_DATABASE_MAX_CONNECTIONS", default_value_t = 10)]
    pub database_max_connections: u32,
}

/// How to reach NATS.
#[derive(Args, Clone, Debug)]
pub struct Nats {
    /// Address, several separated by commas.
    #[arg(long, env = "LANESYNC_NATS_URL", default_value = "nats://nats:4222")]
    pub nats_url: String,
    /// User of this service.
    #[arg(long, env = "LANESYNC_NATS_USER")]
    pub nats_user: Option<String>,
    /// File that holds the user's password.
    #[arg(long, env = "LANESYNC_NATS_PASSWORD_FILE")]
    pub nats_password_file: Option<PathBuf>,
}

/// A secret could not be read from its file.
#[derive(Debug, thiserror::Error)]
#[error("reading a secret from {path}")]
pub struct SecretFileError {
    path: String,
    #[source]
    source: std::io::Error,
}

/// Reads a secret from a file, without the line end.
///
/// # Errors
/// When the file can't be read as text.
pub fn secret(path: &Path) -> Result<SecretString, SecretFileError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| SecretFileError { path: path.display().to_string(), source })?;
    Ok(SecretString::from(text.trim_end_matches(['\n', '\r']).to_owned()))
}

/// Reads a duration such as `250ms`, `25s`, `15m`, `24h`, `14d`.
///
/// # Errors
/// A sentence that names the form.
pub fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| "a duration is a number and a unit, e.g. 25s".to_owned())?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err("the unit of a duration is ms, s, m, h or d".to_owned()),
    };
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(|| "the duration is too long".to_owned())
}

/// Returns every fault of flags and environment, one line each, without values; empty when there is none.
pub(crate) fn faults(command: &Command, env_names: impl Iterator<Item = String>) -> Vec<String> {
    let mut known = BTreeSet::new();
    let mut faults = Vec::new();
    for arg in command.get_arguments() {
        let Some(name) = arg.get_env().and_then(|name| name.to_str()) else { continue };
        known.insert(name.to_owned());
        // Alone, each argument tells its own fault; together, clap stops at the first.
        let alone = Command::new("config").arg(arg.clone());
        if let Err(error) = alone.try_get_matches_from(["config"]) {
            faults.push(match error.kind() {
                clap::error::ErrorKind::MissingRequiredArgument => format!("{name} is missing"),
                _ => {
                    format!("{name} has a wrong value: {}", arg.get_help().map(ToString::to_string).unwrap_or_default())
                }
            });
        }
    }
    let foreign = env_names.filter(|name| name.starts_with("LANESYNC_") && !name.starts_with("LANESYNC_TEST_"));
    faults.extend(
        foreign.filter(|name| !known.contains(name)).map(|name| format!("{name} is not a setting of this service")),
    );
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[derive(clap::Parser)]
    struct Config {
        #[command(flatten)]
        _common: Common,
        #[command(flatten)]
        _database: Database,
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("25s"), Ok(Duration::from_secs(25)));
        assert_eq!(duration("14d"), Ok(Duration::from_secs(14 * 86_400)));
        for text in ["", "s", "25", "1.5s", "-1s", "99999999999999999999s", "25 s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn half_of_tls_is_a_fault_and_none_of_it_is_not() {
        let file = |name: &str| Some(PathBuf::from(name));
        let half = Tls { tls_cert_file: file("tls.crt"), ..Tls::default() };
        assert_eq!(half.contradictions().len(), 2);
        let all = Tls { tls_key_file: file("tls.key"), tls_client_ca_file: file("ca.crt"), ..half };
        assert!(all.contradictions().is_empty());
        assert!(Tls::default().contradictions().is_empty());
    }

    #[test]
    fn every_fault_is_reported_and_a_foreign_name_is_one() {
        let names = ["LANESYNC_GRPC_ADRR", "LANESYNC_TEST_ANYTHING", "HOME"].map(str::to_owned);
        let faults = faults(&Config::command(), names.into_iter());
        assert!(faults.contains(&"LANESYNC_DATABASE_URL_FILE is missing".to_owned()), "{faults:?}");
        assert!(faults.contains(&"LANESYNC_GRPC_ADRR is not a setting of this service".to_owned()), "{faults:?}");
        assert_eq!(faults.len(), 2);
    }
}
