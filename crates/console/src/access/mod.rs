//! The access X-ray: which objects and fields the Salesforce user may read, and what to give where it may not.

mod view;

use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::routing::get;
use contract::extractor::v1::GetAccessReportRequest;
use serde::Deserialize;

use crate::peers::{ACTION, PAGE, Party, ask};
use crate::trouble::Trouble;
use crate::web::{App, Frame, Ground, Outcome, Tab, Visit, page};

use view::Sight;

/// The routes of the X-ray.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/access", get(show))
}

/// How long the answer may take, and how fresh it must be. The report may cost nine Salesforce calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// No longer than a page may; the script or a link asks again with more.
    Page,
    /// As long as somebody waits who asked for it.
    Long,
    /// The same, and Salesforce is asked even if what is known is young.
    Fresh,
}

/// The X-ray as a part of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AccessPart {
    /// It takes longer than this page waits.
    Later,
    /// It can't be told.
    Unknown(Trouble),
    /// What can be read.
    Told(Sight),
}

impl AccessPart {
    /// Asks.
    pub(crate) async fn of(visit: &Visit, patience: Patience) -> Self {
        let (limit, refresh) = match patience {
            Patience::Page => (PAGE, false),
            Patience::Long => (ACTION, false),
            Patience::Fresh => (ACTION, true),
        };
        let request = GetAccessReportRequest { workspace_id: visit.workspace(), refresh };
        match ask(Party::Extractor, limit, visit.peers().access().get_access_report(request)).await {
            Ok(report) => Self::Told(view::sight(&report, visit.now)),
            Err(trouble) if trouble.reason.is_none() && patience == Patience::Page => Self::Later,
            Err(trouble) => Self::Unknown(trouble),
        }
    }

    /// Whether everything that is mapped can be read.
    pub(crate) fn is_fine(&self) -> bool {
        matches!(self, Self::Told(sight) if sight.is_fine)
    }
}

#[derive(Template)]
#[template(path = "access.html")]
struct AccessTemplate<'a> {
    frame: &'a Frame,
    access: &'a AccessPart,
}

/// What the address says.
#[derive(Debug, Default, Deserialize)]
struct How {
    #[serde(default)]
    wait: String,
    #[serde(default)]
    refresh: String,
}

async fn show(visit: Visit, Query(how): Query<How>) -> Outcome {
    let patience = match (how.wait.as_str(), how.refresh.as_str()) {
        (_, "yes") => Patience::Fresh,
        ("yes", _) => Patience::Long,
        _ => Patience::Page,
    };
    let (ground, access) = tokio::join!(Ground::of(&visit), AccessPart::of(&visit, patience));
    let frame = Frame::new(&visit, &ground, Some(Tab::Status), "What Lane can see");
    Ok(page(StatusCode::OK, &AccessTemplate { frame: &frame, access: &access }))
}
