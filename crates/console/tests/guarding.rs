//! The guard in front of every page: S26, S27, S32, S33, S34.

use std::time::Duration;

use contract::common::v1::Plan;
use reqwest::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::World;

#[tokio::test]
async fn a_change_needs_our_own_form_of_this_session_from_an_admin() {
    let world = World::new().await;
    let workspace = world.workspace("Acme", Plan::Business).await;
    let (admin, other) = (world.admin(&workspace).await, world.admin(&workspace).await);
    let page = admin.open("/integrations/salesforce").await;
    let csrf = page.csrf().unwrap();
    let origin = world.stack.console_url().trim_end_matches('/').to_owned();
    let path = "/sign-out";

    let refused = [
        ("no Origin", admin.post(path, &[("csrf", &csrf)], None).await, StatusCode::FORBIDDEN),
        (
            "a foreign Origin",
            admin.post(path, &[("csrf", &csrf)], Some("https://evil.example")).await,
            StatusCode::FORBIDDEN,
        ),
        ("an opaque Origin", admin.post(path, &[("csrf", &csrf)], Some("null")).await, StatusCode::FORBIDDEN),
        ("no token", admin.post(path, &[], Some(&origin)).await, StatusCode::FORBIDDEN),
        ("another session's token", other.post(path, &[("csrf", &csrf)], Some(&origin)).await, StatusCode::FORBIDDEN),
        (
            "too much",
            admin.post(path, &[("csrf", &csrf), ("x", &"x".repeat(70_000))], Some(&origin)).await,
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
    ];
    for (why, answer, status) in refused {
        assert_eq!(answer.status, status, "{why}");
        assert!(answer.body.contains("Nothing was changed"), "{why}: {}", answer.body);
    }
    let json = admin.http().post(admin.address(path)).header("cookie", admin.sent()).header("origin", &origin);
    let json = json.header("content-type", "application/json").body("{}").send().await.unwrap();
    assert_eq!(json.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let put = admin.http().put(admin.address(path)).header("cookie", admin.sent()).header("origin", &origin);
    assert_eq!(put.send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    // GET changes nothing.
    assert_eq!(admin.get(path).await.status, StatusCode::METHOD_NOT_ALLOWED);

    // Nothing of all that signed anybody out.
    assert_eq!(admin.open("/integrations/salesforce").await.status, StatusCode::OK);
    assert_eq!(admin.post(path, &[("csrf", &csrf)], Some(&origin)).await.status, StatusCode::OK);
}

/// Sends the head of a request and no body, and reads until the connection ends.
async fn answer_to(world: &World, head: &str) -> String {
    let address = world.stack.console_url().trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut socket = TcpStream::connect(&address).await.unwrap();
    socket.write_all(format!("{head}\r\nHost: {address}\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = socket.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(8), read).await.expect("the connection ends").unwrap();
    answer
}

#[tokio::test]
async fn who_is_refused_before_the_body_was_read_is_not_listened_to_any_longer() {
    let world = World::new().await;
    let origin = world.stack.console_url().trim_end_matches('/').to_owned();
    let form = "Content-Type: application/x-www-form-urlencoded";
    let length = "Content-Length: 70000";
    let refused = [
        (format!("POST /sign-out HTTP/1.1\r\nOrigin: https://evil.example\r\n{form}\r\n{length}"), "403"),
        (format!("POST /sign-out HTTP/1.1\r\nOrigin: {origin}\r\n{form}\r\n{length}"), "413"),
        (format!("POST /sign-out HTTP/1.1\r\nOrigin: {origin}\r\nTransfer-Encoding: chunked"), "415"),
        (format!("PUT /sign-out HTTP/1.1\r\n{length}"), "405"),
        (format!("POST /static/x/app.css HTTP/1.1\r\n{length}"), "405"),
    ];
    for (head, status) in refused {
        let answer = answer_to(&world, &head).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{head}: {answer}");
        assert!(answer.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{head}: {answer}");
    }
    // Whoever sent all of it may ask again on the same connection.
    let whole = world.browser().post("/sign-out", &[("csrf", "x")], Some(&origin)).await;
    assert_eq!((whole.status, whole.header("connection")), (StatusCode::FORBIDDEN, ""));
}

#[tokio::test]
async fn a_member_looks_and_changes_nothing() {
    let world = World::new().await;
    let workspace = world.workspace("Acme", Plan::Business).await;
    let member = world.browser();
    member.sign_in(&workspace, "Max", "member").await;
    let page = member.open("/integrations/salesforce").await;
    assert_eq!(page.status, StatusCode::OK);
    let answer = member.submit(&page, "/integrations/salesforce/connect", &[("environment", "production")]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.heading(), "Only admins can change this");
}

#[tokio::test]
async fn every_page_forbids_inline_script_framing_and_sniffing() {
    let world = World::new().await;
    let workspace = world.workspace("<script>alert(1)</script>", Plan::Business).await;
    let browser = world.browser();
    browser.sign_in(&workspace, "Ada \"><img src=x onerror=alert(1)>", "admin").await;
    for path in ["/integrations/salesforce", "/integrations/salesforce/nowhere", "/sign-in"] {
        let page = browser.open(path).await;
        let policy = page.header("content-security-policy");
        for part in ["default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("cache-control"), "no-store");
        assert!(!page.body.contains("<img") && !page.body.contains("<script>"), "{path}: {}", page.body);
        for tag in page.body.split('<').skip(1).filter_map(|rest| rest.split('>').next()) {
            assert!(!tag.contains(" style=") && !tag.contains(" on"), "inline code in {path}: <{tag}>");
        }
    }
    // Assets are named by their content and kept for ever.
    let page = browser.open("/integrations/salesforce").await;
    let style = page.body.split("rel=\"stylesheet\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    let style = browser.get(style).await;
    assert!(
        style.header("cache-control").contains("immutable") && style.header("content-type").starts_with("text/css")
    );
}

#[tokio::test]
async fn who_asks_too_often_is_told_how_long_to_wait() {
    let world = World::new().await;
    let workspace = world.workspace("Acme", Plan::Business).await;
    let (hasty, other) = (world.admin(&workspace).await, world.admin(&workspace).await);
    let page = hasty.open("/integrations/salesforce").await;
    let mut last = StatusCode::OK;
    for _ in 0..70 {
        let answer = hasty.submit(&page, "/integrations/salesforce/nowhere", &[]).await;
        last = answer.status;
        if last == StatusCode::TOO_MANY_REQUESTS {
            assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
            break;
        }
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(other.submit(&page, "/integrations/salesforce/nowhere", &[]).await.status, StatusCode::FORBIDDEN);
    let page = other.open("/integrations/salesforce").await;
    assert_eq!(other.submit(&page, "/integrations/salesforce/nowhere", &[]).await.status, StatusCode::NOT_FOUND);
}
