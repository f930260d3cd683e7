//! Edits by people. They run as a role of their own, for which the database itself refuses locked fields and everything
//! that says where a row comes from.

use domain::WorkspaceId;
use rust_decimal::Decimal;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::record::Image;

/// SQLSTATE with which the database refuses a locked field; the column of the error names it.
pub(crate) const FIELD_LOCKED: &str = "LS001";

/// From here to [`as_sync`] the transaction has no more rights than a person.
pub(crate) async fn as_person(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("set local role lanesync_writer_edit").execute(conn).await.map(|_| ())
}

/// Ends [`as_person`].
pub(crate) async fn as_sync(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("set local role none").execute(conn).await.map(|_| ())
}

fn money(image: &Image) -> (Option<Decimal>, Option<&str>) {
    image.money.as_ref().map_or((None, None), |(amount, currency)| (Some(*amount), Some(currency.as_str())))
}

fn document(image: &Image) -> serde_json::Value {
    image.custom.clone().into()
}

/// Writes the columns that the image sets; returns what changed, as bits of `touched`.
///
/// The hash is forgotten: should a mapping feed the field again, the next image must write it even if it is an old one.
pub(crate) async fn update_customer(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    key: &str,
    image: &Image,
) -> Result<i16, sqlx::Error> {
    let text = |place: usize| image.texts[place].as_deref();
    let (amount, currency) = money(image);
    sqlx::query_scalar!(
        r#"
        update customers.customer c
           set name           = case when $3 &    1 <> 0 then $4            else c.name           end,
               website        = case when $3 &    2 <> 0 then $5            else c.website        end,
               domain         = case when $3 &    4 <> 0 then $6            else c.domain         end,
               arr            = case when $3 &    8 <> 0 then $7::numeric   else c.arr            end,
               arr_currency   = case when $3 &    8 <> 0 then $8            else c.arr_currency   end,
               tier           = case when $3 &   16 <> 0 then $9            else c.tier           end,
               status         = case when $3 &   32 <> 0 then $10           else c.status         end,
               industry       = case when $3 &   64 <> 0 then $11           else c.industry       end,
               employee_count = case when $3 &  128 <> 0 then $12::numeric  else c.employee_count end,
               owner_name     = case when $3 &  256 <> 0 then $13           else c.owner_name     end,
               owner_email    = case when $3 &  512 <> 0 then $14           else c.owner_email    end,
               phone          = case when $3 & 1024 <> 0 then $15           else c.phone          end,
               country        = case when $3 & 2048 <> 0 then $16           else c.country        end,
               description    = case when $3 & 4096 <> 0 then $17           else c.description    end,
               custom         = c.custom || $18,
               touched        = (1
                   | case when $3 & 8 <> 0 and ($7::numeric is distinct from c.arr or $8 is distinct from c.arr_currency)
                          then 2 else 0 end
                   | case when $3 & 16 <> 0 and $9 is distinct from c.tier then 4 else 0 end
                   | case when $3 & 32 <> 0 and $10 is distinct from c.status then 8 else 0 end)::smallint,
               row_hash       = 0,
               etag           = c.etag + 1,
               updated_at     = now()
         where c.workspace_id = $1 and c.key = $2
        returning touched
        "#,
        workspace.0,
        key,
        image.set_mask,
        text(0),
        text(1),
        text(2),
        amount,
        currency,
        text(4),
        text(5),
        text(6),
        image.number,
        text(8),
        text(9),
        text(10),
        text(11),
        text(12),
        document(image),
    )
    .fetch_one(conn)
    .await
}

/// As [`update_customer`].
pub(crate) async fn update_contact(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    key: &str,
    image: &Image,
) -> Result<(), sqlx::Error> {
    let text = |place: usize| image.texts[place].as_deref();
    sqlx::query!(
        r#"
        update customers.contact c
           set name       = case when $3 &   1 <> 0 then $4  else c.name       end,
               email      = case when $3 &   2 <> 0 then $5  else c.email      end,
               phone      = case when $3 &   4 <> 0 then $6  else c.phone      end,
               title      = case when $3 &   8 <> 0 then $7  else c.title      end,
               status     = case when $3 &  16 <> 0 then $8  else c.status     end,
               tier       = case when $3 &  32 <> 0 then $9  else c.tier       end,
               country    = case when $3 &  64 <> 0 then $10 else c.country    end,
               company    = case when $3 & 128 <> 0 then $11 else c.company    end,
               owner_name = case when $3 & 256 <> 0 then $12 else c.owner_name end,
               custom     = c.custom || $13,
               touched    = 1,
               row_hash   = 0,
               etag       = c.etag + 1,
               updated_at = now()
         where c.workspace_id = $1 and c.key = $2
        "#,
        workspace.0,
        key,
        image.set_mask,
        text(0),
        text(1),
        text(2),
        text(3),
        text(4),
        text(5),
        text(6),
        text(7),
        text(8),
        document(image),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes a customer by hand.
pub(crate) async fn insert_customer(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    id: Uuid,
    image: &Image,
) -> Result<(), sqlx::Error> {
    let text = |place: usize| image.texts[place].as_deref();
    let (amount, currency) = money(image);
    sqlx::query!(
        r#"
        insert into customers.customer
               (workspace_id, own_id, lane_id, source, key, name, website, domain, arr, arr_currency, tier, status, industry,
                employee_count, owner_name, owner_email, phone, country, description, custom)
        values ($1, $2, $2, 'lane', $2::uuid::text, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
        "#,
        workspace.0,
        id,
        text(0),
        text(1),
        text(2),
        amount,
        currency,
        text(4),
        text(5),
        text(6),
        image.number,
        text(8),
        text(9),
        text(10),
        text(11),
        text(12),
        document(image),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes a contact by hand.
pub(crate) async fn insert_contact(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    id: Uuid,
    customer: Option<Uuid>,
    image: &Image,
) -> Result<(), sqlx::Error> {
    let text = |place: usize| image.texts[place].as_deref();
    sqlx::query!(
        r#"
        insert into customers.contact
               (workspace_id, own_id, lane_id, source, key, customer_id, name, email, phone, title, status, tier, country,
                company, owner_name, custom)
        values ($1, $2, $2, 'lane', $2::uuid::text, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        "#,
        workspace.0,
        id,
        customer,
        text(0),
        text(1),
        text(2),
        text(3),
        text(4),
        text(5),
        text(6),
        text(7),
        text(8),
        document(image),
    )
    .execute(conn)
    .await?;
    Ok(())
}
