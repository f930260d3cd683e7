//! The options of a field: renamed, added, removed while no value is mapped to them.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::Form;
use axum::extract::Path;
use axum::http::StatusCode;
use contract::common::v1::FieldType;
use contract::error::Reason;
use contract::mapper::v1::{FieldOption, LaneField, ListLaneFieldsRequest, UpdateOptionsRequest};

use super::look::Look;
use super::{Group, list};
use crate::peers::{ACTION, Answer, PAGE, Party, ask};
use crate::session::hash;
use crate::trouble::Trouble;
use crate::web::{Frame, Ground, Notice, Outcome, ROOT, Tab, Visit, page, see};
use crate::words::count;

/// One option in the form.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    key: String,
    name: String,
    /// Values that are mapped to it: while there are some it stays.
    in_use: String,
    is_removed: bool,
}

/// What the page says.
#[derive(Clone, Debug)]
struct OptionsPage {
    title: String,
    group: &'static str,
    back: String,
    action: String,
    entries: Vec<Entry>,
    added: String,
    /// Tells whether somebody else changed the options meanwhile.
    seen: String,
    trouble: Option<Trouble>,
}

#[derive(Template)]
#[template(path = "values_options.html")]
struct OptionsTemplate<'a> {
    frame: &'a Frame,
    page: &'a OptionsPage,
}

/// The form as it was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Wish {
    names: BTreeMap<String, String>,
    removed: BTreeSet<String>,
    added: String,
    seen: String,
}

impl Wish {
    fn read(pairs: &[(String, String)]) -> Self {
        let mut wish = Self::default();
        for (name, value) in pairs {
            match (name.as_str(), name.strip_prefix("name-")) {
                ("remove", _) => {
                    wish.removed.insert(value.clone());
                }
                ("add", _) => wish.added.clone_from(value),
                ("seen", _) => wish.seen.clone_from(value),
                (_, Some(key)) => {
                    wish.names.insert(key.to_owned(), value.clone());
                }
                _ => {}
            }
        }
        wish
    }

    /// Returns the options that are wished: known ones renamed or left out, new ones last.
    fn options(&self, known: &[FieldOption]) -> Vec<FieldOption> {
        let mut options: Vec<_> = known
            .iter()
            .filter(|option| !self.removed.contains(&option.key))
            .map(|option| FieldOption {
                key: option.key.clone(),
                display_name: self.names.get(&option.key).map_or(&option.display_name, |name| name).trim().to_owned(),
            })
            .collect();
        for name in self.added.lines().map(str::trim).filter(|name| !name.is_empty()) {
            let key = free_key(name, &options);
            options.push(FieldOption { key, display_name: name.to_owned() });
        }
        options
    }
}

/// Makes a key of a name, one that no other option has.
fn free_key(name: &str, options: &[FieldOption]) -> String {
    let mut slug = String::new();
    for letter in name.chars().flat_map(char::to_lowercase) {
        if letter.is_ascii_alphanumeric() {
            slug.push(letter);
        } else if !slug.is_empty() && !slug.ends_with('_') {
            slug.push('_');
        }
    }
    slug.truncate(50);
    let slug = slug.trim_end_matches('_');
    // A key begins with a letter; a name in another script leaves nothing at all.
    let base = if slug.starts_with(|first: char| first.is_ascii_lowercase()) {
        slug.to_owned()
    } else {
        format!("option_{slug}").trim_end_matches('_').to_owned()
    };
    let is_free = |key: &String| options.iter().all(|option| option.key != *key);
    let numbered = (2..).map(|number: u32| format!("{base}_{number}"));
    std::iter::once(base.clone()).chain(numbered).find(is_free).unwrap_or(base)
}

fn seen(options: &[FieldOption]) -> String {
    let told: Vec<_> = options.iter().map(|option| (option.key.as_str(), option.display_name.as_str())).collect();
    hash(&format!("{told:?}"))
}

/// Asks for an option field; `None` when the group has none of that id.
pub(super) async fn option_field(visit: &Visit, group: Group, id: &str) -> Answer<Option<LaneField>> {
    let request = ListLaneFieldsRequest { workspace_id: visit.workspace(), kind: group.kind().into() };
    let listed = ask(Party::Mapper, PAGE, visit.peers().mappings().list_lane_fields(request)).await?;
    Ok(listed.fields.into_iter().find(|field| field.id == id && field.r#type() == FieldType::Option))
}

pub(super) async fn show(visit: Visit, Path((field, group)): Path<(String, String)>) -> Outcome {
    let group = Group::of_token(&group).ok_or_else(|| visit.refuse_missing())?;
    render(&visit, group, &field, None).await
}

pub(super) async fn save(
    visit: Visit,
    Path((field, group)): Path<(String, String)>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Outcome {
    let group = Group::of_token(&group).ok_or_else(|| visit.refuse_missing())?;
    let wish = Wish::read(&pairs);
    match apply(&visit, group, &field, &wish).await {
        Ok(()) => Ok(see(&Look::default().href(&field), Some(Notice::OptionsSaved))),
        Err(trouble) => render(&visit, group, &field, Some((trouble, wish))).await,
    }
}

async fn apply(visit: &Visit, group: Group, field: &str, wish: &Wish) -> Answer<()> {
    let missing = || Trouble::new(Reason::ResourceNotFound, "There is no such field", "Nothing was saved.");
    let known = option_field(visit, group, field).await?.ok_or_else(missing)?;
    if wish.seen != seen(&known.options) {
        let message = "Nothing of yours was saved yet. Below are the options as they are now, with your names kept.";
        let title = crate::trouble::title(Reason::EtagMismatch);
        return Err(Trouble::new(Reason::EtagMismatch, title, message).advise("Look at them, then save again."));
    }
    let request = UpdateOptionsRequest {
        workspace_id: visit.workspace(),
        kind: group.kind().into(),
        field: field.to_owned(),
        options: wish.options(&known.options),
    };
    ask(Party::Mapper, ACTION, visit.peers().mappings().update_options(request)).await.map_err(explained)?;
    Ok(())
}

/// The same RPC saves field mappings and options; here it is the options.
fn explained(trouble: Trouble) -> Trouble {
    if trouble.is(Reason::FieldMappingInvalid) || trouble.is(Reason::ValueMappingInvalid) {
        return Trouble { title: "The options can’t be saved".to_owned(), ..trouble }
            .advise("Correct the names. An option goes once no value is mapped to it.");
    }
    trouble
}

async fn render(visit: &Visit, group: Group, field: &str, refused: Option<(Trouble, Wish)>) -> Outcome {
    let (ground, known, values) = tokio::join!(
        Ground::of(visit),
        option_field(visit, group, field),
        Box::pin(list::by_option(visit, group, field))
    );
    let known = known.map_err(|trouble| visit.refuse(&trouble))?.ok_or_else(|| visit.refuse_missing())?;
    let values = values.unwrap_or_default();
    let (trouble, wish) = refused.map_or((None, Wish::default()), |(trouble, wish)| (Some(trouble), wish));
    let status = trouble.as_ref().map_or(StatusCode::OK, Trouble::status);
    let entry = |option: &FieldOption| {
        let in_use = values.get(&option.key).copied().unwrap_or_default();
        Entry {
            key: option.key.clone(),
            name: wish.names.get(&option.key).unwrap_or(&option.display_name).clone(),
            in_use: if in_use > 0 { count(in_use, "value", "values") } else { String::new() },
            is_removed: wish.removed.contains(&option.key),
        }
    };
    let view = OptionsPage {
        title: known.display_name.clone(),
        group: group.title(),
        back: Look::default().href(field),
        action: format!("{ROOT}/values/{field}/{}/options", group.token()),
        entries: known.options.iter().map(entry).collect(),
        added: wish.added.clone(),
        seen: seen(&known.options),
        trouble,
    };
    let frame = Frame::new(visit, &ground, Some(Tab::Values), "Options");
    Ok(page(status, &OptionsTemplate { frame: &frame, page: &view }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(key: &str, name: &str) -> FieldOption {
        FieldOption { key: key.into(), display_name: name.into() }
    }

    #[test]
    fn options_are_renamed_removed_and_added_under_keys_of_their_own() {
        let known = [option("smb", "SMB"), option("gold", "Gold")];
        let pairs = [("name-smb", " Small "), ("remove", "gold"), ("add", "SMB\r\nÜber 9000\n\n金\n9 lives")];
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let wished = Wish::read(&pairs).options(&known);
        let expected = [
            option("smb", "Small"),
            option("smb_2", "SMB"),
            option("ber_9000", "Über 9000"),
            option("option", "金"),
            option("option_9_lives", "9 lives"),
        ];
        assert_eq!(wished, expected);
        assert!(wished.iter().all(|option| option.key.parse::<domain::FieldId>().is_ok()));
        assert_ne!(seen(&known), seen(&wished));
    }
}
