//! What a list is asked for, as the address says it.

use contract::writer::v1::{ListContactsRequest, ListCustomersRequest, ListOrder, RecordSource, RowFilter};
use domain::Kind;
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use super::words;
use crate::web::ROOT;

/// Rows on one page.
const PAGE_SIZE: i32 = 50;

/// Search, filters, order, place. Words that nobody knows mean what empty ones do.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub(super) struct Wish {
    /// Text to search.
    pub(super) q: String,
    /// Option key.
    pub(super) status: String,
    /// Option key.
    pub(super) tier: String,
    /// "salesforce" or "lane".
    pub(super) source: String,
    /// "all" or "archived"; else live ones.
    pub(super) show: String,
    /// "unmapped" or "parked".
    pub(super) mark: String,
    /// "name", "arr", "updated"; else as they came.
    pub(super) order: String,
    /// UUID of a customer; for contacts.
    pub(super) customer: String,
    /// "yes" counts all that pass.
    pub(super) count: String,
    /// Token of the page.
    pub(super) after: String,
}

impl Wish {
    /// Whether anything is left out of the list.
    pub(super) fn narrows(&self) -> bool {
        let narrowing = [&self.q, &self.status, &self.tier, &self.source, &self.mark, &self.customer];
        narrowing.iter().any(|part| !part.trim().is_empty()) || self.show == "archived"
    }

    /// Whether filters or an order are chosen, so that they are to be seen.
    pub(super) fn filters(&self) -> bool {
        let chosen = [&self.status, &self.tier, &self.source, &self.show, &self.mark, &self.order];
        chosen.iter().any(|part| !part.is_empty())
    }

    /// Returns the address of the same list from another place on.
    pub(super) fn href(&self, kind: Kind, after: &str) -> String {
        let mut query = Serializer::new(String::new());
        let parts = [
            ("q", &self.q),
            ("status", &self.status),
            ("tier", &self.tier),
            ("source", &self.source),
            ("show", &self.show),
            ("mark", &self.mark),
            ("order", &self.order),
            ("customer", &self.customer),
            ("count", &self.count),
        ];
        for (name, value) in parts {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        if !after.is_empty() {
            query.append_pair("after", after);
        }
        let (path, query) = (words(kind).path, query.finish());
        if query.is_empty() { format!("{ROOT}{path}") } else { format!("{ROOT}{path}?{query}") }
    }

    pub(super) fn customers(&self) -> ListCustomersRequest {
        ListCustomersRequest {
            workspace_id: String::new(),
            page_size: PAGE_SIZE,
            page_token: self.after.clone(),
            search: self.q.trim().to_owned(),
            show_archived: self.show == "all",
            source: self.source(),
            filter: Some(self.filter()),
            order: self.order(Kind::Account),
            count_total: self.count == "yes",
        }
    }

    pub(super) fn contacts(&self) -> ListContactsRequest {
        ListContactsRequest {
            workspace_id: String::new(),
            page_size: PAGE_SIZE,
            page_token: self.after.clone(),
            customer_id: self.customer.trim().to_owned(),
            search: self.q.trim().to_owned(),
            show_archived: self.show == "all",
            source: self.source(),
            filter: Some(self.filter()),
            order: self.order(Kind::Contact),
            count_total: self.count == "yes",
        }
    }

    fn source(&self) -> i32 {
        match self.source.as_str() {
            "salesforce" => RecordSource::Salesforce.into(),
            "lane" => RecordSource::Lane.into(),
            _ => RecordSource::Unspecified.into(),
        }
    }

    fn filter(&self) -> RowFilter {
        let one = |key: &str| if key.is_empty() { Vec::new() } else { vec![key.to_owned()] };
        RowFilter {
            statuses: one(&self.status),
            tiers: one(&self.tier),
            unmapped_only: self.mark == "unmapped",
            parked_only: self.mark == "parked",
            archived_only: self.show == "archived",
        }
    }

    fn order(&self, kind: Kind) -> i32 {
        let order = match (self.order.as_str(), kind) {
            ("name", _) => ListOrder::Name,
            ("arr", Kind::Account) => ListOrder::Arr,
            ("updated", _) => ListOrder::Updated,
            _ => ListOrder::Id,
        };
        order.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_what_was_wished_and_escapes_it() {
        let wish = Wish { q: "a&b=<".into(), order: "arr".into(), after: "old".into(), ..Wish::default() };
        assert_eq!(wish.href(Kind::Account, ""), "/integrations/salesforce/customers?q=a%26b%3D%3C&order=arr");
        assert!(wish.href(Kind::Account, "next").ends_with("&after=next"));
        assert_eq!(Wish::default().href(Kind::Contact, ""), "/integrations/salesforce/contacts");
    }

    #[test]
    fn words_that_nobody_knows_narrow_nothing() {
        let wish = Wish { source: "x".into(), show: "x".into(), order: "arr".into(), ..Wish::default() };
        let request = wish.contacts();
        assert_eq!((request.source, request.order), (0, ListOrder::Id as i32));
        assert!(!request.count_total && !request.show_archived);
        assert!(!Wish { show: "all".into(), ..Wish::default() }.narrows());
        assert!(Wish { show: "archived".into(), ..Wish::default() }.narrows());
    }
}
