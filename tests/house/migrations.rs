//! Migrations only expand, so that the release before works on the tables of this one. What a migration says is read by
//! squawk (`cargo x release-check`); here stands what squawk can't know: when its rules may be waived.

use std::fs;
use std::process::Command;

use crate::root;

/// What a line says when the step that it stands above takes something away, and since when nobody needs that.
const CONTRACT: &str = "-- contract: unused since ";
/// Taking away, also where squawk does not look: in strings that are executed.
const TAKE_AWAY: [&str; 5] = ["drop", "rename", "revoke", "truncate", "squawk-ignore"];

/// Every migration, by its path in the checkout.
fn migrations() -> Vec<(String, String)> {
    let rooms = fs::read_dir(root().join("crates")).unwrap().map(|room| room.unwrap().path().join("migrations"));
    let files = rooms.filter(|folder| folder.is_dir()).flat_map(|folder| fs::read_dir(folder).unwrap());
    let files = files.map(|file| file.unwrap().path()).filter(|file| file.extension().is_some_and(|end| end == "sql"));
    let mut migrations: Vec<_> = files
        .map(|file| {
            let name = file.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(&file).unwrap())
        })
        .collect();
    migrations.sort();
    migrations
}

/// The lines of `sql` that take something away without saying since when nobody needs it.
fn unexplained(sql: &str, version: &str) -> Vec<String> {
    let mut explained = false;
    let mut found = Vec::new();
    for line in sql.lines() {
        if let Some(since) = line.trim().strip_prefix(CONTRACT) {
            explained = is_before(since, version);
            continue;
        }
        if takes_away(line) && !explained {
            found.push(line.trim().to_owned());
        }
        // The word holds for one statement.
        explained &= !line.trim_end().ends_with(';');
    }
    found
}

fn takes_away(line: &str) -> bool {
    let waives = line.trim_start().starts_with("--") && line.contains("squawk-ignore");
    let code = line.split("--").next().unwrap_or_default().to_lowercase();
    // Who creates a function takes it from everybody first: that is no right which anybody had.
    let new_function = code.trim_start().starts_with("revoke all on function") && code.contains("from public");
    let mut words = code.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    waives || (!new_function && words.any(|word| TAKE_AWAY.contains(&word)))
}

/// Whether `since` is a release that was made before `version`.
fn is_before(since: &str, version: &str) -> bool {
    let numbers = |text: &str| text.split('.').map(|number| number.parse::<u64>().ok()).collect::<Option<Vec<_>>>();
    numbers(since).is_some_and(|since| since.len() == 3 && Some(since) < numbers(version))
}

#[test]
fn a_migration_that_takes_something_away_says_since_when_nobody_needs_it() {
    for (file, sql) in migrations() {
        let found = unexplained(&sql, env!("CARGO_PKG_VERSION"));
        assert!(found.is_empty(), "{file}: above each of these must stand «{CONTRACT}RELEASE»: {found:#?}");
    }
}

#[test]
fn migrations_of_a_room_are_numbered_without_a_gap() {
    let mut expected = 0;
    let mut room = String::new();
    for (file, _) in migrations() {
        let (folder, name) = file.rsplit_once('/').unwrap();
        expected = if folder == room { expected + 1 } else { 1 };
        folder.clone_into(&mut room);
        assert!(name.starts_with(&format!("{expected:04}_")), "{file} is not number {expected}");
    }
}

#[test]
fn a_released_migration_is_never_changed() {
    let frozen = fs::read_to_string(root().join("crates/migrate/released.txt")).unwrap();
    assert!(!frozen.is_empty());
    for line in frozen.lines() {
        let (id, file) = line.split_once(' ').unwrap();
        let now = Command::new("git").args(["hash-object", file]).current_dir(root()).output().unwrap();
        assert!(now.status.success(), "{file} is gone, and databases have it in their books");
        let now = String::from_utf8(now.stdout).unwrap();
        assert_eq!(now.trim(), id, "{file} was released: databases that have it would refuse every later one");
    }
}

#[test]
fn the_word_for_taking_away_holds_for_one_statement_and_for_a_past_release() {
    let explained =
        "-- contract: unused since 0.1.0\n-- squawk-ignore ban-drop-column\nalter table a.t\n    drop column x;\n";
    assert!(unexplained(explained, "0.2.0").is_empty());
    assert_eq!(unexplained(explained, "0.1.0").len(), 2, "the release that is being made still uses it");
    assert_eq!(unexplained(&format!("{explained}drop table a.t;"), "0.2.0"), ["drop table a.t;"]);
    for hidden in
        ["do $$ begin execute 'DROP table a.t'; end $$;", "revoke select on a.t from a;", "-- squawk-ignore x"]
    {
        assert_eq!(unexplained(hidden, "0.2.0"), [hidden]);
    }
    for harmless in ["-- nobody drops it", "dropped_at timestamptz,", "revoke all on function a.f(uuid) from public;"] {
        assert!(unexplained(harmless, "0.2.0").is_empty(), "{harmless}");
    }
}
