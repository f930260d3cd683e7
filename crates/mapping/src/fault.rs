//! Why a record can't be taken further. A fault names its field, never a value.

/// What is wrong with a record; [`Self::as_str`] is stable for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultCode {
    /// The image is not a JSON object.
    ImageInvalid,
    /// The image is nested deeper than 32 levels.
    TooDeep,
    /// The read asked for the field and the image lacks it.
    FieldMissing,
    /// The record has no name.
    NameMissing,
    /// The value has another type than the field takes.
    TypeMismatch,
    /// The number has more than 18 digits before the point.
    NumberOutOfRange,
    /// The amount has no usable currency.
    CurrencyUnknown,
    /// The text holds NUL or half a surrogate pair.
    TextInvalid,
    /// The text is longer than the field takes.
    TextTooLong,
    /// The date does not exist or has an unknown form.
    DateInvalid,
    /// The id is not a Salesforce id of the object.
    IdInvalid,
    /// The record's change stamp is missing or out of range.
    ModstampInvalid,
    /// The mapped record does not fit into one message.
    RecordTooLarge,
    /// The source store refused the record.
    StoreRefused,
    /// Our own code failed over the record.
    MapperFailed,
}

impl FaultCode {
    /// Returns the stable code.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ImageInvalid => "image_invalid",
            Self::TooDeep => "too_deep",
            Self::FieldMissing => "field_missing",
            Self::NameMissing => "name_missing",
            Self::TypeMismatch => "type_mismatch",
            Self::NumberOutOfRange => "number_out_of_range",
            Self::CurrencyUnknown => "currency_unknown",
            Self::TextInvalid => "text_invalid",
            Self::TextTooLong => "text_too_long",
            Self::DateInvalid => "date_invalid",
            Self::IdInvalid => "id_invalid",
            Self::ModstampInvalid => "modstamp_invalid",
            Self::RecordTooLarge => "record_too_large",
            Self::StoreRefused => "store_refused",
            Self::MapperFailed => "mapper_failed",
        }
    }
}

/// A fault of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub code: FaultCode,
    /// Salesforce path or Lane field concerned; empty when the whole record is.
    pub field: String,
}

impl Fault {
    /// Makes a fault of one field; an empty name means the whole record.
    pub fn new(code: FaultCode, field: impl Into<String>) -> Self {
        Self { code, field: field.into() }
    }
}
