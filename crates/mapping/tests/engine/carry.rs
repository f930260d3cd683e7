use domain::Object;
use mapping::{Carry, Cell, Compiled, LastKnown};

use crate::{accounts, option, tier};

fn image(raw: Option<&str>) -> String {
    serde_json::json!({ "Tier__c": raw }).to_string()
}

/// Stores images in the order of `arrivals` as the source store does, and returns what it says in the end.
fn told_after(compiled: &Compiled, arrivals: &[(i64, Option<&str>)]) -> Cell {
    let (mut carry, mut stored) = (Carry::default(), None::<(i64, String)>);
    for (read_seq, raw) in arrivals {
        let arriving = image(*raw);
        let older = match &stored {
            Some((stored_seq, stored_image)) if stored_seq < read_seq => Some((*stored_seq, stored_image.clone())),
            Some(_) => Some((*read_seq, arriving.clone())),
            None => None,
        };
        if stored.as_ref().is_none_or(|(stored_seq, _)| stored_seq < read_seq) {
            stored = Some((*read_seq, arriving));
        }
        if let Some((older_seq, older_image)) = older {
            carry.observe(compiled, &compiled.options_of(&older_image), older_seq);
        }
        let (_, stored_image) = stored.as_ref().unwrap();
        carry.settle(compiled, &compiled.options_of(stored_image));
    }
    let (_, stored_image) = stored.unwrap();
    let mut mapped = compiled.reader(["Tier__c"], None).map(&stored_image);
    carry.complete(compiled, &mut mapped);
    mapped.cells.remove(0)
}

#[test]
fn rule_18_the_old_value_stays_in_whatever_order_images_arrive() {
    let compiled = accounts(vec![tier()]).compile(Object::Account);
    let histories: [(&[Option<&str>], Cell); 7] = [
        (&[Some("Gold"), Some("Odd")], Cell::Unmapped(LastKnown::Option("enterprise".into()))),
        (&[Some("Silver"), Some("Gold"), Some("Odd")], Cell::Unmapped(LastKnown::Option("enterprise".into()))),
        (&[Some("Gold"), Some("Odd"), Some("Strange")], Cell::Unmapped(LastKnown::Option("enterprise".into()))),
        (&[Some("Gold"), None, Some("Odd")], Cell::Unmapped(LastKnown::Empty)),
        (&[Some("Gold"), Some("Odd"), Some("Silver")], option("smb")),
        (&[Some("Gold"), Some("Internal")], option("enterprise")),
        (&[Some("Odd"), Some("Strange")], Cell::Unmapped(LastKnown::Unknown)),
    ];
    for (history, expected) in histories {
        let arrivals: Vec<_> = history.iter().enumerate().map(|(at, raw)| (at as i64 + 1, *raw)).collect();
        for order in permutations(arrivals) {
            assert_eq!(told_after(&compiled, &order), expected, "{order:?}");
        }
    }
}

#[test]
fn a_field_that_was_mapped_anew_forgets_what_was_known_before() {
    let before = accounts(vec![tier()]).compile(Object::Account);
    let mut carry = Carry::default();
    carry.observe(&before, &before.options_of(&image(Some("Gold"))), 1);

    let mut entry = tier();
    entry.since = 7;
    let anew = accounts(vec![entry]).compile(Object::Account);
    let odd = image(Some("Odd"));
    let mut mapped = anew.reader(["Tier__c"], None).map(&odd);
    carry.complete(&anew, &mut mapped);
    assert_eq!(mapped.cells, [Cell::Unmapped(LastKnown::Unknown)]);
    carry.settle(&anew, &anew.options_of(&odd));
    assert!(carry.is_empty());
}

#[test]
fn what_is_kept_reads_back_as_it_was_written() {
    let compiled = accounts(vec![tier()]).compile(Object::Account);
    let mut carry = Carry::default();
    carry.observe(&compiled, &compiled.options_of(&image(Some("Gold"))), 4);
    let text = serde_json::to_string(&carry).unwrap();
    assert_eq!(text, r#"{"tier":{"v":"Gold","r":4,"m":1}}"#, "stored rows hold this form");
    assert_eq!(serde_json::from_str::<Carry>(&text).unwrap(), carry);
}

fn permutations<T: Clone>(items: Vec<T>) -> Vec<Vec<T>> {
    if items.len() < 2 {
        return vec![items];
    }
    let mut all = Vec::new();
    for first in 0..items.len() {
        let mut rest = items.clone();
        let item = rest.remove(first);
        for mut tail in permutations(rest) {
            tail.insert(0, item.clone());
            all.push(tail);
        }
    }
    all
}
