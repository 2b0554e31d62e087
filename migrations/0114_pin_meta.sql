-- min_code: 22
-- One row is one pair of a pin's meta, for searches by meta. The transactions that insert and delete pins write it.

create table pin_meta (
  org_id uuid not null,
  -- Key and value as `meta_key` writes them: the text itself when it is short, its digest when it is too long for an index.
  key text collate "C" not null,
  value text collate "C" not null,
  -- The pin's number in its org.
  seq bigint not null,
  primary key (org_id, key, value, seq)
);

alter table pin_meta enable row level security, force row level security;
create policy system_all on pin_meta to anchorage_system using (true) with check (true);
create policy own_rows on pin_meta to anchorage_tenant using (org_id = current_org()) with check (org_id = current_org());

grant select, insert, update, delete on pin_meta to anchorage_system, anchorage_tenant;
