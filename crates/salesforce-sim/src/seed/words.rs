//! Companies, places, and the picklists of the seeded org.

use super::random::Random;
use crate::value::Value;

const FRONT: [&str; 60] = [
    "Northwind",
    "Aurora",
    "Bluepeak",
    "Cedar",
    "Cobalt",
    "Copperfield",
    "Crescent",
    "Delta",
    "Drift",
    "Eastgate",
    "Ember",
    "Evergreen",
    "Fable",
    "Falcon",
    "Fjord",
    "Foxglove",
    "Glacier",
    "Granite",
    "Harbor",
    "Hazel",
    "Helio",
    "Horizon",
    "Indigo",
    "Ironwood",
    "Juniper",
    "Kestrel",
    "Keystone",
    "Lantern",
    "Lumen",
    "Maple",
    "Meridian",
    "Mosaic",
    "Nimbus",
    "Nordic",
    "Oakline",
    "Onyx",
    "Orchard",
    "Pioneer",
    "Polar",
    "Prairie",
    "Quartz",
    "Quill",
    "Redwood",
    "Ridge",
    "Riverstone",
    "Saffron",
    "Sequoia",
    "Silverline",
    "Skylark",
    "Solstice",
    "Summit",
    "Tidal",
    "Timber",
    "Tundra",
    "Umber",
    "Vantage",
    "Velvet",
    "Willow",
    "Yonder",
    "Zephyr",
];
const MIDDLE: [&str; 40] = [
    "Analytics",
    "Robotics",
    "Health",
    "Logistics",
    "Foods",
    "Energy",
    "Systems",
    "Labs",
    "Media",
    "Networks",
    "Capital",
    "Retail",
    "Biotech",
    "Software",
    "Motors",
    "Textiles",
    "Marine",
    "Insurance",
    "Aerospace",
    "Studios",
    "Materials",
    "Education",
    "Travel",
    "Security",
    "Payments",
    "Farms",
    "Outdoors",
    "Furniture",
    "Semiconductors",
    "Consulting",
    "Water",
    "Telecom",
    "Mobility",
    "Games",
    "Publishing",
    "Diagnostics",
    "Freight",
    "Instruments",
    "Cloud",
    "Partners",
];
const FORM: [&str; 12] = ["Oy", "Inc.", "GmbH", "Ltd", "AB", "S.A.", "B.V.", "AS", "LLC", "Pty Ltd", "K.K.", "S.r.l."];

pub(super) const PLACES: [(&str, &str, &str); 16] = [
    ("Finland", "Helsinki", "+358"),
    ("Finland", "Tampere", "+358"),
    ("Sweden", "Göteborg", "+46"),
    ("Norway", "Trondheim", "+47"),
    ("Germany", "München", "+49"),
    ("Germany", "Köln", "+49"),
    ("France", "Lyon", "+33"),
    ("Spain", "València", "+34"),
    ("Italy", "Torino", "+39"),
    ("United Kingdom", "Leeds", "+44"),
    ("Ireland", "Cork", "+353"),
    ("Poland", "Łódź", "+48"),
    ("United States", "Portland", "+1"),
    ("United States", "Austin", "+1"),
    ("Japan", "大阪", "+81"),
    ("Brazil", "São Paulo", "+55"),
];
pub(super) const INDUSTRIES: [&str; 12] = [
    "Technology",
    "Healthcare",
    "Manufacturing",
    "Retail",
    "Finance",
    "Energy",
    "Education",
    "Food & Beverage",
    "Media",
    "Transportation",
    "Biotechnology",
    "Consulting",
];
pub(super) const TITLES: [&str; 14] = [
    "Head of Product",
    "Product Manager",
    "CTO",
    "CEO",
    "VP Engineering",
    "Customer Success Manager",
    "IT Director",
    "Procurement Lead",
    "UX Designer",
    "Data Analyst",
    "Support Engineer",
    "COO",
    "Marketing Manager",
    "Founder & CEO",
];
pub(super) const DEPARTMENTS: [&str; 8] =
    ["Product", "Engineering", "Success", "Finance", "IT", "Operations", "Marketing", "Design"];

pub(super) const TIERS: [(&str, u64); 6] =
    [("Enterprise", 18), ("Strategic", 8), ("Mid-Market", 26), ("SMB", 36), ("Legacy", 4), ("", 8)];
pub(super) const TYPES: [(&str, u64); 5] =
    [("Prospect", 30), ("Customer - Direct", 45), ("Customer - Channel", 12), ("Technology Partner", 5), ("", 8)];
/// `On Hold` is inactive, `Paused (old CRM)` is in no picklist: what an import left behind.
pub(super) const ACCOUNT_STATUSES: [(&str, u64); 9] = [
    ("Active", 46),
    ("Trial", 10),
    ("Prospect", 16),
    ("At Risk", 6),
    ("Churned", 8),
    ("Past Customer", 5),
    ("On Hold", 2),
    ("Paused (old CRM)", 2),
    ("", 5),
];
pub(super) const CONTACT_STATUSES: [(&str, u64); 6] =
    [("Active", 60), ("Champion", 12), ("Inactive", 12), ("Left Company", 8), ("Do Not Use", 2), ("", 6)];
pub(super) const CONTACT_TIERS: [(&str, u64); 4] = [("Decision Maker", 20), ("Influencer", 30), ("User", 40), ("", 10)];
pub(super) const LEAD_TIERS: [(&str, u64); 5] =
    [("Decision Maker", 20), ("Influencer", 30), ("User", 30), ("Partner", 5), ("", 15)];
pub(super) const LEAD_STATUSES: [(&str, u64); 4] =
    [("Open - Not Contacted", 50), ("Working - Contacted", 35), ("Closed - Not Converted", 13), ("Nurture", 2)];
pub(super) const SOURCES: [(&str, u64); 6] =
    [("Web", 5), ("Phone Inquiry", 2), ("Partner Referral", 3), ("Purchased List", 1), ("Other", 1), ("", 2)];
pub(super) const EMPLOYEES: [(u64, u64); 7] =
    [(3, 20), (25, 30), (120, 22), (400, 14), (1_500, 8), (8_000, 4), (60_000, 2)];

/// A company name; `place` keeps them apart, with a second word once the first ones are used up.
pub(super) fn company(random: &mut Random, place: usize) -> String {
    let front = FRONT[place % FRONT.len()];
    let middle = MIDDLE[(place / FRONT.len() + place) % MIDDLE.len()];
    let form = random.pick(&FORM);
    match place / (FRONT.len() * MIDDLE.len()) {
        0 => format!("{front} {middle} {form}"),
        round => format!("{front} {} {middle} {form}", FRONT[(place + round) % FRONT.len()]),
    }
}

/// The domain of a company: its name in lower-case letters.
pub(super) fn domain(company: &str) -> String {
    let letters: String = company.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
    format!("{}.example", letters.to_lowercase())
}

pub(super) fn website(random: &mut Random, domain: &str) -> Value {
    Value::text(match random.below(10) {
        0 => String::new(),
        1 => domain.to_owned(),
        2 => format!("http://www.{domain}/"),
        3 => format!("HTTPS://WWW.{}", domain.to_uppercase()),
        _ => format!("https://www.{domain}"),
    })
}

pub(super) fn phone(random: &mut Random, code: &str) -> String {
    match random.below(12) {
        0 => String::new(),
        1 => format!(
            "{code} {} {} ext. {}",
            10 + random.below(89),
            100_000 + random.below(899_999),
            1 + random.below(99)
        ),
        _ => format!("{code} {} {}", 10 + random.below(89), 1_000_000 + random.below(8_999_999)),
    }
}

pub(super) fn street(random: &mut Random) -> String {
    let street = random.pick(&[
        "Main Street",
        "Mannerheimintie",
        "Hauptstraße",
        "Rue de la République",
        "Storgatan",
        "Via Roma",
        "High Street",
        "Avenida Paulista",
    ]);
    format!("{} {}", street, 1 + random.below(180))
}

pub(super) fn description(random: &mut Random, company: &str) -> String {
    let habit = random.pick(&[
        "plans its roadmap with us",
        "asks for an API every quarter",
        "joined after a conference talk",
        "moved from spreadsheets",
        "runs a shared feedback board",
    ]);
    let since = 2015 + random.below(11);
    format!("{company} {habit}; customer since {since}.")
}
