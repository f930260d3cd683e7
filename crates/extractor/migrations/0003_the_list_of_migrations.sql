-- The right on all tables took in the list of migrations, which is the owner's alone: the service neither reads nor
-- writes it, and no release ever did.
-- contract: unused since 0.0.0
revoke all on extractor._sqlx_migrations from lanesync_extractor;
