//! From the services' answers to what the page says. Pure: all nine states are tested without a browser.

use contract::auth::v1::Connection;
use contract::common::v1::Plan;
use contract::error::Reason;
use contract::extractor::v1::{RunPhase, SyncState, SyncStatus};
use contract::writer::v1::Counts;
use jiff::Timestamp;

use super::Answers;
use super::chart::{Bars, freshness, written};
use crate::moment::{self, Moment};
use crate::web::ROOT;
use crate::words::{self, count, number};

/// What the page says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StatusPage {
    /// `data-state`.
    pub(super) state: &'static str,
    /// Colour of the icon; never the only sign.
    pub(super) tone: &'static str,
    /// Name of the icon.
    pub(super) icon: &'static str,
    /// The one word.
    pub(super) headline: String,
    /// The one reason.
    pub(super) reason: String,
    /// The one action, and what else there is.
    pub(super) actions: Vec<Action>,
    /// Which org, since when, by whom.
    pub(super) about: Option<About>,
    /// How old what we have is.
    pub(super) fresh: Option<Fresh>,
    /// What is held of each object.
    pub(super) objects: Vec<ObjectRow>,
    /// Salesforce calls.
    pub(super) quota: Option<Quota>,
    /// What is open.
    pub(super) open: Vec<Open>,
    /// The run in hand.
    pub(super) run: Option<Running>,
    /// Longest wait of a change, per run.
    pub(super) freshness: Option<Bars>,
    /// Records applied, per run.
    pub(super) written: Option<Bars>,
    /// What the product does: for those who have not connected.
    pub(super) explains: bool,
    /// Whether it changes by itself, so that the page listens.
    pub(super) is_live: bool,
    /// What a screen reader says now and then while it changes.
    pub(super) announcement: String,
}

/// A link that looks like a button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Action {
    pub(super) label: &'static str,
    pub(super) href: String,
    pub(super) class: &'static str,
}

/// The connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct About {
    pub(super) org: String,
    pub(super) kind: &'static str,
    pub(super) address: String,
    pub(super) connected: Option<Moment>,
    pub(super) by: String,
    pub(super) runs_as: String,
    pub(super) start: Option<Moment>,
}

/// The age of what we have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fresh {
    pub(super) applied: Option<Moment>,
    pub(super) next: Option<Moment>,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ObjectRow {
    pub(super) name: &'static str,
    pub(super) held: String,
    pub(super) synced_to: Option<Moment>,
    pub(super) paused: String,
}

/// Salesforce calls of the last 24 hours. The bar is drawn in thousandths of the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Quota {
    pub(super) ours: String,
    pub(super) org: String,
    pub(super) limit: String,
    pub(super) ours_part: i64,
    pub(super) org_part: i64,
    pub(super) sentence: String,
}

/// Something open, with where to close it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) count: String,
    pub(super) what: &'static str,
    pub(super) href: &'static str,
    pub(super) tone: &'static str,
}

/// A run that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) id: String,
    pub(super) title: &'static str,
    pub(super) phase: &'static str,
    pub(super) objects: Vec<Progress>,
    pub(super) rate: String,
    pub(super) eta: String,
    pub(super) calls: String,
    pub(super) can_cancel: bool,
}

/// How far one object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) name: &'static str,
    pub(super) done: i64,
    pub(super) about: i64,
    pub(super) text: String,
}

/// Builds the page.
pub(super) fn view(answers: &Answers, now: Timestamp) -> StatusPage {
    let ground = &answers.ground;
    let state = ground.state();
    let status = ground.status.as_ref().ok();
    let connection = ground.connection.as_ref().ok().and_then(Option::as_ref);
    let plan = ground.workspace.as_ref().map_or(Plan::Unspecified, |workspace| workspace.plan());
    let said = say(state, status, connection, plan, now);
    let runs = answers.runs.as_ref().map(|listed| listed.runs.as_slice()).unwrap_or_default();
    let syncs =
        matches!(state, SyncState::QuotaExhausted | SyncState::FirstSync | SyncState::Degraded | SyncState::Healthy);
    let was_connected = connection.is_some();
    let counts = answers.counts.as_ref().ok();
    let run = status.filter(|_| syncs).and_then(running);
    StatusPage {
        announcement: announcement(&said.headline, run.as_ref()),
        state: words::state(state),
        tone: said.tone,
        icon: said.icon,
        headline: said.headline,
        reason: said.reason,
        actions: said.actions,
        about: connection.map(|connection| about(connection, now)),
        fresh: status.filter(|_| syncs).map(|status| Fresh {
            applied: Moment::of(status.last_success_time.as_ref(), now),
            next: Moment::of(status.next_run_time.as_ref(), now),
        }),
        objects: if was_connected { objects(status, counts, now) } else { Vec::new() },
        quota: status.filter(|_| syncs).map(quota),
        open: status.filter(|_| syncs).map(open).unwrap_or_default(),
        run,
        freshness: freshness(runs),
        written: written(runs),
        explains: matches!(state, SyncState::PlanRequired | SyncState::NotConnected) && !was_connected,
        is_live: syncs,
    }
}

/// The one word, the one reason, the one action.
struct Said {
    tone: &'static str,
    icon: &'static str,
    headline: String,
    reason: String,
    actions: Vec<Action>,
}

fn action(label: &'static str, path: &str) -> Action {
    Action { label, href: format!("{ROOT}{path}"), class: "" }
}

fn plain(label: &'static str, path: &str) -> Action {
    Action { class: "plain", ..action(label, path) }
}

#[allow(clippy::too_many_lines, reason = "one table: a state, its words")]
fn say(
    state: SyncState,
    status: Option<&SyncStatus>,
    connection: Option<&Connection>,
    plan: Plan,
    now: Timestamp,
) -> Said {
    let org = connection.map(|connection| connection.org_name.as_str()).filter(|name| !name.is_empty());
    let org = org.unwrap_or("Salesforce");
    let ended = connection.and_then(|connection| Moment::of(connection.end_time.as_ref(), now));
    let of = |tone, icon, headline: &str, reason: String, actions| Said {
        tone,
        icon,
        headline: headline.to_owned(),
        reason,
        actions,
    };
    match state {
        SyncState::PlanRequired if connection.is_some() => of(
            "attention",
            "star",
            "Paused: Salesforce sync is part of Business",
            format!(
                "This workspace is on {}. Your customers stay, nothing is deleted, and synced fields stay locked. \
                 The sync goes on as soon as the workspace is on Business.",
                words::plan(plan)
            ),
            vec![action("See Business plan", "/plan"), plain("Disconnect", "/disconnect")],
        ),
        SyncState::PlanRequired => of(
            "attention",
            "star",
            "Salesforce sync is part of Business",
            format!("This workspace is on {}.", words::plan(plan)),
            vec![action("See Business plan", "/plan")],
        ),
        SyncState::NotConnected => of(
            "off",
            "link",
            "Not connected",
            "Bring accounts, contacts and leads from Salesforce into Lane, so that feedback can be weighed by \
             revenue, tier and status."
                .to_owned(),
            vec![action("Connect", "/connect")],
        ),
        SyncState::Disconnected => of(
            "off",
            "off",
            "Disconnected",
            format!(
                "{} Customers stay and can be edited. The mapping is kept for 30 days.",
                ended.map_or_else(String::new, |at| format!("The connection to {org} ended on {}.", at.text))
            ),
            vec![action("Connect again", "/connect")],
        ),
        SyncState::Connecting => of(
            "busy",
            "link",
            "Finish connecting",
            format!("{org} is connected. Nothing is read until you start the first sync."),
            vec![action("Continue", "/connect")],
        ),
        SyncState::AuthRevoked => of(
            "bad",
            "stop",
            "Salesforce access was revoked",
            format!(
                "{org} refused our access{}. Nothing was deleted; mapping and customers are kept. \
                 Connecting the same org again goes on where it stopped.",
                ended.map_or_else(String::new, |at| format!(", noticed on {}", at.text))
            ),
            vec![action("Reconnect", "/connect")],
        ),
        SyncState::QuotaExhausted => quota_exhausted(status, now),
        SyncState::FirstSync => of(
            "busy",
            "sync",
            "First sync running",
            "Customers appear in Lane while it runs. You can leave this page.".to_owned(),
            vec![action("View customers", "/customers")],
        ),
        SyncState::Degraded => degraded(status),
        SyncState::Healthy => of(
            "good",
            "check",
            "Up to date",
            status.and_then(|status| Moment::of(status.last_success_time.as_ref(), now)).map_or_else(
                || "Every change is applied.".to_owned(),
                |at| format!("Last change applied {}.", at.distance),
            ),
            vec![action("Re-sync", "/resync"), plain("View customers", "/customers")],
        ),
        SyncState::Unspecified => of(
            "wait",
            "wait",
            "Status unknown right now",
            "The sync goes on by itself; only this page can't tell how.".to_owned(),
            vec![plain("Reload", "")],
        ),
    }
}

/// A wait for calls: whose calls they were decides what helps.
fn quota_exhausted(status: Option<&SyncStatus>, now: Timestamp) -> Said {
    let next = status
        .and_then(|status| Moment::of(status.wait_until_time.as_ref().or(status.next_run_time.as_ref()), now))
        .map_or_else(String::new, |next| format!(" {}", next.distance));
    let own = status.and_then(|status| Some((status.api_calls_used, status.own_calls_limit?)));
    let org = status.and_then(|status| Some((status.org_calls_used?, status.org_calls_limit?)));
    let (reason, actions) = match (own.filter(|(used, share)| used >= share), org) {
        (Some((used, share)), _) => (
            format!(
                "Lane used {} of the {} that are its share of the org’s day. The sync goes on by itself{next}, or at once \
                 with a larger share.",
                number(used),
                count(share, "call", "calls")
            ),
            vec![action("Change budget", "/settings#budget"), plain("See runs", "/runs")],
        ),
        (None, Some((used, limit))) => (
            format!(
                "Other apps of your org used its calls up: {} of {} are used, {} of them by Lane. A larger share for Lane \
                 does not help; the sync goes on by itself{next}.",
                number(used),
                number(limit),
                number(status.map_or(0, |status| status.api_calls_used))
            ),
            vec![plain("See runs", "/runs"), plain("Change budget", "/settings#budget")],
        ),
        (None, None) => (
            format!("The org’s calls for now are used up. The sync goes on by itself{next}."),
            vec![plain("See runs", "/runs"), plain("Change budget", "/settings#budget")],
        ),
    };
    Said { tone: "wait", icon: "wait", headline: "Paused: Salesforce API limit".to_owned(), reason, actions }
}

/// Syncing, with something to look at: what, and where to mend it.
fn degraded(status: Option<&SyncStatus>) -> Said {
    let said = |icon, headline: String, reason: &str, actions| Said {
        tone: "attention",
        icon,
        headline,
        reason: reason.to_owned(),
        actions,
    };
    let Some(status) = status else {
        let reason = "The sync goes on by itself; only this page can't tell how.";
        return said("wait", "Status unknown right now".to_owned(), reason, vec![plain("Reload", "")]);
    };
    match status.reason.as_str() {
        "unmapped_values" => said(
            "attention",
            format!("Syncing, {} mapping", needs(status.unmapped_values, "value", "values")),
            "Customers with such a value keep the old one until you decide. All other data flows.",
            vec![action("Map values", "/values/status"), plain("Re-sync", "/resync")],
        ),
        "parked_records" => said(
            "attention",
            format!("Syncing, {} could not be applied", count(status.parked_records, "record", "records")),
            "They are kept aside with the reason. All other records flow.",
            vec![action("View problems", "/problems"), plain("Re-sync", "/resync")],
        ),
        "object_paused" => said(
            "attention",
            "Syncing, but part of it is paused".to_owned(),
            "The Salesforce user of this connection can't see an object or a mapped field. The table below names it.",
            vec![action("See what Lane can see", "/access"), plain("Check the mapping", "/mapping/accounts")],
        ),
        "needs_look" => said(
            "attention",
            "Syncing, but many records vanished".to_owned(),
            "The last full compare missed more records than is safe to archive, so none was. Check what the Salesforce \
             user may see, then compare again.",
            vec![action("Re-sync", "/resync"), plain("See runs", "/runs")],
        ),
        _ => said(
            "wait",
            "Syncing, but late".to_owned(),
            "Changes arrive later than promised. Nothing to do: it catches up by itself.",
            vec![plain("See runs", "/runs"), plain("Re-sync", "/resync")],
        ),
    }
}

fn needs(count: i64, one: &str, many: &str) -> String {
    format!("{} {}", words::count(count, one, many), if count == 1 { "needs" } else { "need" })
}

fn about(connection: &Connection, now: Timestamp) -> About {
    About {
        org: connection.org_name.clone(),
        kind: if connection.sandbox { "Sandbox" } else { "Production" },
        address: connection.instance_url.clone(),
        connected: Moment::of(connection.connect_time.as_ref(), now),
        by: connection.connected_by.clone(),
        runs_as: connection.salesforce_username.clone(),
        start: Moment::of(connection.start_at.as_ref(), now),
    }
}

fn objects(status: Option<&SyncStatus>, counts: Option<&Counts>, now: Timestamp) -> Vec<ObjectRow> {
    use contract::common::v1::SalesforceObject::{Account, Contact, Lead};

    let row = |object| {
        let covered = status.and_then(|status| status.coverage.iter().find(|covered| covered.object() == object));
        let held = counts.map(|counts| {
            let found = counts.live.iter().find(|live| live.object() == object);
            number(found.map_or(0, |live| live.count))
        });
        ObjectRow {
            name: words::object(object),
            held: held.unwrap_or_else(|| "not known now".to_owned()),
            synced_to: covered.and_then(|covered| Moment::of(covered.synced_to.as_ref(), now)),
            paused: covered.map(|covered| paused(&covered.paused_reason)).unwrap_or_default(),
        }
    };
    [Account, Contact, Lead].map(row).into()
}

/// Says why an object is paused.
fn paused(reason: &str) -> String {
    if let Some(fields) = reason.strip_prefix("mapping_broken:") {
        return format!("Paused: {fields} can’t be read any more");
    }
    match reason {
        "" => String::new(),
        _ => match Reason::from_text(&reason.to_ascii_uppercase()) {
            Some(Reason::SalesforcePermissionMissing) => "Paused: hidden from the Salesforce user".to_owned(),
            Some(reason) => format!("Paused: {}", crate::trouble::title(reason)),
            None => "Paused".to_owned(),
        },
    }
}

fn quota(status: &SyncStatus) -> Quota {
    let ours = status.api_calls_used;
    let limit = status.org_calls_limit.unwrap_or(0);
    let org = status.org_calls_used.unwrap_or(0);
    let part = |calls: i64| if limit > 0 { (calls.clamp(0, limit) * 1000) / limit } else { 0 };
    let sentence = if limit > 0 {
        format!(
            "Lane used {} of the org's {} calls in the last 24 hours; everybody together {}.",
            number(ours),
            number(limit),
            number(org)
        )
    } else {
        format!("Lane used {} in the last 24 hours. The org has not told its limit yet.", count(ours, "call", "calls"))
    };
    Quota {
        ours: number(ours),
        org: status.org_calls_used.map_or_else(|| "not told yet".to_owned(), number),
        limit: status.org_calls_limit.map_or_else(|| "not told yet".to_owned(), number),
        ours_part: part(ours),
        // The org's count holds ours; drawn is what others use beside it.
        org_part: part((org - ours).max(0)).min(1000 - part(ours)),
        sentence,
    }
}

fn open(status: &SyncStatus) -> Vec<Open> {
    let tone = |count: i64| if count > 0 { "wait" } else { "good" };
    let mut open = vec![
        Open {
            count: number(status.unmapped_values),
            what: "Values to map",
            href: "/integrations/salesforce/values/status",
            tone: tone(status.unmapped_values),
        },
        Open {
            count: number(status.parked_records),
            what: "Records not applied",
            href: "/integrations/salesforce/problems",
            tone: tone(status.parked_records),
        },
    ];
    if status.not_visible_records > 0 {
        open.push(Open {
            count: number(status.not_visible_records),
            what: "Hidden in Salesforce, kept",
            href: "/integrations/salesforce/problems",
            tone: "wait",
        });
    }
    open
}

fn running(status: &SyncStatus) -> Option<Running> {
    let run = status.run.as_ref()?;
    let phase = match run.phase() {
        RunPhase::Queued => "Waiting for its turn",
        RunPhase::Reading => "Reading Salesforce",
        RunPhase::Applying => "Applying what was read",
        RunPhase::Completed | RunPhase::Failed | RunPhase::Cancelled | RunPhase::NeedsLook | RunPhase::Unspecified => {
            return None;
        }
    };
    let left = status.eta.as_ref().and_then(|eta| std::time::Duration::try_from(*eta).ok());
    Some(Running {
        id: run.run_id.clone(),
        title: crate::runs::title(run),
        phase,
        objects: run.objects.iter().map(progress).collect(),
        rate: if status.records_per_second >= 1.0 {
            format!("{} records/s", rounded(status.records_per_second))
        } else {
            String::new()
        },
        eta: left.map(range).unwrap_or_default(),
        calls: count(run.api_calls, "call", "calls"),
        can_cancel: true,
    })
}

fn announcement(headline: &str, run: Option<&Running>) -> String {
    let objects = run.into_iter().flat_map(|run| &run.objects);
    let parts = objects.map(|object| format!("{}: {}", object.name, object.text));
    std::iter::once(headline.to_owned()).chain(parts).collect::<Vec<_>>().join(". ")
}

#[allow(clippy::cast_possible_truncation, reason = "a rate for people")]
fn rounded(rate: f64) -> String {
    number(rate.round() as i64)
}

/// Returns a time left as a range: nobody can know it to the second.
fn range(left: std::time::Duration) -> String {
    let low = left.mul_f64(0.8);
    let high = left.mul_f64(1.4);
    match high.as_secs() {
        0..60 => "less than a minute left".to_owned(),
        _ => {
            let minutes = |span: std::time::Duration| span.as_secs().div_ceil(60);
            if minutes(low) == minutes(high) {
                format!("about {} left", moment::span(std::time::Duration::from_secs(minutes(high) * 60)))
            } else {
                format!("about {}–{} min left", minutes(low), minutes(high))
            }
        }
    }
}

fn progress(object: &contract::extractor::v1::ObjectProgress) -> Progress {
    let done = object.mapped.max(object.written) + object.parked;
    let about = object.expected.unwrap_or(0).max(done);
    let text = if object.done {
        format!("{} done", number(done))
    } else if object.expected.is_some() {
        format!("{} of about {}", number(done), number(about))
    } else {
        format!("{} so far", number(done))
    };
    // A bar at its end that is not done would lie.
    let shown = if object.done { about } else { done.min(about * 99 / 100) };
    Progress { name: words::object(object.object()), done: shown, about: about.max(1), text }
}
