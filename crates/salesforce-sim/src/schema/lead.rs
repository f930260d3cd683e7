//! Lead.

use super::account::{CLEAN, INDUSTRIES, SOURCES};
use super::contact::{GENDERS, PRONOUNS, SALUTATIONS};
use super::{
    Field, Kind, Schema, address, audit_fields, currency, date, double, flag, last_seen_fields, leading_fields,
    long_text, lookup, moment, phone, picklist, text, whole,
};

pub(super) fn schema() -> Schema {
    let mut fields = leading_fields("Lead");
    fields.extend([
        lookup("MasterRecordId", "Master Record ID", &["Lead"], "MasterRecord").read_only().always_there(),
        text("LastName", "Last Name", 80).required().always_there().part_of("Name"),
        text("FirstName", "First Name", 40).always_there().part_of("Name"),
        picklist("Salutation", "Salutation", 40, &SALUTATIONS).always_there().part_of("Name"),
        text("Name", "Full Name", 121).required().read_only().always_there().named(Some("personname")),
        text("Title", "Title", 128),
        text("Company", "Company", 255).required().always_there(),
    ]);
    address(&mut fields, "", "Address", "");
    fields.extend([
        phone("Phone", "Phone"),
        phone("MobilePhone", "Mobile Phone"),
        phone("Fax", "Fax"),
        Field::new("Email", "Email", Kind::Email).length(80),
        Field::new("Website", "Website", Kind::Url).length(255),
        Field::new("PhotoUrl", "Photo URL", Kind::Url).length(255).read_only().always_there(),
        long_text("Description", "Description", 32_000),
        picklist("LeadSource", "Lead Source", 255, &SOURCES),
        picklist(
            "Status",
            "Status",
            255,
            &["Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted"],
        )
        .required()
        .always_there()
        .default("Open - Not Contacted"),
        picklist("Industry", "Industry", 255, &INDUSTRIES),
        picklist("Rating", "Rating", 255, &["Hot", "Warm", "Cold"]),
        currency("AnnualRevenue", "Annual Revenue", 18, 0),
        whole("NumberOfEmployees", "Employees", 8),
        lookup("OwnerId", "Owner ID", &["Group", "User"], "Owner").required().always_there(),
        flag("HasOptedOutOfEmail", "Email Opt Out"),
        flag("IsConverted", "Converted").read_only().always_there(),
        date("ConvertedDate", "Converted Date").read_only().always_there(),
        lookup("ConvertedAccountId", "Converted Account ID", &["Account"], "ConvertedAccount")
            .read_only()
            .always_there(),
        lookup("ConvertedContactId", "Converted Contact ID", &["Contact"], "ConvertedContact")
            .read_only()
            .always_there(),
        lookup("ConvertedOpportunityId", "Converted Opportunity ID", &["Opportunity"], "ConvertedOpportunity")
            .read_only()
            .always_there(),
        flag("IsUnreadByOwner", "Unread By Owner"),
    ]);
    audit_fields(&mut fields);
    last_seen_fields(&mut fields);
    fields.extend([
        flag("DoNotCall", "Do Not Call"),
        flag("HasOptedOutOfFax", "Fax Opt Out"),
        date("LastTransferDate", "Last Transfer Date").read_only(),
        text("Jigsaw", "Data.com Key", 20),
        text("JigsawContactId", "Jigsaw Contact ID", 20).read_only(),
        picklist("CleanStatus", "Clean Status", 40, &CLEAN).restricted(),
        text("CompanyDunsNumber", "Company D-U-N-S Number", 9),
        lookup("DandbCompanyId", "D&B Company ID", &[], "DandbCompany"),
        text("EmailBouncedReason", "Email Bounced Reason", 255).read_only().always_there(),
        moment("EmailBouncedDate", "Email Bounced Date").read_only().always_there(),
        lookup("IndividualId", "Individual ID", &[], "Individual").always_there(),
        picklist("Pronouns", "Pronouns", 255, &PRONOUNS),
        picklist("GenderIdentity", "Gender Identity", 255, &GENDERS),
        text("SICCode__c", "SIC Code", 15),
        picklist("ProductInterest__c", "Product Interest", 255, &["GC1000 series", "GC5000 series", "GC3000 series"]),
        picklist("Primary__c", "Primary", 255, &["No", "Yes"]),
        text("CurrentGenerators__c", "Current Generator(s)", 100),
        double("NumberofLocations__c", "Number of Locations", 3, 0),
        picklist("Contact_Tier__c", "Contact Tier", 255, &["Decision Maker", "Influencer", "User", "-Partner"]),
    ]);
    let mut schema = Schema::new("Lead", "Lead", "Leads", "00Q", fields);
    schema.business = true;
    schema
}
