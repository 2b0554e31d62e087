-- min_code: 22
-- One row is what an org uses in bytes. The transactions that change pins or the sizes of contents update it (`count_bytes`). It is a row
-- of its own, since work that ends changes it without a lock of the org's row. It is locked after pins and before `pin_counts`, in the
-- order of orgs. An org that never used a byte has no row.

create table org_usage (
  org_id uuid primary key,
  -- The sum of `pins.counted_bytes`.
  bytes bigint not null,
  -- The sum of `reserved_bytes.bytes`.
  reserved bigint not null default 0
) with (fillfactor = 50);

alter table org_usage enable row level security, force row level security;
create policy system_all on org_usage to anchorage_system using (true) with check (true);
create policy own_rows on org_usage to anchorage_tenant using (org_id = current_org()) with check (org_id = current_org());

grant select, insert, update, delete on org_usage to anchorage_system;
grant select, insert, update on org_usage to anchorage_tenant;
