//! Edits by hand: fields of a row, and new rows.

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use contract::error::Reason;
use contract::mapper::v1::LaneField;
use domain::Kind;
use serde::Deserialize;

use super::field::{self, Faults, FieldRow, Told};
use super::one::{self, Wrong};
use super::sent::{self, Sent};
use super::{Words, call, href, words};
use crate::trouble::Trouble;
use crate::web::{Frame, Ground, Notice, Outcome, Tab, Visit, page, see};

/// Whose contact a new one is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Place {
    customer: String,
}

/// Saves what was typed on the page of a row.
pub(super) async fn save(
    visit: Visit,
    kind: Kind,
    Path(id): Path<String>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Outcome {
    let sent = Sent::of(pairs);
    let (row, known) = tokio::join!(call::find(&visit, kind, &id), call::fields(&visit, kind));
    let row = row.map_err(|trouble| visit.refuse(&trouble))?;
    let place = one::Place::default();
    let edit = match sent::edit(&known, Some(&row), &sent) {
        Ok(edit) => edit,
        Err(faults) => {
            let wrong = Wrong { sent: Some(sent), faults, trouble: None };
            return Ok(Box::pin(one::render(&visit, &row, StatusCode::UNPROCESSABLE_ENTITY, &place, wrong)).await);
        }
    };
    let path = href(kind, &row.id);
    if edit.mask.is_empty() {
        return Ok(see(&path, Some(Notice::NothingChanged)));
    }
    let trouble = match call::update(&visit, &row, edit.fields, edit.mask).await {
        Ok(_) => {
            let notice = match kind {
                Kind::Account => Notice::CustomerSaved,
                Kind::Contact => Notice::ContactSaved,
            };
            return Ok(see(&path, Some(notice)));
        }
        Err(trouble) => trouble,
    };
    // What refused the edit may have come meanwhile: a lock, another edit.
    let row = call::find(&visit, kind, &id).await.unwrap_or(row);
    let (status, wrong) = wrong(trouble, sent, &known);
    Ok(Box::pin(one::render(&visit, &row, status, &place, wrong)).await)
}

/// Tells a refusal at the fields that it names.
fn wrong(mut trouble: Trouble, sent: Sent, known: &[LaneField]) -> (StatusCode, Wrong) {
    let is_lock = trouble.is(Reason::FieldLocked);
    let mut faults = Faults::new();
    trouble.violations.retain(|violation| {
        let is_known = known.iter().any(|field| field.id == violation.field);
        if is_known {
            let typed = sent.part(&format!("field.{}", violation.field));
            let fault = if is_lock {
                format!("Locked: {}. Edit it in Salesforce; “{typed}” was not saved.", violation.description)
            } else {
                format!("This {}.", violation.description)
            };
            faults.insert(violation.field.clone(), fault);
        }
        !is_known
    });
    let is_about_fields = is_lock || trouble.is(Reason::RecordRejected);
    let status = if is_about_fields { StatusCode::UNPROCESSABLE_ENTITY } else { trouble.status() };
    (status, Wrong { sent: Some(sent), faults, trouble: Some(trouble) })
}

#[derive(Template)]
#[template(path = "customer_new.html")]
struct NewTemplate<'a> {
    frame: &'a Frame,
    words: Words,
    fields: &'a [FieldRow],
    /// Whose contact it is; empty for nobody's.
    customer: &'a str,
    /// Their name.
    customer_name: &'a str,
    trouble: Option<&'a Trouble>,
}

/// Shows the form of a new row.
pub(super) async fn offer(visit: Visit, kind: Kind, Query(place): Query<Place>) -> Outcome {
    let known = call::fields(&visit, kind).await;
    Ok(Box::pin(form(&visit, kind, StatusCode::OK, &known, &place.customer, Wrong::default())).await)
}

async fn form(
    visit: &Visit,
    kind: Kind,
    status: StatusCode,
    known: &[LaneField],
    customer: &str,
    wrong: Wrong,
) -> Response {
    let of = async {
        if kind == Kind::Account || customer.is_empty() {
            return String::new();
        }
        call::find(visit, Kind::Account, customer).await.map(|row| row.name()).unwrap_or_default()
    };
    let (ground, customer_name) = tokio::join!(Ground::of(visit), of);
    let words = words(kind);
    let frame = Frame::new(visit, &ground, Some(Tab::Customers), &format!("New {}", words.one));
    let fields = field::rows(kind, None, known, &Told::default(), wrong.sent.as_ref(), &wrong.faults);
    // A customer that is not there would make the form fail for no fault of whoever fills it in.
    let customer = if customer_name.is_empty() { "" } else { customer };
    let trouble = wrong.trouble.as_ref();
    let template =
        NewTemplate { frame: &frame, words, fields: &fields, customer, customer_name: &customer_name, trouble };
    page(status, &template)
}

/// Makes a row.
pub(super) async fn create(visit: Visit, kind: Kind, Form(pairs): Form<Vec<(String, String)>>) -> Outcome {
    let sent = Sent::of(pairs);
    let customer = sent.part("customer").to_owned();
    let known = call::fields(&visit, kind).await;
    let (status, wrong) = match sent::edit(&known, None, &sent) {
        Err(faults) => (StatusCode::UNPROCESSABLE_ENTITY, Wrong { sent: Some(sent), faults, trouble: None }),
        Ok(edit) => match call::create(&visit, kind, &customer, edit.fields).await {
            Ok(row) => {
                let notice = match kind {
                    Kind::Account => Notice::CustomerCreated,
                    Kind::Contact => Notice::ContactCreated,
                };
                return Ok(see(&href(kind, &row.id), Some(notice)));
            }
            Err(trouble) => wrong(trouble, sent, &known),
        },
    };
    Ok(Box::pin(form(&visit, kind, status, &known, &customer, wrong)).await)
}

#[cfg(test)]
mod tests {
    use contract::error::Violation;

    use super::*;

    fn refused(reason: Reason, field: &str, description: &str) -> (StatusCode, Wrong) {
        let mut trouble = Trouble::new(reason, "title", "");
        trouble.violations = vec![Violation { field: field.into(), description: description.into() }];
        let sent = Sent::of(vec![("field.arr".into(), "5".into())]);
        wrong(trouble, sent, &call::catalogue(Kind::Account))
    }

    #[test]
    fn a_refusal_is_told_at_its_field_and_what_has_none_on_top() {
        let (status, told) = refused(Reason::FieldLocked, "arr", "Account.AnnualRevenue feeds it");
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(
            told.faults["arr"],
            "Locked: Account.AnnualRevenue feeds it. Edit it in Salesforce; “5” was not saved."
        );
        assert!(told.trouble.unwrap().violations.is_empty());
        let (_, told) = refused(Reason::RecordRejected, "tier", "is not an option of the field");
        assert_eq!(told.faults["tier"], "This is not an option of the field.");
        let (status, told) = refused(Reason::FieldLocked, "", "Salesforce feeds it");
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(told.faults.is_empty() && told.trouble.unwrap().violations.len() == 1);
        assert_eq!(refused(Reason::EtagMismatch, "", "").0, StatusCode::CONFLICT);
    }
}
