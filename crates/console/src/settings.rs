//! Sync settings: how often Salesforce is asked, and which share of the org's daily calls Lane may use.

use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::Form;
use axum::http::StatusCode;
use axum::routing::{get, post};
use contract::error::Reason;
use contract::extractor::v1::{
    ApiBudget, GetApiBudgetRequest, SyncStatus, UpdateApiBudgetRequest, UpdateScheduleRequest,
};
use serde::Deserialize;

use crate::gate::{Gate, gate};
use crate::moment;
use crate::peers::{ACTION, Answer, PAGE, Party, ask};
use crate::trouble::Trouble;
use crate::web::{App, Frame, Ground, Notice, Outcome, Tab, Visit, page, see};
use crate::words::{count, number};

/// Intervals that are offered, in seconds.
const INTERVALS: [u64; 7] = [60, 300, 900, 1_800, 3_600, 21_600, 86_400];

/// The routes of the settings.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/settings", get(show))
        .route("/settings/schedule", post(save_schedule).get(back))
        .route("/settings/budget", post(save_budget).get(back))
}

/// What was typed and could not be saved.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Wish {
    /// Seconds between two polls.
    interval: String,
    /// Share of the org's calls.
    percent: String,
    /// Etag of the share that the form was made of.
    etag: String,
    /// Made with the form: pressing twice changes once.
    request_id: String,
}

/// Which form a wish came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Schedule,
    Budget,
}

/// A form that could not be saved.
#[derive(Clone, Debug)]
struct Refused {
    part: Part,
    wish: Wish,
    trouble: Trouble,
}

/// What the page says.
#[derive(Clone, Debug)]
struct SettingsPage {
    intervals: Vec<Interval>,
    /// `None` while the extractor is silent.
    budget: Option<Budget>,
    schedule_fault: Option<Trouble>,
    budget_fault: Option<Trouble>,
}

/// An interval to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Interval {
    seconds: u64,
    name: String,
    is_chosen: bool,
}

/// The share of the org's calls.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Budget {
    percent: String,
    etag: String,
    /// What is used of what is allowed.
    used: String,
    /// What everybody uses.
    org: String,
    /// What the operator chose for workspaces that chose nothing.
    usual: i32,
}

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsTemplate<'a> {
    frame: &'a Frame,
    gate: Option<&'a Gate>,
    page: &'a SettingsPage,
}

async fn show(visit: Visit) -> Outcome {
    render(&visit, None).await
}

/// A form that is reloaded by its address shows the settings again.
async fn back() -> axum::response::Redirect {
    axum::response::Redirect::to(Tab::Settings.href())
}

async fn save_schedule(visit: Visit, Form(wish): Form<Wish>) -> Outcome {
    match schedule(&visit, &wish).await {
        Ok(()) => Ok(see(Tab::Settings.href(), Some(Notice::ScheduleSaved))),
        Err(trouble) => render(&visit, Some(Refused { part: Part::Schedule, wish, trouble })).await,
    }
}

async fn schedule(visit: &Visit, wish: &Wish) -> Answer<()> {
    // What is no number is out of range too: the extractor says what is allowed.
    let seconds = wish.interval.parse().unwrap_or_default();
    let request = UpdateScheduleRequest {
        workspace_id: visit.workspace(),
        poll_interval: prost_types::Duration::try_from(Duration::from_secs(seconds)).ok(),
    };
    ask(Party::Extractor, ACTION, visit.peers().syncs().update_schedule(request)).await?;
    Ok(())
}

async fn save_budget(visit: Visit, Form(wish): Form<Wish>) -> Outcome {
    match change_budget(&visit, &wish).await {
        Ok(()) => Ok(see(Tab::Settings.href(), Some(Notice::BudgetSaved))),
        Err(trouble) => render(&visit, Some(Refused { part: Part::Budget, wish, trouble })).await,
    }
}

async fn change_budget(visit: &Visit, wish: &Wish) -> Answer<()> {
    let request = UpdateApiBudgetRequest {
        workspace_id: visit.workspace(),
        percent: wish.percent.trim().parse().unwrap_or_default(),
        etag: wish.etag.clone(),
        request_id: wish.request_id.clone(),
        validate_only: false,
    };
    let answer = ask(Party::Extractor, ACTION, visit.peers().syncs().update_api_budget(request)).await;
    answer.map_err(|trouble| {
        if !trouble.is(Reason::EtagMismatch) {
            return trouble;
        }
        let message = "Nothing of yours was saved yet. Below is the share as it is now, with yours kept in the field.";
        Trouble { message: message.to_owned(), ..trouble }.advise("Look at it, then save again.")
    })?;
    Ok(())
}

async fn render(visit: &Visit, refused: Option<Refused>) -> Outcome {
    let request = GetApiBudgetRequest { workspace_id: visit.workspace() };
    let mut syncs = visit.peers().syncs();
    let (ground, budget) = tokio::join!(Ground::of(visit), ask(Party::Extractor, PAGE, syncs.get_api_budget(request)));
    let frame = Frame::new(visit, &ground, Some(Tab::Settings), "Sync settings");
    let gate = gate(&ground);
    if let Some(gate) = gate.as_ref().filter(|gate| gate.is_shut) {
        return Ok(gate.page(&frame));
    }
    let status = refused.as_ref().map_or(StatusCode::OK, |refused| refused.trouble.status());
    let view = view(ground.status.as_ref().ok(), budget.as_ref().ok(), refused.as_ref());
    Ok(page(status, &SettingsTemplate { frame: &frame, gate: gate.as_ref(), page: &view }))
}

fn view(status: Option<&SyncStatus>, budget: Option<&ApiBudget>, refused: Option<&Refused>) -> SettingsPage {
    let of = |part: Part| refused.filter(|refused| refused.part == part);
    let saved = status.and_then(|status| Duration::try_from(status.poll_interval?).ok()).map(|span| span.as_secs());
    let typed = of(Part::Schedule).and_then(|refused| refused.wish.interval.parse().ok());
    SettingsPage {
        intervals: intervals(saved, typed.or(saved)),
        budget: budget.map(|told| shown(told, of(Part::Budget).map(|refused| &refused.wish))),
        schedule_fault: of(Part::Schedule).map(|refused| refused.trouble.clone()),
        budget_fault: of(Part::Budget).map(|refused| refused.trouble.clone()),
    }
}

/// Returns what can be chosen: the usual ones, and what is saved now.
fn intervals(saved: Option<u64>, chosen: Option<u64>) -> Vec<Interval> {
    let mut offered = INTERVALS.to_vec();
    offered.extend(saved);
    offered.sort_unstable();
    offered.dedup();
    let interval = |seconds: u64| Interval {
        seconds,
        name: format!("Every {}", moment::span(Duration::from_secs(seconds))),
        is_chosen: chosen == Some(seconds),
    };
    offered.into_iter().map(interval).collect()
}

fn shown(told: &ApiBudget, wish: Option<&Wish>) -> Budget {
    let used = count(told.own_calls_used, "call", "calls");
    let used = match told.own_calls_limit {
        Some(limit) => format!("Lane used {used} of its {} in the last 24 hours.", number(limit)),
        None => format!("Lane used {used} in the last 24 hours. The org has not told its limit yet."),
    };
    let org = match (told.org_calls_used, told.org_calls_limit) {
        (Some(used), Some(limit)) => format!("The whole org used {} of {}.", number(used), number(limit)),
        _ => String::new(),
    };
    Budget {
        percent: wish.map_or_else(|| told.percent.to_string(), |wish| wish.percent.clone()),
        etag: told.etag.clone(),
        used,
        org,
        usual: told.default_percent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_of_ones_own_is_offered_beside_the_usual_ones() {
        let offered = intervals(Some(420), Some(420));
        let chosen: Vec<_> = offered.iter().filter(|interval| interval.is_chosen).collect();
        assert_eq!((offered.len(), chosen.len(), chosen[0].name.as_str()), (8, 1, "Every 7 min"));
        assert_eq!(intervals(Some(300), Some(300)).len(), 7);
        assert!(
            intervals(None, None).iter().all(|interval| !interval.is_chosen),
            "nothing is claimed while nobody tells"
        );
    }

    #[test]
    fn a_share_is_shown_in_calls_and_a_refused_one_stays_typed() {
        let told = ApiBudget {
            percent: 25,
            default_percent: 25,
            own_calls_used: 1_200,
            own_calls_limit: Some(2_500),
            org_calls_used: Some(4_000),
            org_calls_limit: Some(10_000),
            etag: "19".into(),
            ..Default::default()
        };
        let budget = shown(&told, None);
        assert_eq!(budget.used, "Lane used 1,200 calls of its 2,500 in the last 24 hours.");
        assert_eq!((budget.org.as_str(), budget.percent.as_str()), ("The whole org used 4,000 of 10,000.", "25"));
        let wish = Wish { percent: "a lot".into(), ..Wish::default() };
        let trouble = Trouble::silent(Party::Extractor);
        let page = view(None, Some(&told), Some(&Refused { part: Part::Budget, wish, trouble }));
        let budget = page.budget.unwrap();
        assert_eq!((budget.percent.as_str(), budget.etag.as_str()), ("a lot", "19"));
        assert!(page.budget_fault.is_some() && page.schedule_fault.is_none());
        let untold = shown(&ApiBudget::default(), None);
        assert!(untold.used.contains("has not told") && untold.org.is_empty());
    }
}
