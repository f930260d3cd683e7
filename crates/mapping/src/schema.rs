//! What a describe says about an object, as far as mapping needs it.

use domain::Object;

/// An object's fields, also of relations one level deep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectSchema {
    /// The object.
    pub object: Object,
    /// Its fields.
    pub fields: Vec<SourceField>,
}

impl ObjectSchema {
    /// Returns the field at a path, byte-exact.
    #[must_use]
    pub fn field(&self, path: &str) -> Option<&SourceField> {
        self.fields.iter().find(|field| field.path == path)
    }
}

/// One Salesforce field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceField {
    /// API name or one-level path.
    pub path: String,
    /// Label for people.
    pub label: String,
    /// Type.
    pub source_type: SourceType,
    /// Whether it is a formula or a roll-up.
    pub calculated: bool,
    /// Whether the org made it.
    pub custom: bool,
    /// Values of a picklist, in order.
    pub values: Vec<PicklistValue>,
}

/// One value of a picklist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PicklistValue {
    /// API value, byte-exact.
    pub value: String,
    /// Label for people.
    pub label: String,
    /// Whether records can still get it.
    pub active: bool,
}

macro_rules! source_types {
    ($($(#[$doc:meta])* $variant:ident = $text:literal;)*) => {
        /// The type that describe gives a field.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum SourceType {
            $($(#[$doc])* $variant,)*
            /// A type that we do not know.
            Unknown,
        }

        impl SourceType {
            /// Every type that describe is known to use.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the type that describe calls `name`.
            #[must_use]
            pub fn from_describe(name: &str) -> Self {
                match name {
                    $($text => Self::$variant,)*
                    _ => Self::Unknown,
                }
            }

            /// Returns what describe calls it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Unknown => "unknown",
                }
            }
        }
    };
}

source_types! {
    /// Record id.
    Id = "id";
    /// Short text.
    String = "string";
    /// True or false.
    Boolean = "boolean";
    /// Whole number.
    Int = "int";
    /// Whole number.
    Long = "long";
    /// Number.
    Double = "double";
    /// Amount.
    Currency = "currency";
    /// Percentage.
    Percent = "percent";
    /// Day.
    Date = "date";
    /// Moment.
    DateTime = "datetime";
    /// Time of day.
    Time = "time";
    /// One of a list.
    Picklist = "picklist";
    /// Some of a list.
    MultiPicklist = "multipicklist";
    /// One of a list, or anything.
    Combobox = "combobox";
    /// Id of another record.
    Reference = "reference";
    /// Phone number.
    Phone = "phone";
    /// E-mail address.
    Email = "email";
    /// Web address.
    Url = "url";
    /// Long text.
    TextArea = "textarea";
    /// Masked text.
    EncryptedString = "encryptedstring";
    /// Compound of address parts.
    Address = "address";
    /// Compound of latitude and longitude.
    Location = "location";
    /// Bytes.
    Base64 = "base64";
    /// Anything.
    AnyType = "anyType";
    /// Something nested.
    ComplexValue = "complexvalue";
}
