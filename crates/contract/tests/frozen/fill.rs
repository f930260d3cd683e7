//! Messages in which every field says something that is not its default.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};

/// Messages within messages are filled to here.
const DEPTH: usize = 3;

/// As many as it takes to see every member of every choice once.
pub(super) fn examples(message: &MessageDescriptor) -> Vec<DynamicMessage> {
    let choices = message.oneofs().map(|oneof| oneof.fields().count()).max().unwrap_or(1);
    (0..choices).map(|choice| filled(message, choice, DEPTH)).collect()
}

fn filled(message: &MessageDescriptor, choice: usize, depth: usize) -> DynamicMessage {
    let mut filled = DynamicMessage::new(message.clone());
    for field in message.fields() {
        let chosen = field.containing_oneof().is_none_or(|oneof| {
            let members: Vec<_> = oneof.fields().collect();
            members.get(choice % members.len()) == Some(&field)
        });
        if chosen && let Some(value) = value(&field, choice, depth) {
            filled.set_field(&field, value);
        }
    }
    filled
}

fn value(field: &FieldDescriptor, choice: usize, depth: usize) -> Option<Value> {
    if field.is_map() {
        let Kind::Message(entry) = field.kind() else { return None };
        let key = MapKey::String(field.name().to_owned());
        let value = single(&entry.map_entry_value_field(), choice, depth)?;
        return Some(Value::Map([(key, value)].into()));
    }
    let value = single(field, choice, depth)?;
    Some(if field.is_list() { Value::List(vec![value.clone(), value]) } else { value })
}

fn single(field: &FieldDescriptor, choice: usize, depth: usize) -> Option<Value> {
    let number = field.number() + 100 * u32::try_from(choice).ok()?;
    Some(match field.kind() {
        Kind::Message(message) => Value::Message(filled(&message, choice, depth.checked_sub(1)?)),
        Kind::Enum(named) => Value::EnumNumber(named.values().last()?.number()),
        Kind::Bool => Value::Bool(true),
        Kind::String => Value::String(format!("{} {number}", field.name())),
        Kind::Bytes => Value::Bytes(number.to_be_bytes().to_vec().into()),
        Kind::Double => Value::F64(f64::from(number) + 0.5),
        Kind::Float => Value::F32(0.5),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(-i32::try_from(number).ok()?),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(i64::from(number) << 33),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(number),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(u64::from(number) << 33),
    })
}
