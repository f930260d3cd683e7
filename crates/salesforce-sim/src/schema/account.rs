//! Account.

use super::{
    Field, Kind, Schema, address, audit_fields, currency, date, double, last_seen_fields, leading_fields, long_text,
    lookup, phone, picklist, text, whole,
};

pub(super) const INDUSTRIES: [&str; 32] = [
    "Agriculture",
    "Apparel",
    "Banking",
    "Biotechnology",
    "Chemicals",
    "Communications",
    "Construction",
    "Consulting",
    "Education",
    "Electronics",
    "Energy",
    "Engineering",
    "Entertainment",
    "Environmental",
    "Finance",
    "Food & Beverage",
    "Government",
    "Healthcare",
    "Hospitality",
    "Insurance",
    "Machinery",
    "Manufacturing",
    "Media",
    "Not For Profit",
    "Recreation",
    "Retail",
    "Shipping",
    "Technology",
    "Telecommunications",
    "Transportation",
    "Utilities",
    "Other",
];
pub(super) const SOURCES: [&str; 5] = ["Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"];
pub(super) const CLEAN: [&str; 8] =
    ["Matched", "Different", "Acknowledged", "NotFound", "Inactive", "Pending", "SelectMatch", "Skipped"];

pub(super) fn schema() -> Schema {
    let mut fields = leading_fields("Account");
    fields.extend([
        lookup("MasterRecordId", "Master Record ID", &["Account"], "MasterRecord").read_only().always_there(),
        text("Name", "Account Name", 255).required().always_there().named(None),
        picklist(
            "Type",
            "Account Type",
            255,
            &[
                "Prospect",
                "Customer - Direct",
                "Customer - Channel",
                "Channel Partner / Reseller",
                "Installation Partner",
                "Technology Partner",
                "Other",
            ],
        ),
        lookup("ParentId", "Parent Account ID", &["Account"], "Parent"),
    ]);
    address(&mut fields, "Billing", "BillingAddress", "Billing");
    address(&mut fields, "Shipping", "ShippingAddress", "Shipping");
    fields.extend([
        phone("Phone", "Account Phone"),
        phone("Fax", "Account Fax"),
        text("AccountNumber", "Account Number", 40),
        Field::new("Website", "Website", Kind::Url).length(255),
        Field::new("PhotoUrl", "Photo URL", Kind::Url).length(255).read_only().always_there(),
        text("Sic", "SIC Code", 20),
        picklist("Industry", "Industry", 255, &INDUSTRIES),
        currency("AnnualRevenue", "Annual Revenue", 18, 0),
        whole("NumberOfEmployees", "Employees", 8),
        picklist("Ownership", "Ownership", 255, &["Public", "Private", "Subsidiary", "Other"]),
        text("TickerSymbol", "Ticker Symbol", 20),
        long_text("Description", "Account Description", 32_000),
        picklist("Rating", "Account Rating", 255, &["Hot", "Warm", "Cold"]),
        text("Site", "Account Site", 80),
        lookup("OwnerId", "Owner ID", &["User"], "Owner").required().always_there(),
    ]);
    audit_fields(&mut fields);
    last_seen_fields(&mut fields);
    fields.extend([
        text("Jigsaw", "Data.com Key", 20),
        text("JigsawCompanyId", "Jigsaw Company ID", 20).read_only(),
        picklist("CleanStatus", "Clean Status", 40, &CLEAN).restricted(),
        picklist("AccountSource", "Account Source", 255, &SOURCES),
        text("DunsNumber", "D-U-N-S Number", 9),
        text("Tradestyle", "Tradestyle", 255),
        text("NaicsCode", "NAICS Code", 8),
        text("NaicsDesc", "NAICS Description", 120),
        text("YearStarted", "Year Started", 4),
        text("SicDesc", "SIC Description", 80),
        lookup("DandbCompanyId", "D&B Company ID", &[], "DandbCompany"),
        lookup("OperatingHoursId", "Operating Hour ID", &[], "OperatingHours"),
        picklist("CustomerPriority__c", "Customer Priority", 255, &["High", "Low", "Medium"]),
        picklist("SLA__c", "SLA", 255, &["Gold", "Silver", "Platinum", "Bronze"]),
        picklist("Active__c", "Active", 255, &["No", "Yes"]),
        double("NumberofLocations__c", "Number of Locations", 3, 0),
        picklist("UpsellOpportunity__c", "Upsell Opportunity", 255, &["Maybe", "No", "Yes"]),
        text("SLASerialNumber__c", "SLA Serial Number", 10),
        date("SLAExpirationDate__c", "SLA Expiration Date"),
        picklist(
            "Customer_Tier__c",
            "Customer Tier",
            255,
            &["Enterprise", "Strategic", "Mid-Market", "SMB", "-Legacy"],
        ),
        picklist(
            "Account_Status__c",
            "Account Status",
            255,
            &["Active", "Trial", "Prospect", "At Risk", "Churned", "Past Customer", "-On Hold"],
        ),
        currency("ARR__c", "ARR", 18, 2),
        date("Renewal_Date__c", "Renewal Date"),
        double("Health_Score__c", "Health Score", 5, 2).formula(),
        super::flag("Is_Reference__c", "Is Reference"),
        Field::new("Products__c", "Products", Kind::MultiPicklist).length(4099),
    ]);
    let mut schema = Schema::new("Account", "Account", "Accounts", "001", fields);
    let products = schema.known("Products__c");
    schema.fields[products].values = picklist("", "", 0, &["Signals", "Priorities", "Insights", "Portal"]).values;
    schema.children = vec![
        ("ChildAccounts", "Account", "ParentId", false),
        ("Contacts", "Contact", "AccountId", true),
        ("Opportunities", "Opportunity", "AccountId", true),
    ];
    schema.business = true;
    schema
}
