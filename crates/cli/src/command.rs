//! The command line as a whole: one word per noun, one exit code at the end.

use std::ffi::OsString;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::argument::{self, StartDate};
use crate::failure::{Exit, Failure};
use crate::session::{Global, Session, remark, say};
use crate::{
    access, budget, connection, contacts, customers, estimate, history, mapping, parked, replay, run, status, values,
    workspace,
};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  an internal error, or a run that failed for a reason of no other class
  2  the command line or an argument does not hold
  3  not found
  4  refused: plan, connection, lock, consent, another org, or a run that was cancelled or needs a look
  5  conflict: somebody saved first, or a sync is running
  6  unavailable: try again
  7  the org's call limit, or our share of it, is used up

With --json an error is {\"error\":{\"reason\":…,\"message\":…,\"remedy\":…,\"violations\":[…],\"metadata\":{…}}} on \
standard output.";

/// Salesforce to Lane, from a terminal.
#[derive(Parser, Debug)]
#[command(name = "lanesync", version, after_help = EXIT_CODES, max_term_width = 120)]
struct CommandLine {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Create and list workspaces, change the plan.
    #[command(subcommand)]
    Workspace(workspace::Command),
    /// Connect the workspace to a Salesforce org, map what is suggested and start the first sync.
    Connect(connection::Connect),
    /// Show the connection.
    #[command(subcommand)]
    Connection(connection::Command),
    /// End the connection: sync stops, tokens are destroyed, fields unlock, customers stay.
    Disconnect(connection::Disconnect),
    /// Move the replication start date; earlier fetches only the added span.
    StartDate {
        /// A date, a moment, or `all`.
        #[arg(value_parser = argument::start_date)]
        start_date: StartDate,
    },
    /// Show what the integration user may read, and what is lost without the rest.
    Access(access::Access),
    /// Show the fields of a Salesforce object with what the newest records hold in them.
    Fields(access::Fields),
    /// Show what the first load would cost from each of some start dates.
    Estimate(estimate::Command),
    /// Show the state of the sync.
    Status(status::Command),
    /// Show what was written, hour by hour.
    History(history::Command),
    /// List, show and cancel runs.
    #[command(subcommand)]
    Runs(run::Command),
    /// Read Salesforce now.
    Resync(run::Resync),
    /// Change how often Salesforce is polled.
    Schedule {
        /// Between 1 minute and 24 hours, e.g. 5m.
        #[arg(value_parser = service::config::duration)]
        interval: Duration,
    },
    /// Show or change which share of the org's daily calls lanesync may use.
    Budget(budget::Command),
    /// Which Salesforce field feeds which Lane field.
    #[command(subcommand)]
    Mapping(mapping::Command),
    /// Which picklist value becomes which option.
    #[command(subcommand)]
    Values(values::Command),
    /// List picklist values that nobody decided yet.
    Unmapped,
    /// Map stored records once more under the mapping in force, with no Salesforce call.
    Replay(replay::Command),
    /// List, show, change and make customers.
    #[command(subcommand)]
    Customers(customers::Command),
    /// List, show, change and make contacts.
    #[command(subcommand)]
    Contacts(contacts::Command),
    /// Show changes of ARR, tier, status and identity of customers, in order.
    Changes(customers::Changes),
    /// List records that were set aside, and read them once more.
    #[command(subcommand)]
    Parked(parked::Command),
}

/// Runs the program from its arguments to its exit code.
#[tokio::main]
pub async fn launch() -> std::process::ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let wants_json = args.iter().any(|arg| arg == "--json");
    let command_line = match CommandLine::try_parse_from(args) {
        Ok(command_line) => command_line,
        Err(error) => return refuse(&error, wants_json).into(),
    };
    let session = Session::new(command_line.global);
    // On the heap: a future with an arm per command is large.
    let outcome = Box::pin(dispatch(&session, command_line.command)).await;
    outcome.unwrap_or_else(|failure| report(&failure, session.json())).into()
}

async fn dispatch(session: &Session, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Workspace(command) => workspace::run(session, command).await,
        Command::Connect(connect) => connection::connect(session, connect).await,
        Command::Connection(command) => connection::run(session, command).await,
        Command::Disconnect(disconnect) => connection::disconnect(session, disconnect).await,
        Command::StartDate { start_date } => connection::move_start_date(session, start_date).await,
        Command::Access(command) => access::access(session, command).await,
        Command::Fields(command) => access::fields(session, command).await,
        Command::Estimate(command) => estimate::run(session, command).await,
        Command::History(command) => history::run(session, command).await,
        Command::Status(command) => status::run(session, command).await,
        Command::Runs(command) => run::run(session, command).await,
        Command::Resync(resync) => run::resync(session, resync).await,
        Command::Schedule { interval } => run::schedule(session, interval).await,
        Command::Budget(command) => budget::run(session, command).await,
        Command::Mapping(command) => mapping::run(session, command).await,
        Command::Values(command) => values::run(session, command).await,
        Command::Unmapped => values::unmapped(session).await,
        Command::Replay(command) => replay::run(session, command).await,
        Command::Customers(command) => customers::run(session, command).await,
        Command::Contacts(command) => contacts::run(session, command).await,
        Command::Changes(changes) => customers::changes(session, changes).await,
        Command::Parked(command) => parked::run(session, command).await,
    }
}

/// Answers a command line that can't be read, or one that asks for help.
fn refuse(error: &clap::Error, json: bool) -> Exit {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // There is nowhere to tell that printing failed.
        let _ = error.print();
        return Exit::Done;
    }
    if json {
        let text = error.to_string();
        let sentence = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        return report(&Failure::usage(sentence), true);
    }
    let _ = error.print();
    Exit::Usage
}

fn report(failure: &Failure, json: bool) -> Exit {
    if json {
        // The exit code tells the same if nobody reads the document.
        let _ = say(&failure.to_json());
    } else {
        remark(&failure.to_text());
    }
    failure.exit()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn the_page_about_this_crate_lists_the_exit_codes_of_help() {
        let readme = include_str!("../README.md");
        for line in EXIT_CODES.lines().skip(1).take(8) {
            let (code, meaning) = line.trim().split_once("  ").unwrap();
            assert!(readme.contains(&format!("| {code} | {meaning} |")), "{line}");
        }
    }
}
