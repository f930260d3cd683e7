//! Images that come after their key went: a row that is hidden, merged or deleted still gets the newest image it ever had.
//!
//! Without this, what a hidden row shows would depend on the order of delivery.

use domain::WorkspaceId;
use rust_decimal::Decimal;
use sqlx::PgConnection;

use crate::store::live::{Bodies, Heads, LiveRecord, texts};

/// Writes images newer than the row's own to accounts that are not live; state and guard stay.
pub(crate) async fn complete_customers(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    live: &[LiveRecord<'_>],
) -> Result<(), sqlx::Error> {
    let heads = Heads::of(live.iter().map(|one| (one.record, one.run, one.trace)));
    let bodies = Bodies::of(live);
    sqlx::query!(
        r#"
        update customers.customer c
           set held           = true,
               image_version  = array[n.epoch, n.read_seq, n.mapping_version, n.revision],
               name           = case when n.set_mask &    1 <> 0 then n.name           else c.name           end,
               website        = case when n.set_mask &    2 <> 0 then n.website        else c.website        end,
               domain         = case when n.set_mask &    4 <> 0 then n.domain         else c.domain         end,
               arr            = case when n.set_mask &    8 <> 0 then n.arr            else c.arr            end,
               arr_currency   = case when n.set_mask &    8 <> 0 then n.arr_currency   else c.arr_currency   end,
               tier           = case when n.set_mask &   16 <> 0 then n.tier           else c.tier           end,
               status         = case when n.set_mask &   32 <> 0 then n.status         else c.status         end,
               industry       = case when n.set_mask &   64 <> 0 then n.industry       else c.industry       end,
               employee_count = case when n.set_mask &  128 <> 0 then n.employee_count else c.employee_count end,
               owner_name     = case when n.set_mask &  256 <> 0 then n.owner_name     else c.owner_name     end,
               owner_email    = case when n.set_mask &  512 <> 0 then n.owner_email    else c.owner_email    end,
               phone          = case when n.set_mask & 1024 <> 0 then n.phone          else c.phone          end,
               country        = case when n.set_mask & 2048 <> 0 then n.country        else c.country        end,
               description    = case when n.set_mask & 4096 <> 0 then n.description    else c.description    end,
               custom          = c.custom || n.custom,
               custom_unmapped = c.custom_unmapped || n.custom_unmapped,
               unmapped       = (c.unmapped & ~(n.set_mask | n.unmapped)) | n.unmapped,
               etag           = c.etag + 1,
               updated_at     = now()
          from unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::integer[],
                      $7::integer[], $8::integer[], $9::text[], $10::text[], $11::text[], $12::numeric[], $13::text[],
                      $14::text[], $15::text[], $16::text[], $17::numeric[], $18::text[], $19::text[], $20::text[],
                      $21::text[], $22::text[], $23::jsonb[], $24::jsonb[])
            as n (key, epoch, read_seq, mapping_version, revision, set_mask, unmapped, name, website, domain, arr,
                  arr_currency, tier, status, industry, employee_count, owner_name, owner_email, phone, country,
                  description, custom, custom_unmapped)
         where c.workspace_id = $1
           and c.key = n.key
           and c.state <> 1
           and coalesce(c.image_version, '{0,0,0,0}') < array[n.epoch, n.read_seq, n.mapping_version, n.revision]
        "#,
        workspace.0,
        &heads.keys as &[&str],
        &heads.epochs,
        &heads.read_seqs,
        &heads.mapping_versions,
        &heads.revisions,
        &bodies.set_masks,
        &bodies.unmapped,
        &texts(live, 0) as &[Option<&str>],
        &texts(live, 1) as &[Option<&str>],
        &texts(live, 2) as &[Option<&str>],
        &bodies.amounts as &[Option<Decimal>],
        &bodies.currencies as &[Option<String>],
        &texts(live, 4) as &[Option<&str>],
        &texts(live, 5) as &[Option<&str>],
        &texts(live, 6) as &[Option<&str>],
        &bodies.numbers as &[Option<Decimal>],
        &texts(live, 8) as &[Option<&str>],
        &texts(live, 9) as &[Option<&str>],
        &texts(live, 10) as &[Option<&str>],
        &texts(live, 11) as &[Option<&str>],
        &texts(live, 12) as &[Option<&str>],
        &bodies.customs,
        &bodies.custom_unmapped,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes images newer than the row's own to contacts that are not live; state and guard stay.
pub(crate) async fn complete_contacts(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    live: &[LiveRecord<'_>],
) -> Result<(), sqlx::Error> {
    let heads = Heads::of(live.iter().map(|one| (one.record, one.run, one.trace)));
    let bodies = Bodies::of(live);
    let accounts: Vec<_> = live.iter().map(|one| one.image.account_id.as_ref().map(|id| id.as_str())).collect();
    sqlx::query!(
        r#"
        update customers.contact c
           set held           = true,
               image_version  = array[n.epoch, n.read_seq, n.mapping_version, n.revision],
               account_id     = n.account_id,
               name           = case when n.set_mask &   1 <> 0 then n.name       else c.name       end,
               email          = case when n.set_mask &   2 <> 0 then n.email      else c.email      end,
               phone          = case when n.set_mask &   4 <> 0 then n.phone      else c.phone      end,
               title          = case when n.set_mask &   8 <> 0 then n.title      else c.title      end,
               status         = case when n.set_mask &  16 <> 0 then n.status     else c.status     end,
               tier           = case when n.set_mask &  32 <> 0 then n.tier       else c.tier       end,
               country        = case when n.set_mask &  64 <> 0 then n.country    else c.country    end,
               company        = case when n.set_mask & 128 <> 0 then n.company    else c.company    end,
               owner_name     = case when n.set_mask & 256 <> 0 then n.owner_name else c.owner_name end,
               custom          = c.custom || n.custom,
               custom_unmapped = c.custom_unmapped || n.custom_unmapped,
               unmapped       = (c.unmapped & ~(n.set_mask | n.unmapped)) | n.unmapped,
               etag           = c.etag + 1,
               updated_at     = now()
          from unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::integer[], $7::integer[], $8::integer[],
                      $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[],
                      $17::text[], $18::text[], $19::jsonb[], $20::jsonb[])
            as n (key, epoch, read_seq, mapping_version, revision, set_mask, unmapped, account_id, name, email, phone,
                  title, status, tier, country, company, owner_name, custom, custom_unmapped)
         where c.workspace_id = $1
           and c.key = n.key
           and c.state <> 1
           and coalesce(c.image_version, '{0,0,0,0}') < array[n.epoch, n.read_seq, n.mapping_version, n.revision]
        "#,
        workspace.0,
        &heads.keys as &[&str],
        &heads.epochs,
        &heads.read_seqs,
        &heads.mapping_versions,
        &heads.revisions,
        &bodies.set_masks,
        &bodies.unmapped,
        &accounts as &[Option<&str>],
        &texts(live, 0) as &[Option<&str>],
        &texts(live, 1) as &[Option<&str>],
        &texts(live, 2) as &[Option<&str>],
        &texts(live, 3) as &[Option<&str>],
        &texts(live, 4) as &[Option<&str>],
        &texts(live, 5) as &[Option<&str>],
        &texts(live, 6) as &[Option<&str>],
        &texts(live, 7) as &[Option<&str>],
        &texts(live, 8) as &[Option<&str>],
        &bodies.customs,
        &bodies.custom_unmapped,
    )
    .execute(conn)
    .await?;
    Ok(())
}
