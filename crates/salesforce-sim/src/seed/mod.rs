//! Worlds grown from a number: the same seed, the same org, to the last character.

mod nasty;
mod people;
mod random;
mod words;

use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::lifecycle::Conversion;
use crate::moment::{parse_datetime, whole_second};
use crate::org::{ACCOUNT, CONTACT, LEAD, Org};
use crate::value::{Value, text};

use people::Person;
use random::Random;

/// How many records an org starts with, and how strange they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seed {
    /// What everything is drawn from.
    pub seed: u64,
    /// Accounts.
    pub accounts: usize,
    /// Contacts.
    pub contacts: usize,
    /// Leads.
    pub leads: usize,
    /// Whether the worst that real orgs hold is among them.
    pub nasty: bool,
    /// Whether some were deleted, merged and converted at the end of the history.
    pub life: bool,
    /// The first stamp of the history.
    pub from: String,
    /// The last stamp; never later than an hour before now.
    pub to: String,
}

impl Default for Seed {
    fn default() -> Self {
        Self {
            seed: 7,
            accounts: 400,
            contacts: 1_200,
            leads: 400,
            nasty: false,
            life: false,
            from: "2023-01-01T00:00:00Z".to_owned(),
            to: "2026-08-01T00:00:00Z".to_owned(),
        }
    }
}

/// The span that stamps are drawn from, with three moments that many records share.
struct History {
    from_s: i64,
    to_s: i64,
    masses: [i64; 3],
    share: u64,
}

impl History {
    fn of(seed: &Seed, random: &mut Random, now_ms: i64) -> Self {
        let moment = |text: &str, otherwise: i64| parse_datetime(text).unwrap_or(otherwise);
        let to = moment(&seed.to, now_ms).min(whole_second(now_ms) - 3_600_000);
        let from = moment(&seed.from, to - 86_400_000).min(to - 86_400_000);
        let (from_s, to_s) = (from / 1000, to / 1000);
        let mut draw = || from_s + random.below((to_s - from_s) as u64) as i64;
        let masses = [draw(), draw(), draw()];
        Self { from_s, to_s, masses, share: if seed.nasty { 25 } else { 8 } }
    }

    /// A stamp not before `earliest`.
    fn stamp(&self, random: &mut Random) -> i64 {
        if random.percent(self.share) {
            return self.masses[random.below(3) as usize] * 1000;
        }
        (self.from_s + random.below((self.to_s - self.from_s) as u64) as i64) * 1000
    }
}

impl Seed {
    /// Fills an org.
    pub(crate) fn fill(&self, org: &mut Org, now_ms: i64) {
        let mut random = Random::new(self.seed);
        org.number_from(20_000_000 + (self.seed % 1_000_000) * 800);
        let history = History::of(self, &mut random, now_ms);
        let owners = owners(org, history.from_s * 1000);
        let queue = org.tables[crate::org::GROUP].all().next().map(|row| org.tables[crate::org::GROUP].id(row));
        let mut accounts = Vec::with_capacity(self.accounts);
        for place in 0..self.accounts {
            accounts.push(self.account(org, &mut random, &history, &owners, &accounts, place));
        }
        for place in 0..self.contacts {
            self.contact(org, &mut random, &history, &owners, &accounts, place);
        }
        for place in 0..self.leads {
            let owner = if random.percent(20) { queue.unwrap_or(owners[0]) } else { random.pick(&owners) };
            self.lead(org, &mut random, &history, owner, place);
        }
        for table in [ACCOUNT, CONTACT, LEAD] {
            org.tables[table].schema.changed_ms = history.from_s * 1000;
        }
        if self.life {
            live_on(org, history.to_s * 1000);
        }
    }

    fn account(
        &self,
        org: &mut Org,
        random: &mut Random,
        history: &History,
        owners: &[Id],
        earlier: &[Id],
        place: usize,
    ) -> Id {
        let name = words::company(random, place);
        let domain = words::domain(&name);
        let tier = random.weighted(&words::TIERS);
        let (country, city, code) = random.pick(&words::PLACES);
        let stamp = history.stamp(random);
        let employees = random.weighted(&words::EMPLOYEES) as i64 + random.below(40) as i64;
        let revenue = ((employees * (40_000 + random.below(160_000) as i64)) / 1000 * 1000) as f64;
        let arr = (employees as f64) * (12.0 + random.below(80) as f64) + (random.below(100) as f64) / 100.0;
        let mut cells = vec![
            ("Name", text(&name)),
            ("Type", text(random.weighted(&words::TYPES))),
            ("Industry", text(random.pick(&words::INDUSTRIES))),
            ("Website", words::website(random, &domain)),
            ("Phone", text(words::phone(random, code))),
            ("BillingStreet", text(words::street(random))),
            ("BillingCity", text(city)),
            ("BillingPostalCode", text((10_000 + random.below(89_999)).to_string())),
            ("BillingCountry", text(country)),
            ("AnnualRevenue", if random.percent(12) { Value::Null } else { Value::Double(revenue) }),
            ("ARR__c", if random.percent(15) { Value::Null } else { Value::Double(arr) }),
            ("NumberOfEmployees", Value::Int(employees)),
            ("Customer_Tier__c", text(tier)),
            ("Account_Status__c", text(random.weighted(&words::ACCOUNT_STATUSES))),
            ("CustomerPriority__c", text(random.weighted(&[("High", 3), ("Medium", 4), ("Low", 3)]))),
            ("Rating", text(random.weighted(&[("Hot", 2), ("Warm", 5), ("Cold", 2), ("", 2)]))),
            ("AccountSource", text(random.weighted(&words::SOURCES))),
            ("Health_Score__c", Value::Double(random.below(10_001) as f64 / 100.0)),
            ("Is_Reference__c", Value::Bool(random.percent(10))),
            ("OwnerId", Value::Id(random.pick(owners))),
            ("CreatedDate", Value::DateTime(stamp - random.below(200 * 86_400) as i64 * 1000)),
            ("LastModifiedDate", Value::DateTime(stamp)),
        ];
        if random.percent(60) {
            cells.push(("Description", text(words::description(random, &name))));
        }
        if random.percent(6) && !earlier.is_empty() {
            cells.push(("ParentId", Value::Id(random.pick(earlier))));
        }
        self.currency(org, random, &mut cells);
        let twin = self.nasty.then(|| nasty::account(place, &mut cells)).flatten();
        self.put(org, ACCOUNT, twin, stamp, cells)
    }

    fn contact(
        &self,
        org: &mut Org,
        random: &mut Random,
        history: &History,
        owners: &[Id],
        accounts: &[Id],
        place: usize,
    ) {
        let account = (!accounts.is_empty() && !random.percent(4)).then(|| random.pick(accounts));
        let person = Person::draw(random);
        let company = account
            .and_then(|id| org.find(id))
            .and_then(|(table, row)| org.cell(table, row, "Name").as_text().map(str::to_owned));
        let (country, city, code) = random.pick(&words::PLACES);
        let stamp = history.stamp(random);
        let mut cells = vec![
            ("AccountId", account.map_or(Value::Null, Value::Id)),
            ("Salutation", text(random.weighted(&[("", 5), ("Ms.", 2), ("Mr.", 2), ("Dr.", 1)]))),
            ("FirstName", text(person.first)),
            ("LastName", text(person.last)),
            ("Name", text(person.full())),
            (
                "Email",
                if random.percent(5) {
                    Value::Null
                } else {
                    text(person.email(&words::domain(company.as_deref().unwrap_or("example")), random))
                },
            ),
            ("Title", text(random.pick(&words::TITLES))),
            ("Department", text(random.pick(&words::DEPARTMENTS))),
            ("Phone", text(words::phone(random, code))),
            ("MailingCity", text(city)),
            ("MailingCountry", text(country)),
            ("LeadSource", text(random.weighted(&words::SOURCES))),
            ("Contact_Status__c", text(random.weighted(&words::CONTACT_STATUSES))),
            ("Contact_Tier__c", text(random.weighted(&words::CONTACT_TIERS))),
            ("OwnerId", Value::Id(random.pick(owners))),
            ("CreatedDate", Value::DateTime(stamp - random.below(200 * 86_400) as i64 * 1000)),
            ("LastModifiedDate", Value::DateTime(stamp)),
        ];
        if random.percent(20) {
            cells.push(("MobilePhone", text(words::phone(random, code))));
        }
        self.currency(org, random, &mut cells);
        let twin = self.nasty.then(|| nasty::contact(place, &mut cells)).flatten();
        self.put(org, CONTACT, twin, stamp, cells);
    }

    fn lead(&self, org: &mut Org, random: &mut Random, history: &History, owner: Id, place: usize) {
        let person = Person::draw(random);
        let company = words::company(random, place + 7);
        let domain = words::domain(&company);
        let (country, city, code) = random.pick(&words::PLACES);
        let stamp = history.stamp(random);
        let mut cells = vec![
            ("FirstName", text(person.first)),
            ("LastName", text(person.last)),
            ("Name", text(person.full())),
            ("Company", text(&company)),
            ("Title", text(random.pick(&words::TITLES))),
            ("Email", if random.percent(8) { Value::Null } else { text(person.email(&domain, random)) }),
            ("Phone", text(words::phone(random, code))),
            ("Website", words::website(random, &domain)),
            ("City", text(city)),
            ("Country", text(country)),
            ("Status", text(random.weighted(&words::LEAD_STATUSES))),
            ("Rating", text(random.weighted(&[("Hot", 2), ("Warm", 4), ("Cold", 3), ("", 1)]))),
            ("Industry", text(random.pick(&words::INDUSTRIES))),
            ("LeadSource", text(random.weighted(&words::SOURCES))),
            ("Contact_Tier__c", text(random.weighted(&words::LEAD_TIERS))),
            ("NumberOfEmployees", Value::Int(random.below(5_000) as i64)),
            ("OwnerId", Value::Id(owner)),
            ("CreatedDate", Value::DateTime(stamp - random.below(90 * 86_400) as i64 * 1000)),
            ("LastModifiedDate", Value::DateTime(stamp)),
        ];
        self.currency(org, random, &mut cells);
        let twin = self.nasty.then(|| nasty::lead(place, &mut cells)).flatten();
        self.put(org, LEAD, twin, stamp, cells);
    }

    fn currency(&self, org: &Org, random: &mut Random, cells: &mut Vec<(&'static str, Value)>) {
        if org.multi_currency {
            cells.push((
                "CurrencyIsoCode",
                Value::text(random.weighted(&[("EUR", 5), ("USD", 4), ("GBP", 2), ("JPY", 1)])),
            ));
        }
    }

    fn put(&self, org: &mut Org, table: usize, id: Option<Id>, stamp: i64, cells: Vec<(&'static str, Value)>) -> Id {
        let free = id.filter(|id| org.find(*id).is_none());
        let id = free.unwrap_or_else(|| org.next_id(table));
        org.place(table, id, stamp, cells);
        id
    }
}

/// Deletes, merges and converts a few records, all a little before the end of the history.
fn live_on(org: &mut Org, end: i64) {
    const EACH: usize = 12;
    let ids = |org: &Org, table: usize| -> Vec<Id> {
        let table = &org.tables[table];
        let apart = (table.all().count() / (3 * EACH)).max(1);
        table.all().step_by(apart).take(3 * EACH).map(|row| table.id(row)).collect()
    };
    for table in [ACCOUNT, CONTACT, LEAD] {
        // In threes: one is deleted, one is merged into the next.
        for (place, three) in ids(org, table).chunks_exact(3).enumerate() {
            let stamp = end - (place as i64 + 1) * 3_600_000;
            // A contact may have gone with its account already; then it stays as it is.
            let _ = org.delete(three[0], stamp);
            let _ = org.merge(three[2], &three[1..2], stamp + 60_000);
            if table == LEAD {
                let how = Conversion { opportunity: place % 2 == 0, ..Conversion::default() };
                let _ = org.convert_lead(three[2], &how, stamp + 120_000);
            }
        }
    }
}

fn owners(org: &mut Org, stamp: i64) -> Vec<Id> {
    const OWNERS: [(&str, &str); 8] = [
        ("Aino", "Lehtonen"),
        ("Marcus", "Okafor"),
        ("Priya", "Raman"),
        ("Jonas", "Weber"),
        ("Camila", "Duarte"),
        ("Yuki", "Tanaka"),
        ("Sofia", "Lindqvist"),
        ("Daniel", "O'Connor"),
    ];
    OWNERS
        .iter()
        .map(|(first, last)| {
            let id = org.next_id(crate::org::USER);
            let username = format!("{}.{}@oma.example", first.to_lowercase(), last.to_lowercase().replace('\'', ""));
            org.add_user(id, first, last, &username, stamp);
            id
        })
        .collect()
}
