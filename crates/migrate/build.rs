//! Rebuilds this crate when a service gains a migration: the macro that embeds them can't see a new file.
fn main() {
    for service in ["auth", "extractor", "mapper", "customer-writer"] {
        println!("cargo::rerun-if-changed=../{service}/migrations");
    }
}
