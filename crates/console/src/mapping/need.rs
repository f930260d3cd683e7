//! Why nothing can be chosen now, and what to do about it.

use contract::auth::v1::GrantState;
use contract::error::Reason;

use crate::trouble::Trouble;
use crate::web::{Ground, ROOT};

/// What is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) title: String,
    pub(super) text: String,
    /// What to press.
    pub(super) label: &'static str,
    pub(super) href: String,
}

/// Says what is missing when the org's fields can't be listed; `here` is the page that asks.
pub(super) fn need(trouble: &Trouble, ground: &Ground, here: &str) -> Need {
    let connection = ground.connection.as_ref().ok().and_then(Option::as_ref);
    let is_connected = connection.is_some_and(|connection| connection.state() == GrantState::Active);
    let again =
        |title: &str, text: String| Need { title: title.to_owned(), text, label: "Try again", href: here.to_owned() };
    match trouble.reason {
        Some(Reason::PlanRequired) => Need {
            title: trouble.title.clone(),
            text: "Fields that are mapped already stay mapped and locked. You can still unmap them; mapping others needs Business."
                .to_owned(),
            label: "See the Business plan",
            href: format!("{ROOT}/plan"),
        },
        // Auth tells the others of a new connection one by one.
        Some(Reason::NotConnected | Reason::ResourceNotFound) if is_connected => again(
            "Salesforce was connected a moment ago",
            "Its fields are not listed yet. This takes a few seconds.".to_owned(),
        ),
        Some(Reason::NotConnected | Reason::ResourceNotFound) => Need {
            title: "Salesforce is not connected".to_owned(),
            text: "Once it is, the fields of your org can be chosen here.".to_owned(),
            label: "Connect Salesforce",
            href: format!("{ROOT}/connect"),
        },
        Some(Reason::SalesforceAuthRevoked) => Need {
            title: trouble.title.clone(),
            text: "The fields of the org can’t be listed. The mapping is kept.".to_owned(),
            label: "Reconnect",
            href: format!("{ROOT}/connect"),
        },
        _ => again("The fields of your org are not known yet", format!("{}. {}", trouble.title.trim_end_matches('.'), trouble.remedy)),
    }
}

#[cfg(test)]
mod tests {
    use contract::auth::v1::Connection;

    use super::*;

    #[test]
    fn every_lack_says_what_to_do() {
        let ground = |connection: Option<Connection>| Ground {
            workspace: Err(Trouble::silent(crate::peers::Party::Auth)),
            connection: Ok(connection),
            status: Err(Trouble::silent(crate::peers::Party::Extractor)),
        };
        let told = |reason, connection| {
            let need = need(&Trouble::new(reason, crate::trouble::title(reason), ""), &ground(connection), "/here");
            (need.label, need.href)
        };
        let active = Connection { state: GrantState::Active.into(), ..Default::default() };
        assert_eq!(told(Reason::PlanRequired, None), ("See the Business plan", format!("{ROOT}/plan")));
        assert_eq!(told(Reason::NotConnected, None), ("Connect Salesforce", format!("{ROOT}/connect")));
        assert_eq!(told(Reason::NotConnected, Some(active.clone())), ("Try again", "/here".into()));
        assert_eq!(told(Reason::SalesforceAuthRevoked, Some(active)).0, "Reconnect");
        assert_eq!(told(Reason::SalesforceUnavailable, None).0, "Try again");
    }
}
