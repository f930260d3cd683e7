//! The lists.

use askama::Template;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect};
use contract::error::Reason;
use contract::extractor::v1::SyncState;
use contract::mapper::v1::LaneField;
use domain::Kind;
use jiff::Timestamp;

use super::call::{self, Listed};
use super::field::{Choice, choices};
use super::view::{Table, table};
use super::wish::Wish;
use super::{Standing, Words, standing, words};
use crate::trouble::Trouble;
use crate::web::{Frame, Ground, Outcome, ROOT, Tab, Visit, page};
use crate::words::count;

/// What the page says.
#[derive(Clone, Debug, PartialEq)]
struct ListPage {
    words: Words,
    wish: Wish,
    statuses: Vec<Choice>,
    tiers: Vec<Choice>,
    orders: Vec<Choice>,
    /// The whole list of customers or contacts without any filter.
    clear: String,
    /// Name of the customer whose contacts these are; `None` when they are not one customer's.
    customer: Option<(String, String)>,
    table: Table,
    /// How many are shown, or how many there are.
    range: String,
    /// The address that counts all; empty when they are counted or all are shown.
    count: String,
    /// The first page; empty when this is it.
    first: String,
    /// The next page; empty when this is the last.
    next: String,
    standing: Option<Standing>,
    empty: Option<Empty>,
}

/// Why nothing is listed, and how to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Empty {
    title: String,
    text: &'static str,
    href: String,
    label: &'static str,
}

#[derive(Template)]
#[template(path = "customers.html")]
struct ListTemplate<'a> {
    frame: &'a Frame,
    page: &'a ListPage,
    trouble: Option<&'a Trouble>,
}

pub(super) async fn show(visit: Visit, kind: Kind, Query(wish): Query<Wish>) -> Outcome {
    let (ground, listed, known, customer) = tokio::join!(
        Ground::of(&visit),
        rows(&visit, kind, &wish),
        call::fields(&visit, kind),
        customer_of(&visit, kind, &wish)
    );
    let (listed, trouble) = match listed {
        Ok(listed) => (listed, None),
        // A place in another list, or one made up: the list begins anew.
        Err(trouble) if trouble.is(Reason::ArgumentInvalid) && !wish.after.is_empty() => {
            return Ok(Redirect::to(&wish.href(kind, "")).into_response());
        }
        Err(trouble) => (Listed::default(), Some(trouble)),
    };
    let frame = Frame::new(&visit, &ground, Some(Tab::Customers), words(kind).title);
    let was_connected = ground.connection.as_ref().is_ok_and(Option::is_some);
    let around = Around { state: ground.state(), was_connected, is_known: trouble.is_none(), customer };
    let view = view(kind, wish, &listed, &known, around, visit.now);
    let status = trouble.as_ref().map_or(StatusCode::OK, Trouble::status);
    Ok(page(status, &ListTemplate { frame: &frame, page: &view, trouble: trouble.as_ref() }))
}

async fn rows(visit: &Visit, kind: Kind, wish: &Wish) -> Result<Listed, Trouble> {
    match kind {
        Kind::Account => call::customers(visit, wish.customers()).await,
        Kind::Contact => call::contacts(visit, wish.contacts()).await,
    }
}

async fn customer_of(visit: &Visit, kind: Kind, wish: &Wish) -> Option<(String, String)> {
    if kind == Kind::Account || wish.customer.is_empty() {
        return None;
    }
    let row = call::find(visit, Kind::Account, &wish.customer).await.ok()?;
    Some((super::href(Kind::Account, &row.id), row.name()))
}

/// What else decides the page.
struct Around {
    state: SyncState,
    was_connected: bool,
    /// Whether the list could be read.
    is_known: bool,
    customer: Option<(String, String)>,
}

fn view(kind: Kind, wish: Wish, listed: &Listed, known: &[LaneField], around: Around, now: Timestamp) -> ListPage {
    let words = words(kind);
    let options = |field: &str| known.iter().find(|known| known.id == field).map_or(&[][..], |known| &known.options);
    let shown = i64::try_from(listed.rows.len()).unwrap_or(i64::MAX);
    let is_all = listed.next.is_empty() && wish.after.is_empty();
    let range = match listed.total {
        Some(total) => count(total, words.one, words.many),
        None if is_all => count(shown, words.one, words.many),
        None if listed.next.is_empty() => format!("The last {}", count(shown, words.one, words.many)),
        None => format!("{} on this page, more follow", count(shown, words.one, words.many)),
    };
    let counted = Wish { count: "yes".to_owned(), ..wish.clone() };
    let is_empty = around.is_known && listed.rows.is_empty();
    ListPage {
        words,
        statuses: choices(options("status"), &wish.status),
        tiers: choices(options("tier"), &wish.tier),
        orders: orders(kind, &wish.order),
        clear: Wish::default().href(kind, ""),
        customer: around.customer,
        table: table(kind, listed, known, now),
        range,
        count: if listed.total.is_some() || is_all { String::new() } else { counted.href(kind, "") },
        first: if wish.after.is_empty() { String::new() } else { wish.href(kind, "") },
        next: if listed.next.is_empty() { String::new() } else { wish.href(kind, &listed.next) },
        standing: standing(around.state, around.was_connected),
        empty: is_empty.then(|| empty(kind, &wish, around.state)),
        wish,
    }
}

fn orders(kind: Kind, chosen: &str) -> Vec<Choice> {
    let all = [
        ("", "As they came", true),
        ("name", "Name", true),
        ("arr", "ARR, highest first", kind == Kind::Account),
        ("updated", "Last change, newest first", true),
    ];
    let offered = all.into_iter().filter(|(_, _, is_offered)| *is_offered);
    offered.map(|(key, label, _)| Choice { key: key.into(), label: label.into(), is_chosen: key == chosen }).collect()
}

fn empty(kind: Kind, wish: &Wish, state: SyncState) -> Empty {
    let words = words(kind);
    let of = |title: String, text, path: String, label| Empty { title, text, href: path, label };
    if !wish.after.is_empty() {
        return of(
            "Nothing more".to_owned(),
            "This was the end of the list.",
            wish.href(kind, ""),
            "Back to the first",
        );
    }
    if wish.narrows() {
        let title = format!("No {} found", words.many);
        let text = "Nothing passes the search and the filters above.";
        return of(title, text, Wish::default().href(kind, ""), "Clear filters");
    }
    let (text, path, label) = match state {
        SyncState::PlanRequired => (
            "With Business they come from Salesforce. By hand they can be made on any plan.",
            "/plan",
            "See Business plan",
        ),
        SyncState::NotConnected | SyncState::Disconnected => {
            ("They come from Salesforce once it is connected, or are made by hand.", "/connect", "Connect Salesforce")
        }
        SyncState::Connecting => ("They come with the first sync, which waits for your start.", "/connect", "Continue"),
        SyncState::AuthRevoked => ("Salesforce access was revoked before anything came.", "/connect", "Reconnect"),
        SyncState::FirstSync => ("The first sync is running; they appear here as they come.", "", "See how far it is"),
        SyncState::QuotaExhausted | SyncState::Degraded | SyncState::Healthy | SyncState::Unspecified => (
            "Salesforce holds none since the start date, or none that its user may see.",
            "/access",
            "See what Lane can see",
        ),
    };
    of(format!("No {} yet", words.many), text, format!("{ROOT}{path}"), label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(state: SyncState) -> Around {
        Around { state, was_connected: true, is_known: true, customer: None }
    }

    fn told(wish: Wish, listed: &Listed, state: SyncState) -> ListPage {
        let known = call::catalogue(Kind::Account);
        view(Kind::Account, wish, listed, &known, around(state), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn nothing_is_never_a_dead_end() {
        for state in [SyncState::NotConnected, SyncState::FirstSync, SyncState::Healthy, SyncState::PlanRequired] {
            let page = told(Wish::default(), &Listed::default(), state);
            let empty = page.empty.unwrap();
            assert!(empty.title == "No customers yet" && !empty.href.is_empty(), "{state:?}");
        }
        let wish = Wish { q: "x".into(), ..Wish::default() };
        let empty = told(wish, &Listed::default(), SyncState::Healthy).empty.unwrap();
        assert_eq!((empty.title.as_str(), empty.label), ("No customers found", "Clear filters"));
        let page = told(Wish { after: "x".into(), ..Wish::default() }, &Listed::default(), SyncState::Healthy);
        assert_eq!(page.empty.unwrap().title, "Nothing more");
    }

    #[test]
    fn a_long_list_says_that_more_follow_and_counts_only_when_asked() {
        let row = || contract::writer::v1::Customer::default().into();
        let listed = Listed { rows: vec![row(), row()], next: "t".into(), total: None };
        let page = told(Wish { order: "arr".into(), ..Wish::default() }, &listed, SyncState::Healthy);
        assert_eq!(page.range, "2 customers on this page, more follow");
        assert!(page.count.ends_with("?order=arr&count=yes") && page.first.is_empty(), "{}", page.count);
        assert!(page.next.ends_with("?order=arr&after=t"), "{}", page.next);
        let listed = Listed { total: Some(100_000), ..listed };
        let page = told(Wish { count: "yes".into(), ..Wish::default() }, &listed, SyncState::Healthy);
        assert_eq!((page.range.as_str(), page.count.as_str()), ("100,000 customers", ""));
    }

    #[test]
    fn a_workspace_without_a_running_sync_says_what_that_means_for_its_rows() {
        let page = told(Wish::default(), &Listed::default(), SyncState::Disconnected);
        assert!(page.standing.unwrap().text.contains("every field can be edited"));
        assert_eq!(told(Wish::default(), &Listed::default(), SyncState::Healthy).standing, None);
    }
}
