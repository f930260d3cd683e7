//! What all server binaries have in common: `serve`, `healthcheck`, `config check`, `config print --redacted`, `--version`.

use std::future::Future;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::config::{self, Common};
use crate::{grpc, telemetry};

/// The exit code for wrong config, as sysexits has it.
const EX_CONFIG: u8 = 78;

/// The config of a service; holds no secret, only the names of files.
pub trait ServiceConfig: Parser + Send + 'static {
    /// Returns the part that all services share.
    fn common(&self) -> &Common;

    /// Returns what is wrong between settings that are each fine by themselves, one line each, without values.
    fn contradictions(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Runs a service's process from its arguments to its exit code.
pub fn launch<C, F, R>(service: &'static str, version: &'static str, serve: F) -> ExitCode
where
    C: ServiceConfig,
    F: FnOnce(C) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--version" | "-V", ..] => {
            say(&format!("{service} {version}"));
            return ExitCode::SUCCESS;
        }
        ["healthcheck", ..] => return healthcheck(&args),
        ["config", "check", ..] => {
            return match load::<C>(&args[2..]) {
                Ok(_) => ExitCode::SUCCESS,
                Err(code) => code,
            };
        }
        ["config", "print", ..] => {
            args.retain(|arg| arg != "--redacted");
            return print_config::<C>();
        }
        ["serve", ..] => {
            args.remove(0);
        }
        _ => {}
    }
    let config = match load::<C>(&args) {
        Ok(config) => config,
        Err(code) => return code,
    };
    grpc::introduce(service);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("starting the runtime: {error}")),
    };
    runtime.block_on(async {
        let telemetry = match telemetry::init(service, version, config.common()) {
            Ok(telemetry) => telemetry,
            Err(error) => return fail(&format!("starting telemetry: {error:#}")),
        };
        tracing::info!("starting");
        let outcome = serve(config).await;
        let code = match &outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "stopped by a failure");
                ExitCode::FAILURE
            }
        };
        // Also after a failure: the last spans explain it.
        telemetry.flush().await;
        code
    })
}

fn load<C: ServiceConfig>(args: &[String]) -> Result<C, ExitCode> {
    let command = C::command();
    if args.is_empty() {
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let faults = config::faults(&command, names);
        if !faults.is_empty() {
            complain(&faults.join("\n"));
            return Err(ExitCode::from(EX_CONFIG));
        }
    }
    let argv = std::iter::once("lanesync".to_owned()).chain(args.iter().cloned());
    let parsed = command.try_get_matches_from(argv).and_then(|matches| C::from_arg_matches(&matches));
    let config = parsed.map_err(|error| {
        let help = matches!(error.kind(), clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion);
        let _ = error.print();
        if help { ExitCode::SUCCESS } else { ExitCode::from(EX_CONFIG) }
    })?;
    let contradictions = [config.common().tls.contradictions(), config.contradictions()].concat();
    if contradictions.is_empty() {
        return Ok(config);
    }
    complain(&contradictions.join("\n"));
    Err(ExitCode::from(EX_CONFIG))
}

fn print_config<C: ServiceConfig>() -> ExitCode {
    let command = C::command();
    let Ok(matches) = command.clone().try_get_matches_from(["lanesync"]) else {
        return load::<C>(&[]).err().unwrap_or(ExitCode::FAILURE);
    };
    for arg in command.get_arguments() {
        let Some(name) = arg.get_env().and_then(|name| name.to_str()) else { continue };
        // Secrets only ever stand in files, so a value here is at most the name of one.
        let value = matches.get_raw(arg.get_id().as_str()).into_iter().flatten().next();
        say(&format!("{name}={}", value.map(|value| value.to_string_lossy()).unwrap_or_default()));
    }
    ExitCode::SUCCESS
}

/// Asks a service for its health, for images that have no shell.
#[derive(Parser)]
struct Healthcheck {
    #[arg(long, default_value = "readiness")]
    service: String,
    #[arg(long, default_value = "127.0.0.1:50052")]
    addr: SocketAddr,
    #[arg(long, default_value = "2s", value_parser = config::duration)]
    timeout: Duration,
}

fn healthcheck(args: &[String]) -> ExitCode {
    let Healthcheck { service, addr, timeout } = match Healthcheck::try_parse_from(args) {
        Ok(parsed) => parsed,
        Err(error) => return fail(&error.to_string()),
    };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    let ask = async move {
        let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{addr}")).ok()?;
        let mut client = HealthClient::new(endpoint.connect().await.ok()?);
        client.check(HealthCheckRequest { service }).await.ok()
    };
    // Inside the runtime: a timer can't be made outside of one.
    let asked = runtime.block_on(async move { tokio::time::timeout(timeout, ask).await });
    match asked {
        Ok(Some(reply)) if reply.get_ref().status() == ServingStatus::Serving => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn fail(message: &str) -> ExitCode {
    complain(message);
    ExitCode::FAILURE
}

#[expect(clippy::print_stderr, reason = "telemetry is not running yet")]
fn complain(message: &str) {
    eprintln!("{message}");
}

#[expect(clippy::print_stdout, reason = "the answer of a subcommand")]
fn say(message: &str) {
    println!("{message}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(service: &str, addr: SocketAddr) -> String {
        let args = ["healthcheck", "--service", service, "--addr", &addr.to_string()].map(str::to_owned);
        format!("{:?}", healthcheck(&args))
    }

    #[test]
    fn a_healthcheck_tells_a_service_that_serves_from_one_that_does_not_and_from_nobody() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let addr = listener.local_addr().unwrap();
        let (reporter, health) = tonic_health::server::health_reporter();
        runtime.block_on(async {
            reporter.set_service_status("readiness", tonic_health::ServingStatus::Serving).await;
            reporter.set_service_status("startup", tonic_health::ServingStatus::NotServing).await;
        });
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        let server = tonic::transport::Server::builder().add_service(health).serve_with_incoming(incoming);
        let server = runtime.spawn(server);

        let (ready, not_started) = (code_of("readiness", addr), code_of("startup", addr));
        server.abort();
        let nobody = code_of("readiness", "127.0.0.1:1".parse().unwrap());

        let [success, failure] = [ExitCode::SUCCESS, ExitCode::FAILURE].map(|code| format!("{code:?}"));
        assert_eq!([ready, not_started, nobody], [success, failure.clone(), failure]);
    }
}
