-- min_code: 22
-- One row says how many bytes of a content have arrived so far, for one org that wants it. A content that begins to arrive may be of any
-- size, so its bytes count as they come; only for orgs with a limit of bytes. The reports of progress write the row, and it is deleted when
-- the content is pinned (its pins count it then), when it failed, or when the org no longer wants it. All of this happens under the
-- content's lock.

create table reserved_bytes (
  cid text collate "C" not null,
  org_id uuid not null,
  -- The bytes that have arrived, once for each copy that the org asks for.
  bytes bigint not null,
  primary key (cid, org_id)
) with (fillfactor = 70);

alter table reserved_bytes enable row level security, force row level security;
create policy system_all on reserved_bytes to anchorage_system using (true) with check (true);
create policy own_rows on reserved_bytes for select to anchorage_tenant using (org_id = current_org());

grant select, insert, update, delete on reserved_bytes to anchorage_system;
grant select on reserved_bytes to anchorage_tenant;
