//! The objects that the three main ones refer to, and the org itself.

use super::{
    Field, Kind, Schema, address, audit_fields, currency, date, flag, leading_fields, long_text, lookup, moment, phone,
    picklist, text,
};

pub(super) fn opportunity() -> Schema {
    let mut fields = leading_fields("Opportunity");
    fields.extend([
        lookup("AccountId", "Account ID", &["Account"], "Account"),
        lookup("ContactId", "Contact ID", &["Contact"], "Contact"),
        text("Name", "Name", 120).required().always_there().named(None),
        long_text("Description", "Description", 32_000),
        picklist(
            "StageName",
            "Stage",
            255,
            &["Prospecting", "Qualification", "Negotiation/Review", "Closed Won", "Closed Lost"],
        )
        .required(),
        currency("Amount", "Amount", 16, 2),
        date("CloseDate", "Close Date").required(),
        flag("IsClosed", "Closed").read_only().always_there(),
        flag("IsWon", "Won").read_only().always_there(),
        lookup("OwnerId", "Owner ID", &["User"], "Owner").required().always_there(),
    ]);
    audit_fields(&mut fields);
    let mut schema = Schema::new("Opportunity", "Opportunity", "Opportunities", "006", fields);
    schema.business = true;
    schema
}

pub(super) fn user() -> Schema {
    let mut fields = leading_fields("User");
    fields[super::IS_DELETED].internal = true;
    fields.extend([
        text("Username", "Username", 80).required().always_there(),
        text("LastName", "Last Name", 80).required().always_there().part_of("Name"),
        text("FirstName", "First Name", 40).always_there().part_of("Name"),
        text("Name", "Full Name", 121).required().read_only().always_there().named(Some("personname")),
        text("Alias", "Alias", 8).required().always_there(),
        Field::new("Email", "Email", Kind::Email).length(128).required().always_there(),
        phone("Phone", "Phone"),
        text("Title", "Title", 80),
        text("Department", "Department", 80),
        flag("IsActive", "Active").always_there(),
        picklist("UserType", "User Type", 40, &["Standard", "PowerPartner", "Guest", "AutomatedProcess"])
            .restricted()
            .read_only(),
        picklist("TimeZoneSidKey", "Time Zone", 40, &["Europe/Helsinki", "America/Los_Angeles", "Asia/Tokyo"])
            .restricted(),
        picklist("LocaleSidKey", "Locale", 40, &["fi_FI", "en_US", "ja_JP"]).restricted(),
        picklist("LanguageLocaleKey", "Language", 40, &["en_US", "ja", "fi"]).restricted(),
        picklist("EmailEncodingKey", "Email Encoding", 40, &["UTF-8"]).restricted(),
        lookup("ManagerId", "Manager ID", &["User"], "Manager"),
    ]);
    audit_fields(&mut fields);
    address(&mut fields, "", "Address", "");
    Schema::new("User", "User", "Users", "005", fields)
}

pub(super) fn group() -> Schema {
    let mut fields = leading_fields("Group");
    fields[super::IS_DELETED].internal = true;
    fields.extend([
        text("Name", "Name", 40).required().always_there().named(None),
        text("DeveloperName", "Developer Name", 80),
        picklist("Type", "Type", 40, &["Queue", "Regular", "Role"]).required().restricted(),
        Field::new("Email", "Email", Kind::Email).length(255),
    ]);
    audit_fields(&mut fields);
    Schema::new("Group", "Group", "Groups", "00G", fields)
}

pub(super) fn organization() -> Schema {
    let mut fields = leading_fields("Organization");
    fields[super::IS_DELETED].internal = true;
    fields.extend([
        text("Name", "Name", 80).required().always_there().named(None),
        text("Division", "Division", 80),
        phone("Phone", "Phone"),
        text("PrimaryContact", "Primary Contact", 80),
        picklist("DefaultLocaleSidKey", "Locale", 40, &["fi_FI", "en_US"]).restricted(),
        picklist("TimeZoneSidKey", "Time Zone", 40, &["Europe/Helsinki", "America/Los_Angeles"]).restricted(),
        picklist("LanguageLocaleKey", "Language", 40, &["en_US", "fi"]).restricted(),
        text("DefaultCurrencyIsoCode", "Default Currency", 3).read_only(),
        flag("IsSandbox", "Is Sandbox").read_only(),
        flag("IsReadOnly", "Is Read Only").read_only(),
        picklist("OrganizationType", "Edition", 40, &["Developer Edition", "Enterprise Edition", "Unlimited Edition"])
            .restricted()
            .read_only(),
        text("NamespacePrefix", "Namespace Prefix", 15).read_only(),
        text("InstanceName", "Instance Name", 5).read_only(),
        moment("TrialExpirationDate", "Trial Expiration Date").read_only(),
    ]);
    audit_fields(&mut fields);
    address(&mut fields, "", "Address", "");
    Schema::new("Organization", "Organization", "Organization", "00D", fields)
}
