//! What the first load would cost, by start date.

use clap::Args;
use contract::convert::to_wire_time;
use contract::extractor::v1 as wire;
use jiff::Timestamp;
use serde::Serialize;

use crate::argument::{self, StartDate};
use crate::failure::{Exit, Failure};
use crate::run::Estimate;
use crate::session::{Answer, Party, Session};

#[derive(Args, Debug)]
pub(crate) struct Command {
    /// Start dates to compare, at most 5: dates, moments or `all`.
    #[arg(default_value = "all", num_args = 1..=5, value_parser = argument::start_date)]
    start_dates: Vec<StartDate>,
}

pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    let choice = |date: &StartDate| wire::StartDate { start_at: date.moment().map(to_wire_time) };
    let request = wire::EstimateStartDatesRequest {
        workspace_id: session.workspace()?,
        start_dates: command.start_dates.iter().map(choice).collect(),
    };
    let answer = session.ask(Party::Extractor, session.syncs()?.estimate_start_dates(request)).await?;
    let estimates = command.start_dates.iter().zip(answer.estimates);
    let estimates = estimates.map(|(date, estimate)| Choice { start_at: date.moment(), estimate: estimate.into() });
    session.show(&Choices { estimates: estimates.collect() })?;
    Ok(Exit::Done)
}

#[derive(Debug, Serialize)]
struct Choices {
    estimates: Vec<Choice>,
}

#[derive(Debug, Serialize)]
struct Choice {
    /// Nothing means everything.
    start_at: Option<Timestamp>,
    #[serde(flatten)]
    estimate: Estimate,
}

impl Answer for Choices {
    fn text(&self) -> String {
        let of_choice = |choice: &Choice| {
            let since = choice.start_at.map_or_else(|| "everything".to_owned(), |at| format!("since {at}"));
            format!("{since}\n{}", choice.estimate.text())
        };
        self.estimates.iter().map(of_choice).collect::<Vec<_>>().join("\n\n")
    }
}
