//! Numbers and our own terms in plain words.

use contract::common::v1::{Money, Plan, SalesforceObject};
use contract::extractor::v1::SyncState;

/// Returns a number with separators, e.g. "12,345".
pub(crate) fn number(number: i64) -> String {
    decimal(&number.to_string())
}

/// Returns decimal text with separators before the point, e.g. "-1,250,000.50"; other text as it is.
pub(crate) fn decimal(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, fraction) = rest.split_once('.').map_or((rest, None), |(whole, fraction)| (whole, Some(fraction)));
    if whole.is_empty() || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.to_owned();
    }
    let mut grouped = String::with_capacity(text.len() + whole.len() / 3 + 1);
    grouped.push_str(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if let Some(fraction) = fraction {
        grouped.push('.');
        grouped.push_str(fraction);
    }
    grouped
}

/// Returns a number and its noun, e.g. "1 value", "3 values".
pub(crate) fn count(count: i64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// Returns an amount with its currency, e.g. "1,250,000.50 EUR". The digits are those of the service: nothing is rounded.
pub(crate) fn money(money: &Money) -> String {
    format!("{} {}", decimal(&money.amount), money.currency_code)
}

/// Returns what people call one record of an object, as Salesforce does.
pub(crate) fn record(object: SalesforceObject) -> &'static str {
    match object {
        SalesforceObject::Account => "Account",
        SalesforceObject::Contact => "Contact",
        SalesforceObject::Lead => "Lead",
        SalesforceObject::Unspecified => "Record",
    }
}

/// Returns what people call the records of an object.
pub(crate) fn object(object: SalesforceObject) -> &'static str {
    match object {
        SalesforceObject::Account => "Accounts",
        SalesforceObject::Contact => "Contacts",
        SalesforceObject::Lead => "Leads",
        SalesforceObject::Unspecified => "Other records",
    }
}

/// Returns the name of a plan.
pub(crate) fn plan(plan: Plan) -> &'static str {
    match plan {
        Plan::Starter => "Starter",
        Plan::Pro => "Pro",
        Plan::Business => "Business",
        Plan::Unspecified => "unknown",
    }
}

/// Returns a state as `data-state` and metrics write it.
pub(crate) fn state(state: SyncState) -> &'static str {
    match state {
        SyncState::Unspecified => "unknown",
        SyncState::PlanRequired => "plan_required",
        SyncState::NotConnected => "not_connected",
        SyncState::Disconnected => "disconnected",
        SyncState::Connecting => "connecting",
        SyncState::AuthRevoked => "auth_revoked",
        SyncState::QuotaExhausted => "quota_exhausted",
        SyncState::FirstSync => "first_sync",
        SyncState::Degraded => "degraded",
        SyncState::Healthy => "healthy",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_separators_and_nouns_a_plural() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_000), "1,000");
        assert_eq!(number(-1_234_567), "-1,234,567");
        assert_eq!(decimal("-1250000.50"), "-1,250,000.50");
        assert_eq!(decimal("0.10"), "0.10");
        assert_eq!(decimal("<b>"), "<b>");
        assert_eq!(count(1, "value", "values"), "1 value");
        assert_eq!(count(1_200, "value", "values"), "1,200 values");
    }
}
