//! Contact.

use super::account::{CLEAN, SOURCES};
use super::{
    Field, Kind, Schema, address, audit_fields, date, flag, last_seen_fields, leading_fields, long_text, lookup,
    moment, phone, picklist, text,
};

pub(super) const SALUTATIONS: [&str; 6] = ["Mr.", "Ms.", "Mrs.", "Dr.", "Prof.", "Mx."];
pub(super) const PRONOUNS: [&str; 6] = ["He/Him", "She/Her", "They/Them", "He/They", "She/They", "Not Listed"];
pub(super) const GENDERS: [&str; 4] = ["Male", "Female", "Nonbinary", "Not Listed"];

pub(super) fn schema() -> Schema {
    let mut fields = leading_fields("Contact");
    fields.extend([
        lookup("MasterRecordId", "Master Record ID", &["Contact"], "MasterRecord").read_only().always_there(),
        lookup("AccountId", "Account ID", &["Account"], "Account"),
        text("LastName", "Last Name", 80).required().always_there().part_of("Name"),
        text("FirstName", "First Name", 40).always_there().part_of("Name"),
        picklist("Salutation", "Salutation", 40, &SALUTATIONS).always_there().part_of("Name"),
        text("Name", "Full Name", 121).required().read_only().always_there().named(Some("personname")),
    ]);
    address(&mut fields, "Other", "OtherAddress", "Other");
    address(&mut fields, "Mailing", "MailingAddress", "Mailing");
    fields.extend([
        phone("Phone", "Business Phone"),
        phone("Fax", "Business Fax"),
        phone("MobilePhone", "Mobile Phone"),
        phone("HomePhone", "Home Phone"),
        phone("OtherPhone", "Other Phone"),
        phone("AssistantPhone", "Asst. Phone"),
        lookup("ReportsToId", "Reports To ID", &["Contact"], "ReportsTo"),
        Field::new("Email", "Email", Kind::Email).length(80),
        text("Title", "Title", 128),
        text("Department", "Department", 80),
        text("AssistantName", "Assistant's Name", 40),
        picklist("LeadSource", "Lead Source", 255, &SOURCES),
        date("Birthdate", "Birthdate"),
        long_text("Description", "Contact Description", 32_000),
        lookup("OwnerId", "Owner ID", &["User"], "Owner").required().always_there(),
        flag("HasOptedOutOfEmail", "Email Opt Out"),
        flag("HasOptedOutOfFax", "Fax Opt Out"),
        flag("DoNotCall", "Do Not Call"),
    ]);
    audit_fields(&mut fields);
    last_seen_fields(&mut fields);
    fields.extend([
        moment("LastCURequestDate", "Last Stay-in-Touch Request Date").read_only(),
        moment("LastCUUpdateDate", "Last Stay-in-Touch Save Date").read_only(),
        text("EmailBouncedReason", "Email Bounced Reason", 255).read_only().always_there(),
        moment("EmailBouncedDate", "Email Bounced Date").read_only().always_there(),
        flag("IsEmailBounced", "Is Email Bounced").read_only().always_there(),
        Field::new("PhotoUrl", "Photo URL", Kind::Url).length(255).read_only().always_there(),
        text("Jigsaw", "Data.com Key", 20),
        text("JigsawContactId", "Jigsaw Contact ID", 20).read_only(),
        picklist("CleanStatus", "Clean Status", 40, &CLEAN).restricted(),
        lookup("IndividualId", "Individual ID", &[], "Individual").always_there(),
        picklist("Pronouns", "Pronouns", 255, &PRONOUNS),
        picklist("GenderIdentity", "Gender Identity", 255, &GENDERS),
        picklist("Level__c", "Level", 255, &["Secondary", "Tertiary", "Primary"]),
        text("Languages__c", "Languages", 100),
        picklist(
            "Contact_Status__c",
            "Contact Status",
            255,
            &["Active", "Champion", "Inactive", "Left Company", "-Do Not Use"],
        ),
        picklist("Contact_Tier__c", "Contact Tier", 255, &["Decision Maker", "Influencer", "User"]),
    ]);
    let mut schema = Schema::new("Contact", "Contact", "Contacts", "003", fields);
    schema.children = vec![("Opportunities", "Opportunity", "ContactId", false)];
    schema.business = true;
    schema
}
