//! What is refused, in which words.

use salesforce_sim::{Command, Config, OrgSpec, Seed};
use serde_json::json;

use super::support::{DATA, answer, empty_world, seed, world, world_of};

#[tokio::test]
async fn h26_a_hidden_field_is_no_such_column() {
    let world = empty_world().await;
    let soql = "SELECT Id,Customer_Tier__c FROM Account";
    assert_eq!(world.ask("query", soql).await.status, 200);
    let hide = |hidden| Command::HideField {
        org: None,
        object: "Account".to_owned(),
        field: "Customer_Tier__c".to_owned(),
        hidden,
    };
    world.sim.order(hide(true)).unwrap();
    let refused = world.ask("query", soql).await;
    assert_eq!(refused.status, 400);
    let (code, message) = refused.refusal();
    assert_eq!(code, "INVALID_FIELD");
    assert_eq!(
        message,
        "\nSELECT Id,Customer_Tier__c FROM Account\n          ^\nERROR at Row:1:Column:11\nNo such column 'Customer_Tier__c' on entity 'Account'. \
         If you are attempting to use a custom field, be sure to append the '__c' after the custom field name. Please reference your WSDL or the \
         describe call for the appropriate names."
    );
    let described = world.get(&format!("{DATA}/sobjects/Account/describe")).await.json();
    assert!(described["fields"].as_array().unwrap().iter().all(|field| field["name"] != "Customer_Tier__c"));
    let name =
        Command::HideField { org: None, object: "Account".to_owned(), field: "OwnerId".to_owned(), hidden: true };
    assert!(world.sim.order(name).is_err(), "what is not permissionable can't be hidden");
    world.sim.order(hide(false)).unwrap();
    assert_eq!(world.ask("query", soql).await.status, 200);
}

#[tokio::test]
async fn h27_duplicates_missing_lists_and_unknown_objects() {
    let world = empty_world().await;
    for (soql, code, text) in [
        ("SELECT Id,Id FROM Account", "INVALID_FIELD", "duplicate field selected: Id"),
        ("SELECT Id,Owner.Name,owner.name FROM Account", "INVALID_FIELD", "duplicate field selected"),
        ("SELECT FROM Account", "MALFORMED_QUERY", "unexpected token: 'FROM'"),
        ("SELECT Id FROM", "MALFORMED_QUERY", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM Leed", "INVALID_TYPE", "sObject type 'Leed' is not supported"),
        ("SELECT Id, Boss.Name FROM Account", "INVALID_FIELD", "Didn't understand relationship 'Boss' in field path"),
        (
            "SELECT Id FROM Account WHERE SystemModstamp > '2026-08-01T00:00:00Z'",
            "INVALID_FIELD",
            "must be of type dateTime and should not be enclosed in quotes",
        ),
        ("SELECT Id FROM Account WHERE SystemModstamp > 2026-08-01", "INVALID_FIELD", "must be of type dateTime"),
        (
            "SELECT Id FROM Account WHERE Name = 5",
            "INVALID_FIELD",
            "must be of type string and should be enclosed in quotes",
        ),
        ("SELECT Id FROM Account WHERE AnnualRevenue > 'a'", "INVALID_FIELD", "must be of type currency"),
        ("SELECT Id FROM Account WHERE Description = 'x'", "INVALID_FIELD", "can not be filtered"),
        ("SELECT Id FROM Account ORDER BY Description", "INVALID_FIELD", "can not be sorted"),
        ("SELECT Id FROM Account WHERE Id = 'short'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: short"),
        ("SELECT FIELDS(ALL) FROM Account", "MALFORMED_QUERY", "must have a LIMIT of at most 200"),
        ("SELECT Name, COUNT(Id) FROM Account", "MALFORMED_QUERY", "Field must be grouped or aggregated: Name"),
        ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000"),
        (
            "SELECT Id, ReportsTo.ReportsTo.ReportsTo.ReportsTo.ReportsTo.ReportsTo.Name FROM Contact",
            "INVALID_FIELD",
            "5 levels",
        ),
    ] {
        let refused = world.ask("query", soql).await;
        let (got, message) = refused.refusal();
        assert_eq!((refused.status, got.as_str()), (400, code), "{soql}: {message}");
        assert!(message.contains(text), "{soql}: {message}");
    }
    for soql in [
        "SELECT FIELDS(STANDARD) FROM Account",
        "SELECT FIELDS(ALL) FROM Lead LIMIT 200",
        "select id, NAME, account.name from contact",
    ] {
        assert_eq!(world.ask("query", soql).await.status, 200, "{soql}");
    }
}

#[tokio::test]
async fn h28_an_object_without_permission_is_unknown() {
    let world = world(seed(0, 0, 3)).await;
    let hide = |hidden| Command::HideObject { org: None, object: "Lead".to_owned(), hidden };
    world.sim.order(hide(true)).unwrap();
    assert_eq!(world.ask("query", "SELECT Id FROM Lead").await.refusal().0, "INVALID_TYPE");
    let described = world.get(&format!("{DATA}/sobjects/Lead/describe")).await;
    assert_eq!((described.status, described.refusal().0.as_str()), (404, "NOT_FOUND"));
    let list = world.get(&format!("{DATA}/sobjects")).await.json();
    assert!(list["sobjects"].as_array().unwrap().iter().all(|object| object["name"] != "Lead"));
    world.sim.order(hide(false)).unwrap();
    assert_eq!(world.query("SELECT COUNT() FROM Lead").await["totalSize"], 3);
}

#[tokio::test]
async fn h29_a_plus_must_be_encoded_and_quotes_escaped() {
    let world = empty_world().await;
    world.sim.create("Account", json!({ "Name": "O'Neil \\ Sons" })).unwrap();
    let raw = world
        .get(&format!("{DATA}/query?q=SELECT+Id+FROM+Account+WHERE+SystemModstamp+%3E+2020-08-01T00:00:00+03:00"))
        .await;
    assert_eq!(raw.refusal().0, "MALFORMED_QUERY");
    let encoded = world
        .get(&format!("{DATA}/query?q=SELECT+Id+FROM+Account+WHERE+SystemModstamp+%3E+2020-08-01T00:00:00%2B03:00"))
        .await;
    assert_eq!(encoded.json()["totalSize"], 1);
    let found = world.query("SELECT Name FROM Account WHERE Name = 'O\\'Neil \\\\ Sons'").await;
    assert_eq!(found["records"][0]["Name"], "O'Neil \\ Sons");
    assert_eq!(world.ask("query", "SELECT Id FROM Account WHERE Name = 'a\\xb'").await.refusal().0, "MALFORMED_QUERY");
}

#[tokio::test]
async fn h30_long_uris_get_414_and_long_headers_431() {
    let world = empty_world().await;
    let soql = format!("SELECT Id FROM Account WHERE Name IN ('{}')", "x".repeat(17_000));
    let long = world.ask("query", &soql).await;
    assert_eq!(long.status, 414);
    assert!(long.header("content-type").unwrap().starts_with("text/html"));
    let heavy = answer(world.asking(&format!("{DATA}/limits")).header("x-heavy", "h".repeat(16_380))).await;
    assert_eq!(heavy.status, 431);
}

#[tokio::test]
async fn h39_retired_versions_are_gone_and_unknown_ones_not_found() {
    let world = empty_world().await;
    let gone = world.get("/services/data/v30.0/limits").await;
    assert_eq!((gone.status, gone.refusal().0.as_str()), (410, "GONE"));
    assert_eq!(world.get("/services/data/v99.0/limits").await.status, 404);
    let versions = world.get("/services/data/").await.json();
    let newest = versions.as_array().unwrap().last().unwrap();
    assert_eq!(newest["version"], "68.0");
    assert!(
        versions
            .as_array()
            .unwrap()
            .iter()
            .any(|entry| entry["label"] == "Summer '26" && entry["url"] == "/services/data/v67.0")
    );
}

#[tokio::test]
async fn h54_currency_iso_code_exists_in_multi_currency_orgs_only() {
    let soql = "SELECT Id, CurrencyIsoCode FROM Account";
    let single = empty_world().await;
    assert_eq!(single.ask("query", soql).await.refusal().0, "INVALID_FIELD");
    let org = OrgSpec { multi_currency: true, ..OrgSpec::default() };
    let multi =
        world_of(Config { orgs: vec![org], seed: Some(Seed { accounts: 30, ..Seed::default() }), ..Config::default() })
            .await;
    let rows = multi.query(soql).await;
    assert!(rows["records"].as_array().unwrap().iter().all(|row| row["CurrencyIsoCode"].is_string()));
}

#[tokio::test]
async fn requests_without_a_session_or_with_the_wrong_method() {
    let world = empty_world().await;
    let without = answer(world.http.get(world.url(&format!("{DATA}/limits")))).await;
    assert_eq!(
        (without.status, without.refusal()),
        (401, ("INVALID_SESSION_ID".to_owned(), "Session expired or invalid".to_owned()))
    );
    let deleted = answer(world.http.delete(world.url(&format!("{DATA}/limits"))).bearer_auth(&world.token)).await;
    assert_eq!((deleted.status, deleted.refusal().0.as_str()), (405, "METHOD_NOT_ALLOWED"));
    assert_eq!(
        world.get(&format!("{DATA}/nowhere")).await.refusal(),
        ("NOT_FOUND".to_owned(), "The requested resource does not exist".to_owned())
    );
    let oauth_scheme = answer(
        world.http.get(world.url(&format!("{DATA}/limits"))).header("Authorization", format!("OAuth {}", world.token)),
    )
    .await;
    assert_eq!(oauth_scheme.status, 200);
}

#[tokio::test]
async fn single_records_answer_by_id_or_say_why_not() {
    let world = empty_world().await;
    let id = world.sim.create("Account", json!({ "Name": "One" })).unwrap();
    let row = async |id: &str| world.get(&format!("{DATA}/sobjects/Account/{id}")).await;
    let whole = row(&id.to_string()).await.json();
    assert_eq!(whole["Name"], "One");
    assert!(whole.as_object().unwrap().contains_key("BillingAddress"), "every field is there");
    assert_eq!(row(id.short()).await.status, 200, "15 characters do");
    let some = world.get(&format!("{DATA}/sobjects/Account/{id}?fields=Id,Name")).await.json();
    assert_eq!(some.as_object().unwrap().len(), 3);
    let retrieved = world
        .post(
            &format!("{DATA}/composite/sobjects/Account"),
            &json!({ "ids": [id, "001Kd00001a2B3cIAE"], "fields": ["Id", "Name"] }),
        )
        .await
        .json();
    assert_eq!(retrieved[0]["Name"], "One");
    assert!(retrieved[1].is_null());
    world.sim.delete(id).unwrap();
    let deleted = row(&id.to_string()).await;
    assert_eq!(
        (deleted.status, deleted.refusal()),
        (404, ("ENTITY_IS_DELETED".to_owned(), "entity is deleted".to_owned()))
    );
    assert_eq!(row("001Kd00001a2B3cIAE").await.refusal().0, "NOT_FOUND");
    assert_eq!(row("nonsense").await.refusal().0, "MALFORMED_ID");
}
