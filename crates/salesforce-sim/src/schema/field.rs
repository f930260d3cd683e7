//! One field: its type, its switches, and short ways to write one down.

/// The type of a field, named as describe names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Id,
    String,
    TextArea,
    Picklist,
    MultiPicklist,
    Phone,
    Email,
    Url,
    Boolean,
    Int,
    Double,
    Currency,
    Percent,
    Date,
    DateTime,
    Reference,
    Address,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::String => "string",
            Self::TextArea => "textarea",
            Self::Picklist => "picklist",
            Self::MultiPicklist => "multipicklist",
            Self::Phone => "phone",
            Self::Email => "email",
            Self::Url => "url",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Double => "double",
            Self::Currency => "currency",
            Self::Percent => "percent",
            Self::Date => "date",
            Self::DateTime => "datetime",
            Self::Reference => "reference",
            Self::Address => "address",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [
            Self::Id,
            Self::String,
            Self::TextArea,
            Self::Picklist,
            Self::MultiPicklist,
            Self::Phone,
            Self::Email,
            Self::Url,
            Self::Boolean,
            Self::Int,
            Self::Double,
            Self::Currency,
            Self::Percent,
            Self::Date,
            Self::DateTime,
            Self::Reference,
            Self::Address,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
    }

    /// Whether its cells hold text.
    pub(crate) fn is_text(self) -> bool {
        matches!(
            self,
            Self::String
                | Self::TextArea
                | Self::Picklist
                | Self::MultiPicklist
                | Self::Phone
                | Self::Email
                | Self::Url
        )
    }

    pub(crate) fn is_number(self) -> bool {
        matches!(self, Self::Int | Self::Double | Self::Currency | Self::Percent)
    }

    pub(crate) fn is_picklist(self) -> bool {
        matches!(self, Self::Picklist | Self::MultiPicklist)
    }
}

/// One entry of a picklist.
#[derive(Clone, Debug)]
pub(crate) struct PickValue {
    pub(crate) value: String,
    pub(crate) label: String,
    pub(crate) active: bool,
}

/// One field of an object.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) kind: Kind,
    pub(crate) length: u32,
    pub(crate) precision: u32,
    pub(crate) scale: u32,
    pub(crate) nillable: bool,
    pub(crate) writable: bool,
    pub(crate) permissionable: bool,
    pub(crate) calculated: bool,
    pub(crate) restricted: bool,
    pub(crate) name_field: bool,
    pub(crate) unique: bool,
    pub(crate) extra_type_info: Option<&'static str>,
    pub(crate) compound: Option<&'static str>,
    pub(crate) reference_to: Vec<&'static str>,
    pub(crate) relationship: Option<&'static str>,
    pub(crate) default: Option<String>,
    pub(crate) values: Vec<PickValue>,
    /// Kept for the store's own use; no API ever shows it.
    pub(crate) internal: bool,
    /// Field-level security hides it from the integration user.
    pub(crate) hidden: bool,
}

impl Field {
    pub(crate) fn new(name: &str, label: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            label: label.to_owned(),
            kind,
            length: 0,
            precision: 0,
            scale: 0,
            nillable: true,
            writable: true,
            permissionable: true,
            calculated: false,
            restricted: false,
            name_field: false,
            unique: false,
            extra_type_info: None,
            compound: None,
            reference_to: Vec::new(),
            relationship: None,
            default: None,
            values: Vec::new(),
            internal: false,
            hidden: false,
        }
    }

    pub(crate) fn is_custom(&self) -> bool {
        self.name.ends_with("__c")
    }

    pub(crate) fn is_visible(&self) -> bool {
        !self.internal && !self.hidden
    }

    /// Long texts and compounds can't stand in WHERE or ORDER BY.
    pub(crate) fn filterable(&self) -> bool {
        !(self.kind == Kind::TextArea && self.length > 255)
    }

    pub(super) fn length(mut self, length: u32) -> Self {
        self.length = length;
        self
    }

    pub(super) fn digits(mut self, precision: u32, scale: u32) -> Self {
        (self.precision, self.scale) = (precision, scale);
        self
    }

    pub(super) fn required(mut self) -> Self {
        self.nillable = false;
        self
    }

    pub(super) fn read_only(mut self) -> Self {
        self.writable = false;
        self
    }

    /// Field-level security can't hide it.
    pub(super) fn always_there(mut self) -> Self {
        self.permissionable = false;
        self
    }

    pub(super) fn part_of(mut self, compound: &'static str) -> Self {
        self.compound = Some(compound);
        self
    }

    pub(super) fn formula(mut self) -> Self {
        self.calculated = true;
        self.read_only()
    }

    pub(super) fn restricted(mut self) -> Self {
        self.restricted = true;
        self
    }

    pub(super) fn default(mut self, value: &str) -> Self {
        self.default = Some(value.to_owned());
        self
    }

    pub(super) fn named(mut self, extra: Option<&'static str>) -> Self {
        self.name_field = true;
        self.extra_type_info = extra;
        self
    }
}

pub(super) fn text(name: &str, label: &str, length: u32) -> Field {
    Field::new(name, label, Kind::String).length(length)
}

pub(super) fn long_text(name: &str, label: &str, length: u32) -> Field {
    Field::new(name, label, Kind::TextArea).length(length)
}

pub(super) fn phone(name: &str, label: &str) -> Field {
    Field::new(name, label, Kind::Phone).length(40)
}

pub(super) fn flag(name: &str, label: &str) -> Field {
    Field::new(name, label, Kind::Boolean).required().default("false")
}

pub(super) fn whole(name: &str, label: &str, digits: u32) -> Field {
    Field::new(name, label, Kind::Int).digits(digits, 0)
}

pub(super) fn double(name: &str, label: &str, precision: u32, scale: u32) -> Field {
    Field::new(name, label, Kind::Double).digits(precision, scale)
}

pub(super) fn currency(name: &str, label: &str, precision: u32, scale: u32) -> Field {
    Field::new(name, label, Kind::Currency).digits(precision, scale)
}

pub(super) fn date(name: &str, label: &str) -> Field {
    Field::new(name, label, Kind::Date)
}

pub(super) fn moment(name: &str, label: &str) -> Field {
    Field::new(name, label, Kind::DateTime)
}

pub(super) fn lookup(name: &str, label: &str, to: &[&'static str], relationship: &'static str) -> Field {
    let mut field = Field::new(name, label, Kind::Reference).length(18);
    field.reference_to = to.to_vec();
    field.relationship = Some(relationship);
    field
}

/// A picklist; a value starting with `-` is inactive.
pub(super) fn picklist(name: &str, label: &str, length: u32, values: &[&str]) -> Field {
    let mut field = Field::new(name, label, Kind::Picklist).length(length);
    field.values = values
        .iter()
        .map(|entry| {
            let (value, active) = entry.strip_prefix('-').map_or((*entry, true), |value| (value, false));
            PickValue { value: value.to_owned(), label: value.to_owned(), active }
        })
        .collect();
    field
}

const GEOCODE: [&str; 11] = [
    "Address",
    "NearAddress",
    "Block",
    "Street",
    "ExtendedZip",
    "Zip",
    "Neighborhood",
    "City",
    "County",
    "State",
    "Unknown",
];

/// An address: the compound field and its eight parts.
pub(super) fn address(fields: &mut Vec<Field>, prefix: &str, compound: &'static str, label: &str) {
    let name = |part: &str| format!("{prefix}{part}");
    let title = |part: &str| format!("{label} {part}").trim().to_owned();
    let parts = [
        long_text(&name("Street"), &title("Street"), 255),
        text(&name("City"), &title("City"), 40),
        text(&name("State"), &title("State/Province"), 80),
        text(&name("PostalCode"), &title("Zip/Postal Code"), 20),
        text(&name("Country"), &title("Country"), 80),
        double(&name("Latitude"), &title("Latitude"), 18, 15),
        double(&name("Longitude"), &title("Longitude"), 18, 15),
        picklist(&name("GeocodeAccuracy"), &title("Geocode Accuracy"), 40, &GEOCODE).restricted(),
    ];
    fields.extend(parts.map(|part| part.part_of(compound)));
    fields.push(Field::new(compound, &title("Address"), Kind::Address).read_only());
}
