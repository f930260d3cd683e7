//! What a field of Contact is called on Lead: contacts and leads share one mapping, chosen in Contact's terms.

/// How leads feed a field that was chosen on Contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeadSource {
    /// Lead has the same path.
    Same,
    /// Lead has the value under another path.
    Renamed(&'static str),
    /// Lead has nothing like it.
    Missing,
}

const RENAMED: &[(&str, &str)] = &[
    ("Account.Name", "Company"),
    ("Account.Website", "Website"),
    ("Account.Industry", "Industry"),
    ("MailingStreet", "Street"),
    ("MailingCity", "City"),
    ("MailingState", "State"),
    ("MailingStateCode", "StateCode"),
    ("MailingPostalCode", "PostalCode"),
    ("MailingCountry", "Country"),
    ("MailingCountryCode", "CountryCode"),
];

/// Paths that exist on Contact and on Lead only in name, or not at all.
const MISSING_PREFIXES: &[&str] = &["Account.", "Other", "ReportsTo.", "Assistant"];

/// Returns how leads feed the Contact path `path`; `lead_has` tells whether Lead's describe lists a path.
pub fn lead_source(path: &str, lead_has: impl Fn(&str) -> bool) -> LeadSource {
    if let Some((_, renamed)) = RENAMED.iter().find(|(contact, _)| *contact == path) {
        return if lead_has(renamed) { LeadSource::Renamed(renamed) } else { LeadSource::Missing };
    }
    let only_contacts = MISSING_PREFIXES.iter().any(|prefix| path.starts_with(prefix));
    if only_contacts || !lead_has(path) { LeadSource::Missing } else { LeadSource::Same }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lead_feeds_a_field_under_its_own_name_or_not_at_all() {
        let has = |path: &str| ["Company", "Country", "Email"].contains(&path);
        assert_eq!(lead_source("Email", has), LeadSource::Same);
        assert_eq!(lead_source("Account.Name", has), LeadSource::Renamed("Company"));
        assert_eq!(lead_source("MailingCountry", has), LeadSource::Renamed("Country"));
        assert_eq!(lead_source("Account.Website", has), LeadSource::Missing);
        assert_eq!(lead_source("Birthdate", has), LeadSource::Missing);
    }
}
